//! libssl's option bits.
//!
//! Longer than most files because a third of it is the table of names.

use std::fmt;
use std::str::FromStr;

use super::error::{Error, ErrorKind};
use super::nearest::nearest;

/// Writes the flags, the other names and the table of all names from one list.
macro_rules! secure_options {
    (
        $(#[$($type_doc:tt)*])* $type:ident;
        flags { $($(#[$($flag_doc:tt)*])* $flag:ident = $bit:literal, $flag_since:literal;)* }
        names { $($(#[$($name_doc:tt)*])* $name:ident = $value:expr, $name_since:literal;)* }
    ) => {
        bitflags::bitflags! {
            $(#[$($type_doc)*])*
            pub struct $type: u64 {
                $($(#[$($flag_doc)*])* #[allow(non_upper_case_globals)] const $flag = 1 << $bit;)*
                // Bits of libssl versions to come are kept.
                const _ = !0;
            }
        }

        #[allow(non_upper_case_globals)]
        impl $type {
            $($(#[$($name_doc)*])* pub const $name: $type = $value;)*
        }

        /// Every name, its bits, and the first OpenSSL that gives them this meaning; the flags come first.
        const TABLE: &[(&str, $type, &str)] = &[
            $((stringify!($flag), $type::$flag, $flag_since),)*
            $((stringify!($name), $type::$name, $name_since),)*
        ];
    };
}

secure_options! {
    /// Options of libssl, `SSL_OP_*`, under OpenSSL's names without the prefix.
    ///
    /// For everything that has no setter of its own, above all the switches that old peers need. Combine them
    /// with `|`, or [parse](SecureOptions::parse) them from text. Bits that have no name here are kept and
    /// handed to libssl as they are.
    ///
    /// The numbers are the same in OpenSSL 1.1.1 to 4.0, but older versions do not know all of them and
    /// **ignore the others without a word**: `NO_EXTENDED_MASTER_SECRET` has no effect on 1.1.1, where the
    /// extended master secret cannot be turned off. A constant's line says so ("OpenSSL 3.0"); lines without
    /// a version hold for all. [`since`](SecureOptions::since) tells it of a value. Names that newer versions
    /// keep for old programs only, such as `NO_SSLv2`, are empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use patina_tls::SecureOptions;
    ///
    /// # fn main() -> Result<(), patina_tls::Error> {
    /// let options = SecureOptions::parse("NO_TICKET, SSL_OP_LEGACY_SERVER_CONNECT | 0x20000")?;
    /// assert!(options.contains(SecureOptions::NO_TICKET | SecureOptions::NO_COMPRESSION));
    /// assert_eq!(options.to_string(), "LEGACY_SERVER_CONNECT|NO_TICKET|NO_COMPRESSION");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What can be seen of each
    ///
    /// With and without the option, by the library's own tests (`tests/api/secure_options.rs`):
    ///
    /// | option | seen from outside |
    /// | --- | --- |
    /// | `NO_EXTENDED_MASTER_SECRET` | no extension 23 from either side |
    /// | `CLEANSE_PLAINTEXT` | not to be seen: memory of the process |
    /// | `LEGACY_SERVER_CONNECT` | a client goes on after a ServerHello without extension 0xFF01 |
    /// | `ENABLE_KTLS` | not to be seen: connections move their bytes without a socket that libssl knows |
    /// | `TLSEXT_PADDING` | a ClientHello of 256 to 511 bytes becomes one of 512 |
    /// | `SAFARI_ECDHE_ECDSA_BUG` | not to be seen without a Safari of that time |
    /// | `IGNORE_UNEXPECTED_EOF` | a cut is `Truncated` with it and without it |
    /// | `ALLOW_CLIENT_RENEGOTIATION` | without it libssl refuses what the policy allows; with it the policy decides |
    /// | `DISABLE_TLSEXT_CA_NAMES` | the request for a certificate names no authority |
    /// | `ALLOW_NO_DHE_KEX` | psk_key_exchange_modes offers `psk_ke` as well |
    /// | `DONT_INSERT_EMPTY_FRAGMENTS` | one record of TLS 1.0 and CBC where there were two |
    /// | `NO_QUERY_MTU` | not to be seen: DTLS |
    /// | `COOKIE_EXCHANGE` | not to be seen: DTLS |
    /// | `NO_TICKET` | no ticket in TLS 1.2; in TLS 1.3 tickets of 32 bytes, which name a session that is kept |
    /// | `CISCO_ANYCONNECT` | not to be seen: DTLS |
    /// | `NO_SESSION_RESUMPTION_ON_RENEGOTIATION` | a renegotiation that asks for resumption becomes a full handshake |
    /// | `NO_COMPRESSION` | no DEFLATE in a ClientHello below security level 2, where libssl is built with zlib |
    /// | `ALLOW_UNSAFE_LEGACY_RENEGOTIATION` | as `LEGACY_SERVER_CONNECT`; a GnuTLS client without RFC 5746 may renegotiate |
    /// | `NO_ENCRYPT_THEN_MAC` | no extension 22 from either side |
    /// | `ENABLE_MIDDLEBOX_COMPAT` | a session id and a ChangeCipherSpec in TLS 1.3; without it none |
    /// | `PRIORITIZE_CHACHA` | a server that prefers AES takes ChaCha20 where the client has it first |
    /// | `CIPHER_SERVER_PREFERENCE` | the server's first suite is taken, not the client's |
    /// | `TLS_ROLLBACK_BUG` | not to be seen without a client that has the bug |
    /// | `NO_ANTI_REPLAY` | a ticket for early data resumes twice |
    /// | `NO_SSLv3` | a handshake with SSL 3.0 fails, on either side, where libssl has it |
    /// | `NO_TLSv1` | a handshake with TLS 1.0 fails, on either side |
    /// | `NO_TLSv1_2` | a handshake with TLS 1.2 fails, on either side |
    /// | `NO_TLSv1_1` | a handshake with TLS 1.1 fails, on either side |
    /// | `NO_TLSv1_3` | a handshake with TLS 1.3 fails, on either side |
    /// | `NO_RENEGOTIATION` | a renegotiation that the policy allows is refused |
    /// | `CRYPTOPRO_TLSEXT_BUG` | not to be seen without GOST ciphers |
    /// | `NO_TX_CERTIFICATE_COMPRESSION` | a Certificate message where there was a CompressedCertificate |
    /// | `NO_RX_CERTIFICATE_COMPRESSION` | no extension 27, where libssl is built with zlib, brotli or zstd |
    /// | `ENABLE_KTLS_TX_ZEROCOPY_SENDFILE` | not to be seen: as `ENABLE_KTLS` |
    /// | `PREFER_NO_DHE_KEX` | a resumption without key_share in the ServerHello |
    /// | `LEGACY_EC_POINT_FORMATS` | ec_point_formats names the compressed ones |
    /// | `ECH_GREASE` | extension 0xFE0D in a ClientHello |
    /// | `ECH_TRIALDECRYPT` | not to be seen without keys for Encrypted Client Hello, which have no option here |
    /// | `ECH_IGNORE_CID` | not to be seen without such keys |
    /// | `ECH_GREASE_RETRY_CONFIG` | not to be seen without such keys |
    ///
    /// # Security
    ///
    /// Several options give up a defence; their lines say which. Set them for the one peer that needs them.
    ///
    /// # OpenSSL
    ///
    /// `SSL_CTX_set_options`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
    #[doc(alias = "secureOptions")]
    #[doc(alias = "SSL_OP")]
    SecureOptions;

    flags {
        /// Does without the extended master secret of RFC 7627, the defence against triple handshakes.
        /// OpenSSL 3.0.
        NO_EXTENDED_MASTER_SECRET = 0, "3.0";
        /// Overwrites libssl's copy of received data once the application has read it. OpenSSL 3.0.
        CLEANSE_PLAINTEXT = 1, "3.0";
        /// Lets a client connect to servers without secure renegotiation (RFC 5746), open to CVE-2009-3555.
        LEGACY_SERVER_CONNECT = 2, "1.1.1";
        /// Lets the kernel do the record layer where it can. OpenSSL 3.0.
        ENABLE_KTLS = 3, "3.0";
        /// Pads a ClientHello of 256 to 511 bytes, at which some old servers hang (RFC 7685).
        TLSEXT_PADDING = 4, "1.1.1";
        /// Avoids ECDHE-ECDSA with Safari on OS X 10.8, which has it broken.
        SAFARI_ECDHE_ECDSA_BUG = 6, "1.1.1";
        /// Has libssl take a transport's end without close_notify for a regular end. Connections of this library tell a
        /// cut as [`ErrorKind::Truncated`] all the same. OpenSSL 3.0.
        IGNORE_UNEXPECTED_EOF = 7, "3.0";
        /// Lets a server accept renegotiation that the client starts; 1.1.1 always does. OpenSSL 3.0.
        ALLOW_CLIENT_RENEGOTIATION = 8, "3.0";
        /// Sends no certificate_authorities extension, which some peers cannot take. OpenSSL 3.0.
        DISABLE_TLSEXT_CA_NAMES = 9, "3.0";
        /// Allows TLS 1.3 resumption and PSK without a key exchange, so without forward secrecy.
        ALLOW_NO_DHE_KEX = 10, "1.1.1";
        /// Sends no empty fragments before TLS 1.0 CBC records: compatible, but open to BEAST.
        DONT_INSERT_EMPTY_FRAGMENTS = 11, "1.1.1";
        /// Does not ask the transport for its MTU (DTLS).
        NO_QUERY_MTU = 12, "1.1.1";
        /// Makes a server exchange cookies before it keeps state (DTLS, RFC 6347 section 4.2.1).
        COOKIE_EXCHANGE = 13, "1.1.1";
        /// Sends no stateless session tickets (RFC 5077); TLS 1.3 then uses stateful ones.
        NO_TICKET = 14, "1.1.1";
        /// Speaks the pre-standard DTLS of Cisco AnyConnect.
        CISCO_ANYCONNECT = 15, "1.1.1";
        /// Makes a server do a full handshake at each renegotiation.
        NO_SESSION_RESUMPTION_ON_RENEGOTIATION = 16, "1.1.1";
        /// Does not use TLS compression, which CRIME attacks.
        NO_COMPRESSION = 17, "1.1.1";
        /// Allows renegotiation with peers that lack RFC 5746, open to CVE-2009-3555.
        ALLOW_UNSAFE_LEGACY_RENEGOTIATION = 18, "1.1.1";
        /// Does without encrypt-then-MAC (RFC 7366) in CBC ciphers.
        NO_ENCRYPT_THEN_MAC = 19, "1.1.1";
        /// Makes TLS 1.3 look like a resumption of TLS 1.2 to middleboxes (RFC 8446 appendix D.4); on by
        /// default.
        ENABLE_MIDDLEBOX_COMPAT = 20, "1.1.1";
        /// Makes a server prefer ChaCha20-Poly1305 if the client does; needs `CIPHER_SERVER_PREFERENCE`.
        PRIORITIZE_CHACHA = 21, "1.1.1";
        /// Makes the server's order of ciphers decide, not the client's.
        CIPHER_SERVER_PREFERENCE = 22, "1.1.1";
        /// Accepts a wrong version number in the RSA premaster secret, which allows version rollback.
        TLS_ROLLBACK_BUG = 23, "1.1.1";
        /// Turns the replay protection of TLS 1.3 early data off; for servers that have their own.
        NO_ANTI_REPLAY = 24, "1.1.1";
        /// Does not use SSL 3.0.
        NO_SSLv3 = 25, "1.1.1";
        /// Does not use TLS 1.0.
        NO_TLSv1 = 26, "1.1.1";
        /// Does not use TLS 1.2.
        NO_TLSv1_2 = 27, "1.1.1";
        /// Does not use TLS 1.1.
        NO_TLSv1_1 = 28, "1.1.1";
        /// Does not use TLS 1.3.
        NO_TLSv1_3 = 29, "1.1.1";
        /// Refuses all renegotiation in TLS 1.2 and older.
        NO_RENEGOTIATION = 30, "1.1.1";
        /// Adds an extension that CryptoPro CSP 3.x needs with GOST ciphers.
        CRYPTOPRO_TLSEXT_BUG = 31, "1.1.1";
        /// Does not send compressed certificates (RFC 8879). OpenSSL 3.2.
        NO_TX_CERTIFICATE_COMPRESSION = 32, "3.2";
        /// Does not accept compressed certificates (RFC 8879). OpenSSL 3.2.
        NO_RX_CERTIFICATE_COMPRESSION = 33, "3.2";
        /// Sends files through the kernel's TLS without a copy; they must not change meanwhile. OpenSSL 3.2.
        ENABLE_KTLS_TX_ZEROCOPY_SENDFILE = 34, "3.2";
        /// Makes a server prefer TLS 1.3 resumption without a key exchange; see `ALLOW_NO_DHE_KEX`. OpenSSL
        /// 3.3.
        PREFER_NO_DHE_KEX = 35, "3.3";
        /// Offers compressed EC point formats as older versions did. OpenSSL 3.6.
        LEGACY_EC_POINT_FORMATS = 36, "3.6";
        /// Sends a meaningless Encrypted Client Hello, so that real ones do not stand out. OpenSSL 4.0.
        ECH_GREASE = 37, "4.0";
        /// Makes a server try all its keys on an Encrypted Client Hello without a matching id. OpenSSL 4.0.
        ECH_TRIALDECRYPT = 38, "4.0";
        /// Makes a client send a random id in place of that of its Encrypted Client Hello key. OpenSSL 4.0.
        ECH_IGNORE_CID = 39, "4.0";
        /// Makes a server add meaningless entries to the Encrypted Client Hello keys for a retry. OpenSSL
        /// 4.0.
        ECH_GREASE_RETRY_CONFIG = 40, "4.0";
    }

    names {
        /// The workarounds that OpenSSL calls harmless: `CRYPTOPRO_TLSEXT_BUG`,
        /// `DONT_INSERT_EMPTY_FRAGMENTS`, `TLSEXT_PADDING` and `SAFARI_ECDHE_ECDSA_BUG`. In 1.1.1's own
        /// headers `LEGACY_SERVER_CONNECT` also.
        ALL = SecureOptions::CRYPTOPRO_TLSEXT_BUG
            .union(SecureOptions::DONT_INSERT_EMPTY_FRAGMENTS)
            .union(SecureOptions::TLSEXT_PADDING)
            .union(SecureOptions::SAFARI_ECDHE_ECDSA_BUG), "1.1.1";
        /// Every version of SSL and TLS is off.
        NO_SSL_MASK = SecureOptions::NO_SSLv3
            .union(SecureOptions::NO_TLSv1)
            .union(SecureOptions::NO_TLSv1_1)
            .union(SecureOptions::NO_TLSv1_2)
            .union(SecureOptions::NO_TLSv1_3), "1.1.1";
        /// Every version of DTLS is off.
        NO_DTLS_MASK = SecureOptions::NO_DTLSv1.union(SecureOptions::NO_DTLSv1_2), "1.1.1";
        /// Does not use DTLS 1.0; the bit of `NO_TLSv1`.
        NO_DTLSv1 = SecureOptions::NO_TLSv1, "1.1.1";
        /// Does not use DTLS 1.2; the bit of `NO_TLSv1_2`.
        NO_DTLSv1_2 = SecureOptions::NO_TLSv1_2, "1.1.1";
        /// OpenSSL 4.0's name for `CIPHER_SERVER_PREFERENCE`.
        SERVER_PREFERENCE = SecureOptions::CIPHER_SERVER_PREFERENCE, "1.1.1";
        /// Empty: no supported OpenSSL has SSL 2.0.
        NO_SSLv2 = SecureOptions::empty(), "1.1.1";
        /// Empty: a new DH key is always made.
        SINGLE_DH_USE = SecureOptions::empty(), "1.1.1";
        /// Empty: a new ECDH key is always made.
        SINGLE_ECDH_USE = SecureOptions::empty(), "1.1.1";
        /// Empty: temporary RSA keys are gone.
        EPHEMERAL_RSA = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        MICROSOFT_SESS_ID_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        NETSCAPE_CHALLENGE_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        NETSCAPE_REUSE_CIPHER_CHANGE_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        SSLREF2_REUSE_CERT_TYPE_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        MICROSOFT_BIG_SSLV3_BUFFER = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        MSIE_SSLV2_RSA_PADDING = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        SSLEAY_080_CLIENT_DH_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        TLS_D5_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        TLS_BLOCK_PADDING_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the test switch is gone.
        PKCS1_CHECK_1 = SecureOptions::empty(), "1.1.1";
        /// Empty: the test switch is gone.
        PKCS1_CHECK_2 = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        NETSCAPE_CA_DN_BUG = SecureOptions::empty(), "1.1.1";
        /// Empty: the workaround is gone.
        NETSCAPE_DEMO_CIPHER_CHANGE_BUG = SecureOptions::empty(), "1.1.1";
    }
}

impl SecureOptions {
    /// Reads options from text: names with or without `SSL_OP_`, in any case, and decimal or `0x` numbers,
    /// separated by `,`, `|`, `+` or white space. An empty text is the empty set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `secure_options`: for a word that is no name, the text has the
    /// word and the nearest name (code `ERR_INVALID_ARG_VALUE`); for a number below 0 or above 64 bits the
    /// code is `ERR_OUT_OF_RANGE`.
    pub fn parse(text: &str) -> Result<SecureOptions, Error> {
        let words = text.split(|c: char| matches!(c, ',' | '|' | '+') || c.is_whitespace());
        words
            .filter(|word| !word.is_empty())
            .try_fold(SecureOptions::empty(), |all, word| Ok(all | parse_word(word)?))
    }

    /// Every name with its bits: first those of one bit, in the order of the bits, then sets, other names for
    /// the same bit and names that have become empty.
    pub fn names() -> impl Iterator<Item = (&'static str, SecureOptions)> {
        TABLE.iter().map(|&(name, options, _)| (name, options))
    }

    /// The first version of OpenSSL that knows all these options (`1.1.1`, `3.0` and so on), or `None` if
    /// there is a bit among them that no supported version has a meaning for.
    pub fn since(self) -> Option<&'static str> {
        let known = flags().fold(SecureOptions::empty(), |all, (_, flag, _)| all | flag);
        // The versions that there are sort as text.
        let newest = flags().filter(|(_, flag, _)| self.contains(*flag)).map(|(_, _, since)| since).max();
        known.contains(self).then(|| newest.unwrap_or("1.1.1"))
    }
}

/// The part of the table that has one bit for each name and each bit once.
fn flags() -> impl Iterator<Item = (&'static str, SecureOptions, &'static str)> {
    let mut seen = SecureOptions::empty();
    TABLE.iter().copied().filter(move |&(_, options, _)| {
        let is_new = options.bits().is_power_of_two() && !seen.contains(options);
        seen |= options;
        is_new
    })
}

impl fmt::Display for SecureOptions {
    /// The names joined by `|`, then the bits without a name as one `0x` number; `0` for the empty set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        let mut separator = "";
        for (name, flag, _) in flags().filter(|(_, flag, _)| self.contains(*flag)) {
            write!(f, "{separator}{name}")?;
            rest.remove(flag);
            separator = "|";
        }
        match (rest.is_empty(), self.is_empty()) {
            (_, true) => f.write_str("0"),
            (true, _) => Ok(()),
            (false, _) => write!(f, "{separator}{:#x}", rest.bits()),
        }
    }
}

impl fmt::Debug for SecureOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecureOptions({self})")
    }
}

impl FromStr for SecureOptions {
    type Err = Error;

    /// See [`SecureOptions::parse`].
    fn from_str(text: &str) -> Result<SecureOptions, Error> {
        SecureOptions::parse(text)
    }
}

impl From<u64> for SecureOptions {
    /// Keeps every bit, named or not.
    fn from(bits: u64) -> SecureOptions {
        SecureOptions::from_bits_retain(bits)
    }
}

impl From<SecureOptions> for u64 {
    fn from(options: SecureOptions) -> u64 {
        options.bits()
    }
}

fn parse_word(word: &str) -> Result<SecureOptions, Error> {
    match word.as_bytes()[0] {
        b'0'..=b'9' => parse_number(word),
        b'-' if word[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            Err(invalid(format!("{word} is negative; options are 0 or more")).with_code("ERR_OUT_OF_RANGE"))
        }
        _ => parse_name(word),
    }
}

fn parse_number(word: &str) -> Result<SecureOptions, Error> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(invalid(format!("{word:?} is not a number")));
    }
    // Only digits are left, so what cannot be read is too large.
    u64::from_str_radix(digits, radix)
        .map(SecureOptions::from)
        .map_err(|_| invalid(format!("{word} does not fit 64 bits")).with_code("ERR_OUT_OF_RANGE"))
}

fn parse_name(word: &str) -> Result<SecureOptions, Error> {
    const PREFIX: &str = "SSL_OP_";
    let name = match word.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &word[PREFIX.len()..],
        _ => word,
    };
    if let Some((_, options)) = SecureOptions::names().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(options);
    }
    Err(invalid(match nearest(name, SecureOptions::names().map(|(known, _)| known)) {
        Some(nearest) => format!("{word:?} is not an option of libssl; the nearest is {nearest}"),
        None => format!("{word:?} is not an option of libssl"),
    }))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Config, message).with_option("secure_options")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bits_are_those_of_openssls_header() {
        assert_eq!(SecureOptions::NO_EXTENDED_MASTER_SECRET.bits(), 0x1);
        assert_eq!(SecureOptions::LEGACY_SERVER_CONNECT.bits(), 0x4);
        assert_eq!(SecureOptions::NO_TICKET.bits(), 0x4000);
        assert_eq!(SecureOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION.bits(), 0x40000);
        assert_eq!(SecureOptions::CIPHER_SERVER_PREFERENCE.bits(), 0x40_0000);
        assert_eq!(SecureOptions::NO_TLSv1_1.bits(), 0x1000_0000);
        assert_eq!(SecureOptions::NO_SSL_MASK.bits(), 0x3e00_0000);
        assert_eq!(SecureOptions::NO_DTLS_MASK.bits(), 0x0c00_0000);
        assert_eq!(SecureOptions::ALL.bits(), 0x8000_0850);
        assert_eq!(SecureOptions::ECH_GREASE_RETRY_CONFIG.bits(), 0x100_0000_0000);
    }

    #[test]
    fn each_name_is_there_once_and_each_bit_has_one_first_name() {
        let names: HashSet<&str> = SecureOptions::names().map(|(name, _)| name).collect();
        assert_eq!(names.len(), SecureOptions::names().count());
        assert_eq!(flags().count(), 40, "bits 0 to 40 without bit 5, which no version uses");
        assert_eq!(
            flags().map(|(name, _, _)| name).find(|n| n.contains("DTLS") || *n == "SERVER_PREFERENCE"),
            None
        );
    }

    #[test]
    fn every_name_parses_with_and_without_the_prefix_in_any_case() {
        for (name, options) in SecureOptions::names() {
            assert_eq!(SecureOptions::parse(name).unwrap(), options, "{name}");
            let long = format!("ssl_op_{}", name.to_ascii_lowercase());
            assert_eq!(SecureOptions::parse(&long).unwrap(), options, "{long}");
        }
        for name in ["NO_SSLv2", "SINGLE_DH_USE", "TLS_D5_BUG", "SSL_OP_EPHEMERAL_RSA"] {
            assert!(SecureOptions::parse(name).unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn names_and_numbers_mix_with_any_separator() {
        let expected = SecureOptions::NO_TICKET | SecureOptions::NO_COMPRESSION | SecureOptions::from(3);
        for text in
            ["NO_TICKET,0x20000|3", " no_ticket + 131072\t0X3 ", "|3||NO_TICKET,,SSL_OP_NO_COMPRESSION|"]
        {
            assert_eq!(text.parse::<SecureOptions>().unwrap(), expected, "{text}");
        }
        assert_eq!(SecureOptions::parse(" , ").unwrap(), SecureOptions::empty());
        assert_eq!(SecureOptions::parse("18446744073709551615").unwrap().bits(), u64::MAX);
    }

    #[test]
    fn an_unknown_word_is_named_with_the_nearest_name() {
        let error = SecureOptions::parse("NO_TICKET|SSL_OP_NO_TLSv11").unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("secure_options")));
        assert_eq!(error.code(), "ERR_INVALID_ARG_VALUE");
        assert_eq!(
            error.message(),
            r#""SSL_OP_NO_TLSv11" is not an option of libssl; the nearest is NO_TLSv1"#
        );
        let error = SecureOptions::parse("legacy_server_conect").unwrap_err();
        assert!(error.message().ends_with("the nearest is LEGACY_SERVER_CONNECT"), "{error}");
        let error = SecureOptions::parse("käse").unwrap_err();
        assert_eq!(error.message(), r#""käse" is not an option of libssl"#);
        assert!(SecureOptions::parse("SSL_OP_").is_err());
    }

    #[test]
    fn numbers_out_of_range_or_malformed_are_refused() {
        for text in ["-4", "NO_TICKET,-1", "18446744073709551616", "0x10000000000000000"] {
            assert_eq!(SecureOptions::parse(text).unwrap_err().code(), "ERR_OUT_OF_RANGE", "{text}");
        }
        for text in ["0x", "12ab", "0xfg", "1_000", "1.5", "-", "-NO_TICKET", "--1"] {
            let error = SecureOptions::parse(text).unwrap_err();
            assert_eq!(error.code(), "ERR_INVALID_ARG_VALUE", "{text}");
            assert!(error.message().contains(text), "{error}");
        }
    }

    #[test]
    fn bits_without_a_name_are_kept_and_shown_as_a_number() {
        let options = SecureOptions::from(1 << 63 | 1 << 5) | SecureOptions::NO_SSLv3;
        assert_eq!(options.to_string(), "NO_SSLv3|0x8000000000000020");
        assert_eq!(format!("{options:?}"), "SecureOptions(NO_SSLv3|0x8000000000000020)");
        assert_eq!(SecureOptions::from(0x20).to_string(), "0x20");
        assert_eq!(SecureOptions::empty().to_string(), "0");
        assert_eq!(u64::from(options), 1 << 63 | 1 << 25 | 1 << 5);
    }

    #[test]
    fn the_version_that_knows_a_set_is_that_of_its_newest_option() {
        assert_eq!(SecureOptions::empty().since(), Some("1.1.1"));
        assert_eq!(SecureOptions::NO_TICKET.since(), Some("1.1.1"));
        let options = SecureOptions::NO_EXTENDED_MASTER_SECRET | SecureOptions::NO_TICKET;
        assert_eq!(options.since(), Some("3.0"));
        assert_eq!((options | SecureOptions::PREFER_NO_DHE_KEX).since(), Some("3.3"));
        assert_eq!(SecureOptions::from(1 << 5).since(), None);
        assert!(
            TABLE.iter().all(|(_, _, since)| ["1.1.1", "3.0", "3.2", "3.3", "3.6", "4.0"].contains(since))
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bits: u64) {
            let options = SecureOptions::from(bits);
            prop_assert_eq!(SecureOptions::parse(&options.to_string()).unwrap(), options);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[-0-9a-fxX_,|+ SLOPNTé]{0,20}") {
            if let Err(error) = SecureOptions::parse(&text) {
                prop_assert_eq!(error.option(), Some("secure_options"));
            }
        }
    }
}
