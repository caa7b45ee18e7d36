//! Judging a certificate chain apart from any connection.

use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

use openssl::ssl::{SslContextBuilder, SslMethod};

use super::certificate::Certificate;
use super::server_identity::check_server_identity;
use super::trust::TrustStore;
use super::verify::{CrlCheck, VerifyFlags, effective_flags, seconds_since_1970};
use crate::sys::queue::{self, stack_error};
use crate::sys::{chain, compat, context};
use crate::values::error::{Error, ErrorKind};

/// What a certificate must be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Purpose {
    /// The server of a TLS connection: what a client asks of its peer.
    #[default]
    Server,
    /// The client of a TLS connection: what a server asks of its peer.
    Client,
    /// Anything: key usages are not looked at. For certificates that are no peer's.
    Any,
}

/// Verifies certificate chains as a connection would, without one: for a certificate that came by another way, or
/// before it is put to use.
///
/// The rules and their names are those of [`ConfigBuilder`](crate::ConfigBuilder). With the rules of a configuration the
/// answer is that of its handshakes, the code of a failure included.
///
/// # Examples
///
/// ```
/// use patina_tls::{ChainVerifier, Identity, TrustStore};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let identity = Identity::self_signed(["localhost"])?;
/// let trust = TrustStore::from_certificates([identity.certificate().clone()]);
///
/// let verifier = ChainVerifier::new(trust).host("localhost");
/// assert_eq!(verifier.verify(identity.certificate(), identity.chain())?.len(), 1);
///
/// let error = verifier.host("elsewhere").verify(identity.certificate(), &[]).unwrap_err();
/// assert_eq!(error.code(), "ERR_TLS_CERT_ALTNAME_INVALID");
/// # Ok(())
/// # }
/// ```
///
/// # OpenSSL
/// `X509_verify_cert`.
#[derive(Clone)]
pub struct ChainVerifier {
    trust: TrustStore,
    purpose: Purpose,
    security_level: Option<u8>,
    crl_check: CrlCheck,
    depth: Option<u32>,
    flags: VerifyFlags,
    time: Option<SystemTime>,
    policies: Vec<String>,
    host: Option<String>,
}

impl ChainVerifier {
    /// Verifies against these roots and revocation lists.
    pub fn new(trust: TrustStore) -> ChainVerifier {
        ChainVerifier {
            trust,
            purpose: Purpose::default(),
            security_level: None,
            crl_check: CrlCheck::default(),
            depth: None,
            flags: VerifyFlags::empty(),
            time: None,
            policies: Vec::new(),
            host: None,
        }
    }

    /// Sets what the certificate must be good for. Default: [`Purpose::Server`].
    ///
    /// # OpenSSL
    /// `X509_STORE_CTX_set_default`.
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> ChainVerifier {
        self.purpose = purpose;
        self
    }

    /// Sets the security level, 0 to 5, that keys and signatures of the chain must have. Default: that of new
    /// configurations, which is libssl's.
    ///
    /// # OpenSSL
    /// `X509_VERIFY_PARAM_set_auth_level`.
    #[must_use]
    pub fn security_level(mut self, level: u8) -> ChainVerifier {
        self.security_level = Some(level);
        self
    }

    /// Sets how much of a chain is checked for revocation, once the trust store has lists. Default: all of it.
    #[must_use]
    pub fn crl_check(mut self, check: CrlCheck) -> ChainVerifier {
        self.crl_check = check;
        self
    }

    /// Sets how many certificates may stand between the certificate and a root. Default: 100.
    ///
    /// # OpenSSL
    /// `X509_VERIFY_PARAM_set_depth`.
    #[must_use]
    pub fn verify_depth(mut self, depth: u32) -> ChainVerifier {
        self.depth = Some(depth);
        self
    }

    /// Adds flags of the verification. Several calls add up.
    ///
    /// # OpenSSL
    /// `X509_VERIFY_PARAM_set_flags`.
    #[must_use]
    pub fn verify_flags(mut self, flags: VerifyFlags) -> ChainVerifier {
        self.flags |= flags;
        self
    }

    /// Sets the time at which chains and revocation lists must be valid. Default: now.
    ///
    /// # OpenSSL
    /// `X509_VERIFY_PARAM_set_time`.
    #[must_use]
    pub fn verify_time(mut self, time: SystemTime) -> ChainVerifier {
        self.time = Some(time);
        self
    }

    /// Adds a certificate policy, as a dotted number, that the chain may be good for (RFC 5280 section 6.1.1, the
    /// user-initial-policy-set). The policies of a chain are then checked. `2.5.29.32.0` is any policy. Default: none, and
    /// policies are checked only with one of the [`VerifyFlags`] for them.
    ///
    /// # OpenSSL
    /// `X509_VERIFY_PARAM_add0_policy`.
    #[must_use]
    pub fn policy(mut self, oid: impl Into<String>) -> ChainVerifier {
        self.policies.push(oid.into());
        self.flags |= VerifyFlags::POLICY_CHECK;
        self
    }

    /// Sets the host, a name or an address, that the certificate must be for, by the rules of
    /// [`check_server_identity`]. Default: none, names are not looked at.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> ChainVerifier {
        self.host = Some(host.into());
        self
    }

    /// Verifies `certificate`; `intermediates` are what a peer would send beside it, in any order. The answer is the
    /// chain from the certificate to its root.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] with Node's code when the chain or the name is not good;
    /// [`ErrorKind::Config`] with the option at fault when a rule cannot be used.
    pub fn verify(
        &self,
        certificate: &Certificate,
        intermediates: &[Certificate],
    ) -> Result<Vec<Certificate>, Error> {
        let level = self.level()?;
        let time = self.time.map(|time| seconds_since_1970("verify_time", time)).transpose()?;
        let policies = self.policies.iter().map(|oid| c_policy(oid)).collect::<Result<Vec<_>, _>>()?;
        let flags = effective_flags(self.flags, self.crl_check, self.trust.has_crls());
        let store = self.trust.store()?;
        let between = intermediates.iter().map(|c| c.as_openssl().to_owned());
        let mut refused = None;

        queue::clear();
        let (leaf, lists) = (certificate.as_openssl(), self.trust.crls());
        let judged = chain::judge(&store, leaf, between, lists, self.default_rules(), |param| {
            param.set_auth_level(level.into());
            param.set_flags(flags)?;
            if let Some(time) = time {
                param.set_time(time);
            }
            if let Some(depth) = self.depth {
                param.set_depth(i32::try_from(depth).unwrap_or(i32::MAX));
            }
            refused = policies.iter().position(|oid| !chain::add_policy(param, oid));
            Ok(())
        });
        if let Some(place) = refused {
            queue::clear();
            return Err(no_policy(&self.policies[place]));
        }
        let judged = judged.map_err(|stack| stack_error(ErrorKind::State, &stack))?;
        let code = compat::verify_code(judged.code);
        if !code.is_ok() {
            queue::clear();
            return Err(Error::new(ErrorKind::Unauthorized, code.to_string()).with_code(code.code()));
        }
        if let Some(host) = &self.host {
            check_server_identity(host, certificate)?;
        }
        Ok(judged.chain.into_iter().map(Certificate::from_x509).collect())
    }

    /// The name of the rules that libssl begins with.
    fn default_rules(&self) -> Option<&'static CStr> {
        match self.purpose {
            Purpose::Server => Some(c"ssl_server"),
            Purpose::Client => Some(c"ssl_client"),
            Purpose::Any => None,
        }
    }

    fn level(&self) -> Result<u8, Error> {
        match self.security_level {
            Some(level @ 0..=5) => Ok(level),
            Some(level) => Err(Error::config("security_level", format!("{level} is not within 0 to 5"))
                .with_code("ERR_OUT_OF_RANGE")),
            None => default_level(),
        }
    }
}

impl fmt::Debug for ChainVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainVerifier")
            .field("trust", &self.trust)
            .field("purpose", &self.purpose)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// The security level of a context that nobody has told one.
fn default_level() -> Result<u8, Error> {
    static LEVEL: OnceLock<u8> = OnceLock::new();
    if let Some(level) = LEVEL.get() {
        return Ok(*level);
    }
    let context = SslContextBuilder::new(SslMethod::tls_client())
        .map_err(|stack| stack_error(ErrorKind::Unsupported, &stack))?;
    let level = u8::try_from(context::security_level(&context)).unwrap_or_default();
    Ok(*LEVEL.get_or_init(|| level))
}

fn c_policy(oid: &str) -> Result<CString, Error> {
    CString::new(oid).map_err(|_| no_policy(oid))
}

fn no_policy(oid: &str) -> Error {
    Error::config("policy", format!("{oid:?} is no object identifier"))
}
