//! What patina-tls costs, beside raw libssl and other implementations.
//!
//! ```text
//! bench gates [--renew]    what needs no quiet machine, judged: see `ci/gates`
//! bench run ...            CPU time side by side, with the goals: see `ci/bench`, and `bench run --help`
//! bench work WORK ...      one piece of work, for the two above
//! ```

use std::process::ExitCode;

use patina_measure::count::Counting;
use patina_measure::trouble::{Result, Trouble};

mod gates;
mod goal;
mod peer;
mod plot;
mod rounds;
mod rustls;
mod work;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done: Result<bool> = match words.split_first() {
        Some((first, rest)) if first == "work" => work::run(rest).map(|()| true),
        Some((first, rest)) if first == "gates" => gates::run(rest),
        Some((first, rest)) if first == "run" => rounds::run(rest),
        _ => Err(Trouble::new("usage: bench gates [--renew] | bench run [--help] ... | bench work WORK ...")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("bench: {trouble}");
            ExitCode::FAILURE
        }
    }
}
