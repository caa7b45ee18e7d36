//! The await loop: the only place where futures of the application are polled.
//!
//! A hook that needs time leaves a [`Question`] in the connection's state and answers libssl "retry". The
//! call of libssl returns; the operation is awaited here, with no C frame below; its [`Outcome`] goes into the state;
//! libssl is called again, and the hook with it, which now finds the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as TaskContext, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Connection;
use super::failure;
use super::question::{Outcome, Question};
use super::state::State;
use super::transport::Transport;
use super::wakers::Role;
use crate::config::resolver::HookFuture;
use crate::sys::hook::Hooks;
use crate::sys::psk;
use crate::sys::ssl_io::{SslIo, Stop};
use crate::values::error::{Error, ErrorKind};
use crate::values::psk::PskIdentity;

/// An operation that a hook has left.
pub(crate) enum Pending {
    /// Somebody is to be asked: outside of libssl, too.
    Ask(Question),
    /// Somebody thinks.
    Wait(HookFuture<Outcome>),
}

/// How a step ended that did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The peer's close_notify.
    Closed,
    /// The transport.
    Transport,
    /// TLS.
    Failed(Error),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Calls libssl until it has done what it was asked to, or waits for the socket, or for the application.
    pub(super) fn poll_call<T>(
        &mut self,
        role: Role,
        cx: &mut TaskContext<'_>,
        mut call: impl FnMut(&mut SslIo<Transport<S>>) -> Result<T, Stop>,
    ) -> Poll<Result<T, Ended>> {
        self.io.io_mut().enter(role, cx);
        loop {
            ready!(self.poll_hook());
            if let Some(refusal) = self.state.refusal() {
                return Poll::Ready(Err(Ended::Failed(failure::of_refusal(refusal))));
            }
            if self.state.parked().is_some() {
                // The panic of a future: libssl has to get on, to where it tells the peer.
                self.io.io_mut().release();
            }
            let stop = match call(&mut self.io) {
                Ok(done) => return Poll::Ready(Ok(done)),
                Err(stop) => stop,
            };
            match stop {
                Stop::Closed => return Poll::Ready(Err(Ended::Closed)),
                Stop::Transport => return Poll::Ready(Err(Ended::Transport)),
                Stop::Failed(error) => return Poll::Ready(Err(Ended::Failed(error))),
                Stop::Panicked => return Poll::Ready(Err(Ended::Failed(self.resume_panic()))),
                // libssl has answered by itself, and would go on.
                Stop::WantRead | Stop::WantWrite if self.state.refusal().is_some() => {}
                Stop::WantRead if self.release_identity() => {}
                Stop::WantRead | Stop::WantWrite => {
                    if self.is_open() {
                        // A wait may be long, and many may wait. A handshake has a limit.
                        self.io.free_buffers();
                    }
                    // What libssl wrote before it began to wait must reach the peer, or both wait for ever.
                    return match self.io.io_mut().poll_push() {
                        // Whoever has closed can write no more, and whoever reads waits for the peer: it may have sent
                        // something before it went. Who writes is told.
                        Poll::Ready(Err(_)) if self.io.shutdown_state().sent || self.only_reads(role) => {
                            Poll::Pending
                        }
                        Poll::Ready(Err(error)) => {
                            let told = self.last_words(error);
                            Poll::Ready(Err(told.map_or_else(|ended| ended, Ended::Failed)))
                        }
                        Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                    };
                }
                Stop::Paused if self.state.has_pending() => {}
                // The application looks at the ClientHello.
                Stop::Paused if self.state.is_shown() => return Poll::Pending,
                Stop::Paused => {
                    let text = "libssl waits for an answer that nobody owes";
                    return Poll::Ready(Err(Ended::Failed(Error::new(ErrorKind::Protocol, text))));
                }
            }
        }
    }

    /// Whether a reader waits for nothing but data.
    fn only_reads(&self, role: Role) -> bool {
        role == Role::Reader && self.is_open() && !self.is_shaking_hands()
    }

    /// Awaits the operation that a hook has left, on behalf of the task that has entered.
    pub(super) fn poll_hook(&mut self) -> Poll<()> {
        let state = &self.state;
        if !state.has_pending() {
            return Poll::Ready(());
        }
        self.io.io_mut().poll_hook(|cx| poll_pending(state, cx))
    }

    /// A PSK identity is held back from libssl: asks for its key, or lets it pass. False when nothing is held.
    fn release_identity(&mut self) -> bool {
        let Some(identity) = self.io.io().held_identity() else { return false };
        let identity = identity.map(PskIdentity::from_peer);
        if psk::is_negotiated(self.io.ssl())
            && let Some(identity) = identity.filter(|identity| self.state.wants_psk(identity))
        {
            self.state.put_question(Question::Keys(vec![identity]));
            return true;
        }
        self.io.io_mut().release();
        true
    }
}

/// Awaits the operation that a hook left in `state`, if there is one.
///
/// A panic is parked, as one under a C frame is: libssl is called again, finds it, and tells the peer.
pub(crate) fn poll_pending(state: &State, cx: &mut TaskContext<'_>) -> Poll<()> {
    catch_unwind(AssertUnwindSafe(|| poll_hooks(state, cx))).unwrap_or_else(|payload| {
        state.parked().put(payload);
        Poll::Ready(())
    })
}

fn poll_hooks(state: &State, cx: &mut TaskContext<'_>) -> Poll<()> {
    while let Some(pending) = state.take_pending() {
        let mut future = match pending {
            Pending::Ask(question) => match question.ask(state) {
                Some(future) => future,
                None => continue,
            },
            Pending::Wait(future) => future,
        };
        // A future that panics was taken out, so it is not polled again.
        match future.as_mut().poll(cx) {
            Poll::Pending => {
                state.put_pending(Pending::Wait(future));
                return Poll::Pending;
            }
            Poll::Ready(outcome) => state.put_outcome(outcome),
        }
    }
    Poll::Ready(())
}
