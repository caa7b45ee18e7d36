//! The writing half of a connection: records, the buffer for small writes, flushing, closing.

use std::io::{self, IoSlice};
use std::task::{Context as TaskContext, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, Phase};
use super::drive::Ended;
use super::record_pace::RECORD_MAX;
use super::wakers::Role;
use super::write_buffer::WRITE_MAX;
use crate::sys::ssl_io::{SslIo, Stop};
use crate::values::error::{Error, ErrorKind};
use crate::values::record_sizing::RecordSizing;
use crate::values::secret::wipe;

/// A slice below this size is gathered with its neighbours into one record.
const GATHER_BELOW: usize = 4 * 1024;

impl<S> Connection<S> {
    /// Keeps up to so many bytes of small writes back.
    pub(crate) fn set_write_buffering(&mut self, bytes: usize) {
        self.buffer.set_limit(bytes);
    }

    pub(crate) fn set_record_gathering(&mut self, gathers: bool) {
        self.io.io_mut().set_gathers(gathers);
    }

    pub(crate) fn set_record_sizing(&mut self, sizing: RecordSizing) {
        self.pace.set_sizing(sizing);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Writes some of `bytes`. Without a buffer, what it took has been handed to the socket, or will be before anything else.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        if !self.buffer.is_passed_by(bytes.len()) {
            ready!(self.poll_room(cx))?;
        }
        if self.buffer.is_passed_by(bytes.len()) {
            return self.poll_write_through(Role::Writer, cx, bytes);
        }
        Poll::Ready(Ok(self.buffer.put(bytes)))
    }

    /// Writes some of the slices: small ones together in one record.
    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        let mut filled = slices.iter().filter(|s| !s.is_empty());
        let first = filled.next().map_or(&[][..], |s| s);
        if first.len() >= GATHER_BELOW || filled.next().is_none() {
            return self.poll_write(cx, first);
        }
        let all = slices.iter().map(|s| s.len()).sum::<usize>();
        if !self.buffer.is_passed_by(all) {
            ready!(self.poll_room(cx))?;
        }
        if !self.buffer.is_passed_by(all) {
            return Poll::Ready(Ok(slices.iter().map(|slice| self.buffer.put(slice)).sum()));
        }
        let mut gathered = Vec::with_capacity(all.min(WRITE_MAX));
        for slice in slices {
            let room = WRITE_MAX - gathered.len();
            gathered.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let written = self.poll_write_through(Role::Writer, cx, &gathered);
        wipe(&mut gathered);
        written
    }

    /// Ready when there is room in the buffer.
    fn poll_room(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_unclosed(Role::Writer, cx))?;
        if self.io.io().is_broken() {
            // What is kept back would be lost.
            return self.poll_writable(Role::Writer, cx);
        }
        if self.buffer.is_full() { self.poll_drain(Role::Writer, cx) } else { Poll::Ready(Ok(())) }
    }

    /// Writes some of `bytes`, past the buffer.
    fn poll_write_through(
        &mut self,
        role: Role,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        ready!(self.poll_writable(role, cx))?;
        self.attend(role, cx);
        ready!(self.poll_decided(role, cx))?;
        if role == Role::Writer {
            ready!(self.poll_quiet(cx))?;
        }
        let bytes = &bytes[..bytes.len().min(WRITE_MAX)];
        let mut written = 0;
        // The most that libssl puts into one record, when it is known.
        let mut fragment = usize::MAX;
        let gathers = self.io.io().gathers();
        self.pace.begin();
        while written < bytes.len() {
            let rest = &bytes[written..];
            let most = self.pace.next().min(fragment);
            // All records of a write go out together, if they are gathered.
            self.io.io_mut().set_corked(gathers && rest.len() > most);
            let rest = &rest[..rest.len().min(most)];
            match self.poll_call(role, cx, |io| io.write(rest)) {
                Poll::Ready(Ok(count)) => {
                    if count < rest.len() {
                        fragment = count;
                    }
                    written += count;
                    self.pace.sent(count);
                }
                Poll::Ready(Err(ended)) => {
                    self.fail(ended);
                    break;
                }
                Poll::Pending => break,
            }
        }
        self.io.io_mut().set_corked(false);
        if written == 0 && !bytes.is_empty() {
            return match self.phase {
                Phase::Failing(_) => self.poll_settle(role, cx).map_ok(|()| 0),
                _ => Poll::Pending,
            };
        }
        // A part of it may have passed: what comes of the rest is told by the next call, whichever it is.
        let _ = self.io.io_mut().poll_push();
        Poll::Ready(Ok(written))
    }

    /// Ready when the buffer is empty: libssl has its bytes.
    fn poll_drain(&mut self, role: Role, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        while !self.buffer.is_empty() {
            // Out of the connection for the call; a panic of a hook in the middle of it drops it, overwritten.
            let mut buffer = std::mem::take(&mut self.buffer);
            let outcome = self.poll_write_through(role, cx, buffer.bytes());
            match &outcome {
                Poll::Ready(Ok(count)) => buffer.consume(*count),
                Poll::Ready(Err(_)) => buffer.clear(),
                Poll::Pending => {}
            }
            self.buffer = buffer;
            ready!(outcome)?;
        }
        Poll::Ready(Ok(()))
    }

    /// A read has to wait: sends what is in the buffer, as far as that can be done now.
    pub(super) fn send_buffered(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Error> {
        if self.buffer.is_empty() || self.is_shaking_hands() || self.io.shutdown_state().sent {
            return Ok(());
        }
        match self.poll_drain(Role::Reader, cx) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Ok(()),
        }
    }

    /// Ready when everything written is with the socket, and flushed there.
    pub(crate) fn poll_flush(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_ready(Role::Writer, cx))?;
        ready!(self.poll_drain(Role::Writer, cx))?;
        self.io.io_mut().enter(Role::Writer, cx);
        match ready!(self.io.io_mut().poll_flush()) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.fail_push(error))),
        }
    }

    /// Sends close_notify, once, behind all that was written, and ends the writing half of the socket. Reading goes on.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        if matches!(self.phase, Phase::Open) && !self.io.shutdown_state().sent {
            ready!(self.poll_drain(Role::Writer, cx))?;
            match self.poll_call(Role::Writer, cx, SslIo::shutdown) {
                Poll::Pending => return Poll::Pending,
                // In the middle of a renegotiation libssl cannot close; the socket still can.
                Poll::Ready(_) => {}
            }
        }
        self.io.io_mut().enter(Role::Writer, cx);
        self.io.io_mut().poll_shutdown().map_err(Error::io)
    }

    /// Tells a reader who would wait that the socket takes nothing more, if nobody was told: nobody else may come to ask.
    pub(super) fn tell_of_push(&mut self) -> Result<(), Error> {
        match self.io.io().untold() {
            Some(error) if !self.io.shutdown_state().sent => Err(self.fail_push(error)),
            _ => Ok(()),
        }
    }

    /// What whoever writes is told when the socket takes nothing more. Reading goes on, if the peer has not ended the connection.
    pub(super) fn fail_push(&mut self, error: io::Error) -> Error {
        match self.last_words(error) {
            Ok(error) => {
                self.finish(Err(error.without_source()));
                error
            }
            Err(ended) => self.fail_now(ended),
        }
    }

    /// The socket takes nothing more. The peer may have said why before it went: its alert, if it has arrived, tells more than
    /// the broken pipe, and ends the connection. Data before it is kept for whoever reads.
    pub(super) fn last_words(&mut self, error: io::Error) -> Result<Error, Ended> {
        let is_first = self.io.io_mut().take_untold();
        if !is_first || self.io.io().blocks() {
            // Whoever reads finds it.
            return Ok(Error::io(error));
        }
        let mut room = vec![0; RECORD_MAX];
        let mut read = Ok(());
        while read.is_ok() && !self.stash.is_full() {
            let mut buf = ReadBuf::new(&mut room);
            read = self.io.read(&mut buf).map(drop);
            self.stash.put(buf.filled());
        }
        wipe(&mut room);
        self.settle();
        // Somebody may wait for what was read.
        self.io.io().wake(Role::Reader);
        match read {
            Err(Stop::Failed(alert)) if alert.kind() == ErrorKind::PeerAlert => Err(Ended::Failed(alert)),
            Err(Stop::Failed(_)) => Err(Ended::Failed(Error::io(error))),
            Err(Stop::Panicked) => Err(Ended::Failed(self.resume_panic())),
            _ => Ok(Error::io(error)),
        }
    }

    /// A connection that can be used, and that this side has not closed.
    fn poll_unclosed(&mut self, role: Role, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_ready(role, cx))?;
        if self.io.shutdown_state().sent {
            return Poll::Ready(Err(Error::new(
                ErrorKind::Closed,
                "close_notify was sent: nothing can be written",
            )));
        }
        Poll::Ready(Ok(()))
    }

    /// As above, with nothing that waits for the socket.
    fn poll_writable(&mut self, role: Role, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_unclosed(role, cx))?;
        self.io.io_mut().enter(role, cx);
        match ready!(self.io.io_mut().poll_push()) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.fail_push(error))),
        }
    }
}
