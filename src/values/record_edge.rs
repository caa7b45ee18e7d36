//! Where the records end in what the peer sends.

use std::ops::RangeInclusive;

/// The bytes of a record before its body: type, version, length (RFC 8446, 5.1).
const HEADER: usize = 5;

/// How many of the first five bytes of a ClientHello in the format of SSL 2.0 belong to its body (RFC 5246, appendix E.2).
const OLD_REST: u16 = 3;

/// The types that records have: ChangeCipherSpec, alerts, handshake, data, heartbeats.
const TYPES: RangeInclusive<u8> = 20..=24;

/// Follows the records of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecordEdge {
    header: [u8; HEADER],
    header_len: u8,
    left: u16,
    /// There was something that is no record of TLS: nobody knows where others see its end.
    strange: bool,
}

impl RecordEdge {
    /// How many of these bytes belong to the record that is under way, or to the next one where none is. They are followed,
    /// the others are not.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        if self.left == 0 {
            let header = match bytes.first_chunk() {
                Some(header) if self.header_len == 0 => {
                    count = HEADER;
                    *header
                }
                _ => {
                    let header_len = usize::from(self.header_len);
                    count = bytes.len().min(HEADER - header_len);
                    self.header[header_len..][..count].copy_from_slice(&bytes[..count]);
                    if header_len + count < HEADER {
                        self.header_len += count as u8;
                        return count;
                    }
                    self.header_len = 0;
                    self.header
                }
            };
            self.left = body_len(header);
            self.strange |= !TYPES.contains(&header[0]);
        }
        let body = usize::from(self.left).min(bytes.len() - count);
        self.left -= body as u16;
        count + body
    }

    /// Whether all records that were begun are whole, and all were records of TLS.
    pub(crate) fn is_between(&self) -> bool {
        self.left == 0 && self.header_len == 0 && !self.strange
    }

    /// How many bytes are missing from the record that is under way, or from its header where that is not whole.
    pub(crate) fn missing(&self) -> usize {
        if self.left > 0 { self.left() } else { HEADER - usize::from(self.header_len) }
    }

    /// How many bytes of the record are still to come, once its header is known.
    pub(crate) fn left(&self) -> usize {
        self.left.into()
    }
}

/// How many bytes follow these five.
fn body_len(header: [u8; HEADER]) -> u16 {
    let [first, second, _, high, low] = header;
    if first & 0x80 == 0 {
        return u16::from_be_bytes([high, low]);
    }
    u16::from_be_bytes([first & 0x7f, second]).saturating_sub(OLD_REST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_piece_has_bytes_of_two_records(
            lengths in proptest::collection::vec(0usize..3000, 1..8),
            sizes in proptest::collection::vec(1usize..4000, 1..8),
        ) {
            let mut wire = Vec::new();
            let mut ends = Vec::new();
            for length in &lengths {
                wire.extend([23, 3, 3]);
                wire.extend((*length as u16).to_be_bytes());
                wire.extend(vec![0xff; *length]);
                ends.push(wire.len());
            }
            let (mut edge, mut at) = (RecordEdge::default(), 0);
            for size in sizes.iter().cycle() {
                if at == wire.len() {
                    break;
                }
                let offered = &wire[at..wire.len().min(at + size)];
                let end = ends.iter().copied().find(|end| *end > at).unwrap();
                let count = edge.advance(offered);
                // To the end of the record, or all; a header without its length says nothing of the end.
                prop_assert!(count > 0);
                prop_assert_eq!(count, offered.len().min(end - at));
                at += count;
                prop_assert_eq!(edge.is_between(), at == end);
            }
            prop_assert_eq!(edge.left(), 0);
        }

        #[test]
        fn whatever_comes_is_passed_on(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let (mut edge, mut at) = (RecordEdge::default(), 0);
            while at < bytes.len() {
                let count = edge.advance(&bytes[at..]);
                prop_assert!(count > 0);
                at += count;
            }
        }
    }

    #[test]
    fn what_is_missing_is_the_header_and_then_the_body() {
        let headers = [
            ([23, 3, 3, 0, 1], 1),
            ([23, 3, 3, 0, 0], 0),
            ([22, 3, 1, 0xff, 0xff], 65535),
            ([0x80, 0, 1, 3, 1], 0),
            ([0x80, 3, 1, 3, 1], 0),
            ([0x80, 4, 1, 3, 1], 1),
            ([0xff, 0xff, 1, 3, 1], 0x7fff - 3),
        ];
        let mut edge = RecordEdge::default();
        for (header, body) in headers {
            for missing in (1..=HEADER).rev() {
                assert_eq!(edge.missing(), missing);
                assert_eq!(edge.advance(&header[HEADER - missing..][..1]), 1);
            }
            if body > 0 {
                assert_eq!((edge.missing(), edge.left()), (body, body));
                assert_eq!(edge.advance(&vec![0; body - 1]), body - 1);
                assert_eq!(edge.missing(), 1);
                // Of more than a record may have, too, no byte goes beyond it.
                assert_eq!(edge.advance(&vec![0; 100_000]), 1);
            }
        }
        assert_eq!(edge.missing(), HEADER);
    }

    #[test]
    fn a_client_hello_in_the_format_of_ssl_2_is_one_record() {
        let mut wire = vec![0x80, 43, 1, 3, 1];
        wire.resize(45, 0);
        wire.extend([22, 3, 1, 0, 1, 7]);
        let mut edge = RecordEdge::default();
        assert_eq!(edge.advance(&wire), 45);
        assert_eq!(edge.advance(&wire[45..]), 6);
        assert!(!edge.is_between(), "who takes it for a record of TLS sees another end");
    }
}
