//! The first message of a handshake.
//!
//! Longer than most files because half of it is tests: every field comes from an unknown peer.

use super::alert::Alert;
use super::alpn::Names;
use super::error::{Error, ErrorKind};
use super::version::ProtocolVersion;

/// What a client offers: the ClientHello message of RFC 8446 section 4.1.2.
///
/// A server's hooks get it to choose a configuration. All of it is the client's claim, unauthenticated and
/// readable on the wire. The accessors of extensions answer `None` or nothing if the extension is absent or
/// malformed; libssl itself refuses a malformed one later in the handshake.
///
/// # Examples
///
/// ```
/// use patina_tls::{ClientHello, ProtocolVersion};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let mut message = vec![1, 0, 0, 43, 0x03, 0x03];       // ClientHello, 43 bytes, TLS 1.2
/// message.extend([7; 32]);                               // random
/// message.extend([0, 0, 4, 0x13, 0x01, 0xc0, 0x2f]);     // no session id, two ciphers
/// message.extend([1, 0]);                                // no compression
/// let hello = ClientHello::parse(&message)?;
/// assert_eq!(hello.cipher_ids(), [0x1301, 0xc02f]);
/// assert_eq!(hello.highest_version(), Some(ProtocolVersion::TLSv1_2));
/// assert_eq!(hello.server_name(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    legacy_version: u16,
    random: [u8; 32],
    session_id: Vec<u8>,
    cipher_ids: Vec<u16>,
    compression_methods: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

/// Numbers of extensions, from IANA's "TLS ExtensionType Values".
pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0x0000;
    pub(crate) const STATUS_REQUEST: u16 = 0x0005;
    pub(crate) const SUPPORTED_GROUPS: u16 = 0x000a;
    pub(crate) const EC_POINT_FORMATS: u16 = 0x000b;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 0x000d;
    pub(crate) const ALPN: u16 = 0x0010;
    pub(crate) const SESSION_TICKET: u16 = 0x0023;
    pub(crate) const PRE_SHARED_KEY: u16 = 0x0029;
    pub(crate) const EARLY_DATA: u16 = 0x002a;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 0x002b;
}

impl ClientHello {
    pub(crate) fn new(
        legacy_version: u16,
        random: [u8; 32],
        session_id: Vec<u8>,
        cipher_ids: Vec<u16>,
        compression_methods: Vec<u8>,
        extensions: Vec<(u16, Vec<u8>)>,
    ) -> ClientHello {
        ClientHello { legacy_version, random, session_id, cipher_ids, compression_methods, extensions }
    }

    /// Reads a ClientHello handshake message: its header of four bytes and its body, without record headers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] with the code `ERR_SSL_UNEXPECTED_MESSAGE` for a message of another type,
    /// `ERR_SSL_BAD_EXTENSION` if an extension comes twice, and `ERR_SSL_LENGTH_MISMATCH` if the lengths do
    /// not add up. The bodies of extensions are not looked at.
    pub fn parse(handshake_message: &[u8]) -> Result<ClientHello, Error> {
        let mut message = Reader(handshake_message);
        if message.u8().is_some_and(|kind| kind != 0x01) {
            return Err(malformed("the message is not a ClientHello", "ERR_SSL_UNEXPECTED_MESSAGE")
                .with_alert(Alert::UNEXPECTED_MESSAGE));
        }
        let hello = message
            .u24()
            .filter(|&length| length == message.0.len())
            .and_then(|_| read_body(message.0))
            .ok_or_else(|| {
                malformed("the ClientHello is malformed", "ERR_SSL_LENGTH_MISMATCH")
                    .with_alert(Alert::DECODE_ERROR)
            })?;
        let mut kinds: Vec<u16> = hello.extensions.iter().map(|(kind, _)| *kind).collect();
        kinds.sort_unstable();
        if let Some(twice) = kinds.windows(2).find(|w| w[0] == w[1]) {
            let message = format!("the ClientHello has extension {} twice", twice[0]);
            return Err(malformed(message, "ERR_SSL_BAD_EXTENSION").with_alert(Alert::ILLEGAL_PARAMETER));
        }
        Ok(hello)
    }

    /// The version field; TLS 1.3 clients say 0x0303 here and the truth in the supported versions.
    pub fn legacy_version(&self) -> u16 {
        self.legacy_version
    }

    /// The client's random bytes.
    pub fn random(&self) -> &[u8; 32] {
        &self.random
    }

    /// The id of the session that the client would resume, empty if none; a random value in TLS 1.3.
    pub fn session_id(&self) -> &[u8] {
        &self.session_id
    }

    /// The numbers of the cipher suites in the client's order, with GREASE (RFC 8701) and signalling values.
    pub fn cipher_ids(&self) -> &[u16] {
        &self.cipher_ids
    }

    /// The compression methods; 0 is none.
    pub fn compression_methods(&self) -> &[u8] {
        &self.compression_methods
    }

    /// The extensions in the client's order: number and body.
    pub fn extensions(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.extensions.iter().map(|(kind, body)| (*kind, &**body))
    }

    /// The body of the extension with this number.
    pub fn extension(&self, kind: u16) -> Option<&[u8]> {
        self.extensions().find(|(k, _)| *k == kind).map(|(_, body)| body)
    }

    /// The name of the server that the client wants (SNI, RFC 6066 section 3), as the client wrote it.
    ///
    /// `None` also for a name that cannot be one: empty, above 255 bytes, or with bytes that are not
    /// printable ASCII.
    #[doc(alias = "servername")]
    pub fn server_name(&self) -> Option<&str> {
        self.extension(extension::SERVER_NAME).and_then(server_name_of)
    }

    /// The application protocols that the client offers, in its order (ALPN, RFC 7301).
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        protocols_of(self.extension(extension::ALPN).unwrap_or_default())
    }

    /// The numbers in the supported_versions extension, in the client's order and with GREASE (RFC 8701).
    pub fn supported_versions(&self) -> Vec<u16> {
        self.list(extension::SUPPORTED_VERSIONS, whole8)
    }

    /// The highest version that the client offers, among those the library has a name for.
    ///
    /// Without supported_versions it is the version field, and at most TLS 1.2 (RFC 8446 section 4.2.1).
    pub fn highest_version(&self) -> Option<ProtocolVersion> {
        match self.extension(extension::SUPPORTED_VERSIONS) {
            Some(_) => self.supported_versions().into_iter().filter_map(ProtocolVersion::from_code).max(),
            // The major number 3 is all of TLS; DTLS counts downwards from 0xfeff.
            None if self.legacy_version >> 8 == 0x03 => {
                ProtocolVersion::from_code(self.legacy_version.min(ProtocolVersion::TLSv1_2.code()))
            }
            None => None,
        }
    }

    /// The numbers of the groups (curves) that the client offers, in its order and with GREASE.
    #[doc(alias = "curves")]
    pub fn groups(&self) -> Vec<u16> {
        self.list(extension::SUPPORTED_GROUPS, whole16)
    }

    /// The numbers of the signature algorithms that the client accepts, in its order and with GREASE.
    #[doc(alias = "sigalgs")]
    pub fn signature_algorithms(&self) -> Vec<u16> {
        self.list(extension::SIGNATURE_ALGORITHMS, whole16)
    }

    /// The session ticket of TLS 1.2 (RFC 5077); empty if the client has none but takes one.
    ///
    /// TLS 1.3 tickets are among the [PSK identities](ClientHello::psk_identities).
    pub fn session_ticket(&self) -> Option<&[u8]> {
        self.extension(extension::SESSION_TICKET)
    }

    /// The identities of TLS 1.3 pre-shared keys, tickets among them (RFC 8446 section 4.2.11).
    ///
    /// The identity of a TLS 1.2 PSK comes later in the handshake and is not here.
    pub fn psk_identities(&self) -> Vec<&[u8]> {
        self.extension(extension::PRE_SHARED_KEY).and_then(psk_identities_of).unwrap_or_default()
    }

    /// Whether the client asks for a stapled OCSP response (RFC 6066 section 8).
    #[doc(alias = "OCSPRequest")]
    pub fn wants_ocsp(&self) -> bool {
        self.extension(extension::STATUS_REQUEST).is_some_and(|body| {
            let mut body = Reader(body);
            let mut read = || {
                let is_ocsp = body.u8()? == 0x01;
                body.vector16()?;
                body.vector16()?;
                Some(is_ocsp)
            };
            read() == Some(true) && body.0.is_empty()
        })
    }

    /// The JA3 text of the client: version, ciphers, extensions, groups and point formats in decimal, without
    /// GREASE.
    ///
    /// Clients of one make share it, so it tells makes apart in logs. The well-known JA3 value is its MD5:
    /// [`ja3_hash`](ClientHello::ja3_hash).
    pub fn ja3(&self) -> String {
        let formats = self.extension(extension::EC_POINT_FORMATS).and_then(whole8).unwrap_or_default();
        format!(
            "{},{},{},{},{}",
            self.legacy_version,
            joined(self.cipher_ids.iter().copied()),
            joined(self.extensions().map(|(kind, _)| kind)),
            joined(self.groups()),
            joined(formats.iter().map(|&format| u16::from(format))),
        )
    }

    /// An extension that is one list of 16-bit numbers; `whole` takes the list's length off.
    fn list(&self, kind: u16, whole: impl Fn(&[u8]) -> Option<&[u8]>) -> Vec<u16> {
        self.extension(kind).and_then(whole).and_then(numbers_of).unwrap_or_default()
    }
}

/// The host name in the body of a server_name extension; see [`ClientHello::server_name`].
pub(crate) fn server_name_of(extension: &[u8]) -> Option<&str> {
    const HOST_NAME: u8 = 0x00;
    const LONGEST: usize = 0xff;
    let mut list = Reader(whole16(extension)?);
    // RFC 6066 allows one name of each type and has but this type, so the list has one entry.
    if list.u8()? != HOST_NAME {
        return None;
    }
    let name = whole16(list.0)?;
    let is_name = (1..=LONGEST).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(name).ok().filter(|_| is_name)
}

/// The names in the body of an ALPN extension, none if it is malformed.
pub(crate) fn protocols_of(extension: &[u8]) -> impl Iterator<Item = &[u8]> {
    Names::of(whole16(extension).unwrap_or_default())
}

/// The numbers in the body of a client's supported_versions extension, none if it is malformed.
pub(crate) fn versions_of(extension: &[u8]) -> Vec<u16> {
    whole8(extension).and_then(numbers_of).unwrap_or_default()
}

/// The identities in the body of a pre_shared_key extension.
pub(crate) fn psk_identities_of(extension: &[u8]) -> Option<Vec<&[u8]>> {
    const AGE: usize = 4;
    let mut body = Reader(extension);
    let mut list = Reader(body.vector16()?);
    whole16(body.0)?;
    let mut identities = Vec::new();
    while !list.0.is_empty() {
        identities.push(list.vector16().filter(|identity| !identity.is_empty())?);
        list.take(AGE)?;
    }
    Some(identities)
}

/// The proof that the client has the key of the first identity, in the body of a pre_shared_key extension.
pub(crate) fn first_binder_of(extension: &[u8]) -> Option<&[u8]> {
    let mut body = Reader(extension);
    body.vector16()?;
    Reader(whole16(body.0)?).vector8()
}

fn read_body(body: &[u8]) -> Option<ClientHello> {
    const LONGEST_SESSION_ID: usize = 32;
    let mut body = Reader(body);
    let legacy_version = body.u16()?;
    let random = body.take(32)?.try_into().ok()?;
    let session_id = body.vector8().filter(|id| id.len() <= LONGEST_SESSION_ID)?.to_vec();
    let cipher_ids = numbers_of(body.vector16()?)?;
    let compression_methods = body.vector8().filter(|methods| !methods.is_empty())?.to_vec();
    let mut extensions = Vec::new();
    // A client of TLS 1.2 or older may leave out the whole block, its length included.
    if !body.0.is_empty() {
        let mut block = Reader(whole16(body.0)?);
        while !block.0.is_empty() {
            extensions.push((block.u16()?, block.vector16()?.to_vec()));
        }
    }
    Some(ClientHello::new(legacy_version, random, session_id, cipher_ids, compression_methods, extensions))
}

/// What follows a length in one byte, if it has just that length.
fn whole8(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(bytes);
    reader.vector8().filter(|_| reader.0.is_empty())
}

/// What follows a length in two bytes, if it has just that length.
fn whole16(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(bytes);
    reader.vector16().filter(|_| reader.0.is_empty())
}

/// A list of 16-bit numbers, which has at least one.
fn numbers_of(bytes: &[u8]) -> Option<Vec<u16>> {
    let pairs = bytes.chunks_exact(2);
    if bytes.is_empty() || !pairs.remainder().is_empty() {
        return None;
    }
    Some(pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
}

/// Whether a number is one of those that mean nothing (GREASE, RFC 8701): both bytes the same, their low half 0xa.
pub(crate) fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// Numbers joined by `-`, without those of GREASE.
fn joined(numbers: impl IntoIterator<Item = u16>) -> String {
    let shown: Vec<String> = numbers.into_iter().filter(|n| !is_grease(*n)).map(|n| n.to_string()).collect();
    shown.join("-")
}

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>, code: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, message).with_code(code)
}

/// What is left to read of a message; every read answers `None` past its end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    fn u24(&mut self) -> Option<usize> {
        self.take(3).map(|b| usize::from(b[0]) << 16 | usize::from(b[1]) << 8 | usize::from(b[2]))
    }

    /// Bytes after their length in one byte.
    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// Bytes after their length in two bytes.
    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v8(bytes: &[u8]) -> Vec<u8> {
        [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
    }

    fn v16(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn numbers(list: &[u16]) -> Vec<u8> {
        list.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    fn message(body: &[u8]) -> Vec<u8> {
        [&[1][..], &u32::try_from(body.len()).unwrap().to_be_bytes()[1..], body].concat()
    }

    fn encode(hello: &ClientHello) -> Vec<u8> {
        let extensions: Vec<u8> =
            hello.extensions().flat_map(|(k, b)| [numbers(&[k]), v16(b)].concat()).collect();
        let parts = [
            hello.legacy_version().to_be_bytes().to_vec(),
            hello.random().to_vec(),
            v8(hello.session_id()),
            v16(&numbers(hello.cipher_ids())),
            v8(hello.compression_methods()),
            v16(&extensions),
        ];
        message(&parts.concat())
    }

    fn hello(extensions: &[(u16, Vec<u8>)]) -> ClientHello {
        ClientHello::new(0x0303, [9; 32], vec![5; 32], vec![0x1301, 0x00ff], vec![0], extensions.to_vec())
    }

    fn sni(name: &[u8]) -> Vec<u8> {
        v16(&[&[0][..], &v16(name)].concat())
    }

    #[test]
    fn a_full_hello_gives_all_its_parts() {
        let identities = [v16(b"alice"), vec![0, 0, 0, 9], v16(b"ticket"), vec![0; 4]].concat();
        let original = hello(&[
            (0x0a0a, vec![]),
            (0, sni(b"Shop.example")),
            (16, v16(b"\x02h2\x08http/1.1")),
            (43, v8(&numbers(&[0x7a7a, 0x0304, 0x0303]))),
            (10, v16(&numbers(&[0x001d, 0x0017]))),
            (13, v16(&numbers(&[0x0403]))),
            (35, b"ticket".to_vec()),
            (5, vec![1, 0, 0, 0, 0]),
            (41, [v16(&identities), v16(&v8(&[0; 32]))].concat()),
        ]);
        let hello = ClientHello::parse(&encode(&original)).unwrap();
        assert_eq!(hello, original);
        assert_eq!(hello.server_name(), Some("Shop.example"));
        assert_eq!(hello.alpn().collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
        assert_eq!(hello.supported_versions(), [0x7a7a, 0x0304, 0x0303]);
        assert_eq!(hello.highest_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(hello.groups(), [0x001d, 0x0017]);
        assert_eq!(hello.signature_algorithms(), [0x0403]);
        assert_eq!(hello.session_ticket(), Some(&b"ticket"[..]));
        assert_eq!(hello.psk_identities(), [&b"alice"[..], b"ticket"]);
        assert!(hello.wants_ocsp());
        assert_eq!(hello.extension(0x0a0a), Some(&[][..]));
        assert_eq!(hello.extension(1), None);
    }

    #[test]
    fn a_hello_without_the_extension_block_offers_nothing_more() {
        let encoded = encode(&hello(&[]));
        let body = &encoded[4..encoded.len() - 2];
        let parsed = ClientHello::parse(&message(body)).unwrap();
        assert_eq!(parsed, hello(&[]));
        assert_eq!((parsed.server_name(), parsed.alpn().count(), parsed.groups().len()), (None, 0, 0));
        assert_eq!(parsed.highest_version(), Some(ProtocolVersion::TLSv1_2));
        assert!(
            !parsed.wants_ocsp() && parsed.session_ticket().is_none() && parsed.psk_identities().is_empty()
        );
    }

    #[test]
    fn every_cut_and_every_addition_is_refused() {
        let encoded = encode(&hello(&[(0, sni(b"a")), (16, v16(b"\x02h2"))]));
        for end in 0..encoded.len() {
            let error = ClientHello::parse(&encoded[..end]).unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Protocol, "ERR_SSL_LENGTH_MISMATCH"),
                "{end}"
            );
            assert_eq!(error.alert(), Some(Alert::DECODE_ERROR));
            // The same with a header that agrees; a hello may end before its extensions, all else is a cut.
            let without_extensions = encoded.len() - 2 - (4 + 6) - (4 + 5);
            if end >= 4 && end != without_extensions {
                assert!(ClientHello::parse(&message(&encoded[4..end])).is_err(), "{end}");
            }
        }
        assert!(ClientHello::parse(&[&encoded[..], &[0]].concat()).is_err());
        assert!(ClientHello::parse(&message(&[&encoded[4..], &[0]].concat())).is_err());
    }

    #[test]
    fn other_messages_and_repeated_extensions_have_their_own_codes() {
        let mut server_hello = encode(&hello(&[]));
        server_hello[0] = 2;
        let error = ClientHello::parse(&server_hello).unwrap_err();
        assert_eq!(
            (error.code(), error.alert()),
            ("ERR_SSL_UNEXPECTED_MESSAGE", Some(Alert::UNEXPECTED_MESSAGE))
        );
        let twice = encode(&hello(&[(0, sni(b"a")), (16, vec![]), (0, sni(b"b"))]));
        let error = ClientHello::parse(&twice).unwrap_err();
        assert_eq!((error.code(), error.alert()), ("ERR_SSL_BAD_EXTENSION", Some(Alert::ILLEGAL_PARAMETER)));
    }

    #[test]
    fn lists_that_must_not_be_empty_or_odd_are_refused() {
        let original = hello(&[]);
        for broken in [
            ClientHello { cipher_ids: vec![], ..original.clone() },
            ClientHello { compression_methods: vec![], ..original.clone() },
            ClientHello { session_id: vec![0; 33], ..original.clone() },
        ] {
            assert!(ClientHello::parse(&encode(&broken)).is_err(), "{broken:?}");
        }
        for body in [vec![], v16(&[]), v16(&[0]), v16(&[0, 1, 2]), [v16(&[0, 1]), vec![0]].concat()] {
            assert!(hello(&[(10, body.clone())]).groups().is_empty(), "{body:?}");
        }
    }

    #[test]
    fn a_server_name_that_is_none_is_not_given() {
        assert_eq!(server_name_of(&sni(b"xn--nxasmq6b.example")), Some("xn--nxasmq6b.example"));
        assert_eq!(server_name_of(&sni(&[b'a'; 255])).map(str::len), Some(255));
        for name in [&b""[..], b"a\0b", b"a\nb", b"a b", "é.example".as_bytes(), &[b'a'; 256]] {
            assert_eq!(server_name_of(&sni(name)), None, "{name:?}");
        }
        let two = v16(&[&[0][..], &v16(b"a"), &[0], &v16(b"b")].concat());
        let other_type = v16(&[&[1][..], &v16(b"a")].concat());
        for body in [vec![], vec![0, 0], two, other_type, [sni(b"a"), vec![0]].concat()] {
            assert_eq!(server_name_of(&body), None, "{body:?}");
        }
    }

    #[test]
    fn a_malformed_protocol_list_is_empty() {
        for list in [&b"\x02h2\x00"[..], b"\x02h2\x03h", b"\x00", b""] {
            assert_eq!(protocols_of(&v16(list)).count(), 0, "{list:?}");
        }
        assert_eq!(protocols_of(b"\x00\x04\x02h2").count(), 0, "the outer length is wrong");
    }

    #[test]
    fn malformed_psk_and_ocsp_extensions_count_as_absent() {
        let identity = [v16(b"alice"), vec![0; 4]].concat();
        let binders = v16(&v8(&[0; 32]));
        let good = [v16(&identity), binders.clone()].concat();
        assert_eq!(hello(&[(41, good.clone())]).psk_identities(), [b"alice"]);
        assert_eq!(first_binder_of(&good), Some(&[0; 32][..]));
        for cut in [vec![], v16(&identity), [v16(&identity), vec![0, 0]].concat()] {
            assert_eq!(first_binder_of(&cut), None, "{cut:?}");
        }
        assert_eq!(first_binder_of(&[&good[..], &[0]].concat()), None);
        let empty_identity = [v16(&[v16(b""), vec![0; 4]].concat()), binders.clone()].concat();
        let no_age = [v16(&v16(b"alice")), binders].concat();
        for body in [empty_identity, no_age, v16(&identity), [good, vec![0]].concat()] {
            assert!(hello(&[(41, body.clone())]).psk_identities().is_empty(), "{body:?}");
        }
        for body in [vec![], vec![2, 0, 0, 0, 0], vec![1, 0, 0, 0], vec![1, 0, 0, 0, 0, 0]] {
            assert!(!hello(&[(5, body.clone())]).wants_ocsp(), "{body:?}");
        }
    }

    #[test]
    fn the_highest_version_ignores_what_is_unknown() {
        let with = |list: &[u16]| hello(&[(43, v8(&numbers(list)))]).highest_version();
        assert_eq!(with(&[0x0302, 0xfafa, 0x7f1c, 0x0303]), Some(ProtocolVersion::TLSv1_2));
        assert_eq!(with(&[0x7f1c]), None);
        let old = |version| ClientHello { legacy_version: version, ..hello(&[]) }.highest_version();
        assert_eq!(old(0x0301), Some(ProtocolVersion::TLSv1_0));
        assert_eq!(old(0x0304), Some(ProtocolVersion::TLSv1_2), "TLS 1.3 is offered in the extension only");
        assert_eq!(old(0xfefd), None);
        assert_eq!(old(0x0002), None);
    }

    #[test]
    fn the_ja3_text_has_no_grease() {
        let hello = ClientHello::new(
            0x0303,
            [0; 32],
            vec![],
            vec![0x2a2a, 0x1301, 0x0a1a, 0xc02f],
            vec![0],
            vec![(0xdada, vec![]), (10, v16(&numbers(&[0x4a4a, 29, 23]))), (11, vec![2, 0, 1])],
        );
        assert_eq!(hello.ja3(), "771,4865-2586-49199,10-11,29-23,0-1");
        assert_eq!(ClientHello { extensions: vec![], ..hello }.ja3(), "771,4865-2586-49199,,,");
    }

    fn read_everything(hello: &ClientHello) {
        let _ = (hello.server_name(), hello.alpn().count(), hello.supported_versions(), hello.groups());
        let _ = (hello.signature_algorithms(), hello.psk_identities(), hello.wants_ocsp(), hello.ja3());
        let _ = (hello.highest_version(), hello.session_ticket(), format!("{hello:?}"));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_parsed_back(
            legacy_version: u16,
            random: [u8; 32],
            session_id in prop::collection::vec(any::<u8>(), 0..=32),
            cipher_ids in prop::collection::vec(any::<u16>(), 1..20),
            compression_methods in prop::collection::vec(any::<u8>(), 1..4),
            extensions in prop::collection::btree_map(0u16..60, any::<Vec<u8>>(), 0..12),
        ) {
            let extensions = extensions.into_iter().collect();
            let hello = ClientHello {
                legacy_version, random, session_id, cipher_ids, compression_methods, extensions,
            };
            read_everything(&hello);
            prop_assert_eq!(ClientHello::parse(&encode(&hello)).unwrap(), hello);
        }

        #[test]
        fn no_change_of_a_byte_makes_it_panic(at: prop::sample::Index, byte: u8, body: Vec<u8>) {
            let mut encoded = encode(&hello(&[(0, sni(b"a")), (16, v16(b"\x02h2")), (41, body.clone())]));
            let at = at.index(encoded.len());
            encoded[at] = byte;
            for bytes in [encoded, body.clone(), message(&body)] {
                if let Ok(hello) = ClientHello::parse(&bytes) {
                    // The one thing that is not kept is the absence of an empty extension block.
                    let again = encode(&hello);
                    let no_block = hello.extensions.is_empty() && again.len() == bytes.len() + 2;
                    prop_assert!(again == bytes || no_block);
                    read_everything(&hello);
                }
            }
        }
    }
}
