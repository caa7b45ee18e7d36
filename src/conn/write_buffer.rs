//! Plaintext that is kept back until there is enough of it for full records.

use super::plaintext::Plaintext;

/// The most plaintext that one write takes: its records go out in one piece.
pub(super) const WRITE_MAX: usize = 64 * 1024;

/// Bytes that the application has written and libssl has not been given.
#[derive(Default)]
pub(super) struct WriteBuffer {
    limit: usize,
    kept: Plaintext,
}

impl WriteBuffer {
    /// Keeps up to `limit` bytes from now on; 0 keeps none, once what is there is gone.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(WRITE_MAX);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.kept.used() >= self.limit
    }

    /// Whether a write of `count` bytes is better off without it.
    pub(super) fn is_passed_by(&self, count: usize) -> bool {
        self.is_empty() && count >= self.limit
    }

    /// Takes what there is room for; how much that was.
    pub(super) fn put(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.limit.saturating_sub(self.kept.used()));
        self.kept.put(&bytes[..count], self.limit);
        count
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.kept.bytes()
    }

    /// Drops the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.kept.consume(count);
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
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
        assert!(buffer.is_empty() && buffer.kept.capacity() == 0);
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
