//! The server's way in.

use tokio::io::{AsyncRead, AsyncWrite};

use super::connector::handshake;
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
}
