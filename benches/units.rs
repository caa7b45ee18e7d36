//! Single operations of the library: configurations, PEM, sessions, and whole connections without a socket.
//!
//! `cargo bench --bench units [-- FILTER]`; what it costs beside others is `ci/bench`.
#![allow(missing_docs, clippy::expect_used)] // criterion's macros make undocumented functions.

use std::hint::black_box;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use patina_tls::{
    Certificate, ClientConfig, HookFuture, Identity, MemorySessionStore, ProtocolVersion, Secret,
    SecureOptions, ServerConfig, Session, SessionStore, TicketKey, TicketKeys, TlsEngine, TrustStore,
    check_server_identity,
};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pki").join(name);
    std::fs::read(path).expect("the fixture")
}

fn identity() -> Identity {
    Identity::from_pem(fixture("server-p256.pem"), fixture("server-p256.key")).expect("the identity")
}

fn configurations(c: &mut Criterion) {
    let mut group = c.benchmark_group("configuration");
    // The first of all loads libssl, and finds the roots.
    let _first = ClientConfig::builder().build().expect("a client");
    group.bench_function("client, default roots", |b| b.iter(|| ClientConfig::builder().build()));
    group.bench_function("client, no roots", |b| {
        b.iter(|| ClientConfig::builder().trust(TrustStore::empty()).build())
    });
    let identity = identity();
    group.bench_function("server, identity", |b| {
        b.iter(|| ServerConfig::builder().identity(identity.clone()).build())
    });
    group.bench_function("server, identity, versions, cipher string and ALPN", |b| {
        b.iter(|| {
            ServerConfig::builder()
                .identity(identity.clone())
                .versions(ProtocolVersion::TLSv1_2..=ProtocolVersion::TLSv1_3)
                .cipher_list(black_box("TLS_AES_256_GCM_SHA384:ECDHE+AESGCM:!aNULL"))
                .alpn(["h2", "http/1.1"])
                .build()
        })
    });
    group.finish();
}

fn pem(c: &mut Criterion) {
    let mut group = c.benchmark_group("PEM");
    for (name, file) in [("identity, RSA", "server-rsa"), ("identity, P-256", "server-p256")] {
        let (certificate, key) = (fixture(&format!("{file}.pem")), fixture(&format!("{file}.key")));
        group.bench_function(name, |b| b.iter(|| Identity::from_pem(black_box(&certificate), &key)));
    }
    let root = fixture("root.pem");
    group.bench_function("trust, one root", |b| b.iter(|| TrustStore::from_pem(black_box(&root))));
    group.finish();

    let certificate: Certificate = identity().certificate().clone();
    c.bench_function("name of a certificate", |b| {
        b.iter(|| check_server_identity(black_box("localhost"), &certificate))
    });
}

/// What a hook gives that need not wait.
fn now<T>(mut future: HookFuture<T>) -> T {
    match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the store keeps its sessions in memory"),
    }
}

/// Both sides of a connection, and what they have in common.
struct Ends {
    client: ClientConfig,
    server: ServerConfig,
}

/// How connections are resumed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resume {
    Never,
    /// By the client's own cache, and a ticket.
    Ticket,
    /// By the client's own cache, and a session that the server finds in its store.
    Store,
}

impl Ends {
    fn new(version: ProtocolVersion, resume: Resume) -> Ends {
        let trust = TrustStore::from_pem(fixture("root-ec.pem")).expect("the root");
        let mut client = ClientConfig::builder().trust(trust).versions(version);
        let mut server = ServerConfig::builder().identity(identity()).versions(version);
        match resume {
            Resume::Never => client = client.resumption_hosts(0),
            Resume::Ticket => server = server.ticket_keys(TicketKeys::random().expect("keys")),
            Resume::Store => {
                server =
                    server.session_store(MemorySessionStore::new()).secure_options(SecureOptions::NO_TICKET);
            }
        }
        Ends { client: client.build().expect("a client"), server: server.build().expect("a server") }
    }

    /// A handshake, and what comes behind it. Gives the client's side.
    fn connect(&self) -> TlsEngine {
        let mut client = TlsEngine::client(&self.client, "localhost").expect("a client");
        let mut server = TlsEngine::server(&self.server).expect("a server");
        while !(client.is_established() && server.is_established()) {
            client.advance().expect("the client's handshake");
            server.receive(&client.take_output());
            server.advance().expect("the server's handshake");
            client.receive(&server.take_output());
        }
        // The tickets of TLS 1.3 come after the handshake.
        assert_eq!(client.read(&mut [0]).expect("the tickets"), None, "nothing was written");
        client
    }
}

fn connections(c: &mut Criterion) {
    let mut group = c.benchmark_group("connection without a socket");
    for (name, version, resume) in [
        ("TLS 1.3", ProtocolVersion::TLSv1_3, Resume::Never),
        ("TLS 1.3, ticket", ProtocolVersion::TLSv1_3, Resume::Ticket),
        ("TLS 1.3, session store", ProtocolVersion::TLSv1_3, Resume::Store),
        ("TLS 1.2", ProtocolVersion::TLSv1_2, Resume::Never),
        ("TLS 1.2, ticket", ProtocolVersion::TLSv1_2, Resume::Ticket),
        ("TLS 1.2, session store", ProtocolVersion::TLSv1_2, Resume::Store),
    ] {
        let ends = Ends::new(version, resume);
        drop(ends.connect());
        let is_resumed = ends.connect().negotiated().session_reused();
        assert_eq!(is_resumed, resume != Resume::Never, "{name}");
        group.bench_function(name, |b| b.iter(|| ends.connect()));
    }
    group.finish();
}

fn sessions(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    let ends = Ends::new(ProtocolVersion::TLSv1_2, Resume::Ticket);
    let session: Session = ends.connect().negotiated().session().expect("a session");
    let der = session.to_der().expect("the session in DER");
    group.bench_function("to DER", |b| b.iter(|| session.to_der()));
    group.bench_function("from DER", |b| b.iter(|| Session::from_der(black_box(&der))));

    // Half full, so that what comes drives nothing out.
    let store = MemorySessionStore::with_capacity(2048);
    let id = |number: u32| number.to_be_bytes().repeat(8);
    let put = |number: u32| {
        now(store.put(id(number), Secret::from(der.clone()), Duration::from_secs(300))).expect("room");
    };
    (0..1024).for_each(put);
    let mut number = 0;
    let mut next = || {
        number = (number + 1) % 1024;
        number
    };
    group.bench_function("put into memory", |b| b.iter_batched(&mut next, put, BatchSize::SmallInput));
    group.bench_function("get from memory", |b| {
        b.iter_batched(
            &mut next,
            |number| now(store.get(id(number))).expect("an answer").expect("it is there"),
            BatchSize::SmallInput,
        )
    });
    group.finish();

    let keys = TicketKeys::random().expect("keys");
    c.bench_function("rotation of ticket keys", |b| {
        b.iter_batched(|| TicketKey::random().expect("a key"), |key| keys.rotate(key), BatchSize::SmallInput)
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = configurations, pem, sessions, connections
}
criterion_main!(benches);
