//! Every hook that takes time, and every way in which it can answer: at once, later, wrongly, with a panic, never, and
//! when nobody waits for the answer any more.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use patina_tls::{
    Alert, Capability, Client, ClientAuth, ConfigBuilder, ConnectOptions, Error, ErrorKind, HookResult,
    PreSharedKey, ProtocolVersion, PskIdentity, RenegotiateOptions, RenegotiationPolicy, Secret, Selection,
    Server, ServerConfig, Session, SessionStore, TicketKey, TlsAcceptor, TlsConnector,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::cases;
use crate::support::pair::{Stream, client, handshake, identity, server, trust};
use crate::support::waker::{Dice, Task, run};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];
const KEY: &[u8; 16] = b"0123456789abcdef";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Config,
    Protocol,
    ServerCertificate,
    Staple,
    ClientCertificate,
    VerifierOfServers,
    VerifierOfClients,
    PreSharedKey,
    SessionLookUp,
    SessionKeeping,
}

/// An OCSP response that says "try later" (RFC 6960 section 4.2.1). From 3.6 on libssl sends nothing that is no response.
const STAPLE: &[u8] = &[0x30, 0x03, 0x0A, 0x01, 0x03];

const HOOKS: [Hook; 10] = [
    Hook::Config,
    Hook::Protocol,
    Hook::ServerCertificate,
    Hook::Staple,
    Hook::ClientCertificate,
    Hook::VerifierOfServers,
    Hook::VerifierOfClients,
    Hook::PreSharedKey,
    Hook::SessionLookUp,
    Hook::SessionKeeping,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    AtOnce,
    Later,
    ErrorAtOnce,
    ErrorLater,
    PanicAtOnce,
    PanicLater,
    Never,
}

const BEHAVIOURS: [Behaviour; 7] = [
    Behaviour::AtOnce,
    Behaviour::Later,
    Behaviour::ErrorAtOnce,
    Behaviour::ErrorLater,
    Behaviour::PanicAtOnce,
    Behaviour::PanicLater,
    Behaviour::Never,
];

/// How many futures of hooks are alive, and how many there were.
#[derive(Clone, Default)]
struct Census(Arc<(AtomicUsize, AtomicUsize)>);

struct Alive(Census);

impl Census {
    fn enter(&self) -> Alive {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.0.1.fetch_add(1, Ordering::SeqCst);
        Alive(self.clone())
    }

    fn alive(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Pending once, and woken at once, whoever runs the tasks.
async fn yields() {
    let mut over = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Answers in its own way.
fn behave<T: Send + 'static>(
    behaviour: Behaviour,
    census: &Census,
    value: T,
) -> impl Future<Output = HookResult<T>> + Send + use<T> {
    let alive = census.enter();
    async move {
        let _alive = alive;
        if matches!(behaviour, Behaviour::Later | Behaviour::ErrorLater | Behaviour::PanicLater) {
            for _ in 0..3 {
                yields().await;
            }
        }
        match behaviour {
            Behaviour::AtOnce | Behaviour::Later => Ok(value),
            Behaviour::ErrorAtOnce | Behaviour::ErrorLater => Err("no database".into()),
            Behaviour::PanicAtOnce | Behaviour::PanicLater => panic!("the hook has panicked"),
            Behaviour::Never => pending().await,
        }
    }
}

/// A store with one behaviour for each way, over a store that works.
#[derive(Clone)]
struct Store {
    kept: Arc<std::sync::Mutex<std::collections::HashMap<Vec<u8>, Secret>>>,
    get: Behaviour,
    put: Behaviour,
    census: Census,
}

impl SessionStore for Store {
    fn get(&self, id: Vec<u8>) -> patina_tls::HookFuture<HookResult<Option<Secret>>> {
        let found = self.kept.lock().unwrap().get(&id).cloned();
        Box::pin(behave(self.get, &self.census, found))
    }

    fn put(
        &self,
        id: Vec<u8>,
        session: Secret,
        lifetime: Duration,
    ) -> patina_tls::HookFuture<HookResult<()>> {
        assert!(!lifetime.is_zero());
        let (kept, answer) = (Arc::clone(&self.kept), behave(self.put, &self.census, ()));
        Box::pin(async move {
            answer.await?;
            kept.lock().unwrap().insert(id, session);
            Ok(())
        })
    }

    fn remove(&self, id: Vec<u8>) -> patina_tls::HookFuture<HookResult<()>> {
        self.kept.lock().unwrap().remove(&id);
        Box::pin(async { Ok(()) })
    }
}

fn configure(
    hook: Hook,
    behaviour: Behaviour,
    version: ProtocolVersion,
    census: &Census,
) -> (ConfigBuilder<Client>, ConfigBuilder<Server>) {
    let census = census.clone();
    let client = client().versions(version);
    let server = server().versions(version);
    match hook {
        Hook::Config => {
            let shop = ServerConfig::builder().identity(identity("shop")).versions(version).build().unwrap();
            let server = server.config_resolver(move |_| {
                let answer = behave(behaviour, &census, shop.clone());
                async move { answer.await.map(Selection::Use).map_err(|_| Alert::ACCESS_DENIED) }
            });
            (client.server_verification(patina_tls::ServerVerification::InsecureReport), server)
        }
        Hook::Protocol => {
            let server = server.alpn_resolver(move |_| behave(behaviour, &census, Some(b"late/1".to_vec())));
            (client.alpn(["early/1", "late/1"]), server)
        }
        Hook::ServerCertificate => {
            let server = ServerConfig::builder()
                .versions(version)
                .certificate_resolver(move |_| behave(behaviour, &census, Some(identity("server-rsa"))));
            (client, server)
        }
        Hook::Staple => {
            let server = server.ocsp_source(move |_| behave(behaviour, &census, Some(STAPLE.to_vec())));
            (client.request_ocsp(true), server)
        }
        Hook::ClientCertificate => {
            let client = client
                .certificate_resolver(move |_| behave(behaviour, &census, Some(identity("client-rsa"))));
            (client, server.client_auth(ClientAuth::Require).trust(trust("root")))
        }
        Hook::VerifierOfServers => (client.peer_verifier(move |_| behave(behaviour, &census, ())), server),
        Hook::VerifierOfClients => {
            let server = server
                .client_auth(ClientAuth::Require)
                .trust(trust("root"))
                .peer_verifier(move |_| behave(behaviour, &census, ()));
            (client.identity(identity("client-rsa")), server)
        }
        Hook::PreSharedKey => {
            let ciphers = "PSK+AESGCM:@SECLEVEL=1:TLS_AES_128_GCM_SHA256";
            let key = || PreSharedKey::new(*KEY);
            let server = ServerConfig::builder()
                .versions(version)
                .cipher_list(ciphers)
                .psk_resolver(move |_| behave(behaviour, &census, Some(key())));
            let name = PskIdentity::new("meter-7").unwrap();
            (client.cipher_list(ciphers).psk(name, key()), server)
        }
        Hook::SessionLookUp | Hook::SessionKeeping => {
            let (get, put) = match hook {
                Hook::SessionLookUp => (behaviour, Behaviour::AtOnce),
                _ => (Behaviour::AtOnce, behaviour),
            };
            let store = Store { kept: Arc::default(), get, put, census };
            (client, server.session_store(store))
        }
    }
}

/// Whether an error of the hook costs no more than what it was asked for.
fn is_dispensable(hook: Hook, behaviour: Behaviour) -> bool {
    let fails = matches!(behaviour, Behaviour::ErrorAtOnce | Behaviour::ErrorLater);
    is_store(hook) && (fails || behaviour == Behaviour::Never) || hook == Hook::Staple && fails
}

/// Whether the hook is one of the client's.
fn is_of_client(hook: Hook) -> bool {
    matches!(hook, Hook::ClientCertificate | Hook::VerifierOfServers)
}

fn is_store(hook: Hook) -> bool {
    matches!(hook, Hook::SessionLookUp | Hook::SessionKeeping)
}

/// Talks, closes, and gives the client's session.
async fn talk(client: &mut Stream, server: &mut Stream) -> Session {
    server.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    client.write_all(b"y").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'y');
    let session = client.negotiated().session().unwrap();
    client.shutdown().await.unwrap();
    session
}

/// What the hook's answer has done to a connection that succeeds.
fn effect(hook: Hook, client: &Stream, server: &Stream) -> bool {
    let (near, far) = (client.negotiated(), server.negotiated());
    match hook {
        Hook::Config => near.peer_certificate().unwrap().subject_common_names() == ["shop"],
        Hook::Protocol => near.alpn() == Some(b"late/1") && far.alpn() == Some(b"late/1"),
        Hook::ServerCertificate | Hook::VerifierOfServers => near.authorized(),
        Hook::ClientCertificate | Hook::VerifierOfClients => {
            far.authorized() && far.peer_certificate().is_some()
        }
        Hook::Staple => near.ocsp_response().as_deref() == Some(STAPLE),
        Hook::PreSharedKey => far.psk_identity() == Some(b"meter-7"),
        Hook::SessionLookUp | Hook::SessionKeeping => true,
    }
}

type Ends = (std::thread::Result<Result<Stream, Error>>, std::thread::Result<Result<Stream, Error>>);

/// Shakes hands in two tasks, so that a panic of one is not the other's.
async fn shake(client: &patina_tls::ClientConfig, target: ConnectOptions, server: &ServerConfig) -> Ends {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client.clone()), TlsAcceptor::new(server.clone()));
    let near = tokio::spawn(async move { connector.connect(target, near).await });
    let far = tokio::spawn(async move { acceptor.accept(far).await });
    let caught = |outcome: Result<_, tokio::task::JoinError>| outcome.map_err(|error| error.into_panic());
    // A server may learn of a panic of its client later than the client.
    (caught(near.await), caught(far.await))
}

async fn check(hook: Hook, behaviour: Behaviour, version: ProtocolVersion) {
    let what = format!("{hook:?} {behaviour:?} {version}");
    let census = Census::default();
    let (client, server) = configure(hook, behaviour, version, &census);
    let limit = Duration::from_secs(5);
    let client = client.handshake_timeout(limit).build().unwrap();
    let server = server.handshake_timeout(limit).build().unwrap();
    let (near, far) = shake(&client, ConnectOptions::new("localhost"), &server).await;
    let succeeds = matches!(behaviour, Behaviour::AtOnce | Behaviour::Later);
    let panics = matches!(behaviour, Behaviour::PanicAtOnce | Behaviour::PanicLater);

    if is_dispensable(hook, behaviour) || succeeds {
        let (mut near, mut far) = (near.unwrap().unwrap(), far.unwrap().unwrap());
        assert_eq!(effect(hook, &near, &far), succeeds || is_store(hook), "{what}");
        let session = talk(&mut near, &mut far).await;
        if is_store(hook) {
            let target = ConnectOptions::new("localhost").session(session);
            let (near, far) = shake(&client, target, &server).await;
            let (near, _far) = (near.unwrap().unwrap(), far.unwrap().unwrap());
            assert_eq!(near.negotiated().session_reused(), succeeds, "{what}");
        }
    } else if panics {
        let (mine, other) = if is_of_client(hook) { (near, far) } else { (far, near) };
        if hook == Hook::SessionLookUp {
            // The first connection has no session to look up.
            return look_up_panics(&client, &server, mine, other, &what).await;
        }
        let payload = mine.err().unwrap_or_else(|| panic!("{what}: no panic"));
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"the hook has panicked"), "{what}");
        ends(other.unwrap(), hook, version, &what).await;
    } else {
        let (mine, other) = if is_of_client(hook) { (near, far) } else { (far, near) };
        let error = mine.unwrap().unwrap_err();
        let kind = match (behaviour, hook) {
            (Behaviour::Never, _) => ErrorKind::Timeout,
            (_, Hook::Config) => ErrorKind::Protocol,
            (_, Hook::VerifierOfServers | Hook::VerifierOfClients) => ErrorKind::Unauthorized,
            _ => ErrorKind::Hook,
        };
        assert_eq!(error.kind(), kind, "{what}: {error}");
        match kind {
            ErrorKind::Hook => {
                assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no database", "{what}");
            }
            ErrorKind::Unauthorized => assert_eq!(error.code(), "CERT_REJECTED", "{what}"),
            ErrorKind::Protocol => assert_eq!(error.alert(), Some(Alert::ACCESS_DENIED), "{what}"),
            _ => {}
        }
        ends(other.unwrap(), hook, version, &what).await;
    }
    assert!(census.asked() > 0, "{what}: nobody was asked");
    assert_eq!(census.alive(), 0, "{what}: a future was left behind");
}

async fn look_up_panics(
    client: &patina_tls::ClientConfig,
    server: &ServerConfig,
    mine: std::thread::Result<Result<Stream, Error>>,
    other: std::thread::Result<Result<Stream, Error>>,
    what: &str,
) {
    let (mut far, mut near) = (mine.unwrap().unwrap(), other.unwrap().unwrap());
    let session = talk(&mut near, &mut far).await;
    let (near, far) = shake(client, ConnectOptions::new("localhost").session(session), server).await;
    let payload = far.err().unwrap_or_else(|| panic!("{what}: no panic"));
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the hook has panicked"), "{what}");
    near.unwrap().unwrap_err();
}

/// A ticket of a server that has gone, brought to one that has to ask for its key.
async fn check_ticket_key(behaviour: Behaviour, version: ProtocolVersion) {
    let what = format!("TicketKey {behaviour:?} {version}");
    let census = Census::default();
    let key = TicketKey::random().unwrap();
    let client = client().versions(version).build().unwrap();
    let elder = server().versions(version).ticket_keys(key.clone()).build().unwrap();
    let (near, far) = shake(&client, ConnectOptions::new("localhost"), &elder).await;
    let session = talk(&mut near.unwrap().unwrap(), &mut far.unwrap().unwrap()).await;

    let asked = census.clone();
    let heir = server().versions(version).handshake_timeout(Duration::from_secs(5)).ticket_key_resolver(
        move |name: [u8; 16]| {
            assert_eq!(name, *key.name());
            behave(behaviour, &asked, Some(key.clone()))
        },
    );
    let target = ConnectOptions::new("localhost").session(session);
    let (near, far) = shake(&client, target, &heir.build().unwrap()).await;
    match behaviour {
        Behaviour::AtOnce | Behaviour::Later | Behaviour::ErrorAtOnce | Behaviour::ErrorLater => {
            let found = matches!(behaviour, Behaviour::AtOnce | Behaviour::Later);
            let (mut near, mut far) = (near.unwrap().unwrap(), far.unwrap().unwrap());
            assert_eq!(near.negotiated().session_reused(), found, "{what}");
            assert_eq!(far.negotiated().session_reused(), found, "{what}");
            talk(&mut near, &mut far).await;
        }
        Behaviour::PanicAtOnce | Behaviour::PanicLater => {
            let payload = far.err().unwrap_or_else(|| panic!("{what}: no panic"));
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"the hook has panicked"), "{what}");
            near.unwrap().unwrap_err();
        }
        Behaviour::Never => {
            assert_eq!(far.unwrap().unwrap_err().kind(), ErrorKind::Timeout, "{what}");
            near.unwrap().unwrap_err();
        }
    }
    assert_eq!((census.asked(), census.alive()), (1, 0), "{what}");
}

/// The other side does not take the connection for a good one: its handshake fails, or its first read does.
async fn ends(other: Result<Stream, Error>, hook: Hook, version: ProtocolVersion, what: &str) {
    match other {
        Err(_) => {}
        Ok(mut stream) => {
            // Where libssl cannot wait for the verifier, it is asked when the handshake is done.
            let is_late =
                hook == Hook::VerifierOfServers && !patina_tls::openssl().has(Capability::RetryVerify);
            // In TLS 1.3 one side is done before the other.
            assert!(version == ProtocolVersion::TLSv1_3 || is_late, "{what}: the other side has succeeded");
            assert!(!is_of_client(hook) || hook == Hook::ClientCertificate || is_late, "{what}");
            stream.read_u8().await.unwrap_err();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_hook_may_answer_in_every_way() {
    for version in BOTH {
        for hook in HOOKS {
            let mut row = format!("{version:<8} {:<18}", format!("{hook:?}"));
            for behaviour in BEHAVIOURS {
                check(hook, behaviour, version).await;
                row.push_str(&format!(" {behaviour:?}: ok"));
            }
            println!("{row}");
        }
        let mut row = format!("{version:<8} {:<18}", "TicketKey");
        for behaviour in BEHAVIOURS {
            check_ticket_key(behaviour, version).await;
            row.push_str(&format!(" {behaviour:?}: ok"));
        }
        println!("{row}");
    }
}

/// Polls a future some times, and drops it.
async fn poll_some<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future: Pin<Box<F>> = Box::pin(future);
    let mut left = times;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_dropped_half_way_drops_its_hook() {
    for version in BOTH {
        for hook in HOOKS.into_iter().filter(|hook| !is_store(*hook)) {
            let census = Census::default();
            let (client, server) = configure(hook, Behaviour::Never, version, &census);
            let limit = Duration::from_secs(5);
            let client = client.handshake_timeout(limit).build().unwrap();
            let server = server.handshake_timeout(limit).build().unwrap();
            let both = handshake(&client, "localhost", &server);
            assert!(poll_some(both, 20).await.is_none(), "{hook:?} {version}");
            assert!(census.asked() > 0, "{hook:?} {version}: nobody was asked");
            assert_eq!(census.alive(), 0, "{hook:?} {version}: a future was left behind");
        }
    }
}

/// A handshake of two tasks of their own, and what became of them.
async fn ends_of(client: &TlsConnector, server: &TlsAcceptor, hook: Hook, what: &str, succeeds: bool) {
    let (near, far) = tokio::io::duplex(4 * 1024);
    let (near, far) = (client.connect("localhost", near), server.accept(far));
    let (near, far) = tokio::join!(near, far);
    let both = (near.is_ok(), far.is_ok());
    if succeeds {
        assert_eq!(both, (true, true), "{what}");
        let done = effect(hook, &near.unwrap(), &far.unwrap());
        assert!(done || hook == Hook::Staple && what.contains("Error"), "{what}");
    } else {
        // A client of TLS 1.3 may be done before the server has failed.
        assert!(!both.1 || is_of_client(hook) && !both.0, "{what}: {both:?}");
    }
}

#[test]
fn an_executor_that_polls_for_no_reason_loses_no_wake_up() {
    // For the timers alone: the tasks are not the runtime's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    for version in BOTH {
        for hook in HOOKS.into_iter().filter(|hook| !is_store(*hook)) {
            for behaviour in [Behaviour::AtOnce, Behaviour::Later, Behaviour::ErrorLater] {
                let census = Census::default();
                let (client, server) = configure(hook, behaviour, version, &census);
                let (client, server) = (client.build().unwrap(), server.build().unwrap());
                let succeeds = behaviour != Behaviour::ErrorLater;
                for seed in 0..5 {
                    let what = format!("{hook:?} {behaviour:?} {version}, seed {seed}");
                    let (near, far) = tokio::io::duplex(6_000);
                    let (connector, acceptor) =
                        (TlsConnector::new(client.clone()), TlsAcceptor::new(server.clone()));
                    let outcome = std::cell::RefCell::new((None, None));
                    let near: Task<'_> = Box::pin(async {
                        let stream = connector.connect("localhost", near).await;
                        outcome.borrow_mut().0 = Some(stream);
                    });
                    let far: Task<'_> = Box::pin(async {
                        let stream = acceptor.accept(far).await;
                        outcome.borrow_mut().1 = Some(stream);
                    });
                    run(seed, vec![near, far]);
                    let (near, far) = outcome.into_inner();
                    let (near, far) = (near.unwrap(), far.unwrap());
                    if is_dispensable(hook, behaviour) {
                        assert!(near.is_ok() && far.is_ok(), "{what}");
                    } else if succeeds {
                        assert!(effect(hook, &near.unwrap(), &far.unwrap()), "{what}");
                    } else {
                        assert!(near.is_err() || far.is_err(), "{what}");
                    }
                }
                assert_eq!(census.alive(), 0);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_may_move_to_another_thread_with_every_poll() {
    let runtime = tokio::runtime::Handle::current();
    for version in BOTH {
        for hook in HOOKS {
            let census = Census::default();
            let (client, server) = configure(hook, Behaviour::Later, version, &census);
            let (client, server) =
                (TlsConnector::new(client.build().unwrap()), TlsAcceptor::new(server.build().unwrap()));
            let what = format!("{hook:?} {version}");
            let mut both: Pin<Box<dyn Future<Output = ()> + Send + '_>> =
                Box::pin(ends_of(&client, &server, hook, &what, true));
            let mut polls = 0;
            while std::thread::scope(|scope| {
                let poll = || {
                    let _context = runtime.enter();
                    both.as_mut().poll(&mut Context::from_waker(Waker::noop()))
                };
                scope.spawn(poll).join().unwrap()
            })
            .is_pending()
            {
                polls += 1;
                assert!(polls < 200, "{what}: no progress");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_behaviour_of_every_hook_leaves_nothing_behind() {
    let census = Census::default();
    let mut dice = Dice::new(20_261_121);
    let mut ends: Vec<(Hook, Behaviour, ProtocolVersion, TlsConnector, TlsAcceptor)> = Vec::new();
    for version in BOTH {
        for hook in HOOKS {
            for behaviour in BEHAVIOURS {
                let (client, server) = configure(hook, behaviour, version, &census);
                let limit = Duration::from_secs(5);
                let client = client.handshake_timeout(limit).build().unwrap();
                let server = server.handshake_timeout(limit).build().unwrap();
                ends.push((hook, behaviour, version, TlsConnector::new(client), TlsAcceptor::new(server)));
            }
        }
    }
    for _ in 0..cases(1_000) {
        let (hook, behaviour, version, client, server) = &ends[dice.below(ends.len())];
        let what = format!("{hook:?} {behaviour:?} {version}");
        let succeeds =
            matches!(behaviour, Behaviour::AtOnce | Behaviour::Later) || *hook == Hook::SessionLookUp;
        let panics = matches!(behaviour, Behaviour::PanicAtOnce | Behaviour::PanicLater);
        let dispensable = is_dispensable(*hook, *behaviour);
        let (client, server, hook) = (client.clone(), server.clone(), *hook);
        let name = what.clone();
        let both = async move { ends_of(&client, &server, hook, &name, succeeds || dispensable).await };
        if dice.chance(20) {
            // Nobody waits for the outcome.
            let _ = tokio::spawn(poll_some(both, dice.below(15))).await;
            continue;
        }
        let outcome = tokio::spawn(both).await;
        match outcome {
            Ok(()) => assert!(!panics || hook == Hook::SessionLookUp, "{what}: no panic"),
            Err(error) => {
                let payload = error.into_panic();
                let text = payload.downcast_ref::<&str>().copied().unwrap_or("another panic");
                assert!(panics && text == "the hook has panicked", "{what}: {text}");
            }
        }
    }
    assert_eq!(census.alive(), 0, "futures were left behind");
}

#[tokio::test]
async fn a_reader_that_waits_for_a_hook_is_woken_though_a_write_that_was_dropped_has_waited_too() {
    for version in BOTH {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let answered = std::sync::Mutex::new(Some(answered));
        let client = client().versions(version).post_handshake_auth(true).certificate_resolver(move |_| {
            let answered = answered.lock().unwrap().take().unwrap();
            async move {
                answered.await?;
                Ok(Some(identity("client-rsa")))
            }
        });
        let server = server()
            .versions(version)
            .trust(trust("root"))
            .renegotiation(RenegotiationPolicy::allow_unlimited());
        let client = client.renegotiation(RenegotiationPolicy::allow_unlimited()).build().unwrap();
        let (client, server) = handshake(&client, "localhost", &server.build().unwrap()).await;
        let (client, mut server) = (client.unwrap(), server.unwrap());
        let (mut reader, mut writer) = tokio::io::split(client);
        let reading = tokio::spawn(async move {
            let mut heard = [0; 5];
            reader.read_exact(&mut heard).await.map(|_| heard)
        });
        let asking = tokio::spawn(async move {
            match version {
                ProtocolVersion::TLSv1_3 => server.authenticate_client(ClientAuth::Require).await.unwrap(),
                _ => {
                    let options = RenegotiateOptions::new().client_auth(ClientAuth::Require);
                    server.renegotiate(options).await.unwrap();
                }
            }
            server.write_all(b"hello").await.unwrap();
            server
        });
        // The reader comes to the hook first, then the writer waits for it and gives up.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let write = tokio::time::timeout(Duration::from_millis(50), writer.write_all(b"x"));
        assert!(write.await.is_err(), "{version}");
        answer.send(()).unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(5), reading).await.expect("the reader sleeps");
        assert_eq!(&heard.unwrap().unwrap(), b"hello", "{version}");
        asking.await.unwrap();
    }
}
