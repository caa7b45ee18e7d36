//! Choosing the application protocol of a connection, with as much time as it takes.

use std::future::Future;

use super::resolver::{HookFuture, HookResult};

/// What a client offers: the argument of Node's `ALPNCallback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlpnOffer {
    server_name: Option<String>,
    protocols: Vec<Vec<u8>>,
}

impl AlpnOffer {
    pub(crate) fn new(server_name: Option<String>, protocols: Vec<Vec<u8>>) -> AlpnOffer {
        AlpnOffer { server_name, protocols }
    }

    /// The name in the ClientHello (SNI).
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocols, in the client's order.
    pub fn protocols(&self) -> impl Iterator<Item = &[u8]> {
        self.protocols.iter().map(Vec::as_slice)
    }

    /// Whether the client offers this protocol.
    pub fn offers(&self, protocol: impl AsRef<[u8]>) -> bool {
        self.protocols.iter().any(|offered| offered == protocol.as_ref())
    }
}

/// Chooses among the protocols that a client offers: Node's `ALPNCallback`.
///
/// Asked once a connection, after the configuration has been chosen, if the client offers protocols at all; on
/// resumption, too. Closures `Fn(AlpnOffer) -> impl Future` are resolvers.
///
/// The answer must be one of those that were offered: anything else fails the handshake with the code
/// `ERR_TLS_ALPN_CALLBACK_INVALID_RESULT`. `Ok(None)` is no protocol in common: see
/// [`alpn_mismatch`](crate::ConfigBuilder::alpn_mismatch). An error fails the handshake with `internal_error` and is the
/// source of the error that the acceptor gives. A panic is resumed there.
pub trait AlpnResolver: Send + Sync {
    /// Chooses. The future is awaited outside of libssl, within the handshake timeout.
    fn resolve(&self, offer: AlpnOffer) -> HookFuture<HookResult<Option<Vec<u8>>>>;
}

impl<F, R> AlpnResolver for F
where
    F: Fn(AlpnOffer) -> R + Send + Sync,
    R: Future<Output = HookResult<Option<Vec<u8>>>> + Send + 'static,
{
    fn resolve(&self, offer: AlpnOffer) -> HookFuture<HookResult<Option<Vec<u8>>>> {
        Box::pin(self(offer))
    }
}
