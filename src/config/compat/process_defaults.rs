//! What Node keeps for the whole process.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openssl::version;
use patina_ciphers::{Generation, Library};

use super::process_flag::{Flags, RootSource};
use crate::materials::keylog::KeyLogFile;
use crate::materials::pairing::certificates_until_unreadable;
use crate::materials::trust::TrustStore;
use crate::values::error::Error;
use crate::values::limit::RenegotiationPolicy;
use crate::values::version::ProtocolVersion;

/// Node's `tls.DEFAULT_CIPHERS`.
pub const DEFAULT_CIPHERS: &str = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:\
    ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA256:DHE-RSA-AES128-SHA256:\
    ECDHE-RSA-AES256-SHA384:DHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-SHA256:DHE-RSA-AES256-SHA256:HIGH:!aNULL:!eNULL:\
    !EXPORT:!DES:!RC4:!MD5:!PSK:!SRP:!CAMELLIA";

/// Node's `tls.DEFAULT_ECDH_CURVE`: libssl's own groups.
pub const DEFAULT_ECDH_CURVE: &str = "auto";

/// Node's `tls.DEFAULT_MIN_VERSION`.
pub const DEFAULT_MIN_VERSION: ProtocolVersion = ProtocolVersion::TLSv1_2;

/// Node's `tls.DEFAULT_MAX_VERSION`.
pub const DEFAULT_MAX_VERSION: ProtocolVersion = ProtocolVersion::TLSv1_3;

/// Node's `tls.CLIENT_RENEG_LIMIT`: renegotiations within [`CLIENT_RENEG_WINDOW`].
pub const CLIENT_RENEG_LIMIT: u32 = 3;

/// Node's `tls.CLIENT_RENEG_WINDOW`.
pub const CLIENT_RENEG_WINDOW: Duration = Duration::from_secs(600);

/// Lists the cipher suites as Node's `tls.getCiphers()` does: lower case, sorted.
///
/// The suites are those of a libssl of the version in use as its makers build it; Node's own libssl is such a build.
#[doc(alias = "getCiphers")]
pub fn node_ciphers() -> Vec<String> {
    // The version number has 32 bits wherever libssl runs.
    let number = u64::from(version::number() as u32);
    let generation = Generation::from_version_number(number).unwrap_or(Generation::V1_1_1);
    patina_ciphers::node_ciphers(&Library::upstream(generation))
}

/// The defaults of a Node process: what `tls.DEFAULT_...`, the command line and the environment set there.
///
/// A value: nothing is read from the environment or from the command line of this process.
///
/// # Examples
///
/// ```
/// use patina_tls::ProtocolVersion;
/// use patina_tls::compat::ProcessDefaults;
///
/// let defaults = ProcessDefaults::new().with_flags(["--tls-min-v1.0", "--tls-cipher-list=HIGH:@SECLEVEL=0"])?;
/// assert_eq!(defaults.min_version(), ProtocolVersion::TLSv1_0);
/// # Ok::<(), patina_tls::Error>(())
/// ```
#[derive(Clone)]
pub struct ProcessDefaults {
    ciphers: String,
    ecdh_curve: String,
    min_version: ProtocolVersion,
    max_version: ProtocolVersion,
    renegotiation: RenegotiationPolicy,
    source: RootSource,
    roots: Option<TrustStore>,
    extra: Option<TrustStore>,
    key_log: Option<Arc<KeyLogFile>>,
    trace: bool,
    warnings: Vec<String>,
}

impl ProcessDefaults {
    /// The defaults of a Node that was started without flags and without variables.
    pub fn new() -> ProcessDefaults {
        ProcessDefaults {
            ciphers: DEFAULT_CIPHERS.to_owned(),
            ecdh_curve: DEFAULT_ECDH_CURVE.to_owned(),
            min_version: DEFAULT_MIN_VERSION,
            max_version: DEFAULT_MAX_VERSION,
            renegotiation: RenegotiationPolicy::limit(CLIENT_RENEG_LIMIT).per(CLIENT_RENEG_WINDOW),
            source: RootSource::default(),
            roots: None,
            extra: None,
            key_log: None,
            trace: false,
            warnings: Vec::new(),
        }
    }

    /// Applies flags of Node's command line; give them all in one call.
    ///
    /// | flag | effect |
    /// | --- | --- |
    /// | `--tls-min-v1.0` to `--tls-min-v1.3` | the default lowest version; of several the lowest counts |
    /// | `--tls-max-v1.2`, `--tls-max-v1.3` | the default highest version; of several the highest counts |
    /// | `--tls-cipher-list=LIST` | the default cipher list; checked when it is used |
    /// | `--tls-keylog=FILE` | every connection's secrets are appended to the file |
    /// | `--trace-tls` | every connection's messages are described on the standard error |
    /// | `--use-bundled-ca` | the default roots are Mozilla's (so without a flag, too) |
    /// | `--use-openssl-ca` | the default roots are the system's, with `SSL_CERT_FILE` and `SSL_CERT_DIR` |
    /// | `--use-system-ca` | the system's roots beside Mozilla's |
    ///
    /// As in Node, `--no-` before a name takes a flag back, `_` may stand for `-`, and the value of a flag may follow as
    /// an argument of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the flag as the option: a flag that is not in the table,
    /// one without its value, and `--tls-min-v1.3` beside `--tls-max-v1.2` or `--use-openssl-ca` beside another source of
    /// roots. [`ErrorKind::Io`](crate::ErrorKind::Io) when the key log cannot be opened.
    pub fn with_flags<I>(mut self, flags: I) -> Result<ProcessDefaults, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let flags = Flags::parse(flags)?;
        self.min_version = flags.min_version()?.unwrap_or(self.min_version);
        self.max_version = flags.max_version().unwrap_or(self.max_version);
        self.source = flags.root_source()?;
        self.trace |= flags.trace();
        if let Some(list) = flags.ciphers() {
            self.ciphers = list.to_owned();
        }
        if let Some(file) = flags.key_log() {
            self.key_log = Some(Arc::new(KeyLogFile::append(file)?));
        }
        Ok(self)
    }

    /// Adds the certificates of a PEM file to the default roots: Node's `NODE_EXTRA_CA_CERTS`.
    ///
    /// As in Node a file that cannot be read, in part or at all, is no error: see [`warnings`](ProcessDefaults::warnings).
    /// Connections with a `ca` of their own do not use it.
    #[doc(alias = "NODE_EXTRA_CA_CERTS")]
    #[must_use]
    pub fn with_extra_ca_file(mut self, path: impl AsRef<Path>) -> ProcessDefaults {
        let path = path.as_ref();
        let mut ignored = |why: String| {
            self.warnings.push(format!("Ignoring extra certs from `{}`, load failed: {why}", path.display()));
        };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) => {
                ignored(error.to_string());
                return self;
            }
        };
        let (certificates, stopped) = certificates_until_unreadable(&text);
        if let Some(number) = stopped {
            ignored(format!("PEM block {number} cannot be read"));
        } else if certificates.is_empty() {
            ignored("there is no certificate in it".to_owned());
        }
        if !certificates.is_empty() {
            let more = TrustStore::from_openssl(certificates);
            self.extra = Some(self.extra.map_or_else(|| more.clone(), |known| known.and(more.clone())));
        }
        self
    }

    /// Replaces the default roots: Node's `tls.setDefaultCACertificates`. Extra files are still added.
    #[doc(alias = "setDefaultCACertificates")]
    #[must_use]
    pub fn with_roots(mut self, roots: TrustStore) -> ProcessDefaults {
        self.roots = Some(roots);
        self
    }

    /// Sets `tls.DEFAULT_CIPHERS`.
    #[must_use]
    pub fn with_ciphers(mut self, list: impl Into<String>) -> ProcessDefaults {
        self.ciphers = list.into();
        self
    }

    /// Sets `tls.DEFAULT_ECDH_CURVE`; an empty text is `auto`.
    #[must_use]
    pub fn with_ecdh_curve(mut self, groups: impl Into<String>) -> ProcessDefaults {
        self.ecdh_curve = groups.into();
        if self.ecdh_curve.is_empty() {
            DEFAULT_ECDH_CURVE.clone_into(&mut self.ecdh_curve);
        }
        self
    }

    /// Sets `tls.DEFAULT_MIN_VERSION`.
    #[must_use]
    pub fn with_min_version(mut self, version: ProtocolVersion) -> ProcessDefaults {
        self.min_version = version;
        self
    }

    /// Sets `tls.DEFAULT_MAX_VERSION`.
    #[must_use]
    pub fn with_max_version(mut self, version: ProtocolVersion) -> ProcessDefaults {
        self.max_version = version;
        self
    }

    /// Sets `tls.CLIENT_RENEG_LIMIT` and `tls.CLIENT_RENEG_WINDOW`. Default: 3 in 600 s.
    #[doc(alias = "CLIENT_RENEG_LIMIT")]
    #[must_use]
    pub fn with_renegotiation(mut self, policy: RenegotiationPolicy) -> ProcessDefaults {
        self.renegotiation = policy;
        self
    }

    /// The default cipher list.
    pub fn ciphers(&self) -> &str {
        &self.ciphers
    }

    /// The default groups; `auto` for libssl's.
    pub fn ecdh_curve(&self) -> &str {
        &self.ecdh_curve
    }

    /// The default lowest version.
    pub fn min_version(&self) -> ProtocolVersion {
        self.min_version
    }

    /// The default highest version.
    pub fn max_version(&self) -> ProtocolVersion {
        self.max_version
    }

    /// How often a peer may renegotiate.
    pub fn renegotiation(&self) -> RenegotiationPolicy {
        self.renegotiation
    }

    /// What Node would print as a warning when it starts.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The default roots with the extra ones.
    ///
    /// # Errors
    /// Those of [`TrustStore::system`] where the system's roots are asked for, and
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where Mozilla's are and the feature `mozilla-roots` is off.
    pub fn roots(&self) -> Result<TrustStore, Error> {
        let roots = match (&self.roots, self.source) {
            (Some(roots), _) => roots.clone(),
            (None, RootSource::Bundled) => bundled()?,
            (None, RootSource::OpenSsl) => TrustStore::system()?,
            (None, RootSource::BundledAndSystem) => bundled()?.and(TrustStore::system()?),
        };
        Ok(match &self.extra {
            Some(extra) => roots.and(extra.clone()),
            None => roots,
        })
    }

    pub(super) fn key_log(&self) -> Option<&Arc<KeyLogFile>> {
        self.key_log.as_ref()
    }

    pub(super) fn trace(&self) -> bool {
        self.trace
    }
}

impl Default for ProcessDefaults {
    fn default() -> ProcessDefaults {
        ProcessDefaults::new()
    }
}

impl fmt::Debug for ProcessDefaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessDefaults")
            .field("ciphers", &self.ciphers)
            .field("ecdh_curve", &self.ecdh_curve)
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .field("renegotiation", &self.renegotiation)
            .field("roots", &self.roots)
            .field("extra", &self.extra)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "mozilla-roots")]
#[allow(clippy::unnecessary_wraps, reason = "it fails without the feature")]
fn bundled() -> Result<TrustStore, Error> {
    Ok(TrustStore::mozilla())
}

#[cfg(not(feature = "mozilla-roots"))]
fn bundled() -> Result<TrustStore, Error> {
    Err(Error::unsupported(
        "Node's default roots are Mozilla's, which the feature mozilla-roots compiles in; other roots: ca, with_roots, \
         or the flag --use-openssl-ca",
    )
    .with_option("ca"))
}
