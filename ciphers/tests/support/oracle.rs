//! The program that says what libssl itself makes of a string (`oracle.c`).

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use patina_ciphers::{Generation, Library, by_id};

/// What libssl says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The security level afterwards, and the list.
    Accepted { level: u8, ids: Vec<u16> },
    /// The reason on libssl's error queue.
    Refused { reason: u32 },
}

/// The security level that the oracle sets before each question of kind `L` and `M`.
pub(crate) const BASE_LEVEL: u8 = 1;
/// `SSL_R_NO_CIPHER_MATCH`.
pub(crate) const NO_CIPHER_MATCH: u32 = 185;
/// `SSL_R_INVALID_COMMAND`.
pub(crate) const INVALID_COMMAND: u32 = 280;

/// A running oracle.
pub(crate) struct Oracle {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub(crate) generation: Generation,
    pub(crate) version: u64,
}

/// The oracle's path: `PATINA_CIPHER_ORACLE`, or one that `ci/oracle` compiles now.
///
/// # Panics
/// Without the variable when it cannot be compiled: a differential test that asks nobody must not pass.
fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("PATINA_CIPHER_ORACLE") {
            return path.into();
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../ci/oracle");
        let mut command = Command::new("sh");
        command.arg(script).env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR"));
        let output = command.output().expect("sh runs");
        assert!(
            output.status.success(),
            "ci/oracle cannot compile the oracle; set PATINA_CIPHER_ORACLE or install cc and libssl's headers\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("a path").trim_end().into()
    })
}

impl Oracle {
    /// Starts it; with the legacy provider where asked for. `None` when that provider is not there.
    pub(crate) fn start(legacy: bool) -> Option<Self> {
        let path = path();
        let mut command = Command::new(path);
        // No system-wide configuration: its cipher string and levels would be part of the answers.
        command.env("OPENSSL_CONF", "/dev/null").stdin(Stdio::piped()).stdout(Stdio::piped());
        if legacy {
            command.arg("legacy").stderr(Stdio::null());
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut oracle = Self { child, stdin, stdout, generation: Generation::V3_0, version: 0 };
        let version = oracle.exchange(&["V".to_owned()]).pop().filter(|line| !line.is_empty())?;
        oracle.version = u64::from_str_radix(&version, 16).expect("a version number");
        oracle.generation = Generation::from_version_number(oracle.version).expect("1.1.1 or newer");
        Some(oracle)
    }

    /// Asks many questions at once; the answers come in the same order.
    pub(crate) fn ask(&mut self, questions: &[String]) -> Vec<Answer> {
        self.exchange(questions).iter().map(|line| parse(line)).collect()
    }

    /// What `SSL_CTX_set_cipher_list` says to one string.
    pub(crate) fn list(&mut self, string: &str) -> Answer {
        self.ask(&[format!("L\t{string}")]).pop().expect("one answer")
    }

    /// The library that the oracle runs on.
    pub(crate) fn library(&mut self) -> Library {
        let generation = self.generation;
        Library::detect(generation, |string| match self.list(string) {
            Answer::Refused { .. } => None,
            Answer::Accepted { ids, .. } => Some(
                ids.iter()
                    .map(|id| {
                        by_id(*id).expect("a suite of the table").openssl_name_in(generation).to_owned()
                    })
                    .collect(),
            ),
        })
    }

    fn exchange(&mut self, questions: &[String]) -> Vec<String> {
        let stdin = self.stdin.take().expect("it is there between two exchanges");
        // One thread writes while this one reads: a pipe holds less than a batch.
        thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let mut stdin = BufWriter::new(stdin);
                for question in questions {
                    assert!(!question.contains('\n'), "a question is one line");
                    // An oracle that has ended (no legacy provider) is noticed by the missing answer.
                    let _ = writeln!(stdin, "{question}");
                }
                stdin.into_inner().ok()
            });
            let mut answers = Vec::with_capacity(questions.len());
            for _ in questions {
                let mut line = Vec::new();
                self.stdout.read_until(b'\n', &mut line).expect("the oracle's output");
                answers.push(String::from_utf8(line).expect("ascii").trim_end_matches('\n').to_owned());
            }
            self.stdin = writer.join().expect("the writer does not panic");
            answers
        })
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

fn parse(line: &str) -> Answer {
    let (verdict, rest) = line.split_once(' ').unwrap_or_else(|| panic!("the oracle ended: {line:?}"));
    if verdict == "NO" {
        return Answer::Refused { reason: rest.parse().expect("a reason") };
    }
    let (level, ids) = rest.split_once(' ').expect("level and list");
    let ids = ids.split(',').filter(|id| !id.is_empty());
    Answer::Accepted {
        level: level.parse().expect("a level"),
        ids: ids.map(|id| u16::from_str_radix(id, 16).expect("an id")).collect(),
    }
}
