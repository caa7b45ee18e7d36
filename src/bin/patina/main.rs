//! `patina`: the library as a program. It serves, connects, lists cipher suites, and probes servers.

mod args;
mod args_shared;
mod ciphers;
mod connect;
mod facts;
mod failure;
mod http;
mod modes;
mod node_options;
mod ocsp;
mod output;
mod page;
mod probe;
mod psk;
mod pump;
mod rehandshake;
mod serve;
mod sessions;
mod settings;
mod starttls;
mod tickets;
mod version;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command, Instead};
use crate::failure::Failure;

fn main() -> ExitCode {
    let outcome = match args::parse() {
        Ok(cli) => run(&cli),
        Err(Instead::Print(text)) => {
            // `patina --help | head` is no failure.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(())
        }
        Err(Instead::Refuse(text)) => Err(Failure::Usage(text)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(&failure.line());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    trace(cli.verbose)?;
    match &cli.command {
        Command::Serve(args) => {
            let mut builder = Builder::new_multi_thread();
            if let Some(workers) = args.workers {
                builder.worker_threads(workers.into());
            }
            on(&mut builder, serve::run(args))
        }
        Command::Connect(args) => on(&mut Builder::new_current_thread(), connect::run(args)),
        Command::Ciphers(args) => ciphers::run(args),
        Command::Probe(args) => on(&mut Builder::new_current_thread(), probe::run(args)),
        Command::Version(args) => version::run(args),
    }
}

fn on<F: Future<Output = Result<(), Failure>>>(builder: &mut Builder, future: F) -> Result<(), Failure> {
    let runtime: Runtime =
        builder.enable_all().build().map_err(|error| Failure::Other(format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(future);
    // A thread may still wait for stdin; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

fn trace(verbose: u8) -> Result<(), Failure> {
    let default = match verbose {
        0 => "off",
        1 => "patina=info",
        _ => "patina=trace",
    };
    let filter = match std::env::var("PATINA_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter)
            .map_err(|error| Failure::Usage(format!("PATINA_LOG: {filter:?}: {error}")))?,
        Err(_) => EnvFilter::new(default),
    };
    let colour = std::io::stderr().is_terminal() && output::wants_colour();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    Ok(())
}
