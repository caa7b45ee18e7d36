//! The programs that lead public test suites to this library, as a suite runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod ssl_cases;
mod verify_cases;
