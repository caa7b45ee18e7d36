//! Choosing the certificate of a connection, with as much time as it takes.

use std::future::Future;

use super::resolver::{HookFuture, HookResult};
use crate::materials::distinguished_name::DistinguishedName;
use crate::materials::identity::Identity;

/// What is known when a certificate has to be chosen.
#[derive(Debug, Clone, Default)]
pub struct CertificateQuery {
    pub(crate) server_name: Option<String>,
    pub(crate) issuers: Vec<DistinguishedName>,
    pub(crate) signature_algorithms: Vec<String>,
}

impl CertificateQuery {
    /// The name that the client sent (SNI).
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The issuers that the peer says it trusts, on a client; empty when it names none, and on a server.
    ///
    /// # OpenSSL
    /// `SSL_get_client_CA_list`; RFC 5246 section 7.4.4, RFC 8446 section 4.2.4.
    pub fn issuers(&self) -> &[DistinguishedName] {
        &self.issuers
    }

    /// The signature algorithms that both sides have, in Node's names such as `RSA-PSS+SHA256`; empty before TLS 1.2.
    ///
    /// # OpenSSL
    /// `SSL_get_shared_sigalgs`.
    pub fn signature_algorithms(&self) -> &[String] {
        &self.signature_algorithms
    }
}

/// Chooses the certificate that this side shows.
///
/// A server is asked in every full handshake, a client when the server asks it for a certificate; nobody on resumption.
/// `Ok(None)` is: what the configuration has, which on a client may be none. Closures `Fn(CertificateQuery) -> impl Future`
/// are resolvers.
///
/// A server sends what it chooses as it is: libssl compresses certificates
/// ([`certificate_compression`](crate::ConfigBuilder::certificate_compression)) only before a handshake.
///
/// An error fails the handshake with `internal_error` and is the source of the error that the connector or acceptor
/// gives. A panic is resumed there.
pub trait CertificateResolver: Send + Sync {
    /// Chooses. The future is awaited outside of libssl, within the handshake timeout.
    fn resolve(&self, query: CertificateQuery) -> HookFuture<HookResult<Option<Identity>>>;
}

impl<F, R> CertificateResolver for F
where
    F: Fn(CertificateQuery) -> R + Send + Sync,
    R: Future<Output = HookResult<Option<Identity>>> + Send + 'static,
{
    fn resolve(&self, query: CertificateQuery) -> HookFuture<HookResult<Option<Identity>>> {
        Box::pin(self(query))
    }
}
