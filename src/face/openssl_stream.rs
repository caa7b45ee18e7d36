//! The stream type of `tokio-openssl`, with the configurations and hooks of this library.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_openssl::SslStream;

use super::acceptor::TlsAcceptor;
use super::connector::{ConnectOptions, TlsConnector};
use super::limit::Limit;
use crate::config::context::Context;
use crate::conn::connection::{Target, check, prepare};
use crate::conn::drive::poll_pending;
use crate::conn::failure;
use crate::conn::state::State;
use crate::conn::transport::TransportEnd;
use crate::sys::hook::{self, Hooks};
use crate::sys::queue;
use crate::values::error::{Error, ErrorKind};

impl TlsConnector {
    /// Shakes hands as a client, and gives the stream type of `tokio-openssl`: for programs whose other libraries ask
    /// for that.
    ///
    /// Configuration, verification and hooks are those of this library; reading, writing and closing are
    /// `tokio-openssl`'s: a cut is then `Ok(0)` or an error of libssl, and a split stream can lose wake-ups in a
    /// renegotiation.
    ///
    /// # Errors
    /// As [`connect`](TlsConnector::connect).
    ///
    /// # Panics
    /// As [`connect`](TlsConnector::connect).
    pub async fn connect_openssl<S>(
        &self,
        target: impl Into<ConnectOptions>,
        io: S,
    ) -> Result<SslStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        handshake(&self.config().context, target.into().target()?, io).await
    }
}

impl TlsAcceptor {
    /// Shakes hands as a server, and gives the stream type of `tokio-openssl`; see
    /// [`TlsConnector::connect_openssl`].
    ///
    /// # Errors
    /// As [`accept`](TlsAcceptor::accept).
    ///
    /// # Panics
    /// As [`accept`](TlsAcceptor::accept).
    pub async fn accept_openssl<S>(&self, io: S) -> Result<SslStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        handshake(&self.config().context, Target::default(), io).await
    }
}

async fn handshake<S>(context: &Arc<Context>, target: Target, io: S) -> Result<SslStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |e: &_| queue::stack_error(ErrorKind::Config, e).context("libssl makes no connection");
    if target.early_data.is_some() {
        return Err(Error::config("early_data", "a stream of tokio-openssl cannot say what became of it"));
    }
    let (mut ssl, state, _) = prepare(context, target)?;
    hook::install(&mut ssl, Arc::clone(&state) as _).map_err(|e| failed(&e))?;
    let mut stream = SslStream::new(ssl, io).map_err(|e| failed(&e))?;
    let steps = poll_fn(|cx| poll_handshake(&mut stream, &state, cx));
    Limit::of(context.handshake_timeout).within(steps).await?;
    check(stream.ssl(), &state)?;
    state.set_established();
    Ok(stream)
}

fn poll_handshake<S>(
    stream: &mut SslStream<S>,
    state: &State,
    cx: &mut TaskContext<'_>,
) -> Poll<Result<(), Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        ready!(poll_pending(state, cx));
        queue::clear();
        let polled = Pin::new(&mut *stream).poll_do_handshake(cx);
        state.parked().resume();
        match ready!(polled) {
            Ok(()) => return Poll::Ready(Ok(())),
            // tokio-openssl gives the pauses of libssl out as errors, and can be called again.
            Err(_) if state.has_pending() => {}
            Err(error) => {
                state.note_verify_result(stream.ssl());
                return Poll::Ready(Err(failure_of(error, state)));
            }
        }
    }
}

fn failure_of(error: openssl::ssl::Error, state: &State) -> Error {
    match error.into_io_error() {
        Ok(io) => failure::of_handshake(Some(TransportEnd::Error(io)), state),
        Err(error) => match error.ssl_error() {
            Some(stack) => failure::of_protocol(queue::protocol_error(stack), state),
            None => failure::of_handshake(None, state),
        },
    }
}
