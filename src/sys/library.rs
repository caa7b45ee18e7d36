//! What the libssl in use is and can do, as it tells when it is asked.

use std::ffi::{CStr, c_int};

use openssl::ssl::{SslOptions, SslVersion};
use openssl_sys as ffi;

use super::compat::{self, Scratch};
use super::{compression, decl, queue};
use crate::values::certificate_compression::CertificateCompression;

/// `OpenSSL_version` of one of its numbers; `None` where it has nothing to say.
pub(crate) fn text(kind: c_int) -> Option<&'static str> {
    // SAFETY: the function takes any number and gives a static C string (OpenSSL_version(3)).
    let text = unsafe { CStr::from_ptr(ffi::OpenSSL_version(kind)) };
    text.to_str()
        .ok()
        .filter(|text| !text.is_empty() && !text.ends_with("not available") && !text.contains(": N/A"))
}

/// An SSL_CTX that is asked for what it takes. Nothing of it reaches the process.
pub(crate) struct Probe(Scratch);

impl Probe {
    /// `None` where libssl cannot make an SSL_CTX at all.
    pub(crate) fn new() -> Option<Probe> {
        let scratch = compat::scratch();
        queue::clear();
        let mut scratch = scratch.ok()?;
        scratch.context.set_security_level(0);
        Some(Probe(scratch))
    }

    /// Whether the provider `legacy` can be loaded.
    pub(crate) fn has_legacy_provider(&self) -> bool {
        self.0.has_legacy_provider
    }

    /// Whether a client of that version alone says something.
    pub(crate) fn takes_version(&mut self, version: SslVersion) -> bool {
        let context = &mut self.0.context;
        context.clear_options(SslOptions::NO_SSLV3);
        let taken = context.set_min_proto_version(Some(version)).is_ok()
            && context.set_max_proto_version(Some(version)).is_ok()
            && self.begins();
        let cleared = self.0.context.set_min_proto_version(None).is_ok()
            && self.0.context.set_max_proto_version(None).is_ok();
        queue::clear();
        taken && cleared
    }

    /// Whether a client gets to the point where it waits for the server. That a version was left out of the build is told
    /// here, and not when it is set.
    fn begins(&self) -> bool {
        queue::clear();
        // SAFETY: the context is alive, and the SSL from here to its end; it takes over both BIOs (SSL_set_bio(3)), of which
        // it can do without the one or the other: the handshake then fails.
        unsafe {
            let ssl = ffi::SSL_new(self.0.context.as_ptr());
            if ssl.is_null() {
                return false;
            }
            ffi::SSL_set_bio(ssl, ffi::BIO_new(ffi::BIO_s_mem()), ffi::BIO_new(ffi::BIO_s_mem()));
            ffi::SSL_set_connect_state(ssl);
            let answer = ffi::SSL_do_handshake(ssl);
            let waits = ffi::SSL_get_error(ssl, answer) == ffi::SSL_ERROR_WANT_READ;
            ffi::SSL_free(ssl);
            waits
        }
    }

    /// Whether a cipher string selects anything.
    pub(crate) fn takes_ciphers(&mut self, list: &str) -> bool {
        let taken = self.0.context.set_cipher_list(list).is_ok();
        queue::clear();
        taken
    }

    /// Whether a list of groups is taken.
    pub(crate) fn takes_groups(&mut self, list: &str) -> bool {
        let taken = self.0.context.set_groups_list(list).is_ok();
        queue::clear();
        taken
    }

    /// Whether certificates can be compressed with that algorithm.
    pub(crate) fn compresses_certificates(&mut self, algorithm: CertificateCompression) -> bool {
        let taken = compression::prefer(&mut self.0.context, &[algorithm]).is_ok();
        queue::clear();
        taken
    }

    /// Whether a client's verification can wait for an answer: `SSL_set_retry_verify`.
    pub(crate) fn retries_verification(&self) -> bool {
        // SAFETY: the context is alive, and the SSL from here to its end; the command takes nothing, and one that libssl does
        // not know is answered with 0.
        let answer = unsafe {
            let ssl = ffi::SSL_new(self.0.context.as_ptr());
            if ssl.is_null() {
                return false;
            }
            let answer = ffi::SSL_ctrl(ssl, decl::SSL_CTRL_SET_RETRY_VERIFY, 0, std::ptr::null_mut());
            ffi::SSL_free(ssl);
            answer
        };
        queue::clear();
        answer == 1
    }
}

/// Whether there is a store behind `file:` URIs: `OSSL_STORE_open`.
pub(crate) fn opens_stores() -> bool {
    // SAFETY: the URI is a C string; the rest may be null (OSSL_STORE_open(3)). What was opened is closed.
    let opened = unsafe {
        let null = std::ptr::null_mut();
        let store = decl::OSSL_STORE_open(c"file:/dev/null".as_ptr(), std::ptr::null(), null, None, null);
        if !store.is_null() {
            decl::OSSL_STORE_close(store);
        }
        !store.is_null()
    };
    queue::clear();
    opened
}
