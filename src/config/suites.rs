//! A list of TLS 1.3 suites, as every libssl takes it.

use std::borrow::Cow;

use patina_ciphers::{Generation, Library};

use crate::sys::compat;

/// What libssl is given for a list: it passes over an unknown name that stands beside known ones, or this does it for it.
pub(super) fn acceptable(list: &str) -> Cow<'_, str> {
    if compat::SUITES_MUST_BE_KNOWN { known(list) } else { Cow::Borrowed(list) }
}

/// The list without the names that no libssl knows; the list itself when no other would be left, for libssl to refuse.
fn known(list: &str) -> Cow<'_, str> {
    let library = Library::upstream(Generation::V1_1_1);
    let known: Vec<&str> = list.split(':').filter(|name| library.ciphersuites(name.trim()).is_ok()).collect();
    if known.is_empty() { Cow::Borrowed(list) } else { Cow::Owned(known.join(":")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_suites_are_left_out_beside_known_ones() {
        for (list, kept) in [
            ("TLS_AES_128_GCM_SHA256:x", "TLS_AES_128_GCM_SHA256"),
            (
                "x:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
                "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
            ),
            ("x:y", "x:y"),
        ] {
            assert_eq!(known(list), kept);
        }
    }
}
