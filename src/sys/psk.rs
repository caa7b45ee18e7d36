//! Pre-shared keys: the four callbacks of libssl, and the session that stands for a key in TLS 1.3.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint};
use std::ptr;
use std::slice;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;
use openssl::ssl::{SslContextBuilder, SslRef};
use openssl_sys as ffi;

use super::decl;
use super::hook::{PskAnswer, with};
use crate::values::psk::{PreSharedKey, PskHash};

/// `SSL_CTX_use_psk_identity_hint`; the hint has no NUL byte in it.
pub(crate) fn use_identity_hint(context: &mut SslContextBuilder, hint: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive; the hint is a C string, which libssl copies.
    let done = unsafe { decl::SSL_CTX_use_psk_identity_hint(context.as_ptr(), hint.as_ptr()) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Fills the slots of a client's context.
pub(super) fn fill_client(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's context is alive; the functions have the types that the setters ask for.
    unsafe {
        decl::SSL_CTX_set_psk_client_callback(ctx, Some(client));
        decl::SSL_CTX_set_psk_use_session_callback(ctx, Some(use_session));
    }
}

/// Fills the slots of a server's context.
pub(super) fn fill_server(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: as in `fill_client`.
    unsafe {
        decl::SSL_CTX_set_psk_server_callback(ctx, Some(server));
        decl::SSL_CTX_set_psk_find_session_callback(ctx, Some(find_session));
    }
}

/// Fills or empties the slots of one connection: libssl copies those of the context when the SSL is made, so that a
/// swap of contexts does not reach them.
pub(crate) fn set_server_callbacks(ssl: &mut SslRef, on: bool) {
    // SAFETY: the SSL is alive; the functions have the types that the setters ask for.
    unsafe {
        decl::SSL_set_psk_server_callback(ssl.as_ptr(), if on { Some(server) } else { None });
        decl::SSL_set_psk_find_session_callback(ssl.as_ptr(), if on { Some(find_session) } else { None });
    }
}

/// Whether the suite of the handshake in progress has a pre-shared key in it (TLS 1.2 and older).
pub(crate) fn is_negotiated(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive; the suite is static, and so is its name.
    unsafe {
        let cipher = decl::SSL_get_pending_cipher(ssl.as_ptr());
        !cipher.is_null()
            && CStr::from_ptr(ffi::SSL_CIPHER_get_name(cipher)).to_bytes().windows(3).any(|w| w == b"PSK")
    }
}

/// A count that makes libssl fail the handshake with internal_error, and not with unknown_psk_identity.
const TOO_LONG: c_uint = c_uint::MAX;

unsafe extern "C" fn client(
    ssl: *mut ffi::SSL,
    hint: *const c_char,
    identity: *mut c_char,
    identity_max: c_uint,
    key: *mut c_uchar,
    key_max: c_uint,
) -> c_uint {
    // SAFETY: libssl calls this with a live SSL, a C string or null, and places of these sizes, of which the one for
    // the identity has room for a NUL byte beyond `identity_max`.
    unsafe {
        let hint = if hint.is_null() { None } else { Some(CStr::from_ptr(hint).to_bytes()) };
        with(ssl, 0, TOO_LONG, |_, hooks| {
            let Some((name, psk)) = hooks.client_psk(hint) else { return 0 };
            let (name, psk) = (name.as_bytes(), psk.as_bytes());
            if name.len() > identity_max as usize || psk.len() > key_max as usize {
                return TOO_LONG;
            }
            ptr::copy_nonoverlapping(name.as_ptr().cast(), identity, name.len());
            *identity.add(name.len()) = 0;
            ptr::copy_nonoverlapping(psk.as_ptr(), key, psk.len());
            psk.len() as c_uint
        })
    }
}

unsafe extern "C" fn server(
    ssl: *mut ffi::SSL,
    identity: *const c_char,
    key: *mut c_uchar,
    key_max: c_uint,
) -> c_uint {
    // SAFETY: libssl calls this with a live SSL, a C string, and a place of that size.
    unsafe {
        // In TLS 1.3 `find_session` has answered: libssl asks here as well before it takes the identity for a ticket.
        if identity.is_null() || ffi::SSL_version(ssl) == ffi::TLS1_3_VERSION {
            return 0;
        }
        let identity = CStr::from_ptr(identity).to_bytes();
        with(ssl, 0, TOO_LONG, |_, hooks| match hooks.server_psk(identity) {
            PskAnswer::Key(psk) if psk.as_bytes().len() <= key_max as usize => {
                ptr::copy_nonoverlapping(psk.as_bytes().as_ptr(), key, psk.as_bytes().len());
                psk.as_bytes().len() as c_uint
            }
            PskAnswer::Hide => {
                let length = key_max.min(32);
                match rand_bytes(slice::from_raw_parts_mut(key, length as usize)) {
                    Ok(()) => length,
                    Err(_) => TOO_LONG,
                }
            }
            PskAnswer::Unknown => 0,
            PskAnswer::Key(_) | PskAnswer::Failed => TOO_LONG,
        })
    }
}

unsafe extern "C" fn use_session(
    ssl: *mut ffi::SSL,
    digest: *const ffi::EVP_MD,
    identity: *mut *const c_uchar,
    identity_len: *mut usize,
    session: *mut *mut ffi::SSL_SESSION,
) -> c_int {
    // SAFETY: libssl calls this with a live SSL and places for the answer. It copies the identity before it returns to
    // the hooks, which keep it for as long.
    unsafe {
        *session = ptr::null_mut();
        with(ssl, 1, 0, |ssl, hooks| {
            let Some((name, psk)) = hooks.client_psk(None) else { return 1 };
            // After a HelloRetryRequest the suite, and so the hash, is given.
            if !digest.is_null() && ffi::EVP_MD_type(digest) != digest_of(psk.hash()) {
                return 1;
            }
            let made = make_session(ssl, &psk);
            if made.is_null() {
                return 0;
            }
            let name = hooks.keep_identity(name);
            *identity = name.as_ptr();
            *identity_len = name.len();
            *session = made;
            1
        })
    }
}

unsafe extern "C" fn find_session(
    ssl: *mut ffi::SSL,
    identity: *const c_uchar,
    identity_len: usize,
    session: *mut *mut ffi::SSL_SESSION,
) -> c_int {
    // SAFETY: libssl calls this with a live SSL, so many readable bytes, and a place for the answer, which it takes over.
    unsafe {
        *session = ptr::null_mut();
        let identity = slice::from_raw_parts(identity, identity_len);
        with(ssl, 1, 0, |ssl, hooks| {
            let psk = match hooks.server_psk(identity) {
                PskAnswer::Key(psk) => psk,
                PskAnswer::Hide if hooks.is_psk_only() => {
                    let mut random = [0; 32];
                    if rand_bytes(&mut random).is_err() {
                        return 0;
                    }
                    PreSharedKey::new(random)
                }
                PskAnswer::Unknown | PskAnswer::Hide => return 1,
                PskAnswer::Failed => return 0,
            };
            let made = make_session(ssl, &psk);
            if made.is_null() {
                return 0;
            }
            *session = made;
            1
        })
    }
}

fn digest_of(hash: PskHash) -> c_int {
    match hash {
        PskHash::Sha256 => ffi::NID_sha256,
        PskHash::Sha384 => ffi::NID_sha384,
    }
}

/// The session that stands for a key in TLS 1.3; null when libssl refuses.
fn make_session(ssl: &mut SslRef, psk: &PreSharedKey) -> *mut ffi::SSL_SESSION {
    let suite: [u8; 2] = match psk.hash() {
        PskHash::Sha256 => [0x13, 0x01],
        PskHash::Sha384 => [0x13, 0x02],
    };
    // SAFETY: the SSL is alive; the suite is static; the session is fresh, and freed here unless it is complete.
    unsafe {
        let session = decl::SSL_SESSION_new();
        if session.is_null() {
            return session;
        }
        let cipher = decl::SSL_CIPHER_find(ssl.as_ptr(), suite.as_ptr());
        let key = psk.as_bytes();
        let complete = !cipher.is_null()
            && decl::SSL_SESSION_set1_master_key(session, key.as_ptr(), key.len()) == 1
            && decl::SSL_SESSION_set_cipher(session, cipher) == 1
            && decl::SSL_SESSION_set_protocol_version(session, ffi::TLS1_3_VERSION) == 1;
        if complete {
            return session;
        }
        ffi::SSL_SESSION_free(session);
        ptr::null_mut()
    }
}
