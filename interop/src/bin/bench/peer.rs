//! The implementations that are measured, each set up alike.

use std::future::{Future, poll_fn};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslMode, SslOptions, SslSession,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use patina_interop::fixture::Identity;
use patina_interop::trouble::Result;
use patina_raw::{Link, RawStream};
use patina_tls::{
    ClientConfig, ConnectOptions, ProtocolVersion, SecureOptions, ServerConfig, Session, SessionCache,
    TlsAcceptor, TlsConnector, TrustStore,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// The name of every server.
pub(crate) const HOST: &str = "localhost";

/// The server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa,
    P256,
}

/// How a handshake is made shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    Never,
    /// Whatever the library does by itself.
    Default,
    /// A session that the server keeps, by its id.
    Id,
    Ticket,
}

/// The cipher of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    Aes128,
    ChaCha20,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) version: ProtocolVersion,
    pub(crate) key: Key,
    pub(crate) resume: Resume,
    pub(crate) suite: Suite,
}

/// The handshakes.
pub(crate) const CASES: [Case; 7] = {
    const fn case(name: &'static str, version: ProtocolVersion, key: Key, resume: Resume) -> Case {
        Case { name, version, key, resume, suite: Suite::Aes128 }
    }
    use ProtocolVersion::{TLSv1_2, TLSv1_3};
    [
        case("1.3-ecdsa", TLSv1_3, Key::P256, Resume::Never),
        case("1.3-rsa", TLSv1_3, Key::Rsa, Resume::Never),
        case("1.3-ticket", TLSv1_3, Key::P256, Resume::Ticket),
        case("1.2-ecdsa", TLSv1_2, Key::P256, Resume::Never),
        case("1.2-rsa", TLSv1_2, Key::Rsa, Resume::Never),
        case("1.2-id", TLSv1_2, Key::P256, Resume::Id),
        case("1.2-ticket", TLSv1_2, Key::P256, Resume::Ticket),
    ]
};

/// Second connections to the same server, with nothing said of resumption.
pub(crate) const AGAIN: [Case; 2] = [
    Case { name: "1.3-again", resume: Resume::Default, ..CASES[0] },
    Case { name: "1.2-again", resume: Resume::Default, ..CASES[3] },
];

/// The records, with AES-128-GCM.
pub(crate) const RECORDS: Case = CASES[0];

/// The records, with ChaCha20-Poly1305.
pub(crate) const CHACHA: Case = Case { name: "1.3-chacha20", suite: Suite::ChaCha20, ..CASES[0] };

impl Case {
    /// The case of this name.
    pub(crate) fn named(name: &str) -> Option<Case> {
        CASES.into_iter().chain([CHACHA]).find(|case| case.name == name)
    }

    pub(crate) fn identity(&self) -> Result<Identity> {
        let name = if self.key == Key::Rsa { "server-rsa" } else { "server-p256" };
        Identity::named(name, false)
    }

    pub(crate) fn root(&self) -> Result<PathBuf> {
        patina_interop::fixture::pem(if self.key == Key::Rsa { "root" } else { "root-ec" })
    }

    fn is_old(&self) -> bool {
        self.version == ProtocolVersion::TLSv1_2
    }

    /// The suite in OpenSSL's words.
    fn suites(&self) -> &'static str {
        match (self.is_old(), self.suite) {
            (true, Suite::Aes128) => "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
            (true, Suite::ChaCha20) => "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
            (false, Suite::Aes128) => "TLS_AES_128_GCM_SHA256",
            (false, Suite::ChaCha20) => "TLS_CHACHA20_POLY1305_SHA256",
        }
    }
}

/// An implementation.
pub(crate) trait Peer: 'static {
    const NAME: &'static str;
    type Client: Send + Sync;
    type Server: Send + Sync;

    fn client(case: &Case) -> Result<Self::Client>;
    fn server(case: &Case) -> Result<Self::Server>;
}

/// An implementation over a transport.
pub(crate) trait Over<S>: Peer {
    type Stream: AsyncRead + AsyncWrite + Unpin;

    fn connect(client: &Self::Client, io: S) -> impl Future<Output = io::Result<Self::Stream>>;
    fn accept(server: &Self::Server, io: S) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Keeps the session of a stream for the next connections.
    fn remember(client: &mut Self::Client, stream: &Self::Stream);
    fn is_resumed(stream: &Self::Stream) -> bool;

    /// Has small writes kept back, where the library can do that.
    fn buffer_writes(_: &mut Self::Stream, _: usize) {}

    /// Lets a side go so that its session stays good.
    fn part(stream: Self::Stream) -> impl Future<Output = ()> {
        drop(stream);
        std::future::ready(())
    }
}

/// This library.
pub(crate) struct Patina;

/// A client of this library.
pub(crate) struct PatinaClient {
    connector: TlsConnector,
    session: Option<Session>,
}

impl Peer for Patina {
    const NAME: &'static str = "patina-tls";
    type Client = PatinaClient;
    type Server = TlsAcceptor;

    fn client(case: &Case) -> Result<PatinaClient> {
        let config = ClientConfig::builder()
            .trust(TrustStore::from_pem_file(case.root()?)?)
            .versions(case.version)
            .cipher_list(case.suites());
        // A session is given by hand where one is resumed, as with the others.
        let config = if case.resume == Resume::Default { config } else { config.resumption_hosts(0) };
        Ok(PatinaClient { connector: TlsConnector::new(config.build()?), session: None })
    }

    fn server(case: &Case) -> Result<TlsAcceptor> {
        let files = case.identity()?;
        let identity = patina_tls::Identity::from_pem_files(files.certificate, files.key)?;
        let mut config =
            ServerConfig::builder().identity(identity).versions(case.version).cipher_list(case.suites());
        if case.resume == Resume::Id {
            config = config.session_cache(SessionCache::Internal).secure_options(SecureOptions::NO_TICKET);
        }
        Ok(TlsAcceptor::new(config.build()?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Over<S> for Patina {
    type Stream = patina_tls::TlsStream<S>;

    async fn connect(client: &PatinaClient, io: S) -> io::Result<Self::Stream> {
        let stream = match &client.session {
            None => client.connector.connect(HOST, io).await,
            Some(session) => {
                client.connector.connect(ConnectOptions::new(HOST).session(session.clone()), io).await
            }
        };
        Ok(stream?)
    }

    async fn accept(server: &TlsAcceptor, io: S) -> io::Result<Self::Stream> {
        Ok(server.accept(io).await?)
    }

    fn remember(client: &mut PatinaClient, stream: &Self::Stream) {
        client.session = stream.negotiated().session();
    }

    fn is_resumed(stream: &Self::Stream) -> bool {
        stream.negotiated().session_reused()
    }

    fn buffer_writes(stream: &mut Self::Stream, bytes: usize) {
        stream.set_write_buffering(bytes);
    }
}

/// libssl, bare. With read-ahead it takes as few system calls as it can; without, it makes fewer copies and takes more calls.
pub(crate) struct Raw<const READ_AHEAD: bool>;

/// A client of libssl.
pub(crate) struct OpenSslClient {
    context: SslContext,
    session: Option<SslSession>,
}

/// What both users of the `openssl` crate have in common.
fn context(case: &Case, method: SslMethod) -> Result<SslContextBuilder> {
    let mut context = SslContext::builder(method)?;
    let version = if case.is_old() { SslVersion::TLS1_2 } else { SslVersion::TLS1_3 };
    context.set_min_proto_version(Some(version))?;
    context.set_max_proto_version(Some(version))?;
    if case.is_old() {
        context.set_cipher_list(case.suites())?;
    } else {
        context.set_ciphersuites(case.suites())?;
    }
    context.set_mode(SslMode::AUTO_RETRY | SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::RELEASE_BUFFERS);
    Ok(context)
}

fn client_context(case: &Case) -> Result<SslContextBuilder> {
    let mut context = context(case, SslMethod::tls_client())?;
    let mut store = X509StoreBuilder::new()?;
    store.add_cert(X509::from_pem(&std::fs::read(case.root()?)?)?)?;
    context.set_verify_cert_store(store.build())?;
    context.set_verify(SslVerifyMode::PEER);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    Ok(context)
}

fn server_context(case: &Case) -> Result<SslContextBuilder> {
    let mut context = context(case, SslMethod::tls_server())?;
    let identity = case.identity()?;
    context.set_certificate_file(identity.certificate, SslFiletype::PEM)?;
    context.set_private_key_file(identity.key, SslFiletype::PEM)?;
    context.set_session_id_context(b"bench")?;
    if case.resume == Resume::Id {
        context.set_options(SslOptions::NO_TICKET);
    } else {
        context.set_session_cache_mode(SslSessionCacheMode::OFF);
    }
    Ok(context)
}

impl<const READ_AHEAD: bool> Peer for Raw<READ_AHEAD> {
    const NAME: &'static str = "libssl";
    type Client = OpenSslClient;
    type Server = SslContext;

    fn client(case: &Case) -> Result<OpenSslClient> {
        let mut context = client_context(case)?;
        context.set_read_ahead(READ_AHEAD);
        Ok(OpenSslClient { context: context.build(), session: None })
    }

    fn server(case: &Case) -> Result<SslContext> {
        let mut context = server_context(case)?;
        context.set_read_ahead(READ_AHEAD);
        Ok(context.build())
    }
}

impl<S: Link, const READ_AHEAD: bool> Over<S> for Raw<READ_AHEAD> {
    type Stream = RawStream<S>;

    async fn connect(client: &OpenSslClient, io: S) -> io::Result<RawStream<S>> {
        let mut stream = RawStream::client(&client.context, io, HOST, client.session.as_deref())?;
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    async fn accept(server: &SslContext, io: S) -> io::Result<RawStream<S>> {
        let mut stream = RawStream::server(server, io)?;
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn remember(client: &mut OpenSslClient, stream: &RawStream<S>) {
        client.session = stream.session();
    }

    fn is_resumed(stream: &RawStream<S>) -> bool {
        stream.is_resumed()
    }
}

/// The stream of the crate tokio-openssl.
pub(crate) struct TokioOpenssl;

impl Peer for TokioOpenssl {
    const NAME: &'static str = "tokio-openssl";
    type Client = OpenSslClient;
    type Server = SslContext;

    fn client(case: &Case) -> Result<OpenSslClient> {
        let mut context = client_context(case)?;
        context.set_mode(SslMode::ENABLE_PARTIAL_WRITE);
        Ok(OpenSslClient { context: context.build(), session: None })
    }

    fn server(case: &Case) -> Result<SslContext> {
        let mut context = server_context(case)?;
        context.set_mode(SslMode::ENABLE_PARTIAL_WRITE);
        Ok(context.build())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Over<S> for TokioOpenssl {
    type Stream = tokio_openssl::SslStream<S>;

    async fn connect(client: &OpenSslClient, io: S) -> io::Result<Self::Stream> {
        let mut ssl = Ssl::new(&client.context)?;
        ssl.set_hostname(HOST)?;
        ssl.param_mut().set_host(HOST)?;
        if let Some(session) = &client.session {
            patina_raw::set_session(&mut ssl, session)?;
        }
        let mut stream = tokio_openssl::SslStream::new(ssl, io)?;
        Pin::new(&mut stream).connect().await.map_err(io::Error::other)?;
        Ok(stream)
    }

    async fn accept(server: &SslContext, io: S) -> io::Result<Self::Stream> {
        let mut stream = tokio_openssl::SslStream::new(Ssl::new(server)?, io)?;
        Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
        Ok(stream)
    }

    fn remember(client: &mut OpenSslClient, stream: &Self::Stream) {
        client.session = stream.ssl().session().map(ToOwned::to_owned);
    }

    fn is_resumed(stream: &Self::Stream) -> bool {
        stream.ssl().session_reused()
    }

    async fn part(mut stream: Self::Stream) {
        // Without close_notify the session is lost, whoever holds it. What the peer says does not matter.
        let _ = stream.shutdown().await;
    }
}
