//! What the integration tests share.

pub mod fixtures;
pub mod pair;
