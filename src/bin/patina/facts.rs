//! What a connection tells about itself, for JSON, text and pages.

use std::net::SocketAddr;

use patina_tls::{Certificate, CipherSuite, EarlyDataStatus, EphemeralKey, Negotiated};
use serde_json::{Map, Value, json};

use crate::args_shared::Export;
use crate::output::printable;

/// The facts of one handshake.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) peer: String,
    pub(crate) protocol: &'static str,
    pub(crate) cipher: CipherSuite,
    pub(crate) servername: Option<String>,
    pub(crate) alpn: Option<String>,
    pub(crate) npn: Option<String>,
    pub(crate) session_reused: bool,
    pub(crate) authorized: bool,
    pub(crate) authorization_error: Option<String>,
    pub(crate) ephemeral_key: Option<EphemeralKey>,
    pub(crate) shared_sigalgs: Vec<String>,
    pub(crate) psk_identity: Option<String>,
    pub(crate) finished: Vec<u8>,
    pub(crate) peer_finished: Vec<u8>,
    pub(crate) exports: Vec<(String, Vec<u8>)>,
    pub(crate) secure_renegotiation: bool,
    pub(crate) extended_master_secret: bool,
    pub(crate) session_id: Vec<u8>,
    pub(crate) ticket: bool,
    pub(crate) peer_certificate: Option<Certificate>,
    pub(crate) ocsp_response: Option<Vec<u8>>,
    pub(crate) own_certificate: Option<Certificate>,
    /// What that response came to, where it was asked for.
    pub(crate) ocsp_status: Option<String>,
    pub(crate) early_data: EarlyDataStatus,
    /// How much early data a server has got, or a client has been given to send.
    pub(crate) early_data_bytes: Option<usize>,
    is_server: bool,
}

impl Facts {
    /// Asks a connection everything.
    ///
    /// # Errors
    /// A label of `exports` that libssl refuses.
    pub(crate) fn of(
        negotiated: &Negotiated<'_>,
        peer: SocketAddr,
        exports: &[Export],
    ) -> Result<Facts, patina_tls::Error> {
        let session = negotiated.session();
        let exports = exports
            .iter()
            .map(|export| {
                let bytes = negotiated.export_keying_material(
                    export.length,
                    &export.label,
                    export.context.as_deref(),
                )?;
                Ok((export.label.clone(), bytes))
            })
            .collect::<Result<_, patina_tls::Error>>()?;
        Ok(Facts {
            peer: peer.to_string(),
            protocol: negotiated.version().name(),
            cipher: negotiated.cipher_suite(),
            servername: negotiated.server_name().map(str::to_owned),
            alpn: negotiated.alpn().map(lossy),
            npn: negotiated.npn().map(lossy),
            session_reused: negotiated.session_reused(),
            authorized: negotiated.authorized(),
            authorization_error: negotiated.authorization_error().map(str::to_owned),
            ephemeral_key: negotiated.ephemeral_key(),
            shared_sigalgs: negotiated.shared_sigalgs(),
            psk_identity: negotiated.psk_identity().map(lossy),
            finished: negotiated.finished(),
            peer_finished: negotiated.peer_finished(),
            exports,
            secure_renegotiation: negotiated.secure_renegotiation(),
            extended_master_secret: negotiated.extended_master_secret(),
            session_id: session.as_ref().map(|session| session.id().to_vec()).unwrap_or_default(),
            ticket: session.as_ref().is_some_and(|session| session.ticket().is_some()),
            peer_certificate: negotiated.peer_certificate(),
            ocsp_response: negotiated.ocsp_response(),
            own_certificate: negotiated.own_certificate(),
            ocsp_status: None,
            early_data: negotiated.early_data_status(),
            early_data_bytes: None,
            is_server: negotiated.as_openssl().is_server(),
        })
    }

    /// The fields of the event `secure`.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let ephemeral_key = match (&self.ephemeral_key, self.is_server) {
            (Some(key), _) => json!(key),
            // As Node has it: a client without one has an empty object, a server has nothing to say.
            (None, false) => json!({}),
            (None, true) => Value::Null,
        };
        let exports: Map<String, Value> =
            self.exports.iter().map(|(label, bytes)| (label.clone(), json!(hex(bytes)))).collect();
        let value = json!({
            "peer": self.peer,
            "protocol": self.protocol,
            "cipher": self.cipher,
            "servername": self.servername,
            "alpn": self.alpn,
            "npn": self.npn,
            "session_reused": self.session_reused,
            "authorized": self.authorized,
            "authorization_error": self.authorization_error,
            "ephemeral_key": ephemeral_key,
            "shared_sigalgs": self.shared_sigalgs,
            "psk_identity": self.psk_identity,
            "finished": hex(&self.finished),
            "peer_finished": hex(&self.peer_finished),
            "exports": exports,
            "secure_renegotiation": self.secure_renegotiation,
            "extended_master_secret": self.extended_master_secret,
            "session_id": hex(&self.session_id),
            "ticket": self.ticket,
            "peer_certificate": self.peer_certificate,
            "ocsp_response": self.ocsp_response.as_deref().map(hex),
            "ocsp_status": self.ocsp_status,
            "early_data": self.early_data,
            "early_data_bytes": self.early_data_bytes,
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The facts as labels and texts, without those that say nothing.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows =
            vec![("protocol", self.protocol.to_owned()), ("cipher", self.cipher.name().to_owned())];
        let mut add =
            |label, value: Option<String>| rows.extend(value.map(|value| (label, printable(&value))));
        add("server name", self.servername.clone());
        add("alpn", self.alpn.clone());
        add("npn", self.npn.clone());
        add("psk identity", self.psk_identity.clone());
        add("session", Some(if self.session_reused { "resumed" } else { "new" }.to_owned()));
        add("early data", self.early_data_text());
        add("authorized", self.authorization_text());
        add(
            "certificate",
            self.peer_certificate.as_ref().map(|certificate| certificate.subject().to_string()),
        );
        add("issuer", self.peer_certificate.as_ref().map(|certificate| certificate.issuer().to_string()));
        add("valid until", self.peer_certificate.as_ref().map(Certificate::valid_to));
        add("ocsp response", self.ocsp_status.clone());
        add("ephemeral key", self.ephemeral_key_text());
        add("renegotiation", (self.protocol != "TLSv1.3").then(|| self.renegotiation_text().to_owned()));
        add(
            "extended master secret",
            (self.protocol != "TLSv1.3").then(|| yes_no(self.extended_master_secret).to_owned()),
        );
        for (label, bytes) in &self.exports {
            rows.push(("export", format!("{} {}", printable(label), hex(bytes))));
        }
        rows
    }

    /// Whether the peer has proved who it is; nothing where nobody asked.
    pub(crate) fn authorization_text(&self) -> Option<String> {
        match (&self.authorization_error, self.authorized) {
            (Some(code), _) => Some(format!("no, {code}")),
            (None, true) => Some("yes".to_owned()),
            (None, false) => None,
        }
    }

    /// What became of early data; nothing where there was none.
    fn early_data_text(&self) -> Option<String> {
        let word = match self.early_data {
            EarlyDataStatus::Accepted => "accepted",
            EarlyDataStatus::Rejected => "rejected",
            _ => "not sent",
        };
        match self.early_data_bytes {
            Some(count) => Some(format!("{word}, {count} bytes")),
            None => (self.early_data != EarlyDataStatus::NotSent).then(|| word.to_owned()),
        }
    }

    pub(crate) fn ephemeral_key_text(&self) -> Option<String> {
        let key = self.ephemeral_key.as_ref()?;
        let name = key.name().map(|name| format!(" {name}")).unwrap_or_default();
        Some(format!("{}{name}, {} bits", key.kind(), key.size()))
    }

    pub(crate) fn renegotiation_text(&self) -> &'static str {
        match self.secure_renegotiation {
            true => "secure",
            false => "not secure: the peer lacks RFC 5746",
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
