//! `patina connect`: a TLS client between stdin and stdout.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patina_tls::{ConnectOptions, OcspVerifier, Session, TlsConnector};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::args::ConnectArgs;
use crate::facts::Facts;
use crate::failure::{Failure, Report};
use crate::output::{Counts, Output, Place};
use crate::pump::{Input, Pump, Received, Until};
use crate::rehandshake::{Watch, Wishes};
use crate::settings;
use crate::starttls;

/// The line before and after the base64 text of a session: those of `openssl sess_id`.
const PEM_BEGIN: &str = "-----BEGIN SSL SESSION PARAMETERS-----";
const PEM_END: &str = "-----END SSL SESSION PARAMETERS-----";

pub(crate) async fn run(args: &ConnectArgs) -> Result<(), Failure> {
    let output = Arc::new(Output::new(args.shared.json, Place::Stderr));
    let outcome = connect(args, &output).await;
    if let (Err(Failure::Connection(report)), true) = (&outcome, output.is_json()) {
        output.error(None, report);
    }
    outcome
}

async fn connect(args: &ConnectArgs, output: &Arc<Output>) -> Result<(), Failure> {
    let (host, port) = split_target(&args.target)?;
    let settings::Connecting { config, server_name, session } = settings::client(args, output)?;
    let mut session = match args.session_in.as_deref() {
        Some(file) => Some(read_session(file)?),
        None => session,
    };
    let early = match &args.early_data {
        Some(_) if session.is_none() && args.reconnect == 0 => {
            return Err(Failure::Usage(
                "--early-data: there is no session to resume: --session-in FILE, or --reconnect".to_owned(),
            ));
        }
        Some(given) => Some(read_early_data(given)?),
        None => None,
    };
    let mut options = ConnectOptions::new(host);
    let name = args.servername.as_deref().or(server_name.as_deref());
    let domain = name.unwrap_or(host);
    if let Some(name) = name {
        if name.parse::<IpAddr>().is_ok() {
            return Err(Failure::Usage(format!(
                "--servername: {name} is an IP address; SNI is for names (RFC 6066)"
            )));
        }
        options = options.server_name(name);
    }
    if args.no_servername {
        options = options.without_server_name();
    }
    if let Some(name) = &args.verify_name {
        options = options.verify_name(name);
    }
    for warning in config.warnings() {
        output.note(warning);
    }
    let ocsp = config.trust().filter(|_| args.request_ocsp).map(|trust| OcspVerifier::new(trust.clone()));
    let connector = TlsConnector::new(config);
    let time = settings::handshake_timeout(&args.shared);
    let mut stdin = Some(tokio::io::stdin());
    for left in (0..=args.reconnect).rev() {
        let mut tcp = dial(host, port, time).await?;
        let peer = tcp.peer_addr()?;
        tracing::info!(%peer, "connected");
        if let Some(protocol) = args.starttls {
            let agreed = timeout(time, starttls::upgrade(protocol, domain, &mut tcp)).await;
            agreed.unwrap_or_else(|_| Err(no_answer(time)))?;
        }
        let mut options = match &session {
            Some(session) => options.clone().session(session.clone()),
            None => options.clone(),
        };
        let early = early.as_deref().filter(|_| left == 0);
        if let Some(early) = early {
            options = options.early_data(early);
        }
        let mut tls = connector.connect(options, tcp).await?;
        let facts = Facts::of(&tls.negotiated(), peer, &args.shared.export);
        let mut facts = facts.map_err(|error| Failure::option("--export", &error))?;
        facts.ocsp_status = ocsp.as_ref().map(|ocsp| ocsp.judge(&tls.negotiated()).to_string());
        facts.early_data_bytes = early.map(<[u8]>::len);
        let unsent = tls.take_unsent_early_data();
        output.secure(&facts);
        let mut watch = Watch::new(output, peer);
        watch.ask(&mut tls, Wishes::of(&args.shared)).await?;

        let bytes = || args.send.clone().unwrap_or_default().into_bytes();
        let (input, until) = match (left, args.quit, &args.send) {
            (0, true, _) => (Input::Bytes(bytes()), Until::Sent),
            (0, false, Some(_)) => (Input::Bytes(bytes()), Until::PeerCloses),
            (0, false, None) => {
                let stdin = stdin.take().map_or_else(|| Input::Bytes(Vec::new()), Input::Stdin);
                (stdin, Until::PeerCloses)
            }
            _ => (Input::Bytes(Vec::new()), Until::Sent),
        };
        let received = if output.is_json() { Received::Count } else { Received::Print };
        let mut pump = Pump::new(&mut tls, watch, output, input, session.take());
        match (early, &unsent) {
            (Some(early), None) => pump.counts.written += early.len() as u64,
            (_, Some(unsent)) => pump.send_first(unsent.as_bytes()),
            (None, None) => {}
        }
        let outcome = pump.run(received, until).await;
        let counts = pump.counts;
        session = pump.into_session();
        if outcome.is_ok() {
            report_closed(output, &tls, peer, counts);
        }
        outcome?;
    }
    match (&args.session_out, session) {
        (None, _) => Ok(()),
        (Some(file), Some(session)) => write_session(file, &session),
        (Some(file), None) => {
            let text =
                format!("--session-out: {}: the server gave no session that can be resumed", file.display());
            Err(Failure::Other(text))
        }
    }
}

fn report_closed(
    output: &Output,
    tls: &patina_tls::TlsStream<TcpStream>,
    peer: std::net::SocketAddr,
    counts: Counts,
) {
    output.closed(peer, counts, tls.is_closed_by_peer());
}

/// `HOST:PORT`, `[V6]:PORT`.
pub(crate) fn split_target(target: &str) -> Result<(&str, u16), Failure> {
    let refuse = |why: &str| Failure::Usage(format!("HOST:PORT: {target:?} {why}"));
    let (host, port) = target.rsplit_once(':').ok_or_else(|| refuse("has no port"))?;
    let port =
        port.parse().ok().filter(|port| *port != 0).ok_or_else(|| refuse("has no port of 1 to 65535"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        None if host.contains(':') => Err(refuse("is ambiguous: put the IPv6 address in brackets")),
        None if host.is_empty() => Err(refuse("has no host")),
        _ => Ok((bare.unwrap_or(host), port)),
    }
}

pub(crate) async fn dial(host: &str, port: u16, time: Duration) -> Result<TcpStream, Report> {
    let doing = format!("connecting to {host}:{port}");
    let report =
        |code: &str, reason: String| Report { code: code.to_owned(), reason, alert: None }.doing(&doing);
    let addresses: Vec<_> = match lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(error) => return Err(report("ENOTFOUND", error.to_string())),
    };
    match timeout(time, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(tcp)) => {
            // Handshake messages are small and each is waited for.
            let _ = tcp.set_nodelay(true);
            Ok(tcp)
        }
        Ok(Err(error)) => Err(Report::of_io(&error).doing(&doing)),
        Err(_) => Err(no_answer(time).doing(&doing)),
    }
}

pub(crate) fn no_answer(time: Duration) -> Report {
    Report { code: "ETIMEDOUT".to_owned(), reason: format!("no answer within {time:?}"), alert: None }
}

/// The content of the file, or the text.
fn read_early_data(given: &OsStr) -> Result<Vec<u8>, Failure> {
    let file = Path::new(given);
    match file.is_file() {
        true => fs::read(file).map_err(|error| Failure::unreadable("--early-data", file, &error)),
        false => Ok(given.as_encoded_bytes().to_vec()),
    }
}

fn read_session(file: &Path) -> Result<Session, Failure> {
    let refuse = |why: &str| Failure::Usage(format!("--session-in: {}: {why}", file.display()));
    let bytes = fs::read(file).map_err(|error| refuse(&error.to_string()))?;
    let der = match std::str::from_utf8(&bytes).ok().filter(|text| text.contains(PEM_BEGIN)) {
        Some(text) => {
            let body = text.split_once(PEM_BEGIN).and_then(|(_, rest)| rest.split_once(PEM_END));
            let (body, _) = body.ok_or_else(|| refuse("the PEM block does not end"))?;
            let body: String = body.split_ascii_whitespace().collect();
            openssl::base64::decode_block(&body).map_err(|_| refuse("the PEM block is no base64"))?
        }
        None => bytes,
    };
    Session::from_der(der).map_err(|error| refuse(error.message()))
}

/// Writes a session, which has keys in it, for its owner alone.
fn write_session(file: &Path, session: &Session) -> Result<(), Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::Other(format!("--session-out: {}: {why}", file.display()));
    let der = session.to_der().map_err(|error| failed(&error.message()))?;
    let bytes = match file.extension().is_some_and(|extension| extension == "der") {
        true => der,
        false => {
            let body = openssl::base64::encode_block(&der);
            let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
            format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", lines.join("\n")).into_bytes()
        }
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).and_then(|mut file| file.write_all(&bytes)).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_host_and_a_port() {
        assert_eq!(split_target("example.com:443").unwrap(), ("example.com", 443));
        assert_eq!(split_target("[::1]:8443").unwrap(), ("::1", 8443));
        for bad in ["", "example.com", "example.com:", ":443", "a:0", "a:65536", "::1:443", "a:b"] {
            assert!(split_target(bad).is_err(), "{bad}");
        }
    }
}
