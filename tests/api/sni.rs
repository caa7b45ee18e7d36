//! Names: which configuration answers which, and what comes with it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use patina_tls::{
    Alert, AlpnMismatch, CipherPreference, ClientAuth, ClientConfig, ConfigBuilder, ConnectOptions,
    ErrorKind, ProtocolVersion, SecureOptions, Server, ServerConfig, ServerVerification, UnknownName,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::resumption::session_of;
use crate::support::fixtures;
use crate::support::pair::{Stream, client, handshake, identity, server, trust};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn of(name: &str) -> ConfigBuilder<Server> {
    ServerConfig::builder().identity(identity(name))
}

fn lax() -> ConfigBuilder<patina_tls::Client> {
    client().server_verification(ServerVerification::InsecureReport)
}

fn shown(stream: &Stream) -> String {
    stream.negotiated().peer_certificate().unwrap().subject_common_names().remove(0)
}

/// Whose certificate a client sees that asks for `name`.
async fn answer(name: &str, server: &ServerConfig) -> String {
    let (client, _server) = handshake(&lax().build().unwrap(), name, server).await;
    shown(&client.unwrap())
}

#[tokio::test]
async fn a_name_chooses_its_configuration_and_is_told_on_both_sides() {
    let server = server().server_name("shop.patina.test", of("shop").build().unwrap()).build().unwrap();
    for version in BOTH {
        let client = client().versions(version).build().unwrap();
        let (client, far) = handshake(&client, "shop.patina.test", &server).await;
        let (client, far) = (client.unwrap(), far.unwrap());
        assert!(client.negotiated().authorized());
        assert_eq!(shown(&client), "shop");
        assert_eq!(far.negotiated().own_certificate().unwrap().subject_common_names(), ["shop"]);
        assert_eq!(client.negotiated().server_name(), Some("shop.patina.test"));
        assert_eq!(far.negotiated().server_name(), Some("shop.patina.test"));
    }
}

#[tokio::test]
async fn a_star_stands_for_one_label_and_case_for_nothing() {
    let server = server().server_name("*.Patina.Test", of("wildcard").build().unwrap()).build().unwrap();
    for (name, expected) in [
        ("a.patina.test", "wildcard"),
        ("B.PATINA.TEST", "wildcard"),
        ("a.b.patina.test", "server-rsa"),
        ("patina.test", "server-rsa"),
        ("elsewhere.example", "server-rsa"),
    ] {
        assert_eq!(answer(name, &server).await, expected, "{name}");
    }
}

#[tokio::test]
async fn the_latest_match_wins() {
    let (shop, other) = (of("shop").build().unwrap(), of("other").build().unwrap());
    let server = server()
        .server_name("shop.patina.test", shop.clone())
        .server_name("*.patina.test", other.clone())
        .build()
        .unwrap();
    assert_eq!(answer("shop.patina.test", &server).await, "other");
    let server = server.with_server_name("shop.*.test", shop).unwrap();
    assert_eq!(answer("shop.patina.test", &server).await, "shop");
    assert_eq!(answer("x.patina.test", &server).await, "other");
}

#[tokio::test]
async fn adding_a_name_to_a_built_configuration_leaves_the_old_one_as_it_was() {
    let before = server().build().unwrap();
    let after = before.with_server_name("shop.patina.test", of("shop").build().unwrap()).unwrap();
    assert_eq!(answer("shop.patina.test", &before).await, "server-rsa");
    assert_eq!(answer("shop.patina.test", &after).await, "shop");
    assert!(std::ptr::eq(before.as_openssl(), after.as_openssl()), "the SSL_CTX is shared");
    let error = before.with_server_name("", after).unwrap_err();
    assert_eq!((error.option(), error.code()), (Some("server_name"), "ERR_TLS_REQUIRED_SERVER_NAME"));
}

#[tokio::test]
async fn an_unknown_name_is_answered_or_refused_as_the_policy_says() {
    for version in BOTH {
        let shop = of("shop").build().unwrap();
        let strict =
            server().server_name("shop.patina.test", shop).unknown_name(UnknownName::Alert).build().unwrap();
        let config = client().versions(version).build().unwrap();
        let (near, far) = handshake(&config, "localhost", &strict).await;
        let error = near.unwrap_err();
        assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(Alert::UNRECOGNIZED_NAME)));
        assert_eq!(far.unwrap_err().alert(), Some(Alert::UNRECOGNIZED_NAME));
        // Who sends no name is not unknown.
        let (near, far) =
            handshake(&config, ConnectOptions::new("localhost").without_server_name(), &strict).await;
        assert_eq!(shown(&near.unwrap()), "server-rsa");
        assert_eq!(far.unwrap().negotiated().server_name(), None);
    }
}

#[tokio::test]
async fn an_address_is_not_sent_as_a_name() {
    let server = server().build().unwrap();
    for host in ["127.0.0.1", "::1", "[::1]"] {
        let (near, far) = handshake(&client().build().unwrap(), host, &server).await;
        assert!(near.unwrap().negotiated().authorized(), "{host}");
        assert_eq!(far.unwrap().negotiated().server_name(), None, "{host}");
    }
}

#[tokio::test]
async fn the_swap_brings_versions() {
    let old = of("shop").versions(ProtocolVersion::TLSv1_2).build().unwrap();
    let new = of("other").versions(ProtocolVersion::TLSv1_3).build().unwrap();
    let front =
        server().server_name("shop.patina.test", old.clone()).server_name("other.patina.test", new.clone());
    let front = front.build().unwrap();
    for (name, version) in [("shop.patina.test", BOTH[0]), ("other.patina.test", BOTH[1])] {
        let (near, _far) = handshake(&client().build().unwrap(), name, &front).await;
        assert_eq!(near.unwrap().negotiated().version(), version);
    }
    // A front of one version does not stand in the way of another behind it.
    let narrow =
        server().versions(ProtocolVersion::TLSv1_2).server_name("other.patina.test", new).build().unwrap();
    let (near, _far) = handshake(&client().build().unwrap(), "other.patina.test", &narrow).await;
    assert_eq!(near.unwrap().negotiated().version(), ProtocolVersion::TLSv1_3);
}

#[tokio::test]
async fn the_swap_brings_ciphers_for_all_versions_and_their_order() {
    let inner = of("shop")
        .cipher_list("ECDHE-RSA-AES256-SHA384:ECDHE-RSA-CHACHA20-POLY1305")
        .cipher_suites("TLS_CHACHA20_POLY1305_SHA256");
    let inner = inner.build().unwrap();
    let front = server()
        .cipher_list("ECDHE-RSA-AES128-GCM-SHA256")
        .cipher_suites("TLS_AES_128_GCM_SHA256")
        .cipher_preference(CipherPreference::Client)
        .server_name("shop.patina.test", inner)
        .build()
        .unwrap();
    for (version, expected) in
        [(BOTH[0], "ECDHE-RSA-AES256-SHA384"), (BOTH[1], "TLS_CHACHA20_POLY1305_SHA256")]
    {
        let client = client()
            .versions(version)
            .cipher_list("ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-GCM-SHA256")
            .build()
            .unwrap();
        let (near, _far) = handshake(&client, "shop.patina.test", &front).await;
        assert_eq!(near.unwrap().negotiated().cipher_suite().name(), expected);
    }
}

#[tokio::test]
async fn the_swap_brings_the_security_level() {
    let inner =
        ServerConfig::builder().security_level(0).cipher_list("ALL").identity(identity("server-rsa1024"));
    let front = server().server_name("weak.patina.test", inner.build().unwrap()).build().unwrap();
    let client = lax().cipher_list("ALL:@SECLEVEL=0").build().unwrap();
    let (near, _far) = handshake(&client, "weak.patina.test", &front).await;
    assert_eq!(shown(&near.unwrap()), "server-rsa1024");
}

fn bearing(name: &str, version: ProtocolVersion) -> ClientConfig {
    client().identity(identity(name)).versions(version).build().unwrap()
}

#[tokio::test]
async fn the_swap_brings_client_authentication_in_both_directions() {
    for version in BOTH {
        let strict = of("shop").client_auth(ClientAuth::Require).trust(trust("root")).build().unwrap();
        let front = server().server_name("shop.patina.test", strict).build().unwrap();
        let (_near, far) = handshake(&bearing("client-rsa", version), "shop.patina.test", &front).await;
        assert!(far.unwrap().negotiated().authorized());
        let (_near, far) = handshake(&bearing("client-other", version), "shop.patina.test", &front).await;
        assert_eq!(far.unwrap_err().kind(), ErrorKind::Unauthorized);
        let (_near, far) =
            handshake(&client().versions(version).build().unwrap(), "shop.patina.test", &front).await;
        assert_eq!(far.unwrap_err().code(), "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");

        let open = of("shop").build().unwrap();
        let strict = server().client_auth(ClientAuth::Require).trust(trust("root"));
        let front = strict.server_name("shop.patina.test", open).build().unwrap();
        let (_near, far) =
            handshake(&client().versions(version).build().unwrap(), "shop.patina.test", &front).await;
        let far = far.unwrap();
        assert_eq!((far.negotiated().authorized(), far.negotiated().authorization_error()), (false, None));
    }
}

#[tokio::test]
async fn nothing_of_the_front_s_rules_of_verification_stays_after_the_swap() {
    for version in BOTH {
        // The front wants revocation lists, a depth of 0 and a time when nobody was valid.
        let crls = trust("root").with_crl_pem_file(fixtures::path("crl/other-root.crl.pem")).unwrap();
        let inner = of("shop").client_auth(ClientAuth::Require).trust(trust("root")).build().unwrap();
        let front = || server().client_auth(ClientAuth::Require).trust(trust("root"));
        for (what, front) in [
            ("crl", front().trust(crls)),
            ("time", front().verify_time(UNIX_EPOCH + Duration::from_secs(86400))),
            (
                "flags",
                front().verify_flags(
                    patina_tls::VerifyFlags::EXPLICIT_POLICY | patina_tls::VerifyFlags::POLICY_CHECK,
                ),
            ),
        ] {
            let front = front.server_name("shop.patina.test", inner.clone()).build().unwrap();
            let (_near, far) = handshake(&bearing("client-rsa", version), "localhost", &front).await;
            assert!(far.is_err(), "{what}: the front refuses");
            let (_near, far) = handshake(&bearing("client-rsa", version), "shop.patina.test", &front).await;
            assert!(far.unwrap_or_else(|e| panic!("{what} {version}: {e}")).negotiated().authorized());
        }
    }
}

#[tokio::test]
async fn the_swap_brings_rules_of_verification() {
    for version in BOTH {
        let crls = trust("root").with_crl_pem_file(fixtures::path("crl/root.crl.pem")).unwrap();
        let inner = of("shop").client_auth(ClientAuth::Require).trust(crls).build().unwrap();
        let front = server().client_auth(ClientAuth::Require).trust(trust("root"));
        let front = front.server_name("shop.patina.test", inner).build().unwrap();
        let (_near, far) = handshake(&bearing("client-revoked", version), "localhost", &front).await;
        assert!(far.is_ok());
        let (_near, far) = handshake(&bearing("client-revoked", version), "shop.patina.test", &front).await;
        assert_eq!(far.unwrap_err().code(), "CERT_REVOKED");
    }
}

#[tokio::test]
async fn the_swap_brings_application_protocols() {
    for version in BOTH {
        let inner = of("shop").alpn(["two"]).build().unwrap();
        let ignoring = of("other").alpn(["three"]).alpn_mismatch(AlpnMismatch::Ignore).build().unwrap();
        let none = of("wildcard").build().unwrap();
        let front = server()
            .alpn(["one"])
            .server_name("shop.patina.test", inner)
            .server_name("other.patina.test", ignoring)
            .server_name("none.patina.test", none)
            .build()
            .unwrap();
        for (name, expected) in [
            ("localhost", Some(&b"one"[..])),
            ("shop.patina.test", Some(b"two")),
            ("other.patina.test", None),
            ("none.patina.test", None),
        ] {
            let client = client().versions(version).alpn(["one", "two"]).build().unwrap();
            let (near, far) = handshake(&client, name, &front).await;
            assert_eq!(near.unwrap().negotiated().alpn(), expected, "{name} {version}");
            assert_eq!(far.unwrap().negotiated().alpn(), expected, "{name} {version}");
        }
        let client = client().versions(version).alpn(["one"]).build().unwrap();
        let (near, _) = handshake(&client, "shop.patina.test", &front).await;
        assert_eq!(near.unwrap_err().alert(), Some(Alert::NO_APPLICATION_PROTOCOL));
    }
}

#[tokio::test]
async fn the_swap_replaces_the_options_of_libssl() {
    let inner = of("shop").secure_options(SecureOptions::NO_TICKET).build().unwrap();
    let front = server()
        .secure_options(SecureOptions::NO_ENCRYPT_THEN_MAC | SecureOptions::PRIORITIZE_CHACHA)
        .server_name("shop.patina.test", inner)
        .build()
        .unwrap();
    let client = client().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    // Seen from outside: no ticket behind the name, a ticket in front of it.
    let session = session_of(&client, "shop.patina.test", &front).await;
    assert_eq!(session.ticket(), None);
    let session = session_of(&client, "localhost", &front).await;
    assert!(session.ticket().is_some());
}

#[tokio::test]
async fn the_swap_brings_the_number_of_tickets() {
    let inner = of("shop").session_tickets(0).build().unwrap();
    let front = server().server_name("shop.patina.test", inner).build().unwrap();
    let client = client().versions(ProtocolVersion::TLSv1_3).build().unwrap();
    assert!(!session_of(&client, "shop.patina.test", &front).await.is_resumable());
    assert!(session_of(&client, "localhost", &front).await.is_resumable());
}

#[tokio::test]
async fn the_swap_brings_the_size_of_records() {
    let inner = of("shop").max_send_fragment(512).build().unwrap();
    let front = server().server_name("shop.patina.test", inner).build().unwrap();
    for (name, most) in [("shop.patina.test", 512), ("localhost", 16384)] {
        let (near, far) = handshake(&client().build().unwrap(), name, &front).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        far.write_all(&[7; 2000]).await.unwrap();
        far.shutdown().await.unwrap();
        let mut raw = Vec::new();
        near.get_mut().read_to_end(&mut raw).await.unwrap();
        let mut longest = 0;
        let mut rest = &raw[..];
        while let [_, _, _, a, b, tail @ ..] = rest {
            let len = usize::from(u16::from_be_bytes([*a, *b]));
            longest = longest.max(len);
            rest = &tail[len..];
        }
        assert!(longest <= most + 256 && longest + 256 > most.min(2000), "{name}: {longest}");
    }
}

#[tokio::test]
async fn the_key_log_of_the_configuration_that_answers_is_written() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    let inner =
        of("shop").key_log(move |line: &str| log.lock().unwrap().push(line.to_owned())).build().unwrap();
    let front = server().server_name("shop.patina.test", inner).build().unwrap();
    let config = client().versions(ProtocolVersion::TLSv1_3).build().unwrap();
    let (near, _far) = handshake(&config, "localhost", &front).await;
    near.unwrap();
    assert!(lines.lock().unwrap().is_empty());
    let (near, _far) = handshake(&config, "shop.patina.test", &front).await;
    near.unwrap();
    assert!(lines.lock().unwrap().iter().any(|line| line.starts_with("SERVER_TRAFFIC_SECRET_0 ")));
}

#[tokio::test]
async fn the_message_trace_of_the_configuration_that_answers_is_written() {
    let texts = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&texts);
    let inner =
        of("shop").message_trace(move |text: &str| sink.lock().unwrap().push_str(text)).build().unwrap();
    let front = server().server_name("shop.patina.test", inner).build().unwrap();
    let (near, _far) = handshake(&client().build().unwrap(), "shop.patina.test", &front).await;
    near.unwrap();
    assert!(texts.lock().unwrap().contains("Finished"));
}

#[tokio::test]
async fn sessions_are_resumed_under_names() {
    for version in BOTH {
        let front = server().server_name("shop.patina.test", of("shop").build().unwrap()).build().unwrap();
        let client = client().versions(version).build().unwrap();
        let session = session_of(&client, "shop.patina.test", &front).await;
        let target = ConnectOptions::new("shop.patina.test").session(session);
        let (near, far) = handshake(&client, target, &front).await;
        let (near, far) = (near.unwrap(), far.unwrap());
        assert!(near.negotiated().session_reused() && far.negotiated().session_reused(), "{version}");
        assert!(near.negotiated().authorized());
        assert_eq!(far.negotiated().server_name(), Some("shop.patina.test"));
    }
}
