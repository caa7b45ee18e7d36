//! Plain values: no libssl type, no I/O.

pub(crate) mod alert;
pub(crate) mod error;
