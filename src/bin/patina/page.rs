//! The facts of a connection as a page.

use std::fmt::Write;

use patina_tls::Certificate;

use crate::facts::{Facts, hex, yes_no};

const STYLE: &str = include_str!("page.css");

/// A whole HTML document, which needs nothing from elsewhere.
pub(crate) fn render(facts: &Facts) -> String {
    let mut page = String::with_capacity(16 * 1024);
    page.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.push_str("<link rel=\"icon\" href=\"data:,\">\n<title>");
    page.push_str(&escape(&format!("{} \u{b7} {}", facts.protocol, facts.cipher.name())));
    page.push_str("</title>\n<style>\n");
    page.push_str(STYLE);
    page.push_str("</style>\n</head>\n<body>\n<main>\n");
    hero(&mut page, facts);
    tiles(&mut page, facts);
    client(&mut page, facts);
    if let Some(certificate) = &facts.own_certificate {
        section(&mut page, "Server certificate", &certificate_rows(certificate));
    }
    sigalgs(&mut page, facts);
    section(&mut page, "Handshake", &handshake_rows(facts));
    page.push_str("<footer><span>served by <b>patina ");
    page.push_str(env!("CARGO_PKG_VERSION"));
    page.push_str("</b> on ");
    page.push_str(&escape(openssl::version::version()));
    page.push_str(
        "</span><a href=\"/facts.json\">the same as JSON</a></footer>\n</main>\n</body>\n</html>\n",
    );
    page
}

fn hero(page: &mut String, facts: &Facts) {
    let (class, word) = match facts.protocol {
        "TLSv1.3" => ("good", "current"),
        "TLSv1.2" => ("good", "in use"),
        _ => ("old", "outdated"),
    };
    let (name, standard_name) = (facts.cipher.name(), facts.cipher.standard_name());
    // TLS 1.3 has one name for a suite.
    let standard_name =
        if name == standard_name { String::new() } else { format!("{standard_name} \u{b7} ") };
    let _ = writeln!(
        page,
        "<header class=\"{class}\"><p class=\"over\">Your connection to this server</p>\n\
         <h1>{} <span class=\"pill\">{word}</span></h1>\n<p class=\"suite\">{}</p>\n\
         <p class=\"under\">{}{} bits \u{b7} from {}</p></header>",
        escape(&version_name(facts.protocol)),
        escape(name),
        escape(&standard_name),
        facts.cipher.bits(),
        escape(&facts.peer),
    );
}

fn tiles(page: &mut String, facts: &Facts) {
    let key = facts.ephemeral_key.as_ref();
    let key_name = key.map(|key| key.name().unwrap_or(key.kind()).to_owned());
    let key_detail = key.map_or("no ephemeral key", |key| key.kind());
    let key_size = key.map(|key| format!("{key_detail}, {} bits", key.size()));
    let (client, client_detail) = match (&facts.authorization_error, facts.authorized) {
        (Some(code), _) => ("not authorized", code.as_str()),
        (None, true) => ("authorized", "certificate verified"),
        (None, false) => ("anonymous", "no certificate asked for"),
    };
    let tls13 = facts.protocol == "TLSv1.3";
    let session = if facts.session_reused { "resumed" } else { "new" };
    let session_detail = if facts.session_reused { "from an earlier handshake" } else { "full handshake" };
    let renegotiation = match (tls13, facts.secure_renegotiation) {
        (true, _) => ("none", "TLS 1.3 has no renegotiation"),
        (false, true) => ("secure", "RFC 5746"),
        (false, false) => ("not secure", "the client lacks RFC 5746"),
    };
    let none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let tiles: [(&str, String, String); 6] = [
        ("Server name", none(&facts.servername), "SNI".to_owned()),
        ("Application protocol", none(&facts.alpn), "ALPN".to_owned()),
        ("Key exchange", none(&key_name), key_size.unwrap_or_else(|| key_detail.to_owned())),
        ("Session", session.to_owned(), session_detail.to_owned()),
        ("Client", client.to_owned(), client_detail.to_owned()),
        ("Renegotiation", renegotiation.0.to_owned(), renegotiation.1.to_owned()),
    ];
    page.push_str("<div class=\"tiles\">\n");
    for (label, value, detail) in tiles {
        let _ = writeln!(
            page,
            "<div class=\"tile\"><p>{}</p><b>{}</b><small>{}</small></div>",
            escape(label),
            escape(&value),
            escape(&detail)
        );
    }
    page.push_str("</div>\n");
}

fn client(page: &mut String, facts: &Facts) {
    let mut rows = Vec::new();
    if let Some(identity) = &facts.psk_identity {
        rows.push(("Shared key of", identity.clone()));
    }
    if let Some(certificate) = &facts.peer_certificate {
        rows.extend(facts.authorization_text().map(|text| ("Authorized", text)));
        rows.extend(certificate_rows(certificate));
    }
    if !rows.is_empty() {
        section(page, "Client", &rows);
    }
}

fn certificate_rows(certificate: &Certificate) -> Vec<(&'static str, String)> {
    let key = match (certificate.nist_curve().or_else(|| certificate.asn1_curve()), certificate.bits()) {
        (Some(curve), _) => format!("{} {curve}", certificate.public_key_type()),
        (None, Some(bits)) => format!("{} {bits} bits", certificate.public_key_type()),
        (None, None) => certificate.public_key_type().to_string(),
    };
    let mut rows = vec![("Subject", certificate.subject().to_string())];
    rows.extend(certificate.subject_alt_name().map(|names| ("Names", names)));
    rows.extend([
        ("Issuer", certificate.issuer().to_string()),
        ("Valid", format!("{} \u{2013} {}", certificate.valid_from(), certificate.valid_to())),
        ("Key", key),
        ("Signature", certificate.signature_algorithm()),
        ("SHA-256", certificate.fingerprint256()),
    ]);
    rows
}

fn sigalgs(page: &mut String, facts: &Facts) {
    if facts.shared_sigalgs.is_empty() {
        return;
    }
    page.push_str("<section><h2>Signature algorithms that both sides have</h2>\n<ul class=\"chips\">");
    for name in &facts.shared_sigalgs {
        let _ = write!(page, "<li>{}</li>", escape(name));
    }
    page.push_str("</ul></section>\n");
}

fn handshake_rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("Extended master secret", yes_no(facts.extended_master_secret).to_owned()),
        ("Session id", hex(&facts.session_id)),
        ("Finished", hex(&facts.finished)),
        ("Peer's Finished", hex(&facts.peer_finished)),
    ];
    rows.extend(facts.exports.iter().map(|(label, bytes)| ("Exported", format!("{label}: {}", hex(bytes)))));
    rows.retain(|(_, value)| !value.is_empty());
    rows
}

fn section(page: &mut String, title: &str, rows: &[(&str, String)]) {
    let _ = writeln!(page, "<section><h2>{}</h2>\n<dl>", escape(title));
    for (label, value) in rows {
        let long = value.len() >= 64 && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        let class = if long { " class=\"mono\"" } else { "" };
        let _ = writeln!(page, "<dt>{}</dt><dd{class}>{}</dd>", escape(label), escape(value));
    }
    page.push_str("</dl></section>\n");
}

/// `TLS 1.3` for `TLSv1.3`.
fn version_name(name: &str) -> String {
    match name {
        "SSLv3" => "SSL 3.0".to_owned(),
        "TLSv1" => "TLS 1.0".to_owned(),
        name => name.replace("TLSv", "TLS "),
    }
}

/// Text of anybody as text of the page: no character of it can begin a tag, end an attribute or turn the direction.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        assert_eq!(
            escape("<script>\"a\"&'b'\0\u{202e}</script>"),
            "&lt;script&gt;&quot;a&quot;&amp;&#39;b&#39;\u{fffd}\u{fffd}&lt;/script&gt;"
        );
        assert_eq!(escape("Zürich 東京"), "Zürich 東京");
    }

    #[test]
    fn versions_have_their_names_for_people() {
        assert_eq!(version_name("TLSv1"), "TLS 1.0");
        assert_eq!(version_name("TLSv1.3"), "TLS 1.3");
        assert_eq!(version_name("SSLv3"), "SSL 3.0");
    }
}
