//! TLS over the system's libssl, for Rust and tokio.

mod materials;
mod sys;
mod values;

pub use values::alert::Alert;
pub use values::error::{Error, ErrorKind};
