//! `ssl_cases` as a program: lines in, lines out.

use std::process::Output;

use patina_interop::fixture::Identity;
use serde_json::{Value, json};

use crate::program;

fn run(input: &str) -> Output {
    program::run(env!("CARGO_BIN_EXE_ssl_cases"), input)
}

#[test]
fn each_line_is_answered_by_one_in_the_same_order() {
    let identity = Identity::named("server-p256", false).unwrap();
    let good = json!({
        "id": "good", "mode": "Simple", "method": "TLS", "client": {},
        "server": {"Certificate": identity.certificate, "PrivateKey": identity.key},
    });
    let skipped = json!({"id": "skipped", "method": "DTLS", "client": {}, "server": {}});
    let output = run(&format!("{good}\n{skipped}\n"));
    assert!(output.status.success(), "{output:?}");
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0]["id"], "good");
    assert_eq!(answers[0]["observed"]["ExpectedResult"], "Success");
    assert_eq!(answers[0]["observed"]["ExpectedServerCertType"], "P-256");
    assert_eq!(answers[1], json!({"id": "skipped", "skip": "the library has no DTLS"}));
}

#[test]
fn a_line_that_is_no_case_ends_the_program_with_its_number() {
    let output = run("\n{\"id\": 1}\n");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("line 2"), "{output:?}");
}
