//! What a cipher string should not do.

use std::fmt;
use std::ops::Range;

use crate::diagnostic::{ParseError, WarningKind};
use crate::explain::{Outcome, Verdict};
use crate::library::Library;
use crate::parse::ItemKind;
use crate::suite::{Authentication, Encryption, Mac, Suite};

/// What is wrong with a string that libssl accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LintKind {
    /// Suites that authenticate nobody: whoever is in the middle can answer.
    Anonymous,
    /// Suites that do not encrypt.
    NullEncryption,
    /// A word for export ciphers, which no supported libssl has.
    Export,
    /// RC4, which RFC 7465 forbids.
    Rc4,
    /// 3DES, whose blocks of 64 bits repeat within hours (CVE-2016-2183).
    TripleDes,
    /// MD5 as MAC.
    Md5,
    /// Suites whose recorded connections a stolen key opens.
    NoForwardSecrecy,
    /// A TLS 1.3 name where libssl takes it for an unknown word, or an older name in the list for TLS 1.3.
    WrongList,
    /// `@SECLEVEL=0`, under which weak keys and signatures pass as well.
    SecurityLevelZero,
}

impl LintKind {
    /// The name to show and to filter by, such as `no-forward-secrecy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::NullEncryption => "null-encryption",
            Self::Export => "export",
            Self::Rc4 => "rc4",
            Self::TripleDes => "3des",
            Self::Md5 => "md5",
            Self::NoForwardSecrecy => "no-forward-secrecy",
            Self::WrongList => "wrong-list",
            Self::SecurityLevelZero => "security-level-0",
        }
    }
}

/// One finding of the linter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    kind: LintKind,
    span: Range<usize>,
    message: String,
    suites: Vec<&'static Suite>,
}

impl Lint {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> LintKind {
        self.kind
    }

    /// The bytes of the string that are to blame.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// One line for the reader.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The suites that are meant; none for a finding about a word.
    #[must_use]
    pub fn suites(&self) -> &[&'static Suite] {
        &self.suites
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

/// The kinds of suites that one should not select, with what makes one.
type Judge = (LintKind, fn(&Suite) -> bool, &'static str);

const JUDGES: [Judge; 6] = [
    (LintKind::Anonymous, |suite| suite.authentication() == Authentication::Null, "authenticate nobody"),
    (LintKind::NullEncryption, |suite| suite.encryption() == Encryption::Null, "do not encrypt"),
    (LintKind::Rc4, |suite| suite.encryption() == Encryption::Rc4, "use RC4"),
    (LintKind::TripleDes, |suite| suite.encryption() == Encryption::TripleDes, "use 3DES"),
    (LintKind::Md5, |suite| suite.mac() == Mac::Md5, "use MD5"),
    (LintKind::NoForwardSecrecy, |suite| !suite.is_forward_secret(), "have no forward secrecy"),
];

const EXPORT_WORDS: [&str; 4] = ["EXP", "EXPORT", "EXPORT40", "EXPORT56"];

impl Library {
    /// What a string selects or says that it should not; by place in the string.
    ///
    /// Suites are counted at the item that selects them, once for each kind of fault.
    ///
    /// ```
    /// use patina_ciphers::{Generation, Library, LintKind};
    ///
    /// let library = Library::upstream(Generation::V3_0);
    /// let lints = library.lint("ECDHE+AESGCM:ADH+AESGCM:TLS_AES_128_GCM_SHA256")?;
    /// let kinds: Vec<_> = lints.iter().map(|lint| (lint.kind(), lint.span().start)).collect();
    /// assert_eq!(kinds, [(LintKind::Anonymous, 13), (LintKind::WrongList, 24)]);
    /// # Ok::<(), patina_ciphers::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Library::explain`].
    pub fn lint(&self, source: &str) -> Result<Vec<Lint>, ParseError> {
        let explanation = self.explain(source)?;
        let mut lints: Vec<Lint> = Vec::new();
        for (kind, is_bad, what) in JUDGES {
            for verdict in explanation.verdicts().iter().filter(|verdict| is_bad(verdict.suite())) {
                add_suite(&mut lints, kind, verdict);
            }
            for lint in lints.iter_mut().filter(|lint| lint.kind == kind) {
                let text = &source[lint.span.clone()];
                lint.message = match &lint.suites[..] {
                    [suite] => format!("{text} selects {suite}, one of those that {what}"),
                    suites => format!("{text} selects {} suites that {what}", suites.len()),
                };
            }
        }
        let mut about = |kind, span, message| lints.push(Lint { kind, span, message, suites: Vec::new() });
        let string = explanation.string();
        for item in string.items() {
            if *item.kind() == ItemKind::SecurityLevel(0) {
                let message = "level 0 lets weak keys and signatures pass as well".to_owned();
                about(LintKind::SecurityLevelZero, item.span(), message);
            }
        }
        for warning in string.warnings().iter().filter(|warning| warning.kind() == WarningKind::UnknownWord) {
            let span = warning.span();
            let text = &source[span.clone()];
            let adds = !source[..span.start].ends_with(['!', '-', '+']);
            if crate::by_name(text).is_some_and(Suite::is_tls13) {
                about(LintKind::WrongList, span, format!("{text} belongs into the list of TLS 1.3 suites"));
            } else if adds && (EXPORT_WORDS.contains(&text) || text.starts_with("EXP-")) {
                about(LintKind::Export, span, format!("{text}: export ciphers are gone from libssl"));
            }
        }
        lints.sort_by_key(|lint| (lint.span.start, lint.kind));
        Ok(lints)
    }

    /// What a list for TLS 1.3 names that it should not: suites of older versions, and those without encryption.
    #[must_use]
    pub fn lint_ciphersuites(&self, list: &str) -> Vec<Lint> {
        let mut lints = Vec::new();
        let mut start = 0;
        for item in list.split(':') {
            let name = item.trim();
            let at = start + (item.len() - item.trim_start().len());
            start += item.len() + 1;
            let Some(suite) = crate::by_name(name) else { continue };
            let span = at..at + name.len();
            let suites = vec![suite];
            if !suite.is_tls13() {
                let message = format!("{name} belongs into the cipher string for TLS 1.2 and older");
                lints.push(Lint { kind: LintKind::WrongList, span, message, suites });
            } else if suite.encryption() == Encryption::Null {
                let message = format!("{name} does not encrypt");
                lints.push(Lint { kind: LintKind::NullEncryption, span, message, suites });
            }
        }
        lints
    }
}

/// Adds a selected suite to the finding of its kind and item.
fn add_suite(lints: &mut Vec<Lint>, kind: LintKind, verdict: &Verdict) {
    let Outcome::Selected { by, .. } = verdict.outcome() else { return };
    let span = by.span();
    match lints.iter_mut().find(|lint| lint.kind == kind && lint.span == span) {
        Some(lint) => lint.suites.push(verdict.suite()),
        None => lints.push(Lint { kind, span, message: String::new(), suites: vec![verdict.suite()] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generation;

    fn kinds(source: &str) -> Vec<LintKind> {
        Library::complete(Generation::V3_5).lint(source).unwrap().iter().map(Lint::kind).collect()
    }

    #[test]
    fn each_fault_is_found() {
        assert_eq!(kinds("ECDHE+AESGCM"), []);
        assert_eq!(kinds("AECDH-AES128-SHA"), [LintKind::Anonymous]);
        assert_eq!(kinds("ECDHE-RSA-NULL-SHA"), [LintKind::NullEncryption]);
        assert_eq!(kinds("ECDHE-RSA-RC4-SHA"), [LintKind::Rc4]);
        assert_eq!(kinds("ECDHE-RSA-DES-CBC3-SHA"), [LintKind::TripleDes]);
        assert_eq!(kinds("ADH-RC4-MD5"), [LintKind::Anonymous, LintKind::Rc4, LintKind::Md5]);
        assert_eq!(kinds("AES128-SHA"), [LintKind::NoForwardSecrecy]);
        assert_eq!(kinds("ECDHE+AESGCM:EXPORT:!EXP"), [LintKind::Export]);
        assert_eq!(kinds("ECDHE+AESGCM:@SECLEVEL=0"), [LintKind::SecurityLevelZero]);
    }

    #[test]
    fn what_is_removed_again_is_no_fault() {
        assert_eq!(kinds("ALL:!aNULL:!RC4:!3DES:!MD5:!kRSA:!kPSK:!kRSAPSK:!kSRP"), []);
    }

    #[test]
    fn an_older_name_in_the_list_for_tls13_is_found() {
        let library = Library::complete(Generation::V3_5);
        let lints = library
            .lint_ciphersuites("TLS_AES_128_GCM_SHA256: TLS_RSA_WITH_AES_128_CBC_SHA :TLS_SHA256_SHA256");
        let found: Vec<_> = lints.iter().map(|lint| (lint.kind(), lint.span())).collect();
        assert_eq!(found, [(LintKind::WrongList, 24..52), (LintKind::NullEncryption, 54..71)]);
    }
}
