//! What a connection came to, under the suite's names.

use openssl::nid::Nid;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::ssl::SslRef;
use openssl::stack::StackRef;
use openssl::x509::X509Name;
use patina_tls::ext::SslRefExt;
use patina_tls::{Alert, EphemeralKey, Error, ErrorKind};
use serde_json::{Map, Value, json};

use super::link::{Link, Outcome};

/// What the suite looks at and the library does not tell.
pub(super) const CANNOT: [&str; 2] = ["CompressionExpected", "ExpectedSessionTicketAppData"];

/// A connection that was tried.
pub(super) struct Ends<'a> {
    pub(super) link: &'a Link,
    /// The context that the server's name callback has chosen.
    pub(super) chosen: Option<&'static str>,
}

/// Everything that can be told. Of a connection that failed, only how.
pub(super) fn observe(outcome: Outcome, ends: Option<Ends<'_>>) -> Map<String, Value> {
    let mut seen = Map::new();
    let mut tell = |key: &str, value: Value| seen.insert(key.to_owned(), value);
    tell("ExpectedResult", json!(outcome.name()));
    let Some(Ends { link, chosen }) = ends else { return seen };
    let (own, other) = (link.client_error.as_ref(), link.server_error.as_ref());
    tell("ExpectedClientAlert", json!(sent_alert(own, other)));
    tell("ExpectedServerAlert", json!(sent_alert(other, own)));
    if outcome != Outcome::Success {
        return seen;
    }
    let (client, server) = (link.client.negotiated(), link.server.negotiated());
    let yes = |is: bool| json!(if is { "Yes" } else { "No" });
    let session = client.session();
    tell("ExpectedProtocol", json!(client.version().name()));
    tell("ExpectedCipher", json!(client.cipher_suite().name()));
    tell("ExpectedServerName", json!(chosen));
    tell("ResumptionExpected", yes(client.session_reused() && server.session_reused()));
    tell("SessionTicketExpected", yes(session.as_ref().is_some_and(|s| s.ticket().is_some())));
    tell("SessionIdExpected", yes(session.as_ref().is_some_and(|s| !s.id().is_empty())));
    let agreed = |one: Option<&[u8]>, two: Option<&[u8]>| match one == two {
        true => json!(one.map(String::from_utf8_lossy)),
        false => {
            json!({"client": one.map(String::from_utf8_lossy), "server": two.map(String::from_utf8_lossy)})
        }
    };
    tell("ExpectedALPNProtocol", agreed(client.alpn(), server.alpn()));
    tell("ExpectedNPNProtocol", agreed(client.npn(), server.npn()));
    tell("ExpectedTmpKeyType", json!(client.ephemeral_key().map(|key| one_time_key(&key))));
    for (side, facts) in [("Server", &client), ("Client", &server)] {
        let ssl = facts.as_openssl();
        let sign = ssl.peer_signature_type();
        tell(&format!("Expected{side}SignType"), json!(sign.map(sign_type)));
        tell(&format!("Expected{side}SignHash"), json!(ssl.peer_signature_digest().map(short_name)));
        tell(&format!("Expected{side}CertType"), json!(certificate_type(ssl)));
    }
    tell("ExpectedClientCANames", names(link.client.as_openssl().peer_ca_list()));
    tell("ExpectedServerCANames", names(link.server.as_openssl().peer_ca_list()));
    seen
}

/// The alert that a side has sent, by its own word or by the other's.
fn sent_alert(own: Option<&Error>, other: Option<&Error>) -> Option<String> {
    let sent = own.filter(|error| error.kind() != ErrorKind::PeerAlert).and_then(Error::alert);
    let received = other.filter(|error| error.kind() == ErrorKind::PeerAlert).and_then(Error::alert);
    // A warning: libssl makes an error of it at the side that receives it.
    let refusal = other.filter(|error| error.reason() == Some("NO_RENEGOTIATION"));
    sent.or(received).or(refusal.map(|_| Alert::NO_RENEGOTIATION)).map(alert_name)
}

/// `unknown_ca` is `UnknownCA` there, the others go by rule.
fn alert_name(alert: Alert) -> String {
    let name = alert.to_string();
    let capital = |word: &str| match word {
        "ca" | "psk" => word.to_ascii_uppercase(),
        _ => word[..1].to_ascii_uppercase() + &word[1..],
    };
    name.split('_').map(capital).collect()
}

/// A short name of OpenSSL's, but NIST's own for its prime curves.
fn short_name(nid: Nid) -> String {
    nid.short_name().unwrap_or("UNDEF").to_owned()
}

fn one_time_key(key: &EphemeralKey) -> String {
    match (key.kind(), key.name()) {
        ("DH", _) => "dhKeyAgreement".to_owned(),
        (_, Some("prime256v1")) => "P-256".to_owned(),
        (kind, name) => name.unwrap_or(kind).to_owned(),
    }
}

fn sign_type(nid: Nid) -> String {
    match Id::from_raw(nid.as_raw()) {
        Id::EC => "EC".to_owned(),
        other => key_type(other),
    }
}

fn key_type(id: Id) -> String {
    match id {
        Id::RSA => "RSA",
        Id::RSA_PSS => "RSA-PSS",
        Id::DSA => "DSA",
        Id::ED25519 => "Ed25519",
        Id::ED448 => "Ed448",
        _ => "UNDEF",
    }
    .to_owned()
}

/// The kind of the peer's key; for one of a curve, the curve.
fn certificate_type(ssl: &SslRef) -> Option<String> {
    let key = ssl.peer_certificate()?.public_key().ok()?;
    let key: &PKeyRef<Public> = &key;
    if key.id() != Id::EC {
        return Some(key_type(key.id()));
    }
    Some(match key.ec_key().ok()?.group().curve_name()? {
        Nid::X9_62_PRIME256V1 => "P-256".to_owned(),
        Nid::SECP384R1 => "P-384".to_owned(),
        Nid::SECP521R1 => "P-521".to_owned(),
        other => short_name(other),
    })
}

/// The authorities that the peer has named: `empty`, or their names as RFC 2253 writes them, in order.
fn names(list: Option<&StackRef<X509Name>>) -> Value {
    let names: Vec<String> = list
        .into_iter()
        .flatten()
        .map(|name| {
            let entries = name.entries().map(|entry| {
                let value = entry.data().to_string().unwrap_or_default();
                format!("{}={value}", entry.object().nid().short_name().unwrap_or("UNDEF"))
            });
            entries.collect::<Vec<_>>().join(",")
        })
        .collect();
    if names.is_empty() { json!("empty") } else { json!(names) }
}
