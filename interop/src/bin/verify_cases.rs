//! Judges certificate chains: one JSON object a line on standard input, one on standard output.
//!
//!     verify_cases < cases.jsonl > verdicts.jsonl
//!
//! The shapes of a line are those of `patina_interop::verify_case`.

use std::process::ExitCode;

use patina_interop::{lines, verify_case};

fn main() -> ExitCode {
    lines::answer_all("verify_cases", verify_case::answer)
}
