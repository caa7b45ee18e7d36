//! A connection without a socket: bytes in, bytes out.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use openssl::ssl::SslRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connector::ConnectOptions;
use crate::config::context::{ClientConfig, ServerConfig};
use crate::conn::buffer::Output;
use crate::conn::connection::{Connection, Target};
use crate::conn::request::{KeyUpdate, RenegotiateOptions, Request};
use crate::materials::negotiated::Negotiated;
use crate::materials::verify::ClientAuth;
use crate::values::error::{Error, ErrorKind};
use crate::values::secret::Secret;

/// A TLS connection that does no I/O: for other runtimes, for tests, and for whoever moves the bytes himself.
///
/// Ciphertext goes in by [`receive`](TlsEngine::receive) and out by [`output`](TlsEngine::output); plaintext goes in by
/// [`write`](TlsEngine::write) and out by [`read`](TlsEngine::read). After each call that may have made some, send what
/// `output` has. Nothing blocks; hooks that take time are driven by the calls that end in `_with`, which take a waker.
///
/// # Examples
///
/// ```
/// use patina_tls::{ClientConfig, EngineEvent, Identity, ServerConfig, TlsEngine, TrustStore};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let identity = Identity::self_signed(["localhost"])?;
/// let trust = TrustStore::from_certificates([identity.certificate().clone()]);
/// let mut client = TlsEngine::client(&ClientConfig::builder().trust(trust).build()?, "localhost")?;
/// let mut server = TlsEngine::server(&ServerConfig::builder().identity(identity).build()?)?;
///
/// while !(client.is_established() && server.is_established()) {
///     client.advance()?;
///     server.receive(&client.take_output());
///     server.advance()?;
///     client.receive(&server.take_output());
/// }
/// assert_eq!(client.next_event(), Some(EngineEvent::Secure));
///
/// client.write(b"hello")?;
/// server.receive(&client.take_output());
/// let mut buf = [0; 16];
/// let count = server.read(&mut buf)?.expect("the client has written");
/// assert_eq!(&buf[..count], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct TlsEngine {
    connection: Box<Connection<Pipe>>,
    established: bool,
    closed: bool,
    /// The error of a write that has taken some bytes before it.
    failed: Option<Error>,
    events: VecDeque<EngineEvent>,
}

/// Something that happened in a [`TlsEngine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineEvent {
    /// The handshake is complete: Node's `secureConnect` and `secureConnection`.
    Secure,
    /// The peer sent its close_notify: nothing more will be read.
    Closed,
}

impl TlsEngine {
    /// A client's connection.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the host is no host name.
    pub fn client(config: &ClientConfig, target: impl Into<ConnectOptions>) -> Result<TlsEngine, Error> {
        Ok(TlsEngine::new(Connection::new(&config.context, Pipe::default(), target.into().target()?)?))
    }

    /// A server's connection.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when libssl has no memory for it.
    pub fn server(config: &ServerConfig) -> Result<TlsEngine, Error> {
        Ok(TlsEngine::new(Connection::new(&config.context, Pipe::default(), Target::default())?))
    }

    fn new(connection: Box<Connection<Pipe>>) -> TlsEngine {
        TlsEngine { connection, established: false, closed: false, failed: None, events: VecDeque::new() }
    }

    /// Takes ciphertext from the peer.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.connection.get_mut().input.extend(bytes);
    }

    /// The peer's transport has ended.
    pub fn receive_end(&mut self) {
        self.connection.get_mut().ended = true;
    }

    /// The ciphertext for the peer.
    pub fn output(&self) -> &[u8] {
        self.connection.get_ref().output.bytes()
    }

    /// Drops the first `count` bytes of the output: they were sent.
    pub fn consume_output(&mut self, count: usize) {
        self.connection.get_mut().output.consume(count);
    }

    /// Takes all of the output.
    pub fn take_output(&mut self) -> Vec<u8> {
        let output = &mut self.connection.get_mut().output;
        let bytes = output.bytes().to_vec();
        output.clear();
        bytes
    }

    /// Goes on with the handshake as far as what was received allows. The alert of a failure is in the output.
    ///
    /// # Errors
    /// As [`TlsConnector::connect`](crate::TlsConnector::connect), without the timeout.
    pub fn advance(&mut self) -> Result<(), Error> {
        self.advance_with(&mut Context::from_waker(Waker::noop()))
    }

    /// As [`advance`](TlsEngine::advance); the waker of `cx` is woken when a hook has its answer.
    ///
    /// # Errors
    /// As [`advance`](TlsEngine::advance).
    pub fn advance_with(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.established {
            return Ok(());
        }
        match self.connection.poll_handshake(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(outcome) => {
                outcome?;
                self.established = true;
                self.events.push_back(EngineEvent::Secure);
                Ok(())
            }
        }
    }

    /// Reads plaintext: the count, 0 once the peer has closed, `None` when more has to be received first.
    ///
    /// # Errors
    /// As [`TlsStream`](crate::TlsStream)'s reads.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<Option<usize>, Error> {
        self.read_with(&mut Context::from_waker(Waker::noop()), buf)
    }

    /// As [`read`](TlsEngine::read); the waker of `cx` is woken when a hook has its answer.
    ///
    /// # Errors
    /// As [`read`](TlsEngine::read).
    pub fn read_with(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Result<Option<usize>, Error> {
        self.advance_with(cx)?;
        if !self.established || buf.is_empty() {
            return Ok((self.established && buf.is_empty()).then_some(0));
        }
        let mut buf = ReadBuf::new(buf);
        match self.connection.poll_read(cx, &mut buf) {
            Poll::Pending => Ok(None),
            Poll::Ready(outcome) => {
                outcome?;
                if buf.filled().is_empty() && !self.closed {
                    self.closed = true;
                    self.events.push_back(EngineEvent::Closed);
                }
                Ok(Some(buf.filled().len()))
            }
        }
    }

    /// Writes plaintext: the count that was taken, 0 while the handshake is not complete.
    ///
    /// # Errors
    /// As [`TlsStream`](crate::TlsStream)'s writes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let cx = &mut Context::from_waker(Waker::noop());
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.advance_with(cx)?;
        if !self.established {
            return Ok(0);
        }
        let mut taken = 0;
        while taken < bytes.len() {
            match self.connection.poll_write(cx, &bytes[taken..]) {
                Poll::Ready(Ok(count)) => taken += count,
                Poll::Ready(Err(error)) if taken == 0 => return Err(error),
                Poll::Ready(Err(error)) => {
                    // What was taken counts first; the next call tells.
                    self.failed = Some(error);
                    break;
                }
                Poll::Pending => break,
            }
        }
        Ok(taken)
    }

    /// Puts a close_notify into the output. Reading goes on.
    ///
    /// # Errors
    /// As [`TlsStream`](crate::TlsStream)'s shutdown.
    pub fn close(&mut self) -> Result<(), Error> {
        match self.connection.poll_shutdown(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Ok(()),
        }
    }

    /// Begins a new handshake; it goes on in the reads, and [`is_asking`](TlsEngine::is_asking) tells when it is over. As
    /// [`TlsStream::renegotiate`](crate::TlsStream::renegotiate).
    ///
    /// # Errors
    /// As there.
    pub fn renegotiate(&mut self, options: RenegotiateOptions) -> Result<(), Error> {
        self.ask(Request::Renegotiate(options))
    }

    /// Asks the client for a certificate; as [`renegotiate`](TlsEngine::renegotiate) and
    /// [`TlsStream::authenticate_client`](crate::TlsStream::authenticate_client).
    ///
    /// # Errors
    /// As there.
    pub fn authenticate_client(&mut self, auth: ClientAuth) -> Result<(), Error> {
        self.ask(Request::Authenticate(auth))
    }

    /// Changes the keys of TLS 1.3: the message is in the output. As
    /// [`TlsStream::update_keys`](crate::TlsStream::update_keys).
    ///
    /// # Errors
    /// As there.
    pub fn update_keys(&mut self, update: KeyUpdate) -> Result<(), Error> {
        self.ask(Request::UpdateKeys(update))
    }

    /// Whether a handshake that was asked for is not over.
    pub fn is_asking(&self) -> bool {
        self.connection.is_asking()
    }

    fn ask(&mut self, request: Request) -> Result<(), Error> {
        if !self.established {
            return Err(Error::new(ErrorKind::State, "the first handshake is not complete"));
        }
        self.connection.ask(request)?;
        // What can be said at once goes to the output.
        match self.connection.poll_asked(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Ok(()),
        }
    }

    /// The next thing that happened, the oldest first.
    pub fn next_event(&mut self) -> Option<EngineEvent> {
        self.events.pop_front()
    }

    /// Whether the handshake is complete.
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// What was agreed on, and who the peer is. Before the handshake is complete, much of it is not known.
    pub fn negotiated(&self) -> Negotiated<'_> {
        self.connection.negotiated()
    }

    /// Reads early data, on a server, while the handshake goes on: the count, 0 when there is no more of it or none at all, and
    /// `None` when more has to be received first. See [`EarlyHandshake`](crate::EarlyHandshake).
    ///
    /// # Errors
    /// As [`advance`](TlsEngine::advance).
    pub fn read_early(&mut self, buf: &mut [u8]) -> Result<Option<usize>, Error> {
        self.read_early_with(&mut Context::from_waker(Waker::noop()), buf)
    }

    /// As [`read_early`](TlsEngine::read_early); the waker of `cx` is woken when a hook has its answer.
    ///
    /// # Errors
    /// As [`advance`](TlsEngine::advance).
    pub fn read_early_with(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Result<Option<usize>, Error> {
        let mut buf = ReadBuf::new(buf);
        match self.connection.poll_read_early(cx, &mut buf) {
            Poll::Pending => Ok(None),
            Poll::Ready(outcome) => outcome.map(|()| Some(buf.filled().len())),
        }
    }

    /// Answers early data, on a server, before the client has finished: the count that was taken.
    ///
    /// # Errors
    /// As [`EarlyHandshake::write_all`](crate::EarlyHandshake::write_all).
    pub fn write_early(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut taken = 0;
        while taken < bytes.len() {
            match self.connection.poll_write_early(cx, &bytes[taken..]) {
                Poll::Ready(outcome) => taken += outcome?,
                Poll::Pending => break,
            }
        }
        Ok(taken)
    }

    /// As [`TlsStream::take_early_data`](crate::TlsStream::take_early_data).
    pub fn take_early_data(&mut self) -> Option<Vec<u8>> {
        self.connection.take_early_data()
    }

    /// As [`TlsStream::take_unsent_early_data`](crate::TlsStream::take_unsent_early_data).
    pub fn take_unsent_early_data(&mut self) -> Option<Secret> {
        self.connection.take_unsent_early_data()
    }

    /// libssl's own object, to read from.
    pub fn as_openssl(&self) -> &SslRef {
        self.connection.ssl()
    }
}

impl fmt::Debug for TlsEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsEngine").field("established", &self.established).finish_non_exhaustive()
    }
}

/// Two queues in place of a socket.
#[derive(Default)]
struct Pipe {
    input: VecDeque<u8>,
    ended: bool,
    output: Output,
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() && !self.ended {
            // Whoever feeds the engine calls it afterwards: no waker is kept.
            return Poll::Pending;
        }
        let (front, _) = self.input.as_slices();
        let count = front.len().min(buf.remaining());
        buf.put_slice(&front[..count]);
        self.input.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
