//! PKCS#12 archives (RFC 7292).

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use super::identity::{OPTION, failed};
use super::legacy::with_legacy;
use super::private_key::check_length;
use crate::sys::{pem as reader, queue};
use crate::values::error::Error;
use crate::values::secret::Secret;

/// The certificate for the key, the key, and the other certificates of an archive.
pub(super) fn read(der: &[u8], passphrase: &Secret) -> Result<(X509, PKey<Private>, Vec<X509>), Error> {
    check_length(passphrase)?;
    if passphrase.as_bytes().contains(&0) {
        return Err(Error::config(OPTION, "the passphrase of a PKCS#12 archive cannot hold a NUL byte"));
    }
    let mut text = Vec::with_capacity(passphrase.len() + 1);
    text.extend_from_slice(passphrase.as_bytes());
    text.push(0);
    let text = Secret::from(text);
    queue::clear();
    let open = || reader::open_pkcs12(der, Some(text.as_bytes()));
    let opened = with_legacy(open, "an archive that old programs encrypt with RC2 or single DES")?;
    let opened = opened.map_err(|e| failed(&e))?;
    let missing = |what: &str| {
        let error = Error::config(OPTION, format!("Unable to load {what} from PFX data"));
        error.with_code("ERR_CRYPTO_OPERATION_FAILED")
    };
    let key = opened.pkey.ok_or_else(|| missing("private key"))?;
    let leaf = opened.cert.ok_or_else(|| missing("certificate"))?;
    let chain = opened.ca.map_or_else(Vec::new, |others| others.into_iter().collect());
    Ok((leaf, key, chain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::error::ErrorKind;

    fn open(name: &str, passphrase: &str) -> Result<(X509, PKey<Private>, Vec<X509>), Error> {
        let path = format!("{}/fixtures/pfx/{name}.p12", env!("CARGO_MANIFEST_DIR"));
        read(&std::fs::read(path).unwrap(), &Secret::from(passphrase))
    }

    fn refusal(name: &str, passphrase: &str) -> Error {
        let error = open(name, passphrase).unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("identity")), "{error:?}");
        error
    }

    #[test]
    fn an_archive_gives_key_certificate_and_the_rest() {
        let (leaf, key, rest) = open("server-rsa-modern", "patina").unwrap();
        assert!(leaf.public_key().unwrap().public_eq(&key));
        assert_eq!(rest.len(), open("server-rsa-modern", "patina").unwrap().2.len());
        let (_, _, rest) = open("chain", "patina").unwrap();
        assert!(!rest.is_empty());
    }

    #[test]
    fn an_archive_of_an_old_program_is_read_and_modern_algorithms_still_work() {
        let (leaf, key, _) = open("server-rsa-legacy", "patina").unwrap();
        assert!(leaf.public_key().unwrap().public_eq(&key));
        open("client-ec", "patina").unwrap();
        openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::tls()).unwrap();
    }

    #[test]
    fn a_wrong_passphrase_fails_at_the_mac() {
        for (name, passphrase) in
            [("server-rsa-modern", "wrong"), ("server-rsa-legacy", ""), ("chain", "Patina")]
        {
            let error = refusal(name, passphrase);
            assert_eq!(error.message(), "mac verify failure");
            assert_eq!(error.code(), "ERR_OSSL_PKCS12_MAC_VERIFY_FAILURE");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(refusal("no-key", "patina").message(), "Unable to load private key from PFX data");
        assert_eq!(refusal("no-cert", "patina").message(), "Unable to load certificate from PFX data");
        assert_eq!(refusal("no-cert", "patina").code(), "ERR_CRYPTO_OPERATION_FAILED");
    }

    #[test]
    fn bytes_that_are_no_archive_are_refused() {
        for bytes in [&b""[..], b"garbage", &[0x30, 0x82, 0xff, 0xff]] {
            let error = read(bytes, &Secret::from("patina")).unwrap_err();
            assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("identity")));
            assert!(error.code().starts_with("ERR_OSSL_ASN1_"), "{error:?}");
        }
    }

    #[test]
    fn a_passphrase_that_c_cannot_hold_is_refused() {
        assert!(refusal("chain", "pat\0ina").message().contains("NUL"));
        assert_eq!(refusal("chain", &"x".repeat(1025)).code(), "ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED");
        assert_eq!(refusal("chain", &"x".repeat(1024)).message(), "mac verify failure");
    }
}
