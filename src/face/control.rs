//! A handle on a stream that other tasks read and write.

use std::fmt;
use std::sync::Arc;

use crate::conn::control::gone;
use crate::conn::request::{KeyUpdate, RenegotiateOptions, Request};
use crate::conn::state::State;
use crate::materials::verify::ClientAuth;
use crate::values::error::Error;

/// Asks for handshakes on a [`TlsStream`](crate::TlsStream) that was split, or that another task holds.
///
/// What it asks for happens in the reads and writes of the stream: as long as nobody reads or writes, the futures wait.
/// They end with [`ErrorKind::Closed`](crate::ErrorKind::Closed) when the stream is dropped. Cheap to clone.
///
/// # Examples
///
/// ```no_run
/// # async fn example(tls: patina_tls::TlsStream<tokio::net::TcpStream>) -> Result<(), patina_tls::Error> {
/// use patina_tls::RenegotiateOptions;
///
/// let control = tls.control();
/// let (mut reader, mut writer) = tokio::io::split(tls);
/// tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
/// control.renegotiate(RenegotiateOptions::new()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TlsControl {
    state: Arc<State>,
}

impl TlsControl {
    pub(super) fn new(state: Arc<State>) -> TlsControl {
        state.control().open();
        TlsControl { state }
    }

    /// As [`TlsStream::renegotiate`](crate::TlsStream::renegotiate).
    ///
    /// # Errors
    /// As there. An error that ends the connection comes out of its reads and writes, too.
    pub async fn renegotiate(&self, options: RenegotiateOptions) -> Result<(), Error> {
        self.ask(Request::Renegotiate(options)).await
    }

    /// As [`TlsStream::authenticate_client`](crate::TlsStream::authenticate_client).
    ///
    /// # Errors
    /// As there. An error that ends the connection comes out of its reads and writes, too.
    pub async fn authenticate_client(&self, auth: ClientAuth) -> Result<(), Error> {
        self.ask(Request::Authenticate(auth)).await
    }

    /// As [`TlsStream::update_keys`](crate::TlsStream::update_keys).
    ///
    /// # Errors
    /// As there.
    pub async fn update_keys(&self, update: KeyUpdate) -> Result<(), Error> {
        self.ask(Request::UpdateKeys(update)).await
    }

    /// As [`TlsStream::disable_renegotiation`](crate::TlsStream::disable_renegotiation).
    #[doc(alias = "disableRenegotiation")]
    pub fn disable_renegotiation(&self) {
        self.state.disable_renegotiation();
    }

    async fn ask(&self, request: Request) -> Result<(), Error> {
        self.state.control().ask(request).await.unwrap_or_else(|_| Err(gone()))
    }
}

impl fmt::Debug for TlsControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsControl").finish_non_exhaustive()
    }
}
