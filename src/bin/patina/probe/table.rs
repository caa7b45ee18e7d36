//! What was found out, for people.

use std::fmt::Display;
use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use patina_ciphers::by_id;
use patina_tls::openssl;

use super::choice::{Choices, Order};
use super::features::Finding;
use super::findings::{Findings, Shown, not_testable, reason};
use super::flight::ExchangeKey;
use super::groups::group_name;
use super::suites::{Seen, Version};
use crate::facts::yes_no;
use crate::output::printable;

pub(super) fn text(findings: &Findings) -> String {
    let head = format!("{} ({}), asked with OpenSSL {}", findings.target, findings.peer, openssl().version());
    let parts = [versions(findings), suites(findings), facts(findings)];
    let tables: Vec<String> = parts.iter().map(Table::trim_fmt).collect();
    format!("{}\n\n{}\n", printable(&head), tables.join("\n\n"))
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(match std::io::stdout().is_terminal() {
        true => ContentArrangement::Dynamic,
        false => ContentArrangement::Disabled,
    });
    table
}

fn versions(findings: &Findings) -> Table {
    let mut table = table();
    table.set_header(["version", "accepted", "suites", "order", "remarks"]);
    for it in &findings.versions {
        let count = it.choices.found.len();
        table.add_row([
            it.version.name().to_owned(),
            accepted(it).to_owned(),
            if count > 0 { count.to_string() } else { String::new() },
            it.choices.order.map(Order::text).unwrap_or_default().to_owned(),
            remarks(it),
        ]);
    }
    table
}

fn accepted(it: &Version) -> &'static str {
    match (&it.offer, it.is_accepted()) {
        (Err(_), _) => "?",
        (_, false) if it.choices.broken.is_some() => "?",
        (_, accepted) => yes_no(accepted),
    }
}

fn remarks(it: &Version) -> String {
    let mut remarks: Vec<String> = reason(it).map(|text| printable(&text)).into_iter().collect();
    if it.is_accepted() {
        if let Some(report) = &it.choices.broken {
            remarks.push(format!("there may be more: {}", printable(&report.line())));
        }
        let untested = it.offer.as_ref().map_or(0, |offer| offer.untested.len());
        if untested > 0 {
            remarks.push(format!("{untested} more suites {}", not_testable()));
        }
    }
    remarks.join("; ")
}

fn suites(findings: &Findings) -> Table {
    let mut table = table();
    table.set_header(["version", "#", "suite", "id", "exchange", "encryption", "bits", "IANA's name"]);
    for it in &findings.versions {
        for (place, (suite, seen)) in it.choices.found.iter().enumerate() {
            table.add_row([
                it.version.name().to_owned(),
                (place + 1).to_string(),
                suite.name().to_owned(),
                format!("{:#06x}", suite.id()),
                exchange(seen, suite.id()),
                by_id(suite.id()).map_or("-", |suite| suite.encryption().name()).to_owned(),
                suite.bits().to_string(),
                suite.standard_name().to_owned(),
            ]);
        }
    }
    table
}

fn exchange(seen: &Seen, suite: u16) -> String {
    match seen.key {
        Some(ExchangeKey::Group(id)) => group_name(id),
        Some(ExchangeKey::Prime(bits)) => format!("DH, {bits} bits"),
        None => by_id(suite).map_or("-", |suite| suite.key_exchange().name()).to_owned(),
    }
}

fn facts(findings: &Findings) -> Table {
    let mut table = table();
    let mut row = |label: &str, value: String| {
        table.add_row([label.to_owned(), printable(&value)]);
    };
    for (version, choices) in &findings.groups {
        row(&format!("groups, {version}"), list(choices, |id| group_name(*id)));
    }
    for (version, found) in &findings.signatures {
        let text = match found {
            Ok(names) => joined(names),
            Err(report) => format!("? ({})", report.line()),
        };
        row(&format!("signatures, {version}"), text);
    }
    for shown in &findings.certificates {
        certificate(shown, &mut row);
    }
    let [by_id, by_ticket, by_new_ticket] = &findings.resumption;
    for (label, finding) in [
        ("asks for a certificate", &findings.asks_for_certificate()),
        ("resumption by id", by_id),
        ("resumption by ticket", by_ticket),
        ("resumption, TLSv1.3", by_new_ticket),
        ("secure renegotiation", &findings.secure_renegotiation()),
        ("client may renegotiate", &findings.renegotiation),
        ("extended master secret", &findings.extended_master_secret()),
        ("fallback SCSV", &findings.fallback),
        ("compression", &findings.compression()),
    ] {
        if let Some(text) = told(finding) {
            row(label, text);
        }
    }
    row("alpn", list(&findings.alpn, |name| (*name).to_owned()));
    row(
        "ocsp staple",
        match &findings.staple {
            Ok(None) => "no".to_owned(),
            Ok(Some(staple)) => {
                let status =
                    staple.status.as_deref().unwrap_or("of no certificate that was sent with its issuer");
                format!("yes, {} bytes: {status}", staple.length)
            }
            Err(report) => format!("? ({})", report.line()),
        },
    );
    if let (Some(bits), Some(weak)) = (findings.smallest_prime(), findings.is_prime_weak()) {
        row("smallest DH prime", format!("{bits} bits{}", if weak { ": weak" } else { "" }));
    }
    table
}

fn certificate(shown: &Shown, row: &mut impl FnMut(&str, String)) {
    let it = &shown.certificate;
    row("certificate", it.subject().to_string().replace('\n', ", "));
    row("  issuer", it.issuer().to_string().replace('\n', ", "));
    if let Some(names) = it.subject_alt_name() {
        row("  names", names);
    }
    let curve =
        it.nist_curve().or_else(|| it.asn1_curve()).map(|name| format!(" {name}")).unwrap_or_default();
    let bits = it.bits().map(|bits| format!(", {bits} bits")).unwrap_or_default();
    row("  key", format!("{}{curve}{bits}", it.public_key_type()));
    row("  signature", it.signature_algorithm());
    row("  valid", format!("{} to {}", it.valid_from(), it.valid_to()));
    row("  chain", format!("{} sent", shown.chain));
    row(
        "  trusted",
        match &shown.distrust {
            None => "yes".to_owned(),
            Some(code) => format!("no, {code}"),
        },
    );
    row("  SHA-256", it.fingerprint256());
}

fn told(finding: &Finding) -> Option<String> {
    let holds = finding.holds.map(yes_no);
    match (holds, &finding.note) {
        (None, None) => None,
        (Some(holds), None) => Some(holds.to_owned()),
        (holds, Some(note)) => Some(format!("{} ({note})", holds.unwrap_or("?"))),
    }
}

fn list<T>(choices: &Choices<T, ()>, name: impl Fn(&T) -> String) -> String {
    let names: Vec<String> = choices.items().map(name).collect();
    let order = choices.order.map(|order| format!(" ({})", order.text())).unwrap_or_default();
    let broken = choices.broken.as_ref().map(|report| format!(" ? ({})", report.line())).unwrap_or_default();
    format!("{}{order}{broken}", joined(&names))
}

fn joined<T: Display>(names: &[T]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.iter().map(T::to_string).collect::<Vec<_>>().join(" "),
    }
}
