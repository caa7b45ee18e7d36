//! OCSP responses of the fixtures' authorities, with any content and any dates: RFC 6960 section 4.2.1, by hand.

#![allow(dead_code, reason = "each test program uses some of these")]

use std::time::{Duration, SystemTime};

use openssl::asn1::Asn1Time;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;
use openssl::x509::extension::ExtendedKeyUsage;
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use patina_tls::Certificate;

use super::fixtures;

/// The middle of the year 2025: a time at which the fixtures are valid.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000)
}

/// What the authority says of the certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    Good,
    /// Since when, and why.
    Revoked(&'static str, Option<u8>),
    Unknown,
}

/// A response that is being made. It begins as a good one of the issuer itself, for the years 2020 to 2119.
pub(crate) struct Mint {
    certificate: X509,
    issuer: X509,
    said: Said,
    this_update: String,
    next_update: Option<String>,
    digest: MessageDigest,
    signer: X509,
    key: PKey<Private>,
    by_key: bool,
    enclosed: Vec<X509>,
}

pub(crate) fn x509(name: &str) -> X509 {
    X509::from_pem(&fixtures::bytes(&format!("pki/{name}.pem"))).unwrap()
}

pub(crate) fn key(name: &str) -> PKey<Private> {
    PKey::private_key_from_pem(&fixtures::bytes(&format!("pki/{name}.key"))).unwrap()
}

pub(crate) fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(fixtures::bytes(&format!("pki/{name}.pem"))).unwrap()
}

/// A response about the certificate of the fixtures with this name, by the authority of that name.
pub(crate) fn response(certificate: &str, issuer: &str) -> Mint {
    Mint {
        certificate: x509(certificate),
        issuer: x509(issuer),
        said: Said::Good,
        this_update: "20200101000000Z".to_owned(),
        next_update: Some("21191231000000Z".to_owned()),
        digest: MessageDigest::sha1(),
        signer: x509(issuer),
        key: key(issuer),
        by_key: false,
        enclosed: Vec::new(),
    }
}

impl Mint {
    pub(crate) fn says(mut self, said: Said) -> Mint {
        self.said = said;
        self
    }

    /// As `YYYYMMDDHHMMSSZ`.
    pub(crate) fn times(mut self, this_update: &str, next_update: Option<&str>) -> Mint {
        self.this_update = this_update.to_owned();
        self.next_update = next_update.map(str::to_owned);
        self
    }

    /// The digest of the certificate's id.
    pub(crate) fn digest(mut self, digest: MessageDigest) -> Mint {
        self.digest = digest;
        self
    }

    pub(crate) fn signed_by(mut self, signer: X509, key: PKey<Private>) -> Mint {
        (self.signer, self.key) = (signer, key);
        self
    }

    /// Names the responder by its key.
    pub(crate) fn by_key(mut self) -> Mint {
        self.by_key = true;
        self
    }

    pub(crate) fn enclosing(mut self, certificate: X509) -> Mint {
        self.enclosed.push(certificate);
        self
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let responder = match self.by_key {
            true => tlv(0xa2, &[tlv(0x04, &[sha1(&key_bits(&self.signer))])]),
            false => tlv(0xa1, &[self.signer.subject_name().to_der().unwrap()]),
        };
        let said = match self.said {
            Said::Good => tlv(0x80, &[]),
            Said::Revoked(time, None) => tlv(0xa1, &[time_of(time)]),
            Said::Revoked(time, Some(reason)) => {
                tlv(0xa1, &[time_of(time), tlv(0xa0, &[tlv(0x0a, &[vec![reason]])])])
            }
            Said::Unknown => tlv(0x82, &[]),
        };
        let digest = |bytes: &[u8]| tlv(0x04, &[hash(self.digest, bytes).unwrap().to_vec()]);
        let id = sequence(&[
            sequence(&[oid(self.digest.type_()), tlv(0x05, &[])]),
            digest(&self.issuer.subject_name().to_der().unwrap()),
            digest(&key_bits(&self.issuer)),
            tlv(0x02, &[serial(&self.certificate)]),
        ]);
        let next_update = self.next_update.iter().map(|time| tlv(0xa0, &[time_of(time)])).collect::<Vec<_>>();
        let single = sequence(&[id, said, time_of(&self.this_update), next_update.concat()]);
        let data = sequence(&[responder, time_of(&self.this_update), sequence(&[single])]);
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&data).unwrap();
        let algorithm = match self.key.id() {
            Id::EC => sequence(&[oid(Nid::ECDSA_WITH_SHA256)]),
            _ => sequence(&[oid(Nid::SHA256WITHRSAENCRYPTION), tlv(0x05, &[])]),
        };
        let enclosed: Vec<Vec<u8>> = self.enclosed.iter().map(|one| one.to_der().unwrap()).collect();
        let enclosed = match enclosed.is_empty() {
            true => Vec::new(),
            false => tlv(0xa0, &[sequence(&enclosed)]),
        };
        let basic = sequence(&[data, algorithm, tlv(0x03, &[vec![0], signature]), enclosed]);
        // id-pkix-ocsp-basic
        let kind = tlv(0x06, &[vec![0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]]);
        let bytes = sequence(&[kind, tlv(0x04, &[basic])]);
        sequence(&[tlv(0x0a, &[vec![0]]), tlv(0xa0, &[bytes])])
    }
}

/// A response in which the responder says that it does not answer.
pub(crate) fn refusal(status: u8) -> Vec<u8> {
    sequence(&[tlv(0x0a, &[vec![status]])])
}

/// A certificate of `issuer`'s with another's key and this use, as responders have one.
pub(crate) fn responder(issuer: &str, key_of: &str, usage: &str) -> (X509, PKey<Private>) {
    let (own, authority) = (key(key_of), x509(issuer));
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "Patina Test Responder").unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name.build()).unwrap();
    builder.set_issuer_name(authority.subject_name()).unwrap();
    builder.set_pubkey(&own).unwrap();
    let time = |text| Asn1Time::from_str(text).unwrap();
    builder.set_not_before(&time("20200101000000Z")).unwrap();
    builder.set_not_after(&time("21190101000000Z")).unwrap();
    builder.append_extension(ExtendedKeyUsage::new().other(usage).build().unwrap()).unwrap();
    builder.sign(&key(issuer), MessageDigest::sha256()).unwrap();
    (builder.build(), own)
}

/// One element of DER around the parts.
fn tlv(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let length = match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [vec![tag], length, content].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn time_of(text: &str) -> Vec<u8> {
    tlv(0x18, &[text.as_bytes().to_vec()])
}

/// The object identifiers that are needed here.
fn oid(nid: Nid) -> Vec<u8> {
    let bytes: &[u8] = match nid {
        Nid::SHA1 => &[0x2b, 0x0e, 3, 2, 0x1a],
        Nid::SHA256 => &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1],
        Nid::SHA256WITHRSAENCRYPTION => &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b],
        Nid::ECDSA_WITH_SHA256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        other => panic!("no object identifier for {other:?}"),
    };
    tlv(0x06, &[bytes.to_vec()])
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    hash(MessageDigest::sha1(), bytes).unwrap().to_vec()
}

fn serial(certificate: &X509) -> Vec<u8> {
    let mut bytes = certificate.serial_number().to_bn().unwrap().to_vec();
    if bytes.first().is_none_or(|first| first & 0x80 != 0) {
        bytes.insert(0, 0);
    }
    bytes
}

/// What the key of a certificate is within its SubjectPublicKeyInfo: the bit string's bits.
fn key_bits(certificate: &X509) -> Vec<u8> {
    let info = certificate.public_key().unwrap().public_key_to_der().unwrap();
    let (whole, _) = element(&info);
    let (_, rest) = element(whole);
    element(rest).0[1..].to_vec()
}

/// The content of the first element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (header, length) = match der[1] {
        length @ 0..=0x7f => (2, usize::from(length)),
        0x81 => (3, usize::from(der[2])),
        _ => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
    };
    (&der[header..header + length], &der[header + length..])
}
