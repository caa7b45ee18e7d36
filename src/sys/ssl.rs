//! What the `openssl` crate's [`SslRef`] cannot be asked, as safe functions on it.

use std::ffi::c_int;
use std::ptr;
use std::slice;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::ssl::{Ssl, SslCipher, SslContextRef, SslOptions, SslRef, SslSessionRef, SslVersion};
use openssl::stack::StackRef;
use openssl::x509::X509VerifyResult;
use openssl_sys as ffi;

use super::{compat, decl};

/// `SSL_new`, for contexts without callbacks of the `openssl` crate: those need what [`Ssl::new`] keeps for them.
pub(crate) fn new(context: &SslContextRef) -> Result<Ssl, ErrorStack> {
    // SAFETY: the context is alive; the SSL takes a reference of its own to it.
    let ssl = unsafe { ffi::SSL_new(context.as_ptr()) };
    if ssl.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: the SSL is fresh, and nobody else's.
    Ok(unsafe { Ssl::from_ptr(ssl) })
}

/// The body of an extension of the ClientHello that is being processed; only inside the ClientHello callback.
pub(crate) fn hello_extension(ssl: &SslRef, extension: u16) -> Option<&[u8]> {
    let mut body = ptr::null();
    let mut len = 0;
    // SAFETY: the SSL is alive; outside of the callback the function answers 0 (SSL_client_hello_get0_ext(3)). The
    // body lives as long as the ClientHello, which outlives the borrow: no call on the SSL can run during it.
    unsafe {
        if ffi::SSL_client_hello_get0_ext(
            ssl.as_ptr(),
            c_int::from(extension).cast_unsigned(),
            &raw mut body,
            &raw mut len,
        ) != 1
        {
            return None;
        }
        Some(if len == 0 { &[] } else { slice::from_raw_parts(body, len) })
    }
}

/// The types of the ClientHello's extensions, in their order; only inside the ClientHello callback.
pub(crate) fn hello_extension_types(ssl: &SslRef) -> Vec<u16> {
    let mut types: *mut c_int = ptr::null_mut();
    let mut len = 0;
    // SAFETY: the SSL is alive; on success libssl gives an array of `len` numbers that is ours to free.
    unsafe {
        if ffi::SSL_client_hello_get1_extensions_present(ssl.as_ptr(), &raw mut types, &raw mut len) != 1
            || types.is_null()
        {
            return Vec::new();
        }
        let found = slice::from_raw_parts(types, len).iter().map(|t| *t as u16).collect();
        ffi::OPENSSL_free(types.cast());
        found
    }
}

/// What the peer's last Finished message has in it; empty before there is one.
pub(crate) fn peer_finished(ssl: &SslRef) -> Vec<u8> {
    // 64 bytes hold the longest digest.
    let mut digest = [0; 64];
    let len = ssl.peer_finished(&mut digest).min(digest.len());
    digest[..len].to_vec()
}

/// The version in the ClientHello that is being processed; 0x0303 for TLS 1.3, too.
pub(crate) fn hello_version(ssl: &SslRef) -> u16 {
    // SAFETY: the SSL is alive; outside of the callback the function answers 0.
    unsafe { ffi::SSL_client_hello_get0_legacy_version(ssl.as_ptr()) as u16 }
}

/// The options of a context: `SSL_CTX_get_options`.
pub(crate) fn context_options(context: &SslContextRef) -> SslOptions {
    // SAFETY: the context is alive.
    SslOptions::from_bits_retain(unsafe { ffi::SSL_CTX_get_options(context.as_ptr()) })
}

/// The lowest and highest version of a context; `None` is the library's own bound.
pub(crate) fn context_versions(context: &SslContextRef) -> (Option<SslVersion>, Option<SslVersion>) {
    let version = |number: c_int| match number {
        ffi::SSL3_VERSION => Some(SslVersion::SSL3),
        ffi::TLS1_VERSION => Some(SslVersion::TLS1),
        ffi::TLS1_1_VERSION => Some(SslVersion::TLS1_1),
        ffi::TLS1_2_VERSION => Some(SslVersion::TLS1_2),
        ffi::TLS1_3_VERSION => Some(SslVersion::TLS1_3),
        _ => None,
    };
    // SAFETY: the context is alive; the commands take nothing and give a number.
    unsafe {
        (
            version(ffi::SSL_CTX_get_min_proto_version(context.as_ptr())),
            version(ffi::SSL_CTX_get_max_proto_version(context.as_ptr())),
        )
    }
}

/// A number of OpenSSL 3.0 for a verification result in the `openssl` crate's type, with the number that this libssl has.
pub(crate) fn verify_result(number: i32) -> X509VerifyResult {
    // SAFETY: the type is a plain number; texts of unknown ones are "unknown certificate verification error".
    unsafe { X509VerifyResult::from_raw(compat::verify_number(number)) }
}

/// Takes the verification parameters of `context` over: after a swap of the SSL's context.
pub(crate) fn take_verify_param(ssl: &mut SslRef, context: &SslContextRef) -> Result<(), ErrorStack> {
    // SAFETY: both are alive; the parameters are copied. With these flags everything is, flags and unset values
    // included; without them what the old context had set would stay (X509_VERIFY_PARAM_set_flags(3), INHERITANCE
    // FLAGS).
    let done = unsafe {
        let param = ffi::SSL_get0_param(ssl.as_ptr());
        let inherit = decl::X509_VERIFY_PARAM_get_inh_flags(param);
        let all = decl::X509_VP_FLAG_OVERWRITE | decl::X509_VP_FLAG_RESET_FLAGS;
        decl::X509_VERIFY_PARAM_set_inh_flags(param, all);
        let done = decl::X509_VERIFY_PARAM_set1(param, ffi::SSL_CTX_get0_param(context.as_ptr()));
        decl::X509_VERIFY_PARAM_set_inh_flags(param, inherit);
        done
    };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// `SSL_set_max_send_fragment`: false outside of 512 to 16384.
pub(crate) fn set_max_send_fragment(ssl: &mut SslRef, bytes: usize) -> bool {
    let Ok(bytes) = i64::try_from(bytes) else { return false };
    // SAFETY: the SSL is alive; the command takes a number only.
    unsafe {
        ffi::SSL_ctrl(ssl.as_ptr(), decl::SSL_CTRL_SET_MAX_SEND_FRAGMENT, bytes as _, ptr::null_mut()) == 1
    }
}

/// Offers `session` for resumption: `SSL_set_session`.
///
/// The session may come from another context: libssl takes its method over, and both are TLS ones here.
pub(crate) fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: both are alive; the SSL takes a reference of its own. Contexts of this library are all of TLS methods,
    // between which a session can move.
    unsafe { ssl.set_session(session) }
}

/// The peer's one-time key: `SSL_get_peer_tmp_key`.
pub(crate) fn peer_tmp_key(ssl: &SslRef) -> Option<PKey<Public>> {
    let mut key: *mut ffi::EVP_PKEY = ptr::null_mut();
    // SAFETY: the SSL is alive; on success libssl gives a reference that is ours.
    unsafe {
        let done = ffi::SSL_ctrl(
            ssl.as_ptr(),
            decl::SSL_CTRL_GET_PEER_TMP_KEY,
            0,
            (&raw mut key).cast::<std::ffi::c_void>(),
        );
        (done == 1 && !key.is_null()).then(|| PKey::from_ptr(key))
    }
}

/// Whether the peer speaks RFC 5746: `SSL_get_secure_renegotiation_support`.
pub(crate) fn secure_renegotiation(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive; the command takes nothing.
    unsafe { ffi::SSL_ctrl(ssl.as_ptr(), decl::SSL_CTRL_GET_RI_SUPPORT, 0, ptr::null_mut()) == 1 }
}

/// The signature algorithms that both sides have, in order of preference, as (signature, hash):
/// `SSL_get_shared_sigalgs`.
pub(crate) fn shared_sigalgs(ssl: &SslRef) -> Vec<(Nid, Nid)> {
    let null = ptr::null_mut;
    let mut found = Vec::new();
    // SAFETY: the SSL is alive; places that are null are not written. The function reads, though its type says that
    // it may write.
    unsafe {
        let count = decl::SSL_get_shared_sigalgs(
            ssl.as_ptr(),
            0,
            null(),
            null(),
            null(),
            ptr::null_mut(),
            ptr::null_mut(),
        );
        for index in 0..count {
            let (mut sign, mut hash) = (0, 0);
            decl::SSL_get_shared_sigalgs(
                ssl.as_ptr(),
                index,
                &raw mut sign,
                &raw mut hash,
                null(),
                ptr::null_mut(),
                ptr::null_mut(),
            );
            found.push((Nid::from_raw(sign), Nid::from_raw(hash)));
        }
    }
    found
}

/// The suites of a context, in order, whatever the versions and the security level leave of them:
/// `SSL_CTX_get_ciphers`.
pub(crate) fn context_ciphers(context: &SslContextRef) -> Option<&StackRef<SslCipher>> {
    // SAFETY: the context is alive; the stack is its own and lives as long, for nothing changes a finished context.
    unsafe {
        let stack = decl::SSL_CTX_get_ciphers(context.as_ptr());
        if stack.is_null() { None } else { Some(StackRef::from_ptr(stack)) }
    }
}
