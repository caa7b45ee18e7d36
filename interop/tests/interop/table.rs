//! The table itself.

use std::collections::BTreeSet;

use patina_interop::{peers, table};

#[test]
fn every_group_of_the_table_is_run() {
    let cases = table::cases().unwrap();
    let in_table: BTreeSet<&str> = cases.iter().map(|case| case.group.as_str()).collect();
    assert_eq!(in_table, super::groups::RUN.iter().copied().collect());
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
