//! `src/table.rs` is what `suites.tsv` says.

#![allow(clippy::expect_used)] // A test says by its panic what is wrong.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use patina_ciphers::{
    Authentication, BuildOption, Dtls, Encryption, Generation, HandshakeHash, KeyExchange, Mac, Protocol,
    StrengthClass, by_id, by_name, suites,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The variant whose name in `suites.tsv` is `text`.
fn variant<T: std::fmt::Debug + Copy>(
    kind: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
    text: &str,
) -> String {
    let found = all.iter().find(|value| name(**value) == text);
    format!("{kind}::{:?}", found.unwrap_or_else(|| panic!("suites.tsv: no {kind} is called {text}")))
}

fn render(tsv: &str) -> String {
    let mut lines = tsv.lines().filter(|line| !line.starts_with('#'));
    let header: Vec<&str> = lines.next().expect("a header").split('\t').collect();
    let mut rows = String::new();
    let mut count = 0;
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), header.len(), "suites.tsv: a row with other columns: {line}");
        let get = |name: &str| cells[header.iter().position(|column| *column == name).expect(name)];
        let or = |name: &str, other: &str| if get(name) == "-" { get(other) } else { get(name) }.to_owned();
        let option = |name: &str, make: &dyn Fn(&str) -> String| match get(name) {
            "-" => "None".to_owned(),
            text => format!("Some({})", make(text)),
        };
        let generation = |text: &str| variant("Generation", &Generation::ALL, Generation::name, text);
        let protocol = |name: &str| variant("Protocol", Protocol::ALL, Protocol::name, get(name));
        let class = |text: &str| variant("StrengthClass", StrengthClass::ALL, StrengthClass::name, text);
        let dtls = |text: &str| variant("Dtls", Dtls::ALL, Dtls::name, text);
        writeln!(
            rows,
            "    Suite {{ id: {}, iana: {}, openssl: {:?}, kx: {}, auth: {}, enc: {}, mac: {}, strength_bits: {}, \
             algorithm_bits: {}, protocols: ({}, {}), dtls: {}, class: {}, default: {}, fips_until: {}, since: {}, \
             option: {}, strength_bits_3_0: {}, class_3_0: {}, openssl_1_1_1: {:?}, hash: {} }},",
            get("id"),
            option("iana", &|text| format!("{text:?}")),
            get("openssl"),
            variant("KeyExchange", KeyExchange::ALL, KeyExchange::name, get("kx")),
            variant("Authentication", Authentication::ALL, Authentication::name, get("auth")),
            variant("Encryption", Encryption::ALL, Encryption::name, get("enc")),
            variant("Mac", Mac::ALL, Mac::name, get("mac")),
            get("strength_bits"),
            get("algorithm_bits"),
            protocol("first"),
            protocol("last"),
            option("dtls_first", &|text| format!("({}, {})", dtls(text), dtls(get("dtls_last")))),
            class(get("class")),
            get("default") == "yes",
            option("fips_until", &generation),
            generation(get("since")),
            option("option", &|text| variant("BuildOption", BuildOption::ALL, BuildOption::name, text)),
            or("strength_bits_3_0", "strength_bits"),
            class(&or("class_3_0", "class")),
            or("openssl_1_1_1", "openssl"),
            option("handshake_hash", &|text| variant("HandshakeHash", HandshakeHash::ALL, HandshakeHash::name, text)),
        )
        .expect("a String takes any text");
        count += 1;
    }
    format!(
        "//! Made from `suites.tsv` by `tests/table.rs`; change that file, then run\n\
         //! `PATINA_REGENERATE=1 cargo test -p patina-ciphers --test table`.\n\n\
         use crate::generation::Generation;\n\
         use crate::suite::{{Authentication, Dtls, Encryption, HandshakeHash, KeyExchange, Mac}};\n\
         use crate::suite::{{BuildOption, Protocol, StrengthClass, Suite}};\n\n\
         /// Every suite, by ascending id.\n\
         #[rustfmt::skip]\n\
         pub(crate) static SUITES: [Suite; {count}] = [\n{rows}];\n"
    )
}

#[test]
fn the_table_is_what_suites_tsv_says() {
    let made = render(&fs::read_to_string(path("suites.tsv")).expect("suites.tsv"));
    let table = path("src/table.rs");
    if std::env::var_os("PATINA_REGENERATE").is_some() {
        fs::write(&table, &made).expect("src/table.rs can be written");
    }
    let there = fs::read_to_string(&table).expect("src/table.rs");
    assert!(there == made, "src/table.rs is not what suites.tsv makes; see the comment at its top");
}

#[test]
fn suites_stand_in_the_order_of_their_ids() {
    assert!(suites().windows(2).all(|pair| pair[0].id() < pair[1].id()));
}

#[test]
fn every_name_leads_to_its_suite_and_to_no_other() {
    let mut seen = HashSet::new();
    for suite in suites() {
        assert_eq!(by_id(suite.id()), Some(suite));
        assert_eq!(by_name(suite.openssl_name()), Some(suite));
        assert!(seen.insert(suite.openssl_name()));
        if let Some(iana) = suite.iana_name() {
            assert_eq!(by_name(iana), Some(suite));
            assert_eq!(by_name(&iana.to_lowercase()), Some(suite));
            assert!(seen.insert(iana) || suite.is_tls13());
        }
    }
    assert_eq!(by_name("no such suite"), None);
    assert_eq!(by_id(0x5600), None, "the fallback signal is no suite");
}
