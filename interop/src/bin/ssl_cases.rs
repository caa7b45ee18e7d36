//! Shakes hands in memory: one JSON object a line on standard input, one on standard output.
//!
//!     ssl_cases < cases.jsonl > observations.jsonl
//!
//! The shape of a line is that of `patina_interop::ssl_case`. A line that cannot be read ends the program with an error.

use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

use patina_interop::ssl_case;
use patina_interop::trouble::{Result, Trouble};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("ssl_cases: {trouble}");
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
        let answer =
            ssl_case::answer(&line).map_err(|trouble| Trouble::new(format!("line {number}: {trouble}")))?;
        writeln!(out, "{answer}")?;
    }
    Ok(out.flush()?)
}
