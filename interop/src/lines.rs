//! Programs that answer each line of their input with one of output.

use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

use crate::trouble::{Result, Trouble};

/// Answers the lines of standard input on standard output, in their order; empty ones are passed over. A line that
/// cannot be answered ends the program `name` with an error: a made-up answer would be worse.
pub fn answer_all(name: &str, answer: impl Fn(&str) -> Result<String>) -> ExitCode {
    match copy(io::stdin().lock(), io::stdout().lock(), answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{name}: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn copy(input: impl BufRead, output: impl Write, answer: impl Fn(&str) -> Result<String>) -> Result<()> {
    let mut output = BufWriter::new(output);
    for (number, line) in (1..).zip(input.lines()) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answered = answer(&line).map_err(|trouble| Trouble::new(format!("line {number}: {trouble}")));
        match answered {
            Ok(text) => writeln!(output, "{text}")?,
            Err(trouble) => {
                // What was answered before is good.
                output.flush()?;
                return Err(trouble);
            }
        }
    }
    Ok(output.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_answered_up_to_the_first_that_cannot_be() {
        let mut output = Vec::new();
        let answer = |line: &str| match line {
            "bad" => Err(Trouble::new("cannot be read")),
            good => Ok(good.to_uppercase()),
        };
        let trouble = copy(&b"a\n\n  \nb\nbad\nc\n"[..], &mut output, answer).unwrap_err();
        assert_eq!((output, trouble.to_string()), (b"A\nB\n".to_vec(), "line 5: cannot be read".to_owned()));
    }
}
