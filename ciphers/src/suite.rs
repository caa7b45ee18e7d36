//! One cipher suite and what it is made of.

use std::fmt;

use crate::generation::Generation;

/// A TLS cipher suite that some generation of libssl knows.
///
/// Get one with [`by_id`](crate::by_id), [`by_name`](crate::by_name) or [`suites`](crate::suites).
///
/// ```
/// let suite = patina_ciphers::by_id(0xC02F).ok_or("no such suite")?;
/// assert_eq!(suite.openssl_name(), "ECDHE-RSA-AES128-GCM-SHA256");
/// assert_eq!(suite.iana_name(), Some("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
/// assert!(suite.is_aead() && suite.is_forward_secret());
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy)]
pub struct Suite {
    pub(crate) id: u16,
    pub(crate) iana: Option<&'static str>,
    pub(crate) openssl: &'static str,
    pub(crate) kx: KeyExchange,
    pub(crate) auth: Authentication,
    pub(crate) enc: Encryption,
    pub(crate) mac: Mac,
    pub(crate) strength_bits: u16,
    pub(crate) algorithm_bits: u16,
    pub(crate) protocols: (Protocol, Protocol),
    pub(crate) dtls: Option<(Dtls, Dtls)>,
    pub(crate) class: StrengthClass,
    pub(crate) default: bool,
    pub(crate) fips_until: Option<Generation>,
    pub(crate) since: Generation,
    pub(crate) option: Option<BuildOption>,
    pub(crate) strength_bits_3_0: u16,
    pub(crate) class_3_0: StrengthClass,
    pub(crate) openssl_1_1_1: &'static str,
    pub(crate) hash: Option<HandshakeHash>,
}

impl Suite {
    /// The two bytes that stand for the suite in a ClientHello.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// IANA's name, `TLS_...`; `None` for the two private GOST suites that never were registered.
    #[must_use]
    pub fn iana_name(&self) -> Option<&'static str> {
        self.iana
    }

    /// OpenSSL's name, as `openssl ciphers` prints it (for a TLS 1.3 suite that is IANA's).
    #[must_use]
    pub fn openssl_name(&self) -> &'static str {
        self.openssl
    }

    /// OpenSSL's name in one generation; 1.1.1 calls one GOST suite differently.
    #[must_use]
    pub fn openssl_name_in(&self, generation: Generation) -> &'static str {
        if generation == Generation::V1_1_1 { self.openssl_1_1_1 } else { self.openssl }
    }

    /// The key exchange.
    #[must_use]
    pub fn key_exchange(&self) -> KeyExchange {
        self.kx
    }

    /// How the server proves who it is.
    #[must_use]
    pub fn authentication(&self) -> Authentication {
        self.auth
    }

    /// The bulk cipher.
    #[must_use]
    pub fn encryption(&self) -> Encryption {
        self.enc
    }

    /// What protects the records' integrity; [`Mac::Aead`] when the cipher does it itself.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Bits of security that libssl's security level and `@STRENGTH` count, in today's libssl.
    #[must_use]
    pub fn strength_bits(&self) -> u16 {
        self.strength_bits
    }

    /// Bits of security in one generation: RC4 has 128 up to 3.0 and 80 since, CCM8 had its key's length and has 64.
    #[must_use]
    pub fn strength_bits_in(&self, generation: Generation) -> u16 {
        if generation <= Generation::V3_0 { self.strength_bits_3_0 } else { self.strength_bits }
    }

    /// Bits of the key as the algorithm counts them (168 for 3DES).
    #[must_use]
    pub fn algorithm_bits(&self) -> u16 {
        self.algorithm_bits
    }

    /// The first protocol version that may use the suite.
    #[must_use]
    pub fn min_protocol(&self) -> Protocol {
        self.protocols.0
    }

    /// The last protocol version that may use the suite.
    #[must_use]
    pub fn max_protocol(&self) -> Protocol {
        self.protocols.1
    }

    /// The first and last DTLS version; `None` where DTLS cannot use the suite.
    #[must_use]
    pub fn dtls(&self) -> Option<(Dtls, Dtls)> {
        self.dtls
    }

    /// libssl's strength class today: the words `HIGH`, `MEDIUM` and `LOW`.
    #[must_use]
    pub fn class(&self) -> StrengthClass {
        self.class
    }

    /// The strength class in one generation.
    #[must_use]
    pub fn class_in(&self, generation: Generation) -> StrengthClass {
        if generation <= Generation::V3_0 { self.class_3_0 } else { self.class }
    }

    /// Whether the word `FIPS` selects the suite in this generation (4.0 has the word no more).
    #[must_use]
    pub fn is_fips_in(&self, generation: Generation) -> bool {
        self.fips_until.is_some_and(|last| generation <= last)
    }

    /// Whether libssl's `DEFAULT` has the suite; the others are `COMPLEMENTOFDEFAULT`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.default
    }

    /// Whether the cipher authenticates the records itself.
    #[must_use]
    pub fn is_aead(&self) -> bool {
        self.mac == Mac::Aead
    }

    /// Whether this is a suite of TLS 1.3, which a cipher string cannot select.
    #[must_use]
    pub fn is_tls13(&self) -> bool {
        self.protocols.0 == Protocol::TLSv1_3
    }

    /// Whether a stolen long-term key leaves recorded connections unread.
    ///
    /// A TLS 1.3 suite leaves the key exchange open; it counts as forward secret, as in libssl's security level 3.
    #[must_use]
    pub fn is_forward_secret(&self) -> bool {
        self.kx.is_ephemeral()
    }

    /// The first generation that has the suite; no generation has dropped one since.
    #[must_use]
    pub fn since(&self) -> Generation {
        self.since
    }

    /// The generations that have the suite, oldest first.
    pub fn generations(&self) -> impl Iterator<Item = Generation> + use<> {
        let since = self.since;
        Generation::ALL.into_iter().filter(move |generation| *generation >= since)
    }

    /// The compile-time option that leaves the suite out of libssl, if there is one beside its algorithms.
    #[must_use]
    pub fn build_option(&self) -> Option<BuildOption> {
        self.option
    }

    /// The hash of a TLS 1.3 suite's key schedule, which a TLS 1.3 pre-shared key must match.
    #[must_use]
    pub fn handshake_hash(&self) -> Option<HandshakeHash> {
        self.hash
    }
}

impl PartialEq for Suite {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Suite {}

impl std::hash::Hash for Suite {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suite({:#06x} {})", self.id, self.openssl)
    }
}

/// Writes OpenSSL's name.
impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.openssl)
    }
}

/// Declares an enum whose variants have a name, that of `suites.tsv`.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in libssl's order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name that `suites.tsv` and `openssl ciphers -v` (nearly) use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

/// The same, with the number that libssl gives each (`ssl/ssl_local.h`).
macro_rules! algorithms {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $bit:expr, $text:literal;)* }) => {
        named! { $(#[$doc])* $name { $($(#[$vdoc])* $variant, $text;)* } }

        impl $name {
            /// The bit (two, for a suite that either of two GOST keys serves) in libssl's masks.
            pub(crate) const fn bit(self) -> u32 {
                match self { $($name::$variant => $bit,)* }
            }
        }
    };
}

algorithms! {
    /// How the connection's secret is agreed on.
    KeyExchange {
        /// TLS 1.3: the suite does not say.
        Any = 0, "any";
        /// The client encrypts the secret to the server's RSA key; no forward secrecy.
        Rsa = 0x1, "RSA";
        /// Ephemeral finite-field Diffie-Hellman.
        Dhe = 0x2, "DHE";
        /// Ephemeral elliptic-curve Diffie-Hellman.
        Ecdhe = 0x4, "ECDHE";
        /// The pre-shared key alone; no forward secrecy.
        Psk = 0x8, "PSK";
        /// VKO GOST.
        Gost = 0x10, "GOST";
        /// Secure remote password, RFC 5054.
        Srp = 0x20, "SRP";
        /// A pre-shared key and RSA encryption.
        RsaPsk = 0x40, "RSAPSK";
        /// A pre-shared key and ephemeral elliptic-curve Diffie-Hellman.
        EcdhePsk = 0x80, "ECDHEPSK";
        /// A pre-shared key and ephemeral Diffie-Hellman.
        DhePsk = 0x100, "DHEPSK";
        /// GOST of 2018, RFC 9189.
        Gost18 = 0x200, "GOST18";
    }
}

impl KeyExchange {
    /// Whether each connection uses a fresh key (TLS 1.3's open choice counts as such).
    #[must_use]
    pub fn is_ephemeral(self) -> bool {
        matches!(self, Self::Any | Self::Dhe | Self::Ecdhe | Self::EcdhePsk | Self::DhePsk)
    }

    /// Whether a pre-shared key takes part.
    #[must_use]
    pub fn is_psk(self) -> bool {
        matches!(self, Self::Psk | Self::RsaPsk | Self::EcdhePsk | Self::DhePsk)
    }
}

algorithms! {
    /// How the server is authenticated.
    Authentication {
        /// TLS 1.3: the suite does not say.
        Any = 0, "any";
        /// An RSA certificate.
        Rsa = 0x1, "RSA";
        /// A DSA certificate.
        Dss = 0x2, "DSS";
        /// Not at all: anybody in the middle can answer.
        Null = 0x4, "NULL";
        /// An ECDSA (or Ed25519, Ed448) certificate.
        Ecdsa = 0x8, "ECDSA";
        /// Knowledge of the pre-shared key.
        Psk = 0x10, "PSK";
        /// A GOST R 34.10-2001 certificate.
        Gost01 = 0x20, "GOST01";
        /// Knowledge of the SRP verifier.
        Srp = 0x40, "SRP";
        /// A GOST R 34.10-2012 certificate.
        Gost12 = 0x80, "GOST12";
        /// Either GOST certificate.
        AnyGost = 0xA0, "GOST01+GOST12";
    }
}

algorithms! {
    /// The bulk cipher.
    Encryption {
        /// Single DES; no suite is left that uses it.
        Des = 0x1, "DES";
        /// Triple DES in CBC mode.
        TripleDes = 0x2, "3DES";
        /// RC4, whose output is biased (RFC 7465 forbids it).
        Rc4 = 0x4, "RC4";
        /// RC2; no suite is left that uses it.
        Rc2 = 0x8, "RC2";
        /// IDEA in CBC mode.
        Idea = 0x10, "IDEA";
        /// None: the bytes travel in the clear.
        Null = 0x20, "NULL";
        /// AES-128 in CBC mode.
        Aes128 = 0x40, "AES128";
        /// AES-256 in CBC mode.
        Aes256 = 0x80, "AES256";
        /// Camellia-128 in CBC mode.
        Camellia128 = 0x100, "CAMELLIA128";
        /// Camellia-256 in CBC mode.
        Camellia256 = 0x200, "CAMELLIA256";
        /// GOST 28147-89 in counter mode.
        Gost89 = 0x400, "GOST89";
        /// SEED in CBC mode.
        Seed = 0x800, "SEED";
        /// AES-128 in GCM.
        Aes128Gcm = 0x1000, "AES128GCM";
        /// AES-256 in GCM.
        Aes256Gcm = 0x2000, "AES256GCM";
        /// AES-128 in CCM.
        Aes128Ccm = 0x4000, "AES128CCM";
        /// AES-256 in CCM.
        Aes256Ccm = 0x8000, "AES256CCM";
        /// AES-128 in CCM with a tag of 8 bytes.
        Aes128Ccm8 = 0x1_0000, "AES128CCM8";
        /// AES-256 in CCM with a tag of 8 bytes.
        Aes256Ccm8 = 0x2_0000, "AES256CCM8";
        /// GOST 28147-89 in counter mode, parameters of 2012.
        Gost8912 = 0x4_0000, "GOST8912";
        /// ChaCha20 with Poly1305.
        ChaCha20 = 0x8_0000, "CHACHA20";
        /// ARIA-128 in GCM.
        Aria128Gcm = 0x10_0000, "ARIA128GCM";
        /// ARIA-256 in GCM.
        Aria256Gcm = 0x20_0000, "ARIA256GCM";
        /// GOST Magma.
        Magma = 0x40_0000, "MAGMA";
        /// GOST Kuznyechik.
        Kuznyechik = 0x80_0000, "KUZNYECHIK";
        /// SM4 in GCM (4.0).
        Sm4Gcm = 0x100_0000, "SM4GCM";
        /// SM4 in CCM (4.0).
        Sm4Ccm = 0x200_0000, "SM4CCM";
    }
}

algorithms! {
    /// What protects the records' integrity.
    Mac {
        /// HMAC-MD5.
        Md5 = 0x1, "MD5";
        /// HMAC-SHA1.
        Sha1 = 0x2, "SHA1";
        /// HMAC with GOST R 34.11-94.
        Gost94 = 0x4, "GOST94";
        /// GOST 28147-89 as a MAC.
        Gost89Mac = 0x8, "GOST89MAC";
        /// HMAC-SHA256.
        Sha256 = 0x10, "SHA256";
        /// HMAC-SHA384.
        Sha384 = 0x20, "SHA384";
        /// The cipher itself.
        Aead = 0x40, "AEAD";
        /// HMAC with GOST R 34.11-2012 of 256 bits.
        Gost12_256 = 0x80, "GOST12_256";
        /// GOST 28147-89 as a MAC, parameters of 2012.
        Gost89Mac12 = 0x100, "GOST89MAC12";
        /// HMAC with GOST R 34.11-2012 of 512 bits.
        Gost12_512 = 0x200, "GOST12_512";
        /// OMAC of Magma.
        MagmaOmac = 0x400, "MAGMAOMAC";
        /// OMAC of Kuznyechik.
        KuznyechikOmac = 0x800, "KUZNYECHIKOMAC";
    }
}

named! {
    /// A version of SSL or TLS; the order is that of time.
    Protocol {
        /// SSL 3.0, RFC 6101.
        SSLv3, "SSLv3";
        /// TLS 1.0, RFC 2246.
        TLSv1_0, "TLSv1.0";
        /// TLS 1.1, RFC 4346.
        TLSv1_1, "TLSv1.1";
        /// TLS 1.2, RFC 5246.
        TLSv1_2, "TLSv1.2";
        /// TLS 1.3, RFC 8446.
        TLSv1_3, "TLSv1.3";
    }
}

impl Protocol {
    /// The number on the wire, `0x0301` for TLS 1.0.
    #[must_use]
    pub fn wire(self) -> u16 {
        match self {
            Self::SSLv3 => 0x0300,
            Self::TLSv1_0 => 0x0301,
            Self::TLSv1_1 => 0x0302,
            Self::TLSv1_2 => 0x0303,
            Self::TLSv1_3 => 0x0304,
        }
    }
}

named! {
    /// A version of DTLS.
    Dtls {
        /// DTLS 1.0, RFC 4347 (and the draft that libssl calls `DTLS1_BAD_VER`).
        V1_0, "DTLSv1.0";
        /// DTLS 1.2, RFC 6347.
        V1_2, "DTLSv1.2";
    }
}

algorithms! {
    /// libssl's opinion of a cipher's strength.
    StrengthClass {
        /// No encryption.
        None = 0x1, "NONE";
        /// The word `LOW`; no suite is left in it.
        Low = 0x2, "LOW";
        /// The word `MEDIUM`.
        Medium = 0x4, "MEDIUM";
        /// The word `HIGH`.
        High = 0x8, "HIGH";
    }
}

named! {
    /// A compile-time option of libssl that leaves suites out.
    BuildOption {
        /// `enable-weak-ssl-ciphers`: RC4 and 3DES (off unless asked for).
        WeakSslCiphers, "weak";
        /// `no-integrity-only-ciphers` (3.5): the suites without encryption.
        IntegrityOnlyCiphers, "integrity";
    }
}

named! {
    /// The hash of TLS 1.3's key schedule.
    HandshakeHash {
        /// SHA-256.
        Sha256, "SHA256";
        /// SHA-384.
        Sha384, "SHA384";
        /// SM3 (4.0).
        Sm3, "SM3";
    }
}
