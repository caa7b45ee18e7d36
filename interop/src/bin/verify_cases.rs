//! Judges certificate chains: one JSON object a line on standard input, one on standard output.
//!
//!     verify_cases < cases.jsonl > verdicts.jsonl
//!
//! The shapes of a line are those of `patina_interop::verify_case`. A line that cannot be read ends the program with an
//! error: its verdict would be a guess.

use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

use patina_interop::trouble::{Result, Trouble};
use patina_interop::verify_case;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("verify_cases: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for (number, line) in (1..).zip(io::stdin().lock().lines()) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = verify_case::answer(&line)
            .map_err(|trouble| Trouble::new(format!("line {number}: {trouble}")))?;
        writeln!(out, "{answer}")?;
    }
    Ok(out.flush()?)
}
