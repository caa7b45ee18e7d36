//! The public key of a certificate: its kind and the parts that the certificate object tells.

use std::fmt;

use openssl::bn::BigNumContext;
use openssl::ec::{EcKey, PointConversionForm};
use openssl::pkey::{Id, Public};
use openssl::rsa::Rsa;
use openssl::x509::X509Ref;

use crate::sys::x509;

/// The kind of key that a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyType {
    /// RSA for any use.
    Rsa,
    /// RSA for RSASSA-PSS only.
    RsaPss,
    /// DSA.
    Dsa,
    /// A static Diffie-Hellman key.
    Dh,
    /// A key on an elliptic curve in Weierstrass form.
    Ec,
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// X25519.
    X25519,
    /// X448.
    X448,
    /// Another kind, or a key that libssl cannot decode.
    Other,
}

/// The public key, where it is of a kind whose parts are told.
pub(super) enum KeyParts {
    Rsa(Rsa<Public>),
    Ec(EcKey<Public>),
    Other,
}

impl PublicKeyType {
    pub(super) fn of(certificate: &X509Ref) -> PublicKeyType {
        let Ok(key) = certificate.public_key() else { return PublicKeyType::Other };
        match key.id() {
            Id::RSA => PublicKeyType::Rsa,
            Id::RSA_PSS => PublicKeyType::RsaPss,
            Id::DSA => PublicKeyType::Dsa,
            Id::DH | Id::DHX => PublicKeyType::Dh,
            Id::EC => PublicKeyType::Ec,
            Id::ED25519 => PublicKeyType::Ed25519,
            Id::ED448 => PublicKeyType::Ed448,
            Id::X25519 => PublicKeyType::X25519,
            Id::X448 => PublicKeyType::X448,
            _ => PublicKeyType::Other,
        }
    }

    /// The name that Node has for the kind, such as `rsa`, `ec` or `ed25519`.
    pub fn name(self) -> &'static str {
        match self {
            PublicKeyType::Rsa => "rsa",
            PublicKeyType::RsaPss => "rsa-pss",
            PublicKeyType::Dsa => "dsa",
            PublicKeyType::Dh => "dh",
            PublicKeyType::Ec => "ec",
            PublicKeyType::Ed25519 => "ed25519",
            PublicKeyType::Ed448 => "ed448",
            PublicKeyType::X25519 => "x25519",
            PublicKeyType::X448 => "x448",
            PublicKeyType::Other => "unknown",
        }
    }
}

impl fmt::Display for PublicKeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KeyParts {
    pub(super) fn of(certificate: &X509Ref) -> KeyParts {
        match certificate.public_key() {
            Ok(key) if key.id() == Id::RSA => key.rsa().map_or(KeyParts::Other, KeyParts::Rsa),
            Ok(key) if key.id() == Id::EC => key.ec_key().map_or(KeyParts::Other, KeyParts::Ec),
            _ => KeyParts::Other,
        }
    }

    pub(super) fn modulus(&self) -> Option<String> {
        let KeyParts::Rsa(rsa) = self else { return None };
        let hex = rsa.n().to_hex_str().ok()?;
        let digits = hex.trim_start_matches('0');
        Some(if digits.is_empty() { "0".to_owned() } else { digits.to_owned() })
    }

    pub(super) fn bits(&self) -> Option<u32> {
        match self {
            KeyParts::Rsa(rsa) => u32::try_from(rsa.n().num_bits()).ok(),
            KeyParts::Ec(ec) => Some(ec.group().order_bits()).filter(|&bits| bits > 0),
            KeyParts::Other => None,
        }
    }

    pub(super) fn exponent(&self) -> Option<String> {
        let KeyParts::Rsa(rsa) = self else { return None };
        let bytes = rsa.e().to_vec();
        // An exponent of more than a machine word prints as the greatest word, as BN_get_word(3) has it.
        let word = if bytes.len() > 8 {
            u64::MAX
        } else {
            bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        Some(format!("{word:#x}"))
    }

    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        match self {
            KeyParts::Rsa(rsa) => rsa.public_key_to_der().ok(),
            KeyParts::Ec(ec) => {
                let mut context = BigNumContext::new().ok()?;
                ec.public_key().to_bytes(ec.group(), PointConversionForm::UNCOMPRESSED, &mut context).ok()
            }
            KeyParts::Other => None,
        }
    }

    pub(super) fn asn1_curve(&self) -> Option<String> {
        let KeyParts::Ec(ec) = self else { return None };
        ec.group().curve_name()?.short_name().ok().map(str::to_owned)
    }

    pub(super) fn nist_curve(&self) -> Option<String> {
        let KeyParts::Ec(ec) = self else { return None };
        x509::nist_name(ec.group().curve_name()?).map(str::to_owned)
    }
}
