//! Which of the selected suites one connection can use.

use std::ops::RangeInclusive;

use crate::generation::Generation;
use crate::suite::{Authentication, Encryption, KeyExchange, Mac, Protocol, Suite};

/// What a connection allows beyond the cipher string: security level, protocol versions and kinds of keys.
///
/// This is what `openssl ciphers -s` asks. The default is a client's: level 1, every version from TLS 1.0 to 1.3, and
/// RSA, ECDSA and DSA certificates, no pre-shared keys and no SRP.
///
/// ```
/// use patina_ciphers::{Filter, Generation, Library, Protocol};
///
/// let library = Library::upstream(Generation::V3_0);
/// let suites = library.evaluate_both(None, "HIGH:!aNULL")?;
/// let filter = Filter::new(Generation::V3_0).security_level(3).versions(Protocol::TLSv1_2..=Protocol::TLSv1_2);
/// assert!(filter.apply(&suites).all(|suite| suite.is_forward_secret() && !suite.is_tls13()));
/// # Ok::<(), patina_ciphers::ParseError>(())
/// ```
///
/// # OpenSSL
/// `SSL_get1_supported_ciphers`, the default security callback (`ssl/ssl_cert.c`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    generation: Generation,
    level: u8,
    first: Protocol,
    last: Protocol,
    keys: u32,
}

impl Filter {
    /// The default filter of a client.
    #[must_use]
    pub fn new(generation: Generation) -> Self {
        Self { generation, level: 1, first: Protocol::TLSv1_0, last: Protocol::TLSv1_3, keys: 0 }
            .key_types(&[Authentication::Rsa, Authentication::Ecdsa, Authentication::Dss])
    }

    /// The security level, 0 to 5; default 1. Higher numbers count as 5.
    #[must_use]
    pub fn security_level(mut self, level: u8) -> Self {
        self.level = level.min(5);
        self
    }

    /// The protocol versions; default TLS 1.0 to TLS 1.3.
    ///
    /// The security level takes old versions away again: from 3.2 on it leaves nothing below TLS 1.2 at level 1.
    #[must_use]
    pub fn versions(mut self, versions: RangeInclusive<Protocol>) -> Self {
        (self.first, self.last) = versions.into_inner();
        self
    }

    /// The kinds of keys there are, for pre-shared keys [`Authentication::Psk`]; default RSA, ECDSA and DSA.
    ///
    /// For a server name its keys. Suites without authentication need none and stay.
    #[must_use]
    pub fn key_types(mut self, keys: &[Authentication]) -> Self {
        self.keys = keys.iter().fold(0, |mask, key| mask | key.bit());
        self
    }

    /// The suites that pass, in their order.
    pub fn apply<'a>(&'a self, suites: &'a [&'static Suite]) -> impl Iterator<Item = &'static Suite> + 'a {
        suites.iter().copied().filter(|suite| self.allows(suite))
    }

    /// Whether a suite passes.
    #[must_use]
    pub fn allows(&self, suite: &Suite) -> bool {
        self.why_not(suite).is_none()
    }

    /// Why a suite does not pass; `None` when it does.
    #[must_use]
    pub fn why_not(&self, suite: &Suite) -> Option<&'static str> {
        if !self.has_key(suite) {
            return Some("there is no key of its kind");
        }
        let Some((first, last)) = self.effective_versions() else {
            return Some("the security level allows none of the protocol versions");
        };
        if suite.min_protocol() > last {
            return Some("it needs a newer protocol version");
        }
        if suite.max_protocol() < first {
            return Some("it needs an older protocol version");
        }
        self.level_objects(suite)
    }

    fn has_key(&self, suite: &Suite) -> bool {
        let psk = self.keys & Authentication::Psk.bit() != 0;
        let authenticated = match suite.auth {
            Authentication::Any | Authentication::Null => true,
            auth => self.keys & auth.bit() != 0,
        };
        let srp = self.keys & Authentication::Srp.bit() != 0;
        authenticated && (psk || !suite.kx.is_psk()) && (srp || suite.kx != KeyExchange::Srp)
    }

    /// The versions that the security level leaves.
    fn effective_versions(&self) -> Option<(Protocol, Protocol)> {
        let floor = if self.generation >= Generation::V3_5 {
            if self.level > 0 { Protocol::TLSv1_2 } else { Protocol::SSLv3 }
        } else {
            match self.level {
                0 | 1 => Protocol::SSLv3,
                2 => Protocol::TLSv1_0,
                3 => Protocol::TLSv1_1,
                _ => Protocol::TLSv1_2,
            }
        };
        // 4.0 has no SSL 3.0 at all.
        let floor = if self.generation >= Generation::V4_0 { floor.max(Protocol::TLSv1_0) } else { floor };
        let first = self.first.max(floor);
        (first <= self.last).then_some((first, self.last))
    }

    fn level_objects(&self, suite: &Suite) -> Option<&'static str> {
        if self.level == 0 {
            return None;
        }
        let bits = match self.level {
            1 => 80,
            2 => 112,
            3 => 128,
            4 => 192,
            _ => 256,
        };
        if suite.strength_bits_in(self.generation) < bits {
            Some("it is too weak for the security level")
        } else if suite.auth == Authentication::Null {
            Some("it is anonymous, which the security level forbids")
        } else if suite.mac == Mac::Md5 {
            Some("it uses MD5, which the security level forbids")
        } else if bits > 160 && suite.mac == Mac::Sha1 {
            Some("it uses SHA-1, which the security level forbids")
        } else if self.level >= 2 && self.generation <= Generation::V3_0 && suite.enc == Encryption::Rc4 {
            Some("it uses RC4, which the security level forbids")
        } else if self.level >= 3 && !suite.is_forward_secret() {
            Some("it has no forward secrecy, which the security level demands")
        } else {
            None
        }
    }
}
