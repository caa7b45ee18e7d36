//! Choosing a server's configuration by the ClientHello, with as much time as it takes.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;

use super::context::Config;
use super::side::Server;
use crate::values::alert::Alert;
use crate::values::hello::ClientHello;

/// What a [`ConfigResolver`] decides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Selection {
    /// This configuration answers the connection.
    Use(Config<Server>),
    /// The configuration of the acceptor does, with its static names.
    Default,
}

/// The answer of a hook that may fail with any error of the application.
pub type HookResult<T> = Result<T, Box<dyn StdError + Send + Sync>>;

/// The future of a hook.
pub type HookFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Chooses the configuration that answers a connection, by its ClientHello.
///
/// Runs once a connection, before certificates, ciphers, protocols, tickets and pre-shared keys are looked at; on
/// resumption, too; not on renegotiation. Closures `Fn(ClientHello) -> impl Future` are resolvers.
///
/// An `Err` ends the handshake with that alert: [`Alert::UNRECOGNIZED_NAME`] is the usual one. A panic in the future
/// fails the handshake and is resumed in the task that accepts.
pub trait ConfigResolver: Send + Sync {
    /// Decides. The future is awaited outside of libssl, within the handshake timeout.
    fn resolve(&self, hello: ClientHello) -> HookFuture<Result<Selection, Alert>>;
}

impl<F, R> ConfigResolver for F
where
    F: Fn(ClientHello) -> R + Send + Sync,
    R: Future<Output = Result<Selection, Alert>> + Send + 'static,
{
    fn resolve(&self, hello: ClientHello) -> HookFuture<Result<Selection, Alert>> {
        Box::pin(self(hello))
    }
}
