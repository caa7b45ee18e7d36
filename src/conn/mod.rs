//! One connection: its state, its transport, and the loop that awaits what libssl cannot.

mod answers;
pub(crate) mod buffer;
pub(crate) mod connection;
pub(crate) mod control;
pub(crate) mod drive;
pub(crate) mod early;
pub(crate) mod failure;
mod hello;
pub(crate) mod holdback;
mod plaintext;
pub(crate) mod question;
mod record_pace;
pub(crate) mod rehandshake;
pub(crate) mod request;
pub(crate) mod state;
pub(crate) mod transport;
pub(crate) mod wakers;
mod write_buffer;
mod writing;
