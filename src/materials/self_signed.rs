//! Certificates that their own key signs.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

use super::identity::{OPTION, failed};
use crate::values::address;
use crate::values::error::Error;

/// Ten years.
const DAYS: u32 = 3652;

/// The upper bound of a common name (RFC 5280, `ub-common-name`).
const LONGEST_COMMON_NAME: usize = 64;

/// The length of the serial number in bits: below the 20 bytes of RFC 5280 section 4.1.2.2.
const SERIAL_BITS: i32 = 127;

pub(super) fn make(names: &[String]) -> Result<(X509, PKey<Private>), Error> {
    let Some(first) = names.first() else {
        return Err(Error::config(OPTION, "a certificate needs at least one name"));
    };
    // The names become a text of libcrypto's extension language, in which a comma begins the next name.
    let bad = |name: &&String| name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    if let Some(name) = names.iter().find(bad) {
        return Err(Error::config(OPTION, format!("{name:?} is no name for a certificate")));
    }
    sign(first, names).map_err(|stack| failed(&stack))
}

fn sign(first: &str, names: &[String]) -> Result<(X509, PKey<Private>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;

    let mut subject = X509NameBuilder::new()?;
    if first.len() <= LONGEST_COMMON_NAME {
        subject.append_entry_by_nid(Nid::COMMONNAME, first)?;
    }
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(SERIAL_BITS, MsbOption::ONE, false)?;

    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*serial.to_asn1_integer()?)?;
    certificate.set_subject_name(&subject)?;
    certificate.set_issuer_name(&subject)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(DAYS)?)?;
    certificate.append_extension(BasicConstraints::new().critical().build()?)?;
    certificate.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let mut alternative = SubjectAlternativeName::new();
    for name in names {
        match address::parse(name) {
            Some(address) => alternative.ip(&address.to_string()),
            None => alternative.dns(name),
        };
    }
    // Without a subject the alternative names must be critical (RFC 5280 section 4.2.1.6).
    if first.len() > LONGEST_COMMON_NAME {
        alternative.critical();
    }
    let alternative = alternative.build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(alternative)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok((certificate.build(), key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::materials::certificate::Certificate;
    use openssl::x509::X509VerifyResult;
    use std::net::IpAddr;

    fn made(names: &[&str]) -> Certificate {
        let (certificate, _) = make(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>()).unwrap();
        Certificate::from_x509(certificate)
    }

    #[test]
    fn names_and_addresses_become_alternative_names() {
        let certificate = made(&["localhost", "*.patina.test", "127.0.0.1", "::1"]);
        assert_eq!(certificate.dns_names(), ["localhost", "*.patina.test"]);
        assert_eq!(
            certificate.ip_addresses(),
            ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]
        );
        assert_eq!(certificate.subject_common_names(), ["localhost"]);
    }

    #[test]
    fn the_certificate_is_signed_by_its_own_key() {
        let (certificate, key) = make(&["localhost".to_owned()]).unwrap();
        assert!(certificate.verify(&key).unwrap());
        assert_eq!(certificate.issued(&certificate), X509VerifyResult::OK);
        assert!(certificate.public_key().unwrap().public_eq(&key));
        let days = certificate.not_before().diff(certificate.not_after()).unwrap().days;
        assert_eq!(days, 3652);
    }

    #[test]
    fn a_name_too_long_for_a_common_name_stands_in_the_alternative_names_alone() {
        let name = format!("{}.example", "a".repeat(63));
        let certificate = made(&[&name]);
        assert_eq!(certificate.dns_names(), [name]);
        assert!(certificate.subject_common_names().is_empty());
    }

    #[test]
    fn no_name_and_names_with_a_meaning_to_libcrypto_are_refused() {
        for names in [&[][..], &[""], &["a,DNS:evil.example"], &["a b"], &["ü.example"], &["a\0"]] {
            let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
            let error = make(&names).unwrap_err();
            assert_eq!(error.option(), Some("identity"), "{names:?}");
        }
    }
}
