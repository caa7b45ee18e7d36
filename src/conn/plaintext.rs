//! Plaintext that waits: overwritten before its memory is given back.

use crate::values::secret::wipe;

/// Bytes that are put in at one end and taken out at the other. It holds memory only while it has bytes.
#[derive(Default)]
pub(super) struct Plaintext {
    bytes: Vec<u8>,
    start: usize,
}

impl Plaintext {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// How much of its memory is used, by what was taken out as well.
    pub(super) fn used(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Puts `bytes` in. Where more memory is needed, it is enough for `capacity` bytes in all, or else for twice as many
    /// as before, so that many small pieces are not copied again for each.
    pub(super) fn put(&mut self, bytes: &[u8], capacity: usize) {
        let needed = self.bytes.len() + bytes.len();
        if self.bytes.capacity() < needed {
            // Not by the vector itself, which would leave a copy behind in the memory it comes from.
            let enough = if needed <= capacity { capacity } else { needed.next_power_of_two() };
            let mut larger = Vec::with_capacity(enough);
            larger.extend_from_slice(&self.bytes);
            let start = self.start;
            self.clear();
            (self.bytes, self.start) = (larger, start);
        }
        self.bytes.extend_from_slice(bytes);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Drops the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        wipe(&mut self.bytes);
        (self.bytes, self.start) = (Vec::new(), 0);
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.clear();
    }
}
