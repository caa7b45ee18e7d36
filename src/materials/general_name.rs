//! The text of alternative names: unambiguous, so that no name can pass for another (CVE-2021-44532).

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

use crate::sys::x509::{GeneralName, OtherValue};

/// How the bytes of a name are read and escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    /// One byte is one character; all but printable ASCII is escaped.
    Latin1,
    /// Only ASCII control characters are escaped.
    Utf8,
}

/// The kinds of `otherName` that have a text: object identifier, label and character set (RFC 4985, RFC 6120,
/// RFC 7585, RFC 8398 and Microsoft's user principal name).
const OTHER_NAMES: [(&str, &str, Charset); 5] = [
    ("1.3.6.1.5.5.7.8.9", "SmtpUTF8Mailbox", Charset::Utf8),
    ("1.3.6.1.5.5.7.8.5", "XmppAddr", Charset::Utf8),
    ("1.3.6.1.5.5.7.8.7", "SRVName", Charset::Latin1),
    ("1.3.6.1.4.1.311.20.2.3", "UPN", Charset::Utf8),
    ("1.3.6.1.5.5.7.8.8", "NAIRealm", Charset::Utf8),
];

/// What stands after the prefix of an entry, such as after `DNS:`.
enum Body<'a> {
    /// Text that needs no escape, such as an address.
    Plain(Cow<'a, str>),
    /// Text that the certificate's issuer chose.
    Chosen { label: Option<&'static str>, bytes: &'a [u8], charset: Charset },
}

impl GeneralName {
    /// The entry as it stands in the list of alternative names: `DNS:example.com`, `IP Address:10.0.0.1`.
    pub(crate) fn text(&self) -> String {
        let (prefix, body) = self.parts();
        let mut text = format!("{prefix}:");
        match body {
            Body::Plain(plain) => text.push_str(&plain),
            Body::Chosen { label, bytes, charset } => push_escaped(&mut text, label, bytes, charset),
        }
        text
    }

    /// The prefix of the entry and its value without any escape.
    pub(crate) fn prefix_and_value(&self) -> (&'static str, String) {
        let (prefix, body) = self.parts();
        let value = match body {
            Body::Plain(plain) => plain.into_owned(),
            Body::Chosen { label, bytes, charset } => {
                let value = decode(bytes, charset);
                label.map(|l| format!("{l}:{value}")).unwrap_or(value)
            }
        };
        (prefix, value)
    }

    /// The DNS name, if it is one; bytes outside ASCII are read as Latin-1.
    pub(crate) fn dns(&self) -> Option<String> {
        match self {
            GeneralName::Dns(bytes) => Some(decode(bytes, Charset::Latin1)),
            _ => None,
        }
    }

    /// The address, if it is one: the inner `None` stands for an address of a wrong length.
    pub(crate) fn ip(&self) -> Option<Option<IpAddr>> {
        match self {
            GeneralName::Ip(bytes) => Some(address(bytes)),
            _ => None,
        }
    }

    fn parts(&self) -> (&'static str, Body<'_>) {
        let latin1 = |bytes| Body::Chosen { label: None, bytes, charset: Charset::Latin1 };
        let plain = |text: &'static str| Body::Plain(Cow::Borrowed(text));
        match self {
            GeneralName::Dns(bytes) => ("DNS", latin1(bytes)),
            GeneralName::Email(bytes) => ("email", latin1(bytes)),
            GeneralName::Uri(bytes) => ("URI", latin1(bytes)),
            GeneralName::Directory(bytes) => {
                ("DirName", Body::Chosen { label: None, bytes, charset: Charset::Utf8 })
            }
            GeneralName::Ip(bytes) => ("IP Address", Body::Plain(Cow::Owned(address_text(bytes)))),
            GeneralName::RegisteredId(oid) => ("Registered ID", Body::Plain(Cow::Borrowed(oid))),
            GeneralName::X400 => ("X400Name", plain("<unsupported>")),
            GeneralName::EdiParty => ("EdiPartyName", plain("<unsupported>")),
            GeneralName::Other { oid, value } => ("othername", other_body(oid, value)),
        }
    }
}

/// The entries as one text: `DNS:example.com, IP Address:10.0.0.1`.
pub(crate) fn join(names: &[GeneralName]) -> String {
    names.iter().map(GeneralName::text).collect::<Vec<_>>().join(", ")
}

fn other_body<'a>(oid: &str, value: &'a OtherValue) -> Body<'a> {
    let known = OTHER_NAMES.iter().find(|(known, ..)| *known == oid);
    match (known, value) {
        (Some(&(_, label, Charset::Utf8)), OtherValue::Utf8(bytes)) => {
            Body::Chosen { label: Some(label), bytes, charset: Charset::Utf8 }
        }
        (Some(&(_, label, Charset::Latin1)), OtherValue::Ia5(bytes)) => {
            Body::Chosen { label: Some(label), bytes, charset: Charset::Latin1 }
        }
        _ => Body::Plain(Cow::Borrowed("<unsupported>")),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// IPv6 addresses are eight groups in upper-case hexadecimal, without compression.
fn address_text(bytes: &[u8]) -> String {
    match address(bytes) {
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => {
            v6.segments().iter().map(|group| format!("{group:X}")).collect::<Vec<_>>().join(":")
        }
        None => format!("<invalid length={}>", bytes.len()),
    }
}

fn decode(bytes: &[u8], charset: Charset) -> String {
    match charset {
        Charset::Latin1 => bytes.iter().copied().map(char::from).collect(),
        Charset::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Whether the text can stand unquoted in a list that is separated by commas.
fn is_safe(bytes: &[u8], charset: Charset) -> bool {
    bytes.iter().all(|&byte| match byte {
        b'"' | b'\\' | b',' | b'\'' => false,
        b' '..=b'~' => true,
        0x80.. => charset == Charset::Utf8,
        _ => false,
    })
}

/// Appends the text as it is when that is safe, else as a JSON string. The label goes inside the quotes.
fn push_escaped(out: &mut String, label: Option<&str>, bytes: &[u8], charset: Charset) {
    let safe = is_safe(bytes, charset);
    if !safe {
        out.push('"');
    }
    if let Some(label) = label {
        out.push_str(label);
        out.push(':');
    }
    if safe {
        out.push_str(&String::from_utf8_lossy(bytes));
        return;
    }
    for character in decode(bytes, charset).chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            // A comma is escaped too, for readers that split the list at commas without looking at quotes.
            ' '..='~' if character != ',' => out.push(character),
            '\u{80}'.. if charset == Charset::Utf8 => out.push(character),
            _ => {
                // INVARIANT: writing to a String cannot fail, so the result says nothing.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(bytes: &[u8]) -> String {
        GeneralName::Dns(bytes.to_vec()).text()
    }

    #[test]
    fn a_plain_name_stands_unquoted() {
        assert_eq!(dns(b"*.example.com"), "DNS:*.example.com");
        assert_eq!(GeneralName::Uri(b"http://a/?b=c#d".to_vec()).text(), "URI:http://a/?b=c#d");
    }

    #[test]
    fn a_name_that_could_pass_for_two_is_quoted() {
        assert_eq!(dns(b"good.com, DNS:evil.com"), r#"DNS:"good.com\u002c DNS:evil.com""#);
        assert_eq!(dns(b"a\"b\\c'd"), r#"DNS:"a\"b\\c'd""#);
        assert_eq!(dns(b"good.com\0.evil.com"), r#"DNS:"good.com\u0000.evil.com""#);
        assert_eq!(dns(b"b\xfccher"), r#"DNS:"b\u00fccher""#);
    }

    #[test]
    fn the_value_without_escape_is_the_text_of_the_certificate() {
        let name = GeneralName::Uri(b"http://a/b,c".to_vec());
        assert_eq!(name.prefix_and_value(), ("URI", "http://a/b,c".to_owned()));
        assert_eq!(GeneralName::Dns(b"b\xfccher".to_vec()).dns().unwrap(), "b\u{fc}cher");
    }

    #[test]
    fn addresses_are_dotted_or_eight_groups() {
        assert_eq!(GeneralName::Ip(vec![8, 8, 4, 4]).text(), "IP Address:8.8.4.4");
        let mut v6 = vec![0x20, 0x01, 0x0d, 0xb8];
        v6.resize(15, 0);
        v6.push(0xab);
        assert_eq!(GeneralName::Ip(v6).text(), "IP Address:2001:DB8:0:0:0:0:0:AB");
        let cut = GeneralName::Ip(vec![1, 2, 3]);
        assert_eq!((cut.text().as_str(), cut.ip()), ("IP Address:<invalid length=3>", Some(None)));
    }

    #[test]
    fn an_other_name_has_a_text_only_in_its_own_string_type() {
        let upn = |value| GeneralName::Other { oid: "1.3.6.1.4.1.311.20.2.3".to_owned(), value }.text();
        assert_eq!(upn(OtherValue::Utf8("j\u{fc}rg@x".into())), "othername:UPN:j\u{fc}rg@x");
        assert_eq!(upn(OtherValue::Utf8(b"a,b".to_vec())), r#"othername:"UPN:a\u002cb""#);
        assert_eq!(upn(OtherValue::Ia5(b"a".to_vec())), "othername:<unsupported>");
        let unknown = GeneralName::Other { oid: "1.2.3".to_owned(), value: OtherValue::Utf8(b"a".to_vec()) };
        assert_eq!(unknown.text(), "othername:<unsupported>");
    }
}
