//! The application's own judgement of a peer, with as much time as it takes.

use std::future::Future;

use super::resolver::{HookFuture, HookResult};
use crate::materials::certificate::Certificate;
#[cfg(doc)]
use crate::values::verify_code::VerifyCode;

/// A peer that has shown certificates, and what is known of it.
#[derive(Debug, Clone)]
pub struct PeerIdentity {
    pub(crate) host: Option<String>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) error: Option<String>,
}

impl PeerIdentity {
    /// The host that a client means; none on a server.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The peer's certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificates.first()
    }

    /// The chain from the peer's certificate to its root, as far as it could be built.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// What is wrong with the chain or the name, as Node's code: `None` when all is well.
    ///
    /// Only where the configuration reports such findings and does not refuse them.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// Judges a peer beyond its chain and its name: by a list of revoked devices, a pinned key, an account.
///
/// It can only narrow: a peer that the configuration refuses anyway is not brought before it. Where the configuration
/// reports and does not refuse ([`InsecureReport`](crate::ServerVerification::InsecureReport),
/// [`Request`](crate::ClientAuth::Request)), every peer with a certificate is, and the verifier decides alone. Asked in
/// full handshakes, not on resumption. Closures `Fn(PeerIdentity) -> impl Future` are verifiers.
///
/// An error refuses the peer with [`ErrorKind::Unauthorized`](crate::ErrorKind::Unauthorized) and the code
/// `CERT_REJECTED`, and is the source of the error that the connector or acceptor gives. A [`VerifyCode`] as the error is
/// the verdict itself, such as [`VerifyCode::CERT_REVOKED`]: the code is then its, and the alert the one that libssl has
/// for it. A panic is resumed there.
///
/// # When
/// A client decides in the middle of the handshake (OpenSSL 3.0 and newer), and the server gets the alert, which is
/// `bad_certificate` for `CERT_REJECTED`. libssl has no such pause on servers, nor in 1.1.1: there the decision is made when the handshake is
/// over and before anything is said of it. The last messages of the handshake are held back meanwhile, so that a client of
/// TLS 1.2 does not finish it and a client of TLS 1.3 gets no ticket; but the latter believes the handshake done, and
/// sees the connection end.
pub trait PeerVerifier: Send + Sync {
    /// Judges. The future is awaited outside of libssl, within the handshake timeout.
    fn verify(&self, peer: PeerIdentity) -> HookFuture<HookResult<()>>;
}

impl<F, R> PeerVerifier for F
where
    F: Fn(PeerIdentity) -> R + Send + Sync,
    R: Future<Output = HookResult<()>> + Send + 'static,
{
    fn verify(&self, peer: PeerIdentity) -> HookFuture<HookResult<()>> {
        Box::pin(self(peer))
    }
}
