//! The program under test of BoringSSL's runner: a TLS client or server as its flags say.
//!
//!     runner.test -shim-path .../bogo_shim -allow-unimplemented
//!
//! Exits with 0 when all went as the flags say, with 1 when it did not (the reason is the first line of the errors), and
//! with 89 when a flag asks for what the library, or this libssl, does not have.

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use patina_interop::bogo::{self, Refusal};

/// The runner's code for what is not implemented.
const UNIMPLEMENTED: u8 = 89;

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    match bogo::run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal::Failed(reason)) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
        Err(Refusal::Unimplemented(reason)) => {
            eprintln!("not implemented: {reason}");
            ExitCode::from(UNIMPLEMENTED)
        }
    }
}
