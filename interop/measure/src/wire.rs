//! Two queues between two ends of one thread: a socket that costs no system call.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a queue has room for before it grows.
const CAPACITY: usize = 1 << 20;

#[derive(Debug)]
struct Queue {
    bytes: Vec<u8>,
    start: usize,
}

/// One end. It takes whatever it is given, and keeps no waker: whoever uses it polls both ends in turn.
#[derive(Debug)]
pub struct Wire {
    incoming: Rc<RefCell<Queue>>,
    outgoing: Rc<RefCell<Queue>>,
}

impl Wire {
    /// Both ends.
    pub fn pair() -> (Wire, Wire) {
        let queue = || Rc::new(RefCell::new(Queue { bytes: Vec::with_capacity(CAPACITY), start: 0 }));
        let (one, other) = (queue(), queue());
        (
            Wire { incoming: Rc::clone(&one), outgoing: Rc::clone(&other) },
            Wire { incoming: other, outgoing: one },
        )
    }

    /// A second handle of the same end, to use the queues again when a stream over the first is gone.
    pub fn again(&self) -> Wire {
        Wire { incoming: Rc::clone(&self.incoming), outgoing: Rc::clone(&self.outgoing) }
    }

    /// Forgets what was not read on either side.
    pub fn clear(&self) {
        for queue in [&self.incoming, &self.outgoing] {
            let mut queue = queue.borrow_mut();
            queue.bytes.clear();
            queue.start = 0;
        }
    }

    /// Takes up to `most` bytes, if there are any.
    pub fn pull(&self, most: usize, take: impl FnOnce(&[u8])) -> Option<usize> {
        let mut queue = self.incoming.borrow_mut();
        let Queue { bytes, start } = &mut *queue;
        let count = most.min(bytes.len() - *start);
        if count == 0 {
            return None;
        }
        take(&bytes[*start..*start + count]);
        *start += count;
        if *start == bytes.len() {
            bytes.clear();
            *start = 0;
        }
        Some(count)
    }

    /// Takes all of `bytes`.
    pub fn push(&self, bytes: &[u8]) {
        self.outgoing.borrow_mut().bytes.extend_from_slice(bytes);
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.pull(buf.remaining(), |bytes| buf.put_slice(bytes)) {
            Some(_) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        slices.iter().for_each(|slice| self.push(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
