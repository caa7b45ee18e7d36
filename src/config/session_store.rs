//! Where a server keeps its sessions beyond one process.

use std::time::Duration;

use super::resolver::{HookFuture, HookResult};
use crate::values::secret::Secret;

/// Keeps the sessions of a server by their ids: Node's `newSession` and `resumeSession`.
///
/// With a store, tickets are off: TLS 1.2 clients get a session id, TLS 1.3 clients a ticket that is no more than an id.
/// Servers that share a store resume each other's clients. A store that fails, or that takes longer than
/// [`session_store_timeout`](crate::ConfigBuilder::session_store_timeout), costs a full handshake, never the connection.
///
/// [`MemorySessionStore`](crate::MemorySessionStore) is one for a single process, and `RedisSessionStore`, with the feature
/// `redis`, one for several.
///
/// # Security
/// Whoever can read the store can decrypt recorded connections that resume without a new key exchange; whoever can
/// write to it can impersonate clients that have shown a certificate.
pub trait SessionStore: Send + Sync {
    /// Finds a session: the bytes that [`put`](SessionStore::put) was given for this id.
    ///
    /// Asked before the handshake goes on, also with ids that no server has given out: TLS 1.3 clients make one up.
    fn get(&self, id: Vec<u8>) -> HookFuture<HookResult<Option<Secret>>>;

    /// Keeps a session, in its DER encoding, for `lifetime`.
    ///
    /// The client is told of the session when this is done.
    fn put(&self, id: Vec<u8>, session: Secret, lifetime: Duration) -> HookFuture<HookResult<()>>;

    /// Drops a session that must not be resumed any more.
    fn remove(&self, id: Vec<u8>) -> HookFuture<HookResult<()>>;
}
