//! Abilities of a server beside versions, suites and groups.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use openssl::ssl::SslMode;
use patina_tls::{
    Alert, Certificate, OcspResponse, OcspStatus, ProtocolVersion, RenegotiateOptions, SecureOptions, Session,
};
use tokio::time::timeout;

use super::choice::Choices;
use super::dialer::Dialer;
use crate::connect::no_answer;
use crate::failure::Report;

/// Protocols that clients ask for by ALPN (IANA's registry).
const PROTOCOLS: [&str; 17] = [
    "h2",
    "http/1.1",
    "http/1.0",
    "h2c",
    "spdy/3",
    "spdy/2",
    "acme-tls/1",
    "ftp",
    "imap",
    "pop3",
    "managesieve",
    "xmpp-client",
    "xmpp-server",
    "mqtt",
    "postgresql",
    "dot",
    "ntske/1",
];

/// Whether something holds; nothing where it could not be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) holds: Option<bool>,
    pub(super) note: Option<String>,
}

/// A stapled OCSP response.
#[derive(Debug, Clone)]
pub(super) struct Staple {
    pub(super) length: usize,
    /// What it says of the certificate; nothing where it says nothing of it.
    pub(super) status: Option<String>,
}

impl Finding {
    pub(super) fn of(holds: bool) -> Finding {
        Finding { holds: Some(holds), note: None }
    }

    pub(super) fn because(holds: Option<bool>, note: impl Into<String>) -> Finding {
        Finding { holds, note: Some(note.into()) }
    }

    fn broken(report: &Report) -> Finding {
        Finding::because(None, report.line())
    }
}

/// What a session is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumption {
    Id,
    Ticket,
}

/// Connects twice, the second time with the session of the first.
pub(super) async fn resumption(dialer: &Dialer, version: ProtocolVersion, by: Resumption) -> Finding {
    dialer.progress.asking("resumption");
    let finding = resume(dialer, version, by).await.unwrap_or_else(|report| Finding::broken(&report));
    dialer.progress.answered();
    finding
}

async fn resume(dialer: &Dialer, version: ProtocolVersion, by: Resumption) -> Result<Finding, Report> {
    let sessions: Arc<Mutex<Vec<Session>>> = Arc::default();
    let listener = Arc::clone(&sessions);
    let mut builder = dialer.builder(version).session_listener(move |session: &Session| {
        listener.lock().unwrap_or_else(PoisonError::into_inner).push(session.clone());
    });
    if by == Resumption::Id {
        builder = builder.secure_options(SecureOptions::NO_TICKET);
    }
    let config = builder.build().map_err(|error| Report::of(&error))?;
    let first = dialer.attempt(&config).await?;
    if let Err(report) = &first.outcome {
        return Ok(Finding::broken(report));
    }
    first.close().await;
    let session = sessions.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let given = session.filter(|session| match by {
        Resumption::Id => !session.id().is_empty() && session.is_resumable(),
        Resumption::Ticket => session.ticket().is_some() && session.is_resumable(),
    });
    let Some(session) = given else {
        let what = if by == Resumption::Id { "no session id is given" } else { "no ticket is given" };
        return Ok(Finding::because(Some(false), what));
    };
    let second = dialer.resume(&config, Some(&session)).await?;
    let resumed = match &second.outcome {
        Ok(tls) => tls.negotiated().session_reused(),
        Err(report) => return Ok(Finding::broken(report)),
    };
    second.close().await;
    Ok(match (resumed, by) {
        (true, _) => Finding::of(true),
        (false, Resumption::Id) => Finding::because(Some(false), "a session id is given and not taken back"),
        (false, Resumption::Ticket) => Finding::because(Some(false), "a ticket is given and not taken back"),
    })
}

/// Asks for a renegotiation, up to TLS 1.2.
pub(super) async fn renegotiation(dialer: &Dialer, version: ProtocolVersion) -> Finding {
    dialer.progress.asking("renegotiation");
    let finding = renegotiate(dialer, version).await.unwrap_or_else(|report| Finding::broken(&report));
    dialer.progress.answered();
    finding
}

async fn renegotiate(dialer: &Dialer, version: ProtocolVersion) -> Result<Finding, Report> {
    let builder = dialer.builder(version).secure_options(SecureOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    let config = builder.build().map_err(|error| Report::of(&error))?;
    let mut attempt = dialer.attempt(&config).await?;
    let asked = match &mut attempt.outcome {
        Ok(tls) => timeout(dialer.time(), tls.renegotiate(RenegotiateOptions::new())).await,
        Err(report) => return Ok(Finding::broken(report)),
    };
    Ok(match asked {
        Ok(Ok(())) => {
            attempt.close().await;
            Finding::of(true)
        }
        Ok(Err(error)) => Finding::because(Some(false), Report::of(&error).line()),
        Err(_) => Finding::because(Some(false), no_answer(dialer.time()).line()),
    })
}

/// Asks for a version below the highest one, as a client that has been turned down before (RFC 7507).
pub(super) async fn fallback(dialer: &Dialer, version: Option<ProtocolVersion>) -> Finding {
    let Some(version) = version else {
        dialer.progress.answered();
        return Finding::because(None, "there is one version alone");
    };
    dialer.progress.asking("fallback");
    let builder = dialer.builder(version).with_openssl(|context| {
        context.set_mode(SslMode::SEND_FALLBACK_SCSV);
        Ok(())
    });
    let finding = match builder.build() {
        Err(error) => Finding::broken(&Report::of(&error)),
        Ok(config) => match dialer.attempt(&config).await {
            Err(report) => Finding::broken(&report),
            Ok(attempt) => match &attempt.outcome {
                Err(report) if is_alert(report, Alert::INAPPROPRIATE_FALLBACK) => Finding::of(true),
                Err(report) => Finding::broken(report),
                Ok(_) => {
                    attempt.close().await;
                    Finding::of(false)
                }
            },
        },
    };
    dialer.progress.answered();
    finding
}

/// Asks for application protocols.
pub(super) async fn alpn(dialer: &Dialer, version: ProtocolVersion) -> Choices<&'static str, ()> {
    let choices = Choices::explore(
        PROTOCOLS.to_vec(),
        |_| false,
        async |left: &[&'static str]| {
            dialer.progress.asking("alpn");
            let config = dialer.builder(version).alpn(left.iter().copied()).build();
            let attempt = dialer.attempt(&config.map_err(|error| Report::of(&error))?).await?;
            let chosen =
                attempt.outcome.as_ref().ok().and_then(|tls| tls.negotiated().alpn().map(<[u8]>::to_vec));
            attempt.close().await;
            let place = chosen.and_then(|chosen| left.iter().position(|name| name.as_bytes() == chosen));
            Ok(place.map(|place| (place, ())))
        },
    )
    .await;
    dialer.progress.answered();
    choices
}

/// Asks for an OCSP response.
///
/// # Errors
/// A server that cannot be asked.
pub(super) async fn staple(dialer: &Dialer, version: ProtocolVersion) -> Result<Option<Staple>, Report> {
    dialer.progress.asking("ocsp");
    let config = dialer.builder(version).request_ocsp(true).build().map_err(|error| Report::of(&error))?;
    let attempt = dialer.attempt(&config).await?;
    let staple = match &attempt.outcome {
        Err(report) => return Err(report.clone()),
        Ok(tls) => {
            let negotiated = tls.negotiated();
            negotiated.ocsp_response().map(|der| {
                let status = status(&der, &negotiated.peer_chain());
                Staple { length: der.len(), status }
            })
        }
    };
    attempt.close().await;
    dialer.progress.answered();
    Ok(staple)
}

fn status(der: &[u8], chain: &[Certificate]) -> Option<String> {
    let response = OcspResponse::from_der(der).ok()?;
    let [certificate, rest @ ..] = chain else { return None };
    let issuer = rest.first().or_else(|| certificate.is_self_issued().then_some(certificate))?;
    let entry = response.status_of(certificate, issuer)?;
    let expired = entry.next_update().is_some_and(|until| until < SystemTime::now());
    let text = match entry.status() {
        OcspStatus::Good => "good",
        OcspStatus::Revoked { .. } => "revoked",
        _ => "unknown",
    };
    Some(if expired { format!("{text}, expired") } else { text.to_owned() })
}

fn is_alert(report: &Report, alert: Alert) -> bool {
    report.alert.as_ref().is_some_and(|(code, _)| *code == alert.code())
}
