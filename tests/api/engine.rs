//! The engine: the connection without a socket.

use patina_tls::{ClientAuth, EngineEvent, ErrorKind, ProtocolVersion, TlsEngine};

use crate::support::pair::{Engines, client, engines, server, trust};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn shaken(version: ProtocolVersion) -> Engines {
    let mut both =
        engines(&client().versions(version).build().unwrap(), "localhost", &server().build().unwrap());
    both.shake().unwrap();
    both
}

fn pass(from: &mut TlsEngine, to: &mut TlsEngine) {
    to.receive(&from.take_output());
}

#[test]
fn events_tell_what_happened_in_its_order() {
    for version in BOTH {
        let mut both =
            engines(&client().versions(version).build().unwrap(), "localhost", &server().build().unwrap());
        assert_eq!((both.client.next_event(), both.client.is_established()), (None, false));
        both.shake().unwrap();
        assert_eq!((both.client.next_event(), both.client.next_event()), (Some(EngineEvent::Secure), None));
        both.client.close().unwrap();
        pass(&mut both.client, &mut both.server);
        assert_eq!(both.server.read(&mut [0; 8]).unwrap(), Some(0));
        assert_eq!(both.server.read(&mut [0; 8]).unwrap(), Some(0));
        let events: Vec<_> = std::iter::from_fn(|| both.server.next_event()).collect();
        assert_eq!(events, [EngineEvent::Secure, EngineEvent::Closed]);
    }
}

#[test]
fn bytes_that_arrive_one_by_one_and_leave_one_by_one_are_enough() {
    for version in BOTH {
        let mut both =
            engines(&client().versions(version).build().unwrap(), "localhost", &server().build().unwrap());
        both.client.advance().unwrap();
        let mut idle = 0;
        while idle < 2 {
            idle += 1;
            for to_server in [true, false] {
                let Engines { client, server } = &mut both;
                let (from, to) = if to_server { (client, server) } else { (server, client) };
                while let Some(byte) = from.output().first().copied() {
                    from.consume_output(1);
                    to.receive(&[byte]);
                    to.advance().unwrap();
                    idle = 0;
                }
            }
        }
        assert!(both.client.is_established() && both.server.is_established());
        both.client.consume_output(100);
        assert!(both.client.output().is_empty());
    }
}

#[test]
fn plaintext_waits_for_the_handshake_and_half_a_record_for_its_end() {
    for version in BOTH {
        let mut both =
            engines(&client().versions(version).build().unwrap(), "localhost", &server().build().unwrap());
        assert_eq!(both.client.write(b"early").unwrap(), 0);
        assert_eq!(both.client.read(&mut [0; 8]).unwrap(), None);
        both.shake().unwrap();
        assert_eq!(both.client.write(b"in time").unwrap(), 7);
        let record = both.client.take_output();
        both.server.receive(&record[..record.len() - 1]);
        let mut buf = [0; 16];
        assert_eq!(both.server.read(&mut buf).unwrap(), None);
        both.server.receive(&record[record.len() - 1..]);
        assert_eq!(both.server.read(&mut buf).unwrap(), Some(7));
        assert_eq!(&buf[..7], b"in time");
        assert_eq!(both.server.read(&mut []).unwrap(), Some(0));
    }
}

#[test]
fn a_large_write_is_taken_whole() {
    for version in BOTH {
        let mut both = shaken(version);
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        assert_eq!(both.server.write(&bytes).unwrap(), bytes.len());
        pass(&mut both.server, &mut both.client);
        let mut heard: Vec<u8> = Vec::new();
        let mut buf = vec![0; 50_000];
        while let Some(count) = both.client.read(&mut buf).unwrap() {
            heard.extend(&buf[..count]);
        }
        assert!(heard == bytes);
    }
}

#[test]
fn a_side_that_has_closed_still_reads() {
    for version in BOTH {
        let mut both = shaken(version);
        both.client.close().unwrap();
        both.client.close().unwrap();
        let error = both.client.write(b"more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        both.server.write(b"answer").unwrap();
        both.server.close().unwrap();
        pass(&mut both.server, &mut both.client);
        let mut buf = [0; 16];
        assert_eq!(both.client.read(&mut buf).unwrap(), Some(6));
        assert_eq!(both.client.read(&mut buf).unwrap(), Some(0));
    }
}

#[test]
fn a_failure_leaves_its_alert_in_the_output_and_is_told_once() {
    let mut both = engines(
        &client().trust(trust("other-root")).build().unwrap(),
        "localhost",
        &server().build().unwrap(),
    );
    assert_eq!(both.shake().unwrap_err().kind(), ErrorKind::Unauthorized);
    assert_eq!(both.client.advance().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(both.client.write(b"x").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(both.client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::Closed);
    let error = both.server.advance().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerAlert);
}

#[test]
fn a_host_that_is_no_host_is_refused_at_once() {
    let error = TlsEngine::client(&client().build().unwrap(), "no host").unwrap_err();
    assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("host")));
}

#[test]
fn a_refusal_after_the_handshake_reaches_a_reading_tls_1_3_client() {
    let server = server().client_auth(ClientAuth::Require).trust(trust("root")).build().unwrap();
    let mut both =
        engines(&client().versions(ProtocolVersion::TLSv1_3).build().unwrap(), "localhost", &server);
    assert!(both.shake().is_err());
    assert!(both.client.is_established());
    let error = both.client.read(&mut [0; 8]).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::PeerAlert, "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")
    );
}
