//! The name of a certificate's subject or issuer.

use std::fmt::{self, Write};

use openssl::asn1::Asn1ObjectRef;
use openssl::nid::Nid;
use openssl::x509::X509NameRef;

use crate::sys::x509;

/// The name of a certificate's subject or issuer (RFC 5280 section 4.1.2.4).
///
/// Attributes go by the short name that libssl has for them (`CN`, `O`, `OU`, `C`, `emailAddress`), unknown ones by
/// their dotted object identifier. The order is the certificate's; the grouping of a relative distinguished
/// name with several attributes is not kept.
///
/// # Examples
///
/// ```
/// use patina_tls::Certificate;
///
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/materials/testdata/names.pem"));
/// let certificate = Certificate::from_pem(pem)?;
/// assert_eq!(certificate.subject().get("CN"), Some("names.example"));
/// assert_eq!(certificate.subject().values("OU"), ["First", "Second"]);
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// # Security
///
/// A value is whatever the issuer let into the certificate, line breaks and NUL bytes included: escape it before it
/// goes into a log or a terminal. [`Display`](fmt::Display) does so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[doc(alias = "X509_NAME")]
pub struct DistinguishedName {
    /// By attribute, in the order of first appearance.
    attributes: Vec<(String, Vec<String>)>,
}

impl DistinguishedName {
    /// `None` when some value cannot be converted to Unicode: a name with a part left out would be another name.
    pub(crate) fn read(name: &X509NameRef) -> Option<DistinguishedName> {
        let mut attributes: Vec<(String, Vec<String>)> = Vec::new();
        for entry in name.entries() {
            let key = key_of(entry.object());
            let value = x509::utf8(entry.data())?;
            match attributes.iter_mut().find(|(k, _)| *k == key) {
                Some((_, values)) => values.push(value),
                None => attributes.push((key, vec![value])),
            }
        }
        Some(DistinguishedName { attributes })
    }

    /// The first value of an attribute.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.values(attribute).first().map(String::as_str)
    }

    /// All values of an attribute, in the order of the certificate; empty when it is absent.
    pub fn values(&self, attribute: &str) -> &[String] {
        self.attributes.iter().find(|(k, _)| k == attribute).map_or(&[], |(_, values)| values)
    }

    /// The attributes in the order of their first appearance, each with all its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.attributes.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    /// Whether the name has no attribute.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }
}

/// Writes `C=DE, O=Example\, Inc, CN=example.com`: special and control characters escaped as RFC 4514 section 2.4
/// says, but in the order of the certificate.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (key, values) in self.iter() {
            for value in values {
                write!(f, "{separator}{key}=")?;
                escape(f, value)?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for DistinguishedName {
    /// A map of attributes; the value is a string, or an array where the attribute appears more than once.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let mut map = serializer.serialize_map(Some(self.attributes.len()))?;
        for (key, values) in &self.attributes {
            match values.as_slice() {
                [one] => map.serialize_entry(key, one)?,
                several => map.serialize_entry(key, several)?,
            }
        }
        map.end()
    }
}

fn key_of(object: &Asn1ObjectRef) -> String {
    match object.nid() {
        Nid::UNDEF => x509::dotted(object),
        nid => nid.short_name().map_or_else(|_| x509::dotted(object), str::to_owned),
    }
}

fn escape(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => write!(f, "\\{character}")?,
            '#' if index == 0 => f.write_str("\\#")?,
            ' ' if index == 0 || index == last => f.write_str("\\ ")?,
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    write!(f, "\\{byte:02X}")?;
                }
            }
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(entries: &[(&str, &[&str])]) -> DistinguishedName {
        let owned = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        DistinguishedName { attributes: entries.iter().map(|(k, v)| ((*k).to_owned(), owned(v))).collect() }
    }

    #[test]
    fn the_text_escapes_what_could_pass_for_another_attribute() {
        let name = name(&[("O", &["a, CN=evil", " b "]), ("CN", &["#x\0\n"])]);
        assert_eq!(name.to_string(), "O=a\\, CN\\=evil, O=\\ b\\ , CN=\\#x\\00\\0A");
    }

    #[test]
    fn an_attribute_that_is_absent_has_no_values() {
        let name = name(&[("CN", &["a", "b"])]);
        assert_eq!(name.get("CN"), Some("a"));
        assert_eq!((name.get("O"), name.values("O").len()), (None, 0));
        assert!(DistinguishedName::default().is_empty());
    }
}
