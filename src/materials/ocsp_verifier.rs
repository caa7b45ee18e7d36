//! Judging an OCSP response: who signed it, whether that was their right, and whether it still counts.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::certificate::Certificate;
use super::chain_verifier::{ChainVerifier, Purpose};
use super::negotiated::Negotiated;
use super::ocsp::{OcspEntry, OcspResponse, OcspStatus, code, refused};
use super::trust::TrustStore;
use crate::values::error::{Error, ErrorKind};

/// The usage that lets a certificate sign responses in its issuer's place: id-kp-OCSPSigning (RFC 6960 section 4.2.2.2).
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

/// How far the clocks of a responder and of this side may be apart: that of the `openssl ocsp` program.
const TOLERANCE: Duration = Duration::from_secs(300);

/// For how long a response counts that does not say it.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Judges OCSP responses: what a client does with the one that the server has stapled.
///
/// A response is good when it speaks of the certificate, when the certificate's issuer has signed it, or somebody whom the
/// issuer has certified for that (RFC 6960 section 4.2.2.2), when all of them lead to a root of the trust store, and when
/// its times fit. Only then what it says counts.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::{ClientConfig, OcspVerifier, StapleVerdict, TlsConnector, TrustStore};
/// use tokio::net::TcpStream;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let trust = TrustStore::system()?;
/// let config = ClientConfig::builder().trust(trust.clone()).request_ocsp(true).build()?;
/// let tcp = TcpStream::connect(("example.com", 443)).await?;
/// let tls = TlsConnector::new(config).connect("example.com", tcp).await?;
///
/// match OcspVerifier::new(trust).judge(&tls.negotiated()) {
///     StapleVerdict::Good(entry) => println!("not revoked as of {:?}", entry.this_update()),
///     verdict => verdict.check()?, // an error, but for a server that staples nothing and need not
/// }
/// # Ok(())
/// # }
/// ```
///
/// # OpenSSL
/// `OCSP_basic_verify` for the signature, `X509_verify_cert` for the chains. Its `OCSP_check_validity` goes by the
/// system's clock alone; the times are compared here.
#[derive(Debug, Clone)]
#[doc(alias = "OCSP_basic_verify")]
pub struct OcspVerifier {
    trust: TrustStore,
    time: Option<SystemTime>,
    tolerance: Duration,
    max_age: Option<Duration>,
    security_level: Option<u8>,
}

/// What a server's stapled response came to.
#[derive(Debug)]
#[non_exhaustive]
pub enum StapleVerdict {
    /// The certificate is not revoked.
    Good(OcspEntry),
    /// The certificate is revoked.
    Revoked(OcspEntry),
    /// The authority does not know the certificate.
    Unknown(OcspEntry),
    /// The server has stapled nothing.
    Missing {
        /// Whether the certificate says that it must: [`Certificate::must_staple`].
        must_staple: bool,
    },
    /// The response must not be believed; the error says why.
    Invalid(Error),
    /// The server has shown no certificate in this handshake: it has resumed a session, or proved that it has a shared
    /// key. There is nothing to staple to then.
    NotShown,
}

impl StapleVerdict {
    /// Whether there is a response, to be believed, that says that the certificate is good.
    pub const fn is_good(&self) -> bool {
        matches!(self, StapleVerdict::Good(_))
    }

    /// Makes an error of whatever speaks against the certificate: all but [`Good`](StapleVerdict::Good),
    /// [`NotShown`](StapleVerdict::NotShown), and a response that is [missing](StapleVerdict::Missing) where none must be.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] with the code `CERT_REVOKED`, `OCSP_CERT_UNKNOWN`, `OCSP_VERIFY_NEEDED` for a missing
    /// response, or that of the error within [`Invalid`](StapleVerdict::Invalid).
    pub fn check(self) -> Result<(), Error> {
        match self {
            StapleVerdict::Good(_)
            | StapleVerdict::NotShown
            | StapleVerdict::Missing { must_staple: false } => Ok(()),
            StapleVerdict::Revoked(entry) => {
                let text = format!("the server's certificate is {}", entry.status());
                Err(refused(code::CERT_REVOKED, text))
            }
            StapleVerdict::Unknown(_) => {
                let text = "the authority does not know the server's certificate";
                Err(refused(code::OCSP_CERT_UNKNOWN, text.to_owned()))
            }
            StapleVerdict::Missing { must_staple: true } => {
                let text = "the server's certificate asks for a stapled OCSP response, and there is none";
                Err(refused(code::OCSP_VERIFY_NEEDED, text.to_owned()))
            }
            StapleVerdict::Invalid(error) => Err(error),
        }
    }
}

impl OcspVerifier {
    /// Judges by these roots. Revocation lists in the store are not looked at.
    pub fn new(trust: TrustStore) -> OcspVerifier {
        let trust = trust.without_crls();
        OcspVerifier { trust, time: None, tolerance: TOLERANCE, max_age: None, security_level: None }
    }

    /// Sets the time at which the response and all certificates must be valid. Default: now.
    #[must_use]
    pub fn verify_time(mut self, time: SystemTime) -> OcspVerifier {
        self.time = Some(time);
        self
    }

    /// Sets how far the responder's clock and this one may be apart. Default: 300 s.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> OcspVerifier {
        self.tolerance = tolerance;
        self
    }

    /// Sets how old a response may be, whatever it says itself. Default: no limit, and one day for a response without
    /// nextUpdate.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> OcspVerifier {
        self.max_age = Some(age);
        self
    }

    /// Sets the security level, 0 to 5, that keys and signatures of the chains must have. Default: that of new
    /// configurations, which is libssl's.
    #[must_use]
    pub fn security_level(mut self, level: u8) -> OcspVerifier {
        self.security_level = Some(level);
        self
    }

    /// Verifies `response` for `certificate`; `intermediates` are what a peer sends beside it, in any order. The answer is
    /// what the response says, good or not.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] with the code
    ///
    /// - `OCSP_RESP_INVALID`: it says nothing of this certificate;
    /// - `OCSP_SIGNATURE_FAILURE`: the signature does not fit, or the signer's certificate is not there;
    /// - `OCSP_VERIFY_FAILED`: the signer may not speak for the issuer;
    /// - `OCSP_NOT_YET_VALID`, `OCSP_HAS_EXPIRED`: the times do not fit;
    /// - or that of a chain which leads to no root, the certificate's own or the signer's.
    ///
    /// [`ErrorKind::Config`] with the option when a rule cannot be used.
    pub fn verify(
        &self,
        response: &OcspResponse,
        certificate: &Certificate,
        intermediates: &[Certificate],
    ) -> Result<OcspEntry, Error> {
        let time = self.time.unwrap_or_else(SystemTime::now);
        let chains = self.chains(time);
        let chain = chains
            .verify(certificate, intermediates)
            .map_err(|error| error.context("the chain of the certificate itself"))?;
        // Of a root, it is the root.
        let issuer = chain.get(1).unwrap_or(certificate);

        let Some(entry) = response.status_of(certificate, issuer) else {
            let text = format!("the response says nothing of the certificate {}", certificate.subject());
            return Err(refused(code::OCSP_RESP_INVALID, text));
        };
        let signer = response.signer(issuer)?;
        if signer != *issuer {
            check_delegation(&signer, issuer)?;
            chains.verify(&signer, &chain).map_err(|error| {
                error.context(format_args!("the chain of the responder {}", signer.subject()))
            })?;
        }
        self.check_times(&entry, time)?;
        Ok(entry)
    }

    /// Judges what the server of a connection has stapled, and that it has stapled nothing.
    ///
    /// The client must have asked for it: [`request_ocsp`](crate::ConfigBuilder::request_ocsp). With a certificate that
    /// [must be stapled to](Certificate::must_staple), a response that is missing is a failure.
    pub fn judge(&self, negotiated: &Negotiated<'_>) -> StapleVerdict {
        let sent = negotiated.peer_chain();
        match sent.split_first() {
            None => StapleVerdict::NotShown,
            Some(_) if negotiated.session_reused() => StapleVerdict::NotShown,
            Some((certificate, intermediates)) => {
                self.judge_staple(negotiated.ocsp_response().as_deref(), certificate, intermediates)
            }
        }
    }

    /// The same for a response, or none, that came by another way.
    pub fn judge_staple(
        &self,
        staple: Option<&[u8]>,
        certificate: &Certificate,
        intermediates: &[Certificate],
    ) -> StapleVerdict {
        let Some(der) = staple else {
            return StapleVerdict::Missing { must_staple: certificate.must_staple() };
        };
        let verified = OcspResponse::from_der(der)
            .map_err(|error| match error.kind() {
                ErrorKind::Config => refused(code::OCSP_RESP_INVALID, error.message().to_owned()),
                _ => error,
            })
            .and_then(|response| self.verify(&response, certificate, intermediates));
        match verified {
            Err(error) => StapleVerdict::Invalid(error),
            Ok(entry) => match entry.status() {
                OcspStatus::Good => StapleVerdict::Good(entry),
                OcspStatus::Revoked { .. } => StapleVerdict::Revoked(entry),
                OcspStatus::Unknown => StapleVerdict::Unknown(entry),
            },
        }
    }

    fn chains(&self, time: SystemTime) -> ChainVerifier {
        let chains = ChainVerifier::new(self.trust.clone()).purpose(Purpose::Any).verify_time(time);
        match self.security_level {
            Some(level) => chains.security_level(level),
            None => chains,
        }
    }

    fn check_times(&self, entry: &OcspEntry, time: SystemTime) -> Result<(), Error> {
        // A time that cannot be counted is later than all.
        let later = |time: SystemTime, by: Duration| time.checked_add(by);
        if later(time, self.tolerance).is_some_and(|latest| entry.this_update() > latest) {
            let text = "the response counts only from a later time on (thisUpdate)";
            return Err(refused(code::OCSP_NOT_YET_VALID, text.to_owned()));
        }
        let is_past = |end: SystemTime| later(end, self.tolerance).is_some_and(|end| end < time);
        if entry.next_update().is_some_and(is_past) {
            let text = "the response has expired (nextUpdate)";
            return Err(refused(code::OCSP_HAS_EXPIRED, text.to_owned()));
        }
        let age = self.max_age.or(entry.next_update().is_none().then_some(MAX_AGE));
        if let Some(age) = age
            && later(entry.this_update(), age).is_some_and(is_past)
        {
            let text = format!("the response is older than {} s (thisUpdate)", age.as_secs());
            return Err(refused(code::OCSP_HAS_EXPIRED, text));
        }
        Ok(())
    }
}

/// Whether `issuer` lets `signer` sign responses in its place.
fn check_delegation(signer: &Certificate, issuer: &Certificate) -> Result<(), Error> {
    let fail = |why: &str| {
        let text = format!("{} may not sign responses for {}: {why}", signer.subject(), issuer.subject());
        Err(refused(code::OCSP_VERIFY_FAILED, text))
    };
    if !issuer.has_signed(signer) {
        return fail("its certificate is not of that authority");
    }
    if !signer.ext_key_usage().is_some_and(|usages| usages.iter().any(|usage| usage == OCSP_SIGNING)) {
        return fail("its certificate is not for OCSP signing");
    }
    Ok(())
}

/// `good`, `revoked (keyCompromise)`, `unknown`, `missing`, or what is wrong with it.
impl fmt::Display for StapleVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StapleVerdict::Good(entry) | StapleVerdict::Revoked(entry) | StapleVerdict::Unknown(entry) => {
                entry.status().fmt(f)
            }
            StapleVerdict::Missing { must_staple: false } => f.write_str("missing"),
            StapleVerdict::Missing { must_staple: true } => {
                f.write_str("missing, and the certificate asks for it")
            }
            StapleVerdict::Invalid(error) => write!(f, "invalid: {error}"),
            StapleVerdict::NotShown => f.write_str("no certificate was shown"),
        }
    }
}
