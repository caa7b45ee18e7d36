//! Finding suites: all of them, by number, by name.

use crate::suite::Suite;
use crate::table::SUITES;

/// Every suite, by ascending id.
///
/// ```
/// assert!(patina_ciphers::suites().iter().any(|suite| suite.is_tls13()));
/// ```
#[must_use]
pub fn suites() -> &'static [Suite] {
    &SUITES
}

/// The suite with this id, as it stands on the wire.
#[must_use]
pub fn by_id(id: u16) -> Option<&'static Suite> {
    index_of(id).map(|index| &SUITES[index])
}

/// The suite with this OpenSSL or IANA name; upper and lower case are alike, as in Node.
///
/// ```
/// let suite = patina_ciphers::by_name("ECDHE-RSA-AES128-GCM-SHA256");
/// assert_eq!(suite, patina_ciphers::by_name("tls_ecdhe_rsa_with_aes_128_gcm_sha256"));
/// assert_eq!(suite.map(|suite| suite.id()), Some(0xC02F));
/// ```
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Suite> {
    let is = |other: &str| other.eq_ignore_ascii_case(name);
    SUITES.iter().find(|suite| {
        is(suite.openssl)
            || suite.iana.is_some_and(is)
            || (suite.openssl_1_1_1 != suite.openssl && is(suite.openssl_1_1_1))
    })
}

/// Where the suite with this id stands in the table.
pub(crate) fn index_of(id: u16) -> Option<usize> {
    SUITES.binary_search_by_key(&id, |suite| suite.id).ok()
}
