//! Finding the keys of session tickets that other servers have sealed.

use std::future::Future;

use super::resolver::{HookFuture, HookResult};
use crate::values::ticket_key::TicketKey;

/// Finds the key of a session ticket by its name, where the server's own [`TicketKeys`](crate::TicketKeys) do not have it.
///
/// Asked before the handshake goes on, with the first 16 bytes of the client's ticket. What it finds opens the tickets of
/// that one connection; tickets are sealed by the server's own keys. Closures `Fn([u8; 16]) -> impl Future` are resolvers.
///
/// `Ok(None)` costs a full handshake, and so does an error. A panic fails the handshake and is resumed in the task that
/// accepts.
pub trait TicketKeyResolver: Send + Sync {
    /// Finds the key. The future is awaited outside of libssl, within the handshake timeout.
    fn resolve(&self, name: [u8; 16]) -> HookFuture<HookResult<Option<TicketKey>>>;
}

impl<F, R> TicketKeyResolver for F
where
    F: Fn([u8; 16]) -> R + Send + Sync,
    R: Future<Output = HookResult<Option<TicketKey>>> + Send + 'static,
{
    fn resolve(&self, name: [u8; 16]) -> HookFuture<HookResult<Option<TicketKey>>> {
        Box::pin(self(name))
    }
}
