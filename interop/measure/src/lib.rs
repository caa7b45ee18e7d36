//! What the benchmark asks of an implementation of TLS.
//!
//! There is no implementation in this library, and no libssl: a [`Peer`](peer::Peer) is one. The programs beside it are peers
//! that are measured in processes of their own, because what they are linked with has the names of libssl's functions.
//! They speak as [`child`] says.

pub mod case;
pub mod child;
pub mod count;
pub mod measure;
pub mod memory;
pub mod peer;
pub mod row;
pub mod runtime;
pub mod socket;
pub mod trouble;
pub mod wire;
