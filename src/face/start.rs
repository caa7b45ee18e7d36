//! A handshake whose first message the application looks at.

use std::fmt;
use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};

use super::connector::handshake;
use super::limit::Limit;
use super::stream::TlsStream;
use crate::config::context::ServerConfig;
use crate::conn::connection::Connection;
use crate::values::alert::Alert;
use crate::values::error::Error;
use crate::values::hello::ClientHello;

/// A server's handshake that waits for the application to look at the ClientHello.
///
/// It does by hand what a [`ConfigResolver`](crate::ConfigResolver) does: the rest of the handshake is another call, and
/// what happens in between is the application's business, under no timeout.
///
/// # Examples
///
/// ```no_run
/// # use patina_tls::{Alert, Error, ServerConfig, TlsAcceptor};
/// # async fn example(acceptor: TlsAcceptor, shop: ServerConfig, tcp: tokio::net::TcpStream) -> Result<(), Error> {
/// let start = acceptor.start(tcp).await?;
/// let tls = match start.client_hello().server_name() {
///     Some("shop.example") => start.accept_with(&shop).await?,
///     Some(_) => return Err(start.refuse(Alert::UNRECOGNIZED_NAME).await),
///     None => start.accept().await?,
/// };
/// # Ok(())
/// # }
/// ```
pub struct StartHandshake<S> {
    connection: Box<Connection<S>>,
    hello: ClientHello,
}

impl<S: AsyncRead + AsyncWrite + Unpin> StartHandshake<S> {
    pub(super) async fn read(mut connection: Box<Connection<S>>) -> Result<StartHandshake<S>, Error> {
        connection.choose_by_hand();
        connection.state().set_timed();
        let limit = Limit::of(connection.state().context().handshake_timeout);
        let hello = limit.within(poll_fn(|cx| connection.poll_hello(cx))).await?;
        Ok(StartHandshake { hello, connection })
    }

    /// Goes on with the acceptor's own configuration, with its static names, and without its resolver.
    ///
    /// # Errors
    /// As [`TlsAcceptor::accept`](crate::TlsAcceptor::accept).
    pub async fn accept(mut self) -> Result<TlsStream<S>, Error> {
        self.connection.choose(Ok(None));
        handshake(self.connection).await
    }

    /// Goes on with this configuration: all of it but the groups, which libssl has taken from the acceptor's.
    ///
    /// # Errors
    /// As [`TlsAcceptor::accept`](crate::TlsAcceptor::accept).
    pub async fn accept_with(mut self, config: &ServerConfig) -> Result<TlsStream<S>, Error> {
        self.connection.choose(Ok(Some(config.context.clone())));
        handshake(self.connection).await
    }

    /// Ends the handshake with an alert, and gives the error that the acceptor would have given.
    pub async fn refuse(mut self, alert: Alert) -> Error {
        self.connection.choose(Err(alert));
        match handshake(self.connection).await {
            Err(error) => error,
            Ok(_) => Error::new(crate::values::error::ErrorKind::State, "a refused handshake has succeeded"),
        }
    }
}

impl<S> StartHandshake<S> {
    /// The ClientHello.
    pub fn client_hello(&self) -> &ClientHello {
        &self.hello
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        self.connection.get_ref()
    }
}

impl<S: fmt::Debug> fmt::Debug for StartHandshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartHandshake").field("hello", &self.hello).field("io", self.get_ref()).finish()
    }
}
