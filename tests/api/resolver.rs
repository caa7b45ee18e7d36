//! The hook that chooses a configuration: at once, later, wrongly, never.

use std::future::{Future, pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use patina_tls::{
    Alert, ClientHello, ErrorKind, ProtocolVersion, Selection, ServerConfig, TlsAcceptor, TlsEngine,
};

use crate::support::pair::{client, engines, handshake, identity, pair, server};
use crate::support::waker::poll_checked;

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn shop() -> ServerConfig {
    ServerConfig::builder().identity(identity("shop")).build().unwrap()
}

fn shown(stream: &crate::support::pair::Stream) -> Vec<String> {
    stream.negotiated().peer_certificate().unwrap().subject_common_names()
}

/// Pending for some polls, then ready; keeps the waker and wakes it at once.
async fn yields(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_resolver_that_is_ready_at_once_chooses() {
    for version in BOTH {
        let shop = shop();
        let server = server().config_resolver(move |_| {
            let shop = shop.clone();
            async move { Ok(Selection::Use(shop)) }
        });
        let client = client().versions(version).build().unwrap();
        let (client, _) = handshake(&client, "shop.patina.test", &server.build().unwrap()).await;
        assert_eq!(shown(&client.unwrap()), ["shop"]);
    }
}

#[tokio::test]
async fn a_resolver_that_yields_chooses() {
    for version in BOTH {
        let shop = shop();
        let server = server().config_resolver(move |hello: ClientHello| {
            let shop = shop.clone();
            async move {
                assert_eq!(hello.server_name(), Some("shop.patina.test"));
                yields(5).await;
                Ok(Selection::Use(shop))
            }
        });
        let client = client().versions(version).build().unwrap();
        let (client, server) = handshake(&client, "shop.patina.test", &server.build().unwrap()).await;
        assert_eq!(shown(&client.unwrap()), ["shop"]);
        assert_eq!(server.unwrap().negotiated().server_name(), Some("shop.patina.test"));
    }
}

#[tokio::test]
async fn an_error_at_once_or_later_is_the_alert_that_the_client_sees() {
    for version in BOTH {
        for polls in [0, 3] {
            let server = server().config_resolver(move |_| async move {
                yields(polls).await;
                Err(Alert::UNRECOGNIZED_NAME)
            });
            let client = client().versions(version).build().unwrap();
            let (client, server) = handshake(&client, "localhost", &server.build().unwrap()).await;
            let error = client.unwrap_err();
            assert_eq!((error.kind(), error.alert()), (ErrorKind::PeerAlert, Some(Alert::UNRECOGNIZED_NAME)));
            assert_eq!(server.unwrap_err().alert(), Some(Alert::UNRECOGNIZED_NAME));
        }
    }
}

#[tokio::test]
async fn a_default_selection_goes_on_to_the_static_names() {
    let server = server()
        .server_name("shop.patina.test", shop())
        .config_resolver(|_| async { Ok(Selection::Default) });
    let server = server.build().unwrap();
    let config = client().build().unwrap();
    let (client, _) = handshake(&config, "shop.patina.test", &server).await;
    assert_eq!(shown(&client.unwrap()), ["shop"]);
    let (client, _) = handshake(&config, "localhost", &server).await;
    assert_eq!(shown(&client.unwrap()), ["server-rsa"]);
}

/// The panic of a task, as text, and what the client came to.
async fn panic_of(server: ServerConfig, version: ProtocolVersion) -> (String, patina_tls::Error) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let client = patina_tls::TlsConnector::new(client().versions(version).build().unwrap());
    let server = tokio::spawn(async move { TlsAcceptor::new(server).accept(far).await.map(drop) });
    let client = client.connect("localhost", near).await.unwrap_err();
    let panic = server.await.unwrap_err().into_panic();
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    (text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap(), client)
}

#[tokio::test]
async fn a_panic_is_resumed_in_accept_and_the_client_hears_internal_error() {
    for version in BOTH {
        for polls in [0, 2] {
            let server = server().config_resolver(move |_| async move {
                yields(polls).await;
                panic!("resolver, broken after {polls} polls")
            });
            let (panic, client) = panic_of(server.build().unwrap(), version).await;
            assert_eq!(panic, format!("resolver, broken after {polls} polls"));
            assert_eq!((client.kind(), client.alert()), (ErrorKind::PeerAlert, Some(Alert::INTERNAL_ERROR)));
        }
    }
}

#[tokio::test]
async fn a_panic_before_the_future_is_there_counts_as_well() {
    struct Broken;
    impl patina_tls::ConfigResolver for Broken {
        fn resolve(&self, _: ClientHello) -> patina_tls::HookFuture<Result<Selection, Alert>> {
            panic!("no future at all")
        }
    }
    let config = server().config_resolver(Broken).build().unwrap();
    let (panic, client) = panic_of(config.clone(), ProtocolVersion::TLSv1_3).await;
    assert_eq!(panic, "no future at all");
    assert_eq!(client.alert(), Some(Alert::INTERNAL_ERROR));
}

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_handshake_that_is_dropped_drops_the_future_of_its_resolver() {
    let (asked, dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (a, d) = (Arc::clone(&asked), Arc::clone(&dropped));
    let server = server().config_resolver(move |_| {
        a.store(true, Ordering::SeqCst);
        let guard = Dropped(Arc::clone(&d));
        async move {
            let _guard = guard;
            pending().await
        }
    });
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let (near, far) = tokio::io::duplex(64 * 1024);
    let client = patina_tls::TlsConnector::new(client().build().unwrap());
    let client = tokio::spawn(async move { client.connect("localhost", near).await.map(drop) });
    let mut accept = Box::pin(acceptor.accept(far));
    while !asked.load(Ordering::SeqCst) {
        assert!(poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await.is_pending());
        tokio::task::yield_now().await;
    }
    assert!(!dropped.load(Ordering::SeqCst));
    drop(accept);
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(client.await.unwrap().unwrap_err().kind(), ErrorKind::Truncated);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_hangs_meets_the_handshake_timeout() {
    let server = server().handshake_timeout(Duration::from_secs(7)).config_resolver(|_| pending());
    let began = tokio::time::Instant::now();
    let (client, server) = handshake(&client().build().unwrap(), "localhost", &server.build().unwrap()).await;
    let error = server.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Timeout, "ERR_TLS_HANDSHAKE_TIMEOUT"));
    assert!(began.elapsed() >= Duration::from_secs(7) && began.elapsed() < Duration::from_secs(8));
    assert_eq!(client.unwrap_err().kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn it_is_asked_once_a_connection_even_when_the_client_must_say_hello_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = server().groups("P-256").config_resolver(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok(Selection::Default) }
    });
    // The key share is for X25519, which the server has not: HelloRetryRequest (RFC 8446 section 4.1.4).
    let client = client().groups("X25519:P-256").versions(ProtocolVersion::TLSv1_3).build().unwrap();
    let (client, _server) = pair(&client, &server.build().unwrap()).await;
    assert_eq!(client.negotiated().ephemeral_key().unwrap().name(), Some("prime256v1"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_resolver_of_a_chosen_configuration_is_not_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let inner = ServerConfig::builder().identity(identity("shop")).config_resolver(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Err(Alert::ACCESS_DENIED) }
    });
    let inner = inner.build().unwrap();
    let server = server().groups("P-256").config_resolver(move |_| {
        let inner = inner.clone();
        async move { Ok(Selection::Use(inner)) }
    });
    let server = server.build().unwrap();
    for groups in ["P-256", "X25519:P-256"] {
        let client = client().groups(groups).versions(ProtocolVersion::TLSv1_3).build().unwrap();
        let (client, _) = handshake(&client, "shop.patina.test", &server).await;
        assert_eq!(shown(&client.unwrap()), ["shop"], "{groups}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn it_is_asked_on_resumption_as_well() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for version in BOTH {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let server = server().config_resolver(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok(Selection::Default) }
        });
        let server = server.build().unwrap();
        let client = client().versions(version).build().unwrap();
        let (mut first, mut peer) = pair(&client, &server).await;
        peer.write_all(b"x").await.unwrap();
        first.read_u8().await.unwrap();
        let session = first.negotiated().session().unwrap();
        let target = patina_tls::ConnectOptions::new("localhost").session(session);
        let (second, _) = handshake(&client, target, &server).await;
        assert!(second.unwrap().negotiated().session_reused());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

/// A question that another thread answers.
#[derive(Clone, Default)]
struct Question(Arc<Mutex<(Option<Waker>, bool)>>);

impl Question {
    fn answer(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.1 = true;
        if let Some(waker) = inner.0.take() {
            waker.wake();
        }
    }
}

impl Future for Question {
    type Output = Result<Selection, Alert>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.0.lock().unwrap();
        if inner.1 {
            return Poll::Ready(Ok(Selection::Default));
        }
        inner.0 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A server that waits for its resolver.
fn asking() -> (Question, crate::support::pair::Engines) {
    let question = Question::default();
    let clone = question.clone();
    let server = server().config_resolver(move |_| clone.clone()).build().unwrap();
    let mut both = engines(&client().build().unwrap(), "localhost", &server);
    both.client.advance().unwrap();
    let hello = both.client.take_output();
    both.server.receive(&hello);
    (question, both)
}

fn advance_checked(engine: &mut TlsEngine) -> Arc<crate::support::waker::Bell> {
    let (answer, bell) = poll_checked(|cx| {
        engine.advance_with(cx).unwrap();
        // Pending is a silent answer here; the check is for the waker.
        Poll::<()>::Pending
    });
    assert!(answer.is_pending());
    bell
}

#[test]
fn pending_keeps_the_waker_of_the_latest_poll_and_survives_polls_that_nobody_asked_for() {
    let (question, mut both) = asking();
    let first = advance_checked(&mut both.server);
    let second = advance_checked(&mut both.server);
    assert!(both.server.output().is_empty());
    question.answer();
    assert!(second.rang() && !first.rang());
    both.shake().unwrap();
}

#[test]
fn a_handshake_that_waits_for_its_resolver_can_move_to_another_thread() {
    let (question, mut both) = asking();
    let bell = advance_checked(&mut both.server);
    let moved = std::thread::spawn(move || {
        question.answer();
        assert!(bell.rang());
        both.shake().unwrap();
        both
    });
    assert!(moved.join().unwrap().server.is_established());
}

#[test]
fn a_panic_in_an_engine_leaves_an_alert_in_the_output() {
    let server = server().config_resolver(|_| async { panic!("no answer") }).build().unwrap();
    let mut both = engines(&client().build().unwrap(), "localhost", &server);
    both.client.advance().unwrap();
    let hello = both.client.take_output();
    both.server.receive(&hello);
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| both.server.advance())).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"no answer"));
    both.client.receive(&both.server.take_output());
    assert_eq!(both.client.advance().unwrap_err().alert(), Some(Alert::INTERNAL_ERROR));
    // The connection is over; it neither panics again nor hangs.
    assert!(both.server.advance().is_err());
}
