//! A libssl to ask, and random strings to ask it about.
#![allow(dead_code, clippy::expect_used)] // Each test binary uses its own part, and says by a panic what is wrong.

pub(crate) mod oracle;
pub(crate) mod random;
