//! A program with its input.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `program` with `input` to its end.
pub(crate) fn run(program: &str, input: &str) -> Output {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}
