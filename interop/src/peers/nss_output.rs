//! What NSS's programs write, read back.

use crate::case::{Case, Side, Step};
use crate::process::position;
use crate::seen::{CLOSED_EARLY, Fact, Seen, received, yes_no};

/// What both write of a connection that stands.
pub(super) const SECURE: &str = "SSL version ";

/// Takes the exported keying material, which `tstclnt` writes among the data, out of them, and what it says of a
/// pre-shared key.
pub(super) fn take_exports(written: &[u8]) -> (Vec<u8>, Vec<String>) {
    const KEY: &[u8] = b"Using External PSK:\n";
    const BEGIN: &[u8] = b"Exported Keying Material:\n";
    let is_key_line = |line: &&[u8]| line.starts_with(KEY) || line.starts_with(b"    ");
    let key: usize =
        written.split_inclusive(|byte| *byte == b'\n').take_while(is_key_line).map(<[u8]>::len).sum();
    let written = &written[if written.starts_with(KEY) { key } else { 0 }..];
    let (mut data, mut exported) = (vec![], vec![]);
    let mut rest = written;
    while let Some(at) = position(rest, BEGIN) {
        let is_line = |line: &&[u8]| line.starts_with(b"    ") || line.starts_with(BEGIN);
        let length = rest[at..]
            .split_inclusive(|byte| *byte == b'\n')
            .take_while(is_line)
            .map(<[u8]>::len)
            .sum::<usize>();
        data.extend_from_slice(&rest[..at]);
        exported.push(String::from_utf8_lossy(&rest[at..at + length]).into_owned());
        rest = &rest[at + length..];
    }
    data.extend_from_slice(rest);
    (data, exported)
}

/// What `tstclnt` saw of a connection.
pub(super) fn client_seen(said: &str, data: &[u8], case: &Case) -> Seen {
    let mut seen = facts(said);
    seen.error = error(said);
    seen.alert = seen.error.as_deref().and_then(alert);
    if seen.facts.is_empty() {
        return seen;
    }
    // They count on through all connections.
    let count = |label: &str| said.split_once(label)?.0.rsplit([' ', '\n']).next()?.parse::<u32>().ok();
    if let Some(hits) = count(" cache hits;") {
        seen.tell(Fact::Reused, yes_no(hits > 0));
    }
    if case.client.psk.is_some() {
        // It calls no session what TLS 1.3 takes for one.
        seen.facts.remove(&Fact::Reused);
    }
    // `Received 1 Cert Status items (OCSP stapled data)`
    seen.tell(Fact::Staples, count(" Cert Status items").unwrap_or_default().to_string());
    seen.tell(Fact::Received, received(data));
    let is_early = data.len() < case.payload(Side::Server).len();
    if is_early && seen.error.is_none() && case.exchange.steps(Side::Client).contains(&Step::Receive) {
        seen.error = Some(CLOSED_EARLY.into());
    }
    seen
}

/// What both write of a connection; nothing where it did not come to be.
pub(super) fn facts(said: &str) -> Seen {
    let mut seen = Seen::new();
    let Some((_, rest)) = said.split_once(SECURE) else { return seen };
    let version = match rest.split(' ').next() {
        Some("3.0") => "SSLv3",
        Some("3.1") => "TLSv1",
        Some("3.2") => "TLSv1.1",
        Some("3.3") => "TLSv1.2",
        _ => "TLSv1.3",
    };
    seen.tell(Fact::Version, version);
    if version != "TLSv1.3" {
        seen.tell(Fact::ExtendedMasterSecret, yes_no(rest.contains("Extended Master Secret: Yes")));
    }
    if let Some((_, material)) = rest.split_once("    Keying Material:\n") {
        let lines = material.lines().take_while(|line| line.starts_with("        "));
        let hex: String = lines.flat_map(|line| line.chars()).filter(char::is_ascii_hexdigit).collect();
        seen.tell(Fact::Exporter, hex);
    }
    seen
}

/// The last error that has a name of NSS's: `tstclnt: ...: SSL_ERROR_BAD_CERT_ALERT: text`.
fn error(said: &str) -> Option<String> {
    let mut lines =
        said.lines().filter(|line| line.contains("_ERROR") && !line.contains("PR_IN_PROGRESS_ERROR"));
    lines.next_back().map(str::to_owned)
}

/// The alert in the name of an error.
fn alert(error: &str) -> Option<String> {
    let name = error.split_once("SSL_ERROR_")?.1.split_once("_ALERT")?.0.to_lowercase();
    let same = [
        "handshake_failure",
        "unknown_ca",
        "access_denied",
        "decode_error",
        "protocol_version",
        "illegal_parameter",
    ];
    match &name[..] {
        "bad_cert" => Some("bad_certificate".into()),
        "expired_cert" => Some("certificate_expired".into()),
        "revoked_cert" => Some("certificate_revoked".into()),
        "certificate_unknown" => Some("certificate_unknown".into()),
        other => same.contains(&other).then_some(name),
    }
}
