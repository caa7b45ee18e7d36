//! TLS over blocking streams, for programs without a runtime.

use std::fmt;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connector::ConnectOptions;
use crate::config::context::{ClientConfig, ServerConfig};
use crate::conn::connection::{Connection, Target};
use crate::conn::request::{KeyUpdate, RenegotiateOptions, Request};
use crate::materials::negotiated::Negotiated;
use crate::materials::verify::ClientAuth;
use crate::values::error::Error;
use crate::values::secret::Secret;

/// A TLS connection over a blocking stream, such as a [`std::net::TcpStream`].
///
/// There is no handshake timeout: set time-outs on the stream below. An operation that such a time-out ends, with
/// [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut), can be called again. Hooks that
/// take time block the thread.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::{BlockingStream, ClientConfig};
/// use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tcp = std::net::TcpStream::connect(("example.com", 443))?;
/// let mut tls = BlockingStream::connect(&ClientConfig::builder().build()?, "example.com", tcp)?;
/// tls.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
/// let mut page = Vec::new();
/// tls.read_to_end(&mut page)?;
/// # Ok(())
/// # }
/// ```
pub struct BlockingStream<S> {
    connection: Box<Connection<Blocking<S>>>,
}

impl<S: Read + Write + Unpin> BlockingStream<S> {
    /// Shakes hands as a client.
    ///
    /// # Errors
    /// As [`TlsConnector::connect`](crate::TlsConnector::connect), without the timeout.
    pub fn connect(
        config: &ClientConfig,
        target: impl Into<ConnectOptions>,
        io: S,
    ) -> Result<BlockingStream<S>, Error> {
        let target = target.into().target()?;
        BlockingStream::handshake(Connection::new(&config.context, Blocking::new(io), target)?)
    }

    /// Shakes hands as a server.
    ///
    /// # Errors
    /// As [`TlsConnector::connect`](crate::TlsConnector::connect), without the timeout.
    pub fn accept(config: &ServerConfig, io: S) -> Result<BlockingStream<S>, Error> {
        BlockingStream::handshake(Connection::new(&config.context, Blocking::new(io), Target::default())?)
    }

    fn handshake(connection: Box<Connection<Blocking<S>>>) -> Result<BlockingStream<S>, Error> {
        let mut stream = BlockingStream { connection };
        stream.block_on(|connection, cx| connection.poll_handshake(cx)).map_err(Error::io)?;
        stream.connection.set_blocks();
        Ok(stream)
    }

    /// Sends close_notify. Reading goes on until the peer has closed, too.
    ///
    /// # Errors
    /// The error of the stream below.
    pub fn shutdown(&mut self) -> io::Result<()> {
        self.block_on(|connection, cx| connection.poll_shutdown(cx))
    }

    /// As [`TlsStream::renegotiate`](crate::TlsStream::renegotiate), blocking.
    ///
    /// # Errors
    /// As there, within an `io::Error`.
    pub fn renegotiate(&mut self, options: RenegotiateOptions) -> io::Result<()> {
        self.ask(Request::Renegotiate(options))
    }

    /// As [`TlsStream::authenticate_client`](crate::TlsStream::authenticate_client), blocking.
    ///
    /// # Errors
    /// As there, within an `io::Error`.
    pub fn authenticate_client(&mut self, auth: ClientAuth) -> io::Result<()> {
        self.ask(Request::Authenticate(auth))
    }

    /// As [`TlsStream::update_keys`](crate::TlsStream::update_keys), blocking.
    ///
    /// # Errors
    /// As there, within an `io::Error`.
    pub fn update_keys(&mut self, update: KeyUpdate) -> io::Result<()> {
        self.ask(Request::UpdateKeys(update))
    }

    fn ask(&mut self, request: Request) -> io::Result<()> {
        self.connection.ask(request).map_err(io::Error::from)?;
        self.block_on(|connection, cx| connection.poll_asked(cx))
    }

    fn block_on<T>(
        &mut self,
        mut poll: impl FnMut(&mut Connection<Blocking<S>>, &mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> io::Result<T> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(outcome) = poll(&mut self.connection, &mut cx) {
                return outcome.map_err(io::Error::from);
            }
            match self.connection.get_mut().stalled.take() {
                Some(error) => return Err(error),
                // Not the stream: a hook. It unparks this thread.
                None => thread::park(),
            }
        }
    }
}

impl<S> BlockingStream<S> {
    /// What was agreed on, and who the peer is.
    pub fn negotiated(&self) -> Negotiated<'_> {
        self.connection.negotiated()
    }

    /// As [`TlsStream::take_early_data`](crate::TlsStream::take_early_data).
    pub fn take_early_data(&mut self) -> Option<Vec<u8>> {
        self.connection.take_early_data()
    }

    /// As [`TlsStream::take_unsent_early_data`](crate::TlsStream::take_unsent_early_data).
    pub fn take_unsent_early_data(&mut self) -> Option<Secret> {
        self.connection.take_unsent_early_data()
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.connection.get_ref().io
    }

    /// The stream below. Reading from it or writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.connection.get_mut().io
    }
}

impl<S: Read + Write + Unpin> Read for BlockingStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.block_on(|connection, cx| {
            let mut buf = ReadBuf::new(buf);
            connection.poll_read(cx, &mut buf).map_ok(|()| buf.filled().len())
        })
    }
}

impl<S: Read + Write + Unpin> Write for BlockingStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block_on(|connection, cx| connection.poll_write(cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.block_on(|connection, cx| connection.poll_write_vectored(cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.block_on(|connection, cx| connection.poll_flush(cx))
    }
}

impl<S> fmt::Debug for BlockingStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingStream").field("negotiated", &self.negotiated()).finish_non_exhaustive()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A blocking stream in the dress of an asynchronous one: its calls block, so they are always ready, but for
/// time-outs, which are kept for the caller and leave the connection whole.
struct Blocking<S> {
    io: S,
    stalled: Option<io::Error>,
}

impl<S> Blocking<S> {
    fn new(io: S) -> Blocking<S> {
        Blocking { io, stalled: None }
    }

    fn answer<T>(&mut self, outcome: io::Result<T>) -> Poll<io::Result<T>> {
        match outcome {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                self.stalled = Some(error);
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }
}

/// Calls until the call is not interrupted by a signal.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl<S: Read + Write + Unpin> AsyncRead for Blocking<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = uninterrupted(|| self.io.read(buf.initialize_unfilled()));
        if let Ok(count) = &outcome {
            buf.advance(*count);
        }
        self.answer(outcome.map(drop))
    }
}

impl<S: Read + Write + Unpin> AsyncWrite for Blocking<S> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = uninterrupted(|| self.io.write(bytes));
        self.answer(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = uninterrupted(|| self.io.flush());
        self.answer(outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
