//! Real TLS implementations against each other, by one table of cases.
//!
//! A [`Case`](case::Case) is a row of `cases.tsv`: what the two sides are set to, what they do with the connection and
//! what must come of it. A [`Peer`](peer::Peer) is an implementation, one file each under `peers`; this library is one
//! of them. A [`Cell`](cell::Cell) is one case with one peer as client and one as server.
//!
//! Three programs lead public test suites to this library: `bogo_shim` ([`bogo`]),
//! `ssl_cases` ([`ssl_case`]) and `verify_cases` ([`verify_case`]).
//!
//! To add an implementation: write `src/peers/NAME.rs` with its `Peer`, add it to [`peers::all`], and give a reason in
//! the column `except` of the rows that it cannot do.

pub mod abi;
pub mod bogo;
pub mod case;
pub mod cell;
pub mod expectation;
pub mod fixture;
pub mod lines;
pub mod peer;
pub mod peers;
pub mod process;
pub mod seen;
pub mod ssl_case;
pub mod staple;
pub mod summary;
pub mod table;
pub mod time;
pub mod trouble;
pub mod verify_case;
