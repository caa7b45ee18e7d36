//! The buffers of a connection: borrowed from a pool while they have bytes, given back when they are empty, so that an
//! idle connection holds none.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Bytes asked of the transport at once.
pub(crate) const INPUT_SIZE: usize = 64 * 1024;

/// Room for the records of one write, and for whatever libssl adds to it.
const OUTPUT_SIZE: usize = 68 * 1024;

/// Buffers of each kind that a thread keeps for the next connection.
const KEPT: usize = 8;

/// Boxes, so that a connection without bytes has a pointer of each kind and no more.
type Pool<T> = RefCell<Vec<Box<T>>>;

thread_local! {
    static INPUTS: Pool<Ahead> = const { RefCell::new(Vec::new()) };
    static OUTPUTS: Pool<Behind> = const { RefCell::new(Vec::new()) };
}

/// One that was kept, if there is any.
fn kept<T>(pool: &'static LocalKey<Pool<T>>) -> Option<Box<T>> {
    pool.try_with(|pool| pool.borrow_mut().pop()).ok().flatten()
}

fn keep<T>(pool: &'static LocalKey<Pool<T>>, buffer: Box<T>) {
    let _ = pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < KEPT {
            pool.push(buffer);
        }
    });
}

/// Ciphertext that was read from the transport and not yet taken by libssl.
#[derive(Default)]
pub(crate) struct Input(Option<Box<Ahead>>);

struct Ahead {
    space: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|ahead| ahead.start == ahead.end)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |ahead| &ahead.space[ahead.start..ahead.end])
    }

    /// Drops the first `count` bytes; the buffer goes back to the pool with the last one.
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(ahead) = &mut self.0 {
            ahead.start = (ahead.start + count).min(ahead.end);
        }
        self.settle();
    }

    /// Room behind the bytes that are there, which are moved to the front; empty when the buffer is full. Call
    /// [`extended`](Input::extended) after.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let ahead = self.0.get_or_insert_with(|| {
            let new = || Box::new(Ahead { space: vec![0; INPUT_SIZE].into(), start: 0, end: 0 });
            kept(&INPUTS).unwrap_or_else(new)
        });
        if ahead.start > 0 {
            ahead.space.copy_within(ahead.start..ahead.end, 0);
            (ahead.start, ahead.end) = (0, ahead.end - ahead.start);
        }
        &mut ahead.space[ahead.end..]
    }

    /// `count` bytes of the room now count, too.
    pub(crate) fn extended(&mut self, count: usize) {
        if let Some(ahead) = &mut self.0 {
            ahead.end += count;
        }
        self.settle();
    }

    /// Puts bytes behind those that are there: no more than fit.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.room()[..bytes.len()].copy_from_slice(bytes);
            self.extended(bytes.len());
        }
    }

    /// Gives the buffer back when there is nothing in it.
    fn settle(&mut self) {
        if self.is_empty() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(mut ahead) = self.0.take() {
            (ahead.start, ahead.end) = (0, 0);
            keep(&INPUTS, ahead);
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.release();
    }
}

/// Ciphertext that libssl has written and the transport has not taken.
#[derive(Default)]
pub(crate) struct Output(Option<Box<Behind>>);

struct Behind {
    bytes: Vec<u8>,
    /// How much of it the transport has taken.
    start: usize,
}

impl Output {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |behind| &behind.bytes[behind.start..])
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let behind = self.0.get_or_insert_with(|| {
            let new = || Box::new(Behind { bytes: Vec::with_capacity(OUTPUT_SIZE), start: 0 });
            kept(&OUTPUTS).unwrap_or_else(new)
        });
        // Fewer bytes are moved than were taken.
        if behind.start > behind.bytes.len() / 2 {
            behind.bytes.drain(..behind.start);
            behind.start = 0;
        }
        behind.bytes.extend_from_slice(bytes);
    }

    /// Drops the first `count` bytes; the buffer goes back to the pool with the last one.
    pub(crate) fn consume(&mut self, count: usize) {
        let Some(behind) = &mut self.0 else { return };
        behind.start += count;
        if behind.start >= behind.bytes.len() {
            self.clear();
        }
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        // One that a peer who does not read has made larger goes to the system.
        if let Some(mut behind) = self.0.take().filter(|behind| behind.bytes.capacity() == OUTPUT_SIZE) {
            behind.bytes.clear();
            behind.start = 0;
            keep(&OUTPUTS, behind);
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_output_holds_no_buffer() {
        let mut output = Output::default();
        output.push(b"abc");
        output.consume(1);
        output.push(b"d");
        assert_eq!(output.bytes(), b"bcd");
        output.consume(3);
        assert!(output.is_empty() && output.0.is_none());
        output.push(b"again");
        assert_eq!(output.bytes(), b"again");
        output.clear();
        assert!(output.is_empty() && output.0.is_none());
    }

    #[test]
    fn an_output_that_is_never_empty_does_not_grow_without_end() {
        let mut output = Output::default();
        output.push(&[0; 100]);
        for number in 0..10_000_u32 {
            output.push(&number.to_le_bytes().repeat(25));
            output.consume(100);
            assert_eq!(output.bytes().len(), 100);
            assert_eq!(output.bytes()[..4], number.to_le_bytes());
        }
        assert_eq!(output.0.as_ref().map(|behind| behind.bytes.capacity()), Some(OUTPUT_SIZE));
    }

    #[test]
    fn an_empty_input_holds_no_buffer() {
        let mut input = Input::default();
        input.room()[..3].copy_from_slice(b"abc");
        input.extended(3);
        assert_eq!(input.bytes(), b"abc");
        input.consume(2);
        assert_eq!(input.bytes(), b"c");
        assert!(input.0.is_some());
        input.consume(1);
        assert!(input.is_empty() && input.0.is_none());
    }

    #[test]
    fn what_is_there_stays_when_more_is_read_behind_it() {
        let mut input = Input::default();
        input.room()[..3].copy_from_slice(b"abc");
        input.extended(3);
        input.consume(1);
        assert_eq!(input.room().len(), INPUT_SIZE - 2);
        input.room()[..1].copy_from_slice(b"d");
        input.extended(1);
        assert_eq!(input.bytes(), b"bcd");
    }

    #[test]
    fn a_read_of_nothing_gives_the_buffer_back() {
        let mut input = Input::default();
        let _ = input.room();
        input.extended(0);
        assert!(input.0.is_none());
    }
}
