//! The public interface, over connections in memory and over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod adopt;
mod blocking;
mod certificate_compression;
mod chain_verifier;
mod cipher_list;
mod client_auth;
mod close;
#[cfg(feature = "serde")]
mod compat;
mod config;
mod defaults;
mod early_data;
mod engine;
mod ext;
mod facts;
mod garbage;
mod handshake;
mod hook_behaviour;
mod hooks;
mod key_uri;
mod legacy;
mod library;
mod ocsp;
mod ocsp_cache;
mod ocsp_response;
mod old_protocols;
mod options;
mod panic;
#[cfg(feature = "cli")]
mod program;
#[cfg(feature = "cli")]
mod program_early_data;
#[cfg(feature = "cli")]
mod program_keys;
#[cfg(feature = "cli")]
mod program_ocsp;
#[cfg(feature = "cli")]
mod program_options;
#[cfg(feature = "cli")]
mod program_probe;
#[cfg(feature = "cli")]
mod program_rehandshake;
#[cfg(feature = "cli")]
mod program_sessions;
#[cfg(feature = "cli")]
mod program_starttls;
#[cfg(feature = "cli")]
mod program_tickets;
mod psk;
mod renegotiation;
mod resolver;
mod resumption;
mod revocation;
mod secure_options;
mod send_sync;
mod server;
mod session_stores;
mod sni;
#[cfg(feature = "serde")]
mod ssl_conf;
mod start;
mod tickets;
mod transfer;
mod verify;
