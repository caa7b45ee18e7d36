//! What applications hold: streams, connectors, acceptors, servers, and the engine without a socket.

pub(crate) mod acceptor;
mod adopt;
pub(crate) mod blocking;
pub(crate) mod connector;
pub(crate) mod control;
pub(crate) mod early;
pub(crate) mod engine;
mod limit;
mod openssl_stream;
pub(crate) mod server;
pub(crate) mod start;
pub(crate) mod stream;
