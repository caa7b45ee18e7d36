//! What is no TLS, and TLS that ends in the middle: an error with its code, never a panic, never for ever.

use std::time::Duration;

use patina_tls::{
    Alert, ClientConfig, Error, ErrorKind, ProtocolVersion, ServerConfig, TlsAcceptor, TlsEngine, TlsServer,
};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::cases;
use crate::support::pair::{client, engines, identity, server, trust};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

/// Small flights: an elliptic certificate.
fn configs(version: ProtocolVersion) -> (ClientConfig, ServerConfig) {
    let client = ClientConfig::builder().trust(trust("root-ec")).versions(version).build().unwrap();
    (client, ServerConfig::builder().identity(identity("server-p256")).build().unwrap())
}

/// What a server makes of bytes that come first, and then nothing.
fn met_with(bytes: &[u8]) -> Error {
    let mut engine = TlsEngine::server(&server().build().unwrap()).unwrap();
    engine.receive(bytes);
    engine.receive_end();
    engine.advance().unwrap_err()
}

#[test]
fn what_is_no_tls_has_the_code_that_says_so() {
    for (bytes, code) in [
        (&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], "ERR_SSL_HTTP_REQUEST"),
        (b"POST /x HTTP/1.1\r\n\r\n", "ERR_SSL_HTTP_REQUEST"),
        (b"CONNECT localhost:443 HTTP/1.1\r\n\r\n", "ERR_SSL_HTTPS_PROXY_REQUEST"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "ERR_SSL_WRONG_VERSION_NUMBER"),
        (&[0; 64], "ERR_SSL_WRONG_VERSION_NUMBER"),
        (&[22, 3, 1, 0, 5, 99, 0, 0, 1, 0], "ERR_SSL_UNEXPECTED_MESSAGE"),
        (&[22, 3, 1, 0xFF, 0xFF, 1], "ERR_SSL_PACKET_LENGTH_TOO_LONG"),
    ] {
        let error = met_with(bytes);
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Protocol, code),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_peer_that_says_nothing_and_goes_is_a_cut() {
    let error = met_with(b"");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Truncated, "ECONNRESET"));
}

#[test]
fn a_client_that_meets_another_protocol_says_so() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"220 smtp.example ESMTP\r\n", b"SSH-2.0-x\r\n"]
    {
        let mut engine = TlsEngine::client(&client().build().unwrap(), "localhost").unwrap();
        engine.advance().unwrap();
        engine.receive(answer);
        let error = engine.advance().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Protocol, "ERR_SSL_WRONG_VERSION_NUMBER"));
    }
}

#[test]
fn an_alert_in_the_place_of_an_answer_is_the_peer_s() {
    let mut engine = TlsEngine::client(&client().build().unwrap(), "localhost").unwrap();
    engine.advance().unwrap();
    engine.receive(&[21, 3, 3, 0, 2, 2, 71]);
    let error = engine.advance().unwrap_err();
    assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(Alert::INSUFFICIENT_SECURITY)));
    assert_eq!(error.code(), "ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY");
}

#[test]
fn a_close_notify_in_the_handshake_is_a_cut() {
    let mut engine = TlsEngine::client(&client().build().unwrap(), "localhost").unwrap();
    engine.advance().unwrap();
    engine.receive(&[21, 3, 3, 0, 2, 1, 0]);
    assert_eq!(engine.advance().unwrap_err().kind(), ErrorKind::Truncated);
}

/// Two engines, and the flight that is due: 0 is the ClientHello, 1 the server's answer, and so on.
fn before_flight(version: ProtocolVersion, flight: usize) -> (TlsEngine, TlsEngine, Vec<u8>) {
    let (client, server) = configs(version);
    let crate::support::pair::Engines { mut client, mut server } = engines(&client, "localhost", &server);
    client.advance().unwrap();
    let mut due = client.take_output();
    for step in 0..flight {
        let receiver = if step % 2 == 0 { &mut server } else { &mut client };
        receiver.receive(&due);
        receiver.advance().unwrap();
        due = receiver.take_output();
    }
    (client, server, due)
}

#[test]
fn a_cut_at_every_byte_of_every_flight_is_an_error() {
    for version in BOTH {
        let flights = if version == ProtocolVersion::TLSv1_2 { 4 } else { 3 };
        for flight in 0..flights {
            let (.., due) = before_flight(version, flight);
            // The lengths of two handshakes differ by a byte or two: signatures.
            for cut in 0..due.len().saturating_sub(8) {
                let (mut client, mut server, due) = before_flight(version, flight);
                let receiver = if flight % 2 == 0 { &mut server } else { &mut client };
                receiver.receive(&due[..cut]);
                receiver.receive_end();
                let error = receiver.advance().expect_err("half a flight is no handshake");
                assert_eq!(
                    (error.kind(), error.code()),
                    (ErrorKind::Truncated, "ECONNRESET"),
                    "{version} {flight} {cut}"
                );
                // Once more: still an error, and no hang.
                assert_eq!(receiver.advance().unwrap_err().kind(), ErrorKind::Closed);
            }
        }
    }
}

#[test]
fn an_end_without_close_notify_after_the_handshake_is_a_cut() {
    for version in BOTH {
        let (client, server) = configs(version);
        let mut both = engines(&client, "localhost", &server);
        both.shake().unwrap();
        both.client.receive_end();
        let error = both.client.read(&mut [0; 10]).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Truncated, "ECONNRESET"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_end_in_an_error_or_do_no_harm(
        old: bool,
        flight in 0_usize..4,
        place: prop::sample::Index,
        mask in 1_u8..,
        split: prop::sample::Index,
    ) {
        let version = BOTH[usize::from(!old)];
        let flight = flight.min(if old { 3 } else { 2 });
        let (mut client, mut server, mut due) = before_flight(version, flight);
        if due.is_empty() {
            return Ok(());
        }
        let at = place.index(due.len());
        due[at] ^= mask;
        let mut to_server = flight % 2 == 0;
        let mut failed = None;
        for _ in 0..10 {
            let receiver = if to_server { &mut server } else { &mut client };
            let (head, tail) = due.split_at(split.index(due.len() + 1));
            receiver.receive(head);
            let outcome = receiver.advance().and_then(|()| {
                receiver.receive(tail);
                receiver.advance()
            });
            due = receiver.take_output();
            if let Err(error) = outcome {
                prop_assert!(!error.code().is_empty() && !error.message().is_empty());
                failed = Some(error);
                break;
            }
            to_server = !to_server;
        }
        let done = client.is_established() && server.is_established();
        client.receive_end();
        server.receive_end();
        if failed.is_none() && !done {
            prop_assert!(client.advance().is_err() || server.advance().is_err());
        }
    }

    #[test]
    fn random_bytes_never_make_a_handshake(bytes in proptest::collection::vec(any::<u8>(), 0..300), header: bool) {
        let mut bytes = bytes;
        if header && bytes.len() > 5 {
            let len = (bytes.len() - 5) as u16;
            bytes[..3].copy_from_slice(&[22, 3, 1]);
            bytes[3..5].copy_from_slice(&len.to_be_bytes());
        }
        prop_assert!(!met_with(&bytes).code().is_empty());
    }

    #[test]
    fn a_client_hello_of_random_bytes_is_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = vec![22, 3, 1];
        bytes.extend((body.len() as u16 + 4).to_be_bytes());
        bytes.extend([1, 0]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(&body);
        prop_assert!(!met_with(&bytes).code().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_meets_the_timeout_of_either_side() {
    let (near, _silent) = tokio::io::duplex(1024);
    let limit = Duration::from_secs(5);
    let acceptor = TlsAcceptor::new(server().handshake_timeout(limit).build().unwrap());
    let error = acceptor.accept(near).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Timeout, "ERR_TLS_HANDSHAKE_TIMEOUT"));

    let (near, _silent) = tokio::io::duplex(1024);
    let connector = patina_tls::TlsConnector::new(client().handshake_timeout(limit).build().unwrap());
    assert_eq!(connector.connect("localhost", near).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_dawdles_byte_by_byte_meets_the_timeout_as_well() {
    let (near, mut slow) = tokio::io::duplex(1024);
    let (.., hello) = before_flight(ProtocolVersion::TLSv1_3, 0);
    tokio::spawn(async move {
        for byte in hello {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if slow.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let acceptor = TlsAcceptor::new(server().handshake_timeout(Duration::from_secs(30)).build().unwrap());
    assert_eq!(acceptor.accept(near).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_server_goes_on_serving_others_through_all_of_it() {
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let server = TlsServer::bind("127.0.0.1:0", server().build().unwrap()).await.unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let server = server.on_client_error(move |_, error| told.send(error.code().to_owned()).unwrap());
    let serving = tokio::spawn(server.serve(|mut tls, _| async move {
        let byte = tls.read_u8().await.unwrap();
        tls.write_all(&[byte]).await.unwrap();
        tls.shutdown().await.unwrap();
    }));
    let connect = || tokio::net::TcpStream::connect(address);

    // One that says nothing, all the while.
    let silent = connect().await.unwrap();
    for (bytes, code) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "ERR_SSL_HTTP_REQUEST"),
        (&[0xFF; 600], "ERR_SSL_WRONG_VERSION_NUMBER"),
        (&[22, 3, 1], "ECONNRESET"),
        (b"", "ECONNRESET"),
    ] {
        let mut bad = connect().await.unwrap();
        bad.write_all(bytes).await.unwrap();
        bad.shutdown().await.unwrap();
        assert_eq!(errors.recv().await.unwrap(), code);
        let connector = patina_tls::TlsConnector::new(client().build().unwrap());
        let mut good = connector.connect("localhost", connect().await.unwrap()).await.unwrap();
        good.write_all(b"!").await.unwrap();
        assert_eq!(good.read_u8().await.unwrap(), b'!');
    }
    handle.close();
    drop(silent);
    serving.await.unwrap();
}
