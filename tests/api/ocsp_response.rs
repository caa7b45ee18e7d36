//! OCSP responses apart from any connection: what they say, and who may say it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::hash::MessageDigest;
use patina_tls::{
    Certificate, ErrorKind, OcspRequest, OcspResponse, OcspStatus, OcspVerifier, RevocationReason,
    StapleVerdict, TrustStore,
};

use crate::support::fixtures;
use crate::support::ocsp::{Mint, Said, certificate, key, now, refusal, responder, response, x509};
use crate::support::pair::trust;

/// 2020-01-01.
const BEGIN: u64 = 1_577_836_800;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn read(mint: &Mint) -> OcspResponse {
    OcspResponse::from_der(mint.der()).unwrap()
}

fn verifier(root: &str) -> OcspVerifier {
    OcspVerifier::new(trust(root)).verify_time(now())
}

/// What the verification of a response for `server-rsa` of `root` comes to: the status, or the code and text of the error.
fn verdict(mint: &Mint) -> Result<OcspStatus, (String, String)> {
    verdict_by(&verifier("root"), mint)
}

fn verdict_by(verifier: &OcspVerifier, mint: &Mint) -> Result<OcspStatus, (String, String)> {
    let verified = verifier.verify(&read(mint), &certificate("server-rsa"), &[]);
    verified.map(|entry| entry.status()).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
        (error.code().to_owned(), error.message().to_owned())
    })
}

fn code(mint: &Mint) -> String {
    verdict(mint).unwrap_err().0
}

fn good() -> Mint {
    response("server-rsa", "root")
}

#[test]
fn a_response_tells_status_and_times() {
    let own = certificate("server-rsa");
    let entry = read(&good()).status_of(&own, &certificate("root")).unwrap();
    assert_eq!(entry.status(), OcspStatus::Good);
    assert_eq!(entry.this_update(), at(BEGIN));
    assert_eq!(entry.next_update(), Some(at(4_733_424_000)));
    assert_eq!(read(&good()).produced_at(), Some(at(BEGIN)));
    assert_eq!(read(&good()).der(), good().der());

    let without_end = read(&good().times("20200101000000Z", None));
    assert_eq!(without_end.status_of(&own, &certificate("root")).unwrap().next_update(), None);
}

#[test]
fn a_revocation_tells_its_time_and_reason() {
    let status = |said| read(&good().says(said)).status_of(&certificate("server-rsa"), &certificate("root"));
    let revoked = |reason| OcspStatus::Revoked { time: at(BEGIN + 3600), reason };
    for (number, reason, text) in [
        (Some(1), Some(RevocationReason::KeyCompromise), "revoked (keyCompromise)"),
        (Some(0), Some(RevocationReason::Unspecified), "revoked (unspecified)"),
        (Some(10), Some(RevocationReason::AaCompromise), "revoked (aACompromise)"),
        (Some(7), Some(RevocationReason::Other(7)), "revoked (reason 7)"),
        (None, None, "revoked"),
    ] {
        let found = status(Said::Revoked("20200101010000Z", number)).unwrap().status();
        assert_eq!(found, revoked(reason));
        assert_eq!(found.to_string(), text);
        assert_eq!(reason.map(RevocationReason::code), number);
    }
    assert_eq!(status(Said::Unknown).unwrap().status(), OcspStatus::Unknown);
}

#[test]
fn a_response_is_about_one_certificate_of_one_issuer() {
    for digest in [MessageDigest::sha1(), MessageDigest::sha256()] {
        let response = read(&good().digest(digest));
        assert!(response.status_of(&certificate("server-rsa"), &certificate("root")).is_some());
        assert!(response.status_of(&certificate("server-pss"), &certificate("root")).is_none());
        assert!(response.status_of(&certificate("server-rsa"), &certificate("root-ec")).is_none());
    }
}

#[test]
fn what_is_no_answer_is_refused_with_the_reason() {
    let fail = |der: &[u8]| {
        let error = OcspResponse::from_der(der).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "OCSP_RESP_INVALID"));
        error.message().to_owned()
    };
    for (status, text) in [
        (1, "malformed request"),
        (2, "internal error"),
        (3, "try later"),
        (5, "the request must be signed"),
        (6, "unauthorized"),
        (9, "status 9"),
    ] {
        assert_eq!(fail(&refusal(status)), format!("the responder has not answered: {text}"));
    }
    let whole = good().der();
    assert!(fail(&refusal(0)).starts_with("these bytes are no OCSP response"), "success without content");
    for end in 0..whole.len() {
        assert!(fail(&whole[..end]).starts_with("these bytes are no OCSP response"), "{end}");
    }
    assert!(fail(&[whole, vec![0]].concat()).starts_with("these bytes are no OCSP response"));
    assert!(fail(&fixtures::bytes("pki/server-rsa.cert.der")).starts_with("these bytes are no OCSP"));
}

#[test]
fn a_file_that_is_none_is_named() {
    let error = OcspResponse::from_der_file(fixtures::path("pki/garbage.der")).unwrap_err();
    assert!(error.to_string().contains("garbage.der: these bytes are no OCSP response"), "{error}");
    let error = OcspResponse::from_der_file(fixtures::path("pki/none.der")).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Io, "ENOENT"));
}

#[test]
fn the_issuer_may_say_anything() {
    assert_eq!(verdict(&good()), Ok(OcspStatus::Good));
    assert_eq!(verdict(&good().by_key()), Ok(OcspStatus::Good));
    assert_eq!(verdict(&good().enclosing(x509("root"))), Ok(OcspStatus::Good));
    assert_eq!(verdict(&good().digest(MessageDigest::sha256())), Ok(OcspStatus::Good));
    assert_eq!(verdict(&good().says(Said::Unknown)), Ok(OcspStatus::Unknown));
    let revoked = verdict(&good().says(Said::Revoked("20240101000000Z", Some(4)))).unwrap();
    assert!(matches!(revoked, OcspStatus::Revoked { reason: Some(RevocationReason::Superseded), .. }));
}

#[test]
fn an_intermediate_authority_answers_for_its_own() {
    let mint = response("server-rsa-chain", "intermediate");
    let (own, between) = (certificate("server-rsa-chain"), [certificate("intermediate")]);
    let verified = verifier("root").verify(&read(&mint), &own, &between).unwrap();
    assert_eq!(verified.status(), OcspStatus::Good);

    let alone = verifier("root").verify(&read(&mint), &own, &[]).unwrap_err();
    assert_eq!(alone.code(), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert!(alone.message().starts_with("the chain of the certificate itself: "), "{alone}");
    let elsewhere = verifier("other-root").verify(&read(&mint), &own, &between).unwrap_err();
    assert_eq!(elsewhere.code(), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
}

#[test]
fn an_elliptic_curve_signs_as_well() {
    let mint = response("server-p256", "root-ec");
    let verified = verifier("root-ec").verify(&read(&mint), &certificate("server-p256"), &[]).unwrap();
    assert_eq!(verified.status(), OcspStatus::Good);
}

#[test]
fn a_responder_needs_a_certificate_of_the_issuer_for_ocsp_signing() {
    let (delegate, delegate_key) = responder("root", "other", "OCSPSigning");
    let delegated = good().signed_by(delegate.clone(), delegate_key.clone());
    assert_eq!(verdict(&delegated.enclosing(delegate.clone())), Ok(OcspStatus::Good));
    let by_key =
        good().signed_by(delegate.clone(), delegate_key.clone()).by_key().enclosing(delegate.clone());
    assert_eq!(verdict(&by_key), Ok(OcspStatus::Good));

    let (code, text) = verdict(&good().signed_by(delegate, delegate_key)).unwrap_err();
    assert_eq!(code, "OCSP_SIGNATURE_FAILURE", "its certificate is not there");
    assert!(text.contains("nor by a certificate that came with it"), "{text}");

    for usage in ["clientAuth", "serverAuth"] {
        let (other, other_key) = responder("root", "other", usage);
        let (code, text) = verdict(&good().signed_by(other.clone(), other_key).enclosing(other)).unwrap_err();
        assert_eq!(code, "OCSP_VERIFY_FAILED");
        assert!(text.ends_with("its certificate is not for OCSP signing"), "{text}");
    }
    for authority in ["other-root", "intermediate"] {
        let (other, other_key) = responder(authority, "other", "OCSPSigning");
        let (code, text) = verdict(&good().signed_by(other.clone(), other_key).enclosing(other)).unwrap_err();
        assert_eq!(code, "OCSP_VERIFY_FAILED", "{authority}");
        assert!(text.ends_with("its certificate is not of that authority"), "{text}");
    }
}

#[test]
fn a_responder_s_certificate_must_be_in_force() {
    let (delegate, delegate_key) = responder("root", "other", "OCSPSigning");
    let mint = good().signed_by(delegate.clone(), delegate_key).enclosing(delegate);
    // 2119-06-01: the certificate of the responder has ended, the response and the others have not.
    let late = verifier("root").verify_time(at(4_715_107_200));
    let (code, text) = verdict_by(&late, &mint).unwrap_err();
    assert_eq!(code, "CERT_HAS_EXPIRED");
    assert!(text.starts_with("the chain of the responder CN=Patina Test Responder"), "{text}");
    assert_eq!(verdict_by(&late, &good()), Ok(OcspStatus::Good));
}

#[test]
fn a_stranger_s_signature_is_refused() {
    let other = good().signed_by(x509("other-root"), key("other-root")).enclosing(x509("other-root"));
    assert_eq!(code(&other), "OCSP_VERIFY_FAILED");
    // It says to be the issuer, and is not.
    let (code, text) = verdict(&good().signed_by(x509("root"), key("other-root"))).unwrap_err();
    assert_eq!(code, "OCSP_SIGNATURE_FAILURE");
    assert!(text.starts_with("the signature of "), "{text}");
    // One bit of the signed part.
    let mut der = good().der();
    let place = der.windows(15).position(|window| window == b"20200101000000Z").unwrap();
    der[place + 3] ^= 1;
    let changed = OcspResponse::from_der(&der).unwrap();
    let error = verifier("root").verify(&changed, &certificate("server-rsa"), &[]).unwrap_err();
    assert_eq!(error.code(), "OCSP_SIGNATURE_FAILURE");
}

#[test]
fn a_response_about_another_certificate_is_refused() {
    assert_eq!(code(&response("server-pss", "root")), "OCSP_RESP_INVALID");
}

#[test]
fn times_count_with_a_tolerance() {
    let mint = good().times("20200101000000Z", Some("20200108000000Z"));
    let end = BEGIN + 7 * 86_400;
    let code = |time: u64, verifier: OcspVerifier| {
        verdict_by(&verifier.verify_time(at(time)), &mint).err().map(|(code, _)| code)
    };
    let expired = Some("OCSP_HAS_EXPIRED".to_owned());
    let verifier = || verifier("root");
    assert_eq!(code(BEGIN, verifier()), None);
    assert_eq!(code(end, verifier()), None);
    assert_eq!(code(end + 300, verifier()), None);
    assert_eq!(code(end + 301, verifier()), expired);
    assert_eq!(code(end + 301, verifier().tolerance(Duration::from_secs(600))), None);
    assert_eq!(code(end + 1, verifier().tolerance(Duration::ZERO)), expired);

    // Before the response nothing else is valid, either: another one, that begins later.
    let later = good().times("20250101000000Z", None);
    let new_year = 1_735_689_600;
    let code = |time: u64| verdict_by(&verifier().verify_time(at(time)), &later).err().map(|(code, _)| code);
    assert_eq!(code(new_year - 301), Some("OCSP_NOT_YET_VALID".to_owned()));
    assert_eq!(code(new_year - 300), None);
}

#[test]
fn without_an_end_or_with_a_limit_the_age_counts() {
    let day = 86_400;
    let open = good().times("20200101000000Z", None);
    let code = |time: u64, mint: &Mint, verifier: OcspVerifier| {
        verdict_by(&verifier.verify_time(at(time)), mint).err().map(|(code, _)| code)
    };
    let expired = Some("OCSP_HAS_EXPIRED".to_owned());
    let week = || verifier("root").max_age(Duration::from_secs(7 * day));
    assert_eq!(code(BEGIN + day + 300, &open, verifier("root")), None);
    assert_eq!(code(BEGIN + day + 301, &open, verifier("root")), expired);
    assert_eq!(code(BEGIN + 7 * day, &open, week()), None);
    assert_eq!(code(BEGIN + 8 * day, &open, week()), expired);
    assert_eq!(code(BEGIN + 8 * day, &good(), verifier("root")), None);
    assert_eq!(code(BEGIN + 8 * day, &good(), week()), expired);
}

#[test]
fn revocation_lists_in_the_store_do_not_matter() {
    let with_lists = trust("root").with_crl_pem(fixtures::bytes("crl/other-root.crl.pem")).unwrap();
    let verifier = OcspVerifier::new(with_lists).verify_time(now());
    assert_eq!(verdict_by(&verifier, &good()), Ok(OcspStatus::Good));
}

#[test]
fn a_staple_is_good_revoked_unknown_missing_or_invalid() {
    let judge = |staple: Option<Vec<u8>>, name: &str| {
        verifier("root").judge_staple(staple.as_deref(), &certificate(name), &[])
    };
    let check = |verdict: StapleVerdict| verdict.check().map_err(|error| error.code().to_owned());

    let verdict = judge(Some(good().der()), "server-rsa");
    assert!(verdict.is_good() && matches!(&verdict, StapleVerdict::Good(entry) if entry.status().is_good()));
    assert_eq!((verdict.to_string(), check(verdict)), ("good".to_owned(), Ok(())));

    let verdict = judge(Some(good().says(Said::Revoked("20240101000000Z", Some(1))).der()), "server-rsa");
    assert!(matches!(verdict, StapleVerdict::Revoked(_)) && !verdict.is_good());
    assert_eq!(verdict.to_string(), "revoked (keyCompromise)");
    assert_eq!(check(verdict), Err("CERT_REVOKED".to_owned()));

    let verdict = judge(Some(good().says(Said::Unknown).der()), "server-rsa");
    assert!(matches!(verdict, StapleVerdict::Unknown(_)));
    assert_eq!(check(verdict), Err("OCSP_CERT_UNKNOWN".to_owned()));

    let expired = good().times("20200101000000Z", Some("20200108000000Z"));
    let verdict = judge(Some(expired.der()), "server-rsa");
    assert_eq!(verdict.to_string(), "invalid: the response has expired (nextUpdate)");
    assert_eq!(check(verdict), Err("OCSP_HAS_EXPIRED".to_owned()));

    let StapleVerdict::Invalid(error) = judge(Some(b"nothing".to_vec()), "server-rsa") else {
        panic!("no response")
    };
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "OCSP_RESP_INVALID"));

    let verdict = judge(None, "server-rsa");
    assert!(matches!(verdict, StapleVerdict::Missing { must_staple: false }));
    assert_eq!((verdict.to_string(), check(verdict)), ("missing".to_owned(), Ok(())));
}

#[test]
fn a_certificate_that_must_be_stapled_to_is_nothing_without() {
    assert!(certificate("must-staple").must_staple());
    for name in ["server-rsa", "server-rsa-chain", "root"] {
        assert!(!certificate(name).must_staple(), "{name}");
    }
    let verdict = verifier("root").judge_staple(None, &certificate("must-staple"), &[]);
    assert!(matches!(verdict, StapleVerdict::Missing { must_staple: true }));
    let error = verdict.check().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "OCSP_VERIFY_NEEDED"));

    let staple = response("must-staple", "root").der();
    assert!(verifier("root").judge_staple(Some(&staple), &certificate("must-staple"), &[]).is_good());
}

#[test]
fn nobody_s_word_counts_without_roots() {
    let verifier = OcspVerifier::new(TrustStore::empty()).verify_time(now());
    assert_eq!(verdict_by(&verifier, &good()).unwrap_err().0, "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
}

#[test]
fn a_request_names_the_certificate_and_where_to_send_it() {
    let chain =
        |name: &str, issuer: Option<&str>| OcspRequest::new(certificate(name), issuer.map(certificate));
    let request = chain("server-rsa-chain", Some("intermediate"));
    assert_eq!(request.responders(), ["http://ocsp.patina.test/"]);
    assert_eq!(request.certificate().subject_common_names(), ["server-rsa-chain"]);
    assert_eq!(request.issuer().map(Certificate::is_ca), Some(true));
    let der = request.to_der().unwrap();
    let read = openssl::ocsp::OcspRequest::from_der(&der).unwrap();
    assert_eq!(read.to_der().unwrap(), der);
    assert!(der.windows(2).any(|window| window == [0x31, 0x01]), "the serial number 3101 is in it");

    let error = chain("server-rsa-chain", None).to_der().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.message().contains("CN=server-rsa-chain"), "{error}");
    assert!(chain("server-rsa", Some("root")).responders().is_empty());
}
