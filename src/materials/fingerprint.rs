//! Fingerprints of clients: what tells their makes apart in logs.
//!
//! Here and not beside the ClientHello, because they need libcrypto's digests.

use openssl::hash::{MessageDigest, hash};
use openssl::sha::sha256;

use crate::sys::queue;
use crate::values::hello::{ClientHello, extension, is_grease};

/// What stands for a list with nothing in it.
const NOTHING: &str = "000000000000";

impl ClientHello {
    /// The well-known JA3 value: the MD5 of [`ja3`](ClientHello::ja3) in lower-case hexadecimal. `None` where libcrypto
    /// refuses MD5, as in FIPS mode.
    pub fn ja3_hash(&self) -> Option<String> {
        let digest = hash(MessageDigest::md5(), self.ja3().as_bytes());
        if digest.is_err() {
            queue::clear();
        }
        digest.ok().map(|digest| hex(&digest))
    }

    /// The JA4 value of the client, such as `t13d1516h2_8daaf6152771_e5627efa2ab1`: FoxIO's successor of JA3, which does not
    /// change with the order of ciphers and extensions.
    ///
    /// Its parts are version, server name, counts and protocol; a digest of the ciphers; a digest of the extensions and
    /// signature algorithms. GREASE (RFC 8701) is left out. It is the client's claim, as everything here: a program can take
    /// on the fingerprint of another.
    ///
    /// # Examples
    ///
    /// ```
    /// use patina_tls::{ClientConfig, ClientHello, TlsEngine, TrustStore};
    ///
    /// let config = ClientConfig::builder().trust(TrustStore::empty()).alpn(["http/1.1"]).build()?;
    /// let mut client = TlsEngine::client(&config, "example.com")?;
    /// client.advance()?;
    /// let hello = ClientHello::parse(&client.output()[5..])?; // without the header of the record
    /// assert!(hello.ja4().starts_with("t13d"));
    /// assert_eq!(hello.ja4().len(), "t13d1516h2_8daaf6152771_e5627efa2ab1".len());
    /// # Ok::<(), patina_tls::Error>(())
    /// ```
    pub fn ja4(&self) -> String {
        let (ciphers, extensions) = (self.ja4_ciphers(), self.ja4_extensions());
        format!("{}_{}_{}", self.ja4_head(), digest_of(&ciphers), digest_of(&extensions))
    }

    /// The JA4 value with its lists in place of their digests: JA4_r.
    pub fn ja4_raw(&self) -> String {
        format!("{}_{}_{}", self.ja4_head(), self.ja4_ciphers(), self.ja4_extensions())
    }

    /// JA4_a.
    fn ja4_head(&self) -> String {
        let name = if self.extension(extension::SERVER_NAME).is_some() { 'd' } else { 'i' };
        let ciphers = real(self.cipher_ids().iter().copied()).count().min(99);
        let extensions = real(self.extensions().map(|(kind, _)| kind)).count().min(99);
        let version = self.ja4_version();
        format!("t{version}{name}{ciphers:02}{extensions:02}{}", protocol(self.alpn().next()))
    }

    fn ja4_version(&self) -> &'static str {
        let number = match self.extension(extension::SUPPORTED_VERSIONS) {
            Some(_) => real(self.supported_versions()).max(),
            None => Some(self.legacy_version()),
        };
        match number {
            Some(0x0304) => "13",
            Some(0x0303) => "12",
            Some(0x0302) => "11",
            Some(0x0301) => "10",
            Some(0x0300) => "s3",
            Some(0x0002) => "s2",
            _ => "00",
        }
    }

    fn ja4_ciphers(&self) -> String {
        let mut ciphers: Vec<u16> = real(self.cipher_ids().iter().copied()).collect();
        ciphers.sort_unstable();
        list(&ciphers)
    }

    fn ja4_extensions(&self) -> String {
        let elsewhere = [extension::SERVER_NAME, extension::ALPN];
        let kinds = self.extensions().map(|(kind, _)| kind).filter(|kind| !elsewhere.contains(kind));
        let mut kinds: Vec<u16> = real(kinds).collect();
        kinds.sort_unstable();
        let algorithms: Vec<u16> = real(self.signature_algorithms()).collect();
        match algorithms[..] {
            [] => list(&kinds),
            _ => format!("{}_{}", list(&kinds), list(&algorithms)),
        }
    }
}

/// The numbers without those of GREASE.
fn real(numbers: impl IntoIterator<Item = u16>) -> impl Iterator<Item = u16> {
    numbers.into_iter().filter(|number| !is_grease(*number))
}

fn list(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{number:04x}")).collect::<Vec<_>>().join(",")
}

/// The first and the last character of the protocol, or, if one of them is not of ASCII's letters and digits, of its
/// hexadecimal form.
fn protocol(name: Option<&[u8]>) -> String {
    let Some((first, last)) = name.and_then(|name| Some((name.first()?, name.last()?))) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0xf)
}

fn digest_of(text: &str) -> String {
    match text {
        "" => NOTHING.to_owned(),
        text => hex(&sha256(text.as_bytes())[..NOTHING.len() / 2]),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v16(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn numbers(text: &str) -> Vec<u16> {
        text.split(',').map(|number| u16::from_str_radix(number, 16).unwrap()).collect()
    }

    fn bytes(numbers: &[u16]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// The extensions of a list by their numbers, with the bodies that matter.
    fn extensions(kinds: &[u16], algorithms: &str, protocol: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let versions = bytes(&[0x5a5a, 0x0303, 0x0304]);
        let body = |kind: u16| match kind {
            0x000d => v16(&bytes(&numbers(algorithms))),
            0x0010 => v16(&[&[u8::try_from(protocol.len()).unwrap()][..], protocol].concat()),
            0x002b => [&[u8::try_from(versions.len()).unwrap()][..], &versions].concat(),
            _ => Vec::new(),
        };
        kinds.iter().map(|kind| (*kind, body(*kind))).collect()
    }

    fn hello(version: u16, ciphers: &[u16], extensions: Vec<(u16, Vec<u8>)>) -> ClientHello {
        ClientHello::new(version, [7; 32], Vec::new(), ciphers.to_vec(), vec![0], extensions)
    }

    /// The example of FoxIO's description of JA4, in the order of the wire.
    const CIPHERS: &str = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035";
    const EXTENSIONS: &str =
        "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015";
    const ALGORITHMS: &str = "0403,0804,0401,0503,0805,0501,0806,0601";

    #[test]
    fn the_example_of_the_description_has_its_fingerprint() {
        let hello = hello(0x0303, &numbers(CIPHERS), extensions(&numbers(EXTENSIONS), ALGORITHMS, b"h2"));
        assert_eq!(hello.ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(
            hello.ja4_raw(),
            "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9\
             _0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01\
             _0403,0804,0401,0503,0805,0501,0806,0601"
        );
    }

    #[test]
    fn grease_and_order_change_nothing() {
        let plain = hello(0x0303, &numbers(CIPHERS), extensions(&numbers(EXTENSIONS), ALGORITHMS, b"h2"));
        let mut ciphers = numbers(CIPHERS);
        ciphers.reverse();
        ciphers.insert(0, 0x0a0a);
        let mut kinds = numbers(EXTENSIONS);
        kinds.rotate_left(5);
        kinds.push(0xfafa);
        let algorithms = format!("caca,{ALGORITHMS}");
        let other = hello(0x0303, &ciphers, extensions(&kinds, &algorithms, b"h2"));
        assert_eq!(other.ja4(), plain.ja4());
        assert_ne!(other.ja3(), plain.ja3());
    }

    #[test]
    fn a_hello_without_signature_algorithms_has_no_second_list() {
        let kinds: Vec<u16> = numbers(EXTENSIONS);
        let mut extensions = extensions(&kinds, ALGORITHMS, b"h2");
        for (kind, body) in &mut extensions {
            if *kind == 0x000d {
                body.clear();
            }
        }
        let hello = hello(0x0303, &numbers(CIPHERS), extensions);
        // The digest is that of the description.
        assert_eq!(hello.ja4(), "t13d1516h2_8daaf6152771_6d807ffa2a79");
    }

    #[test]
    fn what_is_not_there_is_zeros() {
        let bare = hello(0x0301, &[0x1a1a], Vec::new());
        assert_eq!(bare.ja4(), "t10i000000_000000000000_000000000000");
        let named = hello(0x0300, &[0x0005], extensions(&[0x0000, 0x0010], "0403", b"http/1.1"));
        assert_eq!(named.ja4_raw(), "ts3d0102h1_0005_");
        assert!(named.ja4().ends_with("_000000000000"));
        assert!(hello(0x7f1c, &[5], Vec::new()).ja4().starts_with("t00i"));
    }

    #[test]
    fn counts_end_at_99() {
        let ciphers: Vec<u16> = (0x0100..0x0100 + 150).collect();
        assert!(hello(0x0303, &ciphers, Vec::new()).ja4().starts_with("t12i9900"));
    }

    #[test]
    fn protocols_show_their_ends_and_bytes_that_are_no_text_their_digits() {
        for (name, shown) in [
            (&b"h2"[..], "h2"),
            (b"http/1.1", "h1"),
            (b"a", "aa"),
            (b"\xab", "ab"),
            (b"\xab\xcd", "ad"),
            (b"\x30\xab", "3b"),
            (b"\x30\x31\xab\xcd", "3d"),
            (b"\x30\xab\xcd\x31", "01"),
            (b"", "00"),
        ] {
            assert_eq!(protocol(Some(name)), shown, "{name:x?}");
        }
        assert_eq!(protocol(None), "00");
    }

    #[test]
    fn the_ja3_hash_is_the_md5_of_the_text() {
        // The example of the description of JA3 by its authors (salesforce/ja3).
        let curves = v16(&bytes(&[23, 24, 25]));
        let formats = vec![1, 0];
        let hello = hello(
            769,
            &[47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            vec![(0, Vec::new()), (10, curves), (11, formats)],
        );
        assert_eq!(hello.ja3(), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
        assert_eq!(hello.ja3_hash().as_deref(), Some("ada70206e40642a3e4461f35503241d5"));
    }
}
