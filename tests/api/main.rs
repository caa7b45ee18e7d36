//! The public interface, over connections in memory and over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod adopt;
mod client_auth;
mod close;
#[cfg(feature = "serde")]
mod compat;
mod config;
mod ext;
mod facts;
mod handshake;
mod key_uri;
mod legacy;
mod psk;
mod options;
mod panic;
#[cfg(feature = "cli")]
mod program;
mod resolver;
mod resumption;
mod sni;
mod transfer;
mod verify;
