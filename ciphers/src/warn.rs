//! What libssl lets pass in silence.

use std::ops::Range;

use crate::diagnostic::{Warning, WarningKind};
use crate::generation::Generation;
use crate::library::Library;
use crate::nearest::nearest;
use crate::scan::{RawItem, RawWord, SUITE_B, Sink, scan};
use crate::suite::Suite;
use crate::table::SUITES;
use crate::vocabulary::{Criteria, Entry, Vocabulary};

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
        if let RawItem::Rule { words, criteria, .. } = item {
            self.words(&span, words, criteria, &skipped);
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
        words: &[RawWord],
        criteria: Option<Criteria>,
        skipped: &Range<usize>,
    ) {
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
        if last.entry.is_none() {
            let span = whole_word(self.source, &last.span, skipped);
            let (message, help) = unknown(&self.source[span.clone()], self.library);
            self.warnings.push(Warning::new(WarningKind::UnknownWord, span, message, help));
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
