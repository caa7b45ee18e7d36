//! Both ends of a connection in one thread, over a wire that costs no system call.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::case::{Case, Resume};
use crate::count::{self, Heap};
use crate::peer::{Over, Peer};
use crate::trouble::{Result, Trouble};
use crate::wire::Wire;

/// What one side took: the CPU time and the allocations of its own calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// CPU time.
    pub cpu: Duration,
    /// Calls of malloc, calloc and realloc.
    pub allocations: u64,
}

/// What is told apart by side. It costs a system call a step, and so is off where instructions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Nothing.
    Off,
    /// CPU time.
    Cpu,
    /// Allocations.
    Allocations,
}

/// Both sides.
#[derive(Debug)]
pub struct Sides {
    meter: Meter,
    /// What the client took.
    pub client: Cost,
    /// What the server took.
    pub server: Cost,
}

impl Sides {
    /// Nothing yet.
    pub fn new(meter: Meter) -> Sides {
        Sides { meter, client: Cost::default(), server: Cost::default() }
    }

    fn run<T>(meter: Meter, cost: &mut Cost, step: impl FnOnce() -> T) -> T {
        match meter {
            Meter::Off => step(),
            Meter::Cpu => {
                let begin = count::cpu_time();
                let done = step();
                cost.cpu += count::cpu_time() - begin;
                done
            }
            Meter::Allocations => {
                let Heap { allocations, .. } = count::heap();
                let done = step();
                cost.allocations += count::heap().allocations - allocations;
                done
            }
        }
    }

    /// What the client does.
    pub fn client<T>(&mut self, step: impl FnOnce() -> T) -> T {
        Sides::run(self.meter, &mut self.client, step)
    }

    /// What the server does.
    pub fn server<T>(&mut self, step: impl FnOnce() -> T) -> T {
        Sides::run(self.meter, &mut self.server, step)
    }

    /// Polls both until both are done.
    ///
    /// # Errors
    /// When one fails, or neither gets on.
    pub fn join<A, B>(
        &mut self,
        client: impl Future<Output = io::Result<A>>,
        server: impl Future<Output = io::Result<B>>,
    ) -> Result<(A, B)> {
        let (mut client, mut server) = (pin!(client), pin!(server));
        let (mut one, mut other) = (None, None);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            if one.is_none()
                && let Poll::Ready(done) = self.client(|| client.as_mut().poll(&mut cx))
            {
                one = Some(done?);
            }
            if other.is_none()
                && let Poll::Ready(done) = self.server(|| server.as_mut().poll(&mut cx))
            {
                other = Some(done?);
            }
            if let (Some(_), Some(_)) = (&one, &other) {
                break;
            }
        }
        one.zip(other).ok_or_else(|| Trouble::new("the handshake makes no progress"))
    }
}

/// A client and a server, which may be of two implementations, and the wire between them.
pub struct Pair<C: Peer, S: Peer> {
    resume: Resume,
    /// There is a session.
    ready: bool,
    client: C::Client,
    server: S::Server,
    near: Wire,
    far: Wire,
}

impl<C: Peer, S: Peer> fmt::Debug for Pair<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({}, {})", C::NAME, S::NAME)
    }
}

impl<C: Over<Wire>, S: Over<Wire>> Pair<C, S> {
    /// Contexts for the case, with a session where it resumes one.
    ///
    /// # Errors
    /// When a context cannot be made, or the first handshake fails.
    pub fn new(case: &Case) -> Result<Pair<C, S>> {
        let (near, far) = Wire::pair();
        let mut pair = Pair {
            resume: case.resume,
            ready: false,
            client: C::client(case)?,
            server: S::server(case)?,
            near,
            far,
        };
        let (mut client, mut server) = pair.shake(&mut Sides::new(Meter::Off))?;
        // The tickets of TLS 1.3 come after the handshake, before the first byte.
        move_bytes(&mut server, &mut client, b"x", &mut [0])?;
        if matches!(case.resume, Resume::Id | Resume::Ticket) {
            C::remember(&mut pair.client, &client);
        }
        pair.ready = true;
        pair.part(client, server);
        Ok(pair)
    }

    /// A connection.
    ///
    /// # Errors
    /// When it fails, or has not resumed what it should.
    pub fn shake(&self, sides: &mut Sides) -> Result<(C::Stream, S::Stream)> {
        let (mut client, server) = sides
            .join(C::connect(&self.client, self.near.again()), S::accept(&self.server, self.far.again()))?;
        if self.resume != Resume::Never && self.ready {
            // One of the libraries resumes each session once, and has to get the next.
            sides.client(|| poll_nothing(&mut client))?;
        }
        let due = self.resume != Resume::Never && self.ready;
        if C::is_resumed(&client) != due && self.resume != Resume::Default {
            return Err(Trouble::new(format!("resumption is to be {due}, and is not")));
        }
        Ok((client, server))
    }

    /// Ends it.
    pub fn part(&self, client: C::Stream, server: S::Stream) {
        self.part_by_side(&mut Sides::new(Meter::Off), client, server);
    }

    fn part_by_side(&self, sides: &mut Sides, client: C::Stream, server: S::Stream) {
        let mut cx = Context::from_waker(Waker::noop());
        sides.client(|| pin!(C::part(client)).poll(&mut cx).is_ready());
        sides.server(|| pin!(S::part(server)).poll(&mut cx).is_ready());
        self.near.clear();
    }

    /// Connections, one after the other.
    ///
    /// # Errors
    /// As those of [`shake`](Self::shake).
    pub fn handshakes(&self, sides: &mut Sides, count: usize) -> Result<()> {
        for _ in 0..count {
            let (client, server) = self.shake(sides)?;
            self.part_by_side(sides, client, server);
        }
        Ok(())
    }
}

/// Reads what is no data.
///
/// # Errors
/// When there is data, or the end.
pub fn poll_nothing(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let mut space = [0; 1];
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut space)) {
        Poll::Pending => Ok(()),
        Poll::Ready(done) => Err(Trouble::new(format!("there is something to read: {done:?}"))),
    }
}

/// Writes `bytes` on one side and reads them on the other, into `space`.
///
/// # Errors
/// When a side fails, or does not get on.
pub fn move_bytes(
    writer: &mut (impl AsyncWrite + Unpin),
    reader: &mut (impl AsyncRead + Unpin),
    bytes: &[u8],
    space: &mut [u8],
) -> Result<()> {
    let mut cx = Context::from_waker(Waker::noop());
    let stall = || Trouble::new("the bytes make no progress");
    let mut rest = bytes;
    let mut left = bytes.len();
    while left > 0 {
        // A library that keeps records back takes no more than it has room for.
        while !rest.is_empty()
            && let Poll::Ready(count) = Pin::new(&mut *writer).poll_write(&mut cx, rest)
        {
            rest = &rest[count?..];
        }
        if let Poll::Ready(done) = Pin::new(&mut *writer).poll_flush(&mut cx) {
            done?;
        }
        let mut buf = ReadBuf::new(space);
        match Pin::new(&mut *reader).poll_read(&mut cx, &mut buf) {
            Poll::Ready(done) => done?,
            Poll::Pending => return Err(stall()),
        }
        left = left.checked_sub(buf.filled().len()).filter(|_| !buf.filled().is_empty()).ok_or_else(stall)?;
    }
    Ok(())
}
