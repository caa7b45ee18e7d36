//! A case of NIST's Public Key Interoperability Test Suite.

use openssl::base64;
use patina_tls::{Certificate, ChainVerifier, Error, Purpose, TrustStore, VerifyFlags};
use serde_json::Value;

use super::{Verdict, text, texts};
use crate::trouble::{Result, Trouble};

/// What RFC 5280 begins with where no policy is named (section 6.1.1).
const ANY_POLICY: &str = "2.5.29.32.0";

/// The flags of a case, and the field that turns each on.
const SWITCHES: [(&str, VerifyFlags); 3] = [
    ("explicit_policy", VerifyFlags::EXPLICIT_POLICY),
    ("inhibit_any", VerifyFlags::INHIBIT_ANY),
    ("inhibit_mapping", VerifyFlags::INHIBIT_MAP),
];

/// Judges the case with policies, indirect and delta lists, as the suite's description asks for.
///
/// # Errors
/// When a field is not of the shape.
pub fn judge(case: &Value) -> Result<Verdict> {
    let (trusted, leaf) = (der(text(case, "trusted")?)?, der(text(case, "leaf")?)?);
    let (between, crls) = (ders(case, "untrusted")?, ders(case, "crls")?);
    let mut flags = VerifyFlags::POLICY_CHECK
        | VerifyFlags::X509_STRICT
        | VerifyFlags::PARTIAL_CHAIN
        | VerifyFlags::EXTENDED_CRL_SUPPORT
        | VerifyFlags::USE_DELTAS;
    for (field, flag) in SWITCHES {
        match case.get(field) {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::Bool(true)) => flags |= flag,
            Some(other) => return Err(Trouble::new(format!("{field} is {other}"))),
        }
    }
    let mut policies = texts(case, "policies")?;
    if policies.is_empty() {
        policies.push(ANY_POLICY);
    }
    let verdict = verify(&trusted, &leaf, &between, &crls, flags, &policies);
    Ok(verdict.map_or_else(Verdict::from, |()| Verdict::Success))
}

fn verify(
    trusted: &[u8],
    leaf: &[u8],
    between: &[Vec<u8>],
    crls: &[Vec<u8>],
    flags: VerifyFlags,
    policies: &[&str],
) -> std::result::Result<(), Error> {
    let mut trust = TrustStore::from_der(trusted)?;
    for crl in crls {
        trust = trust.with_crl_der(crl)?;
    }
    let leaf = Certificate::from_der(leaf)?;
    let between = between.iter().map(Certificate::from_der).collect::<std::result::Result<Vec<_>, _>>()?;
    // The suite is about paths: its certificates are no TLS peers', and its DSA keys are small.
    let mut verifier = ChainVerifier::new(trust).purpose(Purpose::Any).security_level(0).verify_flags(flags);
    for policy in policies {
        verifier = verifier.policy(*policy);
    }
    verifier.verify(&leaf, &between)?;
    Ok(())
}

fn ders(case: &Value, field: &str) -> Result<Vec<Vec<u8>>> {
    texts(case, field)?.into_iter().map(der).collect()
}

fn der(text: &str) -> Result<Vec<u8>> {
    let joined: String = text.split_ascii_whitespace().collect();
    base64::decode_block(&joined).map_err(|_| Trouble::new("a certificate or list is not in base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use openssl::x509::{X509, X509Crl};
    use serde_json::json;

    fn certificate(name: &str) -> String {
        let x509 = X509::from_pem(&std::fs::read(fixture::pem(name).unwrap()).unwrap()).unwrap();
        base64::encode_block(&x509.to_der().unwrap())
    }

    fn crl(name: &str) -> String {
        let crl = X509Crl::from_pem(&std::fs::read(fixture::crl(name).unwrap()).unwrap()).unwrap();
        base64::encode_block(&crl.to_der().unwrap())
    }

    fn case(leaf: &str) -> Value {
        json!({
            "id": "4.1.1", "trusted": certificate("root"), "untrusted": [certificate("intermediate")],
            "leaf": certificate(leaf), "crls": [crl("root"), crl("intermediate")],
            "policies": null, "explicit_policy": false, "inhibit_any": false, "inhibit_mapping": false,
        })
    }

    #[test]
    fn a_chain_is_judged_with_its_revocation_lists() {
        assert_eq!(judge(&case("server-rsa-chain")).unwrap(), Verdict::Success);
        match judge(&case("revoked-chain")).unwrap() {
            Verdict::Failure(detail) => assert!(detail.starts_with("CERT_REVOKED"), "{detail}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_explicit_policy_that_no_certificate_has_is_a_failure() {
        let mut case = case("server-rsa-chain");
        case["policies"] = json!(["2.16.840.1.101.3.2.1.48.1"]);
        assert_eq!(judge(&case).unwrap(), Verdict::Success);
        case["explicit_policy"] = json!(true);
        assert!(matches!(judge(&case).unwrap(), Verdict::Failure(_)));
    }

    #[test]
    fn bytes_that_are_no_certificate_are_a_failure_and_no_base64_is_an_error() {
        let mut case = case("server-rsa-chain");
        case["leaf"] = json!("AAAA");
        assert!(matches!(judge(&case).unwrap(), Verdict::Failure(_)));
        case["leaf"] = json!("*");
        assert!(judge(&case).is_err());
        case["leaf"] = json!(certificate("root"));
        case["inhibit_any"] = json!("yes");
        assert!(judge(&case).is_err());
    }
}
