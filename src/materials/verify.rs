//! How the peer's certificate is judged, and the verdict.

use std::time::{SystemTime, UNIX_EPOCH};

use bitflags::bitflags;
use openssl::ssl::SslVerifyMode;
use openssl::x509::verify::X509VerifyFlags;

use crate::values::error::{Error, ErrorKind};
use crate::values::verify_code::VerifyCode;

/// What a client does with a server whose certificate or name it cannot verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ServerVerification {
    /// The handshake fails with [`ErrorKind::Unauthorized`](crate::ErrorKind::Unauthorized) and an alert.
    #[default]
    Require,
    /// The handshake goes on, and [`Negotiated::authorization_error`](crate::Negotiated::authorization_error) tells
    /// what is wrong. Node's `rejectUnauthorized: false`.
    ///
    /// Anybody on the way can read and change what is sent, unless the application judges the certificate itself.
    InsecureReport,
}

/// Whether a server asks its clients for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ClientAuth {
    /// No certificate is asked for.
    #[default]
    None,
    /// One is asked for; a missing or bad one is reported, not refused: the application must look at
    /// [`Negotiated::authorized`](crate::Negotiated::authorized). Node's `requestCert: true, rejectUnauthorized: false`.
    Request,
    /// One is asked for; a bad one fails the handshake, a missing one is reported. nginx's `ssl_verify_client optional`,
    /// libssl's `SSL_VERIFY_PEER` alone.
    Optional,
    /// One is asked for; a missing or bad one fails the handshake. Node's `requestCert: true`.
    Require,
}

impl ClientAuth {
    /// libssl's mode: it refuses a missing certificate where one is required, and our own hooks decide on a bad one.
    pub(crate) fn mode(self) -> SslVerifyMode {
        match self {
            ClientAuth::None => SslVerifyMode::NONE,
            ClientAuth::Request | ClientAuth::Optional => SslVerifyMode::PEER,
            ClientAuth::Require => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        }
    }
}

/// How much of a chain is looked up in the revocation lists, once there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CrlCheck {
    /// The peer's own certificate: `X509_V_FLAG_CRL_CHECK`.
    Leaf,
    /// Every certificate of the chain, so that each issuer needs a list: `X509_V_FLAG_CRL_CHECK_ALL`. As in Node.
    #[default]
    Chain,
}

bitflags! {
    /// Flags of the certificate verification: `X509_VERIFY_PARAM_set_flags(3)`, without its `X509_V_FLAG_` prefix.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct VerifyFlags: u64 {
        /// An unhandled critical extension is ignored. Lowers safety.
        const IGNORE_CRITICAL = 0x10;
        /// Broken certificates are refused more strictly.
        const X509_STRICT = 0x20;
        /// Proxy certificates are allowed (RFC 3820).
        const ALLOW_PROXY_CERTS = 0x40;
        /// Certificate policies are checked (RFC 5280).
        const POLICY_CHECK = 0x80;
        /// Some policy must hold.
        const EXPLICIT_POLICY = 0x100;
        /// anyPolicy does not count.
        const INHIBIT_ANY = 0x200;
        /// Policy mappings do not count.
        const INHIBIT_MAP = 0x400;
        /// Extended CRL features: indirect lists, other signing keys. Indirect ones are found in the trust store, too.
        const EXTENDED_CRL_SUPPORT = 0x1000;
        /// Delta CRLs are used.
        const USE_DELTAS = 0x2000;
        /// The signature of the root is checked, too.
        const CHECK_SS_SIGNATURE = 0x4000;
        /// The store is searched before the peer's certificates.
        const TRUSTED_FIRST = 0x8000;
        /// Suite B, 128-bit level only.
        const SUITEB_128_LOS_ONLY = 0x10000;
        /// Suite B, 192-bit level.
        const SUITEB_192_LOS = 0x20000;
        /// Suite B, 128-bit level and above.
        const SUITEB_128_LOS = 0x30000;
        /// A trusted certificate that is no root ends a chain: Node's `allowPartialTrustChain`.
        const PARTIAL_CHAIN = 0x80000;
        /// No second try with another chain.
        const NO_ALT_CHAINS = 0x100000;
        /// Times are not checked. Lowers safety.
        const NO_CHECK_TIME = 0x200000;
        const _ = !0;
    }
}

/// The flags that libssl gets: with revocation lists at hand, those that make it look into them.
pub(crate) fn effective_flags(flags: VerifyFlags, check: CrlCheck, has_crls: bool) -> X509VerifyFlags {
    let mut flags = X509VerifyFlags::from_bits_retain(flags.bits() as _);
    if has_crls {
        flags |= X509VerifyFlags::CRL_CHECK;
        if check == CrlCheck::Chain {
            flags |= X509VerifyFlags::CRL_CHECK_ALL;
        }
    }
    flags
}

/// A time as libssl counts it: seconds since 1970. `option` is at fault when it cannot be counted.
pub(crate) fn seconds_since_1970(option: &'static str, time: SystemTime) -> Result<libc::time_t, Error> {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|s| -s),
    };
    let counted = seconds.and_then(|s| libc::time_t::try_from(s).ok());
    counted.ok_or_else(|| Error::config(option, "out of range").with_code("ERR_OUT_OF_RANGE"))
}

/// The judgement of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Verdict {
    /// What the chain came to; `None` while it was not judged.
    pub(crate) chain: Option<VerifyCode>,
    /// Why the name does not fit, where it was compared.
    pub(crate) name: Option<Box<NameMismatch>>,
    /// There was nothing to judge: the peer has shown no certificate.
    pub(crate) missing: bool,
}

/// A certificate that is for somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameMismatch {
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Verdict {
    /// The code under which Node reports what is wrong; `None` when all is well or nothing was judged.
    pub(crate) fn code(&self) -> Option<&str> {
        match (&self.chain, &self.name) {
            (Some(chain), _) if !chain.is_ok() => Some(chain.code()),
            (_, Some(name)) => Some(&name.code),
            _ => None,
        }
    }

    /// The same as an error.
    pub(crate) fn error(&self) -> Option<Error> {
        match (&self.chain, &self.name) {
            (Some(chain), _) if !chain.is_ok() => {
                Some(Error::new(ErrorKind::Unauthorized, chain.to_string()).with_code(chain.code()))
            }
            (_, Some(name)) => {
                Some(Error::new(ErrorKind::Unauthorized, name.text.clone()).with_code(name.code.clone()))
            }
            _ => None,
        }
    }

    /// Whether it was judged and found good.
    pub(crate) fn is_good(&self) -> bool {
        self.chain.is_some_and(VerifyCode::is_ok) && self.name.is_none()
    }
}
