//! The client's way in.

use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};

use super::limit::Limit;
use super::stream::TlsStream;
use crate::config::context::ClientConfig;
use crate::conn::connection::{Connection, Target};
use crate::materials::session::Session;
use crate::values::address;
use crate::values::error::Error;
use crate::values::secret::Secret;

/// Opens TLS connections as a client.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::{ClientConfig, TlsConnector};
/// use tokio::net::TcpStream;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let connector = TlsConnector::new(ClientConfig::builder().build()?);
/// let tcp = TcpStream::connect(("example.com", 443)).await?;
/// let tls = connector.connect("example.com", tcp).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TlsConnector {
    config: ClientConfig,
}

/// What one connection of a client is for.
///
/// # Examples
///
/// ```
/// use patina_tls::ConnectOptions;
///
/// // The machine is reached by its address and has a certificate for a name.
/// let options = ConnectOptions::new("10.0.0.7").server_name("plant.example").verify_name("plant.example");
/// ```
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    host: String,
    server_name: Option<String>,
    send_server_name: bool,
    verify_name: Option<String>,
    session: Option<Session>,
    early_data: Option<Secret>,
    fresh: bool,
}

impl ConnectOptions {
    /// A connection to `host`, a name or an IP address: its name is sent (SNI), unless it is an address, and the
    /// server's certificate must be for it.
    pub fn new(host: impl Into<String>) -> ConnectOptions {
        ConnectOptions {
            host: host.into(),
            server_name: None,
            send_server_name: true,
            verify_name: None,
            session: None,
            early_data: None,
            fresh: false,
        }
    }

    /// Sends another name than the host: Node's `servername`.
    #[doc(alias = "servername")]
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Sends no name.
    #[must_use]
    pub fn without_server_name(mut self) -> Self {
        self.send_server_name = false;
        self
    }

    /// Compares the certificate with another name than the one that is sent.
    #[must_use]
    pub fn verify_name(mut self, name: impl Into<String>) -> Self {
        self.verify_name = Some(name.into());
        self
    }

    /// Offers a session for resumption. If the server does not take it, a full handshake follows.
    ///
    /// # Security
    /// A session must go to the server that it came from. The certificate in it is compared with the host again.
    #[must_use]
    pub fn session(mut self, session: Session) -> Self {
        self.session = Some(session);
        self
    }

    /// Sends `bytes` with the first message (0-RTT, RFC 8446 section 2.3), before the server has said anything: where the
    /// connection resumes a session of TLS 1.3 whose server [takes so much](Session::max_early_data).
    ///
    /// What became of it is known when the handshake is over. Nothing is sent a second time by itself, and all or nothing of
    /// it has reached the server's application: [`TlsStream::take_unsent_early_data`](crate::TlsStream::take_unsent_early_data)
    /// gives back what the application has to send as ordinary data. That is all of it as well when there is no session
    /// that is good for early data: none at all, one of an older version, for another name or with another protocol of ALPN, one
    /// whose ticket is too old, or that takes less, or whose certificate is not for the host. A server that has given up TLS 1.3 since ends the
    /// connection: then a new one without early data is needed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use patina_tls::{ConnectOptions, Session, TlsConnector};
    /// use tokio::{io::AsyncWriteExt, net::TcpStream};
    ///
    /// # async fn example(connector: TlsConnector, session: Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let request = "GET / HTTP/1.0\r\n\r\n";
    /// let options = ConnectOptions::new("example.com").session(session).early_data(request);
    /// let tcp = TcpStream::connect(("example.com", 443)).await?;
    /// tcp.set_nodelay(true)?;
    /// let mut tls = connector.connect(options, tcp).await?;
    /// if let Some(request) = tls.take_unsent_early_data() {
    ///     tls.write_all(request.as_bytes()).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    /// Early data has no forward secrecy: whoever gets hold of the session, or of the server's ticket keys, can read it. And
    /// whoever has seen it can send it again, to this server or to another one of the same name, which may take it for new
    /// (RFC 8446 section 8). Send only what does no harm when it is done twice, such as a `GET` without effects.
    ///
    /// # OpenSSL
    /// `SSL_write_early_data`.
    #[doc(alias = "0-RTT")]
    #[doc(alias = "SSL_write_early_data")]
    #[must_use]
    pub fn early_data(mut self, bytes: impl Into<Secret>) -> Self {
        self.early_data = Some(bytes.into());
        self
    }

    /// Shakes hands in full, whatever sessions the configuration
    /// [keeps](crate::ConfigBuilder::resumption_hosts).
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        self.session = None;
        self.fresh = true;
        self
    }

    pub(crate) fn target(self) -> Result<Target, Error> {
        let name = self.server_name.as_deref().unwrap_or(&self.host);
        let of_name = host_name(name)?;
        let server_name = match of_name {
            Host::Name(name) if self.send_server_name => Some(name.to_owned()),
            Host::Address if self.server_name.is_some() => {
                return Err(Error::config(
                    "server_name",
                    format!("{name} is an IP address; SNI is for names (RFC 6066)"),
                ));
            }
            _ => None,
        };
        let (verify, of_verify) = match self.verify_name.as_deref() {
            Some(other) => (other, host_name(other)?),
            None => (name, of_name),
        };
        let host = match of_verify {
            Host::Address => without_brackets(verify),
            Host::Name(_) => verify,
        };
        // The usual case is the host as it was given.
        let other = (host != self.host).then(|| host.to_owned());
        Ok(Target {
            server_name,
            host: Some(other.unwrap_or(self.host)),
            session: self.session,
            early_data: self.early_data,
            fresh: self.fresh,
        })
    }
}

impl<T: Into<String>> From<T> for ConnectOptions {
    fn from(host: T) -> ConnectOptions {
        ConnectOptions::new(host)
    }
}

#[derive(Clone, Copy)]
enum Host<'a> {
    /// A name, without the dot at its end.
    Name(&'a str),
    Address,
}

fn host_name(host: &str) -> Result<Host<'_>, Error> {
    let bad = |why: &str| Err(Error::config("host", format!("{host:?} {why}")));
    if host.is_empty() {
        return bad("is empty");
    }
    if address::parse(without_brackets(host)).is_some() {
        return Ok(Host::Address);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.is_empty() || name.len() > 255 {
        return bad("is no host name: 1 to 255 bytes");
    }
    if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        let strange = name.chars().find(|c| !c.is_ascii_graphic()).unwrap_or_default();
        return bad(&format!("has {strange:?} in it; international names need their A-label form (xn--...)"));
    }
    Ok(Host::Name(name))
}

/// An IPv6 address stands in brackets in a URL.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl TlsConnector {
    /// A connector with this configuration.
    pub fn new(config: ClientConfig) -> TlsConnector {
        TlsConnector { config }
    }

    /// The configuration.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Shakes hands as a client over `io`.
    ///
    /// `target` is the host, or [`ConnectOptions`]. Dropping the future ends the handshake.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`](crate::ErrorKind::Unauthorized) when the server cannot be verified,
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) and [`ErrorKind::PeerAlert`](crate::ErrorKind::PeerAlert)
    /// when TLS fails, [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after the handshake timeout,
    /// [`ErrorKind::Truncated`](crate::ErrorKind::Truncated) and [`ErrorKind::Io`](crate::ErrorKind::Io) when the
    /// transport ends, [`ErrorKind::Config`](crate::ErrorKind::Config) when the host is no host name.
    ///
    /// # Panics
    /// Outside of a tokio runtime with a timer. A panic of a hook is resumed here.
    ///
    /// # OpenSSL
    /// `SSL_connect`.
    pub async fn connect<S>(&self, target: impl Into<ConnectOptions>, io: S) -> Result<TlsStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let target = target.into().target()?;
        handshake(Connection::new(&self.config.context, io, target)?).await
    }
}

/// Shakes hands within the time of the configuration.
pub(super) async fn handshake<S>(mut connection: Box<Connection<S>>) -> Result<TlsStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limit = Limit::of(connection.state().context().handshake_timeout);
    connection.state().set_timed();
    limit.within(poll_fn(|cx| connection.poll_handshake(cx))).await?;
    Ok(TlsStream::new(connection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_verified_and_not_sent() {
        for host in ["127.0.0.1", "::1"] {
            let target = ConnectOptions::new(host).target().unwrap();
            assert_eq!((target.server_name, target.host.as_deref()), (None, Some(host)));
        }
        let error = ConnectOptions::new("localhost").server_name("127.0.0.1").target().unwrap_err();
        assert_eq!(error.option(), Some("server_name"));
    }

    #[test]
    fn the_name_that_is_sent_is_the_name_that_is_verified_unless_said_otherwise() {
        let target = ConnectOptions::new("10.0.0.7").server_name("plant.example").target().unwrap();
        assert_eq!(target.server_name.as_deref(), Some("plant.example"));
        assert_eq!(target.host.as_deref(), Some("plant.example"));
        let target =
            ConnectOptions::new("a.example").without_server_name().verify_name("b.example").target().unwrap();
        assert_eq!((target.server_name, target.host.as_deref()), (None, Some("b.example")));
    }

    #[test]
    fn the_dot_at_the_end_of_a_name_is_not_sent() {
        assert_eq!(
            ConnectOptions::new("a.example.").target().unwrap().server_name.as_deref(),
            Some("a.example")
        );
    }

    #[test]
    fn what_is_no_host_is_refused_before_any_byte_is_sent() {
        for host in ["", ".", "a b", "münchen.example", "a\0b", &"x".repeat(256)] {
            assert_eq!(ConnectOptions::new(host).target().unwrap_err().option(), Some("host"), "{host:?}");
        }
    }
}
