//! Pre-shared keys: both sides, all versions, and what goes wrong.

use patina_tls::{
    Alert, ClientConfig, Error, ErrorKind, PreSharedKey, ProtocolVersion, PskHash, PskIdentity, ServerConfig,
    UnknownPskIdentity,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::pair::{handshake, identity};

const KEY: &[u8; 16] = b"0123456789abcdef";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn name(text: &str) -> PskIdentity {
    PskIdentity::new(text).unwrap()
}

fn client(versions: ProtocolVersion, ciphers: &str) -> ClientConfig {
    ClientConfig::builder()
        .versions(versions)
        .cipher_list(ciphers)
        .psk(name("meter-7"), PreSharedKey::new(*KEY))
        .build()
        .unwrap()
}

async fn find(identity: PskIdentity) -> Result<Option<PreSharedKey>, BoxError> {
    tokio::task::yield_now().await;
    Ok((identity.as_bytes() == b"meter-7").then(|| PreSharedKey::new(*KEY)))
}

fn server(versions: ProtocolVersion, ciphers: &str) -> ServerConfig {
    ServerConfig::builder()
        .versions(versions)
        .cipher_list(ciphers)
        .psk_hint("gateway-7")
        .psk_resolver(find)
        .build()
        .unwrap()
}

#[tokio::test]
async fn each_kind_of_tls_1_2_waits_for_the_key() {
    for (suite, kind) in [
        ("PSK-AES128-GCM-SHA256", "PSK"),
        ("DHE-PSK-AES128-GCM-SHA256", "DHE"),
        ("ECDHE-PSK-AES128-CBC-SHA256", "ECDHE"),
        ("RSA-PSK-AES128-GCM-SHA256", "RSA"),
    ] {
        let list = format!("{suite}:@SECLEVEL=1");
        let server = ServerConfig::builder()
            .identity(identity("server-rsa"))
            .versions(ProtocolVersion::TLSv1_2)
            .cipher_list(&list)
            .dhparam(patina_tls::DhChoice::Auto)
            .psk_resolver(find)
            .build()
            .unwrap();
        let client = ClientConfig::builder()
            .trust(crate::support::pair::trust("root"))
            .versions(ProtocolVersion::TLSv1_2)
            .cipher_list(&list)
            .psk(name("meter-7"), PreSharedKey::new(*KEY))
            .build()
            .unwrap();
        let (client, server) = handshake(&client, "localhost", &server).await;
        let (mut client, mut server) = (client.unwrap_or_else(|e| panic!("{kind}: {e}")), server.unwrap());
        assert_eq!(client.negotiated().cipher_suite().name(), suite);
        assert_eq!(server.negotiated().psk_identity(), Some(&b"meter-7"[..]), "{kind}");
        assert_eq!(client.negotiated().psk_identity(), Some(&b"meter-7"[..]), "{kind}");
        assert!(client.negotiated().authorized(), "{kind}");
        client.write_all(b"reading").await.unwrap();
        let mut heard = [0; 7];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"reading");
    }
}

#[tokio::test]
async fn tls_1_3_takes_keys_of_both_hashes() {
    for (hash, suite) in
        [(PskHash::Sha256, "TLS_AES_128_GCM_SHA256"), (PskHash::Sha384, "TLS_AES_256_GCM_SHA384")]
    {
        let key = PreSharedKey::new(*KEY).with_hash(hash);
        let known = key.clone();
        let server = ServerConfig::builder()
            .cipher_suites(suite)
            .psk_resolver(move |_| {
                let key = known.clone();
                async move { Ok(Some(key)) }
            })
            .build()
            .unwrap();
        let client = ClientConfig::builder().cipher_suites(suite).psk(name("meter-7"), key).build().unwrap();
        let (client, server) = handshake(&client, "localhost", &server).await;
        let (client, server) = (client.unwrap_or_else(|e| panic!("{suite}: {e}")), server.unwrap());
        assert_eq!(client.negotiated().version(), ProtocolVersion::TLSv1_3);
        assert_eq!(client.negotiated().psk_identity(), Some(&b"meter-7"[..]));
        assert_eq!(server.negotiated().psk_identity(), Some(&b"meter-7"[..]));
        assert!(client.negotiated().session_reused() && client.negotiated().authorized());
    }
}

#[tokio::test]
async fn the_client_sees_the_hint() {
    let (send, seen) = std::sync::mpsc::channel();
    let client = ClientConfig::builder()
        .versions(ProtocolVersion::TLSv1_2)
        .cipher_list("PSK")
        .psk_source(move |hint: Option<&[u8]>| {
            send.send(hint.map(<[u8]>::to_vec)).map_err(Error::hook)?;
            Ok(Some((name("meter-7"), PreSharedKey::new(*KEY))))
        })
        .build()
        .unwrap();
    let (client, server) = handshake(&client, "localhost", &server(ProtocolVersion::TLSv1_2, "PSK")).await;
    assert!(client.is_ok() && server.is_ok());
    assert_eq!(seen.try_iter().last().unwrap().as_deref(), Some(&b"gateway-7"[..]));
}

#[tokio::test]
async fn an_unknown_identity_sends_unknown_psk_identity() {
    let versions = ProtocolVersion::TLSv1_2;
    let server = ServerConfig::builder()
        .versions(versions)
        .cipher_list("PSK")
        .psk_resolver(async |_| Ok(None))
        .build()
        .unwrap();
    let (client, server) = handshake(&client(versions, "PSK"), "localhost", &server).await;
    assert_eq!(client.unwrap_err().alert(), Some(Alert::UNKNOWN_PSK_IDENTITY));
    let error = server.unwrap_err();
    assert_eq!(error.code(), "ERR_SSL_PSK_IDENTITY_NOT_FOUND");
    assert_eq!(error.alert(), Some(Alert::UNKNOWN_PSK_IDENTITY));
}

#[tokio::test]
async fn a_hidden_identity_fails_as_a_wrong_key_does() {
    for (versions, ciphers) in
        [(ProtocolVersion::TLSv1_2, "PSK"), (ProtocolVersion::TLSv1_3, "TLS_AES_128_GCM_SHA256")]
    {
        let server = |key: Option<PreSharedKey>| {
            ServerConfig::builder()
                .versions(versions)
                .cipher_list(ciphers)
                .unknown_psk_identity(UnknownPskIdentity::Hide)
                .psk_resolver(move |_| {
                    let key = key.clone();
                    async move { Ok(key) }
                })
                .build()
                .unwrap()
        };
        let client = client(versions, ciphers);
        let (hidden, _) = handshake(&client, "localhost", &server(None)).await;
        let (wrong, _) =
            handshake(&client, "localhost", &server(Some(PreSharedKey::new(*b"another key 1234")))).await;
        let (hidden, wrong) = (hidden.unwrap_err(), wrong.unwrap_err());
        assert_eq!(
            (hidden.kind(), hidden.code(), hidden.alert()),
            (wrong.kind(), wrong.code(), wrong.alert())
        );
        assert_ne!(hidden.alert(), Some(Alert::UNKNOWN_PSK_IDENTITY));
    }
}

#[tokio::test]
async fn an_error_of_the_resolver_is_the_error_of_the_acceptor() {
    for (versions, ciphers) in
        [(ProtocolVersion::TLSv1_2, "PSK"), (ProtocolVersion::TLSv1_3, "TLS_AES_128_GCM_SHA256")]
    {
        let server = ServerConfig::builder()
            .versions(versions)
            .cipher_list(ciphers)
            .psk_resolver(async |_| Err("the database is down".into()))
            .build()
            .unwrap();
        let (client, server) = handshake(&client(versions, ciphers), "localhost", &server).await;
        let error = server.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Hook, "the database is down"), "{versions}");
        assert_eq!(error.alert(), Some(Alert::INTERNAL_ERROR));
        assert_eq!(client.unwrap_err().alert(), Some(Alert::INTERNAL_ERROR), "{versions}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_a_clear_error() {
    for (versions, ciphers) in
        [(ProtocolVersion::TLSv1_2, "PSK"), (ProtocolVersion::TLSv1_3, "TLS_AES_128_GCM_SHA256")]
    {
        let client = ClientConfig::builder()
            .versions(versions)
            .cipher_list(ciphers)
            .psk(name("meter-7"), PreSharedKey::new(vec![1; 257]))
            .build()
            .unwrap();
        let (client, _) = handshake(&client, "localhost", &server(versions, ciphers)).await;
        let error = client.unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("psk")), "{versions}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_serves_those_who_have_no_key() {
    let server = ServerConfig::builder().identity(identity("server-rsa")).psk_resolver(find).build().unwrap();
    let plain = ClientConfig::builder().trust(crate::support::pair::trust("root")).build().unwrap();
    let (client, _) = handshake(&plain, "localhost", &server).await;
    assert!(client.unwrap().negotiated().peer_certificate().is_some());
    let keyed = ClientConfig::builder()
        .cipher_suites("TLS_AES_128_GCM_SHA256")
        .psk(name("meter-7"), PreSharedKey::new(*KEY))
        .build()
        .unwrap();
    let (client, _) = handshake(&keyed, "localhost", &server).await;
    assert!(client.unwrap().negotiated().peer_certificate().is_none());
}

#[test]
fn a_hint_has_1_to_128_bytes() {
    for bad in [String::new(), "x".repeat(129), "a\0b".to_owned()] {
        let error = ServerConfig::builder().psk_resolver(find).psk_hint(bad).build().unwrap_err();
        assert_eq!(
            (error.option(), error.code()),
            (Some("psk_hint"), "ERR_TLS_PSK_SET_IDENTITY_HINT_FAILED")
        );
    }
}

#[tokio::test]
async fn a_key_stands_for_the_certificate_that_a_server_requires() {
    for (version, list) in
        [(ProtocolVersion::TLSv1_2, "PSK:@SECLEVEL=0"), (ProtocolVersion::TLSv1_3, "PSK:@SECLEVEL=0")]
    {
        let server = ServerConfig::builder()
            .versions(version)
            .cipher_list(list)
            .client_auth(patina_tls::ClientAuth::Require)
            .trust(crate::support::pair::trust("root"))
            .psk_resolver(find)
            .build()
            .unwrap();
        let (_near, far) = handshake(&client(version, list), "localhost", &server).await;
        let far = far.unwrap_or_else(|e| panic!("{version}: {e}"));
        assert!(far.negotiated().authorized(), "{version}");
        assert_eq!(far.negotiated().psk_identity(), Some(&b"meter-7"[..]));
    }
}

#[tokio::test]
async fn a_key_that_was_offered_and_not_taken_is_not_told() {
    let server = ServerConfig::builder().identity(identity("server-rsa")).build().unwrap();
    let client = ClientConfig::builder()
        .trust(crate::support::pair::trust("root"))
        .versions(ProtocolVersion::TLSv1_3)
        .psk(name("meter-7"), PreSharedKey::new(*KEY))
        .build()
        .unwrap();
    let (near, far) = handshake(&client, "localhost", &server).await;
    let (near, far) = (near.unwrap(), far.unwrap());
    assert!(near.negotiated().authorized() && near.negotiated().peer_certificate().is_some());
    assert_eq!((near.negotiated().psk_identity(), far.negotiated().psk_identity()), (None, None));
}
