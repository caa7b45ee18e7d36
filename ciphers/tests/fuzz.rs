//! No string whatever makes the crate panic, point between two bytes of a character, or read its own output differently.
//!
//! `PROPTEST_CASES` sets how many strings are tried for each property; the strings are the same each time.
#![allow(clippy::expect_used)] // A test says by its panic what is wrong.

mod support;

use std::ops::Range;

use patina_ciphers::{CipherString, Encryption, Generation, Library, by_any_name, split};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::random::{self, Random};

fn libraries() -> Vec<Library> {
    let mut all: Vec<Library> =
        Generation::ALL.iter().flat_map(|it| [Library::complete(*it), Library::upstream(*it)]).collect();
    all.push(Library::upstream(Generation::V3_0).without_encryption(Encryption::ChaCha20));
    all
}

/// Any text at all, text made of the language's own characters, and strings that are nearly right.
fn any_string() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = Library::complete(Generation::V3_5).words().collect();
    prop_oneof![
        any::<String>(),
        "[-+!@:;, _=.A-Za-z0-9é\u{1F980}\\x00]{0,40}",
        "(DEFAULT|SUITEB128|PROFILE=|@SECLEVEL=|@STRENGTH|TLS_|!|-|\\+|:|AES|kRSA|é|\\[|#){0,12}",
        any::<u64>().prop_map(move |seed| random::string(&mut Random::new(seed), &words)),
    ]
}

fn assert_span(text: &str, span: Range<usize>) {
    assert!(span.start <= span.end, "{span:?} in {text:?}");
    assert!(text.get(span.clone()).is_some(), "{span:?} is no part of {text:?}");
}

fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(0x0F),
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases())
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_span_lies_on_character_boundaries(text in any_string()) {
        for library in libraries() {
            match CipherString::parse_for(&text, &library) {
                Err(error) => {
                    assert_span(&text, error.span());
                    let _ = error.render(&text);
                }
                Ok(string) => {
                    let mut end = 0;
                    for item in string.items() {
                        assert_span(&text, item.span());
                        assert!(item.span().start >= end, "items overlap in {text:?}");
                        end = item.span().end;
                        if let patina_ciphers::ItemKind::Rule { words, .. } = item.kind() {
                            for word in words {
                                prop_assert_eq!(&text[word.span()], word.text());
                            }
                        }
                    }
                    for warning in string.warnings() {
                        assert_span(&text, warning.span());
                        let _ = warning.render(&text);
                    }
                }
            }
            if let Err(error) = library.evaluate(&text) {
                assert_span(&text, error.span());
            }
            if let Err(error) = library.ciphersuites(&text) {
                assert_span(&text, error.span());
            }
            for lint in library.lint(&text).unwrap_or_default().iter().chain(&library.lint_ciphersuites(&text)) {
                assert_span(&text, lint.span());
            }
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same_items_and_prints_the_same(text in any_string()) {
        for library in libraries() {
            let Ok(string) = CipherString::parse_for(&text, &library) else { continue };
            let printed = string.to_string();
            let again = CipherString::parse_for(&printed, &library).expect("what was printed parses");
            prop_assert_eq!(&again.to_string(), &printed);
            let plain = |string: &CipherString| string.items().iter().map(ToString::to_string).collect::<Vec<_>>();
            prop_assert_eq!(plain(&again), plain(&string));
            prop_assert_eq!(again.security_level(), string.security_level());
            prop_assert_eq!(library.select(&printed), library.select(&text), "{:?} and {:?}", text, printed);
        }
    }

    #[test]
    fn an_explanation_agrees_with_the_evaluation(text in any_string()) {
        for library in libraries() {
            let Ok(explanation) = library.explain(&text) else { continue };
            prop_assert_eq!(explanation.selection(), &library.select(&text).expect("it was explained"));
            prop_assert_eq!(explanation.refusal().is_some(), library.evaluate(&text).is_err());
            let selected = explanation.verdicts().iter().filter(|verdict| verdict.is_selected());
            prop_assert!(selected.map(|verdict| verdict.suite()).eq(explanation.selection().suites().iter().copied()));
            prop_assert_eq!(explanation.verdicts().len(), patina_ciphers::suites().len());
        }
    }

    #[test]
    fn a_split_loses_nothing_but_empty_items(text in any_string()) {
        let parts = split(&text);
        let mut pieces: Vec<&str> = parts.tls13.split(':').chain(parts.legacy.split(':')).filter(|it| !it.is_empty()).collect();
        let mut expected: Vec<&str> = text.split(':').filter(|it| !it.is_empty()).collect();
        pieces.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(pieces, expected);
        let _ = by_any_name(&text);
    }
}
