//! What an implementation has to do to be measured.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::case::Case;
use crate::trouble::Result;

/// An implementation.
pub trait Peer: 'static {
    /// What it is called in the table.
    const NAME: &'static str;
    /// Whose version is told.
    const PACKAGE: &'static str;
    /// What all of a client's connections have in common.
    type Client: Send + Sync;
    /// What all of a server's connections have in common.
    type Server: Send + Sync;

    /// Whether it can be set to the case.
    fn can(case: &Case) -> bool {
        let _ = case;
        true
    }

    /// A client.
    ///
    /// # Errors
    /// When the implementation refuses something.
    fn client(case: &Case) -> Result<Self::Client>;

    /// A server.
    ///
    /// # Errors
    /// When the implementation refuses something.
    fn server(case: &Case) -> Result<Self::Server>;

    /// Makes a client context and drops it; false where these roots cannot be had.
    ///
    /// # Errors
    /// When the implementation refuses something.
    fn make_context(roots: Roots) -> Result<bool>;
}

/// Whom a context trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// Nobody.
    Nobody,
    /// Whom the system trusts.
    System,
    /// Mozilla's roots, as the implementation carries them.
    Mozilla,
}

/// An implementation over a transport.
pub trait Over<S>: Peer {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// The client's handshake.
    fn connect(client: &Self::Client, io: S) -> impl Future<Output = io::Result<Self::Stream>>;

    /// The server's handshake.
    fn accept(server: &Self::Server, io: S) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Keeps the session of a stream for the next connections.
    fn remember(client: &mut Self::Client, stream: &Self::Stream);

    /// Whether the handshake has resumed a session.
    fn is_resumed(stream: &Self::Stream) -> bool;

    /// Has small writes kept back, where the library can do that.
    fn buffer_writes(_: &mut Self::Stream, _: usize) {}

    /// Has a stream over memory do without what is only worth it over a socket, where the library can do that.
    fn over_memory(_: &mut Self::Stream) {}

    /// Lets a side go so that its session stays good.
    fn part(stream: Self::Stream) -> impl Future<Output = ()> {
        drop(stream);
        std::future::ready(())
    }
}
