//! A cipher string, with the TLS 1.3 names that may stand in it.

use patina_ciphers::{Split, split};

use crate::values::error::Error;

/// A cipher string, split as Node does: the names of TLS 1.3 suites go to `SSL_CTX_set_ciphersuites`, the rest to
/// `SSL_CTX_set_cipher_list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CipherList {
    /// As it was given.
    pub(super) source: String,
    pub(super) parts: Split,
}

/// What suites call the ciphers that moved to the legacy provider in OpenSSL 3.0. 3DES did not.
const LEGACY: [&str; 3] = ["SEED", "RC4", "IDEA"];

impl CipherList {
    pub(crate) fn parse(text: &str) -> Result<CipherList, Error> {
        if text.contains('\0') {
            return Err(Error::config("cipher_list", "a NUL byte cannot stand in a cipher string"));
        }
        let parts = split(text);
        if parts.is_empty() {
            return Err(Error::config("cipher_list", "the cipher string is empty"));
        }
        Ok(CipherList { source: text.to_owned(), parts })
    }

    /// TLS 1.3 names, joined by colons.
    pub(super) fn tls13(&self) -> &str {
        &self.parts.tls13
    }

    /// The cipher string proper.
    pub(super) fn legacy(&self) -> &str {
        &self.parts.legacy
    }

    /// The algorithms of the legacy provider that the string asks for by name.
    pub(crate) fn legacy_algorithms(&self) -> Vec<&'static str> {
        let mut asked: Vec<&str> = self.legacy().split([':', ',', ' ', ';']).collect();
        asked.retain(|word| !word.starts_with(['!', '-', '+', '@']));
        LEGACY
            .iter()
            .copied()
            .filter(|algorithm| asked.iter().any(|word| names_algorithm(word, algorithm)))
            .collect()
    }

    /// The level of an `@SECLEVEL=n` in the string; the last one counts.
    pub(crate) fn security_level(&self) -> Option<u8> {
        self.legacy()
            .split([':', ',', ' ', ';'])
            .filter_map(|word| word.strip_prefix("@SECLEVEL="))
            .filter_map(|level| level.parse().ok())
            .next_back()
    }
}

/// Whether a word of a cipher string, be it a suite or a group, has the algorithm in its name.
pub(super) fn names_algorithm(word: &str, algorithm: &str) -> bool {
    word.split(['-', '+']).any(|part| part == algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_1_3_names_are_split_off() {
        let list = CipherList::parse("TLS_AES_128_GCM_SHA256:ECDHE+AESGCM::@SECLEVEL=1").unwrap();
        assert_eq!(list.tls13(), "TLS_AES_128_GCM_SHA256");
        assert_eq!(list.legacy(), "ECDHE+AESGCM:@SECLEVEL=1");
        assert_eq!(list.security_level(), Some(1));
    }

    #[test]
    fn legacy_algorithms_are_found_where_they_are_asked_for() {
        for (text, found) in [
            ("SEED-SHA:@SECLEVEL=0", &["SEED"][..]),
            ("HIGH:kRSA+RC4,IDEA-CBC-SHA", &["RC4", "IDEA"]),
            ("ALL:!SEED:-RC4:+IDEA", &[]),
            ("SEEDY", &[]),
        ] {
            assert_eq!(CipherList::parse(text).unwrap().legacy_algorithms(), found, "{text}");
        }
    }

    #[test]
    fn nothing_is_not_a_cipher_string() {
        for text in ["", ":", "::"] {
            assert_eq!(CipherList::parse(text).unwrap_err().option(), Some("cipher_list"), "{text:?}");
        }
    }
}
