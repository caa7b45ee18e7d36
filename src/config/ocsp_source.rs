//! Where a server's stapled OCSP responses come from.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;

use super::resolver::{HookFuture, HookResult};
use crate::materials::certificate::Certificate;
use crate::materials::ocsp::{self, OcspResponse};
use crate::values::error::{Error, ErrorKind};

/// For which certificate a response is wanted: what Node's event `OCSPRequest` tells.
#[derive(Clone)]
#[doc(alias = "OCSPRequest")]
pub struct OcspRequest {
    certificate: Certificate,
    issuer: Option<Certificate>,
}

impl OcspRequest {
    /// Asks about this certificate: for programs that ask a source by themselves, such as to fill a cache before the first
    /// client comes.
    pub fn new(certificate: Certificate, issuer: Option<Certificate>) -> OcspRequest {
        OcspRequest { certificate, issuer }
    }

    /// The certificate that the server shows.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its issuer: out of the chain that the server shows, or else out of its trust store; `None` where it is in neither.
    pub fn issuer(&self) -> Option<&Certificate> {
        self.issuer.as_ref()
    }

    /// The addresses of the responders that the certificate names, in order (RFC 5280 section 4.2.2.1).
    pub fn responders(&self) -> Vec<String> {
        let places = self.certificate.info_access();
        places
            .into_iter()
            .find(|(method, _)| method == "OCSP - URI")
            .map(|(_, urls)| urls)
            .unwrap_or_default()
    }

    /// The request in DER, as a responder takes it in the body of an HTTP POST with the type `application/ocsp-request`
    /// (RFC 6960 appendix A): for this one certificate, by SHA-1, without nonce and signature.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when the issuer is not known: a request names it;
    /// [`ErrorKind::Unsupported`] where libcrypto was built without OCSP.
    ///
    /// # OpenSSL
    /// `OCSP_cert_to_id`, `i2d_OCSP_REQUEST`
    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        match &self.issuer {
            Some(issuer) => ocsp::request(&self.certificate, issuer),
            None => {
                let text = format!("the issuer of {} is not known", self.certificate.subject());
                Err(Error::new(ErrorKind::State, text))
            }
        }
    }
}

impl fmt::Debug for OcspRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OcspRequest")
            .field("certificate", &format_args!("{}", self.certificate.subject()))
            .field("issuer", &self.issuer.as_ref().map(|issuer| issuer.subject().to_string()))
            .finish()
    }
}

/// Finds the OCSP response that a server staples to its certificate: Node's event `OCSPRequest`, with as much time as it takes.
///
/// Asked in every full handshake of a client that wants one, for each certificate that may be shown; not on resumption. It is
/// asked once a handshake and certificate: [`OcspCache`](crate::OcspCache) keeps the answers. Closures
/// `Fn(OcspRequest) -> impl Future` are sources, and so is an [`OcspResponse`].
///
/// `Ok(None)` staples nothing, and so does an error: what fails here costs the client a question of its own, never the
/// connection. A panic fails the handshake and is resumed in the task that accepts.
///
/// What is answered goes to the client as it is, in DER. From OpenSSL 3.6 on libssl reads it first: bytes that are no response
/// are not sent, nor a response about another certificate, nor any to a certificate that is its own issuer.
pub trait OcspSource: Send + Sync {
    /// Finds the response. The future is awaited outside of libssl, within the handshake timeout.
    fn staple(&self, request: OcspRequest) -> HookFuture<HookResult<Option<Vec<u8>>>>;
}

impl<F, R> OcspSource for F
where
    F: Fn(OcspRequest) -> R + Send + Sync,
    R: Future<Output = HookResult<Option<Vec<u8>>>> + Send + 'static,
{
    fn staple(&self, request: OcspRequest) -> HookFuture<HookResult<Option<Vec<u8>>>> {
        Box::pin(self(request))
    }
}

/// Staples this response, good or expired, to the certificates that it speaks of, and nothing to others.
impl OcspSource for OcspResponse {
    fn staple(&self, request: OcspRequest) -> HookFuture<HookResult<Option<Vec<u8>>>> {
        let found = self.entry(request.certificate(), request.issuer());
        let staple = found.map(|_| self.der().to_vec());
        Box::pin(std::future::ready(Ok::<_, Box<dyn StdError + Send + Sync>>(staple)))
    }
}
