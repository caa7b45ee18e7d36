//! A transport that follows a script: bytes one by one or in random pieces, pendings that nobody needs, errors and ends
//! at a place.

#![allow(dead_code, reason = "each test program uses some of these")]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::waker::Dice;

/// How a transport behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    /// Where its random choices begin.
    pub(crate) seed: u64,
    /// The most bytes that one call moves.
    pub(crate) piece: usize,
    /// The bytes that a direction holds before a write has to wait.
    pub(crate) capacity: usize,
    /// Whether it takes several slices at once.
    pub(crate) vectored: bool,
    /// How many calls of 100 answer "pending" and wake at once.
    pub(crate) spurious: usize,
    /// A write fails once so many bytes have passed.
    pub(crate) write_error_at: Option<usize>,
    /// A read fails once so many bytes have passed.
    pub(crate) read_error_at: Option<usize>,
    /// The peer's bytes end after so many.
    pub(crate) end_at: Option<usize>,
}

impl Script {
    /// Moves everything at once.
    pub(crate) fn plain() -> Script {
        Script {
            seed: 1,
            piece: usize::MAX,
            capacity: usize::MAX,
            vectored: false,
            spurious: 0,
            write_error_at: None,
            read_error_at: None,
            end_at: None,
        }
    }

    /// Moves byte by byte.
    pub(crate) fn byte_by_byte() -> Script {
        Script { piece: 1, ..Script::plain() }
    }
}

/// One direction. It keeps one waker for each end, as a socket may.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    ended: bool,
    gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a scripted connection.
#[derive(Debug)]
pub(crate) struct Scripted {
    input: Arc<Mutex<Pipe>>,
    output: Arc<Mutex<Pipe>>,
    script: Script,
    dice: Dice,
    read: usize,
    written: usize,
    writes: usize,
}

/// Both ends; `near` and `far` say how each end's own calls behave.
pub(crate) fn pair(near: Script, far: Script) -> (Scripted, Scripted) {
    let (a, b) = (Arc::new(Mutex::new(Pipe::default())), Arc::new(Mutex::new(Pipe::default())));
    (Scripted::new(&a, &b, near), Scripted::new(&b, &a, far))
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(|e| e.into_inner())
}

fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

impl Scripted {
    fn new(input: &Arc<Mutex<Pipe>>, output: &Arc<Mutex<Pipe>>, script: Script) -> Scripted {
        let (input, output) = (Arc::clone(input), Arc::clone(output));
        Scripted { input, output, script, dice: Dice::new(script.seed), read: 0, written: 0, writes: 0 }
    }

    /// Changes how it behaves from now on; the places of errors count from here.
    pub(crate) fn follow(&mut self, script: Script) {
        self.script = script;
        (self.read, self.written) = (0, 0);
        for pipe in [&self.input, &self.output] {
            let mut pipe = lock(pipe);
            wake(&mut pipe.reader);
            wake(&mut pipe.writer);
        }
    }

    /// Puts bytes where this end will read them, whoever the other end is.
    pub(crate) fn inject(&mut self, bytes: &[u8]) {
        let mut pipe = lock(&self.input);
        pipe.bytes.extend(bytes);
        wake(&mut pipe.reader);
    }

    /// How many writes have had bytes taken.
    pub(crate) fn writes(&self) -> usize {
        self.writes
    }

    /// Takes the bytes that the other end has not read.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        let mut pipe = lock(&self.output);
        let bytes = pipe.bytes.drain(..).collect();
        wake(&mut pipe.writer);
        bytes
    }

    fn hesitates(&mut self, cx: &Context<'_>) -> bool {
        let hesitates = self.dice.chance(self.script.spurious);
        if hesitates {
            cx.waker().wake_by_ref();
        }
        hesitates
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.hesitates(cx) {
            return Poll::Pending;
        }
        if this.script.read_error_at.is_some_and(|at| this.read >= at) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if this.script.end_at.is_some_and(|at| this.read >= at) {
            return Poll::Ready(Ok(()));
        }
        let room = [this.script.read_error_at, this.script.end_at].into_iter().flatten().min();
        let room = room.map_or(usize::MAX, |at| at - this.read);
        let mut pipe = lock(&this.input);
        if pipe.bytes.is_empty() {
            if pipe.ended || pipe.gone {
                return Poll::Ready(Ok(()));
            }
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = pipe.bytes.len().min(buf.remaining()).min(room).min(this.script.piece);
        let count = if most == usize::MAX || this.script.piece == usize::MAX {
            most
        } else {
            1 + this.dice.below(most)
        };
        let (front, back) = pipe.bytes.as_slices();
        let first = count.min(front.len());
        buf.put_slice(&front[..first]);
        buf.put_slice(&back[..count - first]);
        pipe.bytes.drain(..count);
        this.read += count;
        wake(&mut pipe.writer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.hesitates(cx) {
            return Poll::Pending;
        }
        if this.script.write_error_at.is_some_and(|at| this.written >= at) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let left = this.script.write_error_at.map_or(usize::MAX, |at| at - this.written);
        let mut pipe = lock(&this.output);
        if pipe.gone || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = this.script.capacity.saturating_sub(pipe.bytes.len());
        if room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = bytes.len().min(room).min(left).min(this.script.piece);
        let count = if this.script.piece == usize::MAX { most } else { 1 + this.dice.below(most) };
        pipe.bytes.extend(&bytes[..count]);
        this.written += count;
        this.writes += 1;
        wake(&mut pipe.reader);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(self.script.vectored, "nobody has said that it could do that");
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(cx, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.script.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitates(cx) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitates(cx) {
            return Poll::Pending;
        }
        let mut pipe = lock(&self.output);
        pipe.ended = true;
        wake(&mut pipe.reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let mut output = lock(&self.output);
        output.ended = true;
        wake(&mut output.reader);
        drop(output);
        let mut input = lock(&self.input);
        input.gone = true;
        wake(&mut input.writer);
    }
}
