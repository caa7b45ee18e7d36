//! The program `patina` as a process, and what it says.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use super::fixtures;

pub(crate) fn patina(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patina"));
    command.args(args).current_dir(fixtures::path("pki")).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    patina(args).output().unwrap()
}

/// Whether the one connection of a `patina connect --json` has resumed a session.
pub(crate) fn reused(output: &Output) -> bool {
    assert!(output.status.success(), "{}", text(&output.stderr));
    event(&lines(&output.stdout), "secure")["session_reused"].as_bool().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn lines(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn event<'a>(events: &'a [Value], name: &str) -> &'a Value {
    events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("no {name} in {events:?}"))
}

/// The exit code and the line on stderr of a program that refuses.
pub(crate) fn refusal(args: &[&str]) -> (i32, String) {
    let output = run(args);
    assert!(output.stdout.is_empty(), "{args:?} wrote {}", text(&output.stdout));
    (output.status.code().unwrap(), text(&output.stderr))
}

/// A server that ends with the test.
pub(crate) struct Serving {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) target: String,
}

impl Serving {
    pub(crate) fn start(args: &[&str]) -> Serving {
        let mut child = patina(&["serve", "--json"]).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["event"], "listening");
        let port = event["address"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
        Serving { child, stdout, target: format!("localhost:{port}") }
    }

    /// One with the certificate of `server-rsa`.
    pub(crate) fn rsa(args: &[&str]) -> Serving {
        Serving::start(&[&["--cert", "server-rsa.pem", "--key", "server-rsa.key"], args].concat())
    }

    pub(crate) fn connect(&self, args: &[&str]) -> Output {
        run(&[&["connect", &self.target, "--ca", "root.pem"], args].concat())
    }

    pub(crate) fn next_event(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server said {line:?}"))
    }

    /// What it says until it ends by itself.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        lines(&rest)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file that goes with the value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str, text: impl AsRef<[u8]>) -> Scratch {
        let file = std::env::temp_dir().join(format!("patina-{}-{name}", std::process::id()));
        std::fs::write(&file, text).unwrap();
        Scratch(file)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
