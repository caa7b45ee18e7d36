//! What the integration tests share.

pub(crate) mod fixtures;
pub(crate) mod pair;
pub(crate) mod script;
pub(crate) mod waker;
pub(crate) mod wire;
