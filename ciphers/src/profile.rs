//! Well-known sets of suites.

use crate::scan::DEFAULT;
use crate::suite::Protocol;
use crate::tls13::DEFAULT_CIPHERSUITES;

/// A well-known set of suites with the protocol versions that belong to it.
///
/// ```
/// use patina_ciphers::{Generation, Library, Profile};
///
/// let profile = Profile::by_name("mozilla-intermediate").ok_or("no such profile")?;
/// let library = Library::upstream(Generation::V3_0);
/// let suites = library.evaluate_both(Some(profile.tls13()), profile.legacy())?;
/// assert!(suites.iter().all(|suite| suite.is_aead() && suite.is_forward_secret()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    name: &'static str,
    about: &'static str,
    tls13: &'static str,
    legacy: &'static str,
    protocols: (Protocol, Protocol),
}

impl Profile {
    /// Every profile.
    pub const ALL: &'static [Profile] = &[
        Profile {
            name: "mozilla-modern",
            about: "Mozilla's server side guidelines 5.8, for clients with TLS 1.3",
            tls13: MOZILLA_TLS13,
            legacy: "",
            protocols: (Protocol::TLSv1_3, Protocol::TLSv1_3),
        },
        Profile {
            name: "mozilla-intermediate",
            about: "Mozilla's server side guidelines 5.8, for almost everybody",
            tls13: MOZILLA_TLS13,
            legacy: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                     ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
                     DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
            protocols: (Protocol::TLSv1_2, Protocol::TLSv1_3),
        },
        Profile {
            name: "mozilla-old",
            about: "Mozilla's server side guidelines 5.8, for very old clients as a last resort",
            tls13: MOZILLA_TLS13,
            legacy: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                     ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
                     DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305:\
                     ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:\
                     ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:\
                     DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:\
                     AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA",
            protocols: (Protocol::TLSv1_0, Protocol::TLSv1_3),
        },
        Profile {
            name: "node-default",
            about: "Node's tls.DEFAULT_CIPHERS and default versions",
            tls13: DEFAULT_CIPHERSUITES,
            legacy: "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:\
                     ECDHE-ECDSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA256:\
                     DHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:DHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-SHA256:\
                     DHE-RSA-AES256-SHA256:HIGH:!aNULL:!eNULL:!EXPORT:!DES:!RC4:!MD5:!PSK:!SRP:!CAMELLIA",
            protocols: (Protocol::TLSv1_2, Protocol::TLSv1_3),
        },
        Profile {
            name: "libssl-default",
            about: "libssl's own DEFAULT",
            tls13: DEFAULT_CIPHERSUITES,
            legacy: DEFAULT,
            protocols: (Protocol::TLSv1_0, Protocol::TLSv1_3),
        },
    ];

    /// The profile with this name; `modern`, `intermediate`, `old`, `node` and `default` are short for the full names.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Profile> {
        let full = match name {
            "modern" => "mozilla-modern",
            "intermediate" => "mozilla-intermediate",
            "old" => "mozilla-old",
            "node" => "node-default",
            "default" => "libssl-default",
            full => full,
        };
        Self::ALL.iter().find(|profile| profile.name == full)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whose it is and for whom, in one line.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// The list of TLS 1.3 suites.
    #[must_use]
    pub fn tls13(&self) -> &'static str {
        self.tls13
    }

    /// The cipher string for everything before; empty for a profile of TLS 1.3 alone.
    #[must_use]
    pub fn legacy(&self) -> &'static str {
        self.legacy
    }

    /// The first and the last protocol version.
    #[must_use]
    pub fn protocols(&self) -> (Protocol, Protocol) {
        self.protocols
    }
}

const MOZILLA_TLS13: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
