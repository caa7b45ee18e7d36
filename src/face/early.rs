//! A handshake that the application takes part in: for early data.

use std::fmt;
use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limit::Limit;
use super::stream::TlsStream;
use crate::conn::connection::Connection;
use crate::materials::negotiated::Negotiated;
use crate::values::error::Error;

/// A server's handshake in which early data can be read, and answered, as it comes: a round trip before the handshake is over.
///
/// [`TlsAcceptor::accept`](crate::TlsAcceptor::accept) keeps early data until the client has finished its handshake. Whoever wants
/// what early data is for, an answer without a round trip, reads it here. A connection without early data, be it one of
/// TLS 1.2, goes the same way: the first read has no bytes.
///
/// A client may read nothing until it has sent all of its early data: a long answer is for when all of that was read.
///
/// The [handshake timeout](crate::ConfigBuilder::handshake_timeout) runs from
/// [`accept_early`](crate::TlsAcceptor::accept_early) to the end of [`finish`](EarlyHandshake::finish).
///
/// # Examples
///
/// ```no_run
/// # use patina_tls::{Error, TlsAcceptor};
/// # use tokio::net::TcpStream;
/// # fn answer_to(_: &[u8]) -> Option<Vec<u8>> { None }
/// # async fn example(acceptor: TlsAcceptor, tcp: TcpStream) -> Result<(), Error> {
/// let mut early = acceptor.accept_early(tcp)?;
/// let mut request = Vec::new();
/// let mut buf = [0; 4096];
/// while let count @ 1.. = early.read(&mut buf).await? {
///     request.extend_from_slice(&buf[..count]);
///     // Whole, and without effects that add up? Then it can be answered now.
///     if let Some(answer) = answer_to(&request) {
///         early.write_all(&answer).await?;
///         request.clear();
///     }
/// }
/// let mut tls = early.finish().await?;
/// // `request` has what came early and is still to be answered, now that nobody can have sent it again.
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// Until [`finish`](EarlyHandshake::finish) is done nobody has proved to be there: what is read may be a copy of what a client sent
/// before, though not one that this server has taken already. See
/// [`ConfigBuilder::early_data`](crate::ConfigBuilder::early_data).
pub struct EarlyHandshake<S> {
    connection: Box<Connection<S>>,
    limit: Limit,
}

impl<S: AsyncRead + AsyncWrite + Unpin> EarlyHandshake<S> {
    pub(super) fn new(connection: Box<Connection<S>>) -> EarlyHandshake<S> {
        let limit = Limit::of(connection.state().context().handshake_timeout);
        connection.state().set_timed();
        EarlyHandshake { connection, limit }
    }

    /// Reads early data: the count, 0 when there is no more of it or none at all. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`TlsAcceptor::accept`](crate::TlsAcceptor::accept).
    ///
    /// # Panics
    /// As [`TlsAcceptor::accept`](crate::TlsAcceptor::accept).
    ///
    /// # OpenSSL
    /// `SSL_read_early_data`.
    pub async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let mut buf = ReadBuf::new(buf);
        self.limit.within(poll_fn(|cx| self.connection.poll_read_early(cx, &mut buf))).await?;
        Ok(buf.filled().len())
    }

    /// Writes an answer, before the client has finished; ready when it is with the socket. Dropping the future may leave a part
    /// of it written.
    ///
    /// # Errors
    /// [`ErrorKind::State`](crate::ErrorKind::State) when no early data was accepted: such a client has proved nothing yet, and
    /// is answered after [`finish`](EarlyHandshake::finish). Otherwise as [`read`](EarlyHandshake::read).
    ///
    /// # Panics
    /// As [`TlsAcceptor::accept`](crate::TlsAcceptor::accept).
    ///
    /// # OpenSSL
    /// `SSL_write_early_data`.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let connection = &mut self.connection;
        let part = async {
            let mut rest = bytes;
            while !rest.is_empty() {
                let count = poll_fn(|cx| connection.poll_write_early(cx, rest)).await?;
                rest = &rest[count..];
            }
            poll_fn(|cx| connection.poll_flush_early(cx)).await
        };
        self.limit.within(part).await
    }

    /// Goes on to the end of the handshake. Early data that was not read is
    /// [in the stream](crate::TlsStream::take_early_data).
    ///
    /// # Errors
    /// As [`TlsAcceptor::accept`](crate::TlsAcceptor::accept).
    ///
    /// # Panics
    /// As [`TlsAcceptor::accept`](crate::TlsAcceptor::accept).
    pub async fn finish(mut self) -> Result<TlsStream<S>, Error> {
        self.limit.within(poll_fn(|cx| self.connection.poll_handshake(cx))).await?;
        Ok(TlsStream::new(self.connection))
    }
}

impl<S> EarlyHandshake<S> {
    /// What is agreed on so far. Before the first [`read`](EarlyHandshake::read) is done nothing is.
    pub fn negotiated(&self) -> Negotiated<'_> {
        self.connection.negotiated()
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        self.connection.get_ref()
    }
}

impl<S: fmt::Debug> fmt::Debug for EarlyHandshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyHandshake").field("io", self.get_ref()).finish_non_exhaustive()
    }
}
