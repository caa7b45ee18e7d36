//! What `s_server` and `s_client` write, read back.

use openssl::hash::MessageDigest;
use openssl::x509::X509;

use crate::seen::{Fact, Seen, yes_no};

/// The two Finished messages of a connection, from `-msg`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Finished {
    /// The version under which they were sent.
    pub(super) version: Option<String>,
    pub(super) own: Option<String>,
    pub(super) peer: Option<String>,
}

/// The port in `ACCEPT 127.0.0.1:PORT`.
pub(super) fn port(output: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(output);
    let (_, rest) = text.split_once("ACCEPT 127.0.0.1:")?;
    rest.split_once('\n')?.0.parse().ok()
}

/// What a server saw, by its output before and after the data.
pub(super) fn server_seen(head: &str, tail: &str) -> Seen {
    let mut seen = Seen { error: error(head).or_else(|| error(tail)), ..Seen::new() };
    let Some(cipher) = after(head, "CIPHER is ") else { return seen };
    seen.tell(Fact::Cipher, cipher);
    seen.tell(Fact::PeerCertificate, fingerprint(head, "Client certificate\n"));
    seen.tell(Fact::Alpn, after(head, "ALPN protocols selected: ").unwrap_or_default());
    seen.tell(Fact::Npn, after(head, "NEXTPROTO is ").unwrap_or_default());
    seen.tell(Fact::Reused, yes_no(head.contains("\nReused session-id\n")));
    facts_of_both(head, &mut seen);
    end(tail, &mut seen);
    seen
}

/// What a client saw, by its output before and after the data.
pub(super) fn client_seen(head: &str, tail: &str) -> Seen {
    let mut seen = Seen { error: error(head).or_else(|| error(tail)), ..Seen::new() };
    // The summary of -brief has another form.
    if let Some(cipher) = after(head, "\nCiphersuite: ") {
        seen.tell(Fact::Cipher, cipher);
    }
    let whole = format!("{head}{tail}");
    if let Some((_, rest)) = whole.split_once(", Cipher is ").filter(|(_, rest)| !rest.starts_with("(NONE)"))
    {
        seen.tell(Fact::Cipher, rest.lines().next().unwrap_or_default());
        seen.tell(Fact::Reused, yes_no(whole.contains("\nReused, ")));
        seen.tell(Fact::Alpn, after(&whole, "\nALPN protocol: ").unwrap_or_default());
        // `Next protocol: (1) h2`
        let npn = after(&whole, "\nNext protocol: (").and_then(|rest| Some(rest.split_once(") ")?.1));
        seen.tell(Fact::Npn, npn.unwrap_or_default());
        if whole.contains("OCSP response:") {
            seen.tell(Fact::StapleStatus, after(&whole, "\n    Cert Status: ").unwrap_or_default());
        }
        let certificate = fingerprint(&whole, "Server certificate\n");
        // Without a certificate nothing was wrong with it: "OK", too.
        seen.tell(
            Fact::Authorized,
            yes_no(!certificate.is_empty() && whole.contains("\nVerification: OK\n")),
        );
        seen.tell(Fact::PeerCertificate, certificate);
        // `ECDH, prime256v1, 256 bits`, `X25519, 253 bits`, `DH, 2048 bits`.
        let key =
            after(&whole, "\nServer Temp Key: ").unwrap_or_default().replace(',', "").replace(" bits", "");
        let is_curve = key.starts_with('X');
        seen.tell(Fact::PeerKey, if is_curve { format!("ECDH {key}") } else { key });
        if let Some(word) = after(&whole, "\n    Extended master secret: ") {
            seen.tell(Fact::ExtendedMasterSecret, word);
        }
        facts_of_both(&whole, &mut seen);
    }
    if let Some(why) =
        seen.error.take_if(|why| why == "ERR_SSL_UNEXPECTED_EOF_WHILE_READING" && whole.contains("Cipher"))
    {
        drop(why);
        seen.tell(Fact::End, "cut");
    } else if whole.ends_with("closed\n") {
        seen.tell(Fact::End, "close-notify");
    }
    seen
}

fn facts_of_both(text: &str, seen: &mut Seen) {
    if let Some(material) = after(text, "    Keying material: ") {
        seen.tell(Fact::Exporter, material.to_lowercase());
    }
    if let Some(support) = after(text, "\nSecure Renegotiation IS ") {
        seen.tell(Fact::SecureRenegotiation, yes_no(support == "supported"));
    }
}

/// How the client ended, by what a server writes then. A cut is no error, as with other peers.
fn end(tail: &str, seen: &mut Seen) {
    if tail.contains("DONE\n") {
        seen.tell(Fact::End, "close-notify");
    } else if seen.error.as_deref() == Some("ERR_SSL_UNEXPECTED_EOF_WHILE_READING") {
        seen.error = None;
        seen.tell(Fact::End, "cut");
    }
}

/// The rest of the line after a text.
fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.split_once(label)?.1.lines().next()
}

/// The fingerprint of the certificate that follows a label; empty where there is none.
fn fingerprint(text: &str, label: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----\n";
    let read = || {
        let (_, rest) = text.split_once(label)?;
        let pem = &rest[..rest.find(END)? + END.len()];
        let digest = X509::from_pem(pem.as_bytes()).ok()?.digest(MessageDigest::sha256()).ok()?;
        Some(colons(&digest))
    };
    read().unwrap_or_default()
}

fn colons(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The first error of libssl in Node's spelling, or the error of the socket.
///
/// `40..:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../ssl/...`
fn error(text: &str) -> Option<String> {
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once(":error:") {
            let mut fields = rest.split(':').skip(1);
            let (library, reason) = (fields.next()?, fields.nth(1)?);
            let prefix = if library == "SSL routines" { "ERR_SSL_" } else { "ERR_OSSL_" };
            return Some(format!("{prefix}{}", reason.to_uppercase().replace([' ', '-'], "_")));
        }
        match line.split_once(":errno=").map(|(_, number)| number) {
            Some("104") => return Some("ECONNRESET".into()),
            Some("32") => return Some("EPIPE".into()),
            _ => {}
        }
    }
    None
}

/// The messages of this direction and kind, each with what follows it.
pub(super) fn messages<'a>(text: &'a str, mark: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1).filter(move |rest| {
        // `>>> TLS 1.2, Handshake [length 0010], Finished`
        rest.split_once('\n')
            .and_then(|(head, _)| head.rsplit_once(", "))
            .is_some_and(|(_, kind)| kind == name)
    })
}

/// The client's certificate out of its last Certificate message of TLS 1.3, and the verdict on it.
pub(super) fn tell_client(text: &str, seen: &mut Seen) {
    let Some(message) = messages(text, "<<< ", "Certificate").last() else { return };
    let lines = message.lines().skip(1).take_while(|line| line.starts_with("    "));
    let hex: String = lines.flat_map(str::split_whitespace).collect();
    let bytes: Vec<u8> =
        (0..hex.len() / 2).map_while(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect();
    // Type and length, the length of the context and the context, the length of the list, that of the certificate.
    let read = || {
        let context = usize::from(*bytes.get(4)?);
        let certificate = X509::from_der(bytes.get(5 + context + 6..)?).ok()?;
        Some(colons(&certificate.digest(MessageDigest::sha256()).ok()?))
    };
    let certificate = read().unwrap_or_default();
    // It asks everybody, and goes on with everybody; what it says of the certificate tells whether it was good.
    let is_good = message.contains("depth=0 ") && !message.contains("verify error:");
    seen.tell(Fact::Authorized, yes_no(!certificate.is_empty() && is_good));
    seen.tell(Fact::PeerCertificate, certificate);
}

/// The Finished messages of the connection of this number (from 0), out of the dump of all messages.
pub(super) fn finished(messages: &str, number: usize) -> Finished {
    let mut found = Finished { version: None, own: None, peer: None };
    for (mark, slot) in [(">>> ", &mut found.own), ("<<< ", &mut found.peer)] {
        let mut lines = messages.lines();
        let is_finished = |line: &&str| line.starts_with(mark) && line.ends_with(", Finished");
        let Some(head) = lines.by_ref().filter(is_finished).nth(number) else { continue };
        // `>>> TLS 1.2, Handshake [length 0010], Finished`
        let version = head[mark.len()..].split(',').next().unwrap_or_default();
        let version = version.replace("SSL 3.0", "SSLv3");
        found.version = Some(version.replace("TLS ", "TLSv").replace("v1.0", "v1"));
        let hex: String =
            lines.take_while(|line| line.starts_with("    ")).flat_map(str::split_whitespace).collect();
        // Type and length of the message stand before it.
        *slot = hex.get(8..).map(str::to_owned);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_messages_are_counted_by_connection_and_direction() {
        let text = ">>> TLS 1.0, Handshake [length 0010], Finished\n    14 00 00 0c a1 a2\n    a3\n\
                    <<< TLS 1.0, Handshake [length 0010], Finished\n    14 00 00 0c b1\n\
                    >>> TLS 1.3, Handshake [length 0010], Finished\n    14 00 00 0c c1\n";
        let first = finished(text, 0);
        assert_eq!(
            first,
            Finished { version: Some("TLSv1".into()), own: Some("a1a2a3".into()), peer: Some("b1".into()) }
        );
        let second = finished(text, 1);
        assert_eq!(second, Finished { version: Some("TLSv1.3".into()), own: Some("c1".into()), peer: None });
    }

    #[test]
    fn errors_are_spelt_as_in_node() {
        let line = "40E7:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../ssl/x.c:1:SSL alert number 40";
        assert_eq!(error(line).as_deref(), Some("ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"));
        assert_eq!(error("read:errno=104\n").as_deref(), Some("ECONNRESET"));
        assert_eq!(error("write:errno=0\nDONE\n"), None);
    }
}
