//! Runs the cases between all peers and prints what came of them, for people or as TSV.

use std::collections::BTreeMap;
use std::process::ExitCode;

use patina_interop::case::Side;
use patina_interop::cell::{Cell, Outcome, Verdict, run_all};
use patina_interop::trouble::{Result, Trouble};
use patina_interop::{peers, summary, table};

const USAGE: &str = "\
Usage: patina-interop --summary
       patina-interop [--tsv] [--all] [--client PEER] [--server PEER] [CASE...]

Runs the cases whose group/name contains one of the words (all without any), with this library on at least one side.
  --summary       how many cells there are with each peer, for the README; nothing is run
  --tsv           cell, expected, seen, verdict, reason: one row a cell
  --all           the other peers among themselves, too
  --client PEER   only this client; --server PEER likewise";

struct Options {
    summary: bool,
    tsv: bool,
    all: bool,
    client: Option<String>,
    server: Option<String>,
    words: Vec<String>,
}

fn options() -> Result<Options> {
    let mut options =
        Options { summary: false, tsv: false, all: false, client: None, server: None, words: vec![] };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| Trouble::new(format!("{argument} needs a peer")));
        match argument.as_str() {
            "--summary" => options.summary = true,
            "--tsv" => options.tsv = true,
            "--all" => options.all = true,
            "--client" => options.client = Some(value()?),
            "--server" => options.server = Some(value()?),
            _ if argument.starts_with('-') => return Err(Trouble::new(USAGE)),
            _ => options.words.push(argument),
        }
    }
    Ok(options)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<bool> {
    let options = options()?;
    let cases = table::cases()?;
    if options.summary {
        print!("{}", summary::markdown(&cases));
        return Ok(true);
    }
    let wanted = |name: &str, filter: &Option<String>| filter.as_ref().is_none_or(|f| f == name);
    let mut cells = Vec::new();
    for case in &cases {
        let name = case.to_string();
        if !options.words.is_empty() && !options.words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        for client in peers::all() {
            for server in peers::all() {
                let ours = [client.name(), server.name()].contains(&"patina");
                let can = client.sides().contains(&Side::Client) && server.sides().contains(&Side::Server);
                let chosen =
                    can && wanted(client.name(), &options.client) && wanted(server.name(), &options.server);
                if chosen && (ours || options.all) {
                    cells.push(Cell { case, client, server });
                }
            }
        }
    }
    if !options.tsv {
        for peer in peers::all() {
            println!("{:8} {}", peer.name(), peer.version().await?);
        }
    }
    let outcomes = run_all(&cells).await;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in &outcomes {
        let (verdict, _) = words(outcome);
        *counts.entry(verdict).or_default() += 1;
        print_outcome(outcome, options.tsv);
    }
    if !options.tsv {
        let summary: Vec<_> = counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        println!("{} cells: {}", outcomes.len(), summary.join(", "));
    }
    Ok(!counts.contains_key("bad"))
}

fn words(outcome: &Outcome) -> (&'static str, &str) {
    match &outcome.verdict {
        Verdict::Good => ("good", ""),
        Verdict::KnownFailure(reason) => ("known failure", reason),
        Verdict::Skipped(reason) => ("skipped", reason),
        Verdict::Bad(complaints) => ("bad", complaints),
    }
}

fn print_outcome(outcome: &Outcome, tsv: bool) {
    let (verdict, reason) = words(outcome);
    if tsv {
        let reason = reason.replace(['\t', '\n'], " ");
        println!("{}\t{}\t{}\t{verdict}\t{reason}", outcome.cell, outcome.expected, outcome.seen);
    } else if reason.contains('\n') {
        println!("{verdict:14} {:60} {}\n{reason}", outcome.cell, outcome.seen);
    } else {
        println!("{verdict:14} {:60} {:30} {reason}", outcome.cell, outcome.seen);
    }
}
