//! Methods on [`SslContextBuilder`].

use std::time::Duration;

use openssl::ssl::SslContextBuilder;
use openssl::stack::Stack;
use openssl::x509::X509Name;

use super::sealed::Sealed;
use super::{Switch, c_string, refused};
use crate::materials::identity::Identity;
use crate::materials::trust::TrustStore;
use crate::sys::{context as sys, extra, psk};
use crate::values::error::Error;

/// What [`SslContextBuilder`] lacks.
pub trait SslContextBuilderExt: Sealed {
    /// Uses the certificates and revocation lists of `trust`, in the one `X509_STORE` that all users of the same roots
    /// share.
    ///
    /// Revocation is only checked once the flags of the verification parameters say so.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the roots cannot be read.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_cert_store`.
    #[doc(alias = "SSL_CTX_set1_cert_store")]
    fn set_shared_trust(&mut self, trust: &TrustStore) -> Result<(), Error>;

    /// Adds a certificate with its key and its own chain.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when libssl refuses the certificate: its key is too small for the security level, or does
    /// not fit.
    ///
    /// # OpenSSL
    /// `SSL_CTX_use_cert_and_key`.
    #[doc(alias = "SSL_CTX_use_cert_and_key")]
    fn use_identity(&mut self, identity: &Identity) -> Result<(), Error>;

    /// Lets libssl pick Diffie-Hellman parameters as strong as the certificate.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when libssl has no DH.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_dh_auto`.
    #[doc(alias = "SSL_CTX_set_dh_auto")]
    fn set_dh_auto(&mut self) -> Result<(), Error>;

    /// Sets the signature algorithms of client authentication.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when a name in the list is unknown.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_client_sigalgs_list`.
    #[doc(alias = "SSL_CTX_set1_client_sigalgs_list")]
    fn set_client_sigalgs(&mut self, list: &str) -> Result<(), Error>;

    /// Sets the largest plaintext of the records that are sent, 512 to 16384 bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) outside of that range.
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

    /// Sets the keys of tickets: 16 bytes of name, 32 of HMAC key, 32 of AES key.
    ///
    /// Servers with the same keys resume each other's sessions.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when libssl has no memory for them.
    ///
    /// # Security
    /// Who has the keys reads every recorded connection of TLS 1.2 and older that was resumed with a ticket. Change them.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_tlsext_ticket_keys`.
    #[doc(alias = "SSL_CTX_set_tlsext_ticket_keys")]
    fn set_ticket_keys(&mut self, keys: &[u8; 80]) -> Result<(), Error>;

    /// The keys of tickets; random ones until they are set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when libssl does not give them.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_tlsext_ticket_keys`.
    #[doc(alias = "SSL_CTX_get_tlsext_ticket_keys")]
    fn ticket_keys(&self) -> Result<[u8; 80], Error>;

    /// Sets the hint that a server gives to clients with a pre-shared key, up to TLS 1.2.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the hint is longer than libssl takes (128 bytes
    /// in 1.1.1, 256 from 3.0 on) or has a NUL byte in it.
    ///
    /// # OpenSSL
    /// `SSL_CTX_use_psk_identity_hint`.
    #[doc(alias = "SSL_CTX_use_psk_identity_hint")]
    fn use_psk_identity_hint(&mut self, hint: &str) -> Result<(), Error>;

    /// Sets the most bytes of certificates that a peer may send. Default: 102400.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_max_cert_list`.
    #[doc(alias = "SSL_CTX_set_max_cert_list")]
    fn set_max_cert_list(&mut self, bytes: usize);

    /// Sets at which size a write is split for several pipelines; at most the largest plaintext of a record.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) beyond that, and for 0.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_split_send_fragment`.
    #[doc(alias = "SSL_CTX_set_split_send_fragment")]
    fn set_split_send_fragment(&mut self, bytes: u16) -> Result<(), Error>;

    /// Pads the records of TLS 1.3 to a multiple of so many bytes (RFC 8446 section 5.4). 0 and 1 pad nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) beyond 16384.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_block_padding`.
    #[doc(alias = "SSL_CTX_set_block_padding")]
    fn set_block_padding(&mut self, bytes: usize) -> Result<(), Error>;

    /// Sets whether connections close without close_notify. Default: off.
    ///
    /// # Security
    /// The peer cannot tell the end from a cut by somebody else (RFC 8446 section 6.1).
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_quiet_shutdown`.
    #[doc(alias = "SSL_CTX_set_quiet_shutdown")]
    fn set_quiet_shutdown(&mut self, quiet: Switch);

    /// Sets whether a client of TLS 1.3 offers to show a certificate after the handshake. Default: off.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_post_handshake_auth`.
    #[doc(alias = "SSL_CTX_set_post_handshake_auth")]
    fn set_post_handshake_auth(&mut self, offer: Switch);

    /// Sets the authorities that are named to the peer: on a server in its CertificateRequest, unless it has a list of
    /// its own (`set_client_ca_list`); on a client in a ClientHello of TLS 1.3. Default: none.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set0_CA_list`.
    #[doc(alias = "SSL_CTX_set0_CA_list")]
    fn set_ca_names(&mut self, names: Stack<X509Name>);
}

impl SslContextBuilderExt for SslContextBuilder {
    fn set_shared_trust(&mut self, trust: &TrustStore) -> Result<(), Error> {
        trust.store()?.install_on(self);
        Ok(())
    }

    fn use_identity(&mut self, identity: &Identity) -> Result<(), Error> {
        sys::use_certificate(self, identity.x509(), identity.key(), identity.extra())
            .map_err(refused("identity"))
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

    fn set_ticket_keys(&mut self, keys: &[u8; 80]) -> Result<(), Error> {
        extra::set_ticket_keys(self, keys).map_err(refused("ticket_keys"))
    }

    fn ticket_keys(&self) -> Result<[u8; 80], Error> {
        extra::ticket_keys(self).map_err(refused("ticket_keys"))
    }

    fn use_psk_identity_hint(&mut self, hint: &str) -> Result<(), Error> {
        psk::use_identity_hint(self, &c_string("psk_hint", hint)?).map_err(refused("psk_hint"))
    }

    fn set_max_cert_list(&mut self, bytes: usize) {
        extra::set_context_max_cert_list(self, bytes);
    }

    fn set_split_send_fragment(&mut self, bytes: u16) -> Result<(), Error> {
        extra::set_split_send_fragment(self, bytes).map_err(refused("split_send_fragment"))
    }

    fn set_block_padding(&mut self, bytes: usize) -> Result<(), Error> {
        extra::set_block_padding(self, bytes).map_err(refused("block_padding"))
    }

    fn set_quiet_shutdown(&mut self, quiet: Switch) {
        extra::set_context_quiet_shutdown(self, quiet.is_on());
    }

    fn set_post_handshake_auth(&mut self, offer: Switch) {
        extra::set_context_post_handshake_auth(self, offer.is_on());
    }

    fn set_ca_names(&mut self, names: Stack<X509Name>) {
        extra::set_context_ca_names(self, names);
    }
}
