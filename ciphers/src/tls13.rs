//! The list of TLS 1.3 suites, which has a language of its own: names and colons.

use std::ops::Range;

use crate::diagnostic::{ErrorKind, ParseError, Warning, WarningKind};
use crate::generation::Generation;
use crate::library::Library;
use crate::nearest::pick;
use crate::suite::Suite;
use crate::table::SUITES;

/// libssl's list of TLS 1.3 suites when none is set (`TLS_DEFAULT_CIPHERSUITES`).
pub const DEFAULT_CIPHERSUITES: &str =
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

impl Library {
    /// The suites that a list for TLS 1.3 names, in its order.
    ///
    /// 1.1.1 refuses a list with an unknown name; later ones ignore the name, and refuse when no other is left. Up to 3.6
    /// the standard name of an older suite is accepted too, and a name twice counts twice. The two signalling values that
    /// libssl also takes for suites here, such as `TLS_FALLBACK_SCSV`, count as unknown.
    ///
    /// ```
    /// use patina_ciphers::{Generation, Library};
    ///
    /// let library = Library::upstream(Generation::V3_5);
    /// let suites = library.ciphersuites("TLS_AES_128_GCM_SHA256:TLS_NO_SUCH")?;
    /// assert_eq!(suites.len(), 1);
    /// # Ok::<(), patina_ciphers::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoCipherMatch`], with the span of the name that is to blame.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_ciphersuites`.
    pub fn ciphersuites(&self, list: &str) -> Result<Vec<&'static Suite>, ParseError> {
        let mut suites: Vec<&'static Suite> = Vec::new();
        let mut unknown = None;
        if list.is_empty() {
            return Ok(suites);
        }
        for name in names(list) {
            match self.ciphersuite(&list[name.clone()]) {
                Some(suite) if self.generation() >= Generation::V4_0 && suites.contains(&suite) => {}
                Some(suite) => suites.push(suite),
                None if self.generation() == Generation::V1_1_1 => return Err(unknown_suite(list, name)),
                None => {
                    unknown.get_or_insert(name);
                }
            }
        }
        match unknown {
            Some(name) if suites.is_empty() => Err(unknown_suite(list, name)),
            _ => {
                // What is known by name and not available is dropped where the lists are joined.
                suites.retain(|suite| suite.enc.bit() & self.disabled().enc == 0);
                Ok(suites)
            }
        }
    }

    /// The names that this libssl ignores beside others in a list for TLS 1.3; none of a list that it refuses.
    ///
    /// ```
    /// use patina_ciphers::{Generation, Library};
    ///
    /// let list = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA385";
    /// let warnings = Library::upstream(Generation::V3_5).ciphersuites_warnings(list);
    /// assert_eq!(&list[warnings[0].span()], "TLS_AES_256_GCM_SHA385");
    /// assert_eq!(warnings[0].help(), Some("did you mean TLS_AES_256_GCM_SHA384?"));
    /// ```
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_ciphersuites`.
    #[must_use]
    pub fn ciphersuites_warnings(&self, list: &str) -> Vec<Warning> {
        let unknown: Vec<_> =
            names(list).filter(|name| self.ciphersuite(&list[name.clone()]).is_none()).collect();
        if unknown.is_empty() || self.ciphersuites(list).is_err() {
            return Vec::new();
        }
        let warn = |name: Range<usize>| {
            let (message, help) = about(&list[name.clone()]);
            Warning::new(WarningKind::UnknownWord, name, format!("{message}: libssl ignores it"), help)
        };
        unknown.into_iter().map(warn).collect()
    }

    /// The whole list of a context: the suites for TLS 1.3, then those that the string selects.
    ///
    /// `None` for the first leaves [`DEFAULT_CIPHERSUITES`]. The protocol range and the security level have no part in
    /// this; see [`Filter`](crate::Filter).
    ///
    /// # Errors
    /// As for [`Library::ciphersuites`] and [`Library::evaluate`]. The span belongs to whichever string was refused: the
    /// first when that alone is refused already.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_ciphersuites`, then `SSL_CTX_set_cipher_list`, then `SSL_CTX_get_ciphers`.
    pub fn evaluate_both(
        &self,
        tls13: Option<&str>,
        string: &str,
    ) -> Result<Vec<&'static Suite>, ParseError> {
        let mut suites = self.ciphersuites(tls13.unwrap_or(DEFAULT_CIPHERSUITES))?;
        suites.extend(self.select(string)?.suites());
        if suites.iter().all(|suite| suite.is_tls13()) {
            return Err(self.nothing_selected(string));
        }
        Ok(suites)
    }

    /// The suite with this standard name, if a list for TLS 1.3 may name it.
    fn ciphersuite(&self, name: &str) -> Option<&'static Suite> {
        let exact = self.generation() < Generation::V4_0;
        SUITES.iter().enumerate().find_map(|(index, suite)| {
            let iana = suite.iana.filter(|_| !(0xC100..=0xC102).contains(&suite.id))?;
            let equal =
                if exact { iana == name } else { suite.is_tls13() && iana.eq_ignore_ascii_case(name) };
            (equal && self.is_compiled_in(index)).then_some(suite)
        })
    }
}

/// The names' places, white space around them cut off (`CONF_parse_list`).
fn names(list: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let space = |c: char| c.is_ascii_whitespace() || c == '\x0B';
    let mut start = 0;
    list.split(':').map(move |item| {
        let from = start + (item.len() - item.trim_start_matches(space).len());
        let name = item.trim_matches(space);
        start += item.len() + 1;
        from..from + name.len()
    })
}

fn unknown_suite(list: &str, span: Range<usize>) -> ParseError {
    let (message, help) = about(&list[span.clone()]);
    ParseError::new(ErrorKind::NoCipherMatch, span, message, help)
}

/// What to say about a name that is not known.
fn about(name: &str) -> (String, Option<String>) {
    if name.is_empty() {
        return ("a name is missing in the list of TLS 1.3 suites".to_owned(), None);
    }
    let message = format!("{name:?} is no suite of TLS 1.3");
    let known = || SUITES.iter().filter(|suite| suite.is_tls13()).map(|suite| suite.openssl_name());
    let operand = name.trim_start_matches(['!', '-', '+']);
    let help = if operand != name && known().any(|suite| suite == operand) {
        Some("the list of TLS 1.3 suites has no operators: leave out what it must not have".to_owned())
    } else {
        pick(name, known()).map(|near| format!("did you mean {near}?"))
    };
    (message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_where_they_stand() {
        let list = " a :b:: c";
        let found: Vec<&str> = names(list).map(|span| &list[span]).collect();
        assert_eq!(found, ["a", "b", "", "c"]);
    }

    #[test]
    fn an_unknown_name_is_pointed_at() {
        let error = Library::upstream(Generation::V1_1_1)
            .ciphersuites("TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA385")
            .unwrap_err();
        assert_eq!(error.span(), 23..45);
        assert_eq!(error.help(), Some("did you mean TLS_AES_256_GCM_SHA384?"));
    }
}
