//! Methods on [`SslContextBuilder`].

use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;

use super::sealed::Sealed;
use crate::materials::identity::Identity;
use crate::materials::trust::TrustStore;
use crate::sys::context as sys;
use crate::sys::queue::stack_error;
use crate::values::error::{Error, ErrorKind};

/// What [`SslContextBuilder`] lacks.
pub trait SslContextBuilderExt: Sealed {
    /// Uses the certificates and revocation lists of `trust`, in the one `X509_STORE` that all users of the same roots
    /// share.
    ///
    /// Revocation is only checked once the flags of the verification parameters say so.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the roots cannot be read.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_cert_store`.
    #[doc(alias = "SSL_CTX_set1_cert_store")]
    fn set_shared_trust(&mut self, trust: &TrustStore) -> Result<(), Error>;

    /// Adds a certificate with its key and its own chain.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when libssl refuses the certificate: its key is too small for the security level, or does
    /// not fit.
    ///
    /// # OpenSSL
    /// `SSL_CTX_use_cert_and_key`.
    #[doc(alias = "SSL_CTX_use_cert_and_key")]
    fn use_identity(&mut self, identity: &Identity) -> Result<(), Error>;

    /// Lets libssl pick Diffie-Hellman parameters as strong as the certificate.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when libssl has no DH.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_dh_auto`.
    #[doc(alias = "SSL_CTX_set_dh_auto")]
    fn set_dh_auto(&mut self) -> Result<(), Error>;

    /// Sets the signature algorithms of client authentication.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a name in the list is unknown.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_client_sigalgs_list`.
    #[doc(alias = "SSL_CTX_set1_client_sigalgs_list")]
    fn set_client_sigalgs(&mut self, list: &str) -> Result<(), Error>;

    /// Sets the largest plaintext of the records that are sent, 512 to 16384 bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] outside of that range.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_max_send_fragment`.
    #[doc(alias = "SSL_CTX_set_max_send_fragment")]
    fn set_max_send_fragment(&mut self, bytes: u16) -> Result<(), Error>;

    /// Sets how long sessions can be resumed, in whole seconds.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_timeout`.
    #[doc(alias = "SSL_CTX_set_timeout")]
    fn set_session_timeout(&mut self, timeout: Duration);
}

impl SslContextBuilderExt for SslContextBuilder {
    fn set_shared_trust(&mut self, trust: &TrustStore) -> Result<(), Error> {
        trust.store()?.install_on(self);
        Ok(())
    }

    fn use_identity(&mut self, identity: &Identity) -> Result<(), Error> {
        sys::use_certificate(self, identity.x509(), identity.key(), identity.extra()).map_err(refused("identity"))
    }

    fn set_dh_auto(&mut self) -> Result<(), Error> {
        sys::set_dh_auto(self).map_err(refused("dhparam"))
    }

    fn set_client_sigalgs(&mut self, list: &str) -> Result<(), Error> {
        sys::set_client_sigalgs(self, list).map_err(refused("client_sigalgs"))
    }

    fn set_max_send_fragment(&mut self, bytes: u16) -> Result<(), Error> {
        sys::set_max_send_fragment(self, bytes).map_err(refused("max_send_fragment"))
    }

    fn set_session_timeout(&mut self, timeout: Duration) {
        sys::set_session_timeout(self, timeout.as_secs().try_into().unwrap_or(i64::MAX) as _);
    }
}

fn refused(option: &'static str) -> impl Fn(ErrorStack) -> Error {
    move |stack| stack_error(ErrorKind::Config, &stack).with_option(option)
}
