//! What the `openssl` crate's [`SslContextBuilder`] cannot be told, as safe functions on it.

use std::ffi::{CString, c_int, c_long};
use std::ptr;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::pkey::{PKeyRef, Private};
use openssl::ssl::{SslCipher, SslCipherRef, SslContextBuilder, SslMethod};
use openssl::stack::{Stack, StackRef};
use openssl::x509::{X509, X509Ref};
use openssl_sys as ffi;

use super::{compat, decl, dh_provider};

/// A context: `SSL_CTX_new`. Where `quick_dh`, one whose Diffie-Hellman takes no more time than it must, if there is such.
pub(crate) fn new(method: SslMethod, quick_dh: bool) -> Result<SslContextBuilder, ErrorStack> {
    if !(quick_dh && dh_provider::is_there()) {
        return SslContextBuilder::new(method);
    }
    // SAFETY: the method is static and the text ends with NUL; the result is a new context or null.
    let context = unsafe {
        compat::provider::SSL_CTX_new_ex(ptr::null_mut(), dh_provider::PROPERTIES.as_ptr(), method.as_ptr())
    };
    if context.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: not null, and nobody else owns it.
    Ok(unsafe { SslContextBuilder::from_ptr(context) })
}

/// Adds a certificate with its key and its chain: `SSL_CTX_use_cert_and_key`. One of the same key type is replaced.
pub(crate) fn use_certificate(
    context: &mut SslContextBuilder,
    leaf: &X509Ref,
    key: &PKeyRef<Private>,
    chain: &[X509],
) -> Result<(), ErrorStack> {
    let stack = stack_of(chain)?;
    let stack_ptr = stack.as_ref().map_or(ptr::null_mut(), |stack| stack.as_ptr());
    // SAFETY: all are alive, and the chain may be NULL; libssl takes references of its own on the certificates, on
    // the key and on the elements of the chain, and copies the stack (SSL_CTX_use_cert_and_key(3)).
    let done = unsafe {
        decl::SSL_CTX_use_cert_and_key(context.as_ptr(), leaf.as_ptr(), key.as_ptr(), stack_ptr, 1)
    };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// A chain as libssl takes it. An empty one would be sent as it is; without one libssl completes the chain from the roots,
/// as in Node (SSL_CTX_add_extra_chain_cert(3), NOTES).
pub(super) fn stack_of(chain: &[X509]) -> Result<Option<Stack<X509>>, ErrorStack> {
    if chain.is_empty() {
        return Ok(None);
    }
    let mut stack = Stack::new()?;
    for certificate in chain {
        stack.push(certificate.clone())?;
    }
    Ok(Some(stack))
}

/// `SSL_CTX_set1_client_sigalgs_list`.
pub(crate) fn set_client_sigalgs(context: &mut SslContextBuilder, list: &str) -> Result<(), ErrorStack> {
    let list = CString::new(list).unwrap_or_default();
    control(context, decl::SSL_CTRL_SET_CLIENT_SIGALGS_LIST, 0, list.as_ptr().cast_mut().cast())
}

/// `SSL_CTX_set_max_send_fragment`, 512 to 16384 bytes.
pub(crate) fn set_max_send_fragment(context: &mut SslContextBuilder, bytes: u16) -> Result<(), ErrorStack> {
    control(context, decl::SSL_CTRL_SET_MAX_SEND_FRAGMENT, c_long::from(bytes), ptr::null_mut())
}

/// `SSL_CTX_set_timeout`, in seconds.
pub(crate) fn set_session_timeout(context: &mut SslContextBuilder, seconds: c_long) {
    // SAFETY: the context is alive; the function takes a number only.
    unsafe { decl::SSL_CTX_set_timeout(context.as_ptr(), seconds) };
}

/// `SSL_CTX_set_dh_auto`.
pub(crate) fn set_dh_auto(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    control(context, ffi::SSL_CTRL_SET_DH_AUTO, 1, ptr::null_mut())
}

/// `SSL_CTX_get_security_level`.
pub(crate) fn security_level(context: &SslContextBuilder) -> c_int {
    // SAFETY: the context is alive.
    unsafe { ffi::SSL_CTX_get_security_level(context.as_ptr()) }
}

/// The names of the suites that are set, those of TLS 1.3 too: `SSL_CTX_get_ciphers`.
pub(crate) fn cipher_names(context: &SslContextBuilder) -> Vec<&'static str> {
    // SAFETY: the context is alive and keeps the list; names are static.
    unsafe {
        let list = decl::SSL_CTX_get_ciphers(context.as_ptr());
        if list.is_null() {
            return Vec::new();
        }
        StackRef::<SslCipher>::from_ptr(list).iter().map(SslCipherRef::name).collect()
    }
}

/// Takes the suites with one-time Diffie-Hellman out of those of TLS 1.2 and older, unless nothing else is among them.
pub(crate) fn drop_dhe(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let mut kept = Vec::new();
    let mut dropped = false;
    // SAFETY: the context is alive and keeps the list and its suites; names are static.
    unsafe {
        let list = decl::SSL_CTX_get_ciphers(context.as_ptr());
        if list.is_null() {
            return Ok(());
        }
        for suite in StackRef::<SslCipher>::from_ptr(list) {
            match decl::SSL_CIPHER_get_kx_nid(suite.as_ptr()) {
                // Those of TLS 1.3 have a list of their own.
                decl::NID_kx_any => {}
                decl::NID_kx_dhe | decl::NID_kx_dhe_psk => dropped = true,
                _ => kept.push(suite.name()),
            }
        }
    }
    if dropped && !kept.is_empty() { context.set_cipher_list(&kept.join(":")) } else { Ok(()) }
}

fn control(
    context: &mut SslContextBuilder,
    command: c_int,
    number: c_long,
    pointer: *mut std::ffi::c_void,
) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive; each caller in this file gives what its command asks for, and libssl copies it.
    let done = unsafe { ffi::SSL_CTX_ctrl(context.as_ptr(), command, number, pointer) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}
