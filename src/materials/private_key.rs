//! Private keys in all their forms.

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};

use super::identity::{OPTION, failed, with_legacy};
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
