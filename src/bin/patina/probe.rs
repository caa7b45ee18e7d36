//! `patina probe`: what a server accepts.

mod choice;
mod dialer;
mod features;
mod findings;
mod flight;
mod groups;
mod progress;
mod signatures;
mod suites;
mod table;
mod tape;

use std::net::SocketAddr;

use patina_ciphers::{Authentication, KeyExchange, by_id};
use patina_tls::{Certificate, CipherSuite, ClientConfig, ProtocolVersion, ServerVerification, openssl};

use self::choice::Choices;
use self::dialer::Dialer;
use self::features::{Finding, Resumption};
use self::findings::{Findings, Shown};
use self::groups::Along;
use self::progress::Progress;
use self::suites::Version;
use crate::args::ProbeArgs;
use crate::failure::{Failure, Report};
use crate::output::{Output, Place, write};

/// Versions, groups and signatures of two of them, resumption in three ways, renegotiation, fallback, ALPN, OCSP.
const QUESTIONS: u64 = 16;

pub(crate) async fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let output = Output::new(args.json, Place::Stdout);
    let outcome = probe(args).await;
    match outcome {
        Ok(findings) => write(&match args.json {
            true => format!("{}\n", findings.to_json()),
            false => table::text(&findings),
        }),
        Err(failure) => {
            if let (Failure::Connection(report), true) = (&failure, args.json) {
                output.error(None, report);
            }
            Err(failure)
        }
    }
}

async fn probe(args: &ProbeArgs) -> Result<Findings, Failure> {
    let dialer = Dialer::new(args, Progress::new(QUESTIONS, !args.json))?;
    let outcome = explore(&dialer, &args.target).await;
    dialer.progress.end();
    outcome
}

async fn explore(dialer: &Dialer, target: &str) -> Result<Findings, Failure> {
    let peer = first_contact(dialer).await?;
    let (v3, v1_0, v1_1, v1_2, v1_3) = tokio::join!(
        Version::explore(dialer, ProtocolVersion::SSLv3),
        Version::explore(dialer, ProtocolVersion::TLSv1_0),
        Version::explore(dialer, ProtocolVersion::TLSv1_1),
        Version::explore(dialer, ProtocolVersion::TLSv1_2),
        Version::explore(dialer, ProtocolVersion::TLSv1_3),
    );
    let versions = [v3, v1_0, v1_1, v1_2, v1_3];
    let accepted: Vec<ProtocolVersion> =
        versions.iter().filter(|it| it.is_accepted()).map(|it| it.version).collect();
    let Some(&highest) = accepted.last() else { return Err(nothing_accepted(&versions, target).into()) };
    let old = accepted.iter().copied().rfind(|version| *version < ProtocolVersion::TLSv1_3);
    let newest = (highest == ProtocolVersion::TLSv1_3).then_some(highest);
    let below = accepted.len().checked_sub(2).map(|place| accepted[place]);
    let along = versions.iter().find(|it| Some(it.version) == old).map_or(Along::Free, Version::along);

    let resume = |version, by| async move {
        match version {
            Some(version) => features::resumption(dialer, version, by).await,
            None => not_asked(dialer),
        }
    };
    let groups = |version| async move {
        match version {
            Some(version) => Some(groups::explore(dialer, version, along).await),
            None => skipped(dialer),
        }
    };
    let signatures = |version| async move {
        match version {
            Some(version) => Some(signatures::explore(dialer, version).await),
            None => skipped(dialer),
        }
    };
    let renegotiation = async {
        match old {
            Some(version) => features::renegotiation(dialer, version).await,
            None => not_asked(dialer),
        }
    };
    // Before TLS 1.2 there is no choice of signatures.
    let signed = old.filter(|version| *version == ProtocolVersion::TLSv1_2);
    let (old_groups, new_groups, old_signatures, new_signatures) =
        tokio::join!(groups(old), groups(newest), signatures(signed), signatures(newest));
    let (by_id, by_ticket, by_new_ticket, renegotiated, fallback, alpn, staple) = tokio::join!(
        resume(old, Resumption::Id),
        resume(old, Resumption::Ticket),
        resume(newest, Resumption::Ticket),
        renegotiation,
        features::fallback(dialer, below),
        features::alpn(dialer, highest),
        features::staple(dialer, highest),
    );
    let shown = versions.iter().flat_map(|version| &version.choices.found).map(|(_, seen)| seen);
    Ok(Findings {
        target: target.to_owned(),
        peer,
        old,
        groups: named(old, old_groups).into_iter().chain(named(newest, new_groups)).collect(),
        signatures: named(signed, old_signatures).into_iter().chain(named(newest, new_signatures)).collect(),
        resumption: [by_id, by_ticket, by_new_ticket],
        renegotiation: renegotiated,
        fallback,
        alpn,
        staple,
        certificates: Shown::collect(shown),
        versions,
    })
}

fn named<T>(version: Option<ProtocolVersion>, found: Option<T>) -> Option<(ProtocolVersion, T)> {
    version.zip(found)
}

fn skipped<T>(dialer: &Dialer) -> Option<T> {
    dialer.progress.answered();
    None
}

fn not_asked(dialer: &Dialer) -> Finding {
    dialer.progress.answered();
    Finding::default()
}

/// Offers everything at once. What cannot be reached, or is silent, is not asked further.
async fn first_contact(dialer: &Dialer) -> Result<SocketAddr, Failure> {
    let config = ClientConfig::builder()
        .versions(ProtocolVersion::TLSv1_0..=ProtocolVersion::TLSv1_3)
        .security_level(0)
        .server_verification(ServerVerification::InsecureReport)
        .handshake_timeout(dialer.time())
        .build()?;
    let attempt = dialer.once(&config, dialer.options.clone()).await?;
    let peer = attempt.peer;
    match &attempt.outcome {
        Err(report) if !attempt.flight.is_empty && !attempt.flight.is_tls => Err(no_tls(report).into()),
        _ => {
            attempt.close().await;
            Ok(peer)
        }
    }
}

fn no_tls(report: &Report) -> Report {
    report.clone().doing("the server does not speak TLS")
}

/// Why there is nothing to tell.
fn nothing_accepted(versions: &[Version], target: &str) -> Report {
    let newest_first = || versions.iter().rev();
    if let Some(report) = newest_first().find_map(|it| it.choices.broken.as_ref()) {
        return report.clone().doing(&format!("{target} no longer answers"));
    }
    let Some(report) = newest_first().find_map(|it| it.refusal.as_ref()) else {
        let reason = format!("{} can offer nothing", openssl().text());
        return Report { code: "ERR_PROBE_NOTHING_OFFERED".to_owned(), reason, alert: None };
    };
    let doing = match versions.iter().any(|it| it.is_tls) {
        true => format!("{target} accepts nothing that OpenSSL {} offers", openssl().version()),
        false => format!("{target} does not speak TLS"),
    };
    report.clone().doing(&doing)
}

impl Version {
    /// How the groups are to be asked for.
    fn along(&self) -> Along {
        let is_free = |suite: &CipherSuite| {
            by_id(suite.id()).is_some_and(|suite| {
                suite.key_exchange() == KeyExchange::Ecdhe && suite.authentication() != Authentication::Ecdsa
            })
        };
        if self.choices.items().any(is_free) {
            return Along::Free;
        }
        let certificates = self.choices.found.iter().filter_map(|(_, seen)| seen.chain.first());
        let curve = certificates.filter_map(Certificate::asn1_curve).find_map(|name| groups::by_curve(&name));
        curve.map_or(Along::Free, Along::Curve)
    }
}

impl<T, D> Choices<T, D> {
    fn items(&self) -> impl Iterator<Item = &T> {
        self.found.iter().map(|(item, _)| item)
    }
}
