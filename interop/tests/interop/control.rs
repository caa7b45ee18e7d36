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

#[tokio::test]
async fn another_staple_than_expected_is_bad() {
    let good = "asks-staple=yes\tcert=server-rsa-chain;staple=good";
    let none = "asks-staple=yes\tcert=server-rsa-chain";
    for (settings, fact, complaint) in [
        (good, "client.staple-status=revoked", "staple-status is \"good\" instead of \"revoked\""),
        (none, "client.staple-status=good", "staple-status is \"\" instead of \"good\""),
    ] {
        for (client, server) in [("patina", "openssl"), ("openssl", "patina")] {
            let row = format!("control\ta\t-\t{settings}\techo\tok\t{fact}\t-");
            let text = complaints(run(&row, client, server).await);
            assert!(text.contains(complaint), "{text}");
        }
    }
}

#[tokio::test]
async fn another_number_of_key_updates_than_expected_is_bad() {
    let row = "control\ta\tversions=TLSv1.3\t-\t-\tupdate-keys:client\tok\tkey-updates=2\t-";
    for (client, server) in [("patina", "openssl"), ("openssl", "patina")] {
        let text = complaints(run(row, client, server).await);
        assert_eq!(text.matches("key-updates is \"1\" instead of \"2\"").count(), 2, "{text}");
    }
}

#[tokio::test]
async fn a_late_certificate_that_does_not_come_is_bad() {
    let row = "control\ta\tversions=TLSv1.3\tpost-handshake-auth=yes\ttrust=root\tauthenticate\tok\tserver.authorized=yes\t-";
    let text = complaints(run(row, "patina", "openssl").await);
    assert!(text.contains("authorized is \"no\" instead of \"yes\""), "{text}");
    let text = complaints(run(row, "openssl", "patina").await);
    assert!(text.contains("instead of ok"), "{text}");
}
