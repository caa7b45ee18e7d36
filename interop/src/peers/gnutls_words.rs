//! GnuTLS's words: its priority strings, and what its programs write.

use patina_tls::{Alert, ProtocolVersion};

use super::suites;
use crate::case::{Setup, Side};
use crate::seen::{Fact, Seen, yes_no};

/// `gnutls-serv` writes it at the beginning of each connection.
pub(super) const ACCEPTED: &str = "* Accepted connection";

/// The settings as a priority string, or what GnuTLS lacks.
pub(super) fn priority(side: Side, setup: &Setup) -> Result<String, String> {
    let mut words: Vec<String> = vec!["NORMAL:-VERS-ALL".into()];
    for (version, name) in [
        (ProtocolVersion::TLSv1_3, "TLS1.3"),
        (ProtocolVersion::TLSv1_2, "TLS1.2"),
        (ProtocolVersion::TLSv1_1, "TLS1.1"),
        (ProtocolVersion::TLSv1_0, "TLS1.0"),
    ] {
        if (setup.versions.0..=setup.versions.1).contains(&version) {
            words.push(format!("+VERS-{name}"));
        }
    }
    if setup.versions.1 < ProtocolVersion::TLSv1_0 {
        return Err("Debian's GnuTLS has no SSLv3".into());
    }
    let lists = [&setup.suites, &setup.ciphers].into_iter().flatten();
    let suites: Vec<&str> = lists.filter_map(|list| suites::iana_names(list)).flatten().collect();
    if !suites.is_empty() {
        words.push("-CIPHER-ALL:-MAC-ALL".into());
        if setup.ciphers.is_some() {
            words.push("-KX-ALL".into());
        }
    }
    for suite in suites {
        let [exchange, encryption, hash] = suites::parts(suite).ok_or("it has no such suite")?;
        let exchange = match exchange {
            "ECDH_anon" => "ANON-ECDH".into(),
            "DH_anon" => "ANON-DH".into(),
            "DHE_DSS" => return Err("GnuTLS has DSA for certificates alone, not for connections".into()),
            other => other.replace('_', "-"),
        };
        let encryption = match encryption {
            "RC4_128" => "ARCFOUR_128",
            "3DES_EDE_CBC" => "3DES_CBC",
            "SEED_CBC" | "IDEA_CBC" => return Err("it has neither SEED nor IDEA".into()),
            other => other,
        };
        let is_aead = ["GCM", "CCM", "CCM_8", "POLY1305"].iter().any(|mode| encryption.ends_with(mode));
        if !exchange.is_empty() {
            words.push(format!("+{exchange}"));
        }
        words.push(format!("+{}", encryption.replace('_', "-")));
        let mac = match hash {
            "SHA" => "SHA1",
            other => other,
        };
        words.push(format!("+{}", if is_aead { "AEAD" } else { mac }));
    }
    if let Some(groups) = &setup.groups {
        words.push("-GROUP-ALL".into());
        for group in groups.split(':') {
            let name = match group {
                "P-256" => "SECP256R1".into(),
                "P-384" => "SECP384R1".into(),
                "P-521" => "SECP521R1".into(),
                other => other.to_uppercase(),
            };
            words.push(format!("+GROUP-{name}"));
        }
    }
    if let Some(algorithms) = &setup.sigalgs {
        words.push("-SIGN-ALL".into());
        for name in algorithms.split(':') {
            words.push(format!("+SIGN-{}", name.to_uppercase().replace(['+', '_'], "-")));
        }
    }
    if setup.psk.is_some() && setup.versions.1 == ProtocolVersion::TLSv1_3 {
        words.push("+ECDHE-PSK:+DHE-PSK:+PSK".into());
    }
    if suites::allows_weak(setup.ciphers.as_deref()) {
        words.push("%PROFILE_VERY_WEAK".into());
    }
    if setup.ciphers.as_ref().is_some_and(|list| list.contains("@SECLEVEL=2")) {
        words.push("%PROFILE_MEDIUM".into());
    }
    if setup.legacy {
        words.push("%DISABLE_SAFE_RENEGOTIATION".into());
    }
    if side == Side::Server {
        words.push("%SERVER_PRECEDENCE".into());
    }
    Ok(words.join(":"))
}

/// What a client saw, by its log, and by what it wrote beside it.
pub(super) fn client_seen(log: &str, output: &str, by_key: bool) -> Seen {
    let mut seen = facts(log, by_key);
    seen.error = error(output).or_else(|| error(log));
    seen.alert = alert(output).or_else(|| alert(log));
    if seen.facts.is_empty() {
        return seen;
    }
    let is_resumed = log.contains("*** This is a resumed session");
    if !is_resumed && !log.contains("-----BEGIN CERTIFICATE-----") {
        seen.tell(Fact::PeerCertificate, "");
    } else if let Some((_, rest)) = log.split_once("-----BEGIN CERTIFICATE-----") {
        let pem = format!("-----BEGIN CERTIFICATE-----{rest}");
        let certificate = openssl::x509::X509::from_pem(pem.as_bytes()).ok();
        let digest = certificate.and_then(|c| c.digest(openssl::hash::MessageDigest::sha256()).ok());
        if let Some(digest) = digest {
            seen.tell(Fact::PeerCertificate, colons(&crate::seen::hex(&digest)));
        }
    }
    seen.tell(Fact::Authorized, yes_no(log.contains("- Status: The certificate is trusted.")));
    seen.tell(Fact::Reused, yes_no(is_resumed));
    if seen.error.as_deref().is_some_and(is_cut) {
        seen.error = None;
        seen.tell(Fact::End, "cut");
    } else if seen.error.is_none() {
        seen.tell(Fact::End, "close-notify");
    }
    seen
}

/// What a server saw of one connection; `by_key`: where there is a pre-shared key.
pub(super) fn server_seen(said: &str, by_key: bool) -> Seen {
    let mut seen = facts(said, by_key);
    seen.error = error(said);
    seen.alert = alert(said);
    if seen.facts.is_empty() {
        return seen;
    }
    if let Some(name) = after(said, "- Given server name[1]: ") {
        seen.tell(Fact::ServerName, name);
    }
    let certificate =
        said.split_once("- Certificate[0] info").and_then(|(_, rest)| rest.split_once("Fingerprint:"));
    if let Some(digest) = certificate.and_then(|(_, rest)| after(rest, "\t\tsha256:")) {
        seen.tell(Fact::PeerCertificate, colons(digest));
    }
    if let Some(status) = after(said, "- Status: ") {
        seen.tell(Fact::Authorized, yes_no(status.starts_with("The certificate is trusted")));
    }
    if said.contains("This is a resumed session") {
        seen.tell(Fact::Reused, "yes");
    }
    if seen.error.as_deref().is_some_and(is_cut) {
        seen.error = None;
        seen.tell(Fact::End, "cut");
    }
    seen
}

/// `a1b2` as `A1:B2`.
fn colons(hex: &str) -> String {
    let upper = hex.trim().to_uppercase();
    let bytes: Vec<&str> = (0..upper.len() / 2).map(|i| &upper[2 * i..2 * i + 2]).collect();
    bytes.join(":")
}

fn is_cut(error: &str) -> bool {
    error.contains("non-properly terminated")
}

/// What both sides write of a connection; nothing where it did not come to be.
fn facts(text: &str, by_key: bool) -> Seen {
    let mut seen = Seen::new();
    // `(TLS1.2-X.509)-(ECDHE-X25519)-(RSA-SHA256)-(AES-128-CBC)-(SHA1)`
    let Some(line) = after(text, "- Description: ") else { return seen };
    let parts: Vec<&str> = line.trim_start_matches('(').trim_end_matches(')').split(")-(").collect();
    // `(TLS1.3-X.509)--(AES-256-GCM)` of a resumed session.
    let parts: Vec<&str> = parts.iter().flat_map(|part| part.split(")--(")).collect();
    let version = parts[0].split('-').next().unwrap_or_default();
    seen.tell(Fact::Version, version.replace("TLS", "TLSv").replace("v1.0", "v1"));
    if let Some(name) = suite(version == "TLS1.3", by_key, &parts[1..]) {
        seen.tell(Fact::Cipher, name);
    }
    seen.tell(Fact::Alpn, after(text, "- Application protocol: ").unwrap_or_default());
    if let Some(material) = after(text, "- Key material: ") {
        seen.tell(Fact::Exporter, material);
    }
    let options = after(text, "- Options:").unwrap_or_default();
    if version != "TLS1.3" {
        seen.tell(Fact::ExtendedMasterSecret, yes_no(options.contains("extended master secret")));
        seen.tell(Fact::SecureRenegotiation, yes_no(options.contains("safe renegotiation")));
    }
    seen
}

/// OpenSSL's name of a suite out of its description.
fn suite(is_tls13: bool, by_key: bool, parts: &[&str]) -> Option<&'static str> {
    let is_mac = |word: &str| (word.starts_with("SHA") && !word.contains('-')) || word == "MD5";
    let (mac, parts) = match parts.split_last()? {
        (last, rest) if is_mac(last) => (Some(*last), rest),
        _ => (None, parts),
    };
    let (encryption, parts) = parts.split_last()?;
    let encryption = match *encryption {
        "ARCFOUR-128" => "RC4_128".to_owned(),
        "3DES-CBC" => "3DES_EDE_CBC".to_owned(),
        other => other.replace('-', "_"),
    };
    let hash = match mac {
        Some("SHA1") => "SHA",
        Some(mac) => mac,
        None if encryption == "AES_256_GCM" || encryption == "CAMELLIA_256_GCM" => "SHA384",
        None => "SHA256",
    };
    let name = if is_tls13 {
        format!("TLS_{encryption}_{hash}")
    } else {
        let exchange = parts.first().copied().unwrap_or_default();
        let signature = parts.get(1).copied().unwrap_or_default();
        let by =
            if signature.starts_with("ECDSA") || signature.starts_with("EdDSA") { "ECDSA" } else { "RSA" };
        // The group stands behind it: `ECDHE-PSK-X25519`, `DHE-CUSTOM2048`.
        let exchange = match exchange {
            "RSA" | "PSK" | "RSA-PSK" => exchange.replace('-', "_"),
            _ if exchange.contains("ANON") && exchange.contains("EC") => "ECDH_anon".into(),
            _ if exchange.contains("ANON") => "DH_anon".into(),
            // It leaves out that a key was there before.
            _ if by_key && exchange.starts_with("ECDHE") => "ECDHE_PSK".into(),
            _ if by_key && exchange.starts_with("DHE") => "DHE_PSK".into(),
            _ if exchange.starts_with("ECDHE") => format!("ECDHE_{by}"),
            _ if exchange.starts_with("DHE") => format!("DHE_{by}"),
            _ => return None,
        };
        format!("TLS_{exchange}_WITH_{encryption}_{hash}")
    };
    suites::openssl_name(&name)
}

/// The rest of the line after a text.
fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.split_once(label)?.1.lines().next()
}

fn error(text: &str) -> Option<String> {
    [
        "*** Fatal error: ",
        "Error in handshake: ",
        "Error while receiving data\n",
        "Error while sending data\n",
    ]
    .iter()
    .find_map(|label| after(text, label))
    .map(|why| why.trim_start_matches("Error: ").to_owned())
}

/// The alert that came: `*** Received alert [42]: Certificate is bad`.
fn alert(text: &str) -> Option<String> {
    let number = after(text, "*** Received alert [")?.split(']').next()?;
    number.parse().ok().map(|number: u8| Alert::from(number).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_read_as_openssl_s_names() {
        for (is_tls13, by_key, parts, name) in [
            (
                true,
                false,
                &["ECDHE-X25519", "RSA-PSS-RSAE-SHA256", "AES-256-GCM"][..],
                "TLS_AES_256_GCM_SHA384",
            ),
            (false, false, &["ECDHE-X25519", "ECDSA-SHA256", "AES-128-GCM"], "ECDHE-ECDSA-AES128-GCM-SHA256"),
            (false, true, &["ECDHE-X25519", "AES-128-CBC", "SHA256"], "ECDHE-PSK-AES128-CBC-SHA256"),
            (false, false, &["RSA", "AES-256-CBC", "SHA1"], "AES256-SHA"),
            (false, false, &["RSA", "ARCFOUR-128", "MD5"], "RC4-MD5"),
        ] {
            assert_eq!(suite(is_tls13, by_key, parts), Some(name));
        }
    }
}
