//! Plaintext that waits: overwritten before its memory is given back.

use crate::values::secret::wipe;

/// Bytes that are put in at one end and taken out at the other. It holds memory only while it has bytes.
#[derive(Default)]
pub(super) struct Plaintext(Option<Box<Kept>>);

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    start: usize,
}

impl Plaintext {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How much of its memory is used, by what was taken out as well.
    pub(super) fn used(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.bytes.len())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |kept| &kept.bytes[kept.start..])
    }

    /// Puts `bytes` in. Where more memory is needed, it is enough for `capacity` bytes in all, or else for twice as many
    /// as before, so that many small pieces are not copied again for each.
    pub(super) fn put(&mut self, bytes: &[u8], capacity: usize) {
        if bytes.is_empty() {
            return;
        }
        let kept = self.0.get_or_insert_default();
        let needed = kept.bytes.len() + bytes.len();
        if kept.bytes.capacity() < needed {
            // Not by the vector itself, which would leave a copy behind in the memory it comes from.
            let enough = if needed <= capacity { capacity } else { needed.next_power_of_two() };
            let mut larger = Vec::with_capacity(enough);
            larger.extend_from_slice(&kept.bytes);
            wipe(&mut kept.bytes);
            kept.bytes = larger;
        }
        kept.bytes.extend_from_slice(bytes);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.bytes.capacity())
    }

    /// Drops the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        let Some(kept) = &mut self.0 else { return };
        kept.start += count;
        if kept.start >= kept.bytes.len() {
            self.clear();
        }
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}
