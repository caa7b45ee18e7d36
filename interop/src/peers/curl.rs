//! `curl`, as a client: what is said goes inside of HTTP.

use std::ffi::OsString;
use std::fs;

use patina_tls::ProtocolVersion;
use tokio::process::Command;

use super::suites;
use crate::case::{Case, Exchange, Side, Verify};
use crate::fixture::{self, Identity, Scratch};
use crate::peer::{Errors, Peer, Pending, Serving};
use crate::process::{Process, position};
use crate::seen::{Fact, Report, Seen, key_log_lines, received, yes_no};
use crate::trouble::{Result, Trouble};

/// curl.
#[derive(Debug, Clone, Copy)]
pub struct Curl;

impl Peer for Curl {
    fn name(&self) -> &'static str {
        "curl"
    }

    fn title(&self) -> &'static str {
        "curl"
    }

    fn sides(&self) -> &'static [Side] {
        &[Side::Client]
    }

    fn version(&self) -> Pending<'_, String> {
        Box::pin(async {
            let mut command = Command::new("curl");
            command.arg("--version");
            let mut process = Process::spawn(command)?;
            process.wait().await?;
            Ok(process.tail().lines().next().unwrap_or_default().to_owned())
        })
    }

    fn serve<'a>(&'a self, _: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async { Err(Trouble::new("curl is a client")) })
    }

    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let mut command = Command::new("curl");
            command.args(arguments(case, &scratch, port)?);
            // The system's configuration could set versions and levels.
            command.env("OPENSSL_CONF", "/dev/null").env("SSLKEYLOGFILE", scratch.file("keys.log"));
            let mut process = Process::spawn(command)?;
            process.wait().await?;
            let output = String::from_utf8_lossy(&process.output()).into_owned();
            let mut report = Report { log: process.tail(), ..Report::default() };
            for (number, said) in output.split(CONNECTED).skip(1).enumerate() {
                let head = case.payload(Side::Server).len() - case.exchange.payload(Side::Server).len();
                let body = fs::read(scratch.file(&format!("received{number}"))).unwrap_or_default();
                report.seen.push(seen(said, case, head, &body));
            }
            report.key_log =
                Some(key_log_lines(&fs::read_to_string(scratch.file("keys.log")).unwrap_or_default()));
            Ok(report)
        })
    }

    fn tells(&self, _: Side, case: &Case) -> Vec<Fact> {
        let mut facts = vec![Fact::Version, Fact::Cipher, Fact::Alpn, Fact::Received, Fact::Reused];
        facts.extend((case.exchange == Exchange::CutByServer).then_some(Fact::End));
        facts.extend(case.client.asks_staple.then_some(Fact::StapleStatus));
        facts
    }

    fn errors(&self) -> Errors {
        Errors::OwnWords
    }

    fn lacks(&self, _: Side, case: &Case) -> Option<String> {
        let setup = &case.client;
        let why = match case.exchange {
            Exchange::HalfClose | Exchange::ServerHalfClose => "HTTP has no use for one half of a connection",
            Exchange::Renegotiate(Side::Client, _) => "it has no way to renegotiate",
            _ if setup.legacy || setup.options.is_some() => "it has no such options",
            Exchange::CutByClient => "it does not leave before the answer",
            _ if setup.versions.1 < ProtocolVersion::TLSv1_0 => "it has no SSLv3",
            _ if !matches!(
                setup.alpn.iter().map(String::as_str).collect::<Vec<_>>()[..],
                [] | ["http/1.1"]
            ) =>
            {
                "it offers the protocols that it speaks"
            }
            Exchange::UpdateKeys(Side::Server) => "it speaks first",
            Exchange::UpdateKeys(Side::Client) => "it has no way to change keys",
            _ if !setup.npn.is_empty() => "it has given up NPN",
            _ if suites::needs(setup, &["RC4", "3DES", "SEED", "IDEA"]) => "its libssl has no such suites",
            _ if setup.asks_staple && case.server.staple.is_none() => {
                "it must have a staple where it asks for one"
            }
            _ if setup.sigalgs.is_some() => "it lets nobody choose signature algorithms",
            _ if setup.psk.is_some() => "it has no pre-shared keys",
            Exchange::Resume if setup.tickets != (case.version() == ProtocolVersion::TLSv1_3) => {
                "it resumes by session ids until TLS 1.2, and by tickets from TLS 1.3 on"
            }
            _ => return None,
        };
        Some(why.into())
    }

    fn adapt(&self, _: Side, case: &mut Case) {
        let framed = |head: String, side| -> std::sync::Arc<[u8]> {
            let payload = case.exchange.payload(side);
            let head = format!("{head}Content-Length: {}\r\n\r\n", payload.len());
            [head.as_bytes(), &payload].concat().into()
        };
        let request = "POST / HTTP/1.1\r\nHost: interop\r\nConnection: close\r\n".to_owned();
        let from_client = framed(request, Side::Client);
        let from_server = framed("HTTP/1.1 200 OK\r\nConnection: close\r\n".to_owned(), Side::Server);
        case.traffic.from_client = Some(from_client);
        case.traffic.from_server = Some(from_server);
    }
}

/// curl writes it when the TCP connection stands.
const CONNECTED: &str = "* Connected to ";

fn arguments(case: &Case, scratch: &Scratch, port: u16) -> Result<Vec<OsString>> {
    let setup = &case.client;
    let mut words: Vec<OsString> = ["-q", "-sSv", "--http1.1", "-X", "POST"].map(OsString::from).into();
    let mut set = |flag: &str, value: OsString| words.extend([flag.into(), value]);
    let number = |version: ProtocolVersion| match version.name().trim_start_matches("TLSv") {
        "1" => "1.0".to_owned(),
        other => other.to_owned(),
    };
    set("--max-time", "30".into());
    set("--tls-max", number(setup.versions.1).into());
    let payload = scratch.file("body");
    fs::write(&payload, case.exchange.payload(Side::Client))?;
    let mut at_file = OsString::from("@");
    at_file.push(payload);
    set("--data-binary", at_file);
    for header in ["Host: interop", "User-Agent:", "Accept:", "Content-Type:", "Expect:", "Connection: close"]
    {
        set("-H", header.into());
    }
    let lists =
        [("--ciphers", &setup.ciphers), ("--tls13-ciphers", &setup.suites), ("--curves", &setup.groups)];
    for (flag, list) in lists {
        if let Some(list) = list {
            set(flag, list.into());
        }
    }
    if let Some(name) = &setup.trust {
        set("--cacert", fixture::pem(name)?.into());
    }
    if let Some(name) = &setup.crl {
        set("--crlfile", fixture::crl(name)?.into());
    }
    if let Some(name) = setup.identities.first() {
        let identity = Identity::named(name, setup.chain)?;
        set("--cert", identity.chain.into());
        set("--key", identity.key.into());
    }
    set("--resolve", format!("{}:{port}:127.0.0.1", setup.server_name).into());
    for number in 0..case.exchange.connections() {
        set("-o", scratch.file(&format!("received{number}")).into());
    }
    words.push(format!("--tlsv{}", number(setup.versions.0)).into());
    if setup.alpn.is_empty() {
        words.push("--no-alpn".into());
    }
    if setup.verify != Verify::Require {
        words.push("--insecure".into());
    }
    if setup.asks_staple {
        words.push("--cert-status".into());
    }
    let url = format!("https://{}:{port}/", setup.server_name);
    words.extend((0..case.exchange.connections()).map(|_| OsString::from(&url)));
    Ok(words)
}

/// What it says of one connection, and what came after the head of the answer.
fn seen(said: &str, case: &Case, head: usize, body: &[u8]) -> Seen {
    let mut seen = Seen::new();
    let after = |label: &str| Some(said.split_once(label)?.1.lines().next().unwrap_or_default().to_owned());
    seen.error = after("curl: (");
    let Some(line) = after("* SSL connection using ") else { return seen };
    let (version, cipher) = line.split_once(" / ").unwrap_or((&line, ""));
    seen.tell(Fact::Version, version.replace("v1.0", "v1"));
    seen.tell(Fact::Cipher, cipher);
    seen.tell(Fact::Alpn, after("* ALPN: server accepted ").unwrap_or_default());
    // `* SSL certificate status: good (0)`
    if let Some(status) = after("* SSL certificate status: ") {
        seen.tell(Fact::StapleStatus, status.split(' ').next().unwrap_or_default());
    }
    seen.tell(Fact::Reused, yes_no(said.contains("* SSL re-using session ID")));
    // It takes the head off; that it was there, it says.
    let payload = case.payload(Side::Server);
    let is_whole = position(said.as_bytes(), b"< HTTP/1.1 200 OK").is_some();
    let all = if is_whole { [&payload[..head], body].concat() } else { body.to_vec() };
    seen.tell(Fact::Received, received(&all));
    if seen.error.as_ref().is_some_and(|why| why.contains("unexpected eof") || why.contains("Empty reply")) {
        seen.error = None;
        seen.tell(Fact::End, "cut");
    }
    seen
}
