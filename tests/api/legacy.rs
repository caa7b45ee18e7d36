//! What is obsolete and still asked for: NPN, ciphers of the legacy provider, DSA, SHA-1, no authentication, no
//! encryption.

use patina_tls::{
    Client, ClientConfig, ConfigBuilder, DhChoice, Error, ErrorKind, ProtocolVersion, Server, ServerConfig,
    ServerVerification,
};

use crate::support::libssl;
use crate::support::pair::{Stream, client, handshake, identity, pair, server, trust};

fn old<S: patina_tls::Side>(builder: ConfigBuilder<S>, ciphers: &str) -> ConfigBuilder<S> {
    builder.versions(ProtocolVersion::TLSv1_2).cipher_list(ciphers)
}

fn npn_of(ends: &(Stream, Stream)) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let of = |end: &Stream| end.negotiated().npn().map(<[u8]>::to_vec);
    (of(&ends.0), of(&ends.1))
}

fn both(name: &str) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (Some(name.into()), Some(name.into()))
}

fn npn_client(names: &[&str]) -> ClientConfig {
    client().versions(ProtocolVersion::TLSv1_2).npn(names).build().unwrap()
}

fn npn_server(names: &[&str]) -> ServerConfig {
    server().npn(names).build().unwrap()
}

#[tokio::test]
async fn npn_takes_the_first_of_the_server_s_that_the_client_has() {
    let server = npn_server(&["h2", "spdy/3", "http/1.1"]);
    assert_eq!(npn_of(&pair(&npn_client(&["x", "http/1.1", "h2"]), &server).await), both("h2"));
}

#[tokio::test]
async fn npn_without_a_common_protocol_takes_the_client_s_first() {
    assert_eq!(npn_of(&pair(&npn_client(&["x", "y"]), &npn_server(&["h2"])).await), both("x"));
}

#[tokio::test]
async fn npn_needs_both_sides_and_a_version_below_1_3() {
    let plain_client = client().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    let plain_server = server().build().unwrap();
    assert_eq!(npn_of(&pair(&plain_client, &npn_server(&["h2"])).await), (None, None));
    assert_eq!(npn_of(&pair(&npn_client(&["h2"]), &plain_server).await), (None, None));
    let newest = client().npn(["h2"]).build().unwrap();
    assert_eq!(npn_of(&pair(&newest, &npn_server(&["h2"])).await), (None, None));
    let none = server().npn(Vec::<&str>::new()).build().unwrap();
    assert_eq!(npn_of(&pair(&npn_client(&["h2"]), &none).await), (None, None));
}

#[tokio::test]
async fn npn_gives_way_to_alpn() {
    let client = client().versions(ProtocolVersion::TLSv1_2).npn(["old"]).alpn(["h2"]).build().unwrap();
    let ends = pair(&client, &server().npn(["old"]).alpn(["h2"]).build().unwrap()).await;
    assert_eq!(npn_of(&ends), (None, None));
    assert_eq!(ends.1.negotiated().alpn(), Some(&b"h2"[..]));
    // An old server knows one of them.
    assert_eq!(npn_of(&pair(&client, &npn_server(&["old"])).await), both("old"));
}

#[tokio::test]
async fn npn_is_that_of_the_configuration_which_the_name_chose() {
    let inner = npn_server(&["inner"]);
    for (outer, other) in [(server().npn(["outer"]), both("outer")), (server(), (None, None))] {
        let server = outer.server_name("localhost", inner.clone()).build().unwrap();
        let client = npn_client(&["outer", "inner"]);
        assert_eq!(npn_of(&pair(&client, &server).await), both("inner"));
        let (client, server) = handshake(&client, "127.0.0.1", &server).await;
        assert_eq!(npn_of(&(client.unwrap(), server.unwrap())), other);
    }
    let bare = server().npn(["outer"]).server_name("localhost", server().build().unwrap()).build().unwrap();
    assert_eq!(npn_of(&pair(&npn_client(&["outer"]), &bare).await), (None, None));
}

#[test]
fn npn_names_are_checked_under_their_own_option() {
    for names in [vec!["h2".to_owned(), String::new()], vec!["x".repeat(256)]] {
        let error = client().npn(&names).build().unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("npn")));
        assert_eq!(error.code(), "ERR_OUT_OF_RANGE");
    }
}

/// The outcome of building both sides with a cipher string that only some builds of libssl know.
fn built(ciphers: &str) -> Result<(ClientConfig, ServerConfig), Error> {
    Ok((old(client(), ciphers).build()?, old(server(), ciphers).build()?))
}

#[tokio::test]
async fn ciphers_of_the_legacy_provider_work_or_say_what_is_missing() {
    for (suite, algorithm) in [("SEED-SHA", "SEED"), ("RC4-SHA", "RC4")] {
        match built(&format!("{suite}:@SECLEVEL=0")) {
            Ok((client, server)) => {
                let ends = pair(&client, &server).await;
                assert_eq!(ends.0.negotiated().cipher_suite().name(), suite);
                assert_eq!(ends.1.negotiated().cipher_suite().name(), suite);
            }
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.option()),
                    (ErrorKind::Unsupported, Some("cipher_list")),
                    "{error:?}"
                );
                assert_eq!(error.code(), "ERR_SSL_NO_CIPHER_MATCH");
                assert!(error.message().contains(algorithm), "{error}");
                assert!(!has_suite(suite), "{suite} is there once the provider is loaded, and yet: {error}");
            }
        }
    }
}

#[test]
fn a_legacy_cipher_that_is_one_of_many_and_missing_is_a_warning() {
    let config = client().cipher_list("HIGH:SEED-SHA:RC4-SHA:@SECLEVEL=0").build().unwrap();
    let warnings: Vec<&str> = config.warnings().collect();
    for (suite, algorithm) in [("SEED-SHA", "SEED"), ("RC4-SHA", "RC4")] {
        let warned =
            warnings.iter().any(|text| text.starts_with("cipher_list: ") && text.contains(algorithm));
        // The text about RC4 explains what SEED needs, too: so ask for each alone.
        let alone = client().cipher_list(format!("HIGH:{suite}:@SECLEVEL=0")).build().unwrap();
        assert_eq!(alone.warnings().next().is_some(), !has_suite(suite), "{suite}");
        assert!(warned || has_suite(suite), "{warnings:?}");
    }
    assert_eq!(client().cipher_list("HIGH:!SEED").build().unwrap().warnings().count(), 0);
}

/// Whether a context that is made by hand, with the legacy provider loaded, has the suite.
fn has_suite(suite: &str) -> bool {
    // 1.1.1 has no providers and needs none.
    let _ = patina_tls::load_provider("legacy");
    let mut ctx = openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::tls()).unwrap();
    ctx.set_cipher_list(suite).is_ok()
}

#[test]
fn a_provider_is_loaded_once_and_an_unknown_one_is_an_error() {
    let unknown = patina_tls::load_provider("no-such-provider").unwrap_err();
    assert_eq!(unknown.option(), Some("load_provider"));
    match patina_tls::load_provider("legacy") {
        Ok(()) => {
            assert_eq!(unknown.kind(), ErrorKind::Config);
            patina_tls::load_provider("legacy").unwrap();
            // The default provider is still there.
            openssl::hash::hash(openssl::hash::MessageDigest::sha256(), b"").unwrap();
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
            assert!(!libssl::is_at_least("3.0") && error.message().contains("3.0"), "{error}");
        }
    }
    for name in ["", "a\0b"] {
        assert_eq!(patina_tls::load_provider(name).unwrap_err().option(), Some("load_provider"));
    }
}

#[tokio::test]
async fn a_dsa_certificate_works_at_level_0() {
    let ciphers = "DHE-DSS-AES128-SHA256:@SECLEVEL=0";
    let server =
        old(ServerConfig::builder().identity(identity("server-dsa")), ciphers).dhparam(DhChoice::Auto);
    let ends = pair(&old(client(), ciphers).build().unwrap(), &server.build().unwrap()).await;
    let facts = ends.0.negotiated();
    assert!(facts.authorized());
    assert_eq!(facts.cipher_suite().name(), "DHE-DSS-AES128-SHA256");
    assert_eq!(facts.peer_certificate().unwrap().subject_common_names(), ["server-dsa"]);
}

#[tokio::test]
async fn a_certificate_signed_with_sha_1_works_at_level_0_and_not_at_2() {
    let certificate = || ServerConfig::builder().identity(identity("server-sha1"));
    let server = certificate().security_level(0).build().unwrap();
    let ends = pair(&client().security_level(0).build().unwrap(), &server).await;
    assert!(ends.0.negotiated().authorized());

    let (refused, _) = handshake(&client().security_level(2).build().unwrap(), "localhost", &server).await;
    let error = refused.unwrap_err();
    // Node has no name for this one.
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "UNSPECIFIED"), "{error:?}");
    assert!(error.message().contains("digest algorithm too weak"), "{error}");

    // From 4.0 on libssl leaves the judgement of a signature to the peer.
    let own = certificate().security_level(2).build();
    if !libssl::is_at_least("4.0") {
        let error = own.unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("identity")), "{error:?}");
    } else {
        own.unwrap();
    }
}

#[tokio::test]
async fn signatures_with_sha_1_work_at_level_0() {
    let limit = |level| {
        let client = old(client(), "ECDHE+AES").security_level(level).sigalgs("RSA+SHA1").build().unwrap();
        let server = old(server(), "ECDHE+AES").security_level(level).sigalgs("RSA+SHA1").build().unwrap();
        (client, server)
    };
    let (client, server) = limit(0);
    let ends = pair(&client, &server).await;
    assert_eq!(ends.1.negotiated().shared_sigalgs(), ["RSA+SHA1"]);
    let (client, server) = limit(2);
    let (client, server) = handshake(&client, "localhost", &server).await;
    client.unwrap_err();
    server.unwrap_err();
}

fn anonymous(ciphers: &str) -> (ConfigBuilder<Client>, ConfigBuilder<Server>) {
    let server = ServerConfig::builder().dhparam(DhChoice::Auto);
    (old(client(), ciphers), old(server, ciphers))
}

#[tokio::test]
async fn a_server_without_a_certificate_is_refused_unless_told_otherwise() {
    for suite in ["AECDH-AES128-SHA", "ADH-AES128-SHA256"] {
        let (client, server) = anonymous(&format!("{suite}:@SECLEVEL=0"));
        let server = server.build().unwrap();
        let (client_end, _) = handshake(&client.build().unwrap(), "localhost", &server).await;
        assert_eq!(client_end.unwrap_err().kind(), ErrorKind::Unauthorized, "{suite}");

        let (client, _) = anonymous(&format!("{suite}:@SECLEVEL=0"));
        let client = client.server_verification(ServerVerification::InsecureReport).build().unwrap();
        let ends = pair(&client, &server).await;
        let facts = ends.0.negotiated();
        assert_eq!(facts.cipher_suite().name(), suite);
        assert!(!facts.authorized() && facts.peer_certificate().is_none(), "{suite}");
        assert_eq!(facts.authorization_error(), Some("UNABLE_TO_GET_ISSUER_CERT"), "{suite}");
    }
}

#[tokio::test]
async fn suites_without_encryption_work_at_level_0_only() {
    let client_at = |level: u8| old(client(), "NULL-SHA256").security_level(level).build();
    let server_at = |level: u8| old(server(), "NULL-SHA256").security_level(level).build();
    let ends = pair(&client_at(0).unwrap(), &server_at(0).unwrap()).await;
    let suite = ends.0.negotiated().cipher_suite();
    assert_eq!((suite.name(), suite.bits()), ("NULL-SHA256", 0));
    assert!(ends.0.negotiated().authorized(), "the server is still proved by its certificate");
    let (client, _) = handshake(&client_at(1).unwrap(), "localhost", &server_at(0).unwrap()).await;
    client.unwrap_err();
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    let error = client().client_cert_engine("no-such-engine").build().unwrap_err();
    assert_eq!(error.option(), Some("client_cert_engine"));
    let expected = if !libssl::is_at_least("4.0") && error.kind() == ErrorKind::Config {
        "ERR_CRYPTO_ENGINE_UNKNOWN"
    } else {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        "ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED"
    };
    assert_eq!(error.code(), expected);
    assert!(error.message().contains("no-such-engine"), "{error}");
    let error = client().client_cert_engine("a\0b").trust(trust("root")).build().unwrap_err();
    assert_eq!(error.option(), Some("client_cert_engine"));
}
