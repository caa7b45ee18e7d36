//! Handshakes that succeed and fail.

use patina_tls::{Alert, ErrorKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::pair::{client, handshake, identity, pair, server};

#[tokio::test]
async fn bytes_pass_both_ways_in_each_version() {
    use ProtocolVersion as V;
    for version in [V::TLSv1_0, V::TLSv1_1, V::TLSv1_2, V::TLSv1_3] {
        let level = "ALL:@SECLEVEL=0";
        let client = client().versions(version).cipher_list(level).build().unwrap();
        let server = server().versions(version).cipher_list(level).build().unwrap();
        let (mut client, mut server) = pair(&client, &server).await;
        assert_eq!(client.negotiated().version(), version);
        assert_eq!(server.negotiated().version(), version);
        assert!(client.negotiated().authorized());

        client.write_all(b"from the client").await.unwrap();
        server.write_all(b"from the server").await.unwrap();
        let (mut a, mut b) = ([0; 15], [0; 15]);
        server.read_exact(&mut a).await.unwrap();
        client.read_exact(&mut b).await.unwrap();
        assert_eq!((&a, &b), (b"from the client", b"from the server"));
        assert_eq!(client.negotiated().finished(), server.negotiated().peer_finished());
        assert_eq!(client.negotiated().peer_finished(), server.negotiated().finished());
    }
}

#[tokio::test]
async fn a_server_of_an_unknown_root_is_refused_with_an_alert() {
    let client =
        patina_tls::ClientConfig::builder().trust(crate::support::pair::trust("other-root")).build().unwrap();
    let server = server().build().unwrap();
    let (client, server) = handshake(&client, "localhost", &server).await;
    let error = client.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.code(), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert_eq!(error.alert(), Some(Alert::UNKNOWN_CA));
    let error = server.unwrap_err();
    assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(Alert::UNKNOWN_CA)));
    assert_eq!(error.code(), "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (client, server) = (client().build().unwrap(), server().build().unwrap());
    let (client, _) = handshake(&client, "elsewhere.example", &server).await;
    let error = client.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "ERR_TLS_CERT_ALTNAME_INVALID"));
}

#[tokio::test]
async fn sides_without_a_common_version_say_so() {
    let client = client().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    let server = server().versions(ProtocolVersion::TLSv1_3).build().unwrap();
    let (client, server) = handshake(&client, "localhost", &server).await;
    assert_eq!(client.unwrap_err().code(), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    let error = server.unwrap_err();
    assert_eq!(
        (error.code(), error.alert()),
        ("ERR_SSL_UNSUPPORTED_PROTOCOL", Some(Alert::PROTOCOL_VERSION))
    );
}

#[tokio::test]
async fn a_server_without_a_certificate_has_no_suite() {
    let client = client().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    let server = ServerConfig::builder().build().unwrap();
    let (client, server) = handshake(&client, "localhost", &server).await;
    assert_eq!(client.unwrap_err().alert(), Some(Alert::HANDSHAKE_FAILURE));
    assert_eq!(server.unwrap_err().code(), "ERR_SSL_NO_SHARED_CIPHER");
}

#[tokio::test]
async fn every_kind_of_key_serves() {
    for (name, root) in [
        ("server-rsa", "root"),
        ("server-pss", "root"),
        ("server-p256", "root-ec"),
        ("server-p384-chain", "root-ec"),
        ("server-ed25519", "root-ec"),
    ] {
        let server = ServerConfig::builder().identity(identity(name)).build().unwrap();
        let trust = crate::support::pair::trust(root).and(crate::support::pair::trust("root"));
        let client = patina_tls::ClientConfig::builder().trust(trust).build().unwrap();
        let (client, _) = handshake(&client, "localhost", &server).await;
        let client = client.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(client.negotiated().peer_certificate().is_some(), "{name}");
    }
}
