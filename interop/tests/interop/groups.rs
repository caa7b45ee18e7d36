//! The cases of each group, with this library as client and as server.

use patina_interop::cell::{Cell, Outcome, Verdict, run_all};
use patina_interop::{peers, table};

/// Runs the cases of a group between the pairs of peers, and fails with all that is bad.
async fn check(group: &str, pairs: &[(&str, &str)]) {
    let cases: Vec<_> = table::cases().unwrap().into_iter().filter(|case| case.group == group).collect();
    let mut cells = Vec::new();
    for case in &cases {
        for (client, server) in pairs {
            let (client, server) = (peers::named(client).unwrap(), peers::named(server).unwrap());
            cells.push(Cell { case, client, server });
        }
    }
    let outcomes = run_all(&cells).await;
    assert!(outcomes.iter().any(|outcome| outcome.verdict == Verdict::Good), "nothing was run");
    let bad: Vec<String> = outcomes.iter().filter_map(complaint).collect();
    assert!(bad.is_empty(), "{} of {} cells are bad:\n\n{}", bad.len(), outcomes.len(), bad.join("\n"));
}

fn complaint(outcome: &Outcome) -> Option<String> {
    match &outcome.verdict {
        Verdict::Bad(complaints) => {
            Some(format!("{} ended with: {}\n{complaints}", outcome.cell, outcome.seen))
        }
        _ => None,
    }
}

macro_rules! groups {
    ($($module:ident = $group:literal,)*) => {
        /// The groups that are run here.
        pub(crate) const RUN: &[&str] = &[$($group),*];

        $(mod $module {
            use super::check;

            #[tokio::test]
            async fn agree_with_openssl_servers() {
                check($group, &[("patina", "openssl")]).await;
            }

            #[tokio::test]
            async fn agree_with_openssl_clients() {
                check($group, &[("openssl", "patina")]).await;
            }

            #[tokio::test]
            async fn agree_with_node_servers() {
                check($group, &[("patina", "node")]).await;
            }

            #[tokio::test]
            async fn agree_with_node_clients() {
                check($group, &[("node", "patina")]).await;
            }

            #[tokio::test]
            async fn agree_among_ourselves() {
                check($group, &[("patina", "patina")]).await;
            }
        })*
    };
}

groups! {
    versions = "versions",
    certificates = "certificates",
    key_exchange = "key-exchange",
    client_certificates = "client-certificates",
    server_certificates = "server-certificates",
    alpn = "alpn",
    server_names = "server-names",
    resumption = "resumption",
    ends = "ends",
    transfers = "transfers",
    refusals = "refusals",
}
