//! A TLS stream over any asynchronous stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use openssl::ssl::SslRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::conn::connection::Connection;
use crate::materials::negotiated::Negotiated;
use crate::sys::ssl as sys;
use crate::values::error::Error;

/// A TLS connection over the stream `S`, on either side, after its handshake.
///
/// It can be split with [`tokio::io::split`]; a renegotiation or a key update in one half never loses the wake-up of
/// the other.
///
/// # Reading
/// A read of no bytes means that the peer closed with close_notify. A transport that just ends is an error of kind
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), with [`ErrorKind::Truncated`](crate::ErrorKind::Truncated) in it.
///
/// # Writing
/// What a write has taken was handed to the socket, or will be before anything else; `flush` waits until it was. A
/// write future that is dropped leaves no half of a record behind. Vectored writes gather small slices into full
/// records. `shutdown` sends close_notify and ends the writing half; reading goes on.
///
/// # Dropping
/// A stream that is dropped without `shutdown` sends no close_notify, so the peer sees a truncation; its session stays
/// resumable. After a failure it does not.
///
/// # Errors
/// Errors of reads and writes are `io::Error`s with an [`Error`] inside: [`Error::from_io`] finds it.
pub struct TlsStream<S> {
    connection: Connection<S>,
}

impl<S> TlsStream<S> {
    pub(crate) fn new(connection: Connection<S>) -> TlsStream<S> {
        TlsStream { connection }
    }

    /// What was agreed on, and who the peer is.
    pub fn negotiated(&self) -> Negotiated<'_> {
        self.connection.negotiated()
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        self.connection.get_ref()
    }

    /// The stream below. Reading from it or writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        self.connection.get_mut()
    }

    /// The stream below, and the bytes that were read from it and not yet used.
    ///
    /// Whatever was written and not [flushed](tokio::io::AsyncWriteExt::flush) is lost.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        self.connection.into_parts()
    }

    /// Sets the largest plaintext of the records that are sent from now on: Node's `setMaxSendFragment()`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) outside of 512 to 16384 bytes.
    ///
    /// # OpenSSL
    /// `SSL_set_max_send_fragment`.
    #[doc(alias = "setMaxSendFragment")]
    pub fn set_max_send_fragment(&mut self, bytes: usize) -> Result<(), Error> {
        if sys::set_max_send_fragment(self.connection.ssl_mut(), bytes) {
            return Ok(());
        }
        let text = format!("{bytes} is not within 512 to 16384 bytes");
        Err(Error::config("max_send_fragment", text).with_code("ERR_OUT_OF_RANGE"))
    }

    /// libssl's own object, to read from.
    pub fn as_openssl(&self) -> &SslRef {
        self.connection.ssl()
    }

    /// Whether the peer has sent its close_notify.
    pub fn is_closed_by_peer(&self) -> bool {
        self.connection.is_closed_by_peer()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.connection.poll_read(cx, buf).map_err(io::Error::from)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.poll_write(cx, buf).map_err(io::Error::from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.poll_write_vectored(cx, slices).map_err(io::Error::from)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_flush(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_shutdown(cx).map_err(io::Error::from)
    }
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("negotiated", &self.negotiated())
            .field("io", self.get_ref())
            .finish()
    }
}
