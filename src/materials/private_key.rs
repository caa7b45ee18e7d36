//! Private keys in all their forms.

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};

use super::identity::{OPTION, failed};
use super::legacy::with_legacy;
use super::pem::Block;
use crate::sys::queue;
use crate::values::error::Error;
use crate::values::secret::Secret;

/// The size of libcrypto's buffer for passphrases (`PEM_BUFSIZE`).
const LONGEST_PASSPHRASE: usize = 1024;

/// Reads the first private key among the blocks of a text. Nobody is ever asked at the terminal.
pub(super) fn from_pem(blocks: &[Block<'_>], passphrase: Option<&Secret>) -> Result<PKey<Private>, Error> {
    if let Some(passphrase) = passphrase {
        check_length(passphrase)?;
    }
    let Some(block) = blocks.iter().find(|block| block.is_private_key()) else {
        let error = Error::config(OPTION, "there is no private key in the PEM text");
        return Err(error.with_code("ERR_OSSL_UNSUPPORTED"));
    };
    queue::clear();
    let mut asked = false;
    let read = || {
        PKey::private_key_from_pem_callback(block.text, |buffer| {
            asked = true;
            let bytes = passphrase.map(Secret::as_bytes).ok_or_else(ErrorStack::get)?;
            let Some(place) = buffer.get_mut(..bytes.len()) else { return Err(ErrorStack::get()) };
            place.copy_from_slice(bytes);
            Ok(bytes.len())
        })
    };
    let read = with_legacy(read, "a key that is encrypted in this way")?;
    let bad_decrypt = |text| Error::config(OPTION, text).with_code("ERR_OSSL_BAD_DECRYPT");
    read.map_err(|stack| match (asked, passphrase) {
        (true, None) => bad_decrypt("bad decrypt: the private key is encrypted and there is no passphrase"),
        // A wrong passphrase does not always fail as such: now and then the decrypted bytes have good padding
        // and are no key.
        (true, Some(_)) => bad_decrypt("bad decrypt: wrong passphrase?"),
        (false, _) => unreadable(&stack).context(format!("PEM block {}", block.number)),
    })
}

/// Reads a key that is not encrypted: PKCS#8, PKCS#1 or SEC1.
pub(super) fn from_der(der: &[u8]) -> Result<PKey<Private>, Error> {
    queue::clear();
    PKey::private_key_from_der(der).map_err(|stack| unreadable(&stack))
}

/// Refuses a passphrase that libcrypto would cut or refuse, with Node's code for it.
pub(super) fn check_length(passphrase: &Secret) -> Result<(), Error> {
    if passphrase.len() <= LONGEST_PASSPHRASE {
        return Ok(());
    }
    let error = Error::config(OPTION, "the passphrase is longer than 1024 bytes");
    Err(error.with_code("ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED"))
}

/// What cannot be read as a key has many reasons in many versions; Node on OpenSSL 3 says this.
fn unreadable(stack: &ErrorStack) -> Error {
    failed(stack).context("the private key cannot be read").with_code("ERR_OSSL_UNSUPPORTED")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::materials::pem;
    use crate::values::error::ErrorKind;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::symm::Cipher;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/fixtures/pki/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn open(text: &[u8], passphrase: Option<&str>) -> Result<PKey<Private>, Error> {
        from_pem(&pem::blocks(text).unwrap(), passphrase.map(Secret::from).as_ref())
    }

    fn refusal(text: &[u8], passphrase: Option<&str>) -> Error {
        let error = open(text, passphrase).unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("identity")), "{error:?}");
        error
    }

    fn plain() -> PKey<Private> {
        PKey::private_key_from_pem(&fixture("server-rsa.key")).unwrap()
    }

    #[test]
    fn every_form_of_a_key_is_the_same_key() {
        for name in ["server-rsa.key", "server-rsa.pkcs1.key"] {
            assert!(open(&fixture(name), None).unwrap().public_eq(&plain()), "{name}");
        }
        for name in ["server-rsa-encrypted.key", "server-rsa-traditional-encrypted.key"] {
            assert!(open(&fixture(name), Some("patina")).unwrap().public_eq(&plain()), "{name}");
        }
        let ec = open(&fixture("server-p256.key"), None).unwrap();
        assert!(open(&fixture("server-p256.sec1.key"), None).unwrap().public_eq(&ec));
        for der in
            [plain().private_key_to_der().unwrap(), plain().rsa().unwrap().private_key_to_der().unwrap()]
        {
            assert!(from_der(&der).unwrap().public_eq(&plain()));
        }
        assert!(from_der(&ec.ec_key().unwrap().private_key_to_der().unwrap()).unwrap().public_eq(&ec));
    }

    #[test]
    fn curve_parameters_before_the_key_are_passed_over() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let mut text =
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".to_vec();
        text.extend(key.private_key_to_pem().unwrap());
        assert!(open(&text, None).unwrap().public_eq(&PKey::from_ec_key(key).unwrap()));
    }

    #[test]
    fn an_encrypted_key_without_a_passphrase_is_an_error_and_no_prompt() {
        for name in ["server-rsa-encrypted.key", "server-rsa-traditional-encrypted.key"] {
            let error = refusal(&fixture(name), None);
            assert_eq!(error.code(), "ERR_OSSL_BAD_DECRYPT");
            assert!(error.message().contains("there is no passphrase"), "{error}");
        }
    }

    #[test]
    fn a_wrong_passphrase_is_a_bad_decrypt() {
        for passphrase in ["wrong", "", "patina "] {
            for name in ["server-rsa-encrypted.key", "server-rsa-traditional-encrypted.key"] {
                let error = refusal(&fixture(name), Some(passphrase));
                assert_eq!(error.code(), "ERR_OSSL_BAD_DECRYPT");
                assert_eq!(error.message(), "bad decrypt: wrong passphrase?");
            }
        }
    }

    #[test]
    fn a_passphrase_of_1024_bytes_works_and_a_longer_one_is_refused() {
        let passphrase = "p".repeat(1024);
        let text = plain()
            .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), passphrase.as_bytes())
            .unwrap();
        assert!(open(&text, Some(&passphrase)).unwrap().public_eq(&plain()));
        let error = refusal(&text, Some(&"p".repeat(1025)));
        assert_eq!(error.code(), "ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED");
    }

    #[test]
    fn a_passphrase_that_is_not_needed_is_ignored() {
        assert!(open(&fixture("server-rsa.key"), Some("patina")).unwrap().public_eq(&plain()));
    }

    #[test]
    fn what_is_no_key_has_one_code_on_every_libssl() {
        let broken = b"-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n";
        for text in [&b""[..], b"no pem", &fixture("server-rsa.pem"), broken] {
            assert_eq!(refusal(text, None).code(), "ERR_OSSL_UNSUPPORTED");
        }
        assert_eq!(from_der(b"garbage").unwrap_err().code(), "ERR_OSSL_UNSUPPORTED");
    }
}
