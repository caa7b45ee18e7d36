//! Ticket keys: shared, rotated, replaced on a running server, and in the format of Node.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt};
use patina_tls::{
    ClientConfig, ConnectOptions, ErrorKind, ProtocolVersion, ServerConfig, Session, TicketKey, TicketKeys,
    TicketRenewal, TicketRotation, TlsConnector, TlsServer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::resumption::{exchange, resume, session_of};
use crate::support::pair::{client, handshake, identity, server};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn key(byte: u8) -> TicketKey {
    TicketKey::from_bytes([byte; 48]).unwrap()
}

fn with_keys(keys: impl Into<TicketKeys>) -> ServerConfig {
    server().ticket_keys(keys).build().unwrap()
}

fn of(version: ProtocolVersion) -> ClientConfig {
    client().versions(version).build().unwrap()
}

/// Whether both sides say that the session was resumed, and the session that the client has in the end.
async fn try_to_resume(client: &ClientConfig, session: &Session, server: &ServerConfig) -> (bool, Session) {
    let (mut near, mut far) = resume(client, session, server).await;
    exchange(&mut near, &mut far).await;
    let reused = near.negotiated().session_reused();
    assert_eq!(reused, far.negotiated().session_reused());
    assert!(near.negotiated().authorized());
    (reused, near.negotiated().session().unwrap())
}

#[tokio::test]
async fn servers_with_the_same_48_bytes_resume_each_other_s_clients() {
    for version in BOTH {
        let client = of(version);
        let (one, two, other) = (with_keys(key(1)), with_keys(key(1)), with_keys(key(2)));
        let session = session_of(&client, "localhost", &one).await;
        assert!(try_to_resume(&client, &session, &two).await.0, "{version}");
        let session = session_of(&client, "localhost", &two).await;
        assert!(try_to_resume(&client, &session, &one).await.0, "{version}");
        assert!(!try_to_resume(&client, &session, &other).await.0, "{version}: another key");
        assert!(
            !try_to_resume(&client, &session, &server().build().unwrap()).await.0,
            "{version}: libssl's own"
        );
    }
}

#[tokio::test]
async fn a_ticket_has_the_format_of_node() {
    for version in BOTH {
        let bytes: Vec<u8> = (0..48).collect();
        let server = with_keys(TicketKey::from_bytes(&bytes).unwrap());
        let session = session_of(&of(version), "localhost", &server).await;
        let ticket = session.ticket().unwrap();
        let (name, rest) = ticket.split_at(16);
        let (iv, rest) = rest.split_at(16);
        let (sealed, mac) = rest.split_at(rest.len() - 32);
        assert_eq!(name, &bytes[..16]);
        let hmac_key = PKey::hmac(&bytes[16..32]).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &hmac_key).unwrap();
        let expected = signer.sign_oneshot_to_vec(&ticket[..ticket.len() - 32]).unwrap();
        assert_eq!(mac, expected, "{version}");
        let opened = decrypt(Cipher::aes_128_cbc(), &bytes[32..], Some(iv), sealed).unwrap();
        assert_eq!(Session::from_der(opened).unwrap().protocol(), Some(version));
    }
}

#[tokio::test]
async fn two_tickets_of_one_key_differ_in_their_iv() {
    let (client, server) = (of(ProtocolVersion::TLSv1_2), with_keys(key(1)));
    let mut ivs = Vec::new();
    for _ in 0..2 {
        let session = session_of(&client, "localhost", &server).await;
        ivs.push(session.ticket().unwrap()[16..32].to_vec());
    }
    assert_ne!(ivs[0], ivs[1]);
}

#[tokio::test]
async fn a_ticket_of_an_old_key_is_accepted_as_long_as_the_policy_says_and_replaced() {
    for version in BOTH {
        let keys = TicketKeys::new(key(1)).rotation(TicketRotation::keep(2));
        let (client, server) = (of(version), with_keys(keys.clone()));
        let first = session_of(&client, "localhost", &server).await;
        keys.rotate(key(2));
        let (reused, second) = try_to_resume(&client, &first, &server).await;
        assert!(reused, "{version}: the key before the current one");
        assert_eq!(second.ticket().unwrap()[..16], [2; 16], "{version}: replaced by one of the current key");
        keys.rotate(key(3));
        assert!(!try_to_resume(&client, &first, &server).await.0, "{version}: its key is gone");
        assert!(try_to_resume(&client, &second, &server).await.0, "{version}");
    }
}

#[tokio::test]
async fn only_tickets_for_one_use_are_replaced_under_the_current_key() {
    for version in BOTH {
        let (client, server) = (of(version), with_keys(key(1)));
        let first = session_of(&client, "localhost", &server).await;
        let (reused, second) = try_to_resume(&client, &first, &server).await;
        assert!(reused);
        let replaced = first.ticket() != second.ticket();
        assert_eq!(replaced, version == ProtocolVersion::TLSv1_3, "{version}");
    }
}

#[tokio::test]
async fn tickets_are_never_replaced_where_the_policy_says_so() {
    for version in BOTH {
        let rotation = TicketRotation::keep(2).renewal(TicketRenewal::Never);
        let keys = TicketKeys::new(key(1)).rotation(rotation);
        let (client, server) = (of(version), with_keys(keys.clone()));
        let first = session_of(&client, "localhost", &server).await;
        keys.rotate(key(2));
        let (reused, second) = try_to_resume(&client, &first, &server).await;
        assert!(reused, "{version}");
        assert_eq!(second.ticket().unwrap()[..16], [1; 16], "{version}");
    }
}

#[tokio::test]
async fn a_ticket_that_was_changed_costs_a_full_handshake() {
    for version in BOTH {
        let (client, server) = (of(version), with_keys(key(1)));
        let session = session_of(&client, "localhost", &server).await;
        let ticket = session.ticket().unwrap().to_vec();
        let der = session.to_der().unwrap();
        let at = der.windows(ticket.len()).position(|window| window == ticket).unwrap();
        // In its name, its IV, what is sealed, and its HMAC.
        for place in [0, 20, 40, ticket.len() - 1] {
            let mut changed = der.clone();
            changed[at + place] ^= 1;
            let changed = Session::from_der(changed).unwrap();
            assert!(!try_to_resume(&client, &changed, &server).await.0, "{version} {place}");
        }
        assert!(try_to_resume(&client, &session, &server).await.0, "{version}: as it was");
    }
}

#[tokio::test]
async fn the_keys_are_those_of_the_acceptor_whatever_the_name_chooses() {
    for version in BOTH {
        let client = of(version);
        let named =
            ServerConfig::builder().identity(identity("server-rsa")).ticket_keys(key(9)).build().unwrap();
        let front = server().ticket_keys(key(1)).server_name("localhost", named).build().unwrap();
        let session = session_of(&client, "localhost", &front).await;
        assert_eq!(session.ticket().unwrap()[..16], [1; 16], "{version}");
        let (near, _far) = resume(&client, &session, &front).await;
        assert!(near.negotiated().session_reused(), "{version}");
    }
}

#[tokio::test]
async fn the_keys_of_a_running_server_are_read_and_replaced() {
    let config = server().ticket_keys(key(1)).build().unwrap();
    assert_eq!(config.ticket_keys().unwrap().to_bytes(), [1; 48]);
    let server = TlsServer::bind("127.0.0.1:0", config).await.unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let serving = tokio::spawn(server.serve(|mut tls, _| async move {
        tls.write_all(b"x").await.unwrap();
        let _ = tls.read(&mut [0]).await;
    }));
    let client = of(ProtocolVersion::TLSv1_3);
    let connect = async |session: Option<Session>| {
        let mut target = ConnectOptions::new("localhost");
        if let Some(session) = session {
            target = target.session(session);
        }
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut tls = TlsConnector::new(client.clone()).connect(target, tcp).await.unwrap();
        assert_eq!(tls.read_u8().await.unwrap(), b'x');
        let facts = (tls.negotiated().session_reused(), tls.negotiated().session().unwrap());
        tls.shutdown().await.unwrap();
        facts
    };
    let (_, session) = connect(None).await;
    assert!(connect(Some(session.clone())).await.0);
    handle.set_ticket_keys(key(2)).unwrap();
    assert_eq!(handle.ticket_keys().unwrap().to_bytes(), [2; 48]);
    let (reused, session) = connect(Some(session)).await;
    assert!(!reused, "the key of the ticket is gone");
    assert_eq!(session.ticket().unwrap()[..16], [2; 16]);
    assert!(connect(Some(session)).await.0);
    handle.close();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_server_without_ticket_keys_has_none_to_set() {
    let server = TlsServer::bind("127.0.0.1:0", server().build().unwrap()).await.unwrap();
    let handle = server.handle();
    assert!(handle.ticket_keys().is_none());
    let error = handle.set_ticket_keys(key(1)).unwrap_err();
    assert_eq!((error.kind(), error.option()), (ErrorKind::State, Some("ticket_keys")));
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn nodes_option_gives_keys_with_which_nothing_is_replaced() {
    use patina_tls::compat::{ProcessDefaults, SecureContextOptions};

    for version in BOTH {
        let options = SecureContextOptions::new().ticket_keys(&key(1));
        let node = || options.server(&ProcessDefaults::new()).unwrap().identity(identity("server-rsa"));
        let client = of(version);
        let first = session_of(&client, "localhost", &node().build().unwrap()).await;
        assert_eq!(first.ticket().unwrap()[..16], [1; 16]);
        let (reused, second) = try_to_resume(&client, &first, &node().build().unwrap()).await;
        assert!(reused && first.ticket() == second.ticket(), "{version}");
    }
}

#[tokio::test]
async fn clients_that_want_no_ticket_get_none() {
    let client = client()
        .versions(ProtocolVersion::TLSv1_2)
        .secure_options(patina_tls::SecureOptions::NO_TICKET)
        .build()
        .unwrap();
    let (near, far) = handshake(&client, "localhost", &with_keys(key(1))).await;
    assert!(far.is_ok());
    assert!(near.unwrap().negotiated().session().is_none_or(|session| session.ticket().is_none()));
}
