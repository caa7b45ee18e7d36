//! Chains that are judged without a connection.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use patina_tls::{
    Certificate, ChainVerifier, ClientConfig, CrlCheck, ErrorKind, Purpose, ServerConfig, TrustStore,
    VerifyCode, VerifyFlags,
};

use crate::support::fixtures;
use crate::support::pair::{engines, identity};

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(std::fs::read(fixtures::path(&format!("pki/{name}.pem"))).unwrap()).unwrap()
}

fn trust(name: &str) -> TrustStore {
    TrustStore::from_pem_file(fixtures::path(&format!("pki/{name}.pem"))).unwrap()
}

fn with_lists(names: &[&str]) -> TrustStore {
    names.iter().fold(trust("root"), |trust, name| {
        trust.with_crl_pem_file(fixtures::path(&format!("crl/{name}.crl.pem"))).unwrap()
    })
}

/// The code of the verdict, empty for a good chain.
fn code(verifier: &ChainVerifier, leaf: &str, between: &[&str]) -> String {
    let between: Vec<Certificate> = between.iter().map(|name| certificate(name)).collect();
    match verifier.verify(&certificate(leaf), &between) {
        Ok(chain) => {
            assert_eq!(chain[0], certificate(leaf));
            String::new()
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
            error.code().to_owned()
        }
    }
}

#[test]
fn a_verifier_and_a_handshake_come_to_the_same_verdict() {
    for leaf in
        ["server-rsa", "expired", "not-yet-valid", "self-signed", "wrong-eku", "server-rsa-chain", "shop"]
    {
        let verifier = ChainVerifier::new(trust("root")).host("localhost");
        let config = ClientConfig::builder().trust(trust("root")).build().unwrap();
        let served = ServerConfig::builder().identity(identity(leaf)).build().unwrap();
        let shaken = engines(&config, "localhost", &served).shake();
        let expected = shaken.err().map(|e| e.code().to_owned()).unwrap_or_default();
        assert_eq!(code(&verifier, leaf, &[]), expected, "{leaf}");
    }
}

#[test]
fn intermediates_may_come_in_any_order_and_the_chain_is_told() {
    let verifier = ChainVerifier::new(trust("root"));
    let between = [certificate("root-ec"), certificate("intermediate")];
    let chain = verifier.verify(&certificate("server-rsa-chain"), &between).unwrap();
    assert_eq!(chain, [certificate("server-rsa-chain"), certificate("intermediate"), certificate("root")]);
}

#[test]
fn a_purpose_decides_which_key_usages_are_good() {
    let verifier = ChainVerifier::new(trust("root"));
    assert_eq!(code(&verifier, "client-rsa", &[]), "INVALID_PURPOSE");
    assert_eq!(code(&verifier.clone().purpose(Purpose::Client), "client-rsa", &[]), "");
    assert_eq!(code(&verifier.clone().purpose(Purpose::Client), "server-rsa", &[]), "INVALID_PURPOSE");
    assert_eq!(code(&verifier.purpose(Purpose::Any), "server-rsa", &[]), "");
}

#[test]
fn the_rules_of_a_configuration_hold() {
    let verifier = ChainVerifier::new(trust("root"));
    let on = |year: u64| UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952 + 86_400);
    assert_eq!(code(&verifier.clone().verify_time(on(1990)), "server-rsa", &[]), "CERT_NOT_YET_VALID");
    assert_eq!(
        code(&verifier.clone().verify_time(SystemTime::UNIX_EPOCH), "server-rsa", &[]),
        "CERT_NOT_YET_VALID"
    );
    assert_ne!(code(&verifier.clone().verify_depth(0), "server-rsa-chain", &["intermediate"]), "");
    assert_eq!(code(&verifier.clone().verify_depth(1), "server-rsa-chain", &["intermediate"]), "");
    assert_eq!(
        code(&verifier.clone().security_level(5), "server-rsa", &[]),
        VerifyCode::EE_KEY_TOO_SMALL.code()
    );
    let partial = ChainVerifier::new(trust("intermediate"));
    assert_ne!(code(&partial, "server-rsa-chain", &[]), "");
    assert_eq!(code(&partial.verify_flags(VerifyFlags::PARTIAL_CHAIN), "server-rsa-chain", &[]), "");
}

#[test]
fn revocation_lists_are_looked_into_for_all_of_a_chain_or_for_its_leaf() {
    let verifier = ChainVerifier::new(with_lists(&["root", "intermediate"]));
    assert_eq!(code(&verifier, "server-rsa-chain", &["intermediate"]), "");
    assert_eq!(code(&verifier, "revoked-chain", &["intermediate"]), "CERT_REVOKED");
    let verifier = ChainVerifier::new(with_lists(&["intermediate"]));
    assert_eq!(code(&verifier, "server-rsa-chain", &["intermediate"]), "UNABLE_TO_GET_CRL");
    assert_eq!(code(&verifier.crl_check(CrlCheck::Leaf), "server-rsa-chain", &["intermediate"]), "");
}

#[test]
fn a_policy_that_no_certificate_has_is_missed_where_one_is_asked_for() {
    let any = ChainVerifier::new(trust("root")).policy("2.5.29.32.0");
    assert_eq!(code(&any, "server-rsa", &[]), "");
    assert_eq!(
        code(&any.verify_flags(VerifyFlags::EXPLICIT_POLICY), "server-rsa", &[]),
        VerifyCode::NO_EXPLICIT_POLICY.code()
    );
}

#[test]
fn a_rule_that_cannot_be_used_is_named() {
    let verifier = ChainVerifier::new(trust("root"));
    for (verifier, option) in [
        (verifier.clone().security_level(6), "security_level"),
        (verifier.clone().policy("no number"), "policy"),
        (verifier.policy("1.2\0"), "policy"),
    ] {
        let error = verifier.verify(&certificate("server-rsa"), &[]).unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some(option)));
    }
}

/// A certificate of that name, with a basic constraint, by its own key or that of an issuer.
fn minted(
    name: &str,
    is_ca: bool,
    key: &PKey<Private>,
    issuer: Option<(&X509, &PKey<Private>)>,
) -> Result<X509, ErrorStack> {
    let mut subject = X509Name::builder()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(issuer.map_or(&subject, |(issuer, _)| issuer.subject_name()))?;
    builder.set_not_before(Asn1Time::from_str("20200101000000Z")?.as_ref())?;
    builder.set_not_after(Asn1Time::from_str("21190101000000Z")?.as_ref())?;
    builder.set_pubkey(key)?;
    let mut constraints = BasicConstraints::new();
    if is_ca {
        constraints.critical().ca();
    }
    builder.append_extension(constraints.build()?)?;
    let names = SubjectAlternativeName::new().dns(name).build(&builder.x509v3_context(None, None))?;
    builder.append_extension(names)?;
    builder.sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256())?;
    Ok(builder.build())
}

#[test]
fn an_issuer_that_is_no_authority_has_nodes_code_whatever_number_libssl_gives_it() {
    let make = |name: &str, is_ca, issuer: Option<&(X509, PKey<Private>)>| {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        (minted(name, is_ca, &key, issuer.map(|(x509, key)| (x509, key))).unwrap(), key)
    };
    let root = make("Root", true, None);
    let middle = make("No Authority", false, Some(&root));
    let leaf = make("localhost", false, Some(&middle));
    let [root, middle, leaf] =
        [root, middle, leaf].map(|(x509, _)| Certificate::from_pem(x509.to_pem().unwrap()).unwrap());
    let verifier = ChainVerifier::new(TrustStore::from_certificates([root])).purpose(Purpose::Any);
    let error = verifier.verify(&leaf, &[middle]).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "INVALID_CA"), "{error:?}");
}
