//! Methods on [`SslCipherRef`].

use openssl::nid::Nid;
use openssl::ssl::SslCipherRef;

use super::sealed::Sealed;
use crate::sys::extra as sys;

/// What [`SslCipherRef`] lacks.
pub trait SslCipherRefExt: Sealed {
    /// How the key is agreed on, such as `NID_kx_ecdhe`; `NID_kx_any` in TLS 1.3, whose suites do not say.
    ///
    /// # OpenSSL
    /// `SSL_CIPHER_get_kx_nid`.
    #[doc(alias = "SSL_CIPHER_get_kx_nid")]
    fn key_exchange_nid(&self) -> Option<Nid>;

    /// How the server proves itself, such as `NID_auth_rsa`; `NID_auth_any` in TLS 1.3, whose suites do not say.
    ///
    /// # OpenSSL
    /// `SSL_CIPHER_get_auth_nid`.
    #[doc(alias = "SSL_CIPHER_get_auth_nid")]
    fn authentication_nid(&self) -> Option<Nid>;
}

impl SslCipherRefExt for SslCipherRef {
    fn key_exchange_nid(&self) -> Option<Nid> {
        sys::key_exchange(self)
    }

    fn authentication_nid(&self) -> Option<Nid> {
        sys::authentication(self)
    }
}
