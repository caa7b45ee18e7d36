//! Shakes hands in memory: one JSON object a line on standard input, one on standard output.
//!
//!     ssl_cases < cases.jsonl > observations.jsonl
//!
//! The shape of a line is that of `patina_interop::ssl_case`.

use std::process::ExitCode;

use patina_interop::{lines, ssl_case};

fn main() -> ExitCode {
    lines::answer_all("ssl_cases", ssl_case::answer)
}
