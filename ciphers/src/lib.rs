//! The OpenSSL cipher-string language, exactly: what `ECDHE+AESGCM:!aNULL:@STRENGTH` selects, in which order and why.
//!
//! A cipher string looks simple and is not. Words that libssl does not know are ignored together with what follows them;
//! `DEFAULT` counts only at the very beginning; a name can mean another set of suites in the next version. This crate
//! reads strings as libssl's own code does (`ssl/ssl_ciph.c` of 1.1.1, 3.0, 3.6 and 4.0), without libssl: it is pure Rust
//! without dependencies, for linters, scanners and converters as well as for programs that link to libssl anyway. Millions
//! of random strings are compared with those four versions, lists and refusals both.
//!
//! # Which libssl
//! The same string means different things to different builds, so there is always a [`Library`]: a [`Generation`] and
//! what a build of it has.
//!
//! ```
//! use patina_ciphers::{Generation, Library};
//!
//! let library = Library::upstream(Generation::V3_0);      // as its makers build it; Debian's is the same
//! let selection = library.evaluate("ECDHE+AESGCM:!ECDSA")?;
//! assert_eq!(selection.to_string(), "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256");
//!
//! // Case does not matter to 4.0, and it does to all before.
//! assert!(library.evaluate("ecdhe+aesgcm").is_err());
//! assert!(Library::upstream(Generation::V4_0).evaluate("ecdhe+aesgcm").is_ok());
//! # Ok::<(), patina_ciphers::ParseError>(())
//! ```
//!
//! [`Library::detect`] finds out about the running one.
//!
//! # Errors and warnings point at the word
//! ```
//! use patina_ciphers::CipherString;
//!
//! let string = CipherString::parse("HIGH:!aNULL:!MD55")?;
//! assert_eq!(
//!     string.warnings()[0].render(string.source()),
//!     "unknown word \"MD55\" is ignored\n  HIGH:!aNULL:!MD55\n               ^^^^ did you mean MD5?",
//! );
//! # Ok::<(), patina_ciphers::ParseError>(())
//! ```
//!
//! # Why is it in, why is it out
//! ```
//! use patina_ciphers::{Generation, Library, by_name};
//!
//! let explanation = Library::upstream(Generation::V3_5).explain("DEFAULT:-AES256:!kRSA")?;
//! let said = |name| by_name(name).and_then(|suite| explanation.verdict(suite)).map(ToString::to_string);
//! assert_eq!(said("AES128-SHA").as_deref(), Some("AES128-SHA is out: removed for good by !kRSA"));
//! assert_eq!(
//!     said("ADH-AES128-SHA").as_deref(),
//!     Some("ADH-AES128-SHA is out: removed for good by DEFAULT (its !COMPLEMENTOFDEFAULT)"),
//! );
//! # Ok::<(), patina_ciphers::ParseError>(())
//! ```
//!
//! # And beside it
//! * [`suites`], [`by_id`], [`by_name`]: the table of suites; [`NameStyle`] and [`by_any_name`] for the names of IANA, rustls
//!   and Go.
//! * [`split()`]: Node's way to put TLS 1.3 names and others into one string; [`node_ciphers`]: its `tls.getCiphers()`.
//! * [`Library::ciphersuites`] and [`Library::evaluate_both`]: the list of TLS 1.3 suites, and the whole list of a context.
//! * [`Filter`]: what security level, protocol versions and keys leave of it (`openssl ciphers -s`).
//! * [`Library::lint`], [`Diff`], [`Profile`]: what a string should not select, what another one changes, and what
//!   Mozilla, Node and libssl recommend.
//!
//! GOST suites are in the table, but no [`Library`] has them: they need an engine or a provider from elsewhere, which no
//! comparison with libssl has covered.
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
mod warn;

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
