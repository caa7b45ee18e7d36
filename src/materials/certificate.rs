//! One certificate and all that it says.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::{X509, X509Ref};

use super::distinguished_name::DistinguishedName;
use super::general_name;
use super::public_key::{KeyParts, PublicKeyType};
use crate::sys::queue;
use crate::sys::x509::{self, Extension, GeneralName};
use crate::values::error::{Error, ErrorKind};

/// An X.509 certificate: a peer's, an authority's or one's own.
///
/// A clone is a new reference to the same certificate. Two certificates are equal when their encodings are.
/// The texts have the form of the certificate object of Node's `tls` module, whatever the version of libssl, which
/// decides only what is readable at all: a malformed time is refused by OpenSSL 3.6, a malformed name accepted by
/// 1.1.1. With the cargo feature `serde` the whole serialises as that object, byte strings in hexadecimal.
///
/// # Examples
///
/// ```
/// use patina_tls::Certificate;
///
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/materials/testdata/names.pem"));
/// let certificate = Certificate::from_pem(pem)?;
/// assert_eq!(certificate.dns_names(), ["names.example", "*.names.example"]);
/// assert_eq!(certificate.valid_from(), "Sep  3 21:40:37 2022 GMT");
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// # OpenSSL
///
/// `X509`
#[derive(Clone)]
#[doc(alias = "X509")]
pub struct Certificate {
    x509: X509,
}

impl Certificate {
    /// Reads a certificate in DER. Bytes after the certificate are ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the bytes are no certificate.
    ///
    /// # OpenSSL
    ///
    /// `d2i_X509`
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<Certificate, Error> {
        queue::clear();
        X509::from_der(der.as_ref()).map(Certificate::from_x509).map_err(|e| unreadable(&e))
    }

    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the text holds no certificate (code `ERR_OSSL_PEM_NO_START_LINE`) or a
    /// malformed one.
    ///
    /// # OpenSSL
    ///
    /// `PEM_read_bio_X509`
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Certificate, Error> {
        queue::clear();
        X509::from_pem(pem.as_ref()).map(Certificate::from_x509).map_err(|e| unreadable(&e))
    }

    pub(crate) fn from_x509(x509: X509) -> Certificate {
        Certificate { x509 }
    }

    /// The certificate as a type of the `openssl` crate.
    pub fn as_openssl(&self) -> &X509Ref {
        &self.x509
    }

    /// The certificate in DER, as it was received.
    #[doc(alias = "raw")]
    pub fn der(&self) -> Vec<u8> {
        // What was decoded encodes again; only lack of memory could prevent it.
        self.x509.to_der().unwrap_or_default()
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        let pem = self.x509.to_pem().unwrap_or_default();
        String::from_utf8_lossy(&pem).into_owned()
    }

    /// Whom the certificate is about. Empty when some value of the name cannot be converted to Unicode.
    pub fn subject(&self) -> DistinguishedName {
        DistinguishedName::read(self.x509.subject_name()).unwrap_or_default()
    }

    /// Who issued the certificate. Empty when some value of the name cannot be converted to Unicode.
    pub fn issuer(&self) -> DistinguishedName {
        DistinguishedName::read(self.x509.issuer_name()).unwrap_or_default()
    }

    /// The subject's common names, in order. Identity belongs into the alternative names:
    /// see [`check_server_identity`](crate::check_server_identity).
    pub fn subject_common_names(&self) -> Vec<String> {
        self.subject().values("CN").to_vec()
    }

    /// The subject's alternative names as one text: `DNS:example.com, IP Address:10.0.0.1`.
    ///
    /// A value with a comma, a quote, a backslash or a control character, or a byte outside ASCII where ASCII is
    /// due, stands as a JSON string (CVE-2021-44532). `None` when there is no such extension or it is malformed.
    ///
    /// # Security
    ///
    /// Do not split the text to find names: use [`dns_names`](Self::dns_names) and
    /// [`ip_addresses`](Self::ip_addresses).
    #[doc(alias = "subjectaltname")]
    pub fn subject_alt_name(&self) -> Option<String> {
        self.alternative_names().present().map(|names| general_name::join(&names))
    }

    /// The DNS names of the subject's alternative names, in order; bytes outside ASCII are read as Latin-1.
    pub fn dns_names(&self) -> Vec<String> {
        self.alternative_names().present().unwrap_or_default().iter().filter_map(GeneralName::dns).collect()
    }

    /// The addresses of the subject's alternative names, in order, without those of a wrong length.
    pub fn ip_addresses(&self) -> Vec<IpAddr> {
        let names = self.alternative_names().present().unwrap_or_default();
        names.iter().filter_map(|name| name.ip().flatten()).collect()
    }

    pub(crate) fn alternative_names(&self) -> Extension<Vec<GeneralName>> {
        x509::subject_alt_names(&self.x509)
    }

    /// Where to ask about the issuer (RFC 5280 section 4.2.2.1), such as `OCSP - URI` to the addresses of its OCSP
    /// responders, in the order of first appearance. Empty without such an extension.
    #[doc(alias = "infoAccess")]
    pub fn info_access(&self) -> Vec<(String, Vec<String>)> {
        self.info_access_extension().present().unwrap_or_default()
    }

    pub(super) fn info_access_extension(&self) -> Extension<Vec<(String, Vec<String>)>> {
        x509::info_access(&self.x509).and_then(|entries| {
            let mut map: Vec<(String, Vec<String>)> = Vec::new();
            for (method, location) in entries {
                let (prefix, value) = location.prefix_and_value();
                let key = format!("{method} - {prefix}");
                match map.iter_mut().find(|(k, _)| *k == key) {
                    Some((_, values)) => values.push(value),
                    None => map.push((key, vec![value])),
                }
            }
            Some(map)
        })
    }

    /// Whether the certificate's basic constraints say that it may issue others.
    ///
    /// # OpenSSL
    ///
    /// `X509_check_ca`, of whose answers only 1 counts.
    #[doc(alias = "ca")]
    pub fn is_ca(&self) -> bool {
        x509::is_ca(&self.x509)
    }

    /// The kind of the public key.
    #[doc(alias = "asymmetricKeyType")]
    pub fn public_key_type(&self) -> PublicKeyType {
        PublicKeyType::of(&self.x509)
    }

    pub(super) fn key(&self) -> KeyParts {
        KeyParts::of(&self.x509)
    }

    /// The modulus of an RSA key in upper-case hexadecimal without leading zeros.
    pub fn modulus(&self) -> Option<String> {
        self.key().modulus()
    }

    /// The size of an RSA key's modulus or of an EC key's group order, in bits.
    pub fn bits(&self) -> Option<u32> {
        self.key().bits()
    }

    /// The public exponent of an RSA key: `0x10001`.
    pub fn exponent(&self) -> Option<String> {
        self.key().exponent()
    }

    /// The public key: for RSA its SubjectPublicKeyInfo in DER, for EC the point, uncompressed.
    /// `None` for other kinds.
    #[doc(alias = "pubkey")]
    pub fn public_key(&self) -> Option<Vec<u8>> {
        self.key().public_key()
    }

    /// libssl's name of an EC key's curve, such as `prime256v1`. `None` for other keys and unnamed curves.
    #[doc(alias = "asn1Curve")]
    pub fn asn1_curve(&self) -> Option<String> {
        self.key().asn1_curve()
    }

    /// NIST's name of an EC key's curve, such as `P-256`, where it has one.
    #[doc(alias = "nistCurve")]
    pub fn nist_curve(&self) -> Option<String> {
        self.key().nist_curve()
    }

    /// From when on the certificate is valid: `Sep  3 21:40:37 2022 GMT`.
    pub fn valid_from(&self) -> String {
        time_text(self.x509.not_before())
    }

    /// Until when the certificate is valid: `Dec 31 23:59:59 2032 GMT`.
    pub fn valid_to(&self) -> String {
        time_text(self.x509.not_after())
    }

    /// From when on the certificate is valid, in seconds since 1970; `None` when the field is no time.
    pub fn not_before(&self) -> Option<i64> {
        unix_seconds(self.x509.not_before())
    }

    /// Until when the certificate is valid, in seconds since 1970; `None` when the field is no time.
    pub fn not_after(&self) -> Option<i64> {
        unix_seconds(self.x509.not_after())
    }

    /// The SHA-1 digest of the DER encoding: `3C:AF:...`. Empty where libssl refuses SHA-1.
    ///
    /// # Security
    ///
    /// SHA-1 does not withstand collisions: pin [`fingerprint256`](Self::fingerprint256) instead.
    pub fn fingerprint(&self) -> String {
        self.digest(MessageDigest::sha1())
    }

    /// The SHA-256 digest of the DER encoding in upper-case hexadecimal with colons.
    pub fn fingerprint256(&self) -> String {
        self.digest(MessageDigest::sha256())
    }

    /// The SHA-512 digest of the DER encoding in upper-case hexadecimal with colons.
    pub fn fingerprint512(&self) -> String {
        self.digest(MessageDigest::sha512())
    }

    fn digest(&self, digest: MessageDigest) -> String {
        match self.x509.digest(digest) {
            Ok(bytes) => bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":"),
            Err(_) => String::new(),
        }
    }

    /// The dotted object identifiers of the extended key usage (RFC 5280 section 4.2.1.12), such as
    /// `1.3.6.1.5.5.7.3.1` for a server. `None` without such an extension: any use.
    pub fn ext_key_usage(&self) -> Option<Vec<String>> {
        x509::extended_key_usage(&self.x509)
    }

    /// Whether the certificate asks for a stapled OCSP response in every handshake: the extension TLS feature with
    /// `status_request` (RFC 7633). It is what [`OcspVerifier`](crate::OcspVerifier) goes by when there is no response.
    #[doc(alias = "tlsfeature")]
    pub fn must_staple(&self) -> bool {
        const STATUS_REQUEST: u64 = 5;
        x509::tls_features(&self.x509).present().is_some_and(|features| features.contains(&STATUS_REQUEST))
    }

    /// The serial number in upper-case hexadecimal, an even number of digits.
    #[doc(alias = "serialNumber")]
    pub fn serial_number(&self) -> String {
        let number = self.x509.serial_number().to_bn().and_then(|n| Ok(n.to_hex_str()?.to_string()));
        number.unwrap_or_default()
    }

    /// libssl's name of the signature algorithm, such as `sha256WithRSAEncryption`; dotted where it has none.
    #[doc(alias = "signatureAlgorithm")]
    pub fn signature_algorithm(&self) -> String {
        x509::long_name(self.x509.signature_algorithm().object())
    }

    /// Whether this certificate's subject is the other's issuer, and its key has signed it.
    pub(super) fn has_signed(&self, other: &Certificate) -> bool {
        let named = self.x509.subject_name().try_cmp(other.x509.issuer_name());
        let signed = named.is_ok_and(|order| order == Ordering::Equal)
            && self.x509.public_key().is_ok_and(|key| other.x509.verify(&key).unwrap_or(false));
        queue::clear();
        signed
    }

    /// Whether subject and issuer are the same name. It says nothing about who signed.
    pub fn is_self_issued(&self) -> bool {
        self.x509.subject_name().try_cmp(self.x509.issuer_name()).is_ok_and(|order| order == Ordering::Equal)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Certificate) -> bool {
        // Not X509_cmp(3): it leaves errors in the queue when an extension is malformed.
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &format_args!("{}", self.subject()))
            .field("issuer", &format_args!("{}", self.issuer()))
            .field("serial_number", &self.serial_number())
            .field("valid_to", &self.valid_to())
            .field("fingerprint256", &self.fingerprint256())
            .finish()
    }
}

fn unreadable(stack: &ErrorStack) -> Error {
    queue::stack_error(ErrorKind::Config, stack).context("reading the certificate")
}

/// The `openssl` crate writes `error` where libssl cannot read the time; ASN1_TIME_print(3) has another text for it.
fn time_text(time: &Asn1TimeRef) -> String {
    match time.to_string() {
        text if text == "error" => "Bad time value".to_owned(),
        text => text,
    }
}

pub(super) fn unix_seconds(time: &Asn1TimeRef) -> Option<i64> {
    let distance = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time)).ok()?;
    Some(i64::from(distance.days) * 86_400 + i64::from(distance.secs))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Certificates beside what Node 20.20.2 printed for each: `new X509Certificate(pem).toLegacyObject()`, byte
    /// strings in hexadecimal.
    macro_rules! testdata {
        ($($name:literal),+) => {
            [$(($name, include_str!(concat!("testdata/", $name, ".pem")), include_str!(concat!("testdata/", $name, ".json")))),+]
        };
    }
    const DATA: [(&str, &str, &str); 5] = testdata!["names", "escapes", "ed25519", "addresses", "malformed"];

    fn read(name: &str) -> (Certificate, Value) {
        let (_, pem, json) = DATA.iter().find(|(n, ..)| *n == name).unwrap();
        (Certificate::from_pem(pem).unwrap(), serde_json::from_str(json).unwrap())
    }

    fn name_value(name: &DistinguishedName) -> Value {
        let value = |values: &[String]| match values {
            [one] => Value::from(one.as_str()),
            several => Value::from(several.to_vec()),
        };
        Value::Object(name.iter().map(|(key, values)| (key.to_owned(), value(values))).collect())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn every_accessor_says_what_node_says() {
        for (name, ..) in DATA {
            let (certificate, node) = read(name);
            let optional = |value: Option<String>| value.map_or(Value::Null, Value::from);
            let field = |field: &str| node.get(field).cloned().unwrap_or(Value::Null);
            let info: serde_json::Map<String, Value> = certificate
                .info_access()
                .into_iter()
                .map(|(key, values)| (key, Value::from(values)))
                .collect();
            let info = if info.is_empty() { Value::Null } else { Value::Object(info) };
            for (name_of_field, ours) in [
                ("subject", name_value(&certificate.subject())),
                ("issuer", name_value(&certificate.issuer())),
                ("subjectaltname", optional(certificate.subject_alt_name())),
                ("infoAccess", info),
                ("ca", certificate.is_ca().into()),
                ("modulus", optional(certificate.modulus())),
                ("bits", certificate.bits().into()),
                ("exponent", optional(certificate.exponent())),
                ("pubkey", optional(certificate.public_key().map(|k| hex(&k)))),
                ("asn1Curve", optional(certificate.asn1_curve())),
                ("nistCurve", optional(certificate.nist_curve())),
                ("valid_from", certificate.valid_from().into()),
                ("valid_to", certificate.valid_to().into()),
                ("fingerprint", certificate.fingerprint().into()),
                ("fingerprint256", certificate.fingerprint256().into()),
                ("fingerprint512", certificate.fingerprint512().into()),
                ("ext_key_usage", certificate.ext_key_usage().into()),
                ("serialNumber", certificate.serial_number().into()),
                ("raw", hex(&certificate.der()).into()),
            ] {
                assert_eq!(ours, field(name_of_field), "{name}: {name_of_field}");
            }
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn the_serialised_certificate_is_node_s_object_to_the_letter() {
        for (name, _, json) in DATA {
            let (certificate, _) = read(name);
            assert_eq!(serde_json::to_string(&certificate).unwrap(), json.trim_end(), "{name}");
        }
    }

    #[test]
    fn names_keep_nul_bytes_and_repeated_attributes() {
        let (certificate, _) = read("escapes");
        assert_eq!(certificate.subject_common_names(), ["good.example\0.evil.example"]);
        assert_eq!(certificate.dns_names()[0], "good.example, DNS:evil.example");
        assert_eq!(certificate.ip_addresses(), ["2001:db8::ab".parse::<IpAddr>().unwrap()]);
        let (certificate, _) = read("names");
        assert_eq!(certificate.subject().values("OU"), ["First", "Second"]);
    }

    #[test]
    fn typed_values_agree_with_the_texts() {
        let (names, _) = read("names");
        assert_eq!((names.not_before(), names.not_after()), (Some(1_662_241_237), Some(1_988_150_399)));
        assert_eq!(names.signature_algorithm(), "sha256WithRSAEncryption");
        assert_eq!(names.public_key_type(), PublicKeyType::Rsa);
        assert!(!names.is_self_issued());
        let (ed25519, _) = read("ed25519");
        assert_eq!(ed25519.public_key_type().to_string(), "ed25519");
        assert!(ed25519.is_self_issued() && ed25519.is_ca());
        assert_eq!((ed25519.bits(), ed25519.public_key()), (None, None));
    }

    #[test]
    fn a_certificate_survives_pem_and_der() {
        for (name, pem, _) in DATA {
            let (certificate, _) = read(name);
            assert_eq!(certificate.pem(), pem, "{name}");
            assert_eq!(Certificate::from_der(certificate.der()).unwrap(), certificate, "{name}");
        }
        assert_ne!(read("names").0, read("escapes").0);
    }

    #[test]
    fn what_is_no_certificate_is_a_configuration_error_with_node_s_code() {
        let error = Certificate::from_pem("no pem").unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "ERR_OSSL_PEM_NO_START_LINE"));
        assert_eq!(Certificate::from_der(b"0\x03abc").unwrap_err().kind(), ErrorKind::Config);
        let (certificate, _) = read("names");
        let mut cut = certificate.der();
        cut.truncate(100);
        assert!(Certificate::from_der(cut).is_err());
    }

    #[test]
    fn reading_a_malformed_certificate_leaves_no_error_in_the_queue() {
        let (certificate, _) = read("malformed");
        queue::clear();
        assert_eq!(certificate.subject_alt_name(), None);
        assert!(!certificate.is_ca());
        assert_eq!(certificate, certificate.clone());
        assert!(ErrorStack::get().errors().is_empty());
    }
}
