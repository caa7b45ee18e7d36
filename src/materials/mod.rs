//! What a configuration is made of and what a connection tells.

pub(crate) mod certificate;
#[cfg(feature = "serde")]
mod certificate_object;
mod chain;
pub(crate) mod chain_verifier;
pub(crate) mod dh;
mod dh_group;
pub(crate) mod distinguished_name;
pub(crate) mod fingerprint;
pub(crate) mod general_name;
pub(crate) mod identity;
pub(crate) mod key_uri;
pub(crate) mod keylog;
mod legacy;
pub(crate) mod library;
pub(crate) mod negotiated;
pub(crate) mod ocsp;
pub(crate) mod ocsp_verifier;
#[cfg(feature = "serde")]
pub(crate) mod pairing;
mod pem;
mod pkcs12;
mod private_key;
pub(crate) mod provider;
pub(crate) mod public_key;
mod self_signed;
pub(crate) mod server_identity;
pub(crate) mod session;
pub(crate) mod session_cache;
mod store_table;
mod system_roots;
pub(crate) mod ticket;
pub(crate) mod trust;
pub(crate) mod verify;
