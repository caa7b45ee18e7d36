//! The server's way in.

use tokio::io::{AsyncRead, AsyncWrite};

use super::connector::handshake;
use super::early::EarlyHandshake;
use super::start::StartHandshake;
use super::stream::TlsStream;
use crate::config::context::ServerConfig;
use crate::conn::connection::{Connection, Target};
use crate::values::error::Error;

/// Accepts TLS connections as a server.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::{Identity, ServerConfig, TlsAcceptor};
/// use tokio::net::TcpListener;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let identity = Identity::from_pem_files("server.pem", "server.key")?;
/// let acceptor = TlsAcceptor::new(ServerConfig::builder().identity(identity).build()?);
/// let listener = TcpListener::bind("0.0.0.0:8443").await?;
/// let (tcp, _) = listener.accept().await?;
/// let tls = acceptor.accept(tcp).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Changing the configuration
///
/// A certificate that is renewed or a revocation list that has grown makes a new configuration, and that a new acceptor;
/// connections that are open keep theirs. [`TlsServer`](crate::TlsServer) changes while it runs by
/// [`ServerHandle::set_config`](crate::ServerHandle::set_config). A loop of one's own asks a channel for the newest acceptor
/// at each connection; cloning one costs no more than counting a reference:
///
/// ```no_run
/// use patina_tls::{ClientAuth, Error, Identity, ServerConfig, TlsAcceptor, TrustStore};
/// use tokio::net::TcpListener;
/// use tokio::sync::watch;
///
/// fn load() -> Result<TlsAcceptor, Error> {
///     let staff = TrustStore::from_pem_file("staff-ca.pem")?.with_crl_pem_file("staff.crl.pem")?;
///     let config = ServerConfig::builder()
///         .identity(Identity::from_pem_files("server.pem", "server.key")?)
///         .client_auth(ClientAuth::Require)
///         .trust(staff)
///         .build()?;
///     Ok(TlsAcceptor::new(config))
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (reload, newest) = watch::channel(load()?);
/// // In a task of its own, whenever a file has changed: a configuration that fails leaves the old one in its place.
/// let changed = move || load().map(|acceptor| reload.send_replace(acceptor));
/// # let _ = changed;
///
/// let listener = TcpListener::bind("0.0.0.0:8443").await?;
/// loop {
///     let (tcp, _) = listener.accept().await?;
///     let acceptor = newest.borrow().clone();
///     tokio::spawn(async move { acceptor.accept(tcp).await });
/// }
/// # }
/// ```
///
/// Sessions and tickets of the old configuration are not resumed by the new one, so that a client which has been revoked
/// since must show its certificate again; not so where [`with_openssl`](crate::ConfigBuilder::with_openssl) gives both the
/// same ticket keys.
#[derive(Debug, Clone)]
pub struct TlsAcceptor {
    config: ServerConfig,
}

impl TlsAcceptor {
    /// An acceptor with this configuration.
    pub fn new(config: ServerConfig) -> TlsAcceptor {
        TlsAcceptor { config }
    }

    /// The configuration.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Shakes hands as a server over `io`. Dropping the future ends the handshake.
    ///
    /// # Errors
    /// As [`TlsConnector::connect`](crate::TlsConnector::connect).
    ///
    /// # Panics
    /// Outside of a tokio runtime with a timer. A panic of a hook is resumed here.
    ///
    /// # OpenSSL
    /// `SSL_accept`.
    pub async fn accept<S>(&self, io: S) -> Result<TlsStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        handshake(Connection::new(&self.config.context, io, Target::default())?).await
    }

    /// Begins to shake hands as a server, for the application to read and answer
    /// [early data](crate::ConfigBuilder::early_data) as it comes. Nothing is read yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when libssl has no memory for it.
    ///
    /// # OpenSSL
    /// `SSL_read_early_data`, `SSL_write_early_data`.
    pub fn accept_early<S>(&self, io: S) -> Result<EarlyHandshake<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Ok(EarlyHandshake::new(Connection::new(&self.config.context, io, Target::default())?))
    }

    /// Reads the ClientHello, for the application to look at before the handshake goes on.
    ///
    /// # Errors
    /// As [`accept`](TlsAcceptor::accept).
    ///
    /// # Panics
    /// Outside of a tokio runtime with a timer.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_client_hello_cb`.
    pub async fn start<S>(&self, io: S) -> Result<StartHandshake<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        StartHandshake::read(Connection::new(&self.config.context, io, Target::default())?).await
    }
}
