//! Early data: what goes before the rest of a handshake (RFC 8446 section 2.3).
//!
//! A server asks libssl for it before it shakes hands, and keeps it apart from everything that is read later. A client hands
//! it to libssl with the ClientHello, if the session is good for that, and keeps it until the server has accepted it.

use std::task::{Context as TaskContext, Poll, ready};
use std::time::SystemTime;

use openssl::ssl::{SslOptions, SslRef, SslVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, Phase};
use super::drive::Ended;
use super::state::State;
use super::wakers::Role;
use crate::config::context::Context;
use crate::materials::session::Session;
use crate::materials::verify::ServerVerification;
use crate::sys::early_data::status;
use crate::sys::{compat, session, ssl as sys};
use crate::values::alpn::AlpnProtocols;
use crate::values::early_data::EarlyDataStatus;
use crate::values::error::{Error, ErrorKind};
use crate::values::secret::Secret;
use crate::values::verify_code::VerifyCode;
use crate::values::version::ProtocolVersion;

/// How much is read at a time, in bytes.
const CHUNK: usize = 4096;

/// The early data of a connection that may have any.
pub(crate) enum Early {
    /// A server asks for it.
    Receiving(Vec<u8>),
    /// What a server has received.
    Received(Vec<u8>),
    /// What a client sends with its ClientHello.
    Sending(Secret),
    /// What a client has given to libssl, or could not give.
    Offered(Secret),
    /// What the client has sent, after the handshake.
    Accepted(Vec<u8>),
    /// What the server has not taken, after the handshake.
    Unsent(Secret),
}

impl Early {
    /// libssl is done with it.
    fn pass(&mut self) {
        *self = match std::mem::replace(self, Early::Received(Vec::new())) {
            Early::Receiving(bytes) => Early::Received(bytes),
            Early::Sending(bytes) => Early::Offered(bytes),
            other => other,
        };
    }

    /// The early data of a server.
    pub(super) fn of_server(context: &Context) -> Option<Early> {
        (context.early_data > 0).then(|| Early::Receiving(Vec::new()))
    }

    /// The early data of a client, which offers `session`.
    pub(super) fn of_client(
        bytes: Option<Secret>,
        ssl: &SslRef,
        state: &State,
        server_name: Option<&str>,
        session: Option<&Session>,
    ) -> Option<Early> {
        let bytes = bytes?;
        let good = session.is_some_and(|session| {
            bytes.len().max(1) <= session.max_early_data()
                && is_good_for_early_data(session, ssl, &state.context(), server_name)
                && is_for_host(session, ssl, state)
        });
        Some(if good { Early::Sending(bytes) } else { Early::Offered(bytes) })
    }
}

/// Whether libssl will offer the session, and early data with it.
///
/// What libssl finds unfit it finds when the ClientHello is half made: it then fails the connection; and for a ticket that is
/// too old it offers early data without the ticket, under keys that are made of nothing (`tls_construct_ctos_psk`).
fn is_good_for_early_data(
    session: &Session,
    ssl: &SslRef,
    context: &Context,
    server_name: Option<&str>,
) -> bool {
    let offers_tls_1_3 = matches!(sys::context_versions(&context.ssl).1, None | Some(SslVersion::TLS1_3))
        && !compat::options(ssl).contains(SslOptions::NO_TLSV1_3);
    offers_tls_1_3
        && session.is_resumable()
        && session.ticket().is_some()
        && session.protocol() == Some(ProtocolVersion::TLSv1_3)
        && session.is_ticket_good_at(SystemTime::now())
        && session.hostname().is_none_or(|name| server_name == Some(name))
        && session.alpn_protocol().is_none_or(|name| {
            context.alpn.as_ref().is_some_and(|list| AlpnProtocols::find_in(list.as_wire(), name).is_some())
        })
}

/// Whether the server that the session came from is the one that is meant now: nothing is sent to another one, though that is
/// known for good only after the handshake.
fn is_for_host(session: &Session, ssl: &SslRef, state: &State) -> bool {
    if state.context().server_verification != ServerVerification::Require {
        return true;
    }
    // That of the session, before there was a handshake. A wrong name then is no matter: there may be another one now.
    let result = compat::verify_code(ssl.verify_result().as_raw());
    let verified = result.is_ok() || result == VerifyCode::HOSTNAME_MISMATCH;
    verified && session::peer(session.as_openssl()).is_none_or(|peer| state.check_name(peer).is_none())
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Ready when the rest of the handshake can go on.
    pub(super) fn poll_early(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Ended>> {
        let Some(mut early) = self.early.take() else { return Poll::Ready(Ok(())) };
        let outcome = match &mut *early {
            Early::Receiving(bytes) => self.poll_receive_early(cx, bytes),
            Early::Sending(bytes) if self.has_good_ticket() => {
                self.poll_call(Role::Reader, cx, |io| io.write_early(bytes.as_bytes())).map_ok(drop)
            }
            _ => Poll::Ready(Ok(())),
        };
        if outcome.is_ready() {
            early.pass();
        }
        self.early = Some(early);
        outcome
    }

    /// Reads until libssl has no more. It ends the connection of a client that sends more than it may.
    fn poll_receive_early(
        &mut self,
        cx: &mut TaskContext<'_>,
        bytes: &mut Vec<u8>,
    ) -> Poll<Result<(), Ended>> {
        loop {
            let mut chunk = [0; CHUNK];
            let mut buf = ReadBuf::new(&mut chunk);
            match ready!(self.poll_call(Role::Reader, cx, |io| io.read_early(&mut buf))) {
                Ok(true) => bytes.extend_from_slice(buf.filled()),
                Ok(false) => return Poll::Ready(Ok(())),
                Err(ended) => return Poll::Ready(Err(ended)),
            }
        }
    }

    /// Early data as it comes; nothing is the end of it, or that there is none.
    pub(crate) fn poll_read_early(
        &mut self,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let Some(Early::Receiving(waiting)) = self.early.as_deref_mut() else {
            return self.poll_early_over(cx);
        };
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if !waiting.is_empty() {
            let count = waiting.len().min(buf.remaining());
            buf.put_slice(&waiting[..count]);
            waiting.drain(..count);
            return Poll::Ready(Ok(()));
        }
        match ready!(self.poll_call(Role::Reader, cx, |io| io.read_early(buf))) {
            Ok(more) => {
                if !more {
                    self.early = Some(Box::new(Early::Received(Vec::new())));
                }
                // The client waits for what libssl has answered, whatever the application does with the data.
                let _ = self.io.io_mut().poll_push();
                Poll::Ready(Ok(()))
            }
            Err(ended) => {
                self.early = None;
                self.fail_handshake(ended);
                self.poll_settle(Role::Reader, cx)
            }
        }
    }

    /// There is no early data to wait for.
    fn poll_early_over(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        match self.phase {
            Phase::Failing(_) | Phase::Failed(_) => self.poll_settle(Role::Reader, cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Answers early data before the client has finished: how much was taken.
    pub(crate) fn poll_write_early(
        &mut self,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        if !self.is_answering_early() {
            let text = "there is no early data that was accepted, or its handshake is over";
            return Poll::Ready(Err(Error::new(ErrorKind::State, text)));
        }
        ready!(self.poll_flush_early(cx))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = ready!(self.poll_call(Role::Reader, cx, |io| io.write_early(bytes)));
        match written {
            Ok(count) => {
                let _ = self.io.io_mut().poll_push();
                Poll::Ready(Ok(count))
            }
            Err(ended) => {
                self.fail_handshake(ended);
                self.poll_settle(Role::Reader, cx).map_ok(|()| 0)
            }
        }
    }

    /// Hands the socket what was answered.
    pub(crate) fn poll_flush_early(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        self.io.io_mut().enter(Role::Reader, cx);
        self.io.io_mut().poll_push().map_err(Error::io)
    }
}

impl<S> Connection<S> {
    /// Whether the ticket that was good when the connection was made is so still, now that the ClientHello is: an engine may
    /// have waited.
    fn has_good_ticket(&self) -> bool {
        let session = self.ssl().session().map(|session| Session::new(session.to_owned()));
        session.is_some_and(|session| session.is_ticket_good_at(SystemTime::now()))
    }

    /// Whether a server may write, though the client has not finished: to a client whose early data it has accepted.
    fn is_answering_early(&self) -> bool {
        let begun = matches!(self.early.as_deref(), Some(Early::Receiving(_) | Early::Received(_)));
        begun && matches!(self.phase, Phase::Handshake) && status(self.ssl()) == EarlyDataStatus::Accepted
    }

    /// The handshake is over: keeps what somebody has to look at.
    pub(super) fn settle_early(&mut self) {
        let Some(early) = self.early.take() else { return };
        let accepted = status(self.ssl()) == EarlyDataStatus::Accepted;
        let kept = match (*early, accepted) {
            (Early::Received(bytes), true) => Some(Early::Accepted(bytes)),
            (Early::Offered(bytes), false) => Some(Early::Unsent(bytes)),
            _ => None,
        };
        self.early = kept.map(Box::new);
    }

    /// What a server has received, once.
    pub(crate) fn take_early_data(&mut self) -> Option<Vec<u8>> {
        match *self.early.take_if(|early| matches!(**early, Early::Accepted(_)))? {
            Early::Accepted(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// What a client has to send again, once.
    pub(crate) fn take_unsent_early_data(&mut self) -> Option<Secret> {
        match *self.early.take_if(|early| matches!(**early, Early::Unsent(_)))? {
            Early::Unsent(bytes) => Some(bytes),
            _ => None,
        }
    }
}
