//! Lists of application protocols.

use std::fmt;

use super::error::Error;

/// A list of application protocols for ALPN (RFC 7301), the preferred one first.
///
/// # Examples
///
/// ```
/// use patina_tls::AlpnProtocols;
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let server = AlpnProtocols::new(["h2", "http/1.1"])?;
/// assert_eq!(server.as_wire(), b"\x02h2\x08http/1.1");
/// assert_eq!(server.select(b"\x08http/1.1\x02h2"), Some(&b"h2"[..]), "the server's order decides");
/// assert_eq!(server.select(b"\x03ftp"), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
#[doc(alias = "ALPNProtocols")]
pub struct AlpnProtocols {
    /// Each name after a byte with its length; well-formed by construction.
    wire: Vec<u8>,
}

/// The length field of the extension has two bytes.
const MAX_WIRE: usize = 0xffff;

impl AlpnProtocols {
    /// Makes the list from names, as text or as bytes; no names give an empty list, which offers nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `alpn` and the code `ERR_OUT_OF_RANGE`
    /// for an empty name, a name of more than 255 bytes, and a list of more than 65535 bytes in all. The text
    /// gives the position of the name, counted from 0.
    pub fn new<I>(names: I) -> Result<AlpnProtocols, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut wire = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let name = name.as_ref();
            let Some(length) = u8::try_from(name.len()).ok().filter(|&length| length > 0) else {
                return Err(out_of_range(format!(
                    "protocol name {index} has {} bytes; a name has 1 to 255",
                    name.len()
                )));
            };
            if wire.len() + 1 + name.len() > MAX_WIRE {
                return Err(out_of_range(format!(
                    "the list passes {MAX_WIRE} bytes with protocol name {index}"
                )));
            }
            wire.push(length);
            wire.extend_from_slice(name);
        }
        Ok(AlpnProtocols { wire })
    }

    /// The list as `SSL_set_alpn_protos` takes it: each name after a byte with its length.
    ///
    /// # OpenSSL
    ///
    /// `SSL_CTX_set_alpn_protos`, `SSL_set_alpn_protos`.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// The names in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        Names(&self.wire)
    }

    /// Whether the list has no name.
    pub fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// Chooses the first name of this list that the client offers, as a server does; `None` if there is none.
    ///
    /// `client_wire` is the client's list in the same form, as libssl hands it to the selection callback; a
    /// malformed one matches nothing. The answer is a part of it.
    ///
    /// # OpenSSL
    ///
    /// `SSL_CTX_set_alpn_select_cb`, `SSL_select_next_proto`.
    pub fn select<'c>(&self, client_wire: &'c [u8]) -> Option<&'c [u8]> {
        if !is_well_formed(client_wire) {
            return None;
        }
        self.iter().find_map(|own| Names(client_wire).find(|offered| *offered == own))
    }

    /// The place of a protocol in a client's list in wire format.
    pub(crate) fn find_in<'c>(client_wire: &'c [u8], protocol: &[u8]) -> Option<&'c [u8]> {
        Names::of(client_wire).find(|offered| *offered == protocol)
    }

    /// The first of the server's protocols that this list has, too: what a client says by NPN.
    pub(crate) fn first_of<'s>(&self, server_wire: &'s [u8]) -> Option<&'s [u8]> {
        Names::of(server_wire).find(|advertised| self.iter().any(|own| own == *advertised))
    }
}

impl fmt::Debug for AlpnProtocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|name| name.escape_ascii().to_string())).finish()
    }
}

/// The names of a list in wire form, up to the first that is cut short.
pub(super) struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// The names of a well-formed list, or none.
    pub(super) fn of(wire: &'a [u8]) -> Names<'a> {
        Names(if is_well_formed(wire) { wire } else { &[] })
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.0.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(length))?;
        self.0 = rest;
        Some(name)
    }
}

fn is_well_formed(wire: &[u8]) -> bool {
    let mut names = Names(wire);
    names.all(|name| !name.is_empty()) && names.0.is_empty()
}

fn out_of_range(message: String) -> Error {
    Error::config("alpn", message).with_code("ERR_OUT_OF_RANGE")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::error::ErrorKind;

    #[test]
    fn an_empty_or_overlong_name_is_refused_with_its_position() {
        for (names, index) in [(vec!["h2".to_owned(), String::new()], "1"), (vec!["x".repeat(256)], "0")] {
            let error = AlpnProtocols::new(&names).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "ERR_OUT_OF_RANGE"));
            assert_eq!(error.option(), Some("alpn"));
            assert!(error.message().starts_with(&format!("protocol name {index} ")), "{error}");
        }
        assert_eq!(AlpnProtocols::new(["x".repeat(255)]).unwrap().as_wire().len(), 256);
    }

    #[test]
    fn the_whole_list_fits_the_length_field() {
        let name = [b'x'; 254];
        let full = AlpnProtocols::new(std::iter::repeat_n(name, 257)).unwrap();
        assert_eq!(full.as_wire().len(), 65535);
        let error = AlpnProtocols::new(std::iter::repeat_n(&name[..], 257).chain([&b"y"[..]])).unwrap_err();
        assert_eq!(error.code(), "ERR_OUT_OF_RANGE");
        assert!(error.message().contains("257"), "{error}");
    }

    #[test]
    fn no_names_give_an_empty_list_that_selects_nothing() {
        let none = AlpnProtocols::new(Vec::<String>::new()).unwrap();
        assert!(none.is_empty() && none.as_wire().is_empty());
        assert_eq!(none.select(b"\x02h2"), None);
    }

    #[test]
    fn a_malformed_offer_selects_nothing() {
        let server = AlpnProtocols::new(["h2"]).unwrap();
        for wire in [&b""[..], b"\x02h2\x00", b"\x02h2\x09http/1.1", b"\x00\x02h2", b"\x02h"] {
            assert_eq!(server.select(wire), None, "{wire:?}");
        }
        assert_eq!(server.select(b"\x01h\x02h2"), Some(&b"h2"[..]));
    }

    #[test]
    fn names_are_shown_as_text() {
        assert_eq!(format!("{:?}", AlpnProtocols::new([&b"h2"[..], b"\xff"]).unwrap()), r#"["h2", "\\xff"]"#);
    }

    proptest! {
        #[test]
        fn names_come_back_in_order(
            names in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..8),
        ) {
            let list = AlpnProtocols::new(&names).unwrap();
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), names);
        }

        #[test]
        fn no_offer_makes_select_panic_and_the_answer_is_own_and_offered(wire: Vec<u8>) {
            let list = AlpnProtocols::new([&b"\x01"[..], b"\x02", b"h2", b"\x00"]).unwrap();
            if let Some(name) = list.select(&wire) {
                prop_assert!(list.iter().any(|own| own == name));
                prop_assert!(Names(&wire).any(|offered| offered == name));
            }
        }
    }
}
