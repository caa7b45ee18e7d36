//! The evaluator against libssl itself.
//!
//! The libssl is the one that `PATINA_CIPHER_ORACLE` (see `ci/oracle`) is linked with, or else the system's.
//! `PATINA_CIPHER_STRINGS` sets how many strings are tried (default 20,000), `PATINA_CIPHER_SEED` which.
#![allow(clippy::expect_used, clippy::unwrap_used)] // A test says by its panic what is wrong.

mod support;

use patina_ciphers::{
    Authentication, Encryption, ErrorKind, Filter, Generation, Library, ParseError, Protocol, Suite, suites,
};
use support::oracle::{Answer, BASE_LEVEL, INVALID_COMMAND, NO_CIPHER_MATCH, Oracle};
use support::random::{self, Random};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

fn count() -> usize {
    usize::try_from(number("PATINA_CIPHER_STRINGS", 20_000)).expect("a count")
}

fn ids<'a>(list: impl IntoIterator<Item = &'a &'static Suite>) -> Vec<u16> {
    list.into_iter().map(|suite| suite.id()).collect()
}

fn refusal(error: &ParseError) -> Answer {
    let reason = match error.kind() {
        ErrorKind::InvalidCommand => INVALID_COMMAND,
        ErrorKind::NoCipherMatch => NO_CIPHER_MATCH,
        other => panic!("libssl has no such refusal: {other:?}"),
    };
    Answer::Refused { reason }
}

/// What this crate says to a question of kind `L`.
fn ours(library: &Library, string: &str) -> Answer {
    match library.evaluate(string) {
        Ok(selection) => Answer::Accepted {
            level: selection.security_level().unwrap_or(BASE_LEVEL),
            ids: ids(selection.suites()),
        },
        Err(error) => refusal(&error),
    }
}

/// Takes characters out of a string as long as the two still disagree.
fn shrink(oracle: &mut Oracle, library: &Library, string: &str) -> String {
    let mut smallest = string.to_owned();
    let mut length = smallest.len();
    while length > 0 {
        let mut start = 0;
        let mut shorter = false;
        while start + length <= smallest.len() {
            let end = start + length;
            if smallest.is_char_boundary(start) && smallest.is_char_boundary(end) {
                let candidate = format!("{}{}", &smallest[..start], &smallest[end..]);
                if oracle.list(&candidate) != ours(library, &candidate) {
                    smallest = candidate;
                    shorter = true;
                    continue;
                }
            }
            start += 1;
        }
        if !shorter {
            length /= 2;
        }
    }
    smallest
}

/// Compares `count` random strings; returns how many of them libssl refused.
fn compare(oracle: &mut Oracle, library: &Library, seed: u64, count: usize) -> usize {
    let words: Vec<&str> = library.words().collect();
    // Half of the words are what this libssl knows, half what any does.
    let complete = Library::complete(Generation::V3_5);
    let known: Vec<&str> = complete.words().collect();
    let mut random = Random::new(seed);
    let mut refused = 0;
    let mut left = count;
    while left > 0 {
        let batch = left.min(2_000);
        left -= batch;
        let strings: Vec<String> = (0..batch)
            .map(|index| random::string(&mut random, if index % 2 == 0 { &words } else { &known }))
            .collect();
        let questions: Vec<String> = strings.iter().map(|string| format!("L\t{string}")).collect();
        for (string, theirs) in strings.iter().zip(oracle.ask(&questions)) {
            let ours = ours(library, string);
            if ours != theirs {
                let string = shrink(oracle, library, string);
                let theirs = oracle.list(&string);
                let ours = self::ours(library, &string);
                panic!(
                    "libssl {:x} and this crate differ on {string:?}\nlibssl {theirs:x?}\nours   {ours:x?}",
                    oracle.version
                );
            }
            refused += usize::from(matches!(theirs, Answer::Refused { .. }));
        }
    }
    refused
}

#[test]
fn random_strings_give_the_same_lists_and_the_same_refusals() {
    let mut asked = 0;
    for legacy in [false, true] {
        // Without a legacy provider on the machine there is no second build to compare; 1.1.1 has no providers.
        let Some(mut oracle) = Oracle::start(legacy) else { continue };
        if legacy && oracle.generation == Generation::V1_1_1 {
            continue;
        }
        let library = oracle.library();
        let count = if legacy { count() / 4 } else { count() };
        let refused = compare(&mut oracle, &library, number("PATINA_CIPHER_SEED", 1), count);
        println!(
            "libssl {:x}{}: {count} strings, {refused} of them refused, no difference",
            oracle.version,
            if legacy { " with the legacy provider" } else { "" }
        );
        assert!(
            refused > count / 100 && refused < count / 2,
            "the mix of strings is lopsided: {refused} refused"
        );
        asked += count;
    }
    assert!(asked >= count());
}

#[test]
fn every_word_alone_and_with_each_operator_gives_the_same() {
    let mut oracle = Oracle::start(false).expect("the plain oracle runs");
    let library = oracle.library();
    let mut words: Vec<String> = suites()
        .iter()
        .flat_map(|suite| [Some(suite.openssl_name()), suite.iana_name()])
        .flatten()
        .map(str::to_owned)
        .collect();
    for generation in Generation::ALL {
        words.extend(Library::complete(generation).words().map(str::to_owned));
    }
    words.extend(random::ODD_WORDS.iter().map(|word| (*word).to_owned()));
    words.sort();
    words.dedup();
    let strings: Vec<String> = words
        .iter()
        .flat_map(|word| {
            [
                "",
                "ALL:COMPLEMENTOFALL:-",
                "ALL:COMPLEMENTOFALL:+",
                "ALL:COMPLEMENTOFALL:!",
                "DEFAULT:",
                "AES+",
                "HIGH:!",
            ]
            .map(|before| format!("{before}{word}"))
        })
        .collect();
    let questions: Vec<String> = strings.iter().map(|string| format!("L\t{string}")).collect();
    for (string, theirs) in strings.iter().zip(oracle.ask(&questions)) {
        assert_eq!(ours(&library, string), theirs, "{string}");
    }
    assert!(strings.len() > 3_000);
}

#[test]
fn lists_with_tls13_suites_give_the_same() {
    let mut oracle = Oracle::start(false).expect("the plain oracle runs");
    let library = oracle.library();
    let words: Vec<&str> = library.words().collect();
    // Twice as many of TLS 1.3 as of the others.
    let names: Vec<&str> = suites()
        .iter()
        .filter_map(Suite::iana_name)
        .filter(|name| name.len() % 8 == 0 || patina_ciphers::by_name(name).is_some_and(Suite::is_tls13))
        .collect();
    let mut random = Random::new(number("PATINA_CIPHER_SEED", 1) ^ 0x13);
    let cases: Vec<(String, String)> = (0..count() / 4)
        .map(|_| (random::tls13(&mut random, &names), random::string(&mut random, &words)))
        .collect();
    let questions: Vec<String> =
        cases.iter().map(|(tls13, string)| format!("M\t{tls13}\t{string}")).collect();
    for ((tls13, string), theirs) in cases.iter().zip(oracle.ask(&questions)) {
        let ours = match library.evaluate_both(Some(tls13), string) {
            Ok(list) => Answer::Accepted {
                level: library.select(string).ok().and_then(|it| it.security_level()).unwrap_or(BASE_LEVEL),
                ids: ids(&list),
            },
            Err(error) => refusal(&error),
        };
        assert_eq!(ours, theirs, "{tls13:?} and {string:?}");
    }
}

#[test]
fn filters_leave_what_a_client_of_libssl_supports() {
    const VERSIONS: [(Protocol, i32); 4] = [
        (Protocol::TLSv1_0, 0x301),
        (Protocol::TLSv1_1, 0x302),
        (Protocol::TLSv1_2, 0x303),
        (Protocol::TLSv1_3, 0x304),
    ];
    let mut oracle = Oracle::start(false).expect("the plain oracle runs");
    let library = oracle.library();
    let everything = "ALL:COMPLEMENTOFALL";
    let mut questions = Vec::new();
    let mut expected = Vec::new();
    for level in 0..=5_u8 {
        for (first, min) in VERSIONS {
            for (last, max) in VERSIONS.into_iter().filter(|(last, _)| *last >= first) {
                for keys in 0..4 {
                    let (psk, srp) = (keys & 1, keys >> 1);
                    questions.push(format!("S\t-\t{level}\t{min}\t{max}\t{psk}\t{srp}\t{everything}"));
                    let mut types = vec![Authentication::Rsa, Authentication::Ecdsa, Authentication::Dss];
                    types.extend((psk == 1).then_some(Authentication::Psk));
                    types.extend((srp == 1).then_some(Authentication::Srp));
                    let filter = Filter::new(oracle.generation)
                        .security_level(level)
                        .versions(first..=last)
                        .key_types(&types);
                    let list = library.evaluate_both(None, everything).expect("everything is something");
                    expected
                        .push(Answer::Accepted { level, ids: filter.apply(&list).map(Suite::id).collect() });
                }
            }
        }
    }
    let answers = oracle.ask(&questions);
    for ((question, theirs), ours) in questions.iter().zip(answers).zip(expected) {
        assert_eq!(ours, theirs, "{question}");
    }
}

#[test]
fn a_detected_library_is_one_of_the_presets() {
    for legacy in [false, true] {
        let Some(mut oracle) = Oracle::start(legacy) else { continue };
        let library = oracle.library();
        let weak = library.suites().any(|suite| suite.openssl_name() == "DES-CBC3-SHA");
        let mut preset =
            if weak { Library::complete(oracle.generation) } else { Library::upstream(oracle.generation) };
        let providers = oracle.generation >= Generation::V3_0;
        if providers && legacy && !weak {
            preset = preset.with_legacy_provider();
        } else if providers && !legacy && weak {
            for encryption in ["RC4", "RC2", "DES", "IDEA", "SEED"] {
                let found = Encryption::ALL.iter().find(|it| it.name() == encryption).expect("a cipher");
                preset = preset.without_encryption(*found);
            }
        }
        // Debian leaves IDEA out altogether, which shows only beside a legacy provider.
        if !library.words().any(|word| word == "IDEA") {
            preset = preset.without_encryption(Encryption::Idea);
        }
        let names = |library: &Library| library.suites().map(Suite::openssl_name).collect::<Vec<_>>();
        assert_eq!(names(&library), names(&preset), "legacy: {legacy}");
        assert_eq!(
            library.words().collect::<Vec<_>>(),
            preset.words().collect::<Vec<_>>(),
            "legacy: {legacy}"
        );
    }
}

#[test]
fn the_oracle_can_disagree() {
    // A library that is wrong about its build must be found out, or the tests above prove nothing.
    let mut oracle = Oracle::start(false).expect("the plain oracle runs");
    let wrong = oracle.library().without_encryption(Encryption::ChaCha20);
    let string = "CHACHA20!AES:ALL";
    assert_ne!(ours(&wrong, string), oracle.list(string));
    assert_eq!(shrink(&mut oracle, &wrong, "AES128-SHA:CHACHA20").len(), "CHACHA20".len());
}
