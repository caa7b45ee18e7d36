//! What the `openssl` crate does not tell of a session.

use std::ffi::{CStr, c_int, c_long, c_uchar};
use std::mem::ManuallyDrop;
use std::{ptr, slice};

use foreign_types::ForeignTypeRef;
use openssl::ssl::SslSessionRef;
use openssl::x509::X509Ref;
use openssl_sys as ffi;

use super::decl;
use super::hook::with;

/// Fills the slot for new sessions: `SSL_CTX_sess_set_new_cb`.
pub(super) fn fill_new(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's context is alive; the function has the type that the setter asks for.
    unsafe { ffi::SSL_CTX_sess_set_new_cb(ctx, Some(new)) };
}

/// Fills the slot for sessions that are looked for: `SSL_CTX_sess_set_get_cb`.
pub(super) fn fill_find(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: as in `fill_new`.
    unsafe { ffi::SSL_CTX_sess_set_get_cb(ctx, Some(find)) };
}

unsafe extern "C" fn new(ssl: *mut ffi::SSL, session: *mut ffi::SSL_SESSION) -> c_int {
    // SAFETY: libssl calls this with a live SSL and a live session. The answer 0 leaves it its reference, and the
    // hook gets one of its own.
    unsafe {
        let session = SslSessionRef::from_ptr(session).to_owned();
        with(ssl, (), (), |_, hooks| hooks.new_session(session));
    }
    0
}

unsafe extern "C" fn find(
    ssl: *mut ffi::SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut ffi::SSL_SESSION {
    // SAFETY: libssl calls this with a live SSL, `len` readable bytes, and a place for a number: with 0 there, the
    // reference that is returned is libssl's.
    unsafe {
        *copy = 0;
        let id = slice::from_raw_parts(id, usize::try_from(len).unwrap_or_default());
        match with(ssl, None, None, |_, hooks| hooks.find_session(id)) {
            Some(session) => {
                let session = ManuallyDrop::new(session);
                session.as_ptr()
            }
            None => ptr::null_mut(),
        }
    }
}

/// The ticket that the server gave, if it gave one.
pub(crate) fn ticket(session: &SslSessionRef) -> Option<&[u8]> {
    let (mut start, mut length) = (ptr::null(), 0);
    // SAFETY: the session is alive; the call writes both places and keeps the ticket the session's.
    unsafe {
        if decl::SSL_SESSION_has_ticket(session.as_ptr()) != 1 {
            return None;
        }
        decl::SSL_SESSION_get0_ticket(session.as_ptr(), &mut start, &mut length);
        (!start.is_null() && length > 0).then(|| slice::from_raw_parts(start, length))
    }
}

/// How long the server said that the ticket is good, in seconds; 0 when it did not say.
pub(crate) fn ticket_lifetime_hint(session: &SslSessionRef) -> u64 {
    // SAFETY: the session is alive.
    #[allow(clippy::useless_conversion, reason = "c_ulong has 32 bits on some targets")]
    u64::from(unsafe { decl::SSL_SESSION_get_ticket_lifetime_hint(session.as_ptr()) })
}

/// Whether libssl would offer the session again.
pub(crate) fn is_resumable(session: &SslSessionRef) -> bool {
    // SAFETY: the session is alive.
    unsafe { decl::SSL_SESSION_is_resumable(session.as_ptr()) == 1 }
}

/// The server name that the session was made for.
pub(crate) fn hostname(session: &SslSessionRef) -> Option<&str> {
    // SAFETY: the session is alive and owns the text, which ends with NUL.
    let name = unsafe {
        let name = decl::SSL_SESSION_get0_hostname(session.as_ptr());
        (!name.is_null()).then(|| CStr::from_ptr(name))
    };
    name.and_then(|name| name.to_str().ok())
}

/// The version on the wire, such as 0x0303.
pub(crate) fn protocol(session: &SslSessionRef) -> Option<u16> {
    // SAFETY: the session is alive.
    let version = unsafe { ffi::SSL_SESSION_get_protocol_version(session.as_ptr()) };
    u16::try_from(version).ok()
}

/// The time of creation, in seconds since 1970.
pub(crate) fn created(session: &SslSessionRef) -> c_long {
    // SAFETY: the session is alive.
    unsafe { ffi::SSL_SESSION_get_time(session.as_ptr()) }
}

/// The time of life, in seconds.
pub(crate) fn timeout(session: &SslSessionRef) -> c_long {
    // SAFETY: the session is alive.
    unsafe { ffi::SSL_SESSION_get_timeout(session.as_ptr()) }
}

/// The protocol that the session's connection came to by ALPN: `SSL_SESSION_get0_alpn_selected`.
pub(crate) fn alpn_protocol(session: &SslSessionRef) -> Option<&[u8]> {
    let (mut start, mut length) = (ptr::null(), 0);
    // SAFETY: the session is alive; the call writes both places and keeps the name the session's.
    unsafe {
        decl::SSL_SESSION_get0_alpn_selected(session.as_ptr(), &raw mut start, &raw mut length);
        (!start.is_null() && length > 0).then(|| slice::from_raw_parts(start, length))
    }
}

/// The certificate that the session's server has shown: `SSL_SESSION_get0_peer`.
pub(crate) fn peer(session: &SslSessionRef) -> Option<&X509Ref> {
    // SAFETY: the session is alive and keeps the certificate; the function reads, though its type says that it may write.
    unsafe {
        let peer = decl::SSL_SESSION_get0_peer(session.as_ptr());
        (!peer.is_null()).then(|| X509Ref::from_ptr(peer))
    }
}
