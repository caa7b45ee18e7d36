//! The public interface, over connections in memory and over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod close;
mod handshake;
