//! The certificate that a connection shows, chosen in the middle of the handshake.

use std::ffi::{c_int, c_void};
use std::ptr;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::pkey::{PKeyRef, Private};
use openssl::ssl::SslRef;
use openssl::stack::StackRef;
use openssl::x509::{X509, X509Name, X509Ref};
use openssl_sys as ffi;

use super::context::stack_of;
use super::decl;
use super::hook::with;

/// The answer when libssl is about to choose a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateAnswer {
    /// It has what it needs.
    Continue,
    /// The answer needs time: libssl returns, the call is made again, and the hook with it.
    Pause,
    Fail,
}

/// Fills the slot for the choice: `SSL_CTX_set_cert_cb`.
pub(super) fn fill(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's context is alive; the function has the type that the setter asks for and no argument.
    unsafe { decl::SSL_CTX_set_cert_cb(ctx, Some(choose), ptr::null_mut()) };
}

unsafe extern "C" fn choose(ssl: *mut ffi::SSL, _: *mut c_void) -> c_int {
    // SAFETY: libssl calls this with a live SSL.
    match unsafe {
        with(ssl, CertificateAnswer::Continue, CertificateAnswer::Fail, |ssl, hooks| hooks.certificate(ssl))
    } {
        CertificateAnswer::Continue => 1,
        CertificateAnswer::Pause => -1,
        CertificateAnswer::Fail => 0,
    }
}

/// Shows this certificate on this connection: `SSL_use_cert_and_key`.
pub(crate) fn show(
    ssl: &mut SslRef,
    leaf: &X509Ref,
    key: &PKeyRef<Private>,
    chain: &[X509],
) -> Result<(), ErrorStack> {
    let stack = stack_of(chain)?;
    let stack_ptr = stack.as_ref().map_or(ptr::null_mut(), |stack| stack.as_ptr());
    // SAFETY: all are alive, and the chain may be NULL; libssl takes references of its own on the certificates, on
    // the key and on the elements of the chain, and copies the stack (SSL_CTX_use_cert_and_key(3)). The first call
    // takes what the context had off this SSL, so that none of that is shown instead.
    let done = unsafe {
        decl::SSL_certs_clear(ssl.as_ptr());
        decl::SSL_use_cert_and_key(ssl.as_ptr(), leaf.as_ptr(), key.as_ptr(), stack_ptr, 1)
    };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// The issuers that the server named when it asked for a certificate: `SSL_get_client_CA_list`.
pub(crate) fn peer_issuers(ssl: &SslRef) -> Option<&StackRef<X509Name>> {
    // SAFETY: the SSL is alive and keeps the list, which is NULL when there is none.
    unsafe {
        let list = decl::SSL_get_client_CA_list(ssl.as_ptr());
        (!list.is_null()).then(|| StackRef::from_ptr(list))
    }
}
