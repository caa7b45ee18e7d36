//! A member of x509-limbo's `testcases`.

use patina_tls::{Certificate, ChainVerifier, Error, Purpose, TrustStore, VerifyFlags};
use serde_json::Value;

use super::{Verdict, given, text, texts};
use crate::time;
use crate::trouble::{Result, Trouble};

/// The suite judges after the rules of the Web, which take no RSA key below 2048 bits.
const SECURITY_LEVEL: u8 = 2;

/// Judges the case with libssl's strict flag, and with trusted intermediates as ends of chains.
///
/// # Errors
/// When a field is not what the suite's schema says.
pub fn judge(case: &Value) -> Result<Verdict> {
    for field in ["signature_algorithms", "key_usage"] {
        if !texts(case, field)?.is_empty() {
            return Ok(Verdict::Skipped(format!("{field} cannot be asked for")));
        }
    }
    let purposes = match purposes(case)? {
        Ok(purposes) => purposes,
        Err(reason) => return Ok(Verdict::Skipped(reason)),
    };
    let names = match names(case)? {
        Ok(names) => names,
        Err(reason) => return Ok(Verdict::Skipped(reason)),
    };
    let time = match given(case, "validation_time") {
        None => None,
        Some(value) => {
            let time = value.as_str().and_then(time::parse);
            Some(time.ok_or_else(|| Trouble::new(format!("validation_time {value} is no time")))?)
        }
    };
    let depth = match given(case, "max_chain_depth") {
        None => None,
        Some(value) => {
            let depth = value.as_u64().and_then(|depth| u32::try_from(depth).ok());
            Some(depth.ok_or_else(|| Trouble::new(format!("max_chain_depth {value} is no depth")))?)
        }
    };

    let (trusted, crls) = (texts(case, "trusted_certs")?, texts(case, "crls")?);
    let (leaf, between) = (text(case, "peer_certificate")?, texts(case, "untrusted_intermediates")?);
    let verdict = read(&trusted, &crls, leaf, &between).and_then(|(trust, leaf, between)| {
        let mut verifier = ChainVerifier::new(trust)
            .security_level(SECURITY_LEVEL)
            .verify_flags(VerifyFlags::X509_STRICT | VerifyFlags::PARTIAL_CHAIN);
        if let Some(time) = time {
            verifier = verifier.verify_time(time);
        }
        if let Some(depth) = depth {
            verifier = verifier.verify_depth(depth);
        }
        for purpose in purposes {
            verifier.clone().purpose(purpose).verify(&leaf, &between)?;
        }
        // The chain is good; what is left are the names.
        verifier = verifier.purpose(Purpose::Any);
        for name in names {
            verifier.clone().host(name).verify(&leaf, &between)?;
        }
        Ok(())
    });
    Ok(verdict.map_or_else(Verdict::from, |()| Verdict::Success))
}

fn read(
    trusted: &[&str],
    crls: &[&str],
    leaf: &str,
    between: &[&str],
) -> std::result::Result<(TrustStore, Certificate, Vec<Certificate>), Error> {
    let mut trust = TrustStore::empty();
    for pem in trusted {
        trust = trust.and(TrustStore::from_pem(pem)?);
    }
    for pem in crls {
        trust = trust.with_crl_pem(pem)?;
    }
    let between = between.iter().map(Certificate::from_pem).collect::<std::result::Result<_, _>>()?;
    Ok((trust, Certificate::from_pem(leaf)?, between))
}

/// What the certificate must be good for, or why that cannot be asked.
fn purposes(case: &Value) -> Result<std::result::Result<Vec<Purpose>, String>> {
    let kind = match text(case, "validation_kind")? {
        "SERVER" => Purpose::Server,
        "CLIENT" => Purpose::Client,
        other => return Err(Trouble::new(format!("validation_kind {other} is unknown"))),
    };
    let usages = texts(case, "extended_key_usage")?;
    if usages.is_empty() {
        return Ok(Ok(vec![kind]));
    }
    let purpose = |usage: &str| match usage {
        "serverAuth" => Ok(Purpose::Server),
        "clientAuth" => Ok(Purpose::Client),
        "anyExtendedKeyUsage" => Ok(Purpose::Any),
        other => Err(format!("extended_key_usage {other} is no purpose of a TLS peer")),
    };
    Ok(usages.into_iter().map(purpose).collect())
}

/// The names that the certificate must have, or why that cannot be asked.
fn names(case: &Value) -> Result<std::result::Result<Vec<String>, String>> {
    let mut all: Vec<&Value> = given(case, "expected_peer_name").into_iter().collect();
    match given(case, "expected_peer_names") {
        None => {}
        Some(Value::Array(more)) => all.extend(more),
        Some(_) => return Err(Trouble::new("expected_peer_names is no list")),
    }
    let mut names = Vec::new();
    for name in all {
        let value = text(name, "value")?;
        match text(name, "kind")? {
            "DNS" | "IP" => names.push(value.to_owned()),
            "RFC822" => return Ok(Err("the library compares no e-mail addresses".to_owned())),
            other => return Err(Trouble::new(format!("the kind of name {other} is unknown"))),
        }
    }
    Ok(Ok(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::json;

    fn pem(name: &str) -> String {
        std::fs::read_to_string(fixture::pem(name).unwrap()).unwrap()
    }

    fn crl(name: &str) -> String {
        std::fs::read_to_string(fixture::crl(name).unwrap()).unwrap()
    }

    /// A case that is good, with every field of the schema.
    fn case() -> Value {
        json!({
            "id": "patina::good", "features": null, "importance": "undetermined", "description": "",
            "validation_kind": "SERVER", "trusted_certs": [pem("root")],
            "untrusted_intermediates": [pem("intermediate")], "peer_certificate": pem("server-rsa-chain"),
            "peer_certificate_key": null, "validation_time": "2025-06-15T00:00:00Z",
            "signature_algorithms": [], "key_usage": [], "extended_key_usage": ["serverAuth"],
            "expected_result": "FAILURE", "expected_peer_name": {"kind": "DNS", "value": "localhost"},
            "expected_peer_names": [], "max_chain_depth": null, "crls": [],
        })
    }

    fn with(changes: Value) -> Value {
        let mut case = case();
        for (field, value) in changes.as_object().unwrap() {
            case[field] = value.clone();
        }
        case
    }

    #[test]
    fn a_good_chain_is_a_success_whatever_the_suite_expects() {
        assert_eq!(judge(&case()).unwrap(), Verdict::Success);
        let lists = with(json!({"crls": [crl("root"), crl("intermediate")]}));
        assert_eq!(judge(&lists).unwrap(), Verdict::Success);
    }

    #[test]
    fn each_field_can_turn_the_verdict() {
        for (changes, code) in [
            (json!({"trusted_certs": [pem("other-root")]}), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
            (json!({"untrusted_intermediates": []}), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
            (json!({"peer_certificate": "no certificate"}), "ERR_OSSL_PEM_NO_START_LINE"),
            (json!({"validation_time": "1999-01-01T00:00:00Z"}), "CERT_NOT_YET_VALID"),
            (json!({"extended_key_usage": ["clientAuth"]}), "INVALID_PURPOSE"),
            (json!({"extended_key_usage": [], "validation_kind": "CLIENT"}), "INVALID_PURPOSE"),
            (
                json!({"expected_peer_name": {"kind": "IP", "value": "10.9.9.9"}}),
                "ERR_TLS_CERT_ALTNAME_INVALID",
            ),
            (
                json!({"expected_peer_names": [{"kind": "DNS", "value": "else.where"}]}),
                "ERR_TLS_CERT_ALTNAME_INVALID",
            ),
            (json!({"crls": [crl("root")]}), "UNABLE_TO_GET_CRL"),
        ] {
            match judge(&with(changes.clone())).unwrap() {
                Verdict::Failure(detail) => assert!(detail.starts_with(code), "{detail}, not {code}"),
                other => panic!("{other:?} for {}", changes),
            }
        }
        assert!(matches!(judge(&with(json!({"max_chain_depth": 0}))).unwrap(), Verdict::Failure(_)));
    }

    #[test]
    fn what_cannot_be_asked_is_skipped_with_the_reason() {
        for (changes, word) in [
            (json!({"signature_algorithms": ["RSA_WITH_SHA256"]}), "signature_algorithms"),
            (json!({"key_usage": ["digitalSignature"]}), "key_usage"),
            (json!({"extended_key_usage": ["codeSigning"]}), "codeSigning"),
            (json!({"expected_peer_name": {"kind": "RFC822", "value": "a@b"}}), "e-mail"),
        ] {
            match judge(&with(changes)).unwrap() {
                Verdict::Skipped(reason) => assert!(reason.contains(word), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_field_of_another_shape_is_an_error() {
        for changes in [
            json!({"validation_time": "noon"}),
            json!({"validation_kind": "PEER"}),
            json!({"trusted_certs": "one"}),
            json!({"max_chain_depth": -1}),
            json!({"expected_peer_name": {"kind": "URI", "value": "x"}}),
        ] {
            assert!(judge(&with(changes.clone())).is_err(), "{changes}");
        }
    }
}
