//! The ClientHello by hand, and the events of new sessions.

use std::sync::{Arc, Mutex};

use patina_tls::{
    Alert, ConnectOptions, Error, ErrorKind, PreSharedKey, ProtocolVersion, PskIdentity, ServerConfig,
    Session, TlsAcceptor, TlsConnector,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::pair::{Stream, client, identity, resuming_client, server};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn shop() -> ServerConfig {
    ServerConfig::builder().identity(identity("shop")).build().unwrap()
}

#[tokio::test]
async fn the_application_reads_the_client_hello_and_then_chooses() {
    for version in BOTH {
        let client = client().versions(version).alpn(["h2", "http/1.1"]).build().unwrap();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connecting =
            tokio::spawn(async move { TlsConnector::new(client).connect("shop.patina.test", near).await });
        let start = TlsAcceptor::new(server().build().unwrap()).start(far).await.unwrap();
        let hello = start.client_hello();
        assert_eq!(hello.server_name(), Some("shop.patina.test"));
        assert_eq!(hello.alpn().collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
        assert_eq!(hello.highest_version(), Some(version));
        // However long it takes.
        tokio::task::yield_now().await;
        let mut server = start.accept_with(&shop()).await.unwrap();
        let mut client = connecting.await.unwrap().unwrap();
        assert_eq!(client.negotiated().peer_certificate().unwrap().subject_common_names(), ["shop"]);
        server.write_all(b"x").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
    }
}

#[tokio::test]
async fn the_acceptor_s_own_configuration_goes_on_as_if_nobody_had_looked() {
    for version in BOTH {
        let client = client().versions(version).build().unwrap();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connecting =
            tokio::spawn(async move { TlsConnector::new(client).connect("localhost", near).await });
        let start = TlsAcceptor::new(server().build().unwrap()).start(far).await.unwrap();
        start.accept().await.unwrap();
        connecting.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_the_alert_that_the_client_sees() {
    for version in BOTH {
        let client = client().versions(version).build().unwrap();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connecting =
            tokio::spawn(async move { TlsConnector::new(client).connect("localhost", near).await });
        let start = TlsAcceptor::new(server().build().unwrap()).start(far).await.unwrap();
        assert_eq!(start.refuse(Alert::UNRECOGNIZED_NAME).await.alert(), Some(Alert::UNRECOGNIZED_NAME));
        let error = connecting.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(Alert::UNRECOGNIZED_NAME)));
    }
}

#[tokio::test]
async fn what_is_no_client_hello_is_an_error_of_the_start() {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = TlsAcceptor::new(server().build().unwrap()).start(far).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Protocol, "ERR_SSL_HTTP_REQUEST"));
}

#[tokio::test]
async fn the_chosen_configuration_may_ask_for_pre_shared_keys() {
    let ciphers = "PSK+AESGCM:@SECLEVEL=1";
    let keyed = ServerConfig::builder()
        .cipher_list(ciphers)
        .psk_resolver(async |_| {
            tokio::task::yield_now().await;
            Ok(Some(PreSharedKey::new(*b"0123456789abcdef")))
        })
        .build()
        .unwrap();
    let client = client()
        .versions(ProtocolVersion::TLSv1_2)
        .cipher_list(ciphers)
        .psk(PskIdentity::new("meter-7").unwrap(), PreSharedKey::new(*b"0123456789abcdef"))
        .build()
        .unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connecting = tokio::spawn(async move { TlsConnector::new(client).connect("localhost", near).await });
    let start = TlsAcceptor::new(server().build().unwrap()).start(far).await.unwrap();
    let server = start.accept_with(&keyed).await.unwrap();
    assert_eq!(server.negotiated().psk_identity(), Some(&b"meter-7"[..]));
    connecting.await.unwrap().unwrap();
}

/// Shakes hands with a listener, talks, and gives the sessions that were told of.
async fn sessions(version: ProtocolVersion, host: &str) -> (Result<(), Error>, Vec<Session>, ServerConfig) {
    let told: Arc<Mutex<Vec<Session>>> = Arc::default();
    let client = client()
        .versions(version)
        .session_listener({
            let told = Arc::clone(&told);
            move |session: &Session| told.lock().unwrap().push(session.clone())
        })
        .build()
        .unwrap();
    let server = server().build().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accepting = tokio::spawn({
        let server = server.clone();
        async move {
            let mut stream: Stream = TlsAcceptor::new(server).accept(far).await?;
            stream.write_all(b"x").await.unwrap();
            let _ = stream.read_u8().await;
            Ok::<_, Error>(())
        }
    });
    let outcome = match TlsConnector::new(client).connect(host, near).await {
        Ok(mut stream) => {
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
            stream.shutdown().await.unwrap();
            Ok(())
        }
        Err(error) => Err(error),
    };
    let _ = accepting.await.unwrap();
    let told = told.lock().unwrap().clone();
    (outcome, told, server)
}

#[tokio::test]
async fn a_listener_is_told_of_every_session_and_each_resumes() {
    for (version, count) in [(ProtocolVersion::TLSv1_2, 1), (ProtocolVersion::TLSv1_3, 2)] {
        let (outcome, told, server) = sessions(version, "localhost").await;
        outcome.unwrap();
        assert_eq!(told.len(), count, "{version}");
        for session in told {
            // As another process would.
            let session = Session::from_der(session.to_der().unwrap()).unwrap();
            let target = ConnectOptions::new("localhost").session(session);
            let (near, far) = tokio::io::duplex(64 * 1024);
            let client = TlsConnector::new(client().versions(version).build().unwrap());
            let acceptor = TlsAcceptor::new(server.clone());
            let (client, server) = tokio::join!(client.connect(target, near), acceptor.accept(far));
            assert!(client.unwrap().negotiated().session_reused(), "{version}");
            assert!(server.unwrap().negotiated().session_reused(), "{version}");
        }
    }
}

#[tokio::test]
async fn nobody_is_told_of_the_session_of_a_server_that_is_refused() {
    for version in BOTH {
        let (outcome, told, _) = sessions(version, "other.patina.test").await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unauthorized);
        assert!(told.is_empty());
    }
}

/// Connects, talks, and drops both streams without a close; whether the session of an earlier connection was resumed.
async fn resumes(client: &patina_tls::ClientConfig, target: ConnectOptions, server: &ServerConfig) -> bool {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client.clone()), TlsAcceptor::new(server.clone()));
    let (near, far) = tokio::join!(connector.connect(target, near), acceptor.accept(far));
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    far.write_all(b"x").await.unwrap();
    assert_eq!(near.read_u8().await.unwrap(), b'x');
    assert_eq!(near.negotiated().session_reused(), far.negotiated().session_reused());
    near.negotiated().session_reused()
}

#[tokio::test]
async fn the_second_connection_to_a_host_resumes_even_if_the_first_was_dropped() {
    for version in BOTH {
        let client = resuming_client().versions(version).build().unwrap();
        let server = server().build().unwrap();
        let host = || ConnectOptions::new("localhost");
        assert!(!resumes(&client, host(), &server).await);
        for _ in 0..3 {
            assert!(resumes(&client, host(), &server).await, "{version}");
        }
        assert!(!resumes(&client, host().without_resumption(), &server).await, "{version}");
        assert!(
            !resumes(&client, host().without_server_name(), &server).await,
            "another name is another key"
        );
    }
}

#[tokio::test]
async fn who_wants_to_be_asked_for_each_connection_is() {
    let server = server().build().unwrap();
    let judged = resuming_client().peer_verifier(async |_| Ok(())).build().unwrap();
    let plain = resuming_client().resumption_hosts(0).build().unwrap();
    let told = resuming_client().peer_verifier(async |_| Ok(())).resumption_hosts(1).build().unwrap();
    for (client, expected) in [(judged, false), (plain, false), (told, true)] {
        resumes(&client, ConnectOptions::new("localhost"), &server).await;
        assert_eq!(resumes(&client, ConnectOptions::new("localhost"), &server).await, expected);
    }
}

#[tokio::test]
async fn a_handshake_that_fails_drops_what_was_kept_for_its_host() {
    let client = resuming_client().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    let good = server().build().unwrap();
    let host = || ConnectOptions::new("localhost");
    resumes(&client, host(), &good).await;
    // A server that has nothing in common with the client.
    let bad = server().versions(ProtocolVersion::TLSv1_3).build().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client.clone()), TlsAcceptor::new(bad));
    let (near, far) = tokio::join!(connector.connect(host(), near), acceptor.accept(far));
    assert!(near.is_err() && far.is_err());
    assert!(!resumes(&client, host(), &good).await);
}
