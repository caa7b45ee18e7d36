//! The input buffer of a connection: borrowed from a pool while it has bytes, given back when it is empty, so that an
//! idle connection holds none.

use std::cell::RefCell;

/// Bytes asked of the transport at once.
pub(crate) const INPUT_SIZE: usize = 64 * 1024;

/// Buffers that a thread keeps for the next connection.
const KEPT: usize = 8;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
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

    /// The whole buffer, to read into; only when [`is_empty`](Input::is_empty). Call [`filled`](Input::filled) after.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        self.buffer.get_or_insert_with(|| {
            POOL.try_with(|pool| pool.borrow_mut().pop())
                .ok()
                .flatten()
                .unwrap_or_else(|| vec![0; INPUT_SIZE].into_boxed_slice())
        })
    }

    /// `count` bytes of the space now count.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end = count;
        if count == 0 {
            self.release();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_input_holds_no_buffer() {
        let mut input = Input::default();
        input.space()[..3].copy_from_slice(b"abc");
        input.filled(3);
        assert_eq!(input.bytes(), b"abc");
        input.consume(2);
        assert_eq!(input.bytes(), b"c");
        assert!(input.buffer.is_some());
        input.consume(1);
        assert!(input.is_empty() && input.buffer.is_none());
    }

    #[test]
    fn a_read_of_nothing_gives_the_buffer_back() {
        let mut input = Input::default();
        let _ = input.space();
        input.filled(0);
        assert!(input.buffer.is_none());
    }
}
