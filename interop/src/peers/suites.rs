//! Lists of cipher suites in OpenSSL's words, taken apart for implementations that have words of their own.

use patina_ciphers::{Suite, by_any_name, by_name};

use crate::case::Setup;

/// What OpenSSL calls the suite that IANA calls so.
pub(super) fn openssl_name(iana: &str) -> Option<&'static str> {
    by_any_name(iana).map(Suite::openssl_name)
}

/// IANA's names of the suites in a list of names; `None` for a list with anything but names, which selects by rules.
pub(super) fn iana_names(list: &str) -> Option<Vec<&'static str>> {
    names(list).map(|name| by_name(name).and_then(Suite::iana_name)).collect()
}

/// The names in a list, without the security level.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(':').filter(|name| !name.starts_with('@'))
}

/// Whether the suites of a side are named, and one of these algorithms is in the names that IANA has for them.
pub(crate) fn needs(setup: &Setup, algorithms: &[&str]) -> bool {
    let names = setup.ciphers.as_deref().and_then(iana_names).unwrap_or_default();
    names.iter().any(|name| algorithms.iter().any(|word| name.contains(word)))
}

/// Whether a list asks for security level 0, where everything is allowed that is known.
pub(super) fn allows_weak(list: Option<&str>) -> bool {
    list.is_some_and(|list| list.split(':').any(|name| name == "@SECLEVEL=0"))
}

/// A suite's key exchange, encryption and hash, out of IANA's name: `ECDHE_RSA`, `AES_128_GCM`, `SHA256`.
pub(super) fn parts(iana: &'static str) -> Option<[&'static str; 3]> {
    let rest = iana.strip_prefix("TLS_")?;
    let (exchange, rest) = rest.split_once("_WITH_").unwrap_or(("", rest));
    let (encryption, hash) = rest.rsplit_once('_')?;
    Some([exchange, encryption, hash])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_taken_apart_and_others_are_not() {
        assert_eq!(
            iana_names("AES128-SHA:@SECLEVEL=0").as_deref(),
            Some(&["TLS_RSA_WITH_AES_128_CBC_SHA"][..])
        );
        assert_eq!(iana_names("ALL:@SECLEVEL=0"), None);
        assert!(allows_weak(Some("ALL:@SECLEVEL=0")) && !allows_weak(Some("ALL")) && !allows_weak(None));
        assert_eq!(openssl_name("TLS_RSA_WITH_AES_128_CBC_SHA"), Some("AES128-SHA"));
    }

    #[test]
    fn names_have_three_parts() {
        assert_eq!(
            parts("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            Some(["ECDHE_RSA", "AES_128_GCM", "SHA256"])
        );
        assert_eq!(parts("TLS_AES_128_CCM_SHA256"), Some(["", "AES_128_CCM", "SHA256"]));
    }
}
