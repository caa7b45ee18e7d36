//! What an authority says about a certificate at some time: an OCSP response (RFC 6960).

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1TimeRef;
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::version;
use openssl::x509::X509;

use super::certificate::{Certificate, unix_seconds};
use crate::sys::ocsp::{self as sys, BasicResponse, Response, Single};
use crate::sys::{compat, queue};
use crate::values::error::{Error, ErrorKind};

/// What is wrong with a response: libssl's names of it (`X509_V_ERR_...`, some newer than OpenSSL 3.5). But for the last one,
/// Node has none.
pub(super) mod code {
    pub(in crate::materials) const OCSP_RESP_INVALID: &str = "OCSP_RESP_INVALID";
    pub(in crate::materials) const OCSP_SIGNATURE_FAILURE: &str = "OCSP_SIGNATURE_FAILURE";
    pub(in crate::materials) const OCSP_VERIFY_FAILED: &str = "OCSP_VERIFY_FAILED";
    pub(in crate::materials) const OCSP_VERIFY_NEEDED: &str = "OCSP_VERIFY_NEEDED";
    pub(in crate::materials) const OCSP_NOT_YET_VALID: &str = "OCSP_NOT_YET_VALID";
    pub(in crate::materials) const OCSP_HAS_EXPIRED: &str = "OCSP_HAS_EXPIRED";
    pub(in crate::materials) const OCSP_CERT_UNKNOWN: &str = "OCSP_CERT_UNKNOWN";
    pub(in crate::materials) const CERT_REVOKED: &str = "CERT_REVOKED";
}

/// An OCSP response: what an authority, or a responder on its behalf, has signed about one or more certificates.
///
/// A response that was read says nothing about who made it: [`OcspVerifier`](crate::OcspVerifier) judges that. A clone is
/// a new reference. As an [`OcspSource`](crate::OcspSource) it is stapled as it is.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::{Identity, OcspResponse, OcspStatus};
///
/// let identity = Identity::from_pem_files("server.pem", "server.key")?;
/// let response = OcspResponse::from_der_file("server.ocsp.der")?;
/// let entry = response.status_of(identity.certificate(), &identity.chain()[0]);
/// if let Some(entry) = entry {
///     println!("{}, until {:?}", entry.status(), entry.next_update());
///     assert_eq!(entry.status(), OcspStatus::Good);
/// }
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// # OpenSSL
/// `OCSP_RESPONSE`, `OCSP_BASICRESP`
#[derive(Clone)]
#[doc(alias = "OCSP_RESPONSE")]
pub struct OcspResponse(Arc<Contents>);

struct Contents {
    der: Vec<u8>,
    basic: BasicResponse,
}

/// What an authority knows about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OcspStatus {
    /// It is not revoked.
    Good,
    /// It is revoked, or was never issued.
    Revoked {
        /// Since when.
        time: SystemTime,
        /// Why, where the authority says so.
        reason: Option<RevocationReason>,
    },
    /// The authority does not know the certificate.
    Unknown,
}

impl OcspStatus {
    /// Whether it is [`Good`](OcspStatus::Good).
    pub const fn is_good(self) -> bool {
        matches!(self, OcspStatus::Good)
    }
}

/// `good`, `revoked (keyCompromise)`, `unknown`.
impl fmt::Display for OcspStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OcspStatus::Good => f.write_str("good"),
            OcspStatus::Revoked { reason: Some(reason), .. } => write!(f, "revoked ({reason})"),
            OcspStatus::Revoked { reason: None, .. } => f.write_str("revoked"),
            OcspStatus::Unknown => f.write_str("unknown"),
        }
    }
}

/// Writes the reasons and their names from one list.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why a certificate was revoked: the CRLReason of RFC 5280 section 5.3.1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RevocationReason {
            $($(#[$doc])* $name,)*
            /// A number that no standard gives a meaning.
            Other(u8),
        }

        impl RevocationReason {
            /// The reason with this number.
            pub const fn from_code(code: u8) -> RevocationReason {
                match code {
                    $($number => RevocationReason::$name,)*
                    other => RevocationReason::Other(other),
                }
            }

            /// The number of RFC 5280.
            pub const fn code(self) -> u8 {
                match self {
                    $(RevocationReason::$name => $number,)*
                    RevocationReason::Other(code) => code,
                }
            }
        }

        /// The name in RFC 5280, such as `keyCompromise`.
        impl fmt::Display for RevocationReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(RevocationReason::$name => f.write_str($text),)*
                    RevocationReason::Other(code) => write!(f, "reason {code}"),
                }
            }
        }
    };
}

reasons! {
    /// No particular one.
    Unspecified = 0, "unspecified";
    /// The key is known to others.
    KeyCompromise = 1, "keyCompromise";
    /// The key of the authority is known to others.
    CaCompromise = 2, "cACompromise";
    /// The name, or whatever else is said of the subject, has changed.
    AffiliationChanged = 3, "affiliationChanged";
    /// There is a newer certificate.
    Superseded = 4, "superseded";
    /// The certificate is not needed any more.
    CessationOfOperation = 5, "cessationOfOperation";
    /// For the time being.
    CertificateHold = 6, "certificateHold";
    /// It was on hold and is not any more.
    RemoveFromCrl = 8, "removeFromCRL";
    /// A right that it certifies has been withdrawn.
    PrivilegeWithdrawn = 9, "privilegeWithdrawn";
    /// The key of an attribute authority is known to others.
    AaCompromise = 10, "aACompromise";
}

/// What a response says about one certificate, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspEntry {
    status: OcspStatus,
    this_update: SystemTime,
    next_update: Option<SystemTime>,
}

impl OcspEntry {
    /// What is known about the certificate.
    pub const fn status(&self) -> OcspStatus {
        self.status
    }

    /// From when on it is known to be so.
    #[doc(alias = "thisUpdate")]
    pub const fn this_update(&self) -> SystemTime {
        self.this_update
    }

    /// When there will be newer information at the latest; `None` when it can be had at any time.
    #[doc(alias = "nextUpdate")]
    pub const fn next_update(&self) -> Option<SystemTime> {
        self.next_update
    }

    /// `None` for times that are none.
    fn read(single: &Single<'_>) -> Option<OcspEntry> {
        let status = match single.status {
            0 => OcspStatus::Good,
            1 => OcspStatus::Revoked {
                time: system_time(single.revoked?)?,
                reason: u8::try_from(single.reason).ok().map(RevocationReason::from_code),
            },
            _ => OcspStatus::Unknown,
        };
        let next_update = single.next_update.map(system_time);
        if next_update == Some(None) {
            return None;
        }
        Some(OcspEntry {
            status,
            this_update: system_time(single.this_update?)?,
            next_update: next_update.flatten(),
        })
    }
}

impl OcspResponse {
    /// Reads a response in DER.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the code `OCSP_RESP_INVALID` when the bytes are no response, when they are one in which
    /// the responder refuses to answer (`try later`, `unauthorized`, ...), and when it speaks of no certificate;
    /// [`ErrorKind::Unsupported`] where libcrypto was built without OCSP.
    ///
    /// # OpenSSL
    /// `d2i_OCSP_RESPONSE`, `OCSP_response_get1_basic`
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<OcspResponse, Error> {
        check_support()?;
        queue::clear();
        let der = der.as_ref();
        let basic = match sys::parse(der) {
            Ok(Response::Basic(basic)) => basic,
            Ok(Response::Refused(status)) => {
                let text = format!("the responder has not answered: {}", refusal(status));
                return Err(unusable(ErrorKind::Config, text));
            }
            Err(stack) => return Err(unusable(ErrorKind::Config, malformed(&stack))),
        };
        let response = OcspResponse(Arc::new(Contents { der: der.to_vec(), basic }));
        match response.len() {
            0 => Err(unusable(ErrorKind::Config, "the response speaks of no certificate".to_owned())),
            _ => Ok(response),
        }
    }

    /// Reads a file in DER, as `openssl ocsp -respout` writes it.
    ///
    /// # Errors
    /// Those of [`from_der`](Self::from_der), and [`ErrorKind::Io`] when the file cannot be read; all name the file.
    pub fn from_der_file(path: impl AsRef<Path>) -> Result<OcspResponse, Error> {
        let path = path.as_ref();
        let der = std::fs::read(path).map_err(|error| Error::io(error).with_file(path))?;
        OcspResponse::from_der(der).map_err(|error| error.with_file(path))
    }

    /// The response in DER, as it was read.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// When the responder signed it; `None` when that field is no time.
    ///
    /// # OpenSSL
    /// `OCSP_resp_get0_produced_at`
    pub fn produced_at(&self) -> Option<SystemTime> {
        self.0.basic.produced_at().and_then(system_time)
    }

    /// What it says about `certificate` of `issuer`, whoever has signed it; `None` when it says nothing.
    ///
    /// # OpenSSL
    /// `OCSP_id_cmp`, `OCSP_single_get0_status`
    pub fn status_of(&self, certificate: &Certificate, issuer: &Certificate) -> Option<OcspEntry> {
        self.entry(certificate, Some(issuer))
    }

    /// As above; without an issuer, by the serial number alone.
    pub(crate) fn entry(&self, certificate: &Certificate, issuer: Option<&Certificate>) -> Option<OcspEntry> {
        let basic = &self.0.basic;
        let issuer = issuer.map(Certificate::as_openssl);
        (0..self.len())
            .find(|index| basic.is_about(*index, certificate.as_openssl(), issuer))
            .and_then(|index| OcspEntry::read(&basic.single(index)))
    }

    fn len(&self) -> usize {
        self.0.basic.len()
    }

    /// Who says to have signed it, if that is `issuer` or a certificate that came with it, once the signature is good.
    pub(super) fn signer(&self, issuer: &Certificate) -> Result<Certificate, Error> {
        let candidates = candidates(issuer).map_err(|stack| queue::stack_error(ErrorKind::State, &stack))?;
        queue::clear();
        let Some(signer) = self.0.basic.signer(&candidates) else {
            queue::clear();
            let text = format!(
                "the response was signed neither by {} nor by a certificate that came with it",
                issuer.subject()
            );
            return Err(refused(code::OCSP_SIGNATURE_FAILURE, text));
        };
        let signer = Certificate::from_x509(signer);
        self.0.basic.check_signature(&candidates).map_err(|stack| {
            let why = queue::stack_error(ErrorKind::Unauthorized, &stack);
            let text = format!("the signature of {} is not good: {}", signer.subject(), why.message());
            refused(code::OCSP_SIGNATURE_FAILURE, text)
        })?;
        Ok(signer)
    }
}

impl PartialEq for OcspResponse {
    fn eq(&self, other: &OcspResponse) -> bool {
        self.der() == other.der()
    }
}

impl Eq for OcspResponse {}

impl fmt::Debug for OcspResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OcspResponse")
            .field("produced_at", &self.produced_at())
            .field("certificates", &self.len())
            .field("bytes", &self.der().len())
            .finish()
    }
}

/// A request for the status of one certificate, in DER, as a responder takes it.
pub(crate) fn request(certificate: &Certificate, issuer: &Certificate) -> Result<Vec<u8>, Error> {
    check_support()?;
    queue::clear();
    sys::request(certificate.as_openssl(), issuer.as_openssl())
        .map_err(|stack| queue::stack_error(ErrorKind::State, &stack).context("making an OCSP request"))
}

/// Whether this libcrypto has OCSP.
pub(crate) fn check_support() -> Result<(), Error> {
    if compat::HAS_OCSP {
        return Ok(());
    }
    let text = format!("OCSP is not in {}: it needs a build without no-ocsp", version::version());
    Err(Error::unsupported(text))
}

/// A response that must not be believed.
pub(super) fn refused(code: &'static str, text: String) -> Error {
    Error::new(ErrorKind::Unauthorized, text).with_code(code)
}

fn unusable(kind: ErrorKind, text: String) -> Error {
    Error::new(kind, text).with_code(code::OCSP_RESP_INVALID)
}

fn malformed(stack: &ErrorStack) -> String {
    match stack.errors() {
        [] => "these bytes are no OCSP response".to_owned(),
        _ => format!(
            "these bytes are no OCSP response: {}",
            queue::stack_error(ErrorKind::Config, stack).message()
        ),
    }
}

/// RFC 6960 section 4.2.1.
fn refusal(status: i32) -> String {
    match status {
        1 => "malformed request".to_owned(),
        2 => "internal error".to_owned(),
        3 => "try later".to_owned(),
        5 => "the request must be signed".to_owned(),
        6 => "unauthorized".to_owned(),
        other => format!("status {other}"),
    }
}

fn candidates(issuer: &Certificate) -> Result<Stack<X509>, ErrorStack> {
    let mut candidates = Stack::new()?;
    candidates.push(issuer.as_openssl().to_owned())?;
    Ok(candidates)
}

fn system_time(time: &Asn1TimeRef) -> Option<SystemTime> {
    let seconds = unix_seconds(time)?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}
