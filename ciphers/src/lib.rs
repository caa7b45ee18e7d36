//! The OpenSSL cipher-string language.
#![forbid(unsafe_code)]

mod generation;
mod lookup;
mod split;
mod suite;
mod table;

pub use generation::Generation;
pub use lookup::{by_id, by_name, suites};
pub use split::{Split, split};
pub use suite::{
    Authentication, BuildOption, Dtls, Encryption, HandshakeHash, KeyExchange, Mac, Protocol, StrengthClass,
    Suite,
};
