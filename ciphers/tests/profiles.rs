//! What each profile selects in each generation, against golden lists and against libssl.
//!
//! `PATINA_REGENERATE=1 cargo test -p patina-ciphers --test profiles` writes `tests/golden/` anew.
#![allow(clippy::expect_used)] // A test says by its panic what is wrong.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use patina_ciphers::{Generation, Library, Profile, Suite, node_ciphers};
use support::oracle::{Answer, NO_CIPHER_MATCH, Oracle};

/// The suites in order, one a line; for a profile of TLS 1.3 alone just those.
fn expand(library: &Library, profile: &Profile) -> Vec<&'static Suite> {
    if profile.legacy().is_empty() {
        return library.ciphersuites(profile.tls13()).expect("the suites of TLS 1.3");
    }
    library.evaluate_both(Some(profile.tls13()), profile.legacy()).expect("a profile selects something")
}

#[test]
fn every_profile_selects_what_its_golden_list_says() {
    for profile in Profile::ALL {
        for generation in Generation::ALL {
            let mut made = String::new();
            for suite in expand(&Library::upstream(generation), profile) {
                writeln!(made, "{suite}").expect("a String takes any text");
            }
            let name = format!("tests/golden/{}-{generation}.txt", profile.name());
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&name);
            if std::env::var_os("PATINA_REGENERATE").is_some() {
                fs::write(&path, &made).expect("the golden list can be written");
            }
            let golden = fs::read_to_string(&path).expect("the golden list");
            assert_eq!(made, golden, "{name}");
        }
    }
}

#[test]
fn every_profile_selects_what_libssl_selects() {
    let mut oracle = Oracle::start(false).expect("the plain oracle runs");
    let library = oracle.library();
    for profile in Profile::ALL {
        let question = format!("M\t{}\t{}", profile.tls13(), profile.legacy());
        let theirs = oracle.ask(&[question]).pop().expect("one answer");
        if profile.legacy().is_empty() {
            // libssl refuses an empty string; such a profile is set by leaving the string alone.
            assert_eq!(theirs, Answer::Refused { reason: NO_CIPHER_MATCH });
            continue;
        }
        let ours = expand(&library, profile).iter().map(|suite| suite.id()).collect();
        assert_eq!(
            theirs,
            Answer::Accepted { level: support::oracle::BASE_LEVEL, ids: ours },
            "{}",
            profile.name()
        );
    }
}

#[test]
fn node_on_openssl_3_0_lists_62_ciphers() {
    // tls.getCiphers().length of Node 20 linked with Debian's OpenSSL 3.0.
    let names = node_ciphers(&Library::upstream(Generation::V3_0));
    assert_eq!(names.len(), 62);
    assert_eq!(names[0], "aes128-gcm-sha256");
    assert!(names.iter().all(|name| !name.contains(char::is_uppercase)));
}

#[test]
fn a_profile_is_found_by_its_short_name_too() {
    assert_eq!(Profile::by_name("old").map(Profile::name), Some("mozilla-old"));
    for profile in Profile::ALL {
        assert_eq!(Profile::by_name(profile.name()), Some(profile));
    }
    assert_eq!(Profile::by_name("no such profile"), None);
}
