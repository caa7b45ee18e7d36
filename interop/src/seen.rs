//! What a side of a connection saw of it, in words that every implementation can use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

macro_rules! facts {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Something that a side can tell about an established connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fact {
            $($(#[$doc])* $variant,)*
        }

        impl Fact {
            /// Every fact.
            pub const ALL: &'static [Fact] = &[$(Fact::$variant,)*];

            /// Its name in the table and in what peers print.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Fact::$variant => $name,)*
                }
            }
        }
    };
}

facts! {
    /// The protocol version: `TLSv1.2`.
    Version = "version",
    /// OpenSSL's name of the cipher suite.
    Cipher = "cipher",
    /// IANA's name of the cipher suite.
    StandardName = "standard-name",
    /// The lowest version that the cipher suite is for.
    CipherVersion = "cipher-version",
    /// The application protocol; empty for none.
    Alpn = "alpn",
    /// The protocol of NPN, the forerunner of ALPN; empty for none.
    Npn = "npn",
    /// The name that the client asked for; empty for none.
    ServerName = "server-name",
    /// The peer's one-time key, such as `ECDH X25519 253` or `DH 2048`; empty for none.
    PeerKey = "peer-key",
    /// The signature algorithms that both have, joined by colons.
    Sigalgs = "sigalgs",
    /// The SHA-256 fingerprint of the peer's certificate; empty for none.
    PeerCertificate = "peer-certificate",
    /// The SHA-256 fingerprint of the own certificate; empty for none.
    OwnCertificate = "own-certificate",
    /// The peer's certificate as Node's certificate object, in JSON; empty for none.
    PeerObject = "peer-object",
    /// The SHA-256 of the OCSP response that the server has stapled to its certificate; empty for none.
    Staple = "staple",
    /// How many OCSP responses the server has stapled.
    Staples = "staples",
    /// What the stapled response says of the certificate: `good` or `revoked`; empty for none.
    StapleStatus = "staple-status",
    /// How often the peer has changed its keys.
    KeyUpdates = "key-updates",
    /// The own Finished message, in hexadecimal.
    Finished = "finished",
    /// The peer's Finished message, in hexadecimal.
    PeerFinished = "peer-finished",
    /// Keying material without a context, in hexadecimal.
    Exporter = "exporter",
    /// Keying material with a context, in hexadecimal.
    ExporterWithContext = "exporter-with-context",
    /// Whether a session was resumed: `yes` or `no`.
    Reused = "reused",
    /// Whether the peer proved who it is: `yes` or `no`.
    Authorized = "authorized",
    /// Node's code of why it did not; empty when it did, or was not asked.
    AuthorizationError = "authorization-error",
    /// Whether the master secret is bound to the handshake (RFC 7627): `yes` or `no`. TLS 1.2 and older.
    ExtendedMasterSecret = "extended-master-secret",
    /// Whether renegotiation is secure (RFC 5746): `yes` or `no`.
    SecureRenegotiation = "secure-renegotiation",
    /// Length and SHA-256 of the data that came.
    Received = "received",
    /// How the peer ended: `close-notify` or `cut`.
    End = "end",
}

impl Fact {
    /// The fact of this name.
    pub fn named(name: &str) -> Option<Fact> {
        Fact::ALL.iter().copied().find(|fact| fact.name() == name)
    }

    /// The fact of the other side that must be equal, where there is one.
    pub fn counterpart(self) -> Option<Fact> {
        use Fact as F;
        match self {
            F::Version
            | F::Cipher
            | F::StandardName
            | F::CipherVersion
            | F::Alpn
            | F::Npn
            | F::ServerName
            // Both keys are of one group: only kind, name and size are told.
            | F::PeerKey
            | F::Exporter
            | F::ExporterWithContext
            | F::Reused
            | F::ExtendedMasterSecret
            | F::SecureRenegotiation => Some(self),
            F::PeerCertificate => Some(F::OwnCertificate),
            F::Finished => Some(F::PeerFinished),
            F::PeerFinished => Some(F::Finished),
            _ => None,
        }
    }

    /// Whether the value differs from connection to connection.
    pub fn is_random(self) -> bool {
        matches!(self, Fact::Finished | Fact::PeerFinished | Fact::Exporter | Fact::ExporterWithContext)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a side saw of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The code of the error that ended it; none when all went as the case says.
    pub error: Option<String>,
    /// The alert that ended it, sent or received, by its name; from peers that can tell.
    pub alert: Option<String>,
    /// What it could tell.
    pub facts: BTreeMap<Fact, String>,
}

impl Seen {
    /// Nothing yet.
    pub fn new() -> Seen {
        Seen::default()
    }

    /// Takes down a fact.
    pub fn tell(&mut self, fact: Fact, value: impl Into<String>) {
        self.facts.insert(fact, value.into());
    }

    /// What came of it: `ok`, or the code of the error, with a slash and the alert where there was one.
    pub fn outcome(&self) -> String {
        let code = self.error.as_deref().unwrap_or("ok");
        self.alert.as_ref().map_or_else(|| code.to_owned(), |alert| format!("{code}/{alert}"))
    }
}

/// The code of a peer that closed in good order before it had sent everything.
pub const CLOSED_EARLY: &str = "CLOSED_EARLY";

/// What a side saw of all connections of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One after the other.
    pub seen: Vec<Seen>,
    /// The lines of its key log; none from a peer that has no key log in this case.
    pub key_log: Option<BTreeSet<String>>,
    /// What it wrote, for people.
    pub log: String,
}

/// `yes` or `no`.
pub fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// [`Fact::Received`] of these bytes.
pub fn received(bytes: &[u8]) -> String {
    format!("{} {}", bytes.len(), hex(&openssl::sha::sha256(bytes)))
}

/// The lines of a key log, without comments.
pub fn key_log_lines(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}
