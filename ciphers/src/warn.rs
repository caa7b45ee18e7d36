//! What libssl lets pass in silence.

use std::ops::Range;

use crate::diagnostic::{Warning, WarningKind};
use crate::generation::Generation;
use crate::library::Library;
use crate::nearest::nearest;
use crate::order::Action;
use crate::scan::{RawItem, RawWord, SUITE_B, Sink, scan};
use crate::suite::Suite;
use crate::table::SUITES;
use crate::vocabulary::{ALIASES, Criteria, Entry, Vocabulary};

/// Words of ciphers(1) that 1.1.0 dropped with what they stood for.
const RETIRED: &[&str] = &[
    "EXP", "EXPORT", "EXPORT40", "EXPORT56", "SSLv2", "kDHr", "kDHd", "kDH", "aDH", "kECDHr", "kECDHe",
    "kECDH", "aECDH", "DES", "KRB5", "kKRB5", "aKRB5", "FZA", "kFZA", "aFZA", "eFZA",
];

impl Library {
    /// What this libssl lets pass in silence in a string that it takes: what [`CipherString::warnings`] tells, without a
    /// tree. Of a string that it refuses, what stands before the place of the refusal.
    ///
    /// [`CipherString::warnings`]: crate::CipherString::warnings
    ///
    /// ```
    /// use patina_ciphers::{Generation, Library, WarningKind};
    ///
    /// let warnings = Library::upstream(Generation::V3_0).warnings("HIGH:!RC4:!MD55");
    /// let kinds: Vec<_> = warnings.iter().map(|warning| warning.kind()).collect();
    /// assert_eq!(kinds, [WarningKind::NothingToRemove, WarningKind::UnknownWord]);
    /// ```
    #[must_use]
    pub fn warnings(&self, source: &str) -> Vec<Warning> {
        warnings(source, self)
    }
}

/// The warnings about a string that has been read without error.
pub(crate) fn warnings(source: &str, library: &Library) -> Vec<Warning> {
    let mut warner = Warner { source, library, warnings: Vec::new() };
    // It has been read before, with the same library, so this cannot fail.
    let _ = scan(source, library, &mut warner);
    warner.warnings
}

struct Warner<'a> {
    source: &'a str,
    library: &'a Library,
    warnings: Vec<Warning>,
}

impl Sink for Warner<'_> {
    fn item(&mut self, span: Range<usize>, item: RawItem<'_>, skipped: Range<usize>) {
        if let RawItem::Rule { action, words, criteria } = item {
            self.words(&span, action, words, criteria, &skipped);
        }
        let told = self.warnings.last().is_some_and(|warning| warning.span().end == skipped.end);
        let text = &self.source[skipped.clone()];
        if !told && text.contains(|c: char| !":, ;".contains(c)) {
            let message = format!("libssl skips {text:?}");
            let help = matches!(item, RawItem::SuiteB(_))
                .then(|| "a Suite B word stands for the whole string".into());
            self.warnings.push(Warning::new(WarningKind::Skipped, skipped, message, help));
        }
    }
}

impl Warner<'_> {
    fn words(
        &mut self,
        span: &Range<usize>,
        action: Action,
        words: &[RawWord],
        criteria: Option<Criteria>,
        skipped: &Range<usize>,
    ) {
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
        if last.entry.is_none() {
            let span = whole_word(self.source, &last.span, skipped);
            let word = &self.source[span.clone()];
            let kind = match action {
                Action::Add => WarningKind::UnknownWord,
                _ if is_absent(word, self.library) => WarningKind::NothingToRemove,
                _ => WarningKind::UnknownWord,
            };
            let (message, help) = unknown(word, self.library);
            self.warnings.push(Warning::new(kind, span, message, help));
        } else if criteria.is_none() {
            let text = &self.source[first.span.start..last.span.end];
            let message = format!("no suite can be {text}: libssl ignores it");
            self.warnings.push(Warning::new(WarningKind::Contradiction, span.clone(), message, None));
        }
    }
}

/// An unknown word as a reader sees it: before 3.2 libssl ends a word at its first underscore.
pub(crate) fn whole_word(source: &str, word: &Range<usize>, skipped: &Range<usize>) -> Range<usize> {
    let whole = word.start..skipped.end;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-._=".contains(c);
    if skipped.start == word.end && source[whole.clone()].chars().all(is_word) { whole } else { word.clone() }
}

/// What to say about a word that a libssl does not know.
pub(crate) fn unknown(word: &str, library: &Library) -> (String, Option<String>) {
    let message = format!("unknown word {word:?} is ignored");
    let known_to = |generation: Generation| Vocabulary::of(generation).get(word);
    let here = known_to(library.generation());
    let help = if crate::by_name(word).is_some_and(Suite::is_tls13) {
        Some("a suite of TLS 1.3 goes into the list of TLS 1.3 suites".into())
    } else if word == "DEFAULT" {
        Some("DEFAULT counts at the very beginning only".into())
    } else if SUITE_B.iter().any(|(name, _)| *name == word) {
        Some(format!("{word} counts at the very beginning only"))
    } else if RETIRED.contains(&word) {
        Some("libssl 1.0.2 was the last to know it".into())
    } else if let Some(Entry::Suite(index)) = here {
        library.why_absent(&SUITES[usize::from(index)])
    } else if here.is_some() {
        Some("this libssl has no such algorithm".into())
    } else if let Some(suite) =
        crate::by_name(word).filter(|suite| library.has(suite) && suite.openssl != word)
    {
        Some(format!("OpenSSL's name for it is {}", suite.openssl_name_in(library.generation())))
    } else if let Some(near) = nearest(word, library) {
        Some(format!("did you mean {near}?"))
    } else {
        let elsewhere = Generation::ALL.into_iter().find(|generation| known_to(*generation).is_some());
        elsewhere.map(|generation| format!("libssl {generation} knows it"))
    };
    (message, help)
}

/// Whether what an unknown word stands for is nowhere in this libssl, under no other name either.
fn is_absent(word: &str, library: &Library) -> bool {
    if RETIRED.contains(&word) || Vocabulary::of(library.generation()).get(word).is_some() {
        return true;
    }
    let named = SUITES.iter().find(|suite| suite.openssl == word || suite.iana == Some(word));
    if let Some(suite) = named {
        return !suite.is_tls13() && !library.has(suite);
    }
    let matches = |criteria: &Criteria| library.suites().any(|it| criteria.matches(it, library.generation()));
    ALIASES.iter().find(|alias| alias.name == word).is_some_and(|alias| !matches(&alias.criteria))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(source: &str, library: &Library) -> Vec<(Range<usize>, Option<String>)> {
        warnings(source, library).iter().map(|it| (it.span(), it.help().map(Into::into))).collect()
    }

    #[test]
    fn a_standard_name_before_3_2_is_one_unknown_word() {
        let library = Library::upstream(Generation::V3_0);
        let help = Some("OpenSSL's name for it is AES128-SHA".to_owned());
        assert_eq!(about("HIGH:TLS_RSA_WITH_AES_128_CBC_SHA", &library), [(5..33, help)]);
        let help = Some("a suite of TLS 1.3 goes into the list of TLS 1.3 suites".to_owned());
        assert_eq!(about("!TLS_AES_128_GCM_SHA256", &library), [(1..23, help)]);
    }

    #[test]
    fn what_follows_an_unknown_word_is_told_to_be_skipped() {
        let library = Library::complete(Generation::V3_5);
        let spans: Vec<_> = warnings("FOO!AES:kRSA+kECDHE+x,@STRENGTH/y", &library)
            .iter()
            .map(|warning| (warning.kind(), warning.span()))
            .collect();
        assert_eq!(
            spans,
            [
                (WarningKind::UnknownWord, 0..3),
                (WarningKind::Skipped, 3..7),
                (WarningKind::Contradiction, 8..19),
                (WarningKind::Skipped, 19..21),
                (WarningKind::Skipped, 31..33),
            ]
        );
    }

    #[test]
    fn removing_what_is_not_there_is_told_apart_from_a_slip() {
        let kinds = |source: &str, generation: Generation| {
            let warnings = Library::upstream(generation).warnings(source);
            warnings.iter().map(Warning::kind).collect::<Vec<_>>()
        };
        let nothing = "HIGH:!EXPORT:-RC4:!SSLv2:!SEED-SHA:+IDEA:!DES";
        assert_eq!(kinds(nothing, Generation::V3_0), [WarningKind::NothingToRemove; 6]);
        // Each of these leaves in the list what it was to take out.
        for slip in ["HIGH:!anull", "HIGH:!TLS_RSA_WITH_AES_128_CBC_SHA", "HIGH:!MD55", "HIGH:-DEFAULT"] {
            assert_eq!(kinds(slip, Generation::V3_0), [WarningKind::UnknownWord], "{slip}");
        }
        assert_eq!(kinds("ALL:!SSLv3", Generation::V4_0), [WarningKind::UnknownWord]);
        assert_eq!(kinds("ALL:!SSLv3:!aNULL", Generation::V3_5), []);
        assert_eq!(kinds("HIGH:RC4", Generation::V3_0), [WarningKind::UnknownWord]);
    }

    #[test]
    fn a_word_of_another_generation_or_place_is_explained() {
        let library = Library::upstream(Generation::V4_0);
        assert_eq!(about("HIGH:FIPS", &library)[0].1.as_deref(), Some("libssl 1.1.1 knows it"));
        assert_eq!(
            about("HIGH:DEFAULT", &library)[0].1.as_deref(),
            Some("DEFAULT counts at the very beginning only")
        );
        assert_eq!(about("SEED-SHA", &library)[0].1.as_deref(), Some("this libssl has no cipher SEED"));
        assert_eq!(about("SUITEB128:HIGH", &library)[0].0, 9..14);
    }
}
