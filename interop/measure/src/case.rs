//! What both sides of a connection are set to.

use std::path::{Path, PathBuf};

use crate::trouble::{Result, Trouble};

/// The name of every server.
pub const HOST: &str = "localhost";

/// The groups in OpenSSL's words. X25519 is that of every key exchange; the other is that of the server's key, which TLS 1.2
/// asks for in the same list.
pub const GROUPS: &str = "X25519:P-256";

/// The one version that both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// The server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// RSA with 2048 bits.
    Rsa,
    /// ECDSA with P-256.
    P256,
}

/// How a handshake is made shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// It is not.
    Never,
    /// Whatever the library does by itself.
    Default,
    /// A session that the server keeps, by its id.
    Id,
    /// A session that the client keeps.
    Ticket,
}

/// The cipher of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// AES-128-GCM.
    Aes128,
    /// ChaCha20-Poly1305.
    ChaCha20,
}

/// What both sides are set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Its name in the rows.
    pub name: &'static str,
    /// The version.
    pub version: Version,
    /// The server's key.
    pub key: Key,
    /// Whether the handshake resumes a session.
    pub resume: Resume,
    /// The cipher.
    pub suite: Suite,
}

/// The handshakes.
pub const CASES: [Case; 7] = {
    const fn case(name: &'static str, version: Version, key: Key, resume: Resume) -> Case {
        Case { name, version, key, resume, suite: Suite::Aes128 }
    }
    use Version::{Tls12, Tls13};
    [
        case("1.3-ecdsa", Tls13, Key::P256, Resume::Never),
        case("1.3-rsa", Tls13, Key::Rsa, Resume::Never),
        case("1.3-ticket", Tls13, Key::P256, Resume::Ticket),
        case("1.2-ecdsa", Tls12, Key::P256, Resume::Never),
        case("1.2-rsa", Tls12, Key::Rsa, Resume::Never),
        case("1.2-id", Tls12, Key::P256, Resume::Id),
        case("1.2-ticket", Tls12, Key::P256, Resume::Ticket),
    ]
};

/// Second connections to the same server, with nothing said of resumption.
pub const AGAIN: [Case; 2] = [
    Case { name: "1.3-again", resume: Resume::Default, ..CASES[0] },
    Case { name: "1.2-again", resume: Resume::Default, ..CASES[3] },
];

/// The records, with AES-128-GCM.
pub const RECORDS: Case = CASES[0];

/// The records, with ChaCha20-Poly1305.
pub const CHACHA: Case = Case { name: "1.3-chacha20", suite: Suite::ChaCha20, ..CASES[0] };

impl Case {
    /// The case of this name.
    pub fn named(name: &str) -> Option<Case> {
        CASES.into_iter().chain([CHACHA]).find(|case| case.name == name)
    }

    /// The server's certificate, in PEM.
    ///
    /// # Errors
    /// When the fixtures have it no more.
    pub fn certificate(&self) -> Result<PathBuf> {
        self.fixture("server-rsa.pem", "server-p256.pem")
    }

    /// The server's key, in PEM.
    ///
    /// # Errors
    /// When the fixtures have it no more.
    pub fn private_key(&self) -> Result<PathBuf> {
        self.fixture("server-rsa.key", "server-p256.key")
    }

    /// The root that the client trusts, in PEM.
    ///
    /// # Errors
    /// When the fixtures have it no more.
    pub fn root(&self) -> Result<PathBuf> {
        self.fixture("root.pem", "root-ec.pem")
    }

    fn fixture(&self, rsa: &str, p256: &str) -> Result<PathBuf> {
        let name = if self.key == Key::Rsa { rsa } else { p256 };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pki").join(name);
        if path.exists() {
            return Ok(path);
        }
        Err(Trouble::new(format!("there is no fixture {}", path.display())))
    }

    /// Whether it is TLS 1.2.
    pub fn is_old(&self) -> bool {
        self.version == Version::Tls12
    }

    /// The suites in OpenSSL's words.
    pub fn suites(&self) -> &'static str {
        match (self.is_old(), self.suite) {
            (true, Suite::Aes128) => "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
            (true, Suite::ChaCha20) => "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
            (false, Suite::Aes128) => "TLS_AES_128_GCM_SHA256",
            (false, Suite::ChaCha20) => "TLS_CHACHA20_POLY1305_SHA256",
        }
    }
}
