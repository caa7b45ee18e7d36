//! An SSL over a [`ByteIo`]: the calls that move bytes, each with a clean error queue and without panics across C.

use std::ffi::c_int;
use std::sync::Arc;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslRef};
use openssl_sys as ffi;
use tokio::io::ReadBuf;

use super::bio::{BioOwner, ByteIo};
use super::decl;
use super::extra;
use super::hook::Hooks;
use super::{queue, renegotiation};
use crate::values::error::Error;

/// Why a call of libssl did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The transport has nothing to read now.
    WantRead,
    /// The transport takes nothing now.
    WantWrite,
    /// A hook answered "not yet".
    Paused,
    /// The peer sent its close_notify.
    Closed,
    /// The transport ended or failed; it knows how.
    Transport,
    /// A hook has panicked: what libssl has written is the alert. [`SslIo::resume_panic`] throws the panic on.
    Panicked,
    /// TLS failed.
    Failed(Error),
}

/// An SSL that may leave its session resumable.
struct OwnedSsl {
    ssl: Ssl,
    keep_session: bool,
}

impl Drop for OwnedSsl {
    fn drop(&mut self) {
        if self.keep_session {
            // SAFETY: the SSL is alive and exclusively ours. libssl now believes that close_notify was sent.
            unsafe {
                let state = ffi::SSL_get_shutdown(self.ssl.as_ptr());
                ffi::SSL_set_shutdown(self.ssl.as_ptr(), state | ffi::SSL_SENT_SHUTDOWN);
            }
        }
    }
}

/// An SSL, its transport and its hooks.
pub(crate) struct SslIo<T> {
    ssl: OwnedSsl,
    bio: BioOwner<T>,
}

impl<T: ByteIo> SslIo<T> {
    /// Joins the three. `ssl` must be fresh; its connect or accept state may be set before or after.
    pub(crate) fn new(mut ssl: Ssl, io: T, hooks: Arc<dyn Hooks>) -> Result<SslIo<T>, ErrorStack> {
        // libssl asks for a record in one read, not in two, and is given no more than one.
        extra::set_read_ahead(&mut ssl, true);
        // Buffers are given back by `free_buffers`, not after each record.
        extra::keep_buffers(&mut ssl);
        let bio = BioOwner::attach(io, ssl.as_ptr(), Some(hooks))?;
        Ok(SslIo { ssl: OwnedSsl { ssl, keep_session: false }, bio })
    }

    /// `SSL_do_handshake`.
    pub(crate) fn handshake(&mut self) -> Result<(), Stop> {
        // It clears the error queue itself.
        // SAFETY: the SSL is alive and exclusively ours.
        self.run(|ssl| unsafe { ffi::SSL_do_handshake(ssl) })
    }

    /// `SSL_read_ex` into the free part of `buf`; the count of bytes read, which is not 0.
    pub(crate) fn read(&mut self, buf: &mut ReadBuf<'_>) -> Result<usize, Stop> {
        let mut read = 0;
        // SAFETY: the free part is writable for its length, and is only ever written by libssl, never de-initialised.
        let space = unsafe { buf.unfilled_mut() };
        // SAFETY: as above; the SSL is alive and exclusively ours.
        self.call(|ssl| unsafe {
            ffi::SSL_read_ex(ssl, space.as_mut_ptr().cast(), space.len(), &raw mut read)
        })?;
        // SAFETY: libssl wrote the first `read` bytes of the free part.
        unsafe { buf.assume_init(read) };
        buf.advance(read);
        Ok(read)
    }

    /// `SSL_write_ex`; `bytes` must not be empty.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let mut written = 0;
        // SAFETY: `bytes` is readable for its length; the SSL is alive and exclusively ours.
        self.call(|ssl| unsafe {
            ffi::SSL_write_ex(ssl, bytes.as_ptr().cast(), bytes.len(), &raw mut written)
        })?;
        Ok(written)
    }

    /// `SSL_read_early_data` into the free part of `buf`, which must not be empty: false when there is no more of it.
    ///
    /// On a server, before [`handshake`](SslIo::handshake), until it says false.
    pub(crate) fn read_early(&mut self, buf: &mut ReadBuf<'_>) -> Result<bool, Stop> {
        let mut read = 0;
        let mut more = false;
        // SAFETY: as in `read`.
        let space = unsafe { buf.unfilled_mut() };
        // SAFETY: as in `read`.
        self.call(|ssl| unsafe {
            let ret = ffi::SSL_read_early_data(ssl, space.as_mut_ptr().cast(), space.len(), &raw mut read);
            more = ret == ffi::SSL_READ_EARLY_DATA_SUCCESS;
            ret
        })?;
        // SAFETY: as in `read`; libssl says 0 bytes at the end.
        unsafe { buf.assume_init(read) };
        buf.advance(read);
        Ok(more)
    }

    /// `SSL_write_early_data`, of all of `bytes`: on a client before [`handshake`](SslIo::handshake), on a server after
    /// the first [`read_early`](SslIo::read_early) and before the handshake is over.
    pub(crate) fn write_early(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let mut written = 0;
        // SAFETY: as in `write`.
        self.call(|ssl| unsafe {
            ffi::SSL_write_early_data(ssl, bytes.as_ptr().cast(), bytes.len(), &raw mut written)
        })?;
        Ok(written)
    }

    /// `SSL_shutdown`: true when both sides have closed, false when only ours has.
    pub(crate) fn shutdown(&mut self) -> Result<bool, Stop> {
        let mut both = false;
        self.call(|ssl| {
            // SAFETY: the SSL is alive and exclusively ours.
            let ret = unsafe { ffi::SSL_shutdown(ssl) };
            both = ret == 1;
            if ret == 0 { 1 } else { ret }
        })?;
        Ok(both)
    }

    fn call(&mut self, call: impl FnOnce(*mut ffi::SSL) -> c_int) -> Result<(), Stop> {
        queue::clear();
        self.run(call)
    }

    /// A call with a clean error queue.
    fn run(&mut self, call: impl FnOnce(*mut ffi::SSL) -> c_int) -> Result<(), Stop> {
        let ret = call(self.ssl.ssl.as_ptr());
        self.bio.resume_panic();
        if self.has_panicked() {
            queue::clear();
            return Err(Stop::Panicked);
        }
        if ret > 0 {
            return Ok(());
        }
        // SAFETY: the SSL is alive, `ret` is what the last call on it returned, and nothing else of libssl ran on
        // this thread since, so that the error queue is that call's.
        let why = unsafe { ffi::SSL_get_error(self.ssl.ssl.as_ptr(), ret) };
        Err(match why {
            ffi::SSL_ERROR_WANT_READ => Stop::WantRead,
            ffi::SSL_ERROR_WANT_WRITE => Stop::WantWrite,
            ffi::SSL_ERROR_ZERO_RETURN => Stop::Closed,
            ffi::SSL_ERROR_WANT_X509_LOOKUP
            | decl::SSL_ERROR_WANT_CLIENT_HELLO_CB
            | decl::SSL_ERROR_WANT_RETRY_VERIFY => Stop::Paused,
            ffi::SSL_ERROR_SSL => Stop::Failed(queue::protocol_error(&ErrorStack::get())),
            _ => {
                queue::clear();
                Stop::Transport
            }
        })
    }
}

impl<T> SslIo<T> {
    pub(crate) fn io(&self) -> &T {
        self.bio.io()
    }

    pub(crate) fn io_mut(&mut self) -> &mut T {
        self.bio.io_mut()
    }

    /// Whether a hook has panicked, and nobody was told.
    fn has_panicked(&self) -> bool {
        self.bio.hooks().is_some_and(|hooks| hooks.parked().is_some())
    }

    /// Throws the panic of a hook on.
    pub(crate) fn resume_panic(&self) {
        if let Some(hooks) = self.bio.hooks() {
            hooks.parked().resume();
        }
    }

    pub(crate) fn ssl(&self) -> &SslRef {
        &self.ssl.ssl
    }

    pub(crate) fn ssl_mut(&mut self) -> &mut SslRef {
        &mut self.ssl.ssl
    }

    /// Frees the SSL and gives the transport back.
    pub(crate) fn into_io(self) -> T {
        self.bio.into_io()
    }

    /// Gives libssl's record buffers back, when there is nothing in them: `SSL_free_buffers`.
    ///
    /// Before 3.0.14 and in 1.1.1 libssl does not see by itself that it has half a record, or that of a whole one not all was
    /// read, and uses the buffer after (CVE-2024-4741).
    pub(crate) fn free_buffers(&mut self) {
        if self.bio.is_between_records() && !extra::has_pending(self.ssl()) {
            // SAFETY: the SSL is alive and exclusively ours. All records that libssl was given are whole, and none of them waits
            // to be read; it never has half a write, for the transport takes all. It makes new buffers when it needs them.
            unsafe { decl::SSL_free_buffers(self.ssl.ssl.as_ptr()) };
        }
    }

    /// Whether a read can do nothing but wait for a record: no part of one is in libssl's hands, no handshake is under way,
    /// the peer has not closed, and no panic is to be told of.
    pub(crate) fn is_at_rest(&self) -> bool {
        let ssl = self.ssl();
        !extra::has_pending(ssl)
            && !renegotiation::in_init(ssl)
            && !self.shutdown_state().received
            && !self.has_panicked()
    }

    /// Whether our or the peer's close_notify is on record: `SSL_get_shutdown`.
    pub(crate) fn shutdown_state(&self) -> ShutdownState {
        // SAFETY: the SSL is alive.
        let state = unsafe { ffi::SSL_get_shutdown(self.ssl.ssl.as_ptr()) };
        ShutdownState {
            sent: state & ffi::SSL_SENT_SHUTDOWN != 0,
            received: state & ffi::SSL_RECEIVED_SHUTDOWN != 0,
        }
    }

    /// Sets whether freeing the SSL leaves its session resumable, though close_notify was not sent.
    ///
    /// libssl takes the session of an SSL that it frees without close_notify out of the cache, and marks it, in
    /// whosever hands it is, as not resumable. That is right after a failure, and otherwise costs resumption.
    pub(crate) fn set_keep_session(&mut self, keep: bool) {
        self.ssl.keep_session = keep;
    }
}

/// Which close_notify alerts have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShutdownState {
    pub(crate) sent: bool,
    pub(crate) received: bool,
}
