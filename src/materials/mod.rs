//! What a configuration is made of and what a connection tells.

pub(crate) mod certificate;
#[cfg(feature = "serde")]
mod certificate_object;
pub(crate) mod distinguished_name;
pub(crate) mod general_name;
pub(crate) mod public_key;
pub(crate) mod server_identity;
pub(crate) mod dh;
pub(crate) mod identity;
mod pem;
pub(crate) mod session;
pub(crate) mod trust;
mod system_roots;
pub(crate) mod keylog;
pub(crate) mod negotiated;
pub(crate) mod verify;
mod private_key;
mod self_signed;
mod pkcs12;
mod legacy;
mod chain;
mod store_table;
