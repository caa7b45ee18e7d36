//! An SSL over a wire or a socket, as a stream of tokio.

use std::ffi::{CString, c_int};
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextRef, SslSession, SslSessionRef};
use openssl_sys as ffi;
use patina_measure::wire::Wire;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::method;

// SAFETY: as in ssl.h of 1.1.1 to 4.0.
unsafe extern "C" {
    fn SSL_set_fd(ssl: *mut ffi::SSL, fd: c_int) -> c_int;
    fn SSL_get1_session(ssl: *mut ffi::SSL) -> *mut ffi::SSL_SESSION;
}

/// A direction of the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Something is to be read.
    In,
    /// Something is to be written.
    Out,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Wire {}
    impl Sealed for super::TcpStream {}
}

/// A transport that libssl can be put on.
pub trait Link: sealed::Sealed + Unpin {
    /// # Safety
    /// `ssl` must be alive, and `self` must stay where it is for as long as it is.
    #[doc(hidden)]
    unsafe fn attach(&self, ssl: *mut ffi::SSL) -> Result<(), ErrorStack>;

    /// Calls `step` until it does not want the transport, or the transport cannot give what it wants. With `after`
    /// the transport is asked first.
    #[doc(hidden)]
    fn poll_step<T>(
        &self,
        cx: &mut Context<'_>,
        after: Option<Flow>,
        step: impl FnMut() -> Result<T, Flow>,
    ) -> Poll<io::Result<T>>;
}

impl Link for Wire {
    /// # Safety
    /// As the trait's.
    unsafe fn attach(&self, ssl: *mut ffi::SSL) -> Result<(), ErrorStack> {
        // SAFETY: the caller's contract.
        unsafe { method::attach(ssl, self) }
    }

    fn poll_step<T>(
        &self,
        _: &mut Context<'_>,
        _: Option<Flow>,
        mut step: impl FnMut() -> Result<T, Flow>,
    ) -> Poll<io::Result<T>> {
        step().map_or(Poll::Pending, |done| Poll::Ready(Ok(done)))
    }
}

impl Link for TcpStream {
    /// # Safety
    /// As the trait's.
    unsafe fn attach(&self, ssl: *mut ffi::SSL) -> Result<(), ErrorStack> {
        // SAFETY: the caller's contract; the descriptor stays open as long as the stream.
        let done = unsafe { SSL_set_fd(ssl, self.as_raw_fd()) };
        if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
    }

    fn poll_step<T>(
        &self,
        cx: &mut Context<'_>,
        after: Option<Flow>,
        mut step: impl FnMut() -> Result<T, Flow>,
    ) -> Poll<io::Result<T>> {
        let mut wanted = match after {
            Some(flow) => flow,
            None => match step() {
                Ok(done) => return Poll::Ready(Ok(done)),
                Err(flow) => flow,
            },
        };
        loop {
            let interest = match wanted {
                Flow::In => {
                    ready!(self.poll_read_ready(cx))?;
                    Interest::READABLE
                }
                Flow::Out => {
                    ready!(self.poll_write_ready(cx))?;
                    Interest::WRITABLE
                }
            };
            let answer = self.try_io(interest, || {
                step().map_err(|flow| {
                    wanted = flow;
                    io::ErrorKind::WouldBlock.into()
                })
            });
            match answer {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                answer => return Poll::Ready(answer),
            }
        }
    }
}

/// An SSL that is freed as a connection that was closed well: its session stays good.
struct RawSsl(*mut ffi::SSL);

impl Drop for RawSsl {
    fn drop(&mut self) {
        // SAFETY: the SSL is alive, and this is the one reference to it.
        unsafe {
            ffi::SSL_set_shutdown(self.0, ffi::SSL_SENT_SHUTDOWN);
            ffi::SSL_free(self.0);
        }
    }
}

/// A TLS connection over `S`. The SSL goes before the transport that it points to.
pub struct RawStream<S> {
    ssl: RawSsl,
    io: Box<S>,
}

impl<S: Link> RawStream<S> {
    /// A client that has not begun: with the name to send and to check, and a session to resume.
    ///
    /// # Errors
    /// When libssl has no memory.
    pub fn client(
        context: &SslContextRef,
        io: S,
        host: &str,
        session: Option<&SslSessionRef>,
    ) -> Result<RawStream<S>, ErrorStack> {
        let stream = RawStream::new(context, io)?;
        let name = CString::new(host).unwrap_or_default();
        // SAFETY: the SSL is alive; the name is copied, and the session's reference taken, by the calls.
        unsafe {
            let ssl = stream.ssl.0;
            ffi::SSL_set_connect_state(ssl);
            ffi::SSL_set_tlsext_host_name(ssl, name.as_ptr().cast_mut());
            ffi::X509_VERIFY_PARAM_set1_host(ffi::SSL_get0_param(ssl), name.as_ptr(), host.len());
            if let Some(session) = session {
                ffi::SSL_set_session(ssl, session.as_ptr());
            }
        }
        Ok(stream)
    }

    /// A server that has not begun.
    ///
    /// # Errors
    /// When libssl has no memory.
    pub fn server(context: &SslContextRef, io: S) -> Result<RawStream<S>, ErrorStack> {
        let stream = RawStream::new(context, io)?;
        // SAFETY: the SSL is alive.
        unsafe { ffi::SSL_set_accept_state(stream.ssl.0) };
        Ok(stream)
    }

    fn new(context: &SslContextRef, io: S) -> Result<RawStream<S>, ErrorStack> {
        // SAFETY: the context is alive; the SSL takes a reference to it.
        let ssl = unsafe { ffi::SSL_new(context.as_ptr()) };
        if ssl.is_null() {
            return Err(ErrorStack::get());
        }
        let stream = RawStream { ssl: RawSsl(ssl), io: Box::new(io) };
        // SAFETY: the transport is in a box of its own, which outlives the SSL.
        unsafe { stream.io.attach(ssl)? };
        Ok(stream)
    }

    /// Calls libssl; `None` is the peer's close_notify.
    fn poll_call(
        &mut self,
        cx: &mut Context<'_>,
        after: Option<Flow>,
        mut call: impl FnMut(*mut ffi::SSL) -> c_int,
    ) -> Poll<io::Result<Option<usize>>> {
        let ssl = self.ssl.0;
        let step = || {
            // SAFETY: the SSL is alive and exclusively ours; nothing else of libssl runs between the call and its error.
            let (ret, why) = unsafe {
                ffi::ERR_clear_error();
                let ret = call(ssl);
                (ret, if ret > 0 { 0 } else { ffi::SSL_get_error(ssl, ret) })
            };
            match (ret, why) {
                (1.., _) => Ok(Ok(Some(ret as usize))),
                (_, ffi::SSL_ERROR_WANT_READ) => Err(Flow::In),
                (_, ffi::SSL_ERROR_WANT_WRITE) => Err(Flow::Out),
                (_, ffi::SSL_ERROR_ZERO_RETURN) => Ok(Ok(None)),
                _ => Ok(Err(io::Error::other(format!("libssl: error {why}, {}", ErrorStack::get())))),
            }
        };
        self.io.poll_step(cx, after, step).map(|answer| answer.and_then(|answer| answer))
    }

    /// `SSL_do_handshake`.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // SAFETY: the SSL is alive and exclusively ours.
        self.poll_call(cx, None, |ssl| unsafe { ffi::SSL_do_handshake(ssl) }).map_ok(drop)
    }

    /// The session, to resume.
    pub fn session(&self) -> Option<SslSession> {
        // SAFETY: the SSL is alive; the reference that the call takes is the caller's.
        unsafe {
            let session = SSL_get1_session(self.ssl.0);
            (!session.is_null()).then(|| SslSession::from_ptr(session))
        }
    }

    /// Whether the handshake was an abbreviated one.
    pub fn is_resumed(&self) -> bool {
        // SAFETY: the SSL is alive.
        unsafe { ffi::SSL_session_reused(self.ssl.0) == 1 }
    }
}

impl<S: Link> AsyncRead for RawStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let space = buf.initialize_unfilled();
        let (start, len) = (space.as_mut_ptr(), space.len().min(c_int::MAX as usize) as c_int);
        // SAFETY: the SSL is alive and exclusively ours; `start` is good for `len` bytes.
        let after = (unsafe { ffi::SSL_pending(self.ssl.0) } == 0).then_some(Flow::In);
        // SAFETY: as above.
        let read = self.poll_call(cx, after, |ssl| unsafe { ffi::SSL_read(ssl, start.cast(), len) });
        let count = ready!(read)?.unwrap_or(0);
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: Link> AsyncWrite for RawStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let len = bytes.len().min(c_int::MAX as usize) as c_int;
        // SAFETY: the SSL is alive and exclusively ours; the bytes are readable.
        let written =
            self.poll_call(cx, None, |ssl| unsafe { ffi::SSL_write(ssl, bytes.as_ptr().cast(), len) });
        written.map_ok(|count| count.unwrap_or(0))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // SAFETY: the SSL is alive and exclusively ours.
        unsafe { ffi::SSL_shutdown(self.ssl.0) };
        Poll::Ready(Ok(()))
    }
}

impl<S> fmt::Debug for RawStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawStream").finish_non_exhaustive()
    }
}
