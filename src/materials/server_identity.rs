//! Whether a certificate is one for the host that was asked for.

use std::net::{IpAddr, Ipv6Addr};

use super::certificate::Certificate;
use super::general_name;
use crate::sys::x509::{Extension, GeneralName, encoded_alt_names};
use crate::values::address;
use crate::values::error::{Error, ErrorKind};

/// The names of a certificate that a host can match.
#[derive(Debug, Default)]
struct CertificateNames {
    /// The subject's common names.
    common_names: Vec<String>,
    /// The DNS names among the alternative names.
    dns: Vec<String>,
    /// The addresses among the alternative names; `None` for one of a wrong length.
    ips: Vec<Option<IpAddr>>,
    /// All alternative names as one text, for the reason.
    text: String,
    /// The extension is there and cannot be decoded: whatever it names, it is not the common name.
    malformed: bool,
}

/// Checks that a server's certificate is one for `host`, as Node's `tls.checkServerIdentity` does.
///
/// `host` is a name or an address without brackets; one trailing dot is ignored, and so is the case of ASCII letters.
/// Of the certificate's alternative names the `DNS` and the `IP Address` ones count:
///
/// - An address matches an equal address only, never a DNS name or a common name.
/// - A name matches an equal DNS name. A `*` in the first label stands for any part of one label, also beside other
///   characters (`www*.example.com`), where two more labels follow and the label is no IDNA A-label (`xn--`).
///   International names match as A-labels only.
/// - The subject's common names count, by the same rules, only when the certificate has neither DNS names nor
///   addresses among its alternative names (RFC 6125 section 6.4.4). Other kinds, such as `URI` and `email`, do not
///   suppress them.
///
/// In one point it is stricter than Node, which looks at the common name although the certificate names
/// addresses, or has an extension for alternative names that cannot be decoded.
///
/// # Examples
///
/// ```
/// use patina_tls::{Certificate, check_server_identity};
///
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/materials/testdata/names.pem"));
/// let certificate = Certificate::from_pem(pem)?;
/// check_server_identity("www.names.example", &certificate)?;
///
/// let error = check_server_identity("names.test", &certificate).unwrap_err();
/// assert_eq!(error.code(), "ERR_TLS_CERT_ALTNAME_INVALID");
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Unauthorized`] with the code `ERR_TLS_CERT_ALTNAME_INVALID` when the certificate is for another host;
/// the text says which names it has.
///
/// # Security
///
/// A certificate that names the host is worth something only if its chain was verified. Partial wildcards are
/// accepted although RFC 9525 section 6.3 does without them; public authorities do not issue them.
pub fn check_server_identity(host: &str, certificate: &Certificate) -> Result<(), Error> {
    if encoded_alt_names(certificate.as_openssl()).is_some_and(|names| is_named_plainly(host, names)) {
        return Ok(());
    }
    CertificateNames::of(certificate).check(host).map_err(|reason| {
        let message = format!("Hostname/IP does not match certificate's altnames: {reason}");
        Error::new(ErrorKind::Unauthorized, message).with_code("ERR_TLS_CERT_ALTNAME_INVALID")
    })
}

impl CertificateNames {
    fn of(certificate: &Certificate) -> CertificateNames {
        let common_names = certificate.subject_common_names();
        match certificate.alternative_names() {
            Extension::Absent => CertificateNames { common_names, ..CertificateNames::default() },
            Extension::Malformed => {
                CertificateNames { common_names, malformed: true, ..CertificateNames::default() }
            }
            Extension::Present(names) => CertificateNames {
                common_names,
                dns: names.iter().filter_map(GeneralName::dns).collect(),
                ips: names.iter().filter_map(GeneralName::ip).collect(),
                text: general_name::join(&names),
                malformed: false,
            },
        }
    }

    /// The reason is in the words of Node's lib/tls.js.
    fn check(&self, host: &str) -> Result<(), String> {
        let host = without_dot(host);
        if let Some(address) = parse_address(host) {
            if self.ips.contains(&Some(address)) {
                return Ok(());
            }
            let list: Vec<String> =
                self.ips.iter().map(|ip| ip.map_or_else(String::new, canonical)).collect();
            return Err(format!("IP: {host} is not in the cert's list: {}", list.join(", ")));
        }
        if !self.dns.is_empty() {
            if self.dns.iter().any(|pattern| matches(host, pattern.as_bytes())) {
                return Ok(());
            }
            return Err(format!("Host: {host}. is not in the cert's altnames: {}", self.text));
        }
        if self.common_name_counts() {
            if self.common_names.iter().any(|pattern| matches(host, pattern.as_bytes())) {
                return Ok(());
            }
            return Err(format!("Host: {host}. is not cert's CN: {}", self.common_names.join(",")));
        }
        Err("Cert does not contain a DNS name".to_owned())
    }

    fn common_name_counts(&self) -> bool {
        let named = match self.common_names.as_slice() {
            [] => false,
            [one] => !one.is_empty(),
            _ => true,
        };
        named && self.ips.is_empty() && !self.malformed
    }
}

/// Whether the host is a name among these alternative names, told from their encoding: decoding them takes fifty
/// allocations, which most handshakes can do without. False says nothing.
fn is_named_plainly(host: &str, names: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const DNS_NAME: u8 = 0x82;
    const IP_ADDRESS: u8 = 0x87;
    let Some((SEQUENCE, mut names, [])) = element(names) else { return false };
    let host = without_dot(host);
    if parse_address(host).is_some() {
        return false;
    }
    let mut named = false;
    while !names.is_empty() {
        // All of it has to be well-formed, and of kinds in which nothing can be malformed.
        match element(names) {
            Some((DNS_NAME, name, rest)) if name.is_ascii() => {
                named |= matches(host, name);
                names = rest;
            }
            Some((IP_ADDRESS, _, rest)) => names = rest,
            _ => return false,
        }
    }
    named
}

/// The first element of some DER: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, length) = match *der {
        [_, length @ 0..=0x7f, ..] => (2, usize::from(length)),
        [_, 0x81, length @ 0x80..=0xff, ..] => (3, usize::from(length)),
        [_, 0x82, high @ 1..=0xff, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        _ => return None,
    };
    let (content, rest) = der[header..].split_at_checked(length)?;
    Some((der[0], content, rest))
}

/// Whether the host is one that the pattern stands for.
fn matches(host: &str, pattern: &[u8]) -> bool {
    let host = without_dot(host).as_bytes();
    let pattern = pattern.strip_suffix(b".").unwrap_or(pattern);
    if !pattern.contains(&b'*') {
        return host.eq_ignore_ascii_case(pattern) && is_well_formed(pattern);
    }
    if !is_well_formed(pattern) {
        return false;
    }
    // RFC 6125 section 6.4.3: the wildcard is in the first label.
    let first = |name: &[u8]| name.iter().position(|byte| *byte == b'.').unwrap_or(name.len());
    let ((host, above), (label, rest)) = (host.split_at(first(host)), pattern.split_at(first(pattern)));
    let labels = 1 + pattern.iter().filter(|byte| **byte == b'.').count();
    above.eq_ignore_ascii_case(rest) && label_matches(host, label, labels)
}

/// Whether the first label matches. `labels` is the number of labels of the whole pattern.
fn label_matches(host: &[u8], pattern: &[u8], labels: usize) -> bool {
    // No wildcard inside an A-label.
    let is_a_label = pattern.windows(4).any(|part| part.eq_ignore_ascii_case(b"xn--"));
    let Some(place) = pattern.iter().position(|byte| *byte == b'*').filter(|_| !is_a_label) else {
        return host.eq_ignore_ascii_case(pattern);
    };
    let (prefix, suffix) = (&pattern[..place], &pattern[place + 1..]);
    // More than one wildcard is always wrong, and `*.com` would stand for too much.
    if suffix.contains(&b'*') || labels <= 2 || host.len() < prefix.len() + suffix.len() {
        return false;
    }
    host[..prefix.len()].eq_ignore_ascii_case(prefix)
        && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

/// Labels of plain characters, none of them empty.
fn is_well_formed(name: &[u8]) -> bool {
    let mut before = b'.';
    name.iter().all(|&byte| {
        let label_ends = byte == b'.';
        let good = (b'!'..=0x7f).contains(&byte) && !(label_ends && before == b'.');
        before = byte;
        good
    }) && before != b'.'
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The address that the host is, an IPv6 zone (`fe80::1%eth0`) left out.
fn parse_address(host: &str) -> Option<IpAddr> {
    match host.split_once('%') {
        None => address::parse(host),
        Some((host, zone)) => {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
            let zoned = !zone.is_empty() && zone.chars().all(known);
            host.parse::<Ipv6Addr>().ok().filter(|_| zoned).map(IpAddr::V6)
        }
    }
}

/// The text of `inet_ntop`, which unlike Rust writes the IPv4-compatible addresses with dots.
fn canonical(address: IpAddr) -> String {
    if let IpAddr::V6(v6) = address
        && let [0, 0, 0, 0, 0, 0, high, _] = v6.segments()
        && high != 0
    {
        let [.., a, b, c, d] = v6.octets();
        return format!("::{a}.{b}.{c}.{d}");
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, common names, alternative names, and the reason for a refusal or nothing.
    type Row = (&'static str, &'static [&'static str], &'static str, &'static str);

    fn check((host, common_names, text, reason): Row) {
        let list = |prefix| text.split(", ").filter_map(move |name| name.strip_prefix(prefix));
        let names = CertificateNames {
            common_names: common_names.iter().map(|n| (*n).to_owned()).collect(),
            dns: list("DNS:").map(str::to_owned).collect(),
            ips: list("IP Address:").map(|ip| ip.parse().ok()).collect(),
            text: text.to_owned(),
            malformed: false,
        };
        let found = names.check(host).err().unwrap_or_default();
        assert_eq!(found, reason, "host {host:?}, common names {common_names:?}, alternative names {text:?}");
    }

    fn certificate(pem: &str) -> Certificate {
        Certificate::from_pem(pem).unwrap()
    }

    #[test]
    fn the_rows_of_node_s_own_test_hold() {
        ROWS.iter().copied().for_each(check);
    }

    #[test]
    fn rows_that_node_was_asked_hold() {
        MORE_ROWS.iter().copied().for_each(check);
    }

    #[test]
    fn a_common_name_does_not_count_beside_addresses() {
        check(("a.com", &["a.com"], "IP Address:10.0.0.1", "Cert does not contain a DNS name"));
        check(("a.com", &["a.com"], "IP Address:nonsense", "Cert does not contain a DNS name"));
        let certificate = certificate(include_str!("testdata/addresses.pem"));
        assert!(check_server_identity("addresses.example", &certificate).is_err());
        check_server_identity("10.0.0.1", &certificate).unwrap();
        check_server_identity("::1", &certificate).unwrap();
    }

    #[test]
    fn a_common_name_does_not_count_beside_names_that_cannot_be_decoded() {
        let certificate = certificate(include_str!("testdata/malformed.pem"));
        let error = check_server_identity("malformed.example", &certificate).unwrap_err();
        assert!(error.message().ends_with("altnames: Cert does not contain a DNS name"));
    }

    #[test]
    fn a_name_inside_another_name_does_not_match() {
        let certificate = certificate(include_str!("testdata/escapes.pem"));
        for host in ["good.example", "evil.example", "nul.example", "b\u{fc}cher.example"] {
            assert!(check_server_identity(host, &certificate).is_err(), "{host}");
        }
    }

    #[test]
    fn the_encoded_names_say_yes_only_where_the_decoded_ones_do() {
        let texts = [
            include_str!("testdata/names.pem"),
            include_str!("testdata/addresses.pem"),
            include_str!("testdata/escapes.pem"),
            include_str!("testdata/malformed.pem"),
        ];
        let mut found = 0;
        for certificate in texts.map(certificate) {
            let encoded = encoded_alt_names(certificate.as_openssl()).unwrap();
            let hosts = [
                "names.example",
                "WWW.Names.Example.",
                "a.b.names.example",
                "10.0.0.1",
                "good.example",
                "::1",
            ];
            for host in hosts {
                let plain = is_named_plainly(host, encoded);
                assert!(!plain || CertificateNames::of(&certificate).check(host).is_ok(), "{host}");
                found += usize::from(plain);
                for cut in 0..encoded.len() {
                    assert!(!is_named_plainly(host, &encoded[..cut]), "cut at {cut}");
                }
            }
        }
        assert_eq!(found, 2, "the first two hosts, and no address");
    }

    #[test]
    fn the_error_has_the_code_and_the_words_of_node() {
        let certificate = certificate(include_str!("testdata/names.pem"));
        let error = check_server_identity("b.test", &certificate).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "ERR_TLS_CERT_ALTNAME_INVALID"));
        assert_eq!(
            error.message(),
            "Hostname/IP does not match certificate's altnames: Host: b.test. is not in the cert's altnames: \
             DNS:names.example, DNS:*.names.example, IP Address:10.0.0.1"
        );
    }

    /// test/parallel/test-tls-check-server-identity.js; hosts that are no strings stand as the text they become.
    #[rustfmt::skip]
    const ROWS: &[Row] = &[
        ("false", &["a.com"], "", "Host: false. is not cert's CN: a.com"),
        ("null", &["a.com"], "", "Host: null. is not cert's CN: a.com"),
        ("undefined", &["a.com"], "", "Host: undefined. is not cert's CN: a.com"),
        ("a.com", &["a.com"], "", ""),
        ("a.com", &["A.COM"], "", ""),
        ("a.com", &["b.com"], "", "Host: a.com. is not cert's CN: b.com"),
        ("a.com", &["a.com."], "", ""),
        ("a.com", &[".a.com"], "", "Host: a.com. is not cert's CN: .a.com"),
        ("8.8.8.8", &["8.8.8.8"], "", "IP: 8.8.8.8 is not in the cert's list: "),
        ("8.8.8.8", &["8.8.8.8"], "DNS:8.8.8.8", "IP: 8.8.8.8 is not in the cert's list: "),
        ("8.8.8.8", &["8.8.8.8"], "URI:http://8.8.8.8/", "IP: 8.8.8.8 is not in the cert's list: "),
        ("8.8.8.8", &["8.8.8.8"], "IP Address:8.8.8.8", ""),
        ("8.8.8.8", &["8.8.8.8"], "IP Address:8.8.8.0/24", "IP: 8.8.8.8 is not in the cert's list: "),
        ("b.a.com", &["*.a.com"], "", ""),
        ("ba.com", &["*.a.com"], "", "Host: ba.com. is not cert's CN: *.a.com"),
        ("\n.b.com", &["*n.b.com"], "", "Host: \n.b.com. is not cert's CN: *n.b.com"),
        ("b.a.com", &["*.a.com"], "DNS:omg.com", "Host: b.a.com. is not in the cert's altnames: DNS:omg.com"),
        ("b.a.com", &["b*b.a.com"], "", "Host: b.a.com. is not cert's CN: b*b.a.com"),
        ("a.com", &[], "", "Cert does not contain a DNS name"),
        ("a.com", &[], "DNS:a.com", ""),
        ("a.b.a.com", &[], "URI:http://a.b.a.com/", "Cert does not contain a DNS name"),
        ("foo.com", &["foo.com", "bar.com"], "", ""),
        ("a.com", &["b.com"], "DNS:*", "Host: a.com. is not in the cert's altnames: DNS:*"),
        ("a.com", &["b.com"], "DNS:*.com", "Host: a.com. is not in the cert's altnames: DNS:*.com"),
        ("a.co.uk", &["b.com"], "DNS:*.co.uk", ""),
        ("a.com", &["a.com"], "DNS:*.a.com", "Host: a.com. is not in the cert's altnames: DNS:*.a.com"),
        ("a.com", &["b.com"], "DNS:*.a.com", "Host: a.com. is not in the cert's altnames: DNS:*.a.com"),
        ("a.com", &["b.com"], "DNS:a.com", ""),
        ("a.com", &["b.com"], "DNS:A.COM", ""),
        ("a.com", &[], "DNS:*.a.com", "Host: a.com. is not in the cert's altnames: DNS:*.a.com"),
        ("b.a.com", &[], "DNS:*.a.com", ""),
        ("c.b.a.com", &[], "DNS:*.a.com", "Host: c.b.a.com. is not in the cert's altnames: DNS:*.a.com"),
        ("b.a.com", &[], "DNS:*b.a.com", ""),
        ("a-cb.a.com", &[], "DNS:*b.a.com", ""),
        ("a.b.a.com", &[], "DNS:*b.a.com", "Host: a.b.a.com. is not in the cert's altnames: DNS:*b.a.com"),
        ("a.b.a.com", &[], "DNS:*b.a.com, DNS:a.b.a.com", ""),
        ("a.b.a.com", &[], "URI:http://*.b.a.com/", "Cert does not contain a DNS name"),
        ("a.b.a.com", &[], "IP Address:127.0.0.1", "Cert does not contain a DNS name"),
        ("127.0.0.1", &[], "IP Address:127.0.0.1", ""),
        ("127.0.0.2", &[], "IP Address:127.0.0.1", "IP: 127.0.0.2 is not in the cert's list: 127.0.0.1"),
        ("127.0.0.1", &[], "DNS:a.com", "IP: 127.0.0.1 is not in the cert's list: "),
        ("localhost", &["localhost"], "DNS:a.com", "Host: localhost. is not in the cert's altnames: DNS:a.com"),
        ("xn--bcher-kva.example.com", &["*.example.com"], "", ""),
        ("xn--bcher-kva.example.com", &["xn--*.example.com"], "", "Host: xn--bcher-kva.example.com. is not cert's CN: xn--*.example.com"),
    ];

    /// The answers of Node 20.20.2.
    #[rustfmt::skip]
    const MORE_ROWS: &[Row] = &[
        ("a.com.", &[], "DNS:a.com", ""),
        ("127.0.0.1.", &[], "IP Address:127.0.0.1", ""),
        ("::ffff:1.2.3.4", &[], "IP Address:::FFFF:102:304", ""),
        ("0:0:0:0:0:0:0:1", &[], "IP Address:::1", ""),
        ("fe80::1%eth0", &[], "IP Address:fe80::1", ""),
        ("xya.c.com", &[], "DNS:x*a.c.com", ""),
        ("a.b.com", &["", "*.b.com"], "", ""),
        ("a.com", &["a.com"], "URI:http://b.com/", ""),
        ("1.2.3.4", &[], "IP Address:::ffff:1.2.3.4, IP Address:::1.2.3.4, IP Address:2001:DB8:0:0:1:0:0:1", "IP: 1.2.3.4 is not in the cert's list: ::ffff:1.2.3.4, ::1.2.3.4, 2001:db8::1:0:0:1"),
        ("[::1]", &[], "IP Address:::1", "Cert does not contain a DNS name"),
        ("::1%", &[], "IP Address:::1", "Cert does not contain a DNS name"),
        ("127.00.0.1", &[], "IP Address:127.0.0.1", "Cert does not contain a DNS name"),
        ("xa.c.com", &[], "DNS:xa*a.c.com", "Host: xa.c.com. is not in the cert's altnames: DNS:xa*a.c.com"),
        ("ab.c.com", &[], "DNS:*a*.c.com", "Host: ab.c.com. is not in the cert's altnames: DNS:*a*.c.com"),
        ("a.b.com", &[], "DNS:a.*.com", "Host: a.b.com. is not in the cert's altnames: DNS:a.*.com"),
        ("bücher.com", &[], "DNS:bücher.com", "Host: bücher.com. is not in the cert's altnames: DNS:bücher.com"),
        ("a..com", &[], "DNS:a..com", "Host: a..com. is not in the cert's altnames: DNS:a..com"),
        ("c.com", &["a.com", "b.com"], "", "Host: c.com. is not cert's CN: a.com,b.com"),
        ("", &[""], "", "Cert does not contain a DNS name"),
    ];
}
