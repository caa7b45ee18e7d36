//! Handshakes on an open connection: renegotiation, post-handshake authentication, key updates.

use std::time::Duration;

use patina_tls::{
    Alert, Client, ClientAuth, ConfigBuilder, ErrorKind, KeyUpdate, ProtocolVersion, RenegotiateOptions,
    RenegotiationPolicy, Server, TlsEngine,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::pair::{Stream, client, engines, identity, pair, server, trust};

const FULL: RenegotiationPolicy = RenegotiationPolicy::allow_unlimited();

fn old_client() -> ConfigBuilder<Client> {
    client().versions(ProtocolVersion::TLSv1_2)
}

fn old_server() -> ConfigBuilder<Server> {
    server().versions(ProtocolVersion::TLSv1_2)
}

async fn old_pair(policy: RenegotiationPolicy) -> (Stream, Stream) {
    pair(&old_client().build().unwrap(), &old_server().renegotiation(policy).build().unwrap()).await
}

/// Sends what it reads back, until the peer closes or something fails.
async fn echo(mut stream: Stream) -> (Stream, std::io::Result<()>) {
    let mut buf = vec![0; 64 * 1024];
    loop {
        let outcome = match stream.read(&mut buf).await {
            Ok(0) => Ok(()),
            Ok(count) => match stream.write_all(&buf[..count]).await {
                Ok(()) => continue,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        return (stream, outcome);
    }
}

async fn say_and_hear(stream: &mut Stream, text: &[u8]) {
    stream.write_all(text).await.unwrap();
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, text);
}

#[tokio::test]
async fn a_client_renegotiates_and_data_flows_on() {
    let (mut client, server) = old_pair(FULL).await;
    let server = tokio::spawn(echo(server));
    let first = client.negotiated().finished();
    for count in 1..=3 {
        client.renegotiate(RenegotiateOptions::new()).await.unwrap();
        assert_eq!(client.negotiated().renegotiations(), count);
        say_and_hear(&mut client, b"and on").await;
    }
    assert_ne!(client.negotiated().finished(), first, "new keys");
    client.shutdown().await.unwrap();
    let (server, outcome) = server.await.unwrap();
    outcome.unwrap();
    assert_eq!(server.negotiated().renegotiations(), 3);
}

#[tokio::test]
async fn an_abbreviated_one_resumes_the_session() {
    let (mut client, server) = old_pair(FULL).await;
    let server = tokio::spawn(echo(server));
    client.renegotiate(RenegotiateOptions::new().abbreviated(true)).await.unwrap();
    assert!(client.negotiated().session_reused());
    client.renegotiate(RenegotiateOptions::new()).await.unwrap();
    assert!(!client.negotiated().session_reused());
    say_and_hear(&mut client, b"still here").await;
    drop(client);
    let _ = server.await.unwrap();
}

#[tokio::test]
async fn data_that_comes_in_between_is_kept_in_order() {
    let (mut client, mut server) = old_pair(FULL).await;
    // The server has written much before it sees the ClientHello.
    let sent: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    let expected = sent.clone();
    let serving = tokio::spawn(async move {
        server.write_all(&sent).await.unwrap();
        echo(server).await
    });
    client.renegotiate(RenegotiateOptions::new()).await.unwrap();
    let mut heard = vec![0; expected.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert!(heard == expected);
    say_and_hear(&mut client, b"in order").await;
    drop(client);
    let _ = serving.await.unwrap();
}

#[tokio::test]
async fn a_server_asks_for_a_certificate_that_it_did_not_ask_for_before() {
    let server = old_server().trust(trust("root")).build().unwrap();
    let client = old_client().renegotiation(FULL).identity(identity("client-rsa")).build().unwrap();
    let (client, mut server) = pair(&client, &server).await;
    let client = tokio::spawn(echo(client));
    assert!(server.negotiated().peer_certificate().is_none());
    server.renegotiate(RenegotiateOptions::new().client_auth(ClientAuth::Require)).await.unwrap();
    assert!(server.negotiated().authorized());
    assert!(server.negotiated().peer_certificate().is_some());
    say_and_hear(&mut server, b"now I know you").await;
    server.shutdown().await.unwrap();
    client.await.unwrap().1.unwrap();
}

#[tokio::test]
async fn a_client_without_the_required_certificate_is_refused() {
    let server = old_server().trust(trust("root")).build().unwrap();
    let client = old_client().renegotiation(FULL).build().unwrap();
    let (client, mut server) = pair(&client, &server).await;
    let client = tokio::spawn(echo(client));
    let error =
        server.renegotiate(RenegotiateOptions::new().client_auth(ClientAuth::Require)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
    let (_, outcome) = client.await.unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(patina_tls::Error::from_io(&error).unwrap().kind(), ErrorKind::PeerAlert);
}

#[tokio::test]
async fn a_certificate_that_is_only_requested_may_be_missing() {
    let server = old_server().trust(trust("root")).build().unwrap();
    let client = old_client().renegotiation(FULL).build().unwrap();
    let (client, mut server) = pair(&client, &server).await;
    let client = tokio::spawn(echo(client));
    server.renegotiate(RenegotiateOptions::new().client_auth(ClientAuth::Request)).await.unwrap();
    assert!(!server.negotiated().authorized());
    say_and_hear(&mut server, b"whoever you are").await;
    drop(server);
    let _ = client.await.unwrap();
}

#[tokio::test]
async fn own_requests_are_neither_counted_nor_refused() {
    let server = old_server().renegotiation(RenegotiationPolicy::deny()).build().unwrap();
    let client = old_client().renegotiation(FULL).build().unwrap();
    let (client, mut server) = pair(&client, &server).await;
    let client = tokio::spawn(echo(client));
    for _ in 0..5 {
        server.renegotiate(RenegotiateOptions::new()).await.unwrap();
    }
    say_and_hear(&mut server, b"five times").await;
    assert_eq!(server.negotiated().renegotiations(), 5);
    drop(server);
    let _ = client.await.unwrap();
}

#[tokio::test]
async fn the_peer_s_refusal_is_the_error_of_who_asked() {
    let (mut client, server) = old_pair(RenegotiationPolicy::deny()).await;
    let server = tokio::spawn(echo(server));
    let error = client.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Protocol, "ERR_SSL_NO_RENEGOTIATION"));
    server.await.unwrap().1.unwrap_err();
}

#[tokio::test]
async fn past_the_limit_both_sides_end_with_the_alert() {
    let (mut client, server) = old_pair(RenegotiationPolicy::limit(3).per(Duration::from_secs(600))).await;
    let server = tokio::spawn(echo(server));
    for _ in 0..3 {
        client.renegotiate(RenegotiateOptions::new()).await.unwrap();
    }
    let error = client.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(Alert::NO_RENEGOTIATION)));
    let (_, outcome) = server.await.unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(patina_tls::Error::from_io(&error).unwrap().code(), "ERR_TLS_SESSION_ATTACK");
}

#[tokio::test]
async fn a_server_that_asks_too_often_is_refused_by_the_client() {
    let client = old_client().renegotiation(RenegotiationPolicy::limit(2)).build().unwrap();
    let (client, mut server) = pair(&client, &old_server().build().unwrap()).await;
    let client = tokio::spawn(echo(client));
    server.renegotiate(RenegotiateOptions::new()).await.unwrap();
    server.renegotiate(RenegotiateOptions::new()).await.unwrap();
    let error = server.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    assert_eq!(error.code(), "ERR_SSL_NO_RENEGOTIATION", "the client has told its server why");
    let (_, outcome) = client.await.unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(patina_tls::Error::from_io(&error).unwrap().code(), "ERR_TLS_SESSION_ATTACK");
}

#[tokio::test]
async fn a_connection_on_which_it_is_disabled_ends_with_its_own_code() {
    let (mut client, server) = old_pair(FULL).await;
    server.disable_renegotiation();
    let server = tokio::spawn(echo(server));
    client.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    let (_, outcome) = server.await.unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(patina_tls::Error::from_io(&error).unwrap().code(), "ERR_TLS_RENEGOTIATION_DISABLED");
}

#[tokio::test]
async fn tls_1_3_has_none_and_stays_as_it_was() {
    let (mut client, server) = pair(&client().build().unwrap(), &server().build().unwrap()).await;
    let server = tokio::spawn(echo(server));
    let error = client.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::State, "ERR_SSL_WRONG_SSL_VERSION"));
    say_and_hear(&mut client, b"as before").await;
    drop(client);
    let _ = server.await.unwrap();
}

#[tokio::test]
async fn keys_of_tls_1_3_change_in_both_directions() {
    let (mut client, server) = pair(&client().build().unwrap(), &server().build().unwrap()).await;
    let server = tokio::spawn(echo(server));
    for update in [KeyUpdate::Both, KeyUpdate::Own, KeyUpdate::Both] {
        client.update_keys(update).await.unwrap();
        say_and_hear(&mut client, b"with new keys").await;
    }
    client.shutdown().await.unwrap();
    server.await.unwrap().1.unwrap();
    let (mut old, _other) = old_pair(FULL).await;
    let error = old.update_keys(KeyUpdate::Both).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::State, "ERR_SSL_WRONG_SSL_VERSION"));
}

#[tokio::test]
async fn a_client_of_tls_1_3_shows_its_certificate_after_the_handshake() {
    let server = server().trust(trust("root")).build().unwrap();
    let config = client().identity(identity("client-rsa")).post_handshake_auth(true).build().unwrap();
    let (client, mut server) = pair(&config, &server).await;
    let client = tokio::spawn(echo(client));
    assert!(!server.negotiated().authorized());
    server.authenticate_client(ClientAuth::Require).await.unwrap();
    assert!(server.negotiated().authorized());
    assert!(server.negotiated().peer_certificate().is_some());
    say_and_hear(&mut server, b"now I know you").await;
    server.shutdown().await.unwrap();
    client.await.unwrap().1.unwrap();
}

#[tokio::test]
async fn a_client_of_tls_1_3_that_shows_none_is_reported_or_refused() {
    let server = server().trust(trust("root")).build().unwrap();
    let config = client().post_handshake_auth(true).build().unwrap();
    let (client, mut server) = pair(&config, &server).await;
    let client = tokio::spawn(echo(client));
    server.authenticate_client(ClientAuth::Request).await.unwrap();
    assert!(!server.negotiated().authorized());
    say_and_hear(&mut server, b"whoever you are").await;
    let error = server.authenticate_client(ClientAuth::Require).await.unwrap_err();
    assert_eq!(error.code(), "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
    client.await.unwrap().1.unwrap_err();
}

#[tokio::test]
async fn a_client_that_has_not_offered_it_is_not_asked() {
    let server = server().trust(trust("root")).build().unwrap();
    let (mut client, mut server) = pair(&client().build().unwrap(), &server).await;
    let error = server.authenticate_client(ClientAuth::Require).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::State, "ERR_SSL_EXTENSION_NOT_RECEIVED"));
    let error = client.authenticate_client(ClientAuth::Require).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::State, "ERR_SSL_NOT_SERVER"));
    server.write_all(b"as before").await.unwrap();
    let mut heard = [0; 9];
    client.read_exact(&mut heard).await.unwrap();
}

#[tokio::test]
async fn a_split_stream_renegotiates_while_both_halves_are_busy() {
    let (client, server) = old_pair(FULL).await;
    let control = client.control();
    let server = tokio::spawn(echo(server));
    let (mut reader, mut writer) = tokio::io::split(client);
    let asked = tokio::spawn({
        let control = control.clone();
        async move {
            for _ in 0..5 {
                control.renegotiate(RenegotiateOptions::new()).await.unwrap();
            }
        }
    });
    let pattern: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
    let expected = pattern.clone();
    let writing = tokio::spawn(async move {
        let mut pieces = 0;
        while !asked.is_finished() {
            writer.write_all(&pattern).await.unwrap();
            pieces += 1;
        }
        asked.await.unwrap();
        // No piece begins with this.
        writer.write_all(&[255]).await.unwrap();
        (writer, pieces)
    });
    let reading = tokio::spawn(async move {
        let mut heard = vec![0; expected.len()];
        let mut pieces = 0;
        loop {
            reader.read_exact(&mut heard[..1]).await.unwrap();
            if heard[0] == 255 {
                return (reader, pieces);
            }
            reader.read_exact(&mut heard[1..]).await.unwrap();
            assert!(heard == expected);
            pieces += 1;
        }
    });
    let ((writer, written), (reader, read)) = (writing.await.unwrap(), reading.await.unwrap());
    assert_eq!(written, read);
    let stream = reader.unsplit(writer);
    assert_eq!(stream.negotiated().renegotiations(), 5);
    drop(stream);
    let _ = server.await.unwrap();
    let error = control.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn an_application_that_only_writes_renegotiates() {
    for asks_server in [false, true] {
        let client = old_client().renegotiation(FULL).build().unwrap();
        let server = old_server().renegotiation(FULL).build().unwrap();
        let (client, server) = pair(&client, &server).await;
        let (mut asker, mut other) = if asks_server { (server, client) } else { (client, server) };
        let control = asker.control();
        let other = tokio::spawn(async move {
            let mut all = Vec::new();
            other.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        let asked = tokio::spawn(async move { control.renegotiate(RenegotiateOptions::new()).await });
        let mut written = 0;
        while !asked.is_finished() {
            asker.write_all(&[7; 1000]).await.unwrap();
            written += 1000;
            tokio::task::yield_now().await;
        }
        asked.await.unwrap().unwrap();
        asker.shutdown().await.unwrap();
        assert_eq!(other.await.unwrap(), written);
    }
}

#[tokio::test]
async fn an_application_that_only_reads_renegotiates() {
    let client = old_client().renegotiation(FULL).build().unwrap();
    let (client, mut server) = pair(&client, &old_server().build().unwrap()).await;
    let control = server.control();
    let client = tokio::spawn(echo(client));
    let asked = tokio::spawn(async move { control.renegotiate(RenegotiateOptions::new()).await });
    let mut buf = [0; 1];
    tokio::select! {
        outcome = asked => outcome.unwrap().unwrap(),
        read = server.read(&mut buf) => panic!("{read:?}"),
    }
    assert_eq!(server.negotiated().renegotiations(), 1);
    drop(server);
    let _ = client.await.unwrap();
}

#[tokio::test]
async fn a_renegotiation_whose_future_is_dropped_goes_on_with_the_reads() {
    let (mut client, server) = old_pair(FULL).await;
    let server = tokio::spawn(echo(server));
    {
        let mut asked = Box::pin(client.renegotiate(RenegotiateOptions::new()));
        assert!(poll_once(asked.as_mut()).await.is_pending());
    }
    let error = client.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    say_and_hear(&mut client, b"later").await;
    assert_eq!(client.negotiated().renegotiations(), 1);
    drop(client);
    let _ = server.await.unwrap();
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await
}

/// Carries what each engine has for the other, and reads what arrives.
fn carry(a: &mut TlsEngine, b: &mut TlsEngine) -> Result<(), patina_tls::Error> {
    let mut buf = [0; 1000];
    loop {
        let (to_b, to_a) = (a.take_output(), b.take_output());
        if to_a.is_empty() && to_b.is_empty() {
            return Ok(());
        }
        b.receive(&to_b);
        a.receive(&to_a);
        while a.read(&mut buf)?.is_some_and(|count| count > 0) {}
        while b.read(&mut buf)?.is_some_and(|count| count > 0) {}
    }
}

#[test]
fn engines_renegotiate_without_a_socket() {
    let client = old_client().renegotiation(FULL).build().unwrap();
    let server = old_server().renegotiation(FULL).build().unwrap();
    let mut both = engines(&client, "localhost", &server);
    both.shake().unwrap();
    both.client.renegotiate(RenegotiateOptions::new()).unwrap();
    assert!(both.client.is_asking());
    carry(&mut both.client, &mut both.server).unwrap();
    assert!(!both.client.is_asking());
    both.server.renegotiate(RenegotiateOptions::new()).unwrap();
    carry(&mut both.client, &mut both.server).unwrap();
    assert!(!both.server.is_asking());
    assert_eq!(both.server.negotiated().renegotiations(), 2);
}

/// Refuses the peer, later.
async fn refuse(_: patina_tls::PeerIdentity) -> patina_tls::HookResult<()> {
    tokio::task::yield_now().await;
    Err("not on the list".into())
}

#[tokio::test]
async fn a_verifier_judges_the_certificate_of_a_later_handshake_before_any_data() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let server = server().versions(version).trust(trust("root")).peer_verifier(refuse).build().unwrap();
        let config = client()
            .versions(version)
            .renegotiation(FULL)
            .identity(identity("client-rsa"))
            .post_handshake_auth(true)
            .build()
            .unwrap();
        let (mut client, mut server) = pair(&config, &server).await;
        let control = server.control();
        let client = tokio::spawn(async move {
            // Data right behind the answer.
            while client.write_all(b"let me in").await.is_ok() {
                let _ = poll_once(std::pin::pin!(client.read_u8())).await;
                tokio::task::yield_now().await;
            }
        });
        let asked = tokio::spawn(async move {
            match version {
                ProtocolVersion::TLSv1_3 => control.authenticate_client(ClientAuth::Require).await,
                _ => {
                    let options = RenegotiateOptions::new().client_auth(ClientAuth::Require);
                    control.renegotiate(options).await
                }
            }
        });
        let mut buf = [0; 64];
        let error = loop {
            match server.read(&mut buf).await {
                Ok(_) => assert!(!server.negotiated().authorized(), "{version}"),
                Err(error) => break error,
            }
        };
        let error = patina_tls::Error::from_io(&error).unwrap();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "CERT_REJECTED"), "{version}");
        drop(server);
        let _ = (asked.await.unwrap(), client.await.unwrap());
    }
}

#[tokio::test]
async fn an_option_that_forbids_it_forbids_it_to_this_side_as_well() {
    let client = old_client().secure_options(patina_tls::SecureOptions::NO_RENEGOTIATION).build().unwrap();
    let (mut client, server) = pair(&client, &old_server().renegotiation(FULL).build().unwrap()).await;
    let server = tokio::spawn(echo(server));
    let error = client.renegotiate(RenegotiateOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::State, "ERR_SSL_NO_RENEGOTIATION"));
    say_and_hear(&mut client, b"as before").await;
    drop(client);
    let _ = server.await.unwrap();
}

#[tokio::test]
async fn a_verifier_is_asked_in_every_handshake() {
    for role in ["client", "server"] {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&asked);
        let verifier = move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async { Ok(()) }
        };
        let mut client = old_client().renegotiation(FULL).identity(identity("client-rsa"));
        let mut server =
            old_server().renegotiation(FULL).client_auth(ClientAuth::Require).trust(trust("root"));
        match role {
            "client" => client = client.peer_verifier(verifier),
            _ => server = server.peer_verifier(verifier),
        }
        let (mut client, server) = pair(&client.build().unwrap(), &server.build().unwrap()).await;
        let server = tokio::spawn(echo(server));
        for handshakes in 2..=3 {
            client.renegotiate(RenegotiateOptions::new()).await.unwrap();
            say_and_hear(&mut client, b"once more").await;
            assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), handshakes, "{role}");
        }
        drop(client);
        let _ = server.await.unwrap();
    }
}
