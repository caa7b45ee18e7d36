//! The implementations, one file each.

pub mod node;
pub mod openssl;
mod openssl_output;
pub mod patina;

use crate::peer::Peer;
use crate::trouble::{Result, Trouble};

/// Every implementation.
pub fn all() -> [&'static dyn Peer; 3] {
    [&patina::Patina, &openssl::Openssl, &node::Node]
}

/// The implementation of this name.
///
/// # Errors
/// When there is none.
pub fn named(name: &str) -> Result<&'static dyn Peer> {
    let found = all().into_iter().find(|peer| peer.name() == name);
    found.ok_or_else(|| Trouble::new(format!("there is no peer {name:?}")))
}
