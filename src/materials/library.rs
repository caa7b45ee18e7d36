//! The libssl that is in use: its version, its build, its providers, and what it can do.

use std::fmt;
use std::sync::OnceLock;

use openssl::ssl::SslVersion;
use openssl::version;

use crate::sys::compat;
use crate::sys::library::{self as sys, Probe};
use crate::values::certificate_compression::CertificateCompression;

/// Numbers of `OpenSSL_version` (crypto.h) that the `openssl` crate has no function for.
const OPENSSL_ENGINES_DIR: i32 = 5;
const OPENSSL_MODULES_DIR: i32 = 8;
const OPENSSL_CPU_INFO: i32 = 9;

/// Tells which libssl is in use, and what it can do.
///
/// The library has one interface on every libssl from 1.1.1 to 4.0; what the one in use lacks is an error of the kind
/// [`Unsupported`](crate::ErrorKind::Unsupported) where it is asked for. This tells it beforehand. It is asked once, of an
/// `SSL_CTX` of its own, and changes nothing in the process.
///
/// # Examples
///
/// ```
/// use patina_tls::{Capability, ClientConfig, TrustStore};
///
/// let openssl = patina_tls::openssl();
/// println!("{}: SSL 3.0 {}", openssl.text(), openssl.has(Capability::SslV3));
/// let mut client = ClientConfig::builder().trust(TrustStore::empty());
/// if openssl.has(Capability::PostQuantum) {
///     client = client.groups("X25519MLKEM768:X25519:P-256");
/// }
/// client.build()?;
/// # Ok::<(), patina_tls::Error>(())
/// ```
#[doc(alias = "OpenSSL_version")]
pub fn openssl() -> &'static OpenSsl {
    static FOUND: OnceLock<OpenSsl> = OnceLock::new();
    FOUND.get_or_init(OpenSsl::ask)
}

/// What [`openssl()`] tells.
#[derive(Clone)]
pub struct OpenSsl {
    has: Vec<bool>,
    groups: Vec<&'static str>,
    certificate_compression: Vec<CertificateCompression>,
}

/// A provider of libcrypto that is active: what [`OpenSsl::providers`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    name: String,
    description: String,
    version: String,
    build: String,
}

/// Writes the type and the table of names from one list.
macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $needs:literal;)*) => {
        /// Something that one libssl can do and another cannot.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[$doc])* $name,)*
        }

        impl Capability {
            /// All of them.
            pub const ALL: &'static [Capability] = &[$(Capability::$name),*];

            /// A short name, such as `sslv3`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Capability::$name => $text,)*
                }
            }

            /// What has it: versions of OpenSSL, and how it must have been built where not every build has it.
            pub const fn needs(self) -> &'static str {
                match self {
                    $(Capability::$name => $needs,)*
                }
            }
        }
    };
}

capabilities! {
    /// SSL 3.0: [`ProtocolVersion::SSLv3`](crate::ProtocolVersion::SSLv3).
    SslV3 = "sslv3", "OpenSSL 1.1.1 to 3.6 built with enable-ssl3 and enable-ssl3-method";
    /// TLS 1.0.
    TlsV1_0 = "tlsv1.0", "OpenSSL 1.1.1 built without no-tls1";
    /// TLS 1.1.
    TlsV1_1 = "tlsv1.1", "OpenSSL 1.1.1 built without no-tls1_1";
    /// TLS 1.3.
    TlsV1_3 = "tlsv1.3", "OpenSSL 1.1.1 built without no-tls1_3";
    /// Cipher suites with RC4.
    Rc4 = "rc4", "OpenSSL 1.1.1 built with enable-weak-ssl-ciphers; the legacy provider from 3.0 on";
    /// Cipher suites with 3DES.
    TripleDes = "3des", "OpenSSL 1.1.1 built with enable-weak-ssl-ciphers";
    /// Cipher suites with IDEA, of TLS 1.1 and older.
    Idea = "idea", "OpenSSL 1.1.1 built with IDEA; the legacy provider from 3.0 on";
    /// Cipher suites with SEED.
    Seed = "seed", "OpenSSL 1.1.1 built with SEED; the legacy provider from 3.0 on";
    /// Cipher suites with Camellia.
    Camellia = "camellia", "OpenSSL 1.1.1 built with Camellia";
    /// Cipher suites without encryption.
    NullCiphers = "null", "OpenSSL 1.1.1";
    /// Pre-shared keys of TLS 1.2 and older.
    Psk = "psk", "OpenSSL 1.1.1 built without no-psk";
    /// Cipher suites with secure remote passwords.
    Srp = "srp", "OpenSSL 1.1.1 built without no-srp";
    /// Next protocol negotiation, the forerunner of ALPN.
    Npn = "npn", "OpenSSL 1.1.1 built without no-nextprotoneg";
    /// OCSP.
    Ocsp = "ocsp", "OpenSSL 1.1.1 built without no-ocsp";
    /// Groups of ML-KEM with an elliptic curve, such as X25519MLKEM768, against quantum computers to come.
    PostQuantum = "post-quantum", "OpenSSL 3.5";
    /// Engines.
    Engines = "engines", "OpenSSL 1.1.1 to 3.6 built without no-engine";
    /// Providers: [`load_provider`](crate::load_provider).
    Providers = "providers", "OpenSSL 3.0";
    /// The provider `legacy`, with what is out of date: RC4, SEED, IDEA, RC2, MD4.
    LegacyProvider = "legacy-provider", "OpenSSL 3.0 with its module legacy";
    /// Keys by URI: [`Identity::from_store`](crate::Identity::from_store).
    Stores = "stores", "OpenSSL 1.1.1";
    /// A client's verification that can wait for an answer.
    RetryVerify = "retry-verify", "OpenSSL 3.0";
    /// Compression of certificates (RFC 8879): [`certificate_compression`](crate::ConfigBuilder::certificate_compression).
    CertificateCompression = "certificate-compression", "OpenSSL 3.2 built with zlib, brotli or zstd";
    /// Keys without certificates (RFC 7250).
    RawPublicKeys = "raw-public-keys", "OpenSSL 3.2";
    /// Encrypted ClientHellos.
    EncryptedClientHello = "ech", "OpenSSL 4.0 built without no-ech";
    /// Kernel TLS. The library moves the bytes itself and does not use it.
    KernelTls = "ktls", "OpenSSL 3.0 built with enable-ktls";
    /// Messages in words: [`message_trace`](crate::ConfigBuilder::message_trace) gives their content, and not their kind alone.
    Trace = "trace", "OpenSSL 1.1.1 built with enable-ssl-trace, from 3.0 on without no-ssl-trace";
}

/// Groups that a list can name, with the first OpenSSL that has them.
const GROUPS: &[(&str, &str)] = &[
    ("X25519", "1.1.1"),
    ("X448", "1.1.1"),
    ("P-256", "1.1.1"),
    ("P-384", "1.1.1"),
    ("P-521", "1.1.1"),
    ("ffdhe2048", "3.0"),
    ("ffdhe3072", "3.0"),
    ("ffdhe4096", "3.0"),
    ("ffdhe6144", "3.0"),
    ("ffdhe8192", "3.0"),
    ("brainpoolP256r1tls13", "3.2"),
    ("brainpoolP384r1tls13", "3.2"),
    ("brainpoolP512r1tls13", "3.2"),
    ("X25519MLKEM768", "3.5"),
    ("SecP256r1MLKEM768", "3.5"),
    ("SecP384r1MLKEM1024", "3.5"),
    ("MLKEM512", "3.5"),
    ("MLKEM768", "3.5"),
    ("MLKEM1024", "3.5"),
    ("curveSM2MLKEM768", "4.0"),
];

/// The first group of a list that this libssl lacks and a newer one has, with that one's version.
pub(crate) fn missing_group(list: &str) -> Option<(&'static str, &'static str)> {
    list.split([':', '/']).map(|name| name.trim_matches(['?', '*', '-', ' '])).find_map(|name| {
        let known = GROUPS.iter().find(|(group, _)| group.eq_ignore_ascii_case(name))?;
        (!openssl().groups.contains(&known.0)).then_some(*known)
    })
}

impl OpenSsl {
    fn ask() -> OpenSsl {
        let mut probe = Probe::new();
        let has = Capability::ALL.iter().map(|capability| capability.ask(probe.as_mut())).collect();
        let groups = GROUPS.iter().map(|(name, _)| *name);
        let groups = groups.filter(|name| probe.as_mut().is_some_and(|p| p.takes_groups(name))).collect();
        let compression = CertificateCompression::ALL.iter().copied();
        let certificate_compression = compression
            .filter(|algorithm| probe.as_mut().is_some_and(|p| p.compresses_certificates(*algorithm)))
            .collect();
        OpenSsl { has, groups, certificate_compression }
    }

    /// The version as a number, such as `0x3000_0130` for 3.0.19, `0x1010_117f` for 1.1.1w: that of the library which is
    /// loaded.
    ///
    /// # OpenSSL
    /// `OpenSSL_version_num`.
    pub fn number(&self) -> u64 {
        version::number().unsigned_abs()
    }

    /// The version as a number of the headers that this library was compiled with. What a newer libssl brings is used from
    /// the version on that is here.
    ///
    /// # OpenSSL
    /// `OPENSSL_VERSION_NUMBER`.
    pub fn compiled_for(&self) -> u64 {
        u64::from_str_radix(compat::HEADERS, 16).unwrap_or(0)
    }

    /// The version, such as `3.0.19`.
    pub fn version(&self) -> &'static str {
        self.text().split_whitespace().nth(1).unwrap_or_default()
    }

    /// Name, version and date, such as `OpenSSL 3.0.19 27 Jan 2026`.
    ///
    /// # OpenSSL
    /// `OpenSSL_version`, as the next ones.
    pub fn text(&self) -> &'static str {
        version::version()
    }

    /// When it was built, such as `Tue Jan 27 17:58:46 2026 UTC`.
    pub fn built_on(&self) -> &'static str {
        value(version::built_on())
    }

    /// How it was compiled, such as `gcc -fPIC ...`.
    pub fn compiler(&self) -> &'static str {
        value(version::c_flags())
    }

    /// What it was built for, such as `debian-amd64`.
    pub fn platform(&self) -> &'static str {
        value(version::platform())
    }

    /// Where it looks for its configuration and the roots of the system, such as `/usr/lib/ssl`.
    pub fn directory(&self) -> &'static str {
        value(version::dir())
    }

    /// Where it looks for engines. `None` where it has none.
    pub fn engines_directory(&self) -> Option<&'static str> {
        sys::text(OPENSSL_ENGINES_DIR).map(value)
    }

    /// Where it looks for providers. `None` before 3.0.
    pub fn modules_directory(&self) -> Option<&'static str> {
        sys::text(OPENSSL_MODULES_DIR).map(value)
    }

    /// What it knows of the processor, such as `OPENSSL_ia32cap=...`. `None` before 3.0.
    pub fn cpu(&self) -> Option<&'static str> {
        sys::text(OPENSSL_CPU_INFO).map(value)
    }

    /// The providers that are active now, in the order in which they came; none before OpenSSL 3.0.
    ///
    /// # OpenSSL
    /// `OSSL_PROVIDER_do_all`, `OSSL_PROVIDER_get_params`.
    #[doc(alias = "OSSL_PROVIDER_do_all")]
    pub fn providers(&self) -> Vec<Provider> {
        compat::providers()
            .into_iter()
            .map(|[name, description, version, build]| Provider { name, description, version, build })
            .collect()
    }

    /// Whether it can do that.
    pub fn has(&self, capability: Capability) -> bool {
        self.has[capability as usize]
    }

    /// All that is asked for, and whether it can do it.
    pub fn capabilities(&self) -> impl Iterator<Item = (Capability, bool)> {
        Capability::ALL.iter().map(|capability| (*capability, self.has(*capability)))
    }

    /// The groups that it takes, of those that TLS has a use for today.
    pub fn groups(&self) -> &[&'static str] {
        &self.groups
    }

    /// The algorithms that it can compress certificates with, those of
    /// [`certificate_compression`](crate::ConfigBuilder::certificate_compression): what it was built with, from 3.2 on.
    pub fn certificate_compression(&self) -> &[CertificateCompression] {
        &self.certificate_compression
    }
}

/// `platform: debian-amd64` -> `debian-amd64`.
fn value(text: &'static str) -> &'static str {
    text.split_once(": ").map_or(text, |(_, value)| value).trim_matches('"')
}

impl Provider {
    /// Its name, such as `default`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it calls itself, such as `OpenSSL Default Provider`.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Its version: that of OpenSSL for OpenSSL's own.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How it describes its build.
    pub fn build(&self) -> &str {
        &self.build
    }
}

impl Capability {
    /// Asks libssl, or the headers where it cannot be asked.
    fn ask(self, probe: Option<&mut Probe>) -> bool {
        let Some(probe) = probe else { return false };
        match self {
            Capability::SslV3 => probe.takes_version(SslVersion::SSL3),
            Capability::TlsV1_0 => probe.takes_version(SslVersion::TLS1),
            Capability::TlsV1_1 => probe.takes_version(SslVersion::TLS1_1),
            Capability::TlsV1_3 => probe.takes_version(SslVersion::TLS1_3),
            Capability::Rc4 => probe.takes_ciphers("RC4"),
            Capability::TripleDes => probe.takes_ciphers("3DES"),
            Capability::Idea => probe.takes_ciphers("IDEA"),
            Capability::Seed => probe.takes_ciphers("SEED"),
            Capability::Camellia => probe.takes_ciphers("CAMELLIA"),
            Capability::NullCiphers => probe.takes_ciphers("eNULL"),
            Capability::Psk => probe.takes_ciphers("kPSK"),
            Capability::Srp => probe.takes_ciphers("kSRP"),
            Capability::Npn => compat::HAS_NPN,
            Capability::Ocsp => compat::HAS_OCSP,
            Capability::PostQuantum => probe.takes_groups("X25519MLKEM768"),
            Capability::Engines => compat::HAS_ENGINES,
            Capability::Providers => compat::HAS_PROVIDERS,
            Capability::LegacyProvider => probe.has_legacy_provider(),
            Capability::Stores => sys::opens_stores(),
            Capability::RetryVerify => probe.retries_verification(),
            Capability::CertificateCompression => {
                CertificateCompression::ALL.iter().any(|algorithm| probe.compresses_certificates(*algorithm))
            }
            Capability::RawPublicKeys => compat::HAS_RAW_PUBLIC_KEYS,
            Capability::EncryptedClientHello => compat::HAS_ECH,
            Capability::KernelTls => compat::HAS_KTLS,
            Capability::Trace => compat::HAS_TRACE,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for OpenSsl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has: Vec<_> = self.capabilities().filter(|(_, has)| *has).map(|(it, _)| it.name()).collect();
        f.debug_struct("OpenSsl")
            .field("text", &self.text())
            .field("has", &has)
            .field("groups", &self.groups)
            .field("certificate_compression", &self.certificate_compression)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_a_name_of_its_own_and_says_what_it_needs() {
        let names: std::collections::HashSet<_> = Capability::ALL.iter().map(|it| it.name()).collect();
        assert_eq!(names.len(), Capability::ALL.len());
        for (place, capability) in Capability::ALL.iter().enumerate() {
            assert_eq!(*capability as usize, place);
            assert!(capability.needs().starts_with("OpenSSL "), "{capability}");
        }
    }

    #[test]
    fn what_is_asked_agrees_with_what_is_compiled_in() {
        let found = openssl();
        assert_eq!(found.has(Capability::SslV3), compat::HAS_SSLV3);
        assert_eq!(found.has(Capability::RetryVerify), compat::HAS_PROVIDERS, "both came with 3.0");
        assert_eq!(found.number(), found.compiled_for(), "the tests run with what they were compiled for");
    }

    #[test]
    fn asking_leaves_no_provider_behind() {
        let before = openssl().providers();
        OpenSsl::ask();
        assert_eq!(openssl().providers(), before);
    }

    #[test]
    fn a_group_of_a_newer_version_is_found_in_a_list() {
        let newer = (!openssl().has(Capability::PostQuantum)).then_some(("X25519MLKEM768", "3.5"));
        assert_eq!(missing_group("X25519:?x25519mlkem768/P-256"), newer);
        assert_eq!(missing_group("X25519:no-such-group"), None);
    }
}
