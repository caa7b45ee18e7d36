//! A certificate as the certificate object of Node's `tls` module.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::certificate::Certificate;
use super::distinguished_name::DistinguishedName;
use super::general_name;
use crate::sys::x509::Extension;

impl Serialize for Certificate {
    /// The certificate object of Node's `tls` module: its field names and its order, absent fields left out, `pubkey`
    /// and `raw` in hexadecimal.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, name) in
            [("subject", self.as_openssl().subject_name()), ("issuer", self.as_openssl().issuer_name())]
        {
            if let Some(name) = DistinguishedName::read(name) {
                map.serialize_entry(field, &name)?;
            }
        }
        // A malformed extension is null, as in Node.
        match self.alternative_names() {
            Extension::Absent => {}
            Extension::Malformed => map.serialize_entry("subjectaltname", &())?,
            Extension::Present(names) => {
                map.serialize_entry("subjectaltname", &general_name::join(&names))?
            }
        }
        match self.info_access_extension() {
            Extension::Absent => {}
            Extension::Malformed => map.serialize_entry("infoAccess", &())?,
            Extension::Present(pairs) => map.serialize_entry("infoAccess", &Pairs(pairs))?,
        }
        map.serialize_entry("ca", &self.is_ca())?;
        let key = self.key();
        if let Some(modulus) = key.modulus() {
            map.serialize_entry("modulus", &modulus)?;
        }
        if let Some(bits) = key.bits() {
            map.serialize_entry("bits", &bits)?;
        }
        if let Some(exponent) = key.exponent() {
            map.serialize_entry("exponent", &exponent)?;
        }
        if let Some(bytes) = key.public_key() {
            map.serialize_entry("pubkey", &hex(&bytes))?;
        }
        if let Some(curve) = key.asn1_curve() {
            map.serialize_entry("asn1Curve", &curve)?;
        }
        if let Some(curve) = key.nist_curve() {
            map.serialize_entry("nistCurve", &curve)?;
        }
        map.serialize_entry("valid_from", &self.valid_from())?;
        map.serialize_entry("valid_to", &self.valid_to())?;
        let fingerprints = [
            ("fingerprint", self.fingerprint()),
            ("fingerprint256", self.fingerprint256()),
            ("fingerprint512", self.fingerprint512()),
        ];
        for (field, fingerprint) in fingerprints.iter().filter(|(_, f)| !f.is_empty()) {
            map.serialize_entry(field, fingerprint)?;
        }
        if let Some(usages) = self.ext_key_usage() {
            map.serialize_entry("ext_key_usage", &usages)?;
        }
        map.serialize_entry("serialNumber", &self.serial_number())?;
        map.serialize_entry("raw", &hex(&self.der()))?;
        map.end()
    }
}

/// Pairs as a map, in their order.
struct Pairs(Vec<(String, Vec<String>)>);

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, values)| (key, values)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
