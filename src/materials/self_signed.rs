//! Certificates that their own key signs.

use std::net::IpAddr;

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
        match name.parse::<IpAddr>() {
            Ok(address) => alternative.ip(&address.to_string()),
            Err(_) => alternative.dns(name),
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
