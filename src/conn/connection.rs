//! A connection over any byte stream: handshake, reading, writing, closing.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use openssl::error::ErrorStack;
use openssl::pkey::Id;
use openssl::ssl::{Ssl, SslRef, SslVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::drive::Ended;
use super::early::Early;
use super::failure;
use super::question::Question;
use super::record_pace::RecordPace;
use super::rehandshake::{Asked, Closer, Stash};
use super::state::State;
use super::transport::Transport;
use super::wakers::Role;
use super::write_buffer::WriteBuffer;
use crate::config::context::Context;
use crate::config::side;
use crate::materials::negotiated::Negotiated;
use crate::materials::session::Session;
use crate::materials::session_cache::SessionKey;
use crate::sys::adopt;
use crate::sys::hook::Hooks;
use crate::sys::queue::stack_error;
use crate::sys::renegotiation;
use crate::sys::ssl as sys;
use crate::sys::ssl_io::{SslIo, Stop};
use crate::values::alert::Alert;
use crate::values::error::{Error, ErrorKind};
use crate::values::hello::ClientHello;
use crate::values::secret::Secret;

/// What a client means to reach.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// The name to send (SNI); none for IP addresses.
    pub(crate) server_name: Option<String>,
    /// The host for the identity check.
    pub(crate) host: Option<String>,
    /// A session to resume.
    pub(crate) session: Option<Session>,
    /// What goes with the ClientHello, if it can.
    pub(crate) early_data: Option<Secret>,
    /// Neither to resume a session that the configuration keeps.
    pub(crate) fresh: bool,
}

pub(super) enum Phase {
    Handshake,
    /// libssl is done, and the application is asked about the peer, or told of its session.
    Deciding,
    Open,
    /// It failed, and the caller has not been told: the alert goes out first.
    Failing(Error),
    /// It failed, and the caller knows.
    Failed(Error),
}

/// An SSL over a transport, with its state.
pub(crate) struct Connection<S> {
    pub(super) io: SslIo<Transport<S>>,
    pub(super) state: Closer,
    pub(super) phase: Phase,
    /// A handshake that this side has asked for.
    pub(super) asked: Option<Box<Asked>>,
    pub(super) early: Option<Box<Early>>,
    pub(super) stash: Stash,
    pub(super) buffer: WriteBuffer,
    pub(super) pace: RecordPace,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection of `context`'s side that has not begun. In a box: it is passed on from future to future, to the stream and
    /// on to wherever that goes.
    pub(crate) fn new(context: &Arc<Context>, io: S, target: Target) -> Result<Box<Connection<S>>, Error> {
        let (ssl, state, early) = prepare(context, target)?;
        let mut transport = Transport::new(io);
        if context.may_use_psk() {
            transport.hold_identity();
        }
        let io = SslIo::new(ssl, transport, Arc::clone(&state) as _).map_err(|e| no_connection(&e))?;
        Ok(Box::new(Connection {
            io,
            state: Closer(state),
            phase: Phase::Handshake,
            asked: None,
            early: early.map(Box::new),
            stash: Stash::default(),
            buffer: WriteBuffer::default(),
            pace: RecordPace::default(),
        }))
    }

    /// The transport's reads block.
    pub(crate) fn set_blocks(&mut self) {
        self.io.io_mut().set_blocks();
    }

    /// Has the application look at the ClientHello: see [`poll_hello`](Connection::poll_hello).
    pub(crate) fn choose_by_hand(&mut self) {
        self.state.choose_by_hand();
        // Whatever it chooses may know pre-shared keys.
        self.io.io_mut().hold_identity();
    }

    /// What the application has chosen, when it has looked at the ClientHello; `None` is the acceptor's own.
    pub(crate) fn choose(&mut self, choice: Result<Option<Arc<Context>>, Alert>) {
        self.state.put_choice(choice);
    }

    /// Shakes hands; ready when it is done, checked, and all of it is with the socket.
    pub(crate) fn poll_handshake(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        if let Phase::Handshake = self.phase {
            if self.has_nobody(cx) {
                return Poll::Pending;
            }
            let shaken = match ready!(self.poll_early(cx)) {
                Ok(()) => ready!(self.poll_call(Role::Reader, cx, SslIo::handshake)),
                Err(ended) => Err(ended),
            };
            match shaken {
                Ok(()) => self.phase = Phase::Deciding,
                Err(ended) => self.fail_handshake(ended),
            }
        }
        if let Phase::Deciding = self.phase {
            // What libssl wrote last is held back meanwhile.
            if let Err(error) =
                ready!(self.poll_decision(Role::Reader, cx)).and_then(|()| check(self.io.ssl(), &self.state))
            {
                self.phase = Phase::Failing(error);
            } else {
                self.state.set_established();
                self.io.io_mut().release();
                self.io.set_keep_session(true);
                self.io.io_mut().set_corked(false);
                self.phase = Phase::Open;
                self.settle_early();
                self.tell_sessions();
            }
        }
        self.poll_settle(Role::Reader, cx)
    }

    /// Whether a server has not got a byte: one that waits for its client has none of libssl's buffers.
    fn has_nobody(&mut self, cx: &TaskContext<'_>) -> bool {
        if self.state.role() == side::Role::Client || !renegotiation::in_before(self.io.ssl()) {
            return false;
        }
        self.io.io_mut().enter(Role::Reader, cx);
        self.io.io_mut().is_dry()
    }

    /// Ready when the client's first message is there for the application to look at.
    pub(crate) fn poll_hello(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<ClientHello, Error>> {
        match self.poll_handshake(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => Poll::Ready(Err(Error::new(ErrorKind::State, "there was no ClientHello"))),
            Poll::Pending => self.state.shown_hello().map_or(Poll::Pending, |hello| Poll::Ready(Ok(hello))),
        }
    }

    /// Awaits what the application says of a peer that libssl has accepted already, and tells it of the session.
    fn poll_decision(&mut self, role: Role, cx: &TaskContext<'_>) -> Poll<Result<(), Error>> {
        self.io.io_mut().enter(role, cx);
        if let Some(peer) = self.state.take_undecided() {
            self.state.put_question(Question::Peer(peer));
        }
        ready!(self.poll_hook());
        self.state.set_decided();
        if self.state.parked().is_some() {
            self.io.io_mut().discard();
            return Poll::Ready(Err(self.resume_panic()));
        }
        if let Some(Err(_)) = self.state.take_welcome() {
            // The peer must not take the handshake for done.
            self.io.io_mut().discard();
            let error = self.state.take_hook_error();
            let missing = || Error::new(ErrorKind::Unauthorized, "the application has refused the peer");
            return Poll::Ready(Err(error.unwrap_or_else(missing)));
        }
        Poll::Ready(Ok(()))
    }

    /// The application learns of new sessions when their peer is known to be the right one.
    fn tell_sessions(&mut self) {
        for session in self.state.take_sessions() {
            let context = self.state.context();
            if let Some(listener) = &context.session_listener {
                listener.new_session(&session);
            }
            if let (Some(sessions), Some(key)) = (&context.client_sessions, self.state.session_key()) {
                sessions.put(key.clone(), session);
            }
        }
    }

    pub(super) fn fail_handshake(&mut self, ended: Ended) {
        self.state.note_verify_result(self.io.ssl());
        self.state.forget_kept_session();
        let error = match ended {
            Ended::Failed(error) => failure::of_protocol(error, &self.state),
            Ended::Transport => failure::of_handshake(self.io.io_mut().take_end(), &self.state),
            Ended::Closed => failure::of_handshake(None, &self.state),
        };
        self.phase = Phase::Failing(error);
    }

    pub(super) fn fail(&mut self, ended: Ended) {
        let error = match ended {
            Ended::Failed(error) => failure::of_protocol(error, &self.state),
            Ended::Transport | Ended::Closed => failure::of_transport(self.io.io_mut().take_end()),
        };
        self.fail_with(error);
    }

    /// Ends the connection with an error, which the next call tells.
    pub(super) fn fail_with(&mut self, error: Error) {
        self.finish(Err(error.without_source()));
        // A cut says nothing about the session; whatever else ends a connection ends its session (RFC 5246, 7.2.2).
        let is_cut = matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Io);
        self.io.set_keep_session(is_cut);
        if !is_cut && let Some(session) = self.io.ssl().session() {
            self.state.put_forget(session.id());
        }
        if !self.is_failing() {
            self.phase = Phase::Failing(error);
        }
    }

    /// Sends what is left to send; then tells of a failure, once.
    pub(super) fn poll_settle(&mut self, role: Role, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        self.io.io_mut().enter(role, cx);
        if self.is_failing() {
            ready!(self.poll_hook());
        }
        let pushed = ready!(self.io.io_mut().poll_push());
        match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Failing(error) => {
                // The peer may be gone already: its alert is then lost, the error is not.
                self.phase = Phase::Failed(error.without_source());
                Poll::Ready(Err(error))
            }
            Phase::Failed(first) => {
                let error = failure::of_earlier(&first);
                self.phase = Phase::Failed(first);
                Poll::Ready(Err(error))
            }
            phase => {
                self.phase = phase;
                Poll::Ready(pushed.map_err(|error| self.fail_push(error)))
            }
        }
    }

    /// Reads into `buf`, from as many records as have arrived. No bytes and no error is the peer's close_notify.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_ready(Role::Reader, cx))?;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.attend(Role::Reader, cx);
        ready!(self.poll_decided(Role::Reader, cx))?;
        if !self.stash.is_empty() {
            self.stash.take(buf);
            // A write may wait for room in it.
            self.io.io_mut().enter(Role::Reader, cx);
            self.io.io().wake(Role::Writer);
            return Poll::Ready(Ok(()));
        }
        if self.io.io().must_push() {
            // Whoever writes and then reads expects the write to reach the peer, whether the socket took it at once
            // or not. If it takes no more, that is told to whoever writes or flushes; there may be something to read.
            self.io.io_mut().enter(Role::Reader, cx);
            let _ = self.io.io_mut().poll_push();
        }
        if self.io.io().blocks() {
            // The read may be the wait.
            self.tell_of_push()?;
        }
        let start = buf.filled().len();
        // A panic of the stream below may have left it otherwise.
        self.io.io_mut().set_may_read(true);
        let is_asking = self.is_asking();
        let outcome = self.poll_call(Role::Reader, cx, |io| {
            let is_dry = !is_asking && io.is_at_rest() && io.io_mut().is_dry();
            if is_dry { Err(Stop::WantRead) } else { io.read(buf) }
        });
        self.settle();
        if self.state.is_undecided() {
            self.stash_from(start, buf);
            return self.poll_read(cx, buf);
        }
        self.tell_sessions();
        if outcome.is_pending() {
            if self.is_failing() {
                return self.poll_settle(Role::Reader, cx);
            }
            // The peer may wait for what was written.
            self.send_buffered(cx)?;
            self.tell_of_push()?;
        }
        match ready!(outcome) {
            Ok(_) => {
                self.read_on(buf);
                self.settle();
                let _ = self.io.io_mut().must_push() && self.io.io_mut().poll_push().is_ready();
                Poll::Ready(Ok(()))
            }
            Err(Ended::Closed) => Poll::Ready(Ok(())),
            Err(ended) => {
                self.fail(ended);
                self.poll_settle(Role::Reader, cx)
            }
        }
    }

    /// Takes back what was read since `start`: nothing from this peer before the application has decided.
    fn stash_from(&mut self, start: usize, buf: &mut ReadBuf<'_>) {
        self.stash.put(&buf.filled()[start..]);
        buf.set_filled(start);
    }

    /// Fills the rest of `buf` with what is at hand: records that were read ahead, and the rest of one.
    fn read_on(&mut self, buf: &mut ReadBuf<'_>) {
        while buf.remaining() > 0 && (self.io.io().has_input() || self.io.ssl().pending() > 0) {
            let start = buf.filled().len();
            self.io.io_mut().set_may_read(false);
            let outcome = self.io.read(buf);
            self.io.io_mut().set_may_read(true);
            if self.state.is_undecided() {
                self.stash_from(start, buf);
                return;
            }
            match outcome {
                Ok(_) => {}
                Err(Stop::Panicked) => {
                    self.resume_panic();
                    return;
                }
                Err(Stop::Failed(error)) => {
                    // The bytes before it are good; the next call tells.
                    self.fail(Ended::Failed(error));
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Ready when the application has decided on the peer of a later handshake.
    pub(super) fn poll_decided(&mut self, role: Role, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        if self.state.is_undecided()
            && let Err(error) = ready!(self.poll_decision(role, cx))
        {
            self.fail_with(error);
            return self.poll_settle(role, cx);
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether it failed, and the caller has not been told.
    pub(super) fn is_failing(&self) -> bool {
        matches!(self.phase, Phase::Failing(_))
    }

    /// A connection that can be used: not failed.
    pub(super) fn poll_ready(&mut self, role: Role, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        match self.phase {
            Phase::Open => Poll::Ready(Ok(())),
            Phase::Handshake | Phase::Deciding => self.poll_handshake(cx),
            Phase::Failing(_) | Phase::Failed(_) => self.poll_settle(role, cx),
        }
    }

    /// Throws the panic of a hook on, when the alert is on its way as far as the socket takes it now. The connection
    /// is over.
    pub(super) fn resume_panic(&mut self) -> Error {
        let text = "a hook of the application has panicked";
        self.phase = Phase::Failed(Error::new(ErrorKind::Hook, text));
        self.io.set_keep_session(false);
        let _ = self.io.io_mut().poll_push();
        self.io.resume_panic();
        Error::new(ErrorKind::Hook, text)
    }

    /// Fails without trying to send an alert: the socket takes nothing.
    pub(super) fn fail_now(&mut self, ended: Ended) -> Error {
        self.fail(ended);
        match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Failing(error) => {
                self.phase = Phase::Failed(error.without_source());
                error
            }
            other => {
                self.phase = other;
                failure::of_transport(None)
            }
        }
    }
}

impl<S> Connection<S> {
    pub(crate) fn ssl(&self) -> &SslRef {
        self.io.ssl()
    }

    pub(crate) fn ssl_mut(&mut self) -> &mut SslRef {
        self.io.ssl_mut()
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state.0
    }

    /// What was agreed on, and who the peer is.
    pub(crate) fn negotiated(&self) -> Negotiated<'_> {
        Negotiated::new(self.ssl(), self.state.facts())
    }

    pub(crate) fn get_ref(&self) -> &S {
        self.io.io().get_ref()
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        self.io.io_mut().get_mut()
    }

    /// The transport, and what was read from it that TLS has not taken.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        self.io.into_io().into_parts()
    }

    /// Whether the peer has sent its close_notify.
    pub(crate) fn is_closed_by_peer(&self) -> bool {
        self.io.shutdown_state().received
    }
}

/// An SSL for one connection of `context`'s side, its state, and its early data.
pub(crate) fn prepare(
    context: &Arc<Context>,
    target: Target,
) -> Result<(Ssl, Arc<State>, Option<Early>), Error> {
    // The crate's callbacks need what the crate's function keeps for them.
    let made = if context.foreign_callbacks { Ssl::new(&context.ssl) } else { sys::new(&context.ssl) };
    let mut ssl = made.map_err(|e| no_connection(&e))?;
    if let Some(adoption) = context.adopted {
        adopt::prepare(&mut ssl, context.renegotiation.is_allowed()).map_err(|e| no_connection(&e))?;
        if let Some(host) = target.host.as_deref().filter(|_| adoption.checks_name) {
            adopt::expect_host(&mut ssl, host)
                .map_err(|e| stack_error(ErrorKind::Config, &e).with_option("host"))?;
        }
    }
    match context.role {
        side::Role::Client => ssl.set_connect_state(),
        side::Role::Server => ssl.set_accept_state(),
    }
    if let Some(name) = &target.server_name {
        ssl.set_hostname(name).map_err(|e| stack_error(ErrorKind::Config, &e).with_option("server_name"))?;
    }
    let sessions = context.client_sessions.as_ref();
    let key =
        sessions.map(|_| SessionKey { host: target.host.clone(), server_name: target.server_name.clone() });
    let kept = sessions.zip(key.as_ref()).filter(|_| !target.fresh && target.session.is_none());
    let kept = kept.and_then(|(sessions, key)| sessions.take(key));
    let offers_kept = kept.is_some();
    let session = target.session.as_ref().or(kept.as_ref());
    if let Some(session) = session {
        sys::set_session(&mut ssl, session.as_openssl())
            .map_err(|e| stack_error(ErrorKind::Config, &e).with_option("session"))?;
    }
    let state = State::new(Arc::clone(context), target.host, key.map(|key| (key, offers_kept)));
    let early = match context.role {
        side::Role::Client => {
            Early::of_client(target.early_data, &ssl, &state, target.server_name.as_deref(), session)
        }
        side::Role::Server => Early::of_server(context),
    };
    Ok((ssl, state, early))
}

fn no_connection(stack: &ErrorStack) -> Error {
    stack_error(ErrorKind::Config, stack).context("libssl makes no connection")
}

/// What libssl leaves to its caller, after a handshake: whether this is the peer that was meant, and strong enough.
pub(crate) fn check(ssl: &SslRef, state: &State) -> Result<(), Error> {
    state.complete_verdict(ssl);
    if state.refuses_peer() {
        let missing = || Error::new(ErrorKind::Unauthorized, "the peer has not proved who it is");
        return Err(state.verdict().error().unwrap_or_else(missing));
    }
    let least = state.context().min_dh_bits;
    match peer_dh_bits(ssl).filter(|bits| state.role() == side::Role::Client && *bits < least) {
        None => Ok(()),
        Some(bits) => {
            let text = format!("DH parameter size {bits} is less than {least}");
            Err(Error::new(ErrorKind::Protocol, text)
                .with_code("ERR_TLS_DH_PARAM_SIZE")
                .with_option("min_dh_size"))
        }
    }
}

/// The size of the server's Diffie-Hellman key, where it chose it itself: not in TLS 1.3.
fn peer_dh_bits(ssl: &SslRef) -> Option<u32> {
    if ssl.version2() == Some(SslVersion::TLS1_3) {
        return None;
    }
    let key = sys::peer_tmp_key(ssl)?;
    (key.id() == Id::DH).then(|| key.bits())
}
