//! The names that other programs give to suites.

use crate::lookup::{by_id, by_name};
use crate::split::Split;
use crate::suite::Suite;
use crate::table::SUITES;

/// Whose names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameStyle {
    /// OpenSSL's: `ECDHE-RSA-AES128-GCM-SHA256`.
    OpenSsl,
    /// IANA's: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
    Iana,
    /// Those of the constants in rustls' `crypto::ring::cipher_suite`, for the nine suites that it implements; in TLS 1.3
    /// they begin with `TLS13_`.
    Rustls,
    /// Those of the constants in Go's `crypto/tls`, for the suites that it implements; they are IANA's.
    Go,
}

/// What rustls implements, with its own names for TLS 1.3.
const RUSTLS: [(u16, &str); 9] = [
    (0x1301, "TLS13_AES_128_GCM_SHA256"),
    (0x1302, "TLS13_AES_256_GCM_SHA384"),
    (0x1303, "TLS13_CHACHA20_POLY1305_SHA256"),
    (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
];

/// What Go implements (`tls.CipherSuites()` and `tls.InsecureCipherSuites()`).
const GO: [u16; 25] = [
    0x0005, 0x000A, 0x002F, 0x0035, 0x003C, 0x009C, 0x009D, 0x1301, 0x1302, 0x1303, 0xC007, 0xC009, 0xC00A,
    0xC011, 0xC012, 0xC013, 0xC014, 0xC023, 0xC027, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9,
];

/// Names that Go had before its suites got IANA's.
const GO_OLD: [(u16, &str); 2] =
    [(0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"), (0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305")];

impl Suite {
    /// The suite's name in a style; `None` where that program does not have the suite.
    ///
    /// ```
    /// use patina_ciphers::{NameStyle, by_name};
    /// let suite = by_name("TLS_AES_128_GCM_SHA256").ok_or("no such suite")?;
    /// assert_eq!(suite.name(NameStyle::Rustls), Some("TLS13_AES_128_GCM_SHA256"));
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn name(&self, style: NameStyle) -> Option<&'static str> {
        match style {
            NameStyle::OpenSsl => Some(self.openssl_name()),
            NameStyle::Iana => self.iana_name(),
            NameStyle::Rustls => RUSTLS.iter().find(|(id, _)| *id == self.id()).map(|(_, name)| *name),
            NameStyle::Go => self.iana_name().filter(|_| GO.contains(&self.id())),
        }
    }
}

/// The suite with a name of any style; upper and lower case are alike.
///
/// ```
/// use patina_ciphers::{by_any_name, by_name};
/// assert_eq!(by_any_name("TLS13_AES_128_GCM_SHA256"), by_name("TLS_AES_128_GCM_SHA256"));
/// assert_eq!(by_any_name("0xC02F"), by_name("ECDHE-RSA-AES128-GCM-SHA256"));
/// ```
///
/// A number counts as a name when it begins with `0x`.
#[must_use]
pub fn by_any_name(name: &str) -> Option<&'static Suite> {
    let other = RUSTLS.iter().chain(&GO_OLD).find(|(_, other)| other.eq_ignore_ascii_case(name));
    let number = || {
        let digits = name.strip_prefix("0x").or_else(|| name.strip_prefix("0X"))?;
        u16::from_str_radix(digits, 16).ok()
    };
    match other.map(|(id, _)| *id).or_else(number) {
        Some(id) => by_id(id),
        None => by_name(name),
    }
}

/// The names of suites in a style, and the suites that have none in it.
#[must_use]
pub fn to_names(suites: &[&'static Suite], style: NameStyle) -> (Vec<&'static str>, Vec<&'static Suite>) {
    let mut nameless = Vec::new();
    let names = suites
        .iter()
        .filter_map(|suite| {
            let name = suite.name(style);
            if name.is_none() {
                nameless.push(*suite);
            }
            name
        })
        .collect();
    (names, nameless)
}

impl Split {
    /// The two strings that select exactly these suites in this order.
    ///
    /// ```
    /// use patina_ciphers::{Split, by_any_name};
    /// let names = ["TLS13_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_CBC_SHA"];
    /// let suites: Vec<_> = names.into_iter().filter_map(by_any_name).collect();
    /// let split = Split::of(&suites);
    /// assert_eq!((&*split.tls13, &*split.legacy), ("TLS_AES_256_GCM_SHA384", "AES128-SHA"));
    /// ```
    #[must_use]
    pub fn of(suites: &[&'static Suite]) -> Self {
        let join = |tls13: bool| {
            let names: Vec<&str> = suites
                .iter()
                .filter(|suite| suite.is_tls13() == tls13)
                .map(|suite| suite.openssl_name())
                .collect();
            names.join(":")
        };
        Self::new(join(true), join(false))
    }
}

/// What Node's `tls.getCiphers()` returns on a libssl: names in lower case, sorted, each once.
///
/// These are the suites of libssl's default list and all five of TLS 1.3, whether or not they are enabled.
///
/// ```
/// use patina_ciphers::{Generation, Library, node_ciphers};
/// let names = node_ciphers(&Library::upstream(Generation::V3_0));
/// assert!(names.contains(&"tls_aes_128_ccm_8_sha256".to_owned()));
/// assert!(names.is_sorted());
/// ```
#[must_use]
pub fn node_ciphers(library: &crate::Library) -> Vec<String> {
    let tls13 = SUITES.iter().filter(|suite| (0x1301..=0x1305).contains(&suite.id()));
    let default = library.select("DEFAULT").map(|selection| selection.suites().to_vec()).unwrap_or_default();
    let generation = library.generation();
    let mut names: Vec<String> =
        tls13.chain(default).map(|suite| suite.openssl_name_in(generation).to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generation, Library};

    #[test]
    fn every_name_of_every_style_leads_back() {
        for style in [NameStyle::OpenSsl, NameStyle::Iana, NameStyle::Rustls, NameStyle::Go] {
            for suite in &SUITES {
                if let Some(name) = suite.name(style) {
                    assert_eq!(by_any_name(name), Some(suite));
                }
            }
        }
        assert_eq!(SUITES.iter().filter(|suite| suite.name(NameStyle::Go).is_some()).count(), GO.len());
        assert_eq!(
            SUITES.iter().filter(|suite| suite.name(NameStyle::Rustls).is_some()).count(),
            RUSTLS.len()
        );
        assert_eq!(by_any_name("tls_ecdhe_rsa_with_chacha20_poly1305").map(Suite::id), Some(0xCCA8));
        assert_eq!(by_any_name("0xZZZZ"), None);
    }

    #[test]
    fn suites_without_a_name_are_returned() {
        let suites = [by_name("AES128-SHA").unwrap(), by_name("TLS_AES_128_GCM_SHA256").unwrap()];
        let (names, nameless) = to_names(&suites, NameStyle::Rustls);
        assert_eq!((names, nameless), (vec!["TLS13_AES_128_GCM_SHA256"], vec![suites[0]]));
    }

    #[test]
    fn a_list_is_selected_again_by_its_own_strings() {
        let library = Library::upstream(Generation::V3_0);
        let list = library.evaluate_both(None, "HIGH:+SHA:!aNULL").unwrap();
        let split = Split::of(&list);
        assert_eq!(library.evaluate_both(Some(&split.tls13), &split.legacy).unwrap(), list);
    }
}
