//! Options that cannot be used: each is refused by `build()`, by its name.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use patina_tls::{
    Capability, Client, ClientAuth, ClientConfig, ClientHello, ConfigBuilder, DhChoice, Error, ErrorKind,
    Identity, ProtocolVersion, SecureOptions, SecureProtocol, Server, ServerConfig, TlsEngine, TrustStore,
    VersionRange,
};
use proptest::prelude::*;

use crate::support::pair::{client, engines, identity, server, trust};
use crate::support::waker::Dice;
use crate::support::{cases, fixtures, libssl};

fn refused(builder: ConfigBuilder<Client>) -> (ErrorKind, Option<&'static str>, String) {
    told(builder.build().unwrap_err())
}

fn refused_server(builder: ConfigBuilder<Server>) -> (ErrorKind, Option<&'static str>, String) {
    told(builder.build().unwrap_err())
}

fn told(error: Error) -> (ErrorKind, Option<&'static str>, String) {
    assert!(!error.message().is_empty());
    if let Some(option) = error.option() {
        assert!(error.to_string().contains(option), "{error}");
    }
    (error.kind(), error.option(), error.code().to_owned())
}

fn config(option: &'static str, code: &str) -> (ErrorKind, Option<&'static str>, String) {
    (ErrorKind::Config, Some(option), code.to_owned())
}

#[test]
fn a_reversed_range_of_versions_is_refused() {
    use ProtocolVersion as V;
    let reversed = VersionRange::new(Some(V::TLSv1_3), Some(V::TLSv1_2));
    assert_eq!(refused(client().versions(reversed)), config("versions", "ERR_TLS_INVALID_PROTOCOL_VERSION"));
    assert_eq!(
        refused_server(server().versions(reversed)),
        config("versions", "ERR_TLS_INVALID_PROTOCOL_VERSION")
    );
}

#[test]
fn every_secure_protocol_gives_its_versions_or_says_why_not() {
    for method in SecureProtocol::all() {
        let name = method.name();
        let old = name.starts_with("TLSv1_method")
            || name.starts_with("TLSv1_1")
            || name.starts_with("TLSv1_client")
            || name.starts_with("TLSv1_server");
        let outcomes = [
            ("_server_method", client().secure_protocol(name).security_level(0).build().map(drop)),
            ("_client_method", server().secure_protocol(name).security_level(0).build().map(drop)),
        ];
        for (wrong, outcome) in outcomes {
            match outcome {
                Err(error) if name.ends_with(wrong) => {
                    assert_eq!(
                        told(error),
                        config("secure_protocol", "ERR_TLS_INVALID_PROTOCOL_METHOD"),
                        "{name}"
                    );
                }
                Err(error) => {
                    assert!(name.starts_with("SSLv3_"), "{name}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert_eq!(error.option(), Some("secure_protocol"), "{name}: {error}");
                }
                Ok(()) => assert!(!name.ends_with(wrong), "{name}"),
            }
        }
        if old && libssl::is_at_least("3.0") {
            // At the level of the system the old versions cannot work, and are refused for that reason.
            let builder = ClientConfig::builder().trust(TrustStore::empty()).security_level(1);
            let error = builder.secure_protocol(name.replace("_server_", "_client_")).build().unwrap_err();
            assert_eq!(told(error).1, Some("secure_protocol"), "{name}");
        }
    }
}

#[test]
fn secure_protocols_set_the_versions_that_a_connection_gets() {
    use ProtocolVersion as V;
    for (name, expected) in [
        ("TLS_method", V::TLSv1_3),
        ("SSLv23_method", V::TLSv1_2),
        ("TLSv1_2_method", V::TLSv1_2),
        ("TLSv1_1_client_method", V::TLSv1_1),
        ("TLSv1_method", V::TLSv1_0),
    ] {
        let level = "ALL:@SECLEVEL=0";
        let server = server().versions(V::TLSv1_0..=V::TLSv1_3).cipher_list(level).build().unwrap();
        let client = client().secure_protocol(name).cipher_list(level).build().unwrap();
        let mut both = engines(&client, "localhost", &server);
        both.shake().unwrap();
        assert_eq!(both.client.negotiated().version(), expected, "{name}");
    }
}

#[test]
fn unknown_methods_and_ssl_2_are_refused_with_node_s_words() {
    for (name, text) in [
        ("SSLv2_method", "SSLv2 methods disabled"),
        ("SSLv2_client_method", "SSLv2 methods disabled"),
        ("tlsv1_2_method", "Unknown method: tlsv1_2_method"),
        ("", "Unknown method: "),
    ] {
        let error = client().secure_protocol(name).build().unwrap_err();
        assert_eq!(
            (error.option(), error.code()),
            (Some("secure_protocol"), "ERR_TLS_INVALID_PROTOCOL_METHOD"),
            "{name}"
        );
        assert_eq!(error.message(), text);
    }
}

#[test]
fn secure_protocol_and_versions_exclude_each_other() {
    let builder = client().secure_protocol("TLSv1_2_method").versions(ProtocolVersion::TLSv1_2..);
    assert_eq!(refused(builder), config("secure_protocol", "ERR_TLS_PROTOCOL_VERSION_CONFLICT"));
}

#[test]
fn ssl_3_works_or_is_unsupported() {
    let only = VersionRange::from(ProtocolVersion::SSLv3);
    for versions in [only, (ProtocolVersion::SSLv3..=ProtocolVersion::TLSv1_2).into()] {
        let client = client().versions(versions).security_level(0).build();
        if patina_tls::openssl().has(Capability::SslV3) {
            let server = server().versions(only).security_level(0).build().unwrap();
            let mut both = engines(&client.unwrap(), "localhost", &server);
            both.shake().unwrap();
            assert_eq!(both.client.negotiated().version(), ProtocolVersion::SSLv3);
        } else {
            let error = client.unwrap_err();
            assert_eq!((error.kind(), error.option()), (ErrorKind::Unsupported, Some("versions")));
            assert!(error.message().contains("enable-ssl3"), "{error}");
        }
    }
}

#[test]
fn old_versions_above_level_0_are_refused_with_the_way_out() {
    for versions in [VersionRange::from(ProtocolVersion::TLSv1_1), (..=ProtocolVersion::TLSv1_1).into()] {
        if !libssl::is_at_least("3.0") {
            // The signatures of the old versions are only from 3.0 on below the level.
            let client = client().versions(versions).security_level(1).build().unwrap();
            let server = server().versions(versions).security_level(1).build().unwrap();
            engines(&client, "localhost", &server).shake().unwrap();
            continue;
        }
        let error = client().versions(versions).security_level(1).build().unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("versions")));
        assert_eq!(error.code(), "ERR_SSL_NO_PROTOCOLS_AVAILABLE");
        assert!(error.message().contains("@SECLEVEL=0"), "{error}");
        client().versions(versions).security_level(0).build().unwrap();
        client().versions(versions).cipher_list("ALL:@SECLEVEL=0").build().unwrap();
    }
}

#[test]
fn cipher_strings_that_leave_nothing_are_refused() {
    for list in ["", ":", "\0"] {
        assert_eq!(
            refused(client().cipher_list(list)),
            config("cipher_list", "ERR_INVALID_ARG_VALUE"),
            "{list:?}"
        );
    }
    for list in ["NO-SUCH-CIPHER", "ALL:!ALL", "@SECLEVEL=1", "TLS_AES_128_GCM_SHA256:NO-SUCH-CIPHER"] {
        let error = client().cipher_list(list).build().unwrap_err();
        assert_eq!(
            (error.option(), error.code()),
            (Some("cipher_list"), "ERR_SSL_NO_CIPHER_MATCH"),
            "{list}"
        );
    }
    // A string that is no cipher string at all.
    for list in ["ALL:@NONSENSE", "@SECLEVEL=9:ALL", "ALL:@SECLEVEL=x"] {
        assert_eq!(client().cipher_list(list).build().unwrap_err().option(), Some("cipher_list"), "{list}");
    }
}

/// What a client says first.
fn offered(config: &ClientConfig) -> ClientHello {
    let mut engine = TlsEngine::client(config, "localhost").unwrap();
    engine.advance().unwrap();
    ClientHello::parse(&engine.output()[5..]).unwrap()
}

#[test]
fn tls_1_3_names_in_the_cipher_string_mean_what_they_mean_in_node() {
    // Without the signal of RFC 5746, which stands last or, from OpenSSL 4.0 on, is an extension.
    let suites = |builder: ConfigBuilder<Client>| {
        let hello = offered(&builder.build().unwrap());
        let (signals, suites): (Vec<u16>, _) = hello.cipher_ids().iter().partition(|id| **id == 0x00FF);
        assert_eq!(signals.is_empty(), hello.extension(0xFF01).is_some(), "one signal: {hello:?}");
        suites
    };
    let split = suites(
        client()
            .cipher_list("ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES256-GCM-SHA384"),
    );
    assert_eq!(split, [0x1302, 0xC02F, 0xC030]);
    let all = suites(client().cipher_list("ECDHE-RSA-AES128-GCM-SHA256"));
    assert_eq!(all, [0x1302, 0x1303, 0x1301, 0xC02F]);

    // Only TLS 1.3 names: older versions are not offered.
    let only = client().cipher_list("TLS_CHACHA20_POLY1305_SHA256").build().unwrap();
    let old = server().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    let mut both = engines(&only, "localhost", &old);
    assert!(both.shake().is_err());
    let mut both = engines(&only, "localhost", &server().build().unwrap());
    both.shake().unwrap();
    assert_eq!(both.client.negotiated().cipher_suite().name(), "TLS_CHACHA20_POLY1305_SHA256");

    let builder = client().cipher_list("TLS_AES_128_GCM_SHA256").versions(ProtocolVersion::TLSv1_2);
    assert_eq!(refused(builder), config("cipher_list", "ERR_SSL_NO_CIPHER_MATCH"));
}

#[test]
fn cipher_suites_are_refused_by_their_own_name() {
    for suites in ["NONE", "ECDHE-RSA-AES128-GCM-SHA256", "x:y"] {
        assert_eq!(
            refused(client().cipher_suites(suites)),
            config("cipher_suites", "ERR_SSL_NO_CIPHER_MATCH"),
            "{suites}"
        );
    }
    for suites in ["", "TLS_AES_128_GCM_SHA256\0"] {
        assert_eq!(refused(client().cipher_suites(suites)).1, Some("cipher_suites"), "{suites:?}");
    }
    // Beside a known name an unknown one is passed over, as in a cipher string.
    assert_eq!(
        offered(&client().cipher_suites("TLS_AES_128_GCM_SHA256:x").build().unwrap()).cipher_ids()[0],
        0x1301
    );
    let twice = client().cipher_suites("TLS_AES_128_GCM_SHA256").cipher_list("TLS_AES_256_GCM_SHA384:ALL");
    assert_eq!(refused(twice).1, Some("cipher_suites"));
}

#[test]
fn security_levels_are_0_to_5_and_do_not_contradict_the_cipher_string() {
    assert_eq!(refused(client().security_level(6)), config("security_level", "ERR_OUT_OF_RANGE"));
    assert_eq!(refused(client().security_level(255)), config("security_level", "ERR_OUT_OF_RANGE"));
    let both = client().security_level(2).cipher_list("ALL:@SECLEVEL=0");
    assert_eq!(refused(both), config("security_level", "ERR_INVALID_ARG_VALUE"));
    let agreed = client().security_level(1).cipher_list("ALL:@SECLEVEL=1").build().unwrap();
    assert_eq!(agreed.as_openssl().security_level(), 1);
    for level in 0..=5 {
        assert_eq!(
            client().security_level(level).build().unwrap().as_openssl().security_level(),
            u32::from(level)
        );
    }
}

#[test]
fn a_certificate_below_the_security_level_is_refused_with_the_identity() {
    for name in ["server-rsa1024", "server-sha1"] {
        // From 4.0 on libssl leaves the judgement of a signature to the peer.
        if name == "server-sha1" && libssl::is_at_least("4.0") {
            ServerConfig::builder().security_level(2).identity(identity(name)).build().unwrap();
            continue;
        }
        let builder = ServerConfig::builder().security_level(2).identity(identity(name));
        assert_eq!(refused_server(builder).1, Some("identity"), "{name}");
        // The order of calls does not matter: the level is there before the certificate.
        ServerConfig::builder().identity(identity(name)).security_level(0).build().unwrap();
    }
}

#[test]
fn unknown_names_in_lists_are_refused_with_their_option() {
    for list in ["nonsense", "X25519:nonsense", ":", "", "X25519\0"] {
        assert_eq!(refused(client().groups(list)).1, Some("groups"), "{list:?}");
        assert_eq!(refused(client().sigalgs(list)).1, Some("sigalgs"), "{list:?}");
        assert_eq!(refused(client().client_sigalgs(list)).1, Some("client_sigalgs"), "{list:?}");
    }
    let error = client().sigalgs("RSA+SHA256:nonsense").build().unwrap_err();
    assert!(error.message().contains("nonsense"), "{error}");
    client().groups("auto").build().unwrap();
}

#[test]
fn numbers_out_of_range_are_refused_and_their_limits_are_not() {
    for bytes in [0, 511, 16385, 65536, 65536 + 512, usize::MAX] {
        assert_eq!(
            refused(client().max_send_fragment(bytes)),
            config("max_send_fragment", "ERR_OUT_OF_RANGE")
        );
    }
    for bytes in [512, 16384] {
        client().max_send_fragment(bytes).build().unwrap();
    }
    for bytes in [0, 33] {
        let builder = server().session_id_context(vec![1; bytes]);
        assert_eq!(refused_server(builder), config("session_id_context", "ERR_OUT_OF_RANGE"));
    }
    for bytes in [1, 32] {
        server().session_id_context(vec![1; bytes]).build().unwrap();
    }
    let long = client().session_timeout(Duration::from_secs(1 << 31));
    assert_eq!(refused(long), config("session_timeout", "ERR_OUT_OF_RANGE"));
    client().session_timeout(Duration::from_secs((1 << 31) - 1)).build().unwrap();
    for time in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - Duration::from_secs(1)] {
        client().verify_time(time).build().unwrap();
    }
    client().verify_depth(u32::MAX).build().unwrap();
}

#[test]
fn protocols_that_cannot_be_sent_are_refused() {
    assert_eq!(refused(client().alpn([""])).1, Some("alpn"));
    assert_eq!(refused(client().alpn(["x".repeat(256)])).1, Some("alpn"));
    assert_eq!(refused_server(server().alpn(["http/1.1", ""])).1, Some("alpn"));
    let many: Vec<String> = (0..300).map(|n| format!("{n:0>255}")).collect();
    assert_eq!(refused(client().alpn(many)).1, Some("alpn"));
    client().alpn(["x".repeat(255)]).build().unwrap();
    client().alpn(Vec::<&str>::new()).build().unwrap();
}

#[test]
fn an_empty_server_name_is_refused() {
    for pattern in ["", "."] {
        let builder = server().server_name(pattern, server().build().unwrap());
        assert_eq!(refused_server(builder), config("server_name", "ERR_TLS_REQUIRED_SERVER_NAME"));
    }
}

#[test]
fn asking_clients_for_certificates_needs_roots() {
    for auth in [ClientAuth::Request, ClientAuth::Require] {
        assert_eq!(refused_server(server().client_auth(auth)).1, Some("trust"));
    }
    server().client_auth(ClientAuth::None).build().unwrap();
}

/// An error of a material names its option and its file.
fn of_file<T: std::fmt::Debug>(outcome: Result<T, Error>, option: &str, file: &str) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.option(), Some(option), "{error}");
    let named = error.file().unwrap_or_else(|| panic!("no file: {error}"));
    assert!(named.ends_with(file), "{error}");
    assert!(error.to_string().contains(file), "{error}");
    error.code().to_owned()
}

#[test]
fn a_key_of_another_certificate_is_refused_with_the_key_s_file() {
    let pki = |name: &str| fixtures::path(&format!("pki/{name}"));
    let outcome = Identity::from_pem_files(pki("server-rsa.pem"), pki("shop.key"));
    assert_eq!(of_file(outcome, "identity", "shop.key"), "ERR_OSSL_X509_KEY_VALUES_MISMATCH");
    let outcome = Identity::from_pem_files(pki("server-rsa.pem"), pki("server-p256.key"));
    assert_eq!(of_file(outcome, "identity", "server-p256.key"), "ERR_OSSL_X509_KEY_VALUES_MISMATCH");
}

#[test]
fn a_wrong_pass_phrase_is_refused_with_the_file() {
    let pki = |name: &str| fixtures::path(&format!("pki/{name}"));
    for key in ["server-rsa-encrypted.key", "server-rsa-traditional-encrypted.key"] {
        Identity::from_pem_files_with_passphrase(pki("server-rsa.pem"), pki(key), "patina").unwrap();
        of_file(
            Identity::from_pem_files_with_passphrase(pki("server-rsa.pem"), pki(key), "wrong"),
            "identity",
            key,
        );
        of_file(Identity::from_pem_files(pki("server-rsa.pem"), pki(key)), "identity", key);
    }
    let pfx = "server-rsa-modern.p12";
    of_file(Identity::from_pkcs12_file(fixtures::path(&format!("pfx/{pfx}")), "wrong"), "identity", pfx);
}

#[test]
fn files_that_cannot_be_read_or_parsed_are_refused_with_their_names() {
    let pki = |name: &str| fixtures::path(&format!("pki/{name}"));
    assert_eq!(of_file(TrustStore::from_pem_file(pki("absent.pem")), "trust", "absent.pem"), "ENOENT");
    assert_eq!(
        of_file(Identity::from_pem_files(pki("absent.pem"), pki("root.key")), "identity", "absent.pem"),
        "ENOENT"
    );
    assert_eq!(
        of_file(Identity::from_pem_files(pki("root.pem"), pki("absent.key")), "identity", "absent.key"),
        "ENOENT"
    );
    for junk in ["not-pem.pem", "garbage.der", "truncated.pem"] {
        of_file(TrustStore::from_pem_file(pki(junk)), "trust", junk);
        of_file(Identity::from_pem_files(pki(junk), pki("server-rsa.key")), "identity", junk);
        of_file(Identity::from_pem_files(pki("server-rsa.pem"), pki(junk)), "identity", junk);
        of_file(trust("root").with_crl_pem_file(pki(junk)), "crl", junk);
        of_file(patina_tls::DhParameters::from_pem_file(pki(junk)), "dhparam", junk);
        of_file(Identity::from_pkcs12_file(pki(junk), "patina"), "identity", junk);
    }
    assert_eq!(trust("root").with_crl_der(b"garbage").unwrap_err().option(), Some("crl"));
}

#[test]
fn weak_diffie_hellman_parameters_come_with_a_warning() {
    let parameters = |name: &str| {
        patina_tls::DhParameters::from_pem_file(fixtures::path(&format!("dh/{name}.pem"))).unwrap()
    };
    let config = server().security_level(1).dhparam(parameters("dh1024")).build().unwrap();
    assert_eq!(config.warnings().collect::<Vec<_>>(), ["DH parameter is less than 2048 bits"]);
    assert_eq!(server().dhparam(parameters("dh2048")).build().unwrap().warnings().count(), 0);
    assert_eq!(server().dhparam(DhChoice::Auto).build().unwrap().warnings().count(), 0);
    // Above level 1 libssl refuses them.
    assert_eq!(refused_server(server().security_level(2).dhparam(parameters("dh1024"))).1, Some("dhparam"));
}

#[test]
fn an_own_step_that_fails_is_refused_by_its_name() {
    let builder = client().with_openssl(|ctx| ctx.set_cipher_list("NO-SUCH-CIPHER"));
    assert_eq!(refused(builder), config("with_openssl", "ERR_SSL_NO_CIPHER_MATCH"));
}

#[test]
fn one_of_each_kind_of_key_can_be_there_and_the_later_of_a_kind_wins() {
    let server = ServerConfig::builder()
        .identity(identity("shop"))
        .identity(identity("server-p256"))
        .identity(identity("server-rsa"))
        .build()
        .unwrap();
    for (ciphers, expected) in [("aRSA", "server-rsa"), ("aECDSA", "server-p256")] {
        let client = client().trust(trust("root").and(trust("root-ec"))).cipher_list(ciphers);
        let client = client.versions(ProtocolVersion::TLSv1_2).build().unwrap();
        let mut both = engines(&client, "localhost", &server);
        both.shake().unwrap();
        assert_eq!(both.client.negotiated().peer_certificate().unwrap().subject_common_names(), [expected]);
    }
}

/// A setter by its place in the list.
fn set(builder: ConfigBuilder<Server>, setter: usize) -> ConfigBuilder<Server> {
    match setter {
        0 => builder.versions(ProtocolVersion::TLSv1_0..=ProtocolVersion::TLSv1_2),
        1 => builder.security_level(0),
        2 => builder.cipher_list("ALL:@SECLEVEL=0"),
        3 => builder.identity(identity("server-rsa1024")),
        4 => builder.identity(identity("server-p256")),
        5 => builder.secure_options(SecureOptions::NO_TICKET),
        6 => builder.secure_options(SecureOptions::LEGACY_SERVER_CONNECT | SecureOptions::PRIORITIZE_CHACHA),
        7 => builder.without_secure_options(SecureOptions::NO_ENCRYPT_THEN_MAC),
        8 => builder.client_auth(ClientAuth::Request),
        9 => builder.trust(trust("root")),
        10 => builder.groups("P-256:X25519"),
        11 => builder.sigalgs("RSA+SHA1:RSA+SHA256:ECDSA+SHA256"),
        12 => builder.max_send_fragment(1024),
        13 => builder.session_tickets(3),
        14 => builder.cipher_suites("TLS_AES_128_GCM_SHA256"),
        _ => builder.verify_depth(3),
    }
}

/// What can be seen of a configuration.
fn seen(config: &ServerConfig) -> String {
    let ctx = config.as_openssl();
    let level = "ALL:@SECLEVEL=0";
    let mut facts = Vec::new();
    for sigalgs in ["RSA+SHA1:RSA+SHA256", "ECDSA+SHA256"] {
        let trust = trust("root").and(trust("root-ec"));
        let client = ClientConfig::builder()
            .trust(trust)
            .versions(..=ProtocolVersion::TLSv1_3)
            .cipher_list(level)
            .sigalgs(sigalgs)
            .build()
            .unwrap();
        let mut both = engines(&client, "localhost", config);
        let outcome = both.shake().map_err(|e| e.code().to_owned());
        let negotiated = both.client.negotiated();
        let key = negotiated.ephemeral_key();
        facts.push(format!("{outcome:?} {} {} {key:?}", negotiated.version(), negotiated.cipher_suite()));
    }
    format!("{} {:?} {} {facts:?}", ctx.security_level(), ctx.verify_mode(), ctx.num_tickets(),)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(24), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_calls_never_matters(chosen in proptest::collection::btree_set(0_usize..16, 1..16), seed: u64) {
        // The two identities are of different key types, so their order does not count either.
        let chosen: Vec<usize> = chosen.into_iter().collect();
        let mut shuffled = chosen.clone();
        let mut dice = Dice::new(seed);
        for end in (1..shuffled.len()).rev() {
            shuffled.swap(end, dice.below(end + 1));
        }
        let options = Arc::new(Mutex::new(Vec::new()));
        let build = |order: &[usize]| {
            let slot = Arc::clone(&options);
            let builder = order.iter().fold(ServerConfig::builder(), |b, s| set(b, *s));
            let builder = builder.with_openssl(move |ctx| {
                slot.lock().unwrap().push(ctx.options());
                Ok(())
            });
            builder.build()
        };
        match (build(&chosen), build(&shuffled)) {
            (Ok(a), Ok(b)) => {
                prop_assert_eq!(seen(&a), seen(&b));
                let options = options.lock().unwrap();
                prop_assert_eq!(options[0], options[1]);
            }
            (Err(a), Err(b)) => prop_assert_eq!(a.to_string(), b.to_string()),
            (a, b) => prop_assert!(false, "{:?} {:?} {:?}", shuffled, a.err(), b.err()),
        }
    }
}
