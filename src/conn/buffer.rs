//! The buffers of a connection: borrowed from a pool while they have bytes, given back when they are empty, so that an
//! idle connection holds none.

use std::cell::RefCell;

/// Bytes asked of the transport at once.
pub(crate) const INPUT_SIZE: usize = 64 * 1024;

/// Room for the records of one write, and for whatever libssl adds to it.
const OUTPUT_SIZE: usize = 68 * 1024;

/// Buffers of each kind that a thread keeps for the next connection.
const KEPT: usize = 8;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static OUTPUTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Ciphertext that was read from the transport and not yet taken by libssl.
#[derive(Default)]
pub(crate) struct Input {
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |buffer| &buffer[self.start..self.end])
    }

    /// Drops the first `count` bytes; the buffer goes back to the pool with the last one.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            self.release();
        }
    }

    /// The whole buffer, to read into; only when nothing is in it.
    fn space(&mut self) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        self.buffer.get_or_insert_with(|| {
            POOL.try_with(|pool| pool.borrow_mut().pop())
                .ok()
                .flatten()
                .unwrap_or_else(|| vec![0; INPUT_SIZE].into_boxed_slice())
        })
    }

    /// Room behind the bytes that are there, which are moved to the front; empty when the buffer is full. Call
    /// [`extended`](Input::extended) after.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let (start, end) = (self.start, self.end);
        if start == end {
            return self.space();
        }
        let Some(buffer) = &mut self.buffer else { return &mut [] };
        buffer.copy_within(start..end, 0);
        (self.start, self.end) = (0, end - start);
        &mut buffer[self.end..]
    }

    /// `count` bytes of the room now count, too.
    pub(crate) fn extended(&mut self, count: usize) {
        self.end += count;
        if self.is_empty() {
            self.release();
        }
    }

    /// Puts bytes behind those that are there: no more than fit.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.room()[..bytes.len()].copy_from_slice(bytes);
            self.extended(bytes.len());
        }
    }

    fn release(&mut self) {
        (self.start, self.end) = (0, 0);
        if let Some(buffer) = self.buffer.take() {
            let _ = POOL.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < KEPT {
                    pool.push(buffer);
                }
            });
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
pub(crate) struct Output {
    buffer: Vec<u8>,
    /// How much of it the transport has taken.
    start: usize,
}

impl Output {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.buffer.capacity() == 0 {
            self.buffer = OUTPUTS
                .try_with(|pool| pool.borrow_mut().pop())
                .ok()
                .flatten()
                .unwrap_or_else(|| Vec::with_capacity(OUTPUT_SIZE));
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Drops the first `count` bytes; the buffer goes back to the pool with the last one.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
        if self.is_empty() {
            self.release();
        }
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        self.release();
    }

    fn release(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.start = 0;
        // One that a peer who does not read has made larger goes to the system.
        if buffer.capacity() == OUTPUT_SIZE {
            buffer.clear();
            let _ = OUTPUTS.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < KEPT {
                    pool.push(buffer);
                }
            });
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.release();
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
        assert!(output.is_empty() && output.buffer.capacity() == 0);
        output.push(b"again");
        assert_eq!(output.bytes(), b"again");
        output.clear();
        assert!(output.is_empty() && output.buffer.capacity() == 0);
    }

    #[test]
    fn an_empty_input_holds_no_buffer() {
        let mut input = Input::default();
        input.room()[..3].copy_from_slice(b"abc");
        input.extended(3);
        assert_eq!(input.bytes(), b"abc");
        input.consume(2);
        assert_eq!(input.bytes(), b"c");
        assert!(input.buffer.is_some());
        input.consume(1);
        assert!(input.is_empty() && input.buffer.is_none());
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
        assert!(input.buffer.is_none());
    }
}
