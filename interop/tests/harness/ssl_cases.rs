//! `ssl_cases` as a program: lines in, lines out.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use patina_interop::fixture::Identity;
use serde_json::{Value, json};

fn run(input: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ssl_cases"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    program.wait_with_output().unwrap()
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
