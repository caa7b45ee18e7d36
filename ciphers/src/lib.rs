//! The OpenSSL cipher-string language.
#![forbid(unsafe_code)]

mod detect;
mod diagnostic;
mod diff;
mod evaluate;
mod explain;
mod filter;
mod generation;
mod library;
mod lint;
mod lookup;
mod names;
mod nearest;
mod order;
mod parse;
mod profile;
mod scan;
mod split;
mod suite;
mod table;
mod tls13;
mod vocabulary;

pub use diagnostic::{ErrorKind, ParseError, Warning, WarningKind};
pub use diff::{Diff, Move};
pub use evaluate::Selection;
pub use explain::{Explanation, Outcome, Token, Verdict};
pub use filter::Filter;
pub use generation::Generation;
pub use library::Library;
pub use lint::{Lint, LintKind};
pub use lookup::{by_id, by_name, suites};
pub use names::{NameStyle, by_any_name, node_ciphers, to_names};
pub use parse::{CipherString, Item, ItemKind, Meaning, Operator, SuiteB, Word};
pub use profile::Profile;
pub use split::{Split, split};
pub use suite::{
    Authentication, BuildOption, Dtls, Encryption, HandshakeHash, KeyExchange, Mac, Protocol, StrengthClass,
    Suite,
};
pub use tls13::DEFAULT_CIPHERSUITES;
