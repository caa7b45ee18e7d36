//! Sessions: kept, carried over, resumed, and refused.

use openssl::ssl::SslSessionCacheMode;
use patina_tls::{
    ClientConfig, ConnectOptions, ErrorKind, ProtocolVersion, SecureOptions, ServerConfig,
    ServerVerification, Session, SessionCache,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::pair::{Stream, client, handshake, identity, pair, server};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

/// Shakes hands and gives the client's session, once its ticket has come.
pub(crate) async fn session_of(client: &ClientConfig, host: &str, server: &ServerConfig) -> Session {
    let (client, server) = handshake(client, host, server).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    exchange(&mut client, &mut server).await;
    let session = client.negotiated().session().unwrap();
    client.shutdown().await.unwrap();
    server.shutdown().await.unwrap();
    session
}

pub(crate) async fn exchange(client: &mut Stream, server: &mut Stream) {
    server.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    client.write_all(b"y").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'y');
}

pub(crate) async fn resume(
    client: &ClientConfig,
    session: &Session,
    server: &ServerConfig,
) -> (Stream, Stream) {
    let target = ConnectOptions::new("localhost").session(session.clone());
    let (client, server) = handshake(client, target, server).await;
    (client.unwrap(), server.unwrap())
}

#[tokio::test]
async fn a_session_resumes_by_its_ticket_in_both_versions() {
    for version in BOTH {
        let (client, server) = (client().versions(version).build().unwrap(), server().build().unwrap());
        let session = session_of(&client, "localhost", &server).await;
        assert!(session.ticket().is_some() && session.is_resumable());
        assert_eq!(session.protocol(), Some(version));
        let (mut near, mut far) = resume(&client, &session, &server).await;
        for facts in [near.negotiated(), far.negotiated()] {
            assert!(facts.session_reused(), "{version}");
            assert_eq!(facts.version(), version);
        }
        assert!(near.negotiated().authorized());
        assert_eq!(near.negotiated().peer_certificate().unwrap().subject_common_names(), ["server-rsa"]);
        exchange(&mut near, &mut far).await;
    }
}

#[tokio::test]
async fn a_session_that_was_written_and_read_back_resumes_under_another_configuration() {
    for version in BOTH {
        let server = server().build().unwrap();
        let first = client().versions(version).build().unwrap();
        let der = session_of(&first, "localhost", &server).await.to_der().unwrap();
        let session = Session::from_der(&der).unwrap();
        let second = client().versions(version).build().unwrap();
        let (client, _server) = resume(&second, &session, &server).await;
        assert!(client.negotiated().session_reused() && client.negotiated().authorized());
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_without_shutdown_leaves_its_session_resumable() {
    for version in BOTH {
        let (client, server) = (client().versions(version).build().unwrap(), server().build().unwrap());
        let (mut near, mut far) = pair(&client, &server).await;
        exchange(&mut near, &mut far).await;
        let session = near.negotiated().session().unwrap();
        drop(near);
        drop(far);
        assert!(session.is_resumable(), "{version}");
        let (near, _far) = resume(&client, &session, &server).await;
        assert!(near.negotiated().session_reused(), "{version}");
    }
}

#[tokio::test]
async fn a_connection_that_failed_takes_its_session_with_it() {
    for version in BOTH {
        let (client, server) = (client().versions(version).build().unwrap(), server().build().unwrap());
        let (mut near, mut far) = pair(&client, &server).await;
        exchange(&mut near, &mut far).await;
        let session = near.negotiated().session().unwrap();
        // A record that nobody has encrypted.
        far.get_mut().write_all(&[23, 3, 3, 0, 32]).await.unwrap();
        far.get_mut().write_all(&[0xAA; 32]).await.unwrap();
        let error = near.read_u8().await.unwrap_err();
        assert_eq!(patina_tls::Error::from_io(&error).unwrap().kind(), ErrorKind::Protocol);
        drop(near);
        assert!(!session.is_resumable(), "{version}");
    }
}

#[tokio::test]
async fn a_cut_does_not_spoil_the_session() {
    for version in BOTH {
        let (client, server) = (client().versions(version).build().unwrap(), server().build().unwrap());
        let (mut near, mut far) = pair(&client, &server).await;
        exchange(&mut near, &mut far).await;
        let session = near.negotiated().session().unwrap();
        drop(far);
        assert!(near.read_u8().await.is_err());
        drop(near);
        assert!(session.is_resumable(), "{version}");
        let (near, _far) = resume(&client, &session, &server).await;
        assert!(near.negotiated().session_reused(), "{version}");
    }
}

#[tokio::test]
async fn a_session_for_another_host_is_refused_by_the_name_in_its_certificate() {
    for version in BOTH {
        let (client, server) = (client().versions(version).build().unwrap(), server().build().unwrap());
        let session = session_of(&client, "localhost", &server).await;
        let target = ConnectOptions::new("other.patina.test").session(session);
        let (client, _) = handshake(&client, target, &server).await;
        let error = client.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unauthorized, "ERR_TLS_CERT_ALTNAME_INVALID"),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_session_of_an_unverified_server_does_not_pass_where_verification_is_required() {
    for version in BOTH {
        let server = ServerConfig::builder().identity(identity("self-signed")).build().unwrap();
        let lax = client()
            .versions(version)
            .server_verification(ServerVerification::InsecureReport)
            .build()
            .unwrap();
        let session = session_of(&lax, "localhost", &server).await;
        let (client_end, _far) = resume(&lax, &session, &server).await;
        assert!(client_end.negotiated().session_reused());
        assert_eq!(client_end.negotiated().authorization_error(), Some("DEPTH_ZERO_SELF_SIGNED_CERT"));

        let strict = client().versions(version).build().unwrap();
        let (client_end, _) =
            handshake(&strict, ConnectOptions::new("localhost").session(session), &server).await;
        let error = client_end.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unauthorized, "DEPTH_ZERO_SELF_SIGNED_CERT"),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_name_that_does_not_fit_is_reported_with_the_same_code_on_resumption() {
    for version in BOTH {
        let server = server().build().unwrap();
        let lax = client()
            .versions(version)
            .server_verification(ServerVerification::InsecureReport)
            .build()
            .unwrap();
        let (near, far) = handshake(&lax, "elsewhere.example", &server).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        assert_eq!(near.negotiated().authorization_error(), Some("ERR_TLS_CERT_ALTNAME_INVALID"));
        exchange(&mut near, &mut far).await;
        let session = near.negotiated().session().unwrap();

        let target = ConnectOptions::new("elsewhere.example").session(session.clone());
        let (near, _far) = handshake(&lax, target, &server).await;
        let near = near.unwrap();
        assert!(near.negotiated().session_reused());
        assert_eq!(
            near.negotiated().authorization_error(),
            Some("ERR_TLS_CERT_ALTNAME_INVALID"),
            "{version}"
        );
    }
}

#[tokio::test]
async fn without_tickets_a_session_resumes_by_id_from_the_internal_cache_only() {
    for version in BOTH {
        for (cache, resumed) in [(SessionCache::Internal, true), (SessionCache::Off, false)] {
            let server =
                server().secure_options(SecureOptions::NO_TICKET).session_cache(cache).build().unwrap();
            let client = client().versions(version).build().unwrap();
            let session = session_of(&client, "localhost", &server).await;
            let (near, _far) = resume(&client, &session, &server).await;
            assert_eq!(near.negotiated().session_reused(), resumed, "{version} {cache:?}");
            assert!(near.negotiated().authorized());
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_the_ticket_shakes_hands_in_full() {
    for version in BOTH {
        let client = client().versions(version).build().unwrap();
        let session = session_of(&client, "localhost", &server().build().unwrap()).await;
        let (near, _far) = resume(&client, &session, &server().build().unwrap()).await;
        assert!(!near.negotiated().session_reused() && near.negotiated().authorized(), "{version}");
    }
}

#[tokio::test]
async fn a_session_of_another_context_is_not_resumed() {
    for version in BOTH {
        let inner = server().session_id_context(*b"inner").build().unwrap();
        let front = server().session_id_context(*b"outer").server_name("localhost", inner).build().unwrap();
        let client = client().versions(version).build().unwrap();
        let target = ConnectOptions::new("localhost").without_server_name();
        let (near, far) = handshake(&client, target, &front).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        exchange(&mut near, &mut far).await;
        let session = near.negotiated().session().unwrap();
        // The same ticket keys, another context: a full handshake, or none at all.
        let (near, _) = handshake(&client, ConnectOptions::new("localhost").session(session), &front).await;
        assert!(near.map(|near| !near.negotiated().session_reused()).unwrap_or(true), "{version}");
    }
}

#[tokio::test]
async fn the_number_of_tickets_is_the_server_s_choice() {
    for count in [0, 1, 4] {
        let server = server().session_tickets(count).build().unwrap();
        let tickets = std::sync::Arc::new(std::sync::Mutex::new(0));
        let seen = std::sync::Arc::clone(&tickets);
        let client = client().versions(ProtocolVersion::TLSv1_3).with_openssl(move |context| {
            let seen = std::sync::Arc::clone(&seen);
            context.set_session_cache_mode(SslSessionCacheMode::CLIENT);
            context.set_new_session_callback(move |_, _| *seen.lock().unwrap() += 1);
            Ok(())
        });
        let (mut near, mut far) = pair(&client.build().unwrap(), &server).await;
        exchange(&mut near, &mut far).await;
        let session = near.negotiated().session().unwrap();
        assert_eq!((*tickets.lock().unwrap(), session.is_resumable()), (count, count > 0));
    }
}
