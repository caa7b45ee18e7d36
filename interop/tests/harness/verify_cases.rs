//! `verify_cases` as a program: lines in, lines out.

use std::process::Output;

use patina_interop::fixture;
use serde_json::{Value, json};

use crate::program;

fn run(input: &str) -> Output {
    program::run(env!("CARGO_BIN_EXE_verify_cases"), input)
}

fn case(id: &str, leaf: &str) -> Value {
    let pem = |name: &str| std::fs::read_to_string(fixture::pem(name).unwrap()).unwrap();
    json!({
        "id": id, "validation_kind": "SERVER", "trusted_certs": [pem("root")], "untrusted_intermediates": [],
        "peer_certificate": pem(leaf), "validation_time": "2025-06-15T00:00:00Z",
    })
}

#[test]
fn each_line_is_answered_by_one_in_the_same_order() {
    let cases = format!("{}\n\n{}\n", case("good", "server-rsa"), case("late", "expired"));
    let output = run(&cases);
    assert!(output.status.success(), "{output:?}");
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        answers,
        [
            json!({"id": "good", "result": "SUCCESS", "detail": ""}),
            json!({"id": "late", "result": "FAILURE", "detail": "CERT_HAS_EXPIRED: certificate has expired"}),
        ]
    );
}

#[test]
fn a_line_that_is_no_case_ends_the_program_with_its_number() {
    let output = run(&format!("{}\nnonsense\n", case("good", "server-rsa")));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("line 2"), "{output:?}");
}
