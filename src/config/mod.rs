//! From options to an SSL_CTX: data first, applied once, in one order.

pub(crate) mod adopt;
pub(crate) mod alpn_resolver;
pub(crate) mod apply;
pub(crate) mod builder;
pub(crate) mod certificate_resolver;
pub(crate) mod cipher_list;
pub(crate) mod ciphers;
#[cfg(feature = "serde")]
pub mod compat;
mod compression;
pub(crate) mod context;
pub(crate) mod memory_store;
pub(crate) mod names;
pub(crate) mod ocsp_cache;
pub(crate) mod ocsp_source;
pub(crate) mod peer_verifier;
pub(crate) mod psk;
#[cfg(feature = "redis")]
pub(crate) mod redis_store;
pub(crate) mod replay_guard;
pub(crate) mod resolver;
pub(crate) mod session_store;
pub(crate) mod settings;
pub(crate) mod side;
pub(crate) mod suites;
pub(crate) mod ticket_key_resolver;
