//! The table itself.

use std::collections::BTreeSet;

use patina_interop::case::Side;
use patina_interop::{peers, summary, table};

#[test]
fn every_group_of_the_table_is_run() {
    let cases = table::cases().unwrap();
    let in_table: BTreeSet<&str> = cases.iter().map(|case| case.group.as_str()).collect();
    assert_eq!(in_table, super::groups::RUN.iter().map(|(group, _)| *group).collect());
}

#[test]
fn this_library_is_run_with_every_peer_on_the_side_that_it_can_take() {
    let mut wanted = BTreeSet::new();
    for peer in peers::all() {
        wanted.extend(peer.sides().contains(&Side::Server).then_some(("patina", peer.name())));
        wanted.extend(peer.sides().contains(&Side::Client).then_some((peer.name(), "patina")));
    }
    for (group, pairs) in super::groups::RUN {
        assert_eq!(pairs.iter().copied().collect::<BTreeSet<_>>(), wanted, "{group}");
    }
}

#[test]
fn the_summary_in_the_readme_is_that_of_the_table() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- cargo run -p patina-interop -- --summary -->\n").unwrap();
    let (written, _) = rest.split_once("<!-- end -->\n").unwrap();
    // With another libssl there are other cells.
    if !patina_tls::openssl().has(patina_tls::Capability::SslV3) {
        assert_eq!(written, summary::markdown(&table::cases().unwrap()));
    }
    for peer in peers::all() {
        assert!(written.contains(peer.title()), "{}", peer.name());
    }
}

#[test]
fn every_peer_that_the_table_names_is_there() {
    for case in table::cases().unwrap() {
        let pairs = case.expected.iter().map(|e| &e.pair).chain(case.except.iter().map(|e| &e.pair));
        for name in pairs.flat_map(|pair| pair.names()) {
            assert!(peers::named(name).is_ok(), "{case}: {name}");
        }
    }
}

#[tokio::test]
async fn every_peer_is_installed_and_says_its_version() {
    for peer in peers::all() {
        let version = peer.version().await.unwrap();
        assert!(version.contains('.') && !version.contains("rror"), "{}: {version}", peer.name());
    }
}
