//! Numbers of the wire and libssl's names for them.

use openssl::nid::Nid;
use openssl::pkey::Id;

use super::{Result, unimplemented};

/// Groups (RFC 8446 section 4.2.7): number, the name for a configuration, and the names that libssl tells.
const GROUPS: [(u16, &str, &[&str]); 8] = [
    (0x0015, "P-224", &["secp224r1"]),
    (0x0017, "P-256", &["prime256v1", "secp256r1"]),
    (0x0018, "P-384", &["secp384r1"]),
    (0x0019, "P-521", &["secp521r1"]),
    (0x001d, "X25519", &["x25519"]),
    (0x001e, "X448", &["x448"]),
    (0x11ec, "X25519MLKEM768", &["x25519mlkem768"]),
    (0x0202, "MLKEM1024", &["mlkem1024"]),
];

/// Signature algorithms (RFC 8446 section 4.2.3): number, name, kind of the signature, hash.
const SIGNATURES: [(u16, &str, Id, Nid); 15] = [
    (0x0201, "rsa_pkcs1_sha1", Id::RSA, Nid::SHA1),
    (0x0401, "rsa_pkcs1_sha256", Id::RSA, Nid::SHA256),
    (0x0501, "rsa_pkcs1_sha384", Id::RSA, Nid::SHA384),
    (0x0601, "rsa_pkcs1_sha512", Id::RSA, Nid::SHA512),
    (0x0203, "ECDSA+SHA1", Id::EC, Nid::SHA1),
    (0x0403, "ecdsa_secp256r1_sha256", Id::EC, Nid::SHA256),
    (0x0503, "ecdsa_secp384r1_sha384", Id::EC, Nid::SHA384),
    (0x0603, "ecdsa_secp521r1_sha512", Id::EC, Nid::SHA512),
    (0x0804, "rsa_pss_rsae_sha256", Id::RSA_PSS, Nid::SHA256),
    (0x0805, "rsa_pss_rsae_sha384", Id::RSA_PSS, Nid::SHA384),
    (0x0806, "rsa_pss_rsae_sha512", Id::RSA_PSS, Nid::SHA512),
    (0x0809, "rsa_pss_pss_sha256", Id::RSA_PSS, Nid::SHA256),
    (0x0807, "ed25519", Id::ED25519, Nid::UNDEF),
    (0x0808, "ed448", Id::ED448, Nid::UNDEF),
    (0x0301, "RSA+SHA224", Id::RSA, Nid::SHA224),
];

/// A list of groups for a configuration.
pub(super) fn groups(numbers: &[u16]) -> Result<String> {
    list(numbers, "group", |number| GROUPS.iter().find(|group| group.0 == number).map(|group| group.1))
}

/// A list of signature algorithms for a configuration.
pub(super) fn signatures(numbers: &[u16]) -> Result<String> {
    list(numbers, "signature algorithm", |number| {
        SIGNATURES.iter().find(|signature| signature.0 == number).map(|signature| signature.1)
    })
}

fn list(numbers: &[u16], what: &str, name: impl Fn(u16) -> Option<&'static str>) -> Result<String> {
    let mut names = Vec::new();
    for &number in numbers {
        match name(number) {
            Some(name) => names.push(name),
            None => return unimplemented(format!("the {what} 0x{number:04x}")),
        }
    }
    Ok(names.join(":"))
}

/// Whether libssl's name of a group is that of the number; `None` for an unknown number.
pub(super) fn is_group(number: u16, name: &str) -> Option<bool> {
    let (_, own, others) = GROUPS.iter().find(|group| group.0 == number)?;
    Some(name.eq_ignore_ascii_case(own) || others.iter().any(|other| name.eq_ignore_ascii_case(other)))
}

/// Whether a signature of this kind with this hash is of the number; `None` for an unknown number.
pub(super) fn is_signature(number: u16, kind: Option<Nid>, hash: Option<Nid>) -> Option<bool> {
    let (_, _, id, digest) = SIGNATURES.iter().find(|signature| signature.0 == number)?;
    let kind = kind.map(|nid| Id::from_raw(nid.as_raw()));
    Some(kind == Some(*id) && hash.unwrap_or(Nid::UNDEF) == *digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_lists_of_names() {
        assert_eq!(groups(&[29, 23]).unwrap(), "X25519:P-256");
        assert_eq!(signatures(&[0x0804, 0x0401]).unwrap(), "rsa_pss_rsae_sha256:rsa_pkcs1_sha256");
        assert!(groups(&[0x6399]).is_err() && signatures(&[0xffff]).is_err());
    }

    #[test]
    fn what_libssl_tells_leads_back_to_the_number() {
        assert_eq!(is_group(23, "prime256v1"), Some(true));
        assert_eq!(is_group(23, "x25519"), Some(false));
        assert_eq!(is_group(1, "x25519"), None);
        let nid = |id: Id| Some(Nid::from_raw(id.as_raw()));
        assert_eq!(is_signature(0x0403, nid(Id::EC), Some(Nid::SHA256)), Some(true));
        assert_eq!(is_signature(0x0403, nid(Id::EC), Some(Nid::SHA384)), Some(false));
        assert_eq!(is_signature(0x0807, nid(Id::ED25519), None), Some(true));
    }
}
