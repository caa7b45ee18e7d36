//! The programs that lead public test suites to this library, as a suite runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bogo_shim;
mod program;
mod ssl_cases;
mod verify_cases;
