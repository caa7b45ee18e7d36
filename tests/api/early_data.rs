//! Early data (0-RTT): taken once, kept apart, passed over where it must be, and never lost in silence.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::ssl::SslOptions;
use patina_tls::{
    BlockingStream, ConfigBuilder, ConnectOptions, EarlyDataStatus, ErrorKind, MemorySessionStore,
    PreSharedKey, ProtocolVersion, PskIdentity, SecureOptions, Server, ServerConfig, Session, TicketKey,
    TlsAcceptor, TlsConnector, TlsEngine, UnknownPskIdentity,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::resumption::{exchange, session_of};
use crate::support::pair::{Engines, Stream, client, engines, handshake, resuming_client, server};

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// A server that takes early data.
fn early_server() -> ConfigBuilder<Server> {
    server().early_data(16384)
}

async fn session(server: &ServerConfig) -> Session {
    session_of(&client().build().unwrap(), "localhost", server).await
}

fn target(session: &Session, bytes: &[u8]) -> ConnectOptions {
    ConnectOptions::new("localhost").session(session.clone()).early_data(bytes)
}

/// Connects with early data; both have to come to the end of the handshake.
async fn connect(session: &Session, bytes: &[u8], server: &ServerConfig) -> (Stream, Stream) {
    let (near, far) = handshake(&client().build().unwrap(), target(session, bytes), server).await;
    (near.unwrap(), far.unwrap())
}

fn statuses(near: &Stream, far: &Stream) -> (EarlyDataStatus, EarlyDataStatus) {
    (near.early_data_status(), far.early_data_status())
}

const ACCEPTED: (EarlyDataStatus, EarlyDataStatus) = (EarlyDataStatus::Accepted, EarlyDataStatus::Accepted);
const REJECTED: (EarlyDataStatus, EarlyDataStatus) = (EarlyDataStatus::Rejected, EarlyDataStatus::Rejected);
const NOT_SENT: (EarlyDataStatus, EarlyDataStatus) = (EarlyDataStatus::NotSent, EarlyDataStatus::NotSent);

/// What was given comes back to the client, nothing to the server, and the connection is as good as any.
async fn is_left_to_the_client(mut near: Stream, mut far: Stream, bytes: &[u8]) {
    assert_eq!(far.take_early_data(), None);
    let unsent = near.take_unsent_early_data().unwrap();
    assert_eq!(unsent.as_bytes(), bytes);
    assert!(near.take_unsent_early_data().is_none());
    near.write_all(unsent.as_bytes()).await.unwrap();
    let mut read = vec![0; bytes.len()];
    far.read_exact(&mut read).await.unwrap();
    assert_eq!(read, bytes);
    exchange(&mut near, &mut far).await;
}

#[tokio::test]
async fn early_data_is_taken_and_is_not_in_what_is_read() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    assert_eq!(session.max_early_data(), 16384);
    let (mut near, mut far) = connect(&session, REQUEST, &server).await;
    assert_eq!(statuses(&near, &far), ACCEPTED);
    assert!(near.negotiated().session_reused() && near.negotiated().authorized());
    assert!(near.take_unsent_early_data().is_none());
    near.write_all(b"later").await.unwrap();
    let mut read = [0; 5];
    far.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"later");
    assert_eq!(far.take_early_data().as_deref(), Some(REQUEST));
    assert_eq!(far.take_early_data(), None);
    exchange(&mut near, &mut far).await;
}

#[tokio::test]
async fn early_data_may_be_as_long_as_the_server_says_and_no_longer() {
    for limit in [1, 4096, 40_000] {
        let server = server().early_data(limit).build().unwrap();
        let bytes: Vec<u8> = (0..limit).map(|n| n as u8).collect();
        let first = session(&server).await;
        assert_eq!(first.max_early_data(), bytes.len());
        let (near, mut far) = connect(&first, &bytes, &server).await;
        assert_eq!(statuses(&near, &far), ACCEPTED, "{limit}");
        assert!(far.take_early_data().unwrap() == bytes, "{limit}");

        let more = [&bytes[..], b"x"].concat();
        let (near, far) = connect(&session(&server).await, &more, &server).await;
        assert_eq!(statuses(&near, &far), NOT_SENT, "{limit}");
        assert!(near.negotiated().session_reused());
        is_left_to_the_client(near, far, &more).await;
    }
}

#[tokio::test]
async fn the_same_ticket_is_good_once() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let (near, far) = connect(&session, REQUEST, &server).await;
    assert_eq!(statuses(&near, &far), ACCEPTED);
    for _ in 0..2 {
        let (near, far) = connect(&session, REQUEST, &server).await;
        assert_eq!(statuses(&near, &far), REJECTED);
        assert!(!far.negotiated().session_reused());
        is_left_to_the_client(near, far, REQUEST).await;
    }
}

#[tokio::test]
async fn a_ticket_that_was_used_without_early_data_is_used_up() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let plain = ConnectOptions::new("localhost").session(session.clone());
    let (near, far) = handshake(&client().build().unwrap(), plain, &server).await;
    assert!(near.unwrap().negotiated().session_reused() && far.is_ok());
    let (near, far) = connect(&session, REQUEST, &server).await;
    assert_eq!(statuses(&near, &far), REJECTED);
    is_left_to_the_client(near, far, REQUEST).await;
}

/// Plays what one client has sent to two connections of a server at once.
#[tokio::test]
async fn what_a_client_has_sent_is_not_taken_a_second_time() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let client = client().build().unwrap();
    let Engines { mut client, server: mut first } = engines(&client, target(&session, REQUEST), &server);
    let mut second = TlsEngine::server(&server).unwrap();
    client.advance().unwrap();
    let flight = client.take_output();
    for (engine, status) in
        [(&mut first, EarlyDataStatus::Accepted), (&mut second, EarlyDataStatus::Rejected)]
    {
        engine.receive(&flight);
        engine.advance().unwrap();
        assert_eq!(engine.negotiated().early_data_status(), status);
        assert_eq!(engine.take_early_data(), None, "not before the client has proved that it is there");
    }
    client.receive(&first.take_output());
    client.advance().unwrap();
    first.receive(&client.take_output());
    first.advance().unwrap();
    assert_eq!(first.take_early_data().as_deref(), Some(REQUEST));
}

#[tokio::test]
async fn another_configuration_does_not_know_the_ticket() {
    let one = early_server().build().unwrap();
    let other = early_server().build().unwrap();
    let session = session(&one).await;
    let (near, far) = connect(&session, REQUEST, &other).await;
    assert_eq!(statuses(&near, &far), REJECTED);
    is_left_to_the_client(near, far, REQUEST).await;
    // It is good where it came from still.
    let (near, far) = connect(&session, REQUEST, &one).await;
    assert_eq!(statuses(&near, &far), ACCEPTED);
}

#[tokio::test]
async fn ticket_keys_that_two_servers_share_do_not_carry_early_data_over() {
    let key = TicketKey::random().unwrap();
    let build = || early_server().ticket_keys(key.clone()).build().unwrap();
    let (one, other) = (build(), build());
    assert!(one.warnings().any(|text| text.contains("ticket_keys")));
    assert_eq!(early_server().build().unwrap().warnings().count(), 0);
    let session = session(&one).await;
    for (server, expected) in [(&other, REJECTED), (&one, ACCEPTED), (&one, REJECTED)] {
        let (near, far) = connect(&session, REQUEST, server).await;
        assert_eq!(statuses(&near, &far), expected);
    }
    // TLS 1.2 goes on with them.
    let old = client().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    let session = session_of(&old, "localhost", &one).await;
    let (near, _far) = crate::resumption::resume(&old, &session, &other).await;
    assert!(near.negotiated().session_reused());
}

#[tokio::test]
async fn a_server_without_early_data_passes_over_it() {
    let keys = TicketKey::random().unwrap();
    let early = early_server().build().unwrap();
    let session = session(&early).await;
    let plain = server().ticket_keys(keys).build().unwrap();
    let (near, far) = connect(&session, &vec![b'x'; 16384], &plain).await;
    assert_eq!(statuses(&near, &far), REJECTED);
    is_left_to_the_client(near, far, &vec![b'x'; 16384]).await;
}

#[tokio::test]
async fn a_session_without_early_data_keeps_it_with_the_client() {
    let server = server().build().unwrap();
    let session = session(&server).await;
    assert_eq!(session.max_early_data(), 0);
    let (near, far) = connect(&session, REQUEST, &server).await;
    assert_eq!(statuses(&near, &far), NOT_SENT);
    is_left_to_the_client(near, far, REQUEST).await;
}

#[tokio::test]
async fn a_first_connection_and_one_of_tls_1_2_keep_it_with_the_client() {
    let server = early_server().build().unwrap();
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let client = client().versions(version).build().unwrap();
        let first = ConnectOptions::new("localhost").early_data(REQUEST);
        let (near, far) = handshake(&client, first, &server).await;
        let (near, far) = (near.unwrap(), far.unwrap());
        assert_eq!(statuses(&near, &far), NOT_SENT);
        is_left_to_the_client(near, far, REQUEST).await;
    }
    let old = client().versions(ProtocolVersion::TLSv1_2).build().unwrap();
    for session in [session_of(&old, "localhost", &server).await, session(&server).await] {
        let (near, far) = handshake(&old, target(&session, REQUEST), &server).await;
        let (near, far) = (near.unwrap(), far.unwrap());
        assert_eq!(statuses(&near, &far), NOT_SENT);
        is_left_to_the_client(near, far, REQUEST).await;
    }
}

#[tokio::test]
async fn a_protocol_that_is_not_offered_any_more_keeps_it_with_the_client() {
    let server = early_server().alpn(["h2", "http/1.1"]).build().unwrap();
    let offers = |protocols: &[&str]| client().alpn(protocols).build().unwrap();
    let h2 = offers(&["h2"]);
    let session = || session_of(&h2, "localhost", &server);
    for (protocols, expected) in [(&["h2"][..], ACCEPTED), (&["http/1.1"][..], NOT_SENT), (&[][..], NOT_SENT)]
    {
        let session = session().await;
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
        let (near, far) = handshake(&offers(protocols), target(&session, REQUEST), &server).await;
        assert_eq!(statuses(&near.unwrap(), &far.unwrap()), expected, "{protocols:?}");
    }
    // The server now prefers another one, so that it would answer in a protocol that the data is not of.
    let session = session().await;
    let both = offers(&["http/1.1", "h2"]);
    let (near, far) = handshake(&both, target(&session, REQUEST), &server).await;
    assert_eq!(statuses(&near.unwrap(), &far.unwrap()), ACCEPTED);
}

#[tokio::test]
async fn another_name_keeps_it_with_the_client() {
    let named = early_server().build().unwrap();
    let server = early_server().server_name("localhost", named).build().unwrap();
    let client = client().build().unwrap();
    let session = session_of(&client, "localhost", &server).await;
    assert_eq!(session.hostname(), Some("localhost"));
    let (near, far) = handshake(
        &client,
        target(&session, REQUEST).server_name("other.example").verify_name("localhost"),
        &server,
    )
    .await;
    let (near, far) = (near.unwrap(), far.unwrap());
    assert_eq!(statuses(&near, &far), NOT_SENT);
    is_left_to_the_client(near, far, REQUEST).await;
    let (near, far) =
        handshake(&client, target(&session_of(&client, "localhost", &server).await, REQUEST), &server).await;
    assert_eq!(statuses(&near.unwrap(), &far.unwrap()), ACCEPTED);
}

#[tokio::test]
async fn nothing_goes_early_to_a_server_whose_certificate_is_for_another_name() {
    let server = early_server().build().unwrap();
    let client = client().build().unwrap();
    let session = session(&server).await;
    assert_eq!(session.hostname(), None, "only the certificate tells");
    let options = ConnectOptions::new("other.example").session(session).early_data(REQUEST);
    let mut engines = engines(&client, options, &server);
    engines.client.advance().unwrap();
    let flight = engines.client.take_output();
    assert_eq!(flight.len(), first_record(&flight).len(), "one record, the ClientHello");
    engines.server.receive(&flight);
    assert_eq!(engines.shake().unwrap_err().kind(), ErrorKind::Unauthorized);
}

/// The first record, with its header.
fn first_record(bytes: &[u8]) -> &[u8] {
    &bytes[..5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]))]
}

#[tokio::test]
async fn a_name_that_takes_none_or_less_lowers_what_the_acceptor_takes() {
    for (named, expected) in [(0, 0), (100, 100), (20_000, 16384)] {
        let inner = server().early_data(named).build().unwrap();
        let server = early_server().server_name("localhost", inner).build().unwrap();
        let session = session(&server).await;
        assert_eq!(session.max_early_data(), expected, "{named}");
        let bytes = vec![b'x'; expected.max(1)];
        let (near, far) = connect(&session, &bytes, &server).await;
        assert_eq!(statuses(&near, &far), if expected > 0 { ACCEPTED } else { NOT_SENT });
    }
    let inner = early_server().build().unwrap();
    let server = server().server_name("localhost", inner).build().unwrap();
    assert_eq!(session(&server).await.max_early_data(), 0);
}

#[tokio::test]
async fn a_hello_retry_request_leaves_it_to_the_client() {
    let server = early_server().groups("P-384").build().unwrap();
    let session = session(&server).await;
    let client = client().groups("P-256:P-384").build().unwrap();
    let (near, far) = handshake(&client, target(&session, REQUEST), &server).await;
    let (near, far) = (near.unwrap(), far.unwrap());
    assert_eq!(statuses(&near, &far), REJECTED);
    is_left_to_the_client(near, far, REQUEST).await;
}

fn seconds(session: &Session) -> u64 {
    session.created().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// The session as if it had been made at another time.
fn made_at(session: &Session, time: u32) -> Session {
    let mut der = session.to_der().unwrap();
    // The time is the INTEGER under the tag [1].
    let made = u32::try_from(seconds(session)).unwrap().to_be_bytes();
    let place = der.windows(4).position(|bytes| bytes == made).unwrap();
    der[place..place + 4].copy_from_slice(&time.to_be_bytes());
    let session = Session::from_der(&der).unwrap();
    assert_eq!(seconds(&session), u64::from(time));
    session
}

#[tokio::test]
async fn a_ticket_that_is_too_old_is_not_offered_and_neither_is_early_data() {
    let server = early_server().session_timeout(std::time::Duration::from_secs(1)).build().unwrap();
    let session = session(&server).await;
    assert_eq!(session.ticket_lifetime_hint().as_secs(), 1);
    let old = made_at(&session, 1_000_000_000);
    let mut engines = engines(&client().build().unwrap(), target(&old, REQUEST), &server);
    engines.client.advance().unwrap();
    let hello = engines.client.take_output();
    assert_eq!(hello[0], 22);
    assert_eq!(hello.len(), first_record(&hello).len(), "one record, the ClientHello");
    engines.server.receive(&hello);
    engines.shake().unwrap();
    assert_eq!(engines.client.negotiated().early_data_status(), EarlyDataStatus::NotSent);
    assert_eq!(engines.client.take_unsent_early_data().unwrap().as_bytes(), REQUEST);
}

#[tokio::test]
async fn a_ticket_that_becomes_too_old_before_the_engine_begins_carries_no_early_data() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let lifetime = u32::try_from(session.ticket_lifetime_hint().as_secs()).unwrap();
    let made = u32::try_from(seconds(&session)).unwrap() - lifetime + 2;
    let session = made_at(&session, made);
    let mut engines = engines(&client().build().unwrap(), target(&session, REQUEST), &server);
    // libssl counts one second less, and two to be sure.
    while session.created().elapsed().unwrap() < session.ticket_lifetime_hint() + Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    engines.client.advance().unwrap();
    let hello = engines.client.take_output();
    assert_eq!(hello.len(), first_record(&hello).len(), "one record, the ClientHello");
    engines.server.receive(&hello);
    engines.shake().unwrap();
    assert_eq!(engines.client.negotiated().early_data_status(), EarlyDataStatus::NotSent);
    assert_eq!(engines.client.take_unsent_early_data().unwrap().as_bytes(), REQUEST);
}

#[tokio::test]
async fn a_pre_shared_key_carries_no_early_data() {
    let identity = PskIdentity::new("device").unwrap();
    let key = PreSharedKey::new([7; 32]);
    let server = early_server().psk_resolver({
        let key = key.clone();
        move |_: PskIdentity| {
            let key = key.clone();
            async move { Ok(Some(key)) }
        }
    });
    let server = server.build().unwrap();
    let plain = client().psk(identity.clone(), key.clone()).build().unwrap();
    let (near, far) = handshake(&plain, ConnectOptions::new("localhost").early_data(REQUEST), &server).await;
    let (near, far) = (near.unwrap(), far.unwrap());
    assert_eq!(statuses(&near, &far), NOT_SENT);
    is_left_to_the_client(near, far, REQUEST).await;
}

#[tokio::test]
async fn a_server_that_hides_which_keys_it_has_resumes_its_tickets_and_takes_early_data() {
    let hiding = early_server()
        .psk_resolver(|_| async { Ok(None) })
        .unknown_psk_identity(UnknownPskIdentity::Hide)
        .build()
        .unwrap();
    let session = session(&hiding).await;
    let (near, mut far) = connect(&session, REQUEST, &hiding).await;
    assert_eq!(statuses(&near, &far), ACCEPTED);
    assert_eq!(far.take_early_data().as_deref(), Some(REQUEST));
}

#[tokio::test]
async fn kept_sessions_carry_early_data() {
    let server = early_server().build().unwrap();
    let client = resuming_client().build().unwrap();
    let (near, far) = handshake(&client, "localhost", &server).await;
    exchange(&mut near.unwrap(), &mut far.unwrap()).await;
    for round in 0..3 {
        let options = ConnectOptions::new("localhost").early_data(REQUEST);
        let (near, far) = handshake(&client, options, &server).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        assert_eq!(statuses(&near, &far), ACCEPTED, "{round}");
        assert_eq!(far.take_early_data().as_deref(), Some(REQUEST));
        exchange(&mut near, &mut far).await;
    }
}

#[tokio::test]
async fn every_cut_of_the_first_flight_gives_the_same() {
    let server = early_server().build().unwrap();
    let client = client().build().unwrap();
    for size in [1, 2, 7, 100, 511] {
        let session = session(&server).await;
        let mut engines = engines(&client, target(&session, &vec![b'x'; 3000]), &server);
        engines.client.advance().unwrap();
        for piece in engines.client.take_output().chunks(size) {
            engines.server.receive(piece);
            engines.server.advance().unwrap();
        }
        assert_eq!(engines.server.negotiated().early_data_status(), EarlyDataStatus::Accepted);
        engines.client.receive(&engines.server.take_output());
        engines.shake().unwrap();
        assert_eq!(engines.server.take_early_data().unwrap(), vec![b'x'; 3000], "{size}");
    }
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_of_its_early_data_is_a_truncation() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let mut engines = engines(&client().build().unwrap(), target(&session, &vec![b'x'; 3000]), &server);
    engines.client.advance().unwrap();
    let flight = engines.client.take_output();
    engines.server.receive(&flight[..flight.len() - 1000]);
    engines.server.advance().unwrap();
    engines.server.receive_end();
    assert_eq!(engines.server.advance().unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!(engines.server.take_early_data(), None);
}

#[tokio::test]
async fn a_client_that_sends_more_than_it_may_is_refused() {
    let server = server().early_data(1000).build().unwrap();
    let session = session(&server).await;
    // A session that tells its client another limit: the INTEGER 1000 under the tag [15].
    let mut der = session.to_der().unwrap();
    let place = der.windows(6).position(|bytes| bytes == [0xAF, 4, 2, 2, 0x03, 0xE8]).unwrap();
    der[place + 4] = 0x7F;
    let forged = Session::from_der(&der).unwrap();
    assert_eq!(forged.max_early_data(), 0x7FE8);
    let (near, far) =
        handshake(&client().build().unwrap(), target(&forged, &vec![b'x'; 1001]), &server).await;
    let error = far.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Protocol, Some("TOO_MUCH_EARLY_DATA")),
        "{error:?}"
    );
    assert!(near.is_err());
}

#[tokio::test]
async fn a_handshake_that_is_dropped_in_the_early_data_leaves_nothing() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = TlsConnector::new(client().build().unwrap());
    let acceptor = TlsAcceptor::new(server.clone());
    {
        let mut connecting = std::pin::pin!(connector.connect(target(&session, REQUEST), near));
        let mut accepting = std::pin::pin!(acceptor.accept(far));
        assert!(futures_poll(connecting.as_mut()).await);
        assert!(futures_poll(accepting.as_mut()).await);
    }
    // The ticket was used, whoever has dropped what came of it.
    let (near, far) = connect(&session, REQUEST, &server).await;
    assert_eq!(statuses(&near, &far), REJECTED);
}

/// Polls once; whether it is pending.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_handshake_runs_in_the_early_data() {
    let limit = std::time::Duration::from_secs(5);
    let server = early_server().handshake_timeout(limit).build().unwrap();
    let session = session(&server).await;
    let mut engine = TlsEngine::client(&client().build().unwrap(), target(&session, REQUEST)).unwrap();
    engine.advance().unwrap();
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    near.write_all(&engine.take_output()).await.unwrap();
    let error = TlsAcceptor::new(server).accept(far).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn the_hooks_of_a_handshake_are_asked_with_early_data_as_well() {
    let inner = early_server().build().unwrap();
    let resolver = move |_| {
        let inner = inner.clone();
        async move {
            tokio::task::yield_now().await;
            Ok(patina_tls::Selection::Use(inner))
        }
    };
    let server = early_server().config_resolver(resolver).build().unwrap();
    let session = session(&server).await;
    let (near, mut far) = connect(&session, REQUEST, &server).await;
    assert_eq!(statuses(&near, &far), ACCEPTED);
    assert_eq!(far.take_early_data().as_deref(), Some(REQUEST));

    let refusing = early_server()
        .config_resolver(|_| async {
            tokio::task::yield_now().await;
            Err(patina_tls::Alert::ACCESS_DENIED)
        })
        .build()
        .unwrap();
    let (near, far) = handshake(&client().build().unwrap(), target(&session, REQUEST), &refusing).await;
    assert_eq!(near.unwrap_err().alert(), Some(patina_tls::Alert::ACCESS_DENIED));
    assert!(far.is_err());
}

#[tokio::test]
async fn a_hello_that_is_shown_does_not_keep_early_data_back() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client().build().unwrap()), TlsAcceptor::new(server));
    let (near, far) = tokio::join!(connector.connect(target(&session, REQUEST), near), async {
        acceptor.start(far).await.unwrap().accept().await
    });
    let (near, mut far) = (near.unwrap(), far.unwrap());
    assert_eq!(statuses(&near, &far), ACCEPTED);
    assert_eq!(far.take_early_data().as_deref(), Some(REQUEST));
}

#[test]
fn what_would_let_early_data_be_replayed_is_refused() {
    let error = |builder: ConfigBuilder<Server>| {
        let error = builder.build().unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("early_data")), "{error}");
        error.to_string()
    };
    assert!(error(early_server().session_store(MemorySessionStore::new())).contains("session_store"));
    assert!(error(early_server().secure_options(SecureOptions::NO_ANTI_REPLAY)).contains("NO_ANTI_REPLAY"));
    let later = early_server().with_openssl(|ctx| {
        ctx.set_options(SslOptions::from_bits_retain(1 << 24));
        Ok(())
    });
    assert!(error(later).contains("NO_ANTI_REPLAY"));
    assert!(error(early_server().versions(..=ProtocolVersion::TLSv1_2)).contains("TLS 1.3"));
    // A name's own option does not undo the acceptor's protection.
    let inner = server().secure_options(SecureOptions::NO_ANTI_REPLAY).early_data(0).build().unwrap();
    assert!(early_server().server_name("localhost", inner).build().is_ok());
}

#[tokio::test]
async fn a_name_with_no_anti_replay_does_not_undo_the_protection() {
    let inner = server()
        .secure_options(SecureOptions::NO_ANTI_REPLAY)
        .with_openssl(|ctx| ctx.set_max_early_data(16384))
        .build()
        .unwrap();
    let server = early_server().server_name("localhost", inner).build().unwrap();
    let session = session(&server).await;
    assert_eq!(session.max_early_data(), 0);
}

#[tokio::test]
async fn blocking_streams_have_early_data_too() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let accepting = std::thread::spawn(move || BlockingStream::accept(&server, far).unwrap());
    let near = BlockingStream::connect(&client().build().unwrap(), target(&session, REQUEST), near).unwrap();
    let mut far = accepting.join().unwrap();
    assert_eq!((near.negotiated().early_data_status(), far.negotiated().early_data_status()), ACCEPTED);
    assert_eq!(far.take_early_data().as_deref(), Some(REQUEST));
}

#[tokio::test]
async fn the_stream_of_tokio_openssl_refuses_early_data() {
    let (near, _far) = tokio::io::duplex(1024);
    let connector = TlsConnector::new(client().build().unwrap());
    let options = ConnectOptions::new("localhost").early_data(REQUEST);
    let error = connector.connect_openssl(options, near).await.unwrap_err();
    assert_eq!(error.option(), Some("early_data"));
}

#[tokio::test]
async fn an_acceptor_of_tokio_openssl_streams_passes_over_early_data() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = TlsConnector::new(client().build().unwrap());
    let acceptor = TlsAcceptor::new(server);
    let (near, far) =
        tokio::join!(connector.connect(target(&session, REQUEST), near), acceptor.accept_openssl(far));
    assert!(far.is_ok());
    let mut near = near.unwrap();
    assert_eq!(near.early_data_status(), EarlyDataStatus::Rejected);
    assert_eq!(near.take_unsent_early_data().unwrap().as_bytes(), REQUEST);
}

#[test]
fn early_data_is_not_shown() {
    let text = format!("{:?}", ConnectOptions::new("localhost").early_data("hunter2"));
    assert!(!text.contains("hunter2"), "{text}");
}

const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\n\r\n";

#[tokio::test]
async fn early_data_is_answered_before_the_client_has_finished() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let mut engines = engines(&client().build().unwrap(), target(&session, REQUEST), &server);
    let mut buf = [0; 100];
    assert_eq!(engines.server.read_early(&mut buf).unwrap(), None);
    assert_eq!(engines.server.write_early(ANSWER).unwrap_err().kind(), ErrorKind::State);
    engines.client.advance().unwrap();
    engines.server.receive(&engines.client.take_output());
    assert_eq!(engines.server.read_early(&mut buf[..3]).unwrap(), Some(3));
    assert_eq!(&buf[..3], &REQUEST[..3]);
    assert_eq!(engines.server.read_early(&mut buf).unwrap(), Some(REQUEST.len() - 3));
    assert_eq!(&buf[..REQUEST.len() - 3], &REQUEST[3..]);
    assert_eq!(engines.server.read_early(&mut buf).unwrap(), None);
    assert_eq!(engines.server.write_early(ANSWER).unwrap(), ANSWER.len());
    assert!(!engines.server.is_established());
    // One flight of the server has it all.
    engines.client.receive(&engines.server.take_output());
    engines.client.advance().unwrap();
    assert_eq!(engines.client.read(&mut buf).unwrap(), Some(ANSWER.len()));
    assert_eq!(&buf[..ANSWER.len()], ANSWER);
    engines.client.write(b"later").unwrap();
    engines.server.receive(&engines.client.take_output());
    assert_eq!(engines.server.read_early(&mut buf).unwrap(), Some(0));
    assert_eq!(engines.server.write_early(b" more").unwrap(), 5);
    engines.server.advance().unwrap();
    assert!(engines.server.is_established());
    assert_eq!(engines.server.take_early_data(), Some(Vec::new()));
    assert_eq!(engines.server.write_early(b"late").unwrap_err().kind(), ErrorKind::State);
    assert_eq!(engines.server.read_early(&mut buf).unwrap(), Some(0));
    assert_eq!(engines.server.read(&mut buf).unwrap(), Some(5));
    assert_eq!(&buf[..5], b"later");
    engines.client.receive(&engines.server.take_output());
    assert_eq!(engines.client.read(&mut buf).unwrap(), Some(5));
    assert_eq!(&buf[..5], b" more");
}

/// A server that sends so many bytes of early data back when they are there, and gives the stream and what it has read.
async fn answer_early(
    server: &ServerConfig,
    io: tokio::io::DuplexStream,
    length: usize,
) -> (Stream, Vec<u8>) {
    let mut early = TlsAcceptor::new(server.clone()).accept_early(io).unwrap();
    let (mut read, mut buf) = (Vec::new(), [0; 1000]);
    while let count @ 1.. = early.read(&mut buf).await.unwrap() {
        read.extend_from_slice(&buf[..count]);
        if read.len() == length {
            early.write_all(&read).await.unwrap();
        }
    }
    assert_eq!(early.read(&mut buf).await.unwrap(), 0);
    (early.finish().await.unwrap(), read)
}

#[tokio::test]
async fn long_answers_to_early_data_go_over_a_narrow_stream() {
    let server = server().early_data(100_000).build().unwrap();
    let bytes: Vec<u8> = (0..100_000).map(|n| (n % 251) as u8).collect();
    let session = session(&server).await;
    let (near, far) = tokio::io::duplex(1024);
    let connector = TlsConnector::new(client().build().unwrap());
    let client = async {
        let mut near = connector.connect(target(&session, &bytes), near).await.unwrap();
        let mut read = vec![0; bytes.len()];
        near.read_exact(&mut read).await.unwrap();
        assert!(read == bytes);
        near
    };
    let (mut near, (mut far, read)) = tokio::join!(client, answer_early(&server, far, bytes.len()));
    assert!(read == bytes);
    assert_eq!(statuses(&near, &far), ACCEPTED);
    exchange(&mut near, &mut far).await;
}

#[tokio::test]
async fn a_handshake_without_early_data_goes_the_same_way() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        for server in [early_server().build().unwrap(), server().build().unwrap()] {
            let connector = TlsConnector::new(client().versions(version).build().unwrap());
            let (near, far) = tokio::io::duplex(64 * 1024);
            let (near, (mut far, read)) =
                tokio::join!(connector.connect("localhost", near), answer_early(&server, far, 1));
            let mut near = near.unwrap();
            assert_eq!((far.negotiated().version(), read.len()), (version, 0));
            exchange(&mut near, &mut far).await;
        }
    }
}

#[tokio::test]
async fn early_data_that_was_not_read_is_in_the_stream() {
    let server = early_server().build().unwrap();
    let connector = TlsConnector::new(client().build().unwrap());
    for read in [false, true] {
        let session = session(&server).await;
        let (near, far) = tokio::io::duplex(64 * 1024);
        let mut early = TlsAcceptor::new(server.clone()).accept_early(far).unwrap();
        let accept = async {
            if read {
                let mut buf = [0; 5];
                assert_eq!(early.read(&mut buf).await.unwrap(), 5);
                assert!(early.negotiated().session_reused() && !early.negotiated().authorized());
            }
            early.finish().await.unwrap()
        };
        let (near, mut far) = tokio::join!(connector.connect(target(&session, REQUEST), near), accept);
        assert_eq!(statuses(&near.unwrap(), &far), ACCEPTED);
        assert_eq!(far.take_early_data().unwrap(), &REQUEST[if read { 5 } else { 0 }..]);
    }
}

#[tokio::test]
async fn a_client_whose_early_data_was_passed_over_gets_no_early_answer() {
    let server = early_server().build().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let other = session(&early_server().build().unwrap()).await;
    let connector = TlsConnector::new(client().build().unwrap());
    let accept = async {
        let mut early = TlsAcceptor::new(server.clone()).accept_early(far).unwrap();
        assert_eq!(early.read(&mut [0; 10]).await.unwrap(), 0);
        assert_eq!(early.write_all(ANSWER).await.unwrap_err().kind(), ErrorKind::State);
        early.finish().await.unwrap()
    };
    let (near, far) = tokio::join!(connector.connect(target(&other, REQUEST), near), accept);
    let near = near.unwrap();
    assert_eq!(statuses(&near, &far), REJECTED);
    is_left_to_the_client(near, far, REQUEST).await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_handshake_that_is_read_early_runs_from_its_begin() {
    let limit = std::time::Duration::from_secs(5);
    let server = early_server().handshake_timeout(limit).build().unwrap();
    let (_near, far) = tokio::io::duplex(1024);
    let mut early = TlsAcceptor::new(server).accept_early(far).unwrap();
    tokio::time::advance(limit / 2).await;
    let begin = tokio::time::Instant::now();
    assert_eq!(early.read(&mut [0; 10]).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(begin.elapsed(), limit / 2);
    assert_eq!(early.finish().await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn an_error_in_the_early_data_is_told_by_the_read() {
    let server = early_server().build().unwrap();
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut early = TlsAcceptor::new(server).accept_early(far).unwrap();
    assert_eq!(early.read(&mut [0; 10]).await.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(early.read(&mut [0; 10]).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(early.finish().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn early_data_of_no_bytes_is_offered_all_the_same() {
    let server = early_server().build().unwrap();
    let session = session(&server).await;
    let (mut near, mut far) = connect(&session, b"", &server).await;
    assert_eq!(statuses(&near, &far), ACCEPTED);
    assert_eq!(far.take_early_data(), Some(Vec::new()));
    exchange(&mut near, &mut far).await;
}

/// A memory that servers share, and how often it was asked.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<HashSet<Vec<u8>>>>, Arc<AtomicUsize>);

impl Memory {
    fn admit(&self, binder: Vec<u8>) -> bool {
        assert!(matches!(binder.len(), 32 | 48));
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.lock().unwrap().insert(binder)
    }
}

/// Servers that open each other's tickets and have one memory.
fn guarded(key: &TicketKey, memory: &Memory) -> ServerConfig {
    let memory = memory.clone();
    let guard = move |binder| {
        let memory = memory.clone();
        async move {
            tokio::task::yield_now().await;
            Ok(memory.admit(binder))
        }
    };
    early_server().ticket_keys(key.clone()).replay_guard(guard).build().unwrap()
}

#[tokio::test]
async fn servers_with_one_guard_take_each_other_s_early_data_and_none_twice() {
    let (key, memory) = (TicketKey::random().unwrap(), Memory::default());
    let (one, other) = (guarded(&key, &memory), guarded(&key, &memory));
    assert_eq!(one.warnings().count(), 0);
    let session = session(&one).await;
    assert_eq!(memory.1.load(Ordering::Relaxed), 0, "without early data nobody is asked");
    // A ticket is good for many; each ClientHello is another one.
    for server in [&other, &one, &other] {
        let (near, mut far) = connect(&session, REQUEST, server).await;
        assert_eq!(statuses(&near, &far), ACCEPTED);
        assert_eq!(far.take_early_data().as_deref(), Some(REQUEST));
    }
    assert_eq!(memory.1.load(Ordering::Relaxed), 3);
    // A copy of one is taken by neither.
    let mut client = TlsEngine::client(&client().build().unwrap(), target(&session, REQUEST)).unwrap();
    client.advance().unwrap();
    let flight = client.take_output();
    for (server, expected) in [
        (&one, EarlyDataStatus::Accepted),
        (&other, EarlyDataStatus::Rejected),
        (&one, EarlyDataStatus::Rejected),
    ] {
        let mut engine = TlsEngine::server(server).unwrap();
        engine.receive(&flight);
        engine.advance().unwrap();
        engine.advance().unwrap();
        assert_eq!(engine.negotiated().early_data_status(), expected);
        assert!(engine.negotiated().session_reused());
    }
}

#[tokio::test]
async fn a_guard_that_says_no_or_fails_passes_over_early_data_at_once_or_later() {
    let session = session(&guarded(&TicketKey::from_bytes([7; 48]).unwrap(), &Memory::default())).await;
    for later in [false, true] {
        for answer in [Ok(true), Ok(false), Err("the memory is gone")] {
            let guard = move |_: Vec<u8>| async move {
                if later {
                    tokio::task::yield_now().await;
                }
                answer.map_err(Into::into)
            };
            let key = TicketKey::from_bytes([7; 48]).unwrap();
            let server = early_server().ticket_keys(key).replay_guard(guard).build().unwrap();
            let (near, far) = connect(&session, REQUEST, &server).await;
            assert!(near.negotiated().session_reused());
            if answer == Ok(true) {
                assert_eq!(statuses(&near, &far), ACCEPTED);
            } else {
                assert_eq!(statuses(&near, &far), REJECTED, "{answer:?}");
                is_left_to_the_client(near, far, REQUEST).await;
            }
        }
    }
}

#[tokio::test]
async fn a_guard_that_panics_fails_the_handshake_and_nothing_else() {
    let key = TicketKey::random().unwrap();
    for later in [false, true] {
        // A handshake that fails takes the session with it.
        let session = session(&guarded(&key, &Memory::default())).await;
        let guard = move |_: Vec<u8>| async move {
            if later {
                tokio::task::yield_now().await;
            }
            panic!("the guard panics");
        };
        let server = early_server().ticket_keys(key.clone()).replay_guard(guard).build().unwrap();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let acceptor = TlsAcceptor::new(server);
        let accepting = tokio::spawn(async move { acceptor.accept(far).await.map(drop) });
        let connector = TlsConnector::new(client().build().unwrap());
        let error = connector.connect(target(&session, REQUEST), near).await.unwrap_err();
        assert_eq!(error.alert(), Some(patina_tls::Alert::INTERNAL_ERROR));
        assert!(accepting.await.unwrap_err().is_panic());
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_never_answers_ends_with_the_time_of_the_handshake_and_is_dropped() {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let key = TicketKey::random().unwrap();
    let session = session(&guarded(&key, &Memory::default())).await;
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let guard = move |_: Vec<u8>| {
        let alive = Alive(Arc::clone(&count));
        async move {
            std::future::pending::<()>().await;
            drop(alive);
            Ok(true)
        }
    };
    let server = early_server().ticket_keys(key).replay_guard(guard).build().unwrap();
    let (near, far) = handshake(&client().build().unwrap(), target(&session, REQUEST), &server).await;
    assert_eq!(far.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(near.is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_guard_is_that_of_the_acceptor_whatever_the_name_chooses() {
    let (key, memory) = (TicketKey::random().unwrap(), Memory::default());
    let named = early_server().build().unwrap();
    let guard = {
        let memory = memory.clone();
        move |binder| {
            let admitted = memory.admit(binder);
            async move { Ok(admitted) }
        }
    };
    let server = early_server().ticket_keys(key).replay_guard(guard).server_name("localhost", named);
    let server = server.build().unwrap();
    let session = session(&server).await;
    for _ in 0..2 {
        let (near, far) = connect(&session, REQUEST, &server).await;
        assert_eq!(statuses(&near, &far), ACCEPTED);
    }
    assert_eq!(memory.1.load(Ordering::Relaxed), 2);
}

#[test]
fn a_guard_without_early_data_is_refused_and_lets_stores_be() {
    let error = server().replay_guard(|_| async { Ok(true) }).build().unwrap_err();
    assert_eq!(error.option(), Some("replay_guard"));
    let store = early_server().session_store(MemorySessionStore::new());
    assert!(store.replay_guard(|_| async { Ok(true) }).build().is_ok());
}

#[tokio::test]
async fn a_session_of_a_store_carries_early_data_that_the_guard_admits() {
    let answers = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answers);
    // The first is new, the others are not.
    let guard = move |_: Vec<u8>| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move { Ok(first) }
    };
    let server = early_server().session_store(MemorySessionStore::new()).replay_guard(guard).build().unwrap();
    let session = session(&server).await;
    for expected in [ACCEPTED, REJECTED] {
        let (near, far) = connect(&session, REQUEST, &server).await;
        assert!(near.negotiated().session_reused());
        assert_eq!(statuses(&near, &far), expected);
    }
}
