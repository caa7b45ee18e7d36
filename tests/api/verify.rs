//! How a client judges the server's chain and name.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use patina_tls::{
    Alert, Certificate, Client, ClientAuth, ClientConfig, ConfigBuilder, CrlCheck, Error, ErrorKind,
    ProtocolVersion, ServerConfig, ServerVerification, TrustStore, VerifyCode, VerifyFlags,
};

use crate::support::fixtures;
use crate::support::pair::{client, engines, identity, server, trust};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn showing(name: &str) -> ServerConfig {
    ServerConfig::builder().identity(identity(name)).build().unwrap()
}

fn crl(trust: &TrustStore, name: &str) -> TrustStore {
    trust.with_crl_pem_file(fixtures::path(&format!("crl/{name}.crl.pem"))).unwrap()
}

fn trusting(trust: TrustStore) -> ConfigBuilder<Client> {
    ClientConfig::builder().trust(trust)
}

/// What a strict client and one that reports make of a server, in both versions: the code, `""` for none.
fn judged(client: impl Fn() -> ConfigBuilder<Client>, server: &ServerConfig) -> String {
    let mut codes = Vec::new();
    for version in BOTH {
        let mut both = engines(&client().versions(version).build().unwrap(), "localhost", server);
        let strict = both.shake();
        let lax = client().versions(version).server_verification(ServerVerification::InsecureReport);
        let mut report = engines(&lax.build().unwrap(), "localhost", server);
        report.shake().unwrap();
        let facts = report.client.negotiated();
        match strict {
            Ok(()) => {
                assert!(facts.authorized() && facts.authorization_error().is_none());
                assert_eq!(facts.verify_code(), Some(VerifyCode::OK));
                codes.push(String::new());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
                assert!(error.alert().is_some(), "{error:?}");
                assert!(!facts.authorized());
                assert_eq!(facts.authorization_error(), Some(error.code()));
                codes.push(error.code().to_owned());
            }
        }
    }
    assert_eq!(codes[0], codes[1], "the versions agree");
    codes.remove(0)
}

fn on(year: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952 + 86_400)
}

#[test]
fn each_flaw_has_its_code() {
    for (name, expected) in [
        ("server-rsa", ""),
        ("server-rsa-chain-chain", ""),
        ("expired", "CERT_HAS_EXPIRED"),
        ("not-yet-valid", "CERT_NOT_YET_VALID"),
        ("self-signed", "DEPTH_ZERO_SELF_SIGNED_CERT"),
        ("wrong-eku", "INVALID_PURPOSE"),
        // The intermediate is not sent.
        ("server-rsa-chain", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        ("shop", "ERR_TLS_CERT_ALTNAME_INVALID"),
        ("server-p256", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
    ] {
        assert_eq!(judged(client, &showing(name)), expected, "{name}");
    }
}

#[test]
fn each_flaw_has_its_alert() {
    for (name, alert) in [
        ("expired", Alert::CERTIFICATE_EXPIRED),
        ("self-signed", Alert::UNKNOWN_CA),
        ("wrong-eku", Alert::UNSUPPORTED_CERTIFICATE),
        ("shop", Alert::BAD_CERTIFICATE),
    ] {
        let mut both = engines(&client().build().unwrap(), "localhost", &showing(name));
        assert_eq!(both.shake().unwrap_err().alert(), Some(alert), "{name}");
        let error = both.server.advance().unwrap_err();
        assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(alert)), "{name}");
    }
}

#[test]
fn an_empty_store_trusts_nobody() {
    assert_eq!(
        judged(|| trusting(TrustStore::empty()), &showing("server-rsa")),
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    );
}

#[test]
fn revocation_lists_are_asked_and_must_be_in_force() {
    let root = || trust("root");
    for (list, name, expected) in [
        ("root", "server-rsa", ""),
        ("root", "revoked", "CERT_REVOKED"),
        ("root-expired", "server-rsa", "CRL_HAS_EXPIRED"),
        ("root-not-yet", "server-rsa", "CRL_NOT_YET_VALID"),
        ("other-root", "server-rsa", "UNABLE_TO_GET_CRL"),
        ("root-bad-signature", "server-rsa", "CRL_SIGNATURE_FAILURE"),
    ] {
        assert_eq!(judged(|| trusting(crl(&root(), list)), &showing(name)), expected, "{list} {name}");
    }
}

#[test]
fn a_revoked_certificate_is_revoked_by_a_list_that_has_expired_as_well() {
    let code = judged(|| trusting(crl(&trust("root"), "root-expired")), &showing("revoked"));
    assert!(code == "CERT_REVOKED" || code == "CRL_HAS_EXPIRED", "{code}");
}

#[test]
fn the_whole_chain_needs_lists_unless_only_the_leaf_is_checked() {
    let intermediate = || crl(&trust("root"), "intermediate");
    let both = || crl(&intermediate(), "root");
    let chain = showing("server-rsa-chain-chain");
    let revoked = showing("revoked-chain-chain");
    assert_eq!(judged(|| trusting(both()), &chain), "");
    assert_eq!(judged(|| trusting(both()), &revoked), "CERT_REVOKED");
    // The root's list is missing, which says whether the intermediate is good.
    assert_eq!(judged(|| trusting(intermediate()), &chain), "UNABLE_TO_GET_CRL");
    assert_eq!(judged(|| trusting(intermediate()).crl_check(CrlCheck::Leaf), &chain), "");
    assert_eq!(judged(|| trusting(intermediate()).crl_check(CrlCheck::Leaf), &revoked), "CERT_REVOKED");
}

#[test]
fn the_depth_limits_what_stands_between_leaf_and_root() {
    let chain = showing("server-rsa-chain-chain");
    assert_eq!(judged(|| client().verify_depth(1), &chain), "");
    assert_eq!(judged(|| client().verify_depth(0), &showing("server-rsa")), "");
    let code = judged(|| client().verify_depth(0), &chain);
    assert!(code == "CERT_CHAIN_TOO_LONG" || code == "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "{code}");
}

#[test]
fn a_partial_chain_is_good_only_where_it_is_allowed() {
    let chain = showing("server-rsa-chain-chain");
    let code = judged(|| trusting(trust("intermediate")), &chain);
    assert_eq!(code, "UNABLE_TO_GET_ISSUER_CERT");
    assert_eq!(
        judged(|| trusting(trust("intermediate")).verify_flags(VerifyFlags::PARTIAL_CHAIN), &chain),
        ""
    );
    assert_eq!(
        judged(
            || trusting(trust("server-rsa")).verify_flags(VerifyFlags::PARTIAL_CHAIN),
            &showing("server-rsa")
        ),
        ""
    );
}

#[test]
fn flags_of_several_calls_add_up() {
    let lenient = || {
        trusting(trust("intermediate"))
            .verify_flags(VerifyFlags::PARTIAL_CHAIN)
            .verify_flags(VerifyFlags::NO_CHECK_TIME)
    };
    assert_eq!(judged(lenient, &showing("server-rsa-chain-chain")), "");
    assert_eq!(judged(|| client().verify_flags(VerifyFlags::NO_CHECK_TIME), &showing("expired")), "");
}

#[test]
fn the_time_of_the_verification_can_be_set() {
    assert_eq!(judged(|| client().verify_time(on(2015)), &showing("expired")), "");
    assert_eq!(judged(|| client().verify_time(on(2118)), &showing("not-yet-valid")), "");
    assert_eq!(judged(|| client().verify_time(on(2015)), &showing("server-rsa")), "CERT_NOT_YET_VALID");
    // Lists are judged by the same time.
    let old = || trusting(crl(&trust("root"), "root-expired")).verify_time(on(2015));
    assert_eq!(judged(old, &showing("expired")), "");
}

#[test]
fn an_own_check_of_the_name_replaces_the_default_one() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let check = move |host: &str, certificate: &Certificate| -> Result<(), Error> {
        log.lock().unwrap().push((host.to_owned(), certificate.subject_common_names()));
        Ok(())
    };
    let mut both =
        engines(&client().identity_check(check).build().unwrap(), "elsewhere.example", &showing("shop"));
    both.shake().unwrap();
    assert!(both.client.negotiated().authorized());
    assert_eq!(*seen.lock().unwrap(), [("elsewhere.example".to_owned(), vec!["shop".to_owned()])]);
}

#[test]
fn the_error_of_an_own_check_is_what_is_reported() {
    let check = |_: &str, _: &Certificate| -> Result<(), Error> { Err(Error::hook("not on the list")) };
    let mut both =
        engines(&client().identity_check(check).build().unwrap(), "localhost", &server().build().unwrap());
    let error = both.shake().unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unauthorized, "not on the list"));
    assert_eq!(error.alert(), Some(Alert::BAD_CERTIFICATE));
}

#[test]
fn the_name_of_an_unverified_chain_is_not_checked() {
    let check = |_: &str, _: &Certificate| -> Result<(), Error> { panic!("nobody should ask") };
    let client = client().identity_check(check).build().unwrap();
    let mut both = engines(&client, "localhost", &showing("self-signed"));
    assert_eq!(both.shake().unwrap_err().code(), "DEPTH_ZERO_SELF_SIGNED_CERT");
}

#[test]
fn names_are_compared_after_the_rules_of_node() {
    for (name, host, good) in [
        ("wildcard", "a.patina.test", true),
        ("wildcard", "A.PATINA.TEST", true),
        ("wildcard", "a.b.patina.test", false),
        ("wildcard", "patina.test", false),
        ("ip-only", "127.0.0.1", true),
        ("ip-only", "127.0.0.2", false),
        ("ip-only", "localhost", false),
        ("idn", "xn--mnchen-3ya.patina.test", true),
        ("cn-only", "localhost", true),
        ("cn-only", "cn-only", false),
        ("server-rsa", "server.patina.test", true),
        ("server-rsa", "server.patina.test.", true),
        ("server-rsa", "server-rsa", false),
        ("server-rsa", "::1", true),
        ("server-rsa", "0:0:0:0:0:0:0:1", true),
    ] {
        let mut both = engines(&client().build().unwrap(), host, &showing(name));
        match both.shake() {
            Ok(()) => assert!(good, "{name} {host}"),
            Err(error) => {
                assert!(!good, "{name} {host}: {error}");
                assert_eq!(error.code(), "ERR_TLS_CERT_ALTNAME_INVALID");
            }
        }
    }
}

#[test]
fn configurations_with_the_same_roots_share_one_store() {
    use foreign_types::ForeignTypeRef as _;
    let store = |trust: TrustStore| {
        let config = trusting(trust).build().unwrap();
        config.as_openssl().cert_store().as_ptr() as usize
    };
    let (a, b) = (client().build().unwrap(), client().build().unwrap());
    assert_eq!(a.as_openssl().cert_store().as_ptr(), b.as_openssl().cert_store().as_ptr());
    let c = server().client_auth(ClientAuth::Request).trust(trust("root")).build().unwrap();
    assert_eq!(a.as_openssl().cert_store().as_ptr(), c.as_openssl().cert_store().as_ptr());

    let held = (trusting(trust("root").and(trust("root-ec"))).build().unwrap(), trust("root"));
    let pair = held.0.as_openssl().cert_store().as_ptr() as usize;
    assert_eq!(store(trust("root-ec").and(trust("root"))), pair, "the order does not count");
    assert_ne!(store(trust("root")), pair);
    assert_ne!(store(crl(&trust("root"), "root")), a.as_openssl().cert_store().as_ptr() as usize);
}

#[test]
fn the_verified_chain_ends_at_the_root_and_the_sent_one_does_not() {
    for version in BOTH {
        let mut both = engines(
            &client().versions(version).build().unwrap(),
            "localhost",
            &showing("server-rsa-chain-chain"),
        );
        both.shake().unwrap();
        let names = |chain: Vec<Certificate>| -> Vec<String> {
            chain.iter().flat_map(Certificate::subject_common_names).collect()
        };
        let facts = both.client.negotiated();
        assert_eq!(names(facts.peer_chain()), ["server-rsa-chain", "Patina Test Intermediate"]);
        assert_eq!(
            names(facts.verified_chain()),
            ["server-rsa-chain", "Patina Test Intermediate", "Patina Test Root"]
        );
    }
}

#[test]
fn a_verifier_can_answer_with_the_verdict_itself() {
    for (code, alert) in [
        (VerifyCode::CERT_REVOKED, Alert::CERTIFICATE_REVOKED),
        (VerifyCode::APPLICATION_VERIFICATION, Alert::HANDSHAKE_FAILURE),
        (VerifyCode::CERT_REJECTED, Alert::BAD_CERTIFICATE),
    ] {
        for version in BOTH {
            let refusing = client().versions(version).peer_verifier(move |_| async move { Err(code.into()) });
            let mut both = engines(&refusing.build().unwrap(), "localhost", &showing("server-rsa"));
            let error = both.shake().unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, code.code()), "{version}");
            assert_eq!(both.client.negotiated().verify_code(), Some(code));
            // Before 3.0 the decision falls behind the handshake, without an alert.
            if openssl::version::number() >= 0x3000_0000 {
                assert_eq!(error.alert(), Some(alert), "{version}");
            }
        }
    }
    let accepting = client().peer_verifier(|_| async { Err(VerifyCode::OK.into()) }).build().unwrap();
    let error = engines(&accepting, "localhost", &showing("server-rsa")).shake().unwrap_err();
    assert_eq!(error.code(), "CERT_REJECTED", "an error never accepts");
}
