//! The implementations that are measured, each set up alike.

use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::pin::Pin;

use openssl::ssl::{
    Ssl, SslConnector, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslMode, SslOptions,
    SslSession, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use patina_measure::case::{Case, GROUPS, HOST, Resume};
use patina_measure::peer::{Over, Peer, Roots};
use patina_measure::trouble::Result;
use patina_raw::{Link, RawStream};
use patina_tls::{
    ClientConfig, ConnectOptions, Identity, ProtocolVersion, SecureOptions, ServerConfig, Session,
    SessionCache, TlsAcceptor, TlsConnector, TrustStore,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// This library, with a trace of the messages and a log of the keys or without.
pub(crate) struct Patina<const WATCHED: bool = false>;

/// A client of this library.
pub(crate) struct PatinaClient {
    connector: TlsConnector,
    session: Option<Session>,
}

fn look(text: &str) {
    black_box(text);
}

fn version(case: &Case) -> ProtocolVersion {
    if case.is_old() { ProtocolVersion::TLSv1_2 } else { ProtocolVersion::TLSv1_3 }
}

impl<const WATCHED: bool> Peer for Patina<WATCHED> {
    const NAME: &'static str = "patina-tls";
    const PACKAGE: &'static str = "patina-tls";
    type Client = PatinaClient;
    type Server = TlsAcceptor;

    fn client(case: &Case) -> Result<PatinaClient> {
        let config = ClientConfig::builder()
            .trust(TrustStore::from_pem_file(case.root()?)?)
            .versions(version(case))
            .groups(GROUPS)
            .cipher_list(case.suites());
        // A session is given by hand where one is resumed, as with the others.
        let config = if case.resume == Resume::Default { config } else { config.resumption_hosts(0) };
        let config = if WATCHED { config.message_trace(look).key_log(look) } else { config };
        Ok(PatinaClient { connector: TlsConnector::new(config.build()?), session: None })
    }

    fn server(case: &Case) -> Result<TlsAcceptor> {
        let mut config = ServerConfig::builder()
            .identity(Identity::from_pem_files(case.certificate()?, case.private_key()?)?)
            .versions(version(case))
            .groups(GROUPS)
            .cipher_list(case.suites());
        if case.resume == Resume::Id {
            config = config.session_cache(SessionCache::Internal).secure_options(SecureOptions::NO_TICKET);
        }
        let config = if WATCHED { config.message_trace(look).key_log(look) } else { config };
        Ok(TlsAcceptor::new(config.build()?))
    }

    fn make_context(roots: Roots) -> Result<bool> {
        let trust = match roots {
            Roots::Nobody => TrustStore::empty(),
            Roots::System => TrustStore::system()?,
            Roots::Mozilla => TrustStore::mozilla(),
        };
        ClientConfig::builder().trust(trust).build()?;
        Ok(true)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, const WATCHED: bool> Over<S> for Patina<WATCHED> {
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
        stream.as_openssl().session_reused()
    }

    fn buffer_writes(stream: &mut Self::Stream, bytes: usize) {
        stream.set_write_buffering(bytes);
    }

    fn over_memory(stream: &mut Self::Stream) {
        stream.set_record_gathering(false);
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
    context.set_groups_list(GROUPS)?;
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
    context.set_certificate_file(case.certificate()?, SslFiletype::PEM)?;
    context.set_private_key_file(case.private_key()?, SslFiletype::PEM)?;
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
    const PACKAGE: &'static str = "openssl-sys";
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

    fn make_context(roots: Roots) -> Result<bool> {
        let mut context = SslContext::builder(SslMethod::tls_client())?;
        match roots {
            Roots::Nobody => {}
            Roots::System => context.set_default_verify_paths()?,
            Roots::Mozilla => return Ok(false),
        }
        context.build();
        Ok(true)
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
    const PACKAGE: &'static str = "tokio-openssl";
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

    fn make_context(roots: Roots) -> Result<bool> {
        if roots == Roots::Mozilla {
            return Ok(false);
        }
        // The connector's builder loads the system's roots, wanted or not.
        SslConnector::builder(SslMethod::tls_client())?.build();
        Ok(true)
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
