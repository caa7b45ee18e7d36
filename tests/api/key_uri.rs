//! Keys and certificates by URI and by engine, as far as no token is needed.

use patina_tls::{Error, ErrorKind, Identity, ServerConfig};

use crate::support::fixtures;
use crate::support::pair::{client, pair};

fn uri(name: &str) -> String {
    format!("file:{}", fixtures::path(name).display())
}

fn refusal(outcome: Result<Identity, Error>) -> Error {
    let error = outcome.unwrap_err();
    assert_eq!(error.option(), Some("identity"), "{error:?}");
    error
}

#[tokio::test]
async fn an_identity_from_file_uris_serves() {
    let identity =
        Identity::from_uri(uri("pki/server-rsa-chain-chain.pem"), uri("pki/server-rsa-chain.key")).unwrap();
    assert_eq!(identity.chain().len(), 1);
    let server = ServerConfig::builder().identity(identity).build().unwrap();
    let ends = pair(&client().build().unwrap(), &server).await;
    assert!(ends.0.negotiated().authorized());
    let name = ends.0.negotiated().peer_certificate().unwrap().subject_common_names();
    assert_eq!(name, ["server-rsa-chain"]);
}

#[test]
fn uris_and_paths_of_every_form_of_a_key_work() {
    for key in ["server-rsa.key", "server-rsa.pkcs1.key", "server-rsa.der"] {
        Identity::from_uri(uri("pki/server-rsa.cert.der"), uri(&format!("pki/{key}"))).unwrap();
        let path = |name: &str| fixtures::path(&format!("pki/{name}")).display().to_string();
        Identity::from_uri(path("server-rsa.pem"), path(key)).unwrap();
    }
    for (certificate, key) in
        [("server-p256.pem", "server-p256.sec1.key"), ("server-ed25519.pem", "server-ed25519.key")]
    {
        Identity::from_uri(uri(&format!("pki/{certificate}")), uri(&format!("pki/{key}"))).unwrap();
    }
}

#[test]
fn an_encrypted_key_needs_its_passphrase_and_nobody_is_asked() {
    let certificate = uri("pki/server-rsa.pem");
    for name in ["server-rsa-encrypted.key", "server-rsa-traditional-encrypted.key"] {
        let key = uri(&format!("pki/{name}"));
        Identity::from_uri_with_passphrase(&certificate, &key, "patina").unwrap();
        let error = refusal(Identity::from_uri(&certificate, &key));
        assert_eq!(error.code(), "ERR_OSSL_BAD_DECRYPT", "{error:?}");
        assert!(error.message().contains("there is none") && error.message().contains(name), "{error}");
        let error = refusal(Identity::from_uri_with_passphrase(&certificate, &key, "wrong"));
        assert_eq!(error.code(), "ERR_OSSL_BAD_DECRYPT", "{error:?}");
    }
    let long = refusal(Identity::from_uri_with_passphrase(&certificate, &certificate, "p".repeat(1025)));
    assert_eq!(long.code(), "ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED");
}

#[test]
fn a_store_has_key_and_certificates_in_any_order() {
    for archive in ["server-rsa-modern", "server-rsa-legacy", "chain"] {
        let uri = uri(&format!("pfx/{archive}.p12"));
        let identity = Identity::from_store_with_passphrase(&uri, "patina")
            .unwrap_or_else(|e| panic!("{archive}: {e:?}"));
        assert!(identity.certificate().subject_common_names()[0].starts_with("server-rsa"), "{archive}");
        assert_eq!(refusal(Identity::from_store(&uri)).code(), "ERR_OSSL_BAD_DECRYPT", "{archive}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let (certificate, key) = (uri("pki/server-rsa.pem"), uri("pki/server-rsa.key"));
    let error = refusal(Identity::from_uri(&key, &key));
    assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "ERR_CRYPTO_OPERATION_FAILED"));
    assert!(error.message().starts_with("no certificate at "), "{error}");
    let error = refusal(Identity::from_uri(&certificate, &certificate));
    assert_eq!(error.code(), "ERR_CRYPTO_OPERATION_FAILED");
    assert!(error.message().starts_with("no private key at "), "{error}");
    let error = refusal(Identity::from_store(&key));
    assert!(error.message().starts_with("no certificate at "), "{error}");
    let error = refusal(Identity::from_uri(&certificate, uri("pki/server-p256.key")));
    assert_eq!(error.code(), "ERR_OSSL_X509_KEY_VALUES_MISMATCH");
    let error = refusal(Identity::from_uri(&certificate, uri("pki/absent.key")));
    assert!(error.message().contains("absent.key"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Config);
    let error = refusal(Identity::from_uri(&certificate, uri("pki/not-pem.pem")));
    assert!(error.message().starts_with("no private key at "), "{error}");
    refusal(Identity::from_uri(&certificate, "a\0b"));
}

#[test]
fn a_scheme_that_nobody_opens_is_unsupported_and_hides_its_pin() {
    for scheme in ["no-such-scheme", "tpm2"] {
        let uri = format!("{scheme}:object=a?pin-value=4711");
        let error = refusal(Identity::from_store(&uri));
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert!(error.message().contains(scheme) && error.message().contains("load_provider"), "{error}");
        assert!(!format!("{error} {error:?}").contains("4711"), "{error:?}");
    }
}

#[test]
fn an_engine_that_is_not_there_is_named_or_unsupported() {
    let certificate = fixtures::bytes("pki/server-rsa.pem");
    let error = refusal(Identity::from_engine("no-such-engine", "key", certificate));
    match error.kind() {
        ErrorKind::Config => assert_eq!(error.code(), "ERR_CRYPTO_ENGINE_UNKNOWN"),
        kind => {
            assert_eq!(kind, ErrorKind::Unsupported, "{error:?}");
            assert_eq!(error.code(), "ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED");
        }
    }
    assert!(error.message().contains("no-such-engine"), "{error}");
}
