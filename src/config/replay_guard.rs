//! Keeping replays of early data away from several servers.

use std::future::Future;

use super::resolver::{HookFuture, HookResult};

/// Remembers which early data was seen, for all servers that can open each other's tickets: in the place of libssl's own
/// memory, which is that of one process.
///
/// Asked for each ClientHello that announces early data, before anything else is done with it, with what no other ClientHello
/// has: the binder of its ticket (RFC 8446 section 8.2), 32 or 48 bytes. `Ok(true)` says that nobody has asked for these
/// bytes before; of several servers that ask at the same time one alone may hear that. `Ok(false)` and an error pass over
/// the early data, and the handshake goes on. A panic fails it and is resumed in the task that accepts. Closures
/// `Fn(Vec<u8>) -> impl Future` are guards.
///
/// libssl takes early data within 10 s of the time that the client's ticket tells. So the bytes have to be kept for that
/// time and as much as the clocks of the servers differ: a minute is enough.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::{Error, Identity, ServerConfig, TicketKey};
/// # async fn set_if_absent(_: Vec<u8>, _: std::time::Duration) -> std::io::Result<bool> { Ok(true) }
///
/// fn server(identity: Identity, key: TicketKey) -> Result<ServerConfig, Error> {
///     ServerConfig::builder()
///         .identity(identity)
///         .ticket_keys(key)
///         .early_data(16384)
///         // Such as SET ... NX EX 60 of Redis.
///         .replay_guard(|binder| async {
///             Ok(set_if_absent(binder, std::time::Duration::from_secs(60)).await?)
///         })
///         .build()
/// }
/// ```
///
/// # Security
/// The answer is all that stands between early data and its replay: a guard that forgets, or that two servers ask without one
/// knowing of the other, lets it be acted on twice. The binder was not verified when the guard is asked, so that strangers can
/// fill its memory, at the price of a connection each; what they cannot do is to use up a binder that they have not seen.
pub trait ReplayGuard: Send + Sync {
    /// Whether nobody has asked for `binder` before. The future is awaited outside of libssl, within the handshake timeout.
    fn admit(&self, binder: Vec<u8>) -> HookFuture<HookResult<bool>>;
}

impl<F, R> ReplayGuard for F
where
    F: Fn(Vec<u8>) -> R + Send + Sync,
    R: Future<Output = HookResult<bool>> + Send + 'static,
{
    fn admit(&self, binder: Vec<u8>) -> HookFuture<HookResult<bool>> {
        Box::pin(self(binder))
    }
}
