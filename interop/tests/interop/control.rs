//! The harness itself: it must find what is wrong.

use patina_interop::cell::{Cell, Outcome, Verdict};
use patina_interop::{peers, table};

const COLUMNS: &str = "group\tname\tboth\tclient\tserver\texchange\texpect\tfacts\texcept\n";

async fn run(row: &str, client: &str, server: &str) -> Outcome {
    let cases = table::parse(&format!("{COLUMNS}{row}\n")).unwrap();
    let (client, server) = (peers::named(client).unwrap(), peers::named(server).unwrap());
    Cell { case: &cases[0], client, server }.run().await
}

fn complaints(outcome: Outcome) -> String {
    match outcome.verdict {
        Verdict::Bad(complaints) => complaints,
        other => panic!("{}: {other:?}", outcome.cell),
    }
}

#[tokio::test]
async fn a_success_where_a_failure_is_expected_is_bad() {
    let row = "control\ta\t-\t-\t-\techo\tclient:CERT_HAS_EXPIRED/certificate_expired\t-\t-";
    for (client, server) in [("patina", "openssl"), ("openssl", "patina"), ("node", "openssl")] {
        let text = complaints(run(row, client, server).await);
        assert!(text.contains("ok instead of CERT_HAS_EXPIRED"), "{text}");
    }
}

#[tokio::test]
async fn a_failure_where_success_is_expected_is_bad() {
    let row = "control\ta\t-\t-\tcert=expired\tlisten\tok\t-\t-";
    let text = complaints(run(row, "patina", "node").await);
    assert!(text.contains("client patina: CERT_HAS_EXPIRED/certificate_expired instead of ok"), "{text}");
}

#[tokio::test]
async fn another_alert_than_expected_is_bad() {
    let row = "control\ta\t-\t-\tcert=expired\tlisten\tclient:CERT_HAS_EXPIRED/bad_certificate \
               server:ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED\t-\t-";
    let text = complaints(run(row, "patina", "node").await);
    assert!(text.starts_with("client patina: CERT_HAS_EXPIRED/certificate_expired instead of"), "{text}");
}

#[tokio::test]
async fn another_fact_than_expected_is_bad() {
    let row = "control\ta\t-\t-\t-\techo\tok\tversion=TLSv1.2\t-";
    for (client, server) in [("openssl", "patina"), ("patina", "node")] {
        let text = complaints(run(row, client, server).await);
        assert_eq!(text.matches("version is \"TLSv1.3\" instead of \"TLSv1.2\"").count(), 2, "{text}");
    }
}

#[tokio::test]
async fn an_expected_failure_that_passes_is_bad() {
    let row = "control\ta\t-\t-\t-\techo\tok\t-\tfails *>openssl: it is said to";
    let text = complaints(run(row, "patina", "openssl").await);
    assert!(text.contains("it passes, but is said to fail: it is said to"), "{text}");
}

#[tokio::test]
async fn a_setting_that_a_peer_refuses_is_bad() {
    for (client, server) in
        [("patina", "openssl"), ("openssl", "patina"), ("node", "patina"), ("patina", "node")]
    {
        let row = "control\ta\tgroups=no-such-group\t-\t-\techo\tok\t-\t-";
        assert!(!complaints(run(row, client, server).await).is_empty(), "{client}>{server}");
    }
}
