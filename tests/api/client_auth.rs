//! What a server asks of its clients, and what it makes of the answers.

use openssl::nid::Nid;
use openssl::x509::X509NameRef;
use patina_tls::ext::SslRefExt;
use patina_tls::{
    Alert, ClientAuth, ClientConfig, ConfigBuilder, ErrorKind, ProtocolVersion, Server, TrustStore,
    VerifyCode,
};
use tokio::io::AsyncReadExt;

use crate::support::fixtures;
use crate::support::pair::{client, handshake, identity, pair, server, trust};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn asking(auth: ClientAuth) -> ConfigBuilder<Server> {
    server().client_auth(auth).trust(trust("root"))
}

fn with_crl() -> TrustStore {
    trust("root").with_crl_pem_file(fixtures::path("crl/root.crl.pem")).unwrap()
}

fn bearing(name: &str, version: ProtocolVersion) -> ClientConfig {
    client().identity(identity(name)).versions(version).build().unwrap()
}

#[tokio::test]
async fn who_is_not_asked_is_not_authorized_and_no_error_is_made_of_it() {
    for version in BOTH {
        let (_, server) = pair(&bearing("client-rsa", version), &server().build().unwrap()).await;
        let facts = server.negotiated();
        assert!(!facts.authorized());
        assert_eq!((facts.authorization_error(), facts.verify_code()), (None, None));
        assert!(facts.peer_certificate().is_none() && facts.peer_chain().is_empty());
    }
}

#[tokio::test]
async fn a_good_certificate_is_authorized() {
    for version in BOTH {
        for auth in [ClientAuth::Request, ClientAuth::Require] {
            for name in ["client-rsa", "client-ec", "client-ed25519"] {
                let (_, server) = pair(&bearing(name, version), &asking(auth).build().unwrap()).await;
                let facts = server.negotiated();
                assert!(facts.authorized(), "{name} {version}");
                assert_eq!((facts.authorization_error(), facts.verify_code()), (None, Some(VerifyCode::OK)));
                assert_eq!(facts.peer_certificate().unwrap().subject_common_names(), [name]);
                // The client has completed its chain from its roots, as in Node.
                assert_eq!(facts.peer_chain().len(), 2);
                assert_eq!(facts.verified_chain().len(), 2);
            }
        }
    }
}

#[tokio::test]
async fn a_missing_certificate_is_reported_when_one_is_requested() {
    for version in BOTH {
        let client = client().versions(version).build().unwrap();
        let (_, server) = pair(&client, &asking(ClientAuth::Request).build().unwrap()).await;
        let facts = server.negotiated();
        assert!(!facts.authorized());
        assert_eq!(facts.authorization_error(), Some("UNABLE_TO_GET_ISSUER_CERT"));
        assert!(facts.peer_certificate().is_none());
    }
}

#[tokio::test]
async fn a_missing_certificate_is_refused_when_one_is_required() {
    for (version, alert) in [
        (ProtocolVersion::TLSv1_2, Alert::HANDSHAKE_FAILURE),
        (ProtocolVersion::TLSv1_3, Alert::CERTIFICATE_REQUIRED),
    ] {
        let client = client().versions(version).build().unwrap();
        let (client, server) =
            handshake(&client, "localhost", &asking(ClientAuth::Require).build().unwrap()).await;
        let error = server.unwrap_err();
        assert_eq!(error.code(), "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
        assert_eq!(error.alert(), Some(alert));
        let error = match client {
            Err(error) => error,
            // A TLS 1.3 client is done before the server has looked at its certificate.
            Ok(mut stream) => {
                assert_eq!(version, ProtocolVersion::TLSv1_3);
                let error = stream.read_u8().await.unwrap_err();
                let own = patina_tls::Error::from_io(&error).unwrap();
                assert_eq!((own.kind(), own.alert()), (ErrorKind::PeerAlert, Some(alert)));
                continue;
            }
        };
        assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(alert)));
    }
}

#[tokio::test]
async fn a_bad_certificate_is_reported_or_refused_with_its_code() {
    for version in BOTH {
        for (name, code, alert) in [
            ("client-expired", "CERT_HAS_EXPIRED", Alert::CERTIFICATE_EXPIRED),
            ("client-revoked", "CERT_REVOKED", Alert::CERTIFICATE_REVOKED),
            ("client-other", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", Alert::UNKNOWN_CA),
            ("server-rsa", "INVALID_PURPOSE", Alert::UNSUPPORTED_CERTIFICATE),
        ] {
            let config = server().trust(with_crl());
            let request = config.client_auth(ClientAuth::Request).build().unwrap();
            let (_, server) = pair(&bearing(name, version), &request).await;
            assert!(!server.negotiated().authorized(), "{name}");
            assert_eq!(server.negotiated().authorization_error(), Some(code), "{name} {version}");
            assert_eq!(server.negotiated().peer_certificate().unwrap().subject_common_names(), [name]);

            let config = crate::support::pair::server().trust(with_crl());
            let require = config.client_auth(ClientAuth::Require).build().unwrap();
            let (_, server) = handshake(&bearing(name, version), "localhost", &require).await;
            let error = server.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, code), "{name} {version}");
            assert_eq!(error.alert(), Some(alert), "{name} {version}");
        }
    }
}

#[tokio::test]
async fn the_names_of_the_roots_are_sent_to_the_client() {
    for version in BOTH {
        let roots = trust("root").and(trust("root-ec")).and(trust("root"));
        let config = server().client_auth(ClientAuth::Request).trust(roots).build().unwrap();
        let (near, _far) = pair(&client().versions(version).build().unwrap(), &config).await;
        let names = near.as_openssl().peer_ca_list().unwrap();
        let common_name = |name: &X509NameRef| {
            let entry = name.entries_by_nid(Nid::COMMONNAME).next().unwrap();
            entry.data().to_string().unwrap()
        };
        // The root that was given twice is named once.
        let names: Vec<String> = names.iter().map(common_name).collect();
        assert_eq!(names, ["Patina Test Root", "Patina Test Root EC"]);
    }
}

#[tokio::test]
async fn who_has_shown_no_certificate_is_not_authorized_by_resuming() {
    for version in BOTH {
        let server = asking(ClientAuth::Request).build().unwrap();
        let client = client().versions(version).build().unwrap();
        let session = crate::resumption::session_of(&client, "localhost", &server).await;
        let target = patina_tls::ConnectOptions::new("localhost").session(session);
        let (_client, server) = handshake(&client, target, &server).await;
        let server = server.unwrap();
        assert!(server.negotiated().session_reused(), "{version}");
        assert!(!server.negotiated().authorized(), "{version}");
        assert_eq!(server.negotiated().authorization_error(), Some("UNABLE_TO_GET_ISSUER_CERT"), "{version}");
    }
}

#[tokio::test]
async fn a_session_without_a_certificate_does_not_pass_where_one_is_required() {
    for version in BOTH {
        // The same context by the application's own choice, and the same ticket keys by the names of one server.
        let context = b"shared".to_vec();
        let strict = asking(ClientAuth::Require).session_id_context(context.clone()).build().unwrap();
        let front = asking(ClientAuth::Request)
            .session_id_context(context)
            .server_name("strict.patina.test", strict)
            .build()
            .unwrap();
        let client = client().versions(version).build().unwrap();
        let session = crate::resumption::session_of(&client, "localhost", &front).await;
        let target = patina_tls::ConnectOptions::new("localhost")
            .server_name("strict.patina.test")
            .verify_name("localhost")
            .session(session);
        let (_, server) = handshake(&client, target, &front).await;
        assert!(server.is_err(), "{version}: {:?}", server.map(|s| s.negotiated().session_reused()));
    }
}

#[tokio::test]
async fn a_session_with_a_certificate_stays_authorized() {
    for version in BOTH {
        let server = asking(ClientAuth::Require).build().unwrap();
        let client = bearing("client-rsa", version);
        let session = crate::resumption::session_of(&client, "localhost", &server).await;
        let target = patina_tls::ConnectOptions::new("localhost").session(session);
        let (_client, server) = handshake(&client, target, &server).await;
        let server = server.unwrap();
        assert!(server.negotiated().session_reused() && server.negotiated().authorized(), "{version}");
        assert_eq!(server.negotiated().peer_certificate().unwrap().subject_common_names(), ["client-rsa"]);
    }
}
