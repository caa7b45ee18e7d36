//! A TLS stream over any asynchronous stream.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use openssl::ssl::SslRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::control::TlsControl;
use crate::conn::connection::Connection;
use crate::conn::request::{KeyUpdate, RenegotiateOptions, Request};
use crate::materials::negotiated::Negotiated;
use crate::materials::verify::ClientAuth;
use crate::sys::ssl as sys;
use crate::values::early_data::EarlyDataStatus;
use crate::values::error::Error;
use crate::values::record_sizing::RecordSizing;
use crate::values::secret::Secret;

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
/// What a write has taken was handed to the socket, or will be before anything else, unless
/// [small writes are kept back](TlsStream::set_write_buffering); `flush` waits until it was. A
/// write future that is dropped leaves no half of a record behind. Vectored writes gather small slices into full
/// records. `shutdown` sends close_notify and ends the writing half; reading goes on. It also goes on when the stream below
/// takes nothing more: the next call is told (a read only if it would have to wait), writes and flushes go on to fail, and what
/// the peer has sent before is there to be read, unless it has sent an alert.
///
/// # Dropping
/// A stream that is dropped without `shutdown` sends no close_notify, so the peer sees a truncation; its session stays
/// resumable. After a failure it does not.
///
/// # Errors
/// Errors of reads and writes are `io::Error`s with an [`Error`] inside: [`Error::from_io`] finds it.
pub struct TlsStream<S> {
    connection: Box<Connection<S>>,
}

impl<S> TlsStream<S> {
    pub(crate) fn new(connection: Box<Connection<S>>) -> TlsStream<S> {
        TlsStream { connection }
    }

    /// What was agreed on, and who the peer is.
    pub fn negotiated(&self) -> Negotiated<'_> {
        self.connection.negotiated()
    }

    /// What became of early data: see [`Negotiated::early_data_status`].
    pub fn early_data_status(&self) -> EarlyDataStatus {
        self.negotiated().early_data_status()
    }

    /// Takes the early data that a server has received and accepted; `None` on clients, when none was accepted, and when it was
    /// taken before. It is not in what is read.
    ///
    /// # Security
    /// The client has proved by now that it is there. Its early data may be older nonetheless: see
    /// [`ConfigBuilder::early_data`](crate::ConfigBuilder::early_data).
    ///
    /// # OpenSSL
    /// `SSL_read_early_data`.
    #[doc(alias = "SSL_read_early_data")]
    pub fn take_early_data(&mut self) -> Option<Vec<u8>> {
        self.connection.take_early_data()
    }

    /// Takes the early data of a client that has not reached the server's application, to be sent as ordinary data; `None` when
    /// it has, on servers, and when it was taken before. See
    /// [`ConnectOptions::early_data`](crate::ConnectOptions::early_data).
    pub fn take_unsent_early_data(&mut self) -> Option<Secret> {
        self.connection.take_unsent_early_data()
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

    /// Keeps small writes back until there are so many bytes of them, at most 64 KiB, and sends those in full records.
    /// Default: 0, every write is sent at once.
    ///
    /// 16384, one full record, is a good choice for an application that writes in small pieces: each write by itself costs a
    /// record, a system call and, on the other side, a wake-up. What is kept back goes out with the first write that finds no
    /// room for it, with `flush` and `shutdown`, and when a read has to wait for the peer. So whoever writes a request and
    /// reads the answer needs no `flush`; whoever writes and then waits for something else does. It is plaintext: it is
    /// overwritten in memory when it is sent. Dropping the stream and [`into_parts`](Self::into_parts) lose it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mut tls: patina_tls::TlsStream<tokio::net::TcpStream>) -> std::io::Result<()> {
    /// use tokio::io::AsyncWriteExt;
    ///
    /// tls.set_write_buffering(16 * 1024);
    /// for line in ["HELO here\r\n", "MAIL FROM:<a@b.example>\r\n"] {
    ///     tls.write_all(line.as_bytes()).await?;
    /// }
    /// tls.flush().await?; // one record, one system call
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_write_buffering(&mut self, bytes: usize) {
        self.connection.set_write_buffering(bytes);
    }

    /// Sets how large the records are that are sent from now on. Default: [`RecordSizing::Full`].
    pub fn set_record_sizing(&mut self, sizing: RecordSizing) {
        self.connection.set_record_sizing(sizing);
    }

    /// Sets whether records are gathered from now on: those of a write sent together, and as many read at a time as have
    /// arrived. Default: yes, because a system call costs more than a copy.
    ///
    /// Without it each record is written by itself and read by itself, its header first, and a read has the bytes of one. From
    /// the stream below nothing is read beyond the record in hand; what was read before is used up first. Large writes through
    /// a pipe in memory ([`tokio::io::duplex`]), where no system call is saved, take 3 % less CPU time so with OpenSSL 3.0, and 5
    /// to 8 % less with 4.0.
    pub fn set_record_gathering(&mut self, gather: bool) {
        self.connection.set_record_gathering(gather);
    }

    /// Has the connection end with `ERR_TLS_RENEGOTIATION_DISABLED` when the peer begins another handshake, whatever its
    /// policy says: Node's `disableRenegotiation()`.
    #[doc(alias = "disableRenegotiation")]
    pub fn disable_renegotiation(&self) {
        self.connection.state().disable_renegotiation();
    }

    /// A handle that asks for handshakes while other tasks read and write.
    pub fn control(&self) -> TlsControl {
        TlsControl::new(Arc::clone(self.connection.state()))
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

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Begins a new handshake and waits until it is over: Node's `renegotiate()`.
    ///
    /// TLS 1.2 and older. Data of the peer that comes in between is kept for the next reads, up to 256 KiB. The
    /// [policy](crate::ConfigBuilder::renegotiation) is about the peer's renegotiations: this side's own are neither
    /// counted nor refused. A dropped future leaves the handshake to the reads and writes that follow.
    ///
    /// On a stream that is split, use [`control`](Self::control).
    ///
    /// # Errors
    /// [`ErrorKind::State`](crate::ErrorKind::State) under TLS 1.3, with the code `ERR_SSL_WRONG_SSL_VERSION`, when an
    /// earlier request is not over, and when the peer sends data without end; the connection is as it was.
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) when the peer refuses, with the code
    /// `ERR_SSL_NO_RENEGOTIATION`, and whatever ends a handshake: that ends the connection.
    ///
    /// # OpenSSL
    /// `SSL_renegotiate`, `SSL_renegotiate_abbreviated`; RFC 5246 section 7.4.1.1, RFC 5746.
    pub async fn renegotiate(&mut self, options: RenegotiateOptions) -> Result<(), Error> {
        self.ask(Request::Renegotiate(options)).await
    }

    /// Asks the client for a certificate, on a server under TLS 1.3, and waits for the outcome: what renegotiation
    /// was used for before.
    ///
    /// The client must have offered it: [`post_handshake_auth`](crate::ConfigBuilder::post_handshake_auth). Data that
    /// comes in between is kept for the next reads, up to 256 KiB. [`Negotiated::authorized`](crate::Negotiated::authorized)
    /// and its companions then tell of the new certificate.
    ///
    /// # Errors
    /// [`ErrorKind::State`](crate::ErrorKind::State) under TLS 1.2 and on a client, with libssl's code, when the client
    /// has not offered it (`ERR_SSL_EXTENSION_NOT_RECEIVED`), and as [`renegotiate`](Self::renegotiate).
    /// [`ErrorKind::Unauthorized`](crate::ErrorKind::Unauthorized) when a certificate is required and none, or a bad
    /// one, is shown: that ends the connection.
    ///
    /// # OpenSSL
    /// `SSL_verify_client_post_handshake`; RFC 8446 section 4.6.2.
    #[doc(alias = "SSL_verify_client_post_handshake")]
    pub async fn authenticate_client(&mut self, auth: ClientAuth) -> Result<(), Error> {
        self.ask(Request::Authenticate(auth)).await
    }

    /// Changes the keys of TLS 1.3; ready when the message is with the socket.
    ///
    /// # Errors
    /// [`ErrorKind::State`](crate::ErrorKind::State) under TLS 1.2, with the code `ERR_SSL_WRONG_SSL_VERSION`.
    ///
    /// # OpenSSL
    /// `SSL_key_update`; RFC 8446 section 4.6.3.
    #[doc(alias = "SSL_key_update")]
    pub async fn update_keys(&mut self, update: KeyUpdate) -> Result<(), Error> {
        self.ask(Request::UpdateKeys(update)).await
    }

    async fn ask(&mut self, request: Request) -> Result<(), Error> {
        self.connection.ask(request)?;
        poll_fn(|cx| self.connection.poll_asked(cx)).await
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
