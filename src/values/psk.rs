//! Pre-shared keys and their identities.

use std::fmt;

use super::error::Error;
use super::secret::Secret;

/// The longest identity, in bytes (RFC 4279 section 5.3 asks for support of 128).
pub(crate) const IDENTITY_MAX: usize = 128;

/// The longest key, in bytes: that of libssl 1.1.1.
pub(crate) const KEY_MAX: usize = 256;

/// The name under which a peer has a pre-shared key: bytes, mostly text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PskIdentity(Vec<u8>);

impl PskIdentity {
    /// An identity of these bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `psk` when there are none, more than 128, or a
    /// NUL byte among them, which libssl would take for the end.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<PskIdentity, Error> {
        let bytes = bytes.into();
        let bad = |text: String| Err(Error::config("psk", text));
        match bytes.len() {
            0 => bad("the identity is empty".to_owned()),
            n if n > IDENTITY_MAX => {
                bad(format!("the identity has {n} bytes; at most {IDENTITY_MAX} are allowed"))
            }
            _ if bytes.contains(&0) => bad("the identity has a NUL byte in it".to_owned()),
            _ => Ok(PskIdentity(bytes)),
        }
    }

    /// What a peer sent: not checked.
    pub(crate) fn from_peer(bytes: &[u8]) -> PskIdentity {
        PskIdentity(bytes.to_vec())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, where the bytes are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Display for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PskIdentity({self})")
    }
}

/// The hash that a pre-shared key is for, in TLS 1.3; it must be that of the suite that is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PskHash {
    /// SHA-256: `TLS_AES_128_GCM_SHA256`, `TLS_CHACHA20_POLY1305_SHA256`. What RFC 8446 section 4.2.11 takes for a key
    /// without a hash.
    #[default]
    Sha256,
    /// SHA-384: `TLS_AES_256_GCM_SHA384`.
    Sha384,
}

/// A key that both sides have had before (RFC 4279, RFC 8446 section 2.2). Overwritten when dropped; never shown.
#[derive(Clone)]
pub struct PreSharedKey {
    key: Secret,
    hash: PskHash,
}

impl PreSharedKey {
    /// A key of these bytes, 1 to 256, for SHA-256 under TLS 1.3.
    ///
    /// # Security
    /// A key must be random, of at least 16 bytes. One that people can remember is found by trying, by anybody who has
    /// seen a handshake (RFC 9257).
    pub fn new(key: impl Into<Vec<u8>>) -> PreSharedKey {
        PreSharedKey { key: Secret::from(key.into()), hash: PskHash::default() }
    }

    /// A key in hexadecimal digits, as `openssl s_client -psk` takes it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `psk` when the text is not pairs of digits.
    pub fn from_hex(text: &str) -> Result<PreSharedKey, Error> {
        let bad = |what: &str| Error::config("psk", format!("the key is no hexadecimal text: {what}"));
        if !text.is_ascii() || !text.len().is_multiple_of(2) {
            return Err(bad("it needs two digits a byte"));
        }
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            u8::from_str_radix(pair, 16)
                .ok()
                .filter(|_| !pair.starts_with('+'))
                .ok_or_else(|| bad("a digit is not 0-9 or a-f"))
        };
        let key = text.as_bytes().chunks(2).map(byte).collect::<Result<Vec<u8>, Error>>()?;
        let key = PreSharedKey::new(key);
        key.check()?;
        Ok(key)
    }

    /// Sets the hash that it is for, in TLS 1.3.
    #[must_use]
    pub fn with_hash(mut self, hash: PskHash) -> PreSharedKey {
        self.hash = hash;
        self
    }

    /// The hash that it is for.
    pub fn hash(&self) -> PskHash {
        self.hash
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// Whether libssl can take it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.key.len() {
            0 => Err(Error::config("psk", "the key is empty")),
            n if n > KEY_MAX => {
                Err(Error::config("psk", format!("the key has {n} bytes; at most {KEY_MAX} are allowed")))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for PreSharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreSharedKey({:?}, ..)", self.hash)
    }
}

/// What a server does with a PSK identity that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum UnknownPskIdentity {
    /// TLS 1.2 and older: the alert `unknown_psk_identity`. TLS 1.3: the certificate, if there is one.
    #[default]
    Alert,
    /// The handshake goes on with a random key and fails as with a wrong one, so that a client cannot find out which
    /// identities there are (RFC 4279 section 2).
    Hide,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_have_1_to_128_bytes_without_nul() {
        assert!(PskIdentity::new("a").is_ok() && PskIdentity::new(vec![b'x'; 128]).is_ok());
        for bad in [vec![], vec![b'x'; 129], b"a\0b".to_vec()] {
            assert_eq!(PskIdentity::new(bad).unwrap_err().option(), Some("psk"));
        }
    }

    #[test]
    fn keys_are_read_from_hexadecimal_text() {
        assert_eq!(PreSharedKey::from_hex("00fF10").unwrap().as_bytes(), [0x00, 0xff, 0x10]);
        for bad in ["", "0", "0g", "+1", "éé", &"00".repeat(257)] {
            assert_eq!(PreSharedKey::from_hex(bad).unwrap_err().option(), Some("psk"), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_not_shown_and_identities_are_shown_escaped() {
        assert_eq!(format!("{:?}", PreSharedKey::new(*b"secret")), "PreSharedKey(Sha256, ..)");
        assert_eq!(PskIdentity::from_peer(b"a\n\xff").to_string(), "a\\n\\xff");
    }
}
