//! What a server answers a ClientHello with, as far as it goes in the clear.
//!
//! It is read from the bytes: a server has chosen version and suite with its ServerHello, whatever becomes of the handshake
//! behind it. (One that asks for a certificate, say, ends it later.)

use patina_ciphers::{Authentication, KeyExchange, by_id};

const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;
const CHANGE_CIPHER_SPEC: u8 = 0x14;
const APPLICATION_DATA: u8 = 0x17;

const SERVER_HELLO: u8 = 0x02;
const SERVER_KEY_EXCHANGE: u8 = 0x0c;
const CERTIFICATE_REQUEST: u8 = 0x0d;

const KEY_SHARE: u16 = 0x0033;
const SUPPORTED_VERSIONS: u16 = 0x002b;

const TLS1_2: u16 = 0x0303;
const TLS1_3: u16 = 0x0304;

/// The random of a ServerHello that is a HelloRetryRequest, by its beginning (RFC 8446 section 4.1.3).
const RETRY: [u8; 8] = [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11];

/// The clear part of a server's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flight {
    /// Whether what came are records of TLS at all.
    pub(super) is_tls: bool,
    /// Whether anything came.
    pub(super) is_empty: bool,
    pub(super) hello: Option<ServerHello>,
    pub(super) exchange: Option<Exchange>,
    /// Up to TLS 1.2; later it is encrypted.
    pub(super) asks_for_certificate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) version: u16,
    pub(super) suite: u16,
    pub(super) compression: u8,
    /// The group of TLS 1.3.
    pub(super) group: Option<u16>,
    /// The extensions in it, by their numbers.
    pub(super) extensions: Vec<u16>,
}

/// How the secret is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) key: ExchangeKey,
    /// The algorithm of the signature, in TLS 1.2.
    pub(super) signature: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExchangeKey {
    /// The group's number.
    Group(u16),
    /// The size of a Diffie-Hellman prime, in bits.
    Prime(usize),
}

impl Flight {
    pub(super) fn read(bytes: &[u8]) -> Flight {
        let mut flight = Flight { is_empty: bytes.is_empty(), ..Flight::default() };
        let messages = flight.messages(bytes);
        let mut rest = Reader(&messages);
        while let Some((kind, body)) = rest.message() {
            match kind {
                SERVER_HELLO => flight.hello = ServerHello::read(body).or(flight.hello),
                SERVER_KEY_EXCHANGE => {
                    flight.exchange = flight.hello.as_ref().and_then(|hello| Exchange::read(body, hello));
                }
                CERTIFICATE_REQUEST => flight.asks_for_certificate = true,
                _ => {}
            }
        }
        flight
    }

    /// The handshake messages in the clear, without the headers of records.
    fn messages(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut messages = Vec::new();
        let mut records = Reader(bytes);
        while let Some(kind) = records.u8() {
            let Some(version) = records.u16() else { break };
            let known = matches!(kind, CHANGE_CIPHER_SPEC | ALERT | HANDSHAKE | APPLICATION_DATA);
            if !known || version >> 8 != 0x03 {
                break;
            }
            self.is_tls = true;
            let Some(body) = records.vec16() else { break };
            match kind {
                HANDSHAKE => messages.extend_from_slice(body),
                // What follows is encrypted, unless it follows a HelloRetryRequest.
                CHANGE_CIPHER_SPEC if !is_retry(&messages) => break,
                _ => {}
            }
        }
        messages
    }
}

fn is_retry(messages: &[u8]) -> bool {
    messages.first() == Some(&SERVER_HELLO) && messages.get(6..14) == Some(&RETRY)
}

impl ServerHello {
    fn read(body: &[u8]) -> Option<ServerHello> {
        let mut body = Reader(body);
        let mut version = body.u16()?;
        body.take(32)?;
        body.vec8()?;
        let suite = body.u16()?;
        let compression = body.u8()?;
        let mut group = None;
        let mut extensions = Vec::new();
        let mut rest = Reader(body.vec16().unwrap_or_default());
        while let Some(kind) = rest.u16() {
            let mut data = Reader(rest.vec16()?);
            extensions.push(kind);
            match kind {
                SUPPORTED_VERSIONS => version = data.u16()?,
                KEY_SHARE => group = data.u16(),
                _ => {}
            }
        }
        Some(ServerHello { version, suite, compression, group, extensions })
    }
}

impl Exchange {
    /// A ServerKeyExchange of TLS 1.2 or older (RFC 8422 section 5.4, RFC 5246 section 7.4.3).
    fn read(body: &[u8], hello: &ServerHello) -> Option<Exchange> {
        const NAMED_CURVE: u8 = 3;
        let suite = by_id(hello.suite)?;
        let mut body = Reader(body);
        let key = match suite.key_exchange() {
            KeyExchange::Ecdhe if body.u8()? == NAMED_CURVE => {
                let group = body.u16()?;
                body.vec8()?;
                ExchangeKey::Group(group)
            }
            KeyExchange::Dhe => {
                let prime = body.vec16()?;
                body.vec16()?;
                body.vec16()?;
                ExchangeKey::Prime(bits(prime))
            }
            _ => return None,
        };
        let is_signed = suite.authentication() != Authentication::Null;
        let signature = if hello.version == TLS1_2 && is_signed { body.u16() } else { None };
        Some(Exchange { key, signature })
    }
}

impl Flight {
    /// What the exchange of keys is made with, in any version.
    pub(super) fn key(&self) -> Option<ExchangeKey> {
        match &self.hello {
            Some(hello) if hello.version == TLS1_3 => hello.group.map(ExchangeKey::Group),
            _ => self.exchange.map(|exchange| exchange.key),
        }
    }
}

/// The size of a number, without zeros in front.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match &number[zeros..] {
        [] => 0,
        rest => rest.len() * 8 - rest[0].leading_zeros() as usize,
    }
}

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vec8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vec16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// The type of a handshake message, and its body.
    fn message(&mut self) -> Option<(u8, &'a [u8])> {
        let kind = self.u8()?;
        let length = self.take(3)?;
        let length = u32::from_be_bytes([0, length[0], length[1], length[2]]);
        Some((kind, self.take(length as usize)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3][..], &length, body].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind][..], &length[1..], body].concat()
    }

    fn hello(version: u16, random: u8, suite: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([random; 32]);
        body.push(0);
        body.extend(suite.to_be_bytes());
        body.push(0);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        body
    }

    #[test]
    fn an_elliptic_curve_and_its_signature_are_read() {
        let exchange = [3, 0, 0x1d, 2, 9, 9, 4, 1, 0, 1, 7];
        let messages =
            [message(2, &hello(0x0303, 1, 0xc02f, &[])), message(12, &exchange), message(13, &[0])].concat();
        // A message may lie in several records.
        let (one, two) = messages.split_at(60);
        let flight = Flight::read(&[record(22, one), record(22, two)].concat());
        assert_eq!(flight.hello.as_ref().unwrap().suite, 0xc02f);
        assert_eq!(flight.key(), Some(ExchangeKey::Group(0x1d)));
        assert_eq!(flight.exchange.unwrap().signature, Some(0x0401));
        assert!(flight.asks_for_certificate && flight.is_tls && !flight.is_empty);
    }

    #[test]
    fn the_size_of_a_prime_is_that_without_zeros_in_front() {
        let exchange = [0, 3, 0, 0x1f, 0xff, 0, 1, 2, 0, 1, 3];
        let messages = [message(2, &hello(0x0301, 1, 0x0033, &[])), message(12, &exchange)].concat();
        let flight = Flight::read(&record(22, &messages));
        assert_eq!(flight.key(), Some(ExchangeKey::Prime(13)));
        assert_eq!(flight.exchange.unwrap().signature, None);
    }

    #[test]
    fn the_hello_behind_a_request_to_retry_counts() {
        let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24];
        let mut retry = hello(0x0303, 1, 0x1301, &extensions);
        retry[2..10].copy_from_slice(&RETRY);
        let share = [0, 43, 0, 2, 3, 4, 0, 51, 0, 5, 0, 24, 0, 1, 9];
        let second = hello(0x0303, 1, 0x1302, &share);
        let bytes =
            [record(22, &message(2, &retry)), record(20, &[1]), record(22, &message(2, &second))].concat();
        let flight = Flight::read(&bytes);
        let hello = flight.hello.clone().unwrap();
        assert_eq!((hello.version, hello.suite), (0x0304, 0x1302));
        assert_eq!(flight.key(), Some(ExchangeKey::Group(24)));
    }

    #[test]
    fn what_is_not_tls_and_what_is_cut_give_no_hello() {
        assert!(Flight::read(b"").is_empty);
        let http = Flight::read(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert!(!http.is_tls && !http.is_empty && http.hello.is_none());
        let alert = Flight::read(&record(21, &[2, 40]));
        assert!(alert.is_tls && alert.hello.is_none());
        let whole = record(22, &message(2, &hello(0x0303, 1, 0xc02f, &[])));
        for length in 0..whole.len() {
            assert_eq!(Flight::read(&whole[..length]).hello, None, "{length}");
        }
    }
}
