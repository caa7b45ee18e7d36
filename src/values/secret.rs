//! Bytes that nobody else shall read.

use std::fmt;
use std::hint::black_box;

/// A passphrase or a key: bytes that are never printed and that are overwritten when they are dropped.
///
/// Give it a `String`, `&str`, `Vec<u8>` or `&[u8]`. The buffer of an owned value is taken over, so that no
/// copy of it stays behind; a borrowed value is copied, and the original is the caller's to clear.
///
/// # Examples
///
/// ```
/// use patina_tls::Secret;
///
/// let passphrase = Secret::from("open sesame");
/// assert_eq!(format!("{passphrase:?}"), "Secret(..)");
/// ```
///
/// # Security
///
/// Overwriting is a precaution against later reads of freed memory. It does not reach what the operating
/// system has swapped out, nor copies that libssl makes for itself.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes. They are for those who have to keep or to use them, such as a
    /// [`SessionStore`](crate::SessionStore): every copy is theirs to clear.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    fn wipe(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites what nobody shall find in freed memory.
pub(crate) fn wipe(bytes: &mut [u8]) {
    if bytes.is_empty() {
        // A masked store to the address of nothing costs some processors hundreds of cycles.
        return;
    }
    bytes.fill(0);
    // Nobody reads the zeros, so the optimizer could leave the writes out; this makes them look read.
    black_box(bytes);
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Secret {
        Secret(bytes.to_vec())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret::from(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_gives_its_bytes() {
        assert_eq!(Secret::from("käse").as_bytes(), "käse".as_bytes());
        assert_eq!(Secret::from(String::from("ab")).as_bytes(), b"ab");
        assert_eq!(Secret::from(vec![0, 255]).as_bytes(), [0, 255]);
        assert_eq!(Secret::from(&b"xyz"[..]).len(), 3);
        assert!(Secret::from("").is_empty());
    }

    #[test]
    fn an_owned_value_is_taken_over_without_a_copy() {
        let text = String::from("open sesame");
        let address = text.as_ptr();
        assert_eq!(Secret::from(text).as_bytes().as_ptr(), address);
    }

    #[test]
    fn the_bytes_are_not_shown() {
        assert_eq!(
            format!("{:?} {:#?}", Secret::from("hunter2"), Secret::from("hunter2")),
            "Secret(..) Secret(..)"
        );
    }

    #[test]
    fn wiping_overwrites_every_byte_and_leaves_the_clone_alone() {
        let mut secret = Secret::from("hunter2");
        let clone = secret.clone();
        secret.wipe();
        assert_eq!(secret.as_bytes(), [0; 7]);
        assert_eq!(clone.as_bytes(), b"hunter2");
    }
}
