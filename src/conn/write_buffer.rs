//! Plaintext that is kept back until there is enough of it for full records.

use std::hint::black_box;

/// The most plaintext that one write takes: its records go out in one piece.
pub(super) const WRITE_MAX: usize = 64 * 1024;

/// Bytes that the application has written and libssl has not been given.
///
/// It holds memory only while it has bytes, and overwrites it before it gives it back.
#[derive(Default)]
pub(super) struct WriteBuffer {
    limit: usize,
    bytes: Vec<u8>,
    start: usize,
}

impl WriteBuffer {
    /// Keeps up to `limit` bytes from now on; 0 keeps none, once what is there is gone.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(WRITE_MAX);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= self.limit
    }

    /// Whether a write of `count` bytes is better off without it.
    pub(super) fn is_passed_by(&self, count: usize) -> bool {
        self.is_empty() && count >= self.limit
    }

    /// Takes what there is room for; how much that was.
    pub(super) fn put(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.limit.saturating_sub(self.bytes.len()));
        if self.bytes.capacity() < self.bytes.len() + count {
            self.grow();
        }
        self.bytes.extend_from_slice(&bytes[..count]);
        count
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Drops the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.is_empty() {
            self.clear();
        }
    }

    /// Room for all that may come. Not by the vector itself, which would leave a copy behind in the memory it comes from.
    fn grow(&mut self) {
        let mut larger = Vec::with_capacity(self.limit);
        larger.extend_from_slice(&self.bytes);
        let start = self.start;
        self.clear();
        (self.bytes, self.start) = (larger, start);
    }

    /// Drops all, and overwrites it.
    pub(super) fn clear(&mut self) {
        self.bytes.fill(0);
        // Nobody reads the zeros; this makes them look read, so that they are written.
        black_box(&mut self.bytes);
        (self.bytes, self.start) = (Vec::new(), 0);
    }
}

impl Drop for WriteBuffer {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_it_has_room_for_and_no_more() {
        let mut buffer = WriteBuffer::default();
        assert!(buffer.is_passed_by(1) && buffer.is_full());
        buffer.set_limit(5);
        assert!(buffer.is_passed_by(5) && !buffer.is_passed_by(4));
        assert_eq!((buffer.put(b"abc"), buffer.put(b"def"), buffer.put(b"g")), (3, 2, 0));
        assert!(buffer.is_full() && !buffer.is_passed_by(100));
        buffer.consume(2);
        assert_eq!(buffer.bytes(), b"cde");
        buffer.consume(3);
        assert!(buffer.is_empty() && buffer.bytes.capacity() == 0);
    }

    #[test]
    fn a_change_of_the_limit_loses_nothing() {
        let mut buffer = WriteBuffer::default();
        buffer.set_limit(4);
        buffer.put(b"abcd");
        buffer.consume(1);
        buffer.set_limit(100_000);
        assert_eq!(buffer.put(b"ef"), 2);
        assert_eq!(buffer.bytes(), b"bcdef");
        buffer.set_limit(0);
        assert!(buffer.is_full() && !buffer.is_empty() && !buffer.is_passed_by(0));
        assert_eq!(buffer.bytes(), b"bcdef");
    }
}
