//! The implementations, one file each.

pub mod curl;
pub mod gnutls;
mod gnutls_words;
pub mod go;
pub mod java;
pub mod node;
pub mod nss;
mod nss_output;
mod nss_words;
pub mod openssl;
mod openssl_output;
mod openssl_words;
pub mod patina;
pub mod python;
pub mod rustls;
mod rustls_config;
mod script;
pub(crate) mod suites;

use crate::peer::Peer;
use crate::trouble::{Result, Trouble};

/// Every implementation.
pub fn all() -> [&'static dyn Peer; 10] {
    [
        &patina::Patina,
        &openssl::Openssl,
        &node::Node,
        &gnutls::Gnutls,
        &python::Python,
        &go::Go,
        &java::Java,
        &curl::Curl,
        &nss::Nss,
        &rustls::Rustls,
    ]
}

/// The implementation of this name.
///
/// # Errors
/// When there is none.
pub fn named(name: &str) -> Result<&'static dyn Peer> {
    let found = all().into_iter().find(|peer| peer.name() == name);
    found.ok_or_else(|| Trouble::new(format!("there is no peer {name:?}")))
}
