//! What a configuration is made of and what a connection tells.

pub(crate) mod certificate;
#[cfg(feature = "serde")]
mod certificate_object;
pub(crate) mod distinguished_name;
pub(crate) mod general_name;
pub(crate) mod public_key;
pub(crate) mod server_identity;
