//! NPN, the extension that came before ALPN: the functions that C calls.

use std::ffi::{c_int, c_uchar, c_uint, c_void};
use std::ptr;
use std::slice;

use foreign_types::ForeignTypeRef;
use openssl::ssl::SslRef;
use openssl_sys as ffi;

use super::compat::npn;
use super::hook::with;

/// Makes a server's context advertise what its connections say.
///
/// # Safety
/// `ctx` must be a live SSL_CTX.
pub(super) unsafe fn fill_server(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's contract; the function needs no argument.
    unsafe { npn::SSL_CTX_set_next_protos_advertised_cb(ctx, Some(advertise), ptr::null_mut()) };
}

/// Makes a client's context choose among what servers advertise.
///
/// # Safety
/// `ctx` must be a live SSL_CTX.
pub(super) unsafe fn fill_client(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's contract; the function needs no argument.
    unsafe { npn::SSL_CTX_set_next_proto_select_cb(ctx, Some(select), ptr::null_mut()) };
}

/// The protocol of this connection: `SSL_get0_next_proto_negotiated`.
pub(crate) fn negotiated(ssl: &SslRef) -> Option<&[u8]> {
    let mut name = ptr::null();
    let mut len = 0;
    // SAFETY: the SSL is alive; libssl gives `len` bytes, which it keeps until the next handshake, and that needs the
    // SSL mutably.
    unsafe {
        npn::SSL_get0_next_proto_negotiated(ssl.as_ptr(), &raw mut name, &raw mut len);
        (!name.is_null() && len > 0).then(|| slice::from_raw_parts(name, len as usize))
    }
}

unsafe extern "C" fn advertise(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: libssl calls this with a live SSL and places for the answer, which it copies at once; the connection's
    // configuration holds the list for longer than that.
    unsafe {
        with(ssl, ffi::SSL_TLSEXT_ERR_NOACK, ffi::SSL_TLSEXT_ERR_NOACK, |_, hooks| {
            let Some(own) = hooks.next_protocols() else { return ffi::SSL_TLSEXT_ERR_NOACK };
            *out = own.as_wire().as_ptr();
            *out_len = own.as_wire().len() as c_uint;
            ffi::SSL_TLSEXT_ERR_OK
        })
    }
}

unsafe extern "C" fn select(
    ssl: *mut ffi::SSL,
    out: *mut *mut c_uchar,
    out_len: *mut c_uchar,
    advertised: *const c_uchar,
    advertised_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: libssl calls this with a live SSL, `advertised_len` readable bytes, and places for the answer, which it
    // copies at once and does not write to. The answer points into the server's list or into that of the
    // connection's configuration; a name has at most 255 bytes.
    unsafe {
        with(ssl, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, |_, hooks| {
            let advertised = if advertised_len == 0 {
                &[][..]
            } else {
                slice::from_raw_parts(advertised, advertised_len as usize)
            };
            let Some(own) = hooks.next_protocols() else { return ffi::SSL_TLSEXT_ERR_ALERT_FATAL };
            // The server's order counts. Without one in common a client says its first (draft-agl-tls-nextprotoneg-04,
            // section 4; SSL_select_next_proto(3)).
            let Some(name) = own.first_of(advertised).or_else(|| own.iter().next()) else {
                return ffi::SSL_TLSEXT_ERR_ALERT_FATAL;
            };
            *out = name.as_ptr().cast_mut();
            *out_len = name.len() as c_uchar;
            ffi::SSL_TLSEXT_ERR_OK
        })
    }
}
