//! This library against other implementations, in both directions, by the table of the cases.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod control;
mod facts;
mod groups;
mod ocsp;
mod probe;
mod starttls;
mod table;
mod tickets;
mod token;
