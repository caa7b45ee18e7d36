//! Between libssl and the socket: large reads, one write for all records of a call (or neither, where the application has it
//! so), and no record ever lost.
//!
//! libssl is given a record at a time, so that none waits in a buffer of its own: what was read ahead and not asked for can
//! be handed out, and libssl never moves it to the front. A large record that comes alone is read into libssl's buffer.
//!
//! libssl never sees "would block" for a write: what the socket does not take is kept here, and nothing more is
//! accepted until it is gone. So a write that was reported as done is done, a write future that is dropped half-way
//! leaves no half-written record behind, and what is kept is bounded by one call.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffer::{INPUT_SIZE, Input, Output};
use super::holdback::HoldBack;
use super::wakers::{Flow, Role, Wakers};
use crate::sys::bio::{ByteIo, Feed, IoStep};

/// Corked bytes beyond which the socket is tried in the middle of a call.
const CORK_LIMIT: usize = 64 * 1024;

/// From how many bytes on a record is worth a read of its own rather than a copy.
const LARGE: usize = 4 * 1024;

/// A socket, with what was read ahead of libssl and what libssl wrote ahead of the socket.
pub(crate) struct Transport<S> {
    io: S,
    input: Input,
    /// The last read had more than one record in it.
    many: bool,
    /// The next record is likely to be a large one, alone.
    direct: bool,
    /// Records are read and written many at a time.
    gathers: bool,
    /// The peer has ended the transport.
    ended: bool,
    output: Output,
    /// libssl asked for a flush of the socket that has not happened.
    flush_due: bool,
    /// Collect records instead of writing each.
    corked: bool,
    /// Whether libssl may wait for the socket, or has to do with what was read ahead.
    may_read: bool,
    error: Option<io::Error>,
    /// A read has failed.
    unreadable: bool,
    /// Its reads wait until there is something.
    blocks: bool,
    /// A write has failed. libssl is not told: it would read no more, and the peer may have said something before it went.
    broken: Option<io::Error>,
    /// Nobody was told of that, nor has anybody looked for what the peer has said before.
    untold: bool,
    wakers: Wakers,
    /// Few have it, and it is large.
    hold: Option<Box<Hold>>,
}

/// The reading ahead for a PSK identity.
#[derive(Default)]
struct Hold {
    scan: HoldBack,
    /// How many bytes libssl has taken.
    passed: u64,
}

/// How a transport ended.
#[derive(Debug)]
pub(crate) enum TransportEnd {
    /// The peer sent its end of file.
    Eof,
    /// It failed.
    Error(io::Error),
}

impl<S> Transport<S> {
    pub(crate) fn new(io: S) -> Transport<S> {
        Transport {
            io,
            input: Input::default(),
            many: false,
            direct: false,
            gathers: true,
            ended: false,
            output: Output::default(),
            flush_due: false,
            corked: true,
            may_read: true,
            error: None,
            unreadable: false,
            blocks: false,
            broken: None,
            untold: false,
            wakers: Wakers::new(),
            hold: None,
        }
    }

    /// Begins to hold back the record with a PSK identity in it. Before the first read.
    pub(crate) fn hold_identity(&mut self) {
        self.hold = Some(Box::default());
    }

    /// The identity of a record that is held back, once it is whole.
    pub(crate) fn held_identity(&self) -> Option<Option<&[u8]>> {
        let hold = self.hold.as_ref()?;
        (hold.scan.is_done() && hold.scan.holds()).then(|| hold.scan.identity())
    }

    /// Lets everything pass.
    pub(crate) fn release(&mut self) {
        self.hold = None;
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.io
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self.io
    }

    /// The socket, and what was read from it that libssl has not taken.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        let unread = self.input.bytes().to_vec();
        (self.io, unread)
    }

    /// Whether bytes were read ahead of libssl.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// A task polls the connection.
    pub(crate) fn enter(&mut self, role: Role, cx: &Context<'_>) {
        self.wakers.enter(role, cx);
    }

    /// Polls an operation that a hook has left, for both tasks where both wait for it.
    pub(crate) fn poll_hook(&mut self, poll: impl FnOnce(&mut Context<'_>) -> Poll<()>) -> Poll<()> {
        self.wakers.poll(Flow::Hook, poll)
    }

    /// Wakes the other task of a split stream.
    pub(crate) fn wake(&self, role: Role) {
        self.wakers.wake(role);
    }

    pub(crate) fn set_corked(&mut self, corked: bool) {
        self.corked = corked;
    }

    /// Whether records are read and written many at a time.
    pub(crate) fn set_gathers(&mut self, gathers: bool) {
        self.gathers = gathers;
    }

    pub(crate) fn gathers(&self) -> bool {
        self.gathers
    }

    pub(crate) fn set_may_read(&mut self, may_read: bool) {
        self.may_read = may_read;
    }

    /// The socket's reads wait until there is something: nobody may read just to see whether there is.
    pub(crate) fn set_blocks(&mut self) {
        self.blocks = true;
    }

    /// Whether a read may wait.
    pub(crate) fn blocks(&self) -> bool {
        self.blocks
    }

    /// Whether the socket takes nothing any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Whether that has to be told; once.
    pub(crate) fn take_untold(&mut self) -> bool {
        std::mem::take(&mut self.untold)
    }

    /// The error of the socket that takes nothing any more, if nobody was told.
    pub(crate) fn untold(&self) -> Option<io::Error> {
        self.broken.as_ref().filter(|_| self.untold).map(again)
    }

    /// Drops what the socket has not taken.
    pub(crate) fn discard(&mut self) {
        self.output.clear();
        self.flush_due = false;
    }

    /// Whether bytes wait for the socket, or the socket for a flush.
    pub(crate) fn must_push(&self) -> bool {
        !self.output.is_empty() || self.flush_due
    }

    /// How the transport ended, if it did. An error is given out once.
    pub(crate) fn take_end(&mut self) -> Option<TransportEnd> {
        match self.error.take() {
            Some(error) => Some(TransportEnd::Error(error)),
            None => self.ended.then_some(TransportEnd::Eof),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    /// Hands the socket what it has not taken, and flushes it where libssl asked for that.
    pub(crate) fn poll_push(&mut self) -> Poll<io::Result<()>> {
        if let Some(error) = &self.broken {
            return Poll::Ready(Err(again(error)));
        }
        let pushed = ready!(self.poll_push_on());
        if let Err(error) = &pushed {
            self.give_up(again(error));
        }
        Poll::Ready(pushed)
    }

    fn poll_push_on(&mut self) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let bytes = self.output.bytes();
            let taken =
                ready!(self.wakers.poll(Flow::Out, |cx| Pin::new(&mut self.io).poll_write(cx, bytes)))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.consume(taken);
        }
        if self.flush_due {
            ready!(self.wakers.poll(Flow::Out, |cx| Pin::new(&mut self.io).poll_flush(cx)))?;
            self.flush_due = false;
        }
        Poll::Ready(Ok(()))
    }

    /// The socket takes nothing any more.
    fn give_up(&mut self, error: io::Error) {
        self.discard();
        self.broken = Some(error);
        self.untold = true;
    }

    /// Hands the socket what it has not taken, and `bytes` behind it, in one go; how many of `bytes` it has taken. Pending, too,
    /// when it cannot do that: `bytes` must be kept then.
    fn poll_pass(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let kept = self.output.bytes();
        if !kept.is_empty() && !self.io.is_write_vectored() {
            return Poll::Pending;
        }
        let taken = ready!(self.wakers.poll(Flow::Out, |cx| {
            let io = Pin::new(&mut self.io);
            match kept {
                [] => io.poll_write(cx, bytes),
                _ => io.poll_write_vectored(cx, &[IoSlice::new(kept), IoSlice::new(bytes)]),
            }
        }))?;
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let old = taken.min(kept.len());
        self.output.consume(old);
        Poll::Ready(Ok(taken - old))
    }

    /// Pushes, and flushes the socket in any case.
    pub(crate) fn poll_flush(&mut self) -> Poll<io::Result<()>> {
        self.flush_due |= self.broken.is_none();
        self.poll_push()
    }

    /// Pushes, and ends the socket's writing half.
    pub(crate) fn poll_shutdown(&mut self) -> Poll<io::Result<()>> {
        ready!(self.poll_push())?;
        self.wakers.poll(Flow::Out, |cx| Pin::new(&mut self.io).poll_shutdown(cx))
    }

    /// How many of the bytes that were read ahead libssl may have.
    fn passable(&self) -> usize {
        let count = self.input.bytes().len();
        self.hold.as_ref().map_or(count, |hold| hold.scan.passable(hold.passed, count))
    }

    /// Whether there is nothing to read: libssl need not be asked. Only when it is at the beginning of a record, and waits for
    /// nothing else.
    pub(crate) fn is_dry(&mut self) -> bool {
        !self.direct && self.gathers && self.input.is_empty() && matches!(self.fill(), Some(IoStep::Retry))
    }

    /// What keeps from reading from the socket.
    fn obstacle(&mut self) -> Option<IoStep> {
        if self.unreadable {
            return Some(IoStep::Failed);
        }
        if self.ended {
            return Some(IoStep::End);
        }
        if !self.may_read {
            return Some(IoStep::Retry);
        }
        if self.must_push() {
            // Whoever waits for an answer must have asked: from a blocking stream's read there is no way back to do
            // it. What comes of it is told by the next push; until then there may be something to read.
            let _ = self.poll_push();
        }
        None
    }

    /// Reads ahead of libssl, behind what is there; `None` when there is more now.
    fn fill(&mut self) -> Option<IoStep> {
        let obstacle = self.obstacle();
        if obstacle.is_some() {
            return obstacle;
        }
        let room = self.input.room();
        if room.is_empty() {
            // More than a handshake can need is held: let it pass, and fail where it fails.
            self.release();
            return None;
        }
        let mut room = ReadBuf::new(room);
        let answer = self.wakers.poll(Flow::In, |cx| Pin::new(&mut self.io).poll_read(cx, &mut room));
        let fresh = room.filled();
        if let Some(hold) = &mut self.hold {
            hold.scan.follow(fresh);
        }
        let count = fresh.len();
        self.input.extended(count);
        self.many = false;
        self.outcome(answer, count)
    }

    /// Reads into libssl's buffer. What is there beyond the record goes the other way.
    fn read_direct(&mut self, feed: &mut Feed<'_>, most: usize) -> IoStep {
        if let Some(step) = self.obstacle() {
            return step;
        }
        let (answer, count) = feed.read_with(
            most,
            |buf| self.wakers.poll(Flow::In, |cx| Pin::new(&mut self.io).poll_read(cx, buf)),
            |rest| self.input.put(rest),
        );
        if let Some(step) = self.outcome(answer, count) {
            return step;
        }
        self.many = false;
        self.expect(count, feed.left());
        IoStep::Bytes(count)
    }

    /// What a read of so many bytes comes to; `None` when there are any.
    fn outcome(&mut self, answer: Poll<io::Result<()>>, count: usize) -> Option<IoStep> {
        match answer {
            Poll::Ready(Ok(())) if count == 0 => {
                self.ended = true;
                Some(IoStep::End)
            }
            Poll::Ready(Ok(())) => None,
            Poll::Ready(Err(error)) => {
                self.unreadable = true;
                self.error = Some(error);
                Some(IoStep::Failed)
            }
            Poll::Pending => Some(IoStep::Retry),
        }
    }

    /// After libssl got so many bytes, and so many are left of the record: what the next read is likely to bring.
    fn expect(&mut self, count: usize, left: usize) {
        self.many |= !self.input.is_empty();
        self.direct = !self.many && self.hold.is_none() && count.max(left) >= LARGE;
    }
}

/// The same error once more.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ByteIo for Transport<S> {
    fn read(&mut self, feed: &mut Feed<'_>) -> IoStep {
        let passable = loop {
            let passable = self.passable();
            if passable > 0 {
                break passable;
            }
            if self.held_identity().is_some() {
                // The rest waits for the application's answer, not for the socket.
                return IoStep::Retry;
            }
            if !self.gathers {
                return self.read_direct(feed, feed.missing());
            }
            // The rest of a record may be small; and what is too much for libssl must fit into our buffer.
            if self.direct && (LARGE..=INPUT_SIZE).contains(&feed.remaining()) {
                return self.read_direct(feed, feed.remaining());
            }
            if let Some(stop) = self.fill() {
                return stop;
            }
        };
        let count = feed.put(&self.input.bytes()[..passable]);
        self.input.consume(count);
        self.expect(count, feed.left());
        if let Some(hold) = &mut self.hold {
            hold.passed += count as u64;
            if hold.scan.is_done() && !hold.scan.holds() {
                self.hold = None;
            }
        }
        IoStep::Bytes(count)
    }

    fn write(&mut self, bytes: &[u8]) -> IoStep {
        if self.broken.is_some() {
            return IoStep::Bytes(bytes.len());
        }
        let mut taken = 0;
        // The last record goes straight through, behind what is kept: no copy of it.
        while !self.corked && taken < bytes.len() {
            match self.poll_pass(&bytes[taken..]) {
                Poll::Ready(Ok(count)) => taken += count,
                Poll::Ready(Err(error)) => {
                    self.give_up(error);
                    return IoStep::Bytes(bytes.len());
                }
                Poll::Pending => break,
            }
        }
        if taken < bytes.len() {
            self.output.push(&bytes[taken..]);
        }
        if self.output.bytes().len() >= CORK_LIMIT {
            // What comes of it is told by the next push.
            let _ = self.poll_push();
        }
        IoStep::Bytes(bytes.len())
    }

    fn flush(&mut self) -> IoStep {
        // The push itself is the caller's, after the call of libssl: it can wait, libssl cannot.
        self.flush_due |= self.broken.is_none();
        IoStep::Bytes(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::record_edge::RecordEdge;
    use std::mem::MaybeUninit;
    use std::task::Waker;

    /// Records of 4096 bytes, without an end and as many as fit.
    #[derive(Default)]
    struct Flood(usize);

    impl AsyncRead for Flood {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            // The first one alone.
            let count = if self.0 == 0 { 5 + 4096 } else { buf.remaining() };
            for at in self.0..self.0 + count {
                buf.put_slice(&[[23, 3, 3, 0x10, 0].get(at % (5 + 4096)).copied().unwrap_or(0)]);
            }
            self.0 += count;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Flood {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_libssl_with_a_larger_buffer_than_ours_gets_one_record_at_a_time() {
        let mut transport = Transport::new(Flood::default());
        transport.enter(Role::Reader, &Context::from_waker(Waker::noop()));
        // SSL_CTX_set_default_read_buffer_len
        let mut room = vec![MaybeUninit::uninit(); 4 * INPUT_SIZE];
        let mut edge = RecordEdge::default();
        for _ in 0..100 {
            let mut feed = Feed::new(&mut room, edge);
            assert!(matches!(transport.read(&mut feed), IoStep::Bytes(_)));
            let (count, after) = feed.end();
            edge = after;
            // A record, or the part of it that our own buffer had room for.
            assert!((1..=4101).contains(&count));
        }
    }
}
