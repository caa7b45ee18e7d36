//! The OpenSSL cipher-string language.
#![forbid(unsafe_code)]

mod detect;
mod diagnostic;
mod evaluate;
mod filter;
mod generation;
mod library;
mod lookup;
mod nearest;
mod order;
mod parse;
mod scan;
mod split;
mod suite;
mod table;
mod tls13;
mod vocabulary;

pub use diagnostic::{ErrorKind, ParseError, Warning, WarningKind};
pub use evaluate::Selection;
pub use filter::Filter;
pub use generation::Generation;
pub use library::Library;
pub use lookup::{by_id, by_name, suites};
pub use parse::{CipherString, Item, ItemKind, Meaning, Operator, SuiteB, Word};
pub use split::{Split, split};
pub use suite::{
    Authentication, BuildOption, Dtls, Encryption, HandshakeHash, KeyExchange, Mac, Protocol, StrengthClass,
    Suite,
};
pub use tls13::DEFAULT_CIPHERSUITES;
