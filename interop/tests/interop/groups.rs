//! The cases of each group, with this library as client and as server.

use patina_interop::cell::{Cell, Outcome, Verdict, run_all};
use patina_interop::{peers, table};

/// Runs the cases of a group between two peers, and fails with all that is bad.
async fn check(group: &str, client: &str, server: &str) {
    let cases: Vec<_> = table::cases().unwrap().into_iter().filter(|case| case.group == group).collect();
    let (client, server) = (peers::named(client).unwrap(), peers::named(server).unwrap());
    let cells: Vec<_> = cases.iter().map(|case| Cell { case, client, server }).collect();
    let outcomes = run_all(&cells).await;
    assert!(!outcomes.is_empty(), "there is no such group");
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

macro_rules! directions {
    ($group:literal, $($test:ident = $client:literal > $server:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            super::check($group, $client, $server).await;
        })*

        /// Who is run with whom.
        pub(crate) const PAIRS: &[(&str, &str)] = &[$(($client, $server)),*];
    };
}

macro_rules! groups {
    ($($module:ident = $group:literal,)*) => {
        /// The groups that are run here, and between whom.
        pub(crate) const RUN: &[(&str, &[(&str, &str)])] = &[$(($group, $module::PAIRS)),*];

        $(mod $module {
            directions! {
                $group,
                agree_among_ourselves = "patina" > "patina",
                agree_with_openssl_servers = "patina" > "openssl",
                agree_with_openssl_clients = "openssl" > "patina",
                agree_with_node_servers = "patina" > "node",
                agree_with_node_clients = "node" > "patina",
                agree_with_gnutls_servers = "patina" > "gnutls",
                agree_with_gnutls_clients = "gnutls" > "patina",
                agree_with_python_servers = "patina" > "python",
                agree_with_python_clients = "python" > "patina",
                agree_with_go_servers = "patina" > "go",
                agree_with_go_clients = "go" > "patina",
                agree_with_java_servers = "patina" > "java",
                agree_with_java_clients = "java" > "patina",
                agree_with_curl = "curl" > "patina",
                agree_with_rustls_servers = "patina" > "rustls",
                agree_with_rustls_clients = "rustls" > "patina",
                agree_with_nss_servers = "patina" > "nss",
                agree_with_nss_clients = "nss" > "patina",
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
    psk = "psk",
    renegotiation = "renegotiation",
    legacy_renegotiation = "legacy-renegotiation",
    stapling = "stapling",
    npn = "npn",
    post_handshake = "post-handshake",
    weak_suites = "weak-suites",
}
