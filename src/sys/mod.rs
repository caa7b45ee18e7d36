//! The floor that speaks C: every `unsafe` block of the library is in this folder.
//!
//! The modules above see safe functions on the types of the `openssl` crate. What that crate does not declare is
//! in [`decl`]; what differs between versions of libssl is in [`compat`].
#![allow(unsafe_code)]

pub(crate) mod adopt;
pub(crate) mod bio;
pub(crate) mod chain;
pub(crate) mod compat;
pub(crate) mod compression;
pub(crate) mod context;
pub(crate) mod decl;
pub(crate) mod dh;
mod dh_provider;
pub(crate) mod early_data;
pub(crate) mod engine;
pub(crate) mod extra;
pub(crate) mod guard;
pub(crate) mod hook;
pub(crate) mod library;
pub(crate) mod npn;
pub(crate) mod ocsp;
pub(crate) mod ossl_store;
pub(crate) mod own_certificate;
mod passphrase;
pub(crate) mod pem;
pub(crate) mod psk;
pub(crate) mod queue;
pub(crate) mod renegotiation;
pub(crate) mod session;
pub(crate) mod ssl;
pub(crate) mod ssl_io;
pub(crate) mod store;
pub(crate) mod ticket;
pub(crate) mod x509;
