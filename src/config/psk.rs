//! Where the keys of a PSK connection come from.

use std::future::Future;

use super::resolver::{HookFuture, HookResult};
use crate::values::error::Error;
use crate::values::psk::{PreSharedKey, PskIdentity};

/// Finds the keys of a server's clients by their identity: Node's `pskCallback` of a server, with as much time as it takes.
///
/// Asked with what the client sent: under TLS 1.2 and older while its ClientKeyExchange is held back, under TLS 1.3 with each
/// identity of its first ClientHello that has at most 128 bytes, before anything else is done. Not asked on resumption by
/// ticket under TLS 1.2. Closures `Fn(PskIdentity) -> impl Future` are resolvers.
///
/// `Ok(None)` means that the identity is unknown; see
/// [`unknown_psk_identity`](crate::ConfigBuilder::unknown_psk_identity). An error fails the handshake with
/// `internal_error` and is the source of the error that the acceptor gives. A panic is resumed there.
pub trait PskResolver: Send + Sync {
    /// Finds the key. The future is awaited outside of libssl, within the handshake timeout.
    fn resolve(&self, identity: PskIdentity) -> HookFuture<HookResult<Option<PreSharedKey>>>;
}

impl<F, R> PskResolver for F
where
    F: Fn(PskIdentity) -> R + Send + Sync,
    R: Future<Output = HookResult<Option<PreSharedKey>>> + Send + 'static,
{
    fn resolve(&self, identity: PskIdentity) -> HookFuture<HookResult<Option<PreSharedKey>>> {
        Box::pin(self(identity))
    }
}

/// Chooses a client's identity and key: Node's `pskCallback` of a client.
///
/// Asked without a hint for the ClientHello, where TLS 1.3 is on, and again with the server's hint, if it has one, when TLS
/// 1.2 or older is chosen with a PSK suite. It must answer at once. `None` goes on without a key under TLS 1.3, and fails
/// the handshake under TLS 1.2. Closures `Fn(Option<&[u8]>) -> Result<Option<(PskIdentity, PreSharedKey)>, Error>` are sources.
pub trait PskSource: Send + Sync {
    /// Chooses, by the server's identity hint.
    ///
    /// # Errors
    /// An error fails the handshake with `internal_error` and comes out of the connector.
    fn choose(&self, hint: Option<&[u8]>) -> Result<Option<(PskIdentity, PreSharedKey)>, Error>;
}

impl<F> PskSource for F
where
    F: Fn(Option<&[u8]>) -> Result<Option<(PskIdentity, PreSharedKey)>, Error> + Send + Sync,
{
    fn choose(&self, hint: Option<&[u8]>) -> Result<Option<(PskIdentity, PreSharedKey)>, Error> {
        self(hint)
    }
}
