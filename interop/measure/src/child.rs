//! Implementations in processes of their own, and what is said to them.
//!
//! A program says in its first line what it is called, a tab, and a version. Then each line on its input is a row, a tab, and
//! how often the work is to be repeated; each line on its output is the units of work, a tab, and seconds: those of CPU
//! time of its own process. A `-` says that it has no such thing. What goes wrong is a line that begins with `!`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::measure::{Figure, Measured, measure};
use crate::peer::Peer;
use crate::row::{Row, rows};
use crate::runtime;
use crate::trouble::{Result, Trouble};

/// Answers on the standard output what is asked on the standard input, until that ends.
///
/// # Errors
/// When one of the two fails.
pub fn serve<P: Measured>() -> Result<()> {
    let runtime = runtime::new()?;
    let rows = rows();
    let answer = |line: &str| -> Result<String> {
        let bad = || Trouble::new(format!("there is no row {line:?}"));
        let (name, repeat) = line.split_once('\t').ok_or_else(bad)?;
        let row = rows.iter().find(|row| row.name == name).ok_or_else(bad)?;
        Ok(match measure::<P>(&runtime, &row.what, repeat.parse()?)? {
            Some((units, time)) => format!("{units}\t{}", time.as_secs_f64()),
            None => "-".to_owned(),
        })
    };
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}\t{}", P::NAME, version::<P>())?;
    for line in std::io::stdin().lock().lines() {
        match answer(&line?) {
            Ok(answer) => writeln!(output, "{answer}")?,
            Err(trouble) => writeln!(output, "!{}", trouble.to_string().replace('\n', " "))?,
        }
        output.flush()?;
    }
    Ok(())
}

/// The version of an implementation, as this workspace has it.
pub fn version<P: Peer>() -> &'static str {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));
    let mut lines =
        lock.lines().skip_while(|line| line.strip_prefix("name = ") != Some(&format!("{:?}", P::PACKAGE)));
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.unwrap_or_default()
}

/// A program that answers. It ends with this value.
#[derive(Debug)]
pub struct Program {
    name: String,
    version: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts the program, with its words.
    ///
    /// # Errors
    /// When there is no such program, or it does not say what it is.
    pub fn start(words: &[&str]) -> Result<Program> {
        let called = words.join(" ");
        let (program, words) = words.split_first().ok_or_else(|| Trouble::new("a program has no name"))?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Trouble::from(error).context(&called))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| Trouble::new(format!("{called}: it has no pipes")))?;
        let mut program =
            Program { name: called, version: String::new(), child, input, output: BufReader::new(output) };
        let line = program.line()?;
        let (name, version) = line
            .split_once('\t')
            .ok_or_else(|| Trouble::new(format!("{} does not say what it is", program.name)))?;
        (program.name, program.version) = (name.to_owned(), version.to_owned());
        Ok(program)
    }

    /// What it is called in the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of which version it is.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Has it do the work of a row.
    ///
    /// # Errors
    /// When it cannot, or has gone.
    pub fn measure(&mut self, row: &Row, repeat: usize) -> Result<Option<Figure>> {
        writeln!(self.input, "{}\t{repeat}", row.name)?;
        self.input.flush()?;
        let line = self.line()?;
        if line == "-" {
            return Ok(None);
        }
        let figure = line.split_once('\t').and_then(|(units, seconds)| {
            let time = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
            Some((units.parse().ok()?, time))
        });
        figure.map(Some).ok_or_else(|| Trouble::new(line.trim_start_matches('!')))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(Trouble::new(format!("{} has ended", self.name)));
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that says `first`, and then the answers one by one.
    fn program(first: &str, answers: &str) -> Result<Program> {
        let script = format!("echo '{first}'; for answer in {answers}; do read -r _; echo \"$answer\"; done");
        Program::start(&["bash", "-c", &script])
    }

    #[test]
    fn a_program_tells_its_name_and_answers_rows() {
        let mut program = program("name\t1.2", "$'8\\t0.5' - '!it is broken' 8").unwrap();
        assert_eq!((program.name(), program.version()), ("name", "1.2"));
        let row = &rows()[0];
        assert_eq!(program.measure(row, 8).unwrap(), Some((8.0, Duration::from_millis(500))));
        assert_eq!(program.measure(row, 8).unwrap(), None);
        assert_eq!(program.measure(row, 8).unwrap_err().to_string(), "it is broken");
        assert_eq!(program.measure(row, 8).unwrap_err().to_string(), "8");
        let error = program.measure(row, 8).unwrap_err().to_string();
        // The pipe breaks where the program is gone already.
        assert!(error == "name has ended" || error.contains("pipe"), "{error}");
    }

    #[test]
    fn a_program_that_says_nothing_is_an_error() {
        assert!(Program::start(&["true"]).unwrap_err().to_string().contains("has ended"));
        assert!(program("no version", "").unwrap_err().to_string().contains("does not say what it is"));
        assert!(Program::start(&["/nonexistent/peer"]).is_err());
    }

    #[test]
    fn rows_have_names_of_their_own() {
        let mut names: Vec<String> = rows().into_iter().map(|row| row.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
