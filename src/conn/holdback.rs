//! Reading ahead of libssl for the PSK identity of TLS 1.2 and older.
//!
//! libssl asks for the key in a callback that cannot wait (openssl#19358). But the identity stands in plaintext at the
//! front of the ClientKeyExchange message, for all four kinds of PSK suites (RFC 4279, RFC 5489): so the record in which
//! that message begins is kept from libssl until the answer is there.

use crate::values::psk::IDENTITY_MAX;

const RECORD_HEADER: usize = 5;
const CONTENT_HANDSHAKE: u8 = 22;
const CONTENT_ALERT: u8 = 21;
const MESSAGE_HEADER: usize = 4;
const MESSAGE_CLIENT_KEY_EXCHANGE: u8 = 16;

/// Follows the records of a client's plaintext, up to its ClientKeyExchange.
#[derive(Debug, Default)]
pub(crate) struct HoldBack {
    /// Bytes that were followed, from the first one on.
    seen: u64,
    /// Where the record begins that must not pass.
    held_from: Option<u64>,
    record: Record,
    message: Message,
    /// The front of the ClientKeyExchange: the length of the identity, and the identity.
    front: Vec<u8>,
    done: bool,
}

#[derive(Debug, Default)]
struct Record {
    start: u64,
    header: [u8; RECORD_HEADER],
    header_len: usize,
    left: usize,
}

#[derive(Debug, Default)]
struct Message {
    header: [u8; MESSAGE_HEADER],
    header_len: usize,
    left: usize,
    is_key_exchange: bool,
}

impl HoldBack {
    /// Follows bytes as they arrive.
    pub(crate) fn follow(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.done {
                return;
            }
            self.step(*byte);
            self.seen += 1;
        }
    }

    fn step(&mut self, byte: u8) {
        if self.record.left == 0 {
            if self.record.header_len == 0 {
                self.record.start = self.seen;
            }
            self.record.header[self.record.header_len] = byte;
            self.record.header_len += 1;
            if self.record.header_len == 1 && !matches!(byte, CONTENT_HANDSHAKE | CONTENT_ALERT) {
                // ChangeCipherSpec, encrypted TLS 1.3, SSL 2.0 or garbage: no identity can follow in plaintext.
                self.done = true;
            }
            if self.record.header_len == RECORD_HEADER {
                self.record.left =
                    usize::from(u16::from_be_bytes([self.record.header[3], self.record.header[4]]));
                self.record.header_len = 0;
            }
            return;
        }
        self.record.left -= 1;
        if self.record.header[0] == CONTENT_HANDSHAKE {
            self.message_byte(byte);
        }
    }

    fn message_byte(&mut self, byte: u8) {
        let message = &mut self.message;
        if message.left == 0 {
            if message.header_len == 0 && byte == MESSAGE_CLIENT_KEY_EXCHANGE {
                self.held_from = Some(self.record.start);
                message.is_key_exchange = true;
            }
            message.header[message.header_len] = byte;
            message.header_len += 1;
            if message.header_len == MESSAGE_HEADER {
                let [_, a, b, c] = message.header;
                message.left = u32::from_be_bytes([0, a, b, c]) as usize;
                message.header_len = 0;
                if message.is_key_exchange && message.left == 0 {
                    self.done = true;
                }
            }
            return;
        }
        message.left -= 1;
        if !message.is_key_exchange {
            return;
        }
        self.front.push(byte);
        let complete = match self.front.as_slice() {
            [a, b, identity @ ..] => {
                let length = usize::from(u16::from_be_bytes([*a, *b]));
                length > IDENTITY_MAX || identity.len() >= length
            }
            _ => false,
        };
        self.done = complete || message.left == 0;
    }

    /// How many of the bytes from position `from` on may pass.
    pub(crate) fn passable(&self, from: u64, count: usize) -> usize {
        match self.held_from {
            None => count,
            Some(held) => usize::try_from(held.saturating_sub(from)).unwrap_or(count).min(count),
        }
    }

    /// Whether nothing more has to be followed.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The identity, once it is complete; `None` when there is none or when it is too long to be one.
    pub(crate) fn identity(&self) -> Option<&[u8]> {
        match self.front.as_slice() {
            [a, b, identity @ ..] => {
                let length = usize::from(u16::from_be_bytes([*a, *b]));
                (length == identity.len() && length <= IDENTITY_MAX).then_some(identity)
            }
            _ => None,
        }
    }

    /// Whether a record is held.
    pub(crate) fn holds(&self) -> bool {
        self.held_from.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind, 3, 3];
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
        out
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind];
        out.extend(&(body.len() as u32).to_be_bytes()[1..]);
        out.extend(body);
        out
    }

    fn key_exchange(identity: &[u8], rest: &[u8]) -> Vec<u8> {
        let mut body = (identity.len() as u16).to_be_bytes().to_vec();
        body.extend(identity);
        body.extend(rest);
        message(MESSAGE_CLIENT_KEY_EXCHANGE, &body)
    }

    proptest! {
        #[test]
        fn the_identity_is_found_however_the_flight_is_cut(
            identity in proptest::collection::vec(any::<u8>(), 0..=IDENTITY_MAX),
            rest in proptest::collection::vec(any::<u8>(), 0..300),
            hello in proptest::collection::vec(any::<u8>(), 0..600),
            certificate in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..600)),
            piece in 1usize..200,
            chunk in 1usize..100,
        ) {
            let first = record(CONTENT_HANDSHAKE, &message(1, &hello));
            let mut flight = certificate.map(|c| message(11, &c)).unwrap_or_default();
            flight.extend(key_exchange(&identity, &rest));
            let mut wire = first.clone();
            for fragment in flight.chunks(piece) {
                wire.extend(record(CONTENT_HANDSHAKE, fragment));
            }
            wire.extend(record(20, &[1]));

            let mut hold = HoldBack::default();
            let mut given = 0;
            for bytes in wire.chunks(chunk) {
                hold.follow(bytes);
                given += bytes.len();
                let passable = hold.passable(0, given);
                // What passes never includes a byte of the ClientKeyExchange.
                prop_assert!(!hold.holds() || passable >= first.len());
                if hold.is_done() { break; }
            }
            prop_assert!(hold.is_done() && hold.holds());
            prop_assert_eq!(hold.identity(), Some(&identity[..]));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut hold = HoldBack::default();
            hold.follow(&bytes);
            prop_assert!(hold.passable(0, bytes.len()) <= bytes.len());
        }
    }

    #[test]
    fn an_identity_that_is_too_long_is_none_and_the_hold_ends() {
        let mut hold = HoldBack::default();
        hold.follow(&record(CONTENT_HANDSHAKE, &key_exchange(&[b'x'; 200], b"")));
        assert!(hold.is_done() && hold.holds());
        assert_eq!(hold.identity(), None);
    }

    #[test]
    fn a_flight_without_a_plaintext_key_exchange_passes_whole() {
        let mut wire = record(CONTENT_HANDSHAKE, &message(1, b"hello"));
        wire.extend(record(20, &[1]));
        wire.extend(record(23, &[16; 40]));
        let mut hold = HoldBack::default();
        hold.follow(&wire);
        assert!(hold.is_done() && !hold.holds());
        assert_eq!(hold.passable(0, wire.len()), wire.len());
    }
}
