//! All that was found out, and its form as JSON.

use std::net::SocketAddr;

use patina_ciphers::Suite;
use patina_tls::{Certificate, CipherSuite, ProtocolVersion, openssl};
use serde_json::{Map, Value, json};

use super::choice::{Choices, Order};
use super::features::{Finding, Staple};
use super::flight::ExchangeKey;
use super::groups::group_name;
use super::suites::{Seen, Version};
use crate::failure::Report;

/// Smaller Diffie-Hellman primes are weak, in bits.
const WEAK_PRIME: usize = 2048;

/// What a server accepts.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) target: String,
    pub(super) peer: SocketAddr,
    /// The highest version up to TLS 1.2 that it speaks: what is told of old versions is told of this one.
    pub(super) old: Option<ProtocolVersion>,
    pub(super) versions: [Version; 5],
    pub(super) groups: Vec<(ProtocolVersion, Choices<u16, ()>)>,
    pub(super) signatures: Vec<(ProtocolVersion, Result<Vec<&'static str>, Report>)>,
    /// By id and by ticket up to TLS 1.2, by ticket in TLS 1.3.
    pub(super) resumption: [Finding; 3],
    /// Whether a client can begin one.
    pub(super) renegotiation: Finding,
    pub(super) fallback: Finding,
    pub(super) alpn: Choices<&'static str, ()>,
    pub(super) staple: Result<Option<Staple>, Report>,
    pub(super) certificates: Vec<Shown>,
}

/// A certificate that a server shows.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) certificate: Certificate,
    /// How many it sent, itself included.
    pub(super) chain: usize,
    /// Why it is not trusted.
    pub(super) distrust: Option<String>,
}

impl Shown {
    /// Each certificate once.
    pub(super) fn collect<'a>(seen: impl Iterator<Item = &'a Seen>) -> Vec<Shown> {
        let mut shown: Vec<Shown> = Vec::new();
        for seen in seen {
            let Some(certificate) = seen.chain.first() else { continue };
            let fingerprint = certificate.fingerprint256();
            if shown.iter().all(|other| other.certificate.fingerprint256() != fingerprint) {
                shown.push(Shown {
                    certificate: certificate.clone(),
                    chain: seen.chain.len(),
                    distrust: seen.distrust.clone(),
                });
            }
        }
        shown
    }

    fn to_json(&self) -> Value {
        let it = &self.certificate;
        json!({
            "subject": it.subject().to_string(),
            "issuer": it.issuer().to_string(),
            "subject_alt_name": it.subject_alt_name(),
            "valid_from": it.valid_from(),
            "valid_to": it.valid_to(),
            "serial_number": it.serial_number(),
            "key": {"type": it.public_key_type().to_string(), "bits": it.bits(), "curve": it.nist_curve().or_else(|| it.asn1_curve())},
            "signature_algorithm": it.signature_algorithm(),
            "fingerprint256": it.fingerprint256(),
            "must_staple": it.must_staple(),
            "chain_length": self.chain,
            "authorized": self.distrust.is_none(),
            "authorization_error": self.distrust,
        })
    }
}

impl Findings {
    /// The facts of the handshakes of the highest version up to TLS 1.2.
    fn old_seen(&self) -> impl Iterator<Item = &Seen> {
        let of_old = self.versions.iter().filter(|it| Some(it.version) == self.old);
        of_old.flat_map(|it| &it.choices.found).map(|(_, seen)| seen)
    }

    pub(super) fn secure_renegotiation(&self) -> Finding {
        self.every(|seen| seen.secure_renegotiation)
    }

    pub(super) fn extended_master_secret(&self) -> Finding {
        self.every(|seen| seen.extended_master_secret)
    }

    fn every(&self, holds: impl Fn(&Seen) -> bool) -> Finding {
        match self.old {
            Some(_) => Finding::of(self.old_seen().all(holds)),
            None => Finding::default(),
        }
    }

    /// Whether the server asks for a certificate; of TLS 1.3 that cannot be seen.
    pub(super) fn asks_for_certificate(&self) -> Finding {
        match self.old {
            Some(_) => Finding::of(self.old_seen().any(|seen| seen.asks_for_certificate)),
            None => Finding::default(),
        }
    }

    pub(super) fn compression(&self) -> Finding {
        let old = self.versions.iter().filter(|it| Some(it.version) == self.old);
        let offered = old.filter_map(|it| it.offer.as_ref().ok()).any(|offer| offer.compression);
        match (self.old, offered) {
            (None, _) => Finding::default(),
            (Some(_), false) => Finding::because(None, not_testable()),
            (Some(_), true) => Finding::of(self.old_seen().any(|seen| seen.compression != 0)),
        }
    }

    /// The smallest Diffie-Hellman prime, in bits.
    pub(super) fn smallest_prime(&self) -> Option<usize> {
        let seen = self.versions.iter().flat_map(|it| &it.choices.found);
        let primes = seen.filter_map(|(_, seen)| match seen.key {
            Some(ExchangeKey::Prime(bits)) => Some(bits),
            _ => None,
        });
        primes.min()
    }

    pub(super) fn is_prime_weak(&self) -> Option<bool> {
        self.smallest_prime().map(|bits| bits < WEAK_PRIME)
    }

    pub(super) fn to_json(&self) -> Value {
        let [by_id, by_ticket, by_new_ticket] = &self.resumption;
        let groups: Map<String, Value> = self
            .groups
            .iter()
            .map(|(version, choices)| {
                let names: Vec<String> = choices.items().map(|id| group_name(*id)).collect();
                (
                    version.name().to_owned(),
                    json!({"names": names, "order": order(choices.order), "incomplete": incomplete(choices)}),
                )
            })
            .collect();
        let signatures: Map<String, Value> = self
            .signatures
            .iter()
            .map(|(version, found)| (version.name().to_owned(), json!(found.as_ref().ok())))
            .collect();
        json!({
            "event": "probe",
            "target": self.target,
            "peer": self.peer.to_string(),
            "openssl": openssl().version(),
            "versions": self.versions.iter().map(version).collect::<Vec<_>>(),
            "groups": groups,
            "signature_algorithms": signatures,
            "certificates": self.certificates.iter().map(Shown::to_json).collect::<Vec<_>>(),
            "asks_for_certificate": finding(&self.asks_for_certificate()),
            "resumption": {"id": finding(by_id), "ticket": finding(by_ticket), "ticket_tlsv1.3": finding(by_new_ticket)},
            "secure_renegotiation": finding(&self.secure_renegotiation()),
            "client_renegotiation": finding(&self.renegotiation),
            "extended_master_secret": finding(&self.extended_master_secret()),
            "fallback_scsv": finding(&self.fallback),
            "compression": finding(&self.compression()),
            "alpn": {
                "protocols": self.alpn.items().collect::<Vec<_>>(),
                "order": order(self.alpn.order),
                "incomplete": incomplete(&self.alpn),
            },
            "ocsp_staple": self.staple.as_ref().ok().and_then(Option::as_ref).map(|staple| {
                json!({"length": staple.length, "status": staple.status})
            }),
            "dh": {"smallest": self.smallest_prime(), "weak": self.is_prime_weak()},
        })
    }
}

fn version(it: &Version) -> Value {
    let suites = || it.choices.found.iter().map(|(suite, seen)| suite_json(suite, seen));
    let accepted = match (&it.offer, it.is_accepted()) {
        (Err(_), _) => None,
        (_, false) if it.choices.broken.is_some() => None,
        (_, accepted) => Some(accepted),
    };
    let untested = match &it.offer {
        Ok(offer) => offer.untested.iter().map(|suite| name(suite)).collect(),
        Err(_) => Vec::new(),
    };
    json!({
        "version": it.version.name(),
        "accepted": accepted,
        "reason": reason(it),
        "order": order(it.choices.order),
        "suites": suites().collect::<Vec<_>>(),
        "untested": untested,
        "incomplete": if it.is_accepted() { incomplete(&it.choices) } else { None },
    })
}

/// Why a version is not accepted.
pub(super) fn reason(it: &Version) -> Option<String> {
    match (&it.offer, it.is_accepted()) {
        (_, true) => None,
        (Err(text), _) => Some(format!("not testable: {text}")),
        (Ok(_), false) => it.choices.broken.as_ref().or(it.refusal.as_ref()).map(Report::line),
    }
}

pub(super) fn not_testable() -> String {
    format!("not testable with OpenSSL {}", openssl().version())
}

/// IANA's name, or OpenSSL's.
pub(super) fn name(suite: &Suite) -> &'static str {
    suite.iana_name().unwrap_or(suite.openssl_name())
}

fn suite_json(suite: &CipherSuite, seen: &Seen) -> Value {
    let exchange = match seen.key {
        Some(ExchangeKey::Group(id)) => json!({"group": group_name(id)}),
        Some(ExchangeKey::Prime(bits)) => json!({"dh_bits": bits}),
        None => Value::Null,
    };
    json!({
        "name": suite.name(),
        "standard_name": suite.standard_name(),
        "id": format!("{:#06x}", suite.id()),
        "bits": suite.bits(),
        "exchange": exchange,
    })
}

fn order(order: Option<Order>) -> Option<&'static str> {
    order.map(Order::name)
}

fn incomplete<T, D>(choices: &Choices<T, D>) -> Option<String> {
    choices.broken.as_ref().map(Report::line)
}

fn finding(finding: &Finding) -> Value {
    json!({"holds": finding.holds, "note": finding.note})
}
