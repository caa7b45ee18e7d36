//! A listening server: the accept loop, its limits, and changes while it runs.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::acceptor::TlsAcceptor;
use super::stream::TlsStream;
use crate::config::context::ServerConfig;
use crate::materials::ticket::TicketKeys;
use crate::values::error::{Error, ErrorKind};
use crate::values::ticket_key::TicketKey;

/// How long the accept loop waits after an error of the listener, such as "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A TLS server on a TCP socket.
///
/// Each connection is a task of its own, handshake included: a peer that dawdles, or sends garbage, holds up nobody.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::{Identity, ServerConfig, TlsServer};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # async fn example() -> Result<(), patina_tls::Error> {
/// let identity = Identity::from_pem_files("server.pem", "server.key")?;
/// let config = ServerConfig::builder().identity(identity).build()?;
/// let server = TlsServer::bind("0.0.0.0:8443", config).await?;
/// server
///     .on_client_error(|peer, error| eprintln!("{peer}: {error}"))
///     .serve(|mut tls, _peer| async move {
///         let mut buf = [0; 4096];
///         while let Ok(count @ 1..) = tls.read(&mut buf).await {
///             if tls.write_all(&buf[..count]).await.is_err() {
///                 return;
///             }
///         }
///         let _ = tls.shutdown().await;
///     })
///     .await;
/// # Ok(())
/// # }
/// ```
pub struct TlsServer {
    listener: TcpListener,
    shared: Arc<Shared>,
    max_connections: Option<usize>,
    on_client_error: Option<ClientErrorHook>,
}

type ClientErrorHook = Arc<dyn Fn(SocketAddr, Error) + Send + Sync>;

struct Shared {
    config: RwLock<ServerConfig>,
    closing: watch::Sender<bool>,
    address: SocketAddr,
}

impl TlsServer {
    /// Listens on `address`; port 0 lets the system choose one.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the address cannot be bound.
    pub async fn bind(address: impl ToSocketAddrs, config: ServerConfig) -> Result<TlsServer, Error> {
        TlsServer::from_listener(TcpListener::bind(address).await.map_err(Error::io)?, config)
    }

    /// Serves on a socket that listens already.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the socket has no address.
    pub fn from_listener(listener: TcpListener, config: ServerConfig) -> Result<TlsServer, Error> {
        let address = listener.local_addr().map_err(Error::io)?;
        let shared =
            Arc::new(Shared { config: RwLock::new(config), closing: watch::Sender::new(false), address });
        Ok(TlsServer { listener, shared, max_connections: None, on_client_error: None })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// Sets how many connections are served at a time; more wait in the listener's queue. Default: no limit.
    #[doc(alias = "maxConnections")]
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = Some(count);
        self
    }

    /// Sets what is told of handshakes that fail: Node's `tlsClientError`. Default: nobody.
    #[doc(alias = "tlsClientError")]
    #[must_use]
    pub fn on_client_error(mut self, hook: impl Fn(SocketAddr, Error) + Send + Sync + 'static) -> Self {
        self.on_client_error = Some(Arc::new(hook));
        self
    }

    /// A handle that can change or end the server while it runs.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { shared: Arc::clone(&self.shared) }
    }

    /// Accepts connections and gives each to `handler`, until [`ServerHandle::close`]; then waits for those that are
    /// open. Dropping the future ends them all.
    ///
    /// A handler or a hook that panics ends its own connection only.
    pub async fn serve<H, F>(self, handler: H)
    where
        H: Fn(TlsStream<TcpStream>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let seats = self.max_connections.map(|count| Arc::new(Semaphore::new(count)));
        let mut tasks = JoinSet::new();
        let mut signal = self.shared.closing.subscribe();
        let mut closing = pin!(async move { drop(signal.wait_for(|closing| *closing).await) });
        loop {
            let seat = match &seats {
                Some(seats) => match first(&mut closing, Arc::clone(seats).acquire_owned()).await {
                    Some(Ok(seat)) => Some(seat),
                    _ => break,
                },
                None => None,
            };
            let (tcp, peer) = match first(&mut closing, self.listener.accept()).await {
                None => break,
                Some(Ok(accepted)) => accepted,
                Some(Err(error)) => {
                    // A client that is gone already is nothing; a lack of descriptors passes when others close.
                    if !is_of_one_client(&error) && first(&mut closing, sleep(ACCEPT_PAUSE)).await.is_none() {
                        break;
                    }
                    continue;
                }
            };
            // The records of a handshake are small and answered at once: waiting to fill segments costs round trips.
            let _ = tcp.set_nodelay(true);
            let config = self.shared.config.read().unwrap_or_else(PoisonError::into_inner).clone();
            let (handler, hook) = (handler.clone(), self.on_client_error.clone());
            tasks.spawn(async move {
                let _seat = seat;
                match TlsAcceptor::new(config).accept(tcp).await {
                    Ok(tls) => handler(tls, peer).await,
                    Err(error) => {
                        if let Some(hook) = hook {
                            hook(peer, error);
                        }
                    }
                }
            });
            while tasks.try_join_next().is_some() {}
        }
        drop(self.listener);
        while tasks.join_next().await.is_some() {}
    }
}

/// Changes or ends a [`TlsServer`] while it runs. Cheap to clone.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

impl ServerHandle {
    /// The address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// The configuration of the next connection.
    pub fn config(&self) -> ServerConfig {
        self.shared.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the configuration of connections from now on: Node's `setSecureContext()`. Those that are open keep theirs.
    ///
    /// It is the way to renew a certificate or a revocation list. Sessions and tickets of the old configuration are not resumed.
    #[doc(alias = "setSecureContext")]
    pub fn set_config(&self, config: ServerConfig) {
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Adds a name to the configuration: Node's `addContext()`.
    ///
    /// # Errors
    /// As [`Config::with_server_name`](crate::Config::with_server_name).
    #[doc(alias = "addContext")]
    pub fn add_context(&self, pattern: &str, config: ServerConfig) -> Result<(), Error> {
        let mut current = self.shared.config.write().unwrap_or_else(PoisonError::into_inner);
        *current = current.with_server_name(pattern, config)?;
        Ok(())
    }

    /// The keys that session tickets are sealed with, where [`ConfigBuilder::ticket_keys`] gave some: Node's
    /// `getTicketKeys()`.
    ///
    /// [`ConfigBuilder::ticket_keys`]: crate::ConfigBuilder::ticket_keys
    #[doc(alias = "getTicketKeys")]
    pub fn ticket_keys(&self) -> Option<TicketKeys> {
        self.config().ticket_keys()
    }

    /// Makes `key` the only key of session tickets, also for connections whose tickets are still to come, and for all
    /// servers that share the [`TicketKeys`]: Node's `setTicketKeys()`. To let older tickets live on, see
    /// [`TicketKeys::rotate`].
    ///
    /// # Errors
    /// [`ErrorKind::State`](crate::ErrorKind::State) when the configuration has no ticket keys, but libssl's own.
    #[doc(alias = "setTicketKeys")]
    pub fn set_ticket_keys(&self, key: TicketKey) -> Result<(), Error> {
        let keys = self.ticket_keys().ok_or_else(|| {
            Error::new(ErrorKind::State, "the configuration was built without ticket keys")
                .with_option("ticket_keys")
        })?;
        keys.replace(key);
        Ok(())
    }

    /// Stops accepting. [`TlsServer::serve`] returns when the open connections have ended.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
    }
}

/// Awaits `other`, unless `closing` comes first.
async fn first<T>(
    closing: &mut (impl Future<Output = ()> + Unpin),
    other: impl Future<Output = T>,
) -> Option<T> {
    let mut other = pin!(other);
    poll_fn(|cx| match pin!(&mut *closing).poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => other.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Whether an error of accept(2) concerns one client, and not the listener.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("address", &self.shared.address).finish_non_exhaustive()
    }
}
