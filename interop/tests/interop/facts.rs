//! What this library tells of a connection is what Node tells in its place, and `openssl` where it tells anything.

use std::fmt::Write as _;

use patina_interop::case::{Case, Exchange, Side};
use patina_interop::cell::{Cell, run_all};
use patina_interop::seen::{Fact, Seen};
use patina_interop::{peers, table};

/// Every case that succeeds on both sides, is one connection, and that these two peers can do on `side`. Where a case
/// leaves the suites to the peers, whose defaults differ, all get the same.
fn cases(side: Side, other: &str) -> Vec<Case> {
    let mut cases = table::cases().unwrap();
    cases.retain(|case| {
        let pair = |name| if side == Side::Client { (name, other) } else { (other, name) };
        let able = [other, "patina"].map(pair).iter().all(|(client, server)| {
            let (client, server) = (peers::named(client).unwrap(), peers::named(server).unwrap());
            Cell { case, client, server }.except().is_none()
        });
        // Connections by pre-shared keys have no certificates to tell of.
        able && case.client.psk.is_none() && case.expected.is_empty() && case.exchange == Exchange::Echo
    });
    for setup in cases.iter_mut().flat_map(|case| [&mut case.client, &mut case.server]) {
        setup.ciphers.get_or_insert_with(|| "ECDHE+AESGCM:@STRENGTH".to_owned());
    }
    cases
}

/// Runs each case twice with `other` on the far side, once with this library and once with `other` on the near side,
/// and compares what the near side tells.
async fn compare(side: Side, other: &str, least: usize) {
    let cases = cases(side, other);
    let mut cells = Vec::new();
    for case in &cases {
        for near in [other, "patina"] {
            let (client, server) = if side == Side::Client { (near, other) } else { (other, near) };
            cells.push(Cell {
                case,
                client: peers::named(client).unwrap(),
                server: peers::named(server).unwrap(),
            });
        }
    }
    let outcomes = run_all(&cells).await;
    let mut bad = String::new();
    let mut compared = 0;
    for pair in outcomes.chunks(2) {
        let seen = |index: usize| -> &Seen {
            let reports = pair[index].reports.as_ref().unwrap_or_else(|| panic!("{:?}", pair[index]));
            &reports[side as usize].seen[0]
        };
        let (theirs, ours) = (seen(0), seen(1));
        for (fact, value) in theirs.facts.iter().filter(|(fact, _)| !fact.is_random()) {
            let Some(own) = ours.facts.get(fact) else { continue };
            compared += 1;
            if own != value {
                let _ = writeln!(bad, "{}: {fact}\n  {other}: {value}\n  patina: {own}", pair[1].cell);
            }
        }
    }
    assert!(bad.is_empty(), "{bad}");
    assert!(compared >= least, "only {compared} facts were compared");
}

#[tokio::test]
async fn a_client_tells_what_a_node_client_tells() {
    compare(Side::Client, "node", 500).await;
}

#[tokio::test]
async fn a_server_tells_what_a_node_server_tells() {
    compare(Side::Server, "node", 500).await;
}

#[tokio::test]
async fn a_client_tells_what_s_client_tells() {
    compare(Side::Client, "openssl", 300).await;
}

#[tokio::test]
async fn a_server_tells_what_s_server_tells() {
    compare(Side::Server, "openssl", 200).await;
}

#[test]
fn the_certificate_object_is_among_what_is_compared_with_node() {
    for side in Side::BOTH {
        for case in cases(side, "node") {
            for peer in ["node", "patina"] {
                assert!(
                    peers::named(peer).unwrap().tells(side, &case).contains(&Fact::PeerObject),
                    "{peer} {case}"
                );
            }
        }
    }
}
