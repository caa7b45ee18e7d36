//! Handshakes on an open connection: those that this side asks for, and what follows from those of the peer.
//!
//! libssl goes on with such a handshake in every call that moves bytes, but only a read tells data of the peer from its
//! messages: a write, or `SSL_do_handshake`, fails on data that comes in between. So it is always a read that goes
//! on, and what it reads for nobody waits in a stash for the next read of the application.

use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use openssl::ssl::{SslOptions, SslRef};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, check};
use super::control::{Answer, gone};
use super::drive::Ended;
use super::plaintext::Plaintext;
use super::request::{KeyUpdate, RenegotiateOptions, Request};
use super::state::State;
use super::wakers::Role;
use crate::config::side;
use crate::materials::verify::ClientAuth;
use crate::sys::queue::{self, stack_error};
use crate::sys::ssl_io::Stop;
use crate::sys::{compat, renegotiation, ssl as sys};
use crate::values::error::{Error, ErrorKind};
use crate::values::secret::wipe;

/// How much is read for a later read of the application before one has to come.
const STASH_MAX: usize = 256 * 1024;

/// How much is read at a time.
const STASH_STEP: usize = 16 * 1024;

/// A handshake that this side has asked for and that is not over.
pub(super) struct Asked {
    answer: Option<Answer>,
    kind: Kind,
    /// What was changed for it.
    lifted: Lifted,
}

/// Options of the SSL that hold for others' handshakes and not for one that this side asks for.
struct Lifted {
    /// To be set again.
    set: SslOptions,
    /// To be cleared again.
    clear: SslOptions,
}

impl Lifted {
    const NOTHING: Lifted = Lifted { set: SslOptions::empty(), clear: SslOptions::empty() };

    fn restore(self, ssl: &mut SslRef) {
        compat::set_options(ssl, self.set);
        compat::clear_options(ssl, self.clear);
    }
}

enum Kind {
    Renegotiation,
    /// The client's last Finished: another one ends the wait.
    Authentication(Vec<u8>),
}

/// Plaintext that was read and that nobody has asked for yet.
#[derive(Default)]
pub(super) struct Stash(Plaintext);

impl Stash {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps what was read.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.0.put(bytes, STASH_STEP);
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.bytes().len() >= STASH_MAX
    }

    /// Moves what fits to `buf`.
    pub(super) fn take(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.0.bytes().len().min(buf.remaining());
        buf.put_slice(&self.0.bytes()[..count]);
        self.0.consume(count);
    }
}

/// A connection's own hold on its state: with it goes whoever could serve those who wait for a request.
pub(super) struct Closer(pub(super) Arc<State>);

impl Deref for Closer {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.control().close();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Begins what is asked for, on behalf of the caller, who goes on with [`poll_asked`](Connection::poll_asked).
    pub(crate) fn ask(&mut self, request: Request) -> Result<(), Error> {
        if !self.is_open() {
            // The poll that follows tells why.
            return Ok(());
        }
        if self.asked.is_some() {
            return Err(Error::new(ErrorKind::State, "a handshake that was asked for before is not over"));
        }
        self.start(request, None)
    }

    /// Ready when the handshake that was asked for is over, and all of it is with the socket.
    pub(crate) fn poll_asked(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_ready(Role::Reader, cx))?;
        while self.asked.is_some() {
            if self.stash.is_full() {
                let text = "the peer sends data and no answer: read it, and the handshake goes on with that";
                return Poll::Ready(Err(Error::new(ErrorKind::State, text)));
            }
            ready!(self.poll_go_on(Role::Reader, cx))?;
        }
        self.io.io_mut().enter(Role::Writer, cx);
        self.io.io_mut().poll_push().map_err(Error::io)
    }

    /// Whether a handshake that was asked for is not over.
    pub(crate) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether a handshake is under way, or was asked for.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.is_asking() || renegotiation::in_init(self.io.ssl())
    }

    /// Begins what was asked for from outside of this task.
    pub(super) fn attend(&mut self, role: Role, cx: &TaskContext<'_>) {
        let free = self.asked.is_none();
        if let Some((request, answer)) = self.state.control().attend(role, cx, free) {
            // Whoever asked is told of an error; the connection is as it was.
            let _ = self.start(request, Some(answer));
        }
    }

    /// Before a write: goes on with a handshake that libssl would not let data through, or that waits for the peer.
    pub(super) fn poll_quiet(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        while self.is_shaking_hands() {
            if self.stash.is_full() {
                // The reader wakes this task.
                return if self.must_wait() { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            match self.poll_go_on(Role::Writer, cx) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending if self.must_wait() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether data written now would stand in the way of a handshake.
    fn must_wait(&self) -> bool {
        let client_begins = self.state.role() == side::Role::Client && self.asked.is_some();
        client_begins || renegotiation::in_init(self.io.ssl())
    }

    /// One read, for the stash.
    fn poll_go_on(&mut self, role: Role, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        let mut room = vec![0; STASH_STEP];
        let mut buf = ReadBuf::new(&mut room);
        let outcome = self.poll_call(role, cx, |io| io.read(&mut buf));
        let count = buf.filled().len();
        if count > 0 {
            self.stash.put(&room[..count]);
            wipe(&mut room[..count]);
            if role == Role::Writer {
                self.io.io().wake(Role::Reader);
            }
        }
        self.settle();
        match outcome {
            Poll::Pending if self.is_failing() => self.poll_settle(role, cx),
            // What libssl has written to end the handshake is pushed by the caller.
            Poll::Pending if self.asked.is_none() && role == Role::Reader => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(_)) if self.is_failing() => self.poll_settle(role, cx),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(Ended::Closed)) => {
                let text = "the peer closed the connection before the handshake was over";
                self.finish(Err(Error::new(ErrorKind::Closed, text)));
                Poll::Ready(Err(Error::new(ErrorKind::Closed, text)))
            }
            Poll::Ready(Err(ended)) => {
                self.fail(ended);
                self.poll_settle(role, cx)
            }
        }
    }

    /// After a call that may have ended a handshake: is it the one that was asked for, and is the peer still the right one?
    pub(super) fn settle(&mut self) {
        let done = self.asked.as_ref().is_some_and(|asked| asked.is_done(self.io.ssl()));
        if !done && !self.state.take_rehandshake() {
            return;
        }
        if self.is_open()
            && let Err(error) = check(self.io.ssl(), &self.state)
        {
            self.fail_with(error);
        }
        if done {
            self.state.take_rehandshake();
            self.finish(Ok(()));
        }
        // A write may wait for the end of the handshake that this task has read.
        self.io.io().wake(Role::Writer);
    }

    /// Ends what was asked for.
    pub(super) fn finish(&mut self, outcome: Result<(), Error>) {
        let Some(asked) = self.asked.take() else { return };
        self.state.set_own_handshake(false);
        asked.lifted.restore(self.io.ssl_mut());
        if let Some(answer) = asked.answer {
            // Nobody may wait any longer.
            let _ = answer.send(outcome);
        }
        self.state.control().remind();
    }

    fn start(&mut self, request: Request, answer: Option<Answer>) -> Result<(), Error> {
        let begun = match request {
            Request::Renegotiate(options) => self.begin_renegotiation(options).map(Some),
            Request::Authenticate(auth) => self.begin_authentication(auth).map(Some),
            Request::UpdateKeys(update) => {
                let both = update == KeyUpdate::Both;
                renegotiation::key_update(self.io.ssl_mut(), both).map_err(|e| not_now(&e)).map(|()| None)
            }
        };
        // What TLS 1.3 asks for is written by this call, which reads nothing.
        let begun = match begun {
            Ok(Some((Kind::Renegotiation, _))) | Err(_) => begun,
            Ok(_) => self.write_request().and(begun),
        };
        let outcome = match begun {
            Ok(Some((kind, lifted))) => {
                self.asked = Some(Box::new(Asked { answer, kind, lifted }));
                return Ok(());
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let Some(answer) = answer else { return outcome };
        // Nobody may wait any longer.
        let _ = answer.send(outcome);
        self.state.control().remind();
        Ok(())
    }

    fn begin_renegotiation(&mut self, options: RenegotiateOptions) -> Result<(Kind, Lifted), Error> {
        queue::clear();
        let never = self.state.context().never_renegotiates;
        let ssl = self.io.ssl_mut();
        let mut lifted = Lifted::NOTHING;
        // The policy is about the peer's; libssl's option is about both sides'.
        if !never {
            lifted.set = compat::options(ssl) & SslOptions::NO_RENEGOTIATION;
        }
        compat::clear_options(ssl, lifted.set);
        if !options.abbreviated {
            // A client that is asked always offers its session: a server that takes it sees no certificate.
            let full = SslOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION;
            lifted.clear = full - compat::options(ssl);
            compat::set_options(ssl, full);
        }
        if let Err(stack) = renegotiation::renegotiate(ssl, options.abbreviated) {
            lifted.restore(ssl);
            return Err(not_now(&stack));
        }
        match (self.state.role(), options.client_auth, options.server_verification) {
            (side::Role::Server, Some(auth), _) => self.demand(auth),
            (side::Role::Client, _, Some(verification)) => self.state.set_server_verification(verification),
            _ => {}
        }
        self.state.set_own_handshake(true);
        Ok((Kind::Renegotiation, lifted))
    }

    fn begin_authentication(&mut self, auth: ClientAuth) -> Result<(Kind, Lifted), Error> {
        queue::clear();
        let (before, mode) = (self.state.client_auth(), self.io.ssl().verify_mode());
        self.demand(auth);
        let ssl = self.io.ssl_mut();
        if let Err(stack) = renegotiation::verify_client_post_handshake(ssl) {
            ssl.set_verify(mode);
            self.state.set_client_auth(before);
            return Err(not_now(&stack));
        }
        let finished = sys::peer_finished(ssl);
        self.state.forget_verdict();
        Ok((Kind::Authentication(finished), Lifted::NOTHING))
    }

    /// From now on the client has to prove this much.
    fn demand(&mut self, auth: ClientAuth) {
        self.state.set_client_auth(auth);
        self.io.ssl_mut().set_verify(auth.mode());
    }

    fn write_request(&mut self) -> Result<(), Error> {
        match self.io.handshake() {
            Ok(()) | Err(Stop::WantRead | Stop::WantWrite | Stop::Paused) => Ok(()),
            Err(Stop::Failed(error)) => {
                let told = error.without_source();
                self.fail(Ended::Failed(error));
                Err(told)
            }
            Err(Stop::Panicked) => Err(self.resume_panic()),
            Err(Stop::Closed | Stop::Transport) => {
                self.fail(Ended::Transport);
                Err(gone())
            }
        }
    }
}

impl Asked {
    fn is_done(&self, ssl: &SslRef) -> bool {
        match &self.kind {
            Kind::Renegotiation => !renegotiation::renegotiate_pending(ssl) && !renegotiation::in_init(ssl),
            Kind::Authentication(before) => {
                !renegotiation::in_init(ssl) && sys::peer_finished(ssl) != *before
            }
        }
    }
}

/// A request that libssl refuses, with the connection as it was.
fn not_now(stack: &openssl::error::ErrorStack) -> Error {
    stack_error(ErrorKind::State, stack)
}
