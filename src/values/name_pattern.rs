//! Patterns for server names.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::error::{Error, ErrorKind};

/// A server name, or a pattern for server names, under which a server keeps a configuration.
///
/// As in Node's `server.addContext`: a `*` stands for any number of characters except the dot, also for none,
/// and may stand anywhere and more than once; everything else stands for itself. Other than in Node, letters
/// match in either case (ASCII only), as names in SNI do (RFC 6066 section 3), and parentheses and bars are
/// ordinary characters. A dot at the end of a name is ignored.
///
/// # Examples
///
/// ```
/// use patina_tls::ServerNamePattern;
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let pattern: ServerNamePattern = "*.shop.example".parse()?;
/// assert!(pattern.matches("WWW.shop.example"));
/// assert!(!pattern.matches("a.b.shop.example"));
/// assert!(!pattern.matches("shop.example"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[doc(alias = "addContext")]
pub struct ServerNamePattern {
    /// In lower case, without the dot at the end.
    text: String,
}

impl ServerNamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the code `ERR_TLS_REQUIRED_SERVER_NAME` if the pattern is empty.
    pub fn parse(pattern: &str) -> Result<ServerNamePattern, Error> {
        let text = without_final_dot(pattern).to_ascii_lowercase();
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the server name is empty")
                .with_code("ERR_TLS_REQUIRED_SERVER_NAME"));
        }
        Ok(ServerNamePattern { text })
    }

    /// The pattern in lower case, without a dot at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the name fits the pattern, in time linear in the name's length.
    pub fn matches(&self, name: &str) -> bool {
        let name = without_final_dot(name);
        let name = match name.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        // A star never takes a dot, so the labels can be compared one by one.
        let mut labels = name.split('.');
        self.text.split('.').all(|pattern| labels.next().is_some_and(|label| label_matches(pattern, label)))
            && labels.next().is_none()
    }
}

impl fmt::Display for ServerNamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for ServerNamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerNamePattern({:?})", self.text)
    }
}

impl FromStr for ServerNamePattern {
    type Err = Error;

    /// See [`ServerNamePattern::parse`].
    fn from_str(pattern: &str) -> Result<ServerNamePattern, Error> {
        ServerNamePattern::parse(pattern)
    }
}

fn without_final_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The text before the first star and behind the last one is fixed; each piece between takes its first place.
/// That is enough, because a later place never leaves more room for the pieces that follow.
fn label_matches(pattern: &str, label: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == label;
    };
    let (pieces, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut label) = label.strip_prefix(start).and_then(|label| label.strip_suffix(end)) else {
        return false;
    };
    for piece in pieces.split('*') {
        match label.find(piece) {
            Some(at) => label = &label[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        ServerNamePattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_takes_any_run_without_a_dot_anywhere() {
        for name in ["a.test.com", "b.test.com", ".test.com"] {
            assert!(matches("*.test.com", name), "{name}");
        }
        for name in ["test.com", "a.b.test.com", "a.test.com.org"] {
            assert!(!matches("*.test.com", name), "{name}");
        }
        assert!(matches("a.*.com", "a.b.com"));
        assert!(matches("*a*b*.c*", "xaxxbx.com"));
        assert!(!matches("*a*b*.c*", "xbxxax.com"));
        assert!(matches("a*a", "aa") && !matches("a*a", "a"), "the two ends do not overlap");
        assert!(matches("*", "localhost") && matches("*", "") && !matches("*", "a.b"));
        assert!(matches("**", "x"));
    }

    #[test]
    fn everything_but_the_star_is_literal() {
        assert!(matches("a(b|c).d", "a(b|c).d") && !matches("a(b|c).d", "ab.d"));
        assert!(matches("a+?[x]{2}^$\\", "a+?[x]{2}^$\\"));
        assert!(!matches("a.b", "axb"), "a dot is a dot");
    }

    #[test]
    fn case_and_a_final_dot_do_not_matter() {
        assert!(matches("Shop.Example", "sHOP.eXAMPLE"));
        assert!(matches("shop.example", "shop.example."));
        assert!(matches("shop.example.", "shop.example"));
        assert!(!matches("shop.example", "shop.example.."));
        assert!(!matches("É.example", "é.example"), "only ASCII letters fold");
        assert_eq!("*.Shop.Example.".parse::<ServerNamePattern>().unwrap().as_str(), "*.shop.example");
    }

    #[test]
    fn an_empty_pattern_is_refused() {
        for pattern in ["", "."] {
            let error = ServerNamePattern::parse(pattern).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "ERR_TLS_REQUIRED_SERVER_NAME"));
        }
    }

    #[test]
    fn many_stars_on_a_long_name_are_no_trouble() {
        let pattern = format!("{}b", "*a".repeat(2000));
        let name = "a".repeat(100_000);
        assert!(!matches(&pattern, &name), "a matcher that backtracks would not end");
        assert!(matches(&pattern, &format!("{name}b")));
    }

    /// Node's meaning, spelled out: try every length for every star.
    fn reference(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len())
                .take_while(|&taken| !name[..taken].contains(&b'.'))
                .any(|taken| reference(rest, &name[taken..])),
            Some((c, rest)) => {
                name.first().is_some_and(|n| n.eq_ignore_ascii_case(c)) && reference(rest, &name[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_reference(
            pattern in "[aB.*(]{1,8}x",
            name in "([abAB.(]{0,10}[xX])|[ab.]{0,4}",
        ) {
            // The x keeps both from ending in a dot, which the reference does not know about.
            let expected = reference(pattern.as_bytes(), name.strip_suffix('.').unwrap_or(&name).as_bytes());
            prop_assert_eq!(matches(&pattern, &name), expected);
        }

        #[test]
        fn no_text_makes_it_panic(pattern: String, name: String) {
            if let Ok(pattern) = ServerNamePattern::parse(&pattern) {
                let text = pattern.as_str();
                pattern.matches(&name);
                prop_assert!(text.contains('*') || text.ends_with('.') || pattern.matches(text));
            }
        }
    }
}
