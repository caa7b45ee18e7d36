//! A cipher string, with the TLS 1.3 names that may stand in it.

use patina_ciphers::split;

use crate::values::error::Error;

/// A cipher string, split as Node does: the names of TLS 1.3 suites go to `SSL_CTX_set_ciphersuites`, the rest to
/// `SSL_CTX_set_cipher_list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CipherList {
    /// TLS 1.3 names, joined by colons.
    pub(crate) tls13: String,
    /// The cipher string proper.
    pub(crate) legacy: String,
}

impl CipherList {
    pub(crate) fn parse(text: &str) -> Result<CipherList, Error> {
        if text.contains('\0') {
            return Err(Error::config("cipher_list", "a NUL byte cannot stand in a cipher string"));
        }
        let parts = split(text);
        if parts.tls13.is_empty() && parts.legacy.is_empty() {
            return Err(Error::config("cipher_list", "the cipher string is empty"));
        }
        Ok(CipherList { tls13: parts.tls13, legacy: parts.legacy })
    }

    /// The level of an `@SECLEVEL=n` in the string; the last one counts.
    pub(crate) fn security_level(&self) -> Option<u8> {
        self.legacy
            .split([':', ',', ' ', ';'])
            .filter_map(|word| word.strip_prefix("@SECLEVEL="))
            .filter_map(|level| level.parse().ok())
            .next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_1_3_names_are_split_off() {
        let list = CipherList::parse("TLS_AES_128_GCM_SHA256:ECDHE+AESGCM::@SECLEVEL=1").unwrap();
        assert_eq!(list.tls13, "TLS_AES_128_GCM_SHA256");
        assert_eq!(list.legacy, "ECDHE+AESGCM:@SECLEVEL=1");
        assert_eq!(list.security_level(), Some(1));
    }

    #[test]
    fn nothing_is_not_a_cipher_string() {
        for text in ["", ":", "::"] {
            assert_eq!(CipherList::parse(text).unwrap_err().option(), Some("cipher_list"), "{text:?}");
        }
    }
}
