//! Methods on [`X509StoreBuilderRef`].

use openssl::x509::X509CrlRef;
use openssl::x509::store::X509StoreBuilderRef;

use super::refused;
use super::sealed::Sealed;
use crate::sys::extra as sys;
use crate::values::error::Error;

/// What [`X509StoreBuilderRef`] lacks.
pub trait X509StoreBuilderRefExt: Sealed {
    /// Adds a revocation list. It is looked at once the flags `CRL_CHECK` or `CRL_CHECK_ALL` are set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when libcrypto refuses it.
    ///
    /// # OpenSSL
    /// `X509_STORE_add_crl`.
    #[doc(alias = "X509_STORE_add_crl")]
    fn add_crl(&mut self, crl: &X509CrlRef) -> Result<(), Error>;
}

impl X509StoreBuilderRefExt for X509StoreBuilderRef {
    fn add_crl(&mut self, crl: &X509CrlRef) -> Result<(), Error> {
        sys::add_crl(self, crl).map_err(refused("crl"))
    }
}
