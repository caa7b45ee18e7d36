//! Methods on [`SslRef`].

use openssl::nid::Nid;
use openssl::ssl::SslRef;

use super::sealed::Sealed;
use crate::sys::ssl as sys;

/// What [`SslRef`] lacks.
pub trait SslRefExt: Sealed {
    /// The signature algorithms that both sides have, in order, as (signature, hash). Empty on a client.
    ///
    /// # OpenSSL
    /// `SSL_get_shared_sigalgs`.
    #[doc(alias = "SSL_get_shared_sigalgs")]
    fn shared_sigalgs(&self) -> Vec<(Nid, Nid)>;

    /// Whether the peer supports secure renegotiation (RFC 5746).
    ///
    /// For TLS 1.3 libssl says yes before 4.0, and no from then on.
    ///
    /// # OpenSSL
    /// `SSL_get_secure_renegotiation_support`.
    #[doc(alias = "SSL_get_secure_renegotiation_support")]
    fn secure_renegotiation(&self) -> bool;

    /// Sets the largest plaintext of the records that are sent; false outside of 512 to 16384 bytes.
    ///
    /// # OpenSSL
    /// `SSL_set_max_send_fragment`.
    #[doc(alias = "SSL_set_max_send_fragment")]
    fn set_max_send_fragment(&mut self, bytes: usize) -> bool;

    /// The body of an extension of the ClientHello; only inside the ClientHello callback.
    ///
    /// # OpenSSL
    /// `SSL_client_hello_get0_ext`.
    #[doc(alias = "SSL_client_hello_get0_ext")]
    fn client_hello_extension(&self, extension: u16) -> Option<&[u8]>;

    /// The types of the ClientHello's extensions, in their order; only inside the ClientHello callback.
    ///
    /// # OpenSSL
    /// `SSL_client_hello_get1_extensions_present`.
    #[doc(alias = "SSL_client_hello_get1_extensions_present")]
    fn client_hello_extensions(&self) -> Vec<u16>;
}

impl SslRefExt for SslRef {
    fn shared_sigalgs(&self) -> Vec<(Nid, Nid)> {
        sys::shared_sigalgs(self)
    }

    fn secure_renegotiation(&self) -> bool {
        sys::secure_renegotiation(self)
    }

    fn set_max_send_fragment(&mut self, bytes: usize) -> bool {
        sys::set_max_send_fragment(self, bytes)
    }

    fn client_hello_extension(&self, extension: u16) -> Option<&[u8]> {
        sys::hello_extension(self, extension)
    }

    fn client_hello_extensions(&self) -> Vec<u16> {
        sys::hello_extension_types(self)
    }
}
