//! GnuTLS: `gnutls-cli` and `gnutls-serv`, which can echo.

use std::ffi::OsString;
use std::fs;

use patina_tls::ProtocolVersion;
use tokio::process::Command;

use super::gnutls_words::{self as words, priority};
use crate::case::{Case, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Step, Verify};
use crate::fixture::{self, Identity, Scratch};
use crate::peer::{Errors, Peer, Pending, Serving};
use crate::process::{Process, position};
use crate::seen::{CLOSED_EARLY, Fact, Report, hex, key_log_lines, received};
use crate::staple;
use crate::trouble::{Result, Trouble};

/// GnuTLS.
#[derive(Debug, Clone, Copy)]
pub struct Gnutls;

impl Peer for Gnutls {
    fn name(&self) -> &'static str {
        "gnutls"
    }

    fn title(&self) -> &'static str {
        "GnuTLS"
    }

    fn version(&self) -> Pending<'_, String> {
        Box::pin(async {
            let mut process = Process::spawn(command("gnutls-cli", ["--version"], None))?;
            process.wait().await?;
            Ok(process.tail().lines().next().unwrap_or_default().to_owned())
        })
    }

    fn serve<'a>(&'a self, case: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let arguments = server_arguments(&case.server, &scratch)?;
            let process = Process::spawn(command("gnutls-serv", arguments, Some(&scratch)))?;
            process.find("listening on IPv4", 0).await?;
            process.find("done\n", 0).await?;
            // It says that it listens on port 0.
            let port = process.listening_port()?;
            Ok(Box::new(Running { process, port, case: case.clone(), scratch }) as Box<dyn Serving>)
        })
    }

    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let arguments = client_arguments(case, &scratch, port)?;
            let mut process = Process::spawn(command("gnutls-cli", arguments, Some(&scratch)))?;
            let (data, early) = client(&mut process, case).await?;
            let output = String::from_utf8_lossy(&process.output()).into_owned();
            let log = fs::read_to_string(scratch.file("log")).unwrap_or_default();
            let mut report = Report { log: format!("{log}\n{}", process.tail()), ..Report::default() };
            let mut connections: Vec<&str> = log.split("Connecting to '").skip(1).collect();
            if case.steps(Side::Client, 0).contains(&Step::Cut) {
                // Its log has not left its memory then.
                connections = vec![""];
            }
            for (number, said) in connections.iter().enumerate() {
                let is_last = number + 1 == connections.len();
                let mut seen =
                    words::client_seen(said, if is_last { &output } else { "" }, case.client.psk.is_some());
                if case.client.psk.is_some() {
                    // It calls no session what TLS 1.3 takes for one.
                    seen.facts.remove(&Fact::Reused);
                    seen.facts.remove(&Fact::PeerCertificate);
                }
                if is_last && early && seen.error.is_none() {
                    seen.error = Some(CLOSED_EARLY.into());
                }
                if case.client.asks_staple && seen.facts.contains_key(&Fact::Version) {
                    // It makes an empty file where there is none.
                    let staple = fs::read(scratch.file("staple")).ok().filter(|der| !der.is_empty());
                    let digest = staple.map(|der| hex(&openssl::sha::sha256(&der)));
                    seen.tell(Fact::Staple, digest.unwrap_or_default());
                }
                seen.tell(Fact::Received, received(if is_last { &data } else { &[] }));
                report.seen.push(seen);
            }
            report.key_log = read_key_log(case, &scratch);
            Ok(report)
        })
    }

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        use Fact as F;
        if case.steps(side, 0).contains(&Step::Cut) {
            return vec![F::Received];
        }
        let mut facts = vec![F::Version, F::Cipher, F::Alpn, F::Exporter];
        match side {
            // It writes the name beside the certificate.
            Side::Server => facts.extend(
                (!case.server.identities.is_empty() && case.server.psk.is_none()).then_some(F::ServerName),
            ),
            Side::Client => {
                facts.extend([F::Received, F::Authorized, F::End]);
                facts.extend(case.client.asks_staple.then_some(F::Staple));
                facts.extend(
                    (case.exchange != Exchange::Resume && case.client.psk.is_none())
                        .then_some(F::PeerCertificate),
                );
            }
        }
        if case.version() < ProtocolVersion::TLSv1_3 {
            facts.extend([F::ExtendedMasterSecret, F::SecureRenegotiation]);
        }
        facts
    }

    fn errors(&self) -> Errors {
        Errors::OwnWords
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        match (side, case.exchange) {
            (Side::Client, Exchange::ServerHalfClose) => {
                Some("gnutls-cli ends once the server has closed".into())
            }
            (Side::Client, Exchange::Renegotiate(Side::Client, 2..)) => {
                Some("gnutls-cli renegotiates once".into())
            }
            (Side::Server, Exchange::Renegotiate(Side::Server, _)) => {
                Some("gnutls-serv renegotiates when a client's data tell it to".into())
            }
            (Side::Server, Exchange::ServerHalfClose) => Some("gnutls-serv does not close first".into()),
            (Side::Server, Exchange::HalfClose) => Some("gnutls-serv ends once the client has closed".into()),
            (Side::Server, Exchange::CutByServer) => Some("gnutls-serv answers before it can be cut".into()),
            (Side::Server, _) if !case.server.chain => {
                Some("gnutls-serv sends the certificates it was given".into())
            }
            (Side::Server, Exchange::UpdateKeys(Side::Server)) => {
                Some("gnutls-serv has no way to change keys".into())
            }
            (Side::Server, Exchange::Authenticate) => {
                Some("gnutls-serv asks for a certificate when a client's data tell it to".into())
            }
            (Side::Client, _) if !case.client.asks_staple && case.server.staple.is_some() => {
                Some("gnutls-cli asks everybody for a staple".into())
            }
            _ if !case.setup(side).npn.is_empty() => Some("it never had NPN".into()),
            _ => priority(side, case.setup(side)).err(),
        }
    }

    fn adapt(&self, side: Side, case: &mut Case) {
        match side {
            Side::Client => {
                case.traffic.first_is_silent = case.exchange == Exchange::Resume;
                // It reads its input and writes its output byte by byte: a sixteenth is enough.
                if let Exchange::Bulk(size) = case.exchange {
                    case.traffic.from_server = Some(Exchange::Bulk(size / 16).payload(Side::Server));
                    case.traffic.from_client = Some(Exchange::Bulk(256 * 1024).payload(Side::Client));
                }
            }
            // It echoes.
            Side::Server => {
                case.traffic.from_server = Some(case.payload(Side::Client));
                case.traffic.is_echoed = true;
            }
        }
    }
}

struct Running {
    process: Process,
    port: u16,
    case: Case,
    scratch: Scratch,
}

impl Serving for Running {
    fn port(&self) -> u16 {
        self.port
    }

    fn waits_for_client(&self) -> bool {
        true
    }

    fn report(mut self: Box<Self>) -> Pending<'static, Report> {
        Box::pin(async move {
            let count = self.case.exchange.connections();
            // It does not say that a client has closed. One more connection, dropped at once: when that has been seen
            // to fail, all is done that came before.
            drop(tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?);
            let mut at = 0;
            for _ in 0..=count {
                at = self.process.find(words::ACCEPTED, at).await?.unwrap_or_default();
            }
            self.process.find("Error in handshake", at).await?;
            self.process.kill().await?;
            let output = String::from_utf8_lossy(&self.process.output()).into_owned();
            let mut report = Report { log: self.process.tail(), ..Report::default() };
            for said in output.split(words::ACCEPTED).skip(1).take(count) {
                report.seen.push(words::server_seen(said, self.case.server.psk.is_some()));
            }
            report.key_log = read_key_log(&self.case, &self.scratch);
            Ok(report)
        })
    }
}

/// It does not write down the keys of resumed sessions as libssl does.
fn read_key_log(case: &Case, scratch: &Scratch) -> Option<std::collections::BTreeSet<String>> {
    let read = || key_log_lines(&fs::read_to_string(scratch.file("keys.log")).unwrap_or_default());
    (case.exchange != Exchange::Resume).then(read)
}

fn command<I: IntoIterator<Item: Into<OsString>>>(
    program: &str,
    arguments: I,
    scratch: Option<&Scratch>,
) -> Command {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", program]);
    command.args(arguments.into_iter().map(Into::into));
    // The system's configuration could forbid versions.
    command.env("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null").env_remove("SSLKEYLOGFILE");
    if let Some(scratch) = scratch {
        command.env("SSLKEYLOGFILE", scratch.file("keys.log"));
    }
    command
}

/// Options, `--name=value`.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, name: &str) {
        self.0.push(format!("--{name}").into());
    }

    fn set(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) {
        let mut word = OsString::from(format!("--{name}="));
        word.push(value);
        self.0.push(word);
    }

    fn identity(&mut self, name: &str, chain: bool) -> Result<()> {
        let identity = Identity::named(name, chain)?;
        self.set("x509certfile", identity.chain);
        self.set("x509keyfile", identity.key);
        Ok(())
    }
}

fn common(side: Side, setup: &Setup) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    arguments.set("priority", priority(side, setup).map_err(Trouble::new)?);
    arguments.set("keymatexport", EXPORTER_LABEL);
    arguments.set("keymatexportsize", EXPORTER_LENGTH.to_string());
    for name in &setup.identities {
        arguments.identity(name, setup.chain)?;
    }
    if let Some(name) = &setup.trust {
        arguments.set("x509cafile", fixture::pem(name)?);
    }
    if let Some(name) = &setup.crl {
        arguments.set("x509crlfile", fixture::crl(name)?);
    }
    for name in &setup.alpn {
        arguments.set("alpn", name);
    }
    if !setup.tickets {
        arguments.flag("noticket");
    }
    Ok(arguments)
}

fn server_arguments(setup: &Setup, scratch: &Scratch) -> Result<Vec<OsString>> {
    let mut arguments = common(Side::Server, setup)?;
    for flag in ["echo", "crlf"] {
        arguments.flag(flag);
    }
    arguments.set("port", "0");
    if !setup.alpn.is_empty() && !setup.alpn_ignore {
        arguments.flag("alpn-fatal");
    }
    // It chooses by the names in the certificates.
    for (_, name) in &setup.names {
        arguments.identity(name, setup.chain)?;
    }
    match setup.verify {
        Verify::Never => arguments.flag("disable-client-cert"),
        Verify::Report => {}
        Verify::Require => {
            arguments.flag("require-client-cert");
            arguments.flag("verify-client-cert");
        }
    }
    match setup.dh.as_deref() {
        None | Some("auto") => {}
        Some(name) => arguments.set("dhparams", fixture::dh(name)?),
    }
    if let Some(file) = staple::file(setup)? {
        arguments.set("ocsp-response", file);
        // Else it takes none of a certificate that is revoked.
        arguments.flag("ignore-ocsp-response-errors");
    }
    if let Some((identity, key)) = &setup.psk {
        let file = scratch.file("psk");
        fs::write(&file, format!("{identity}:{key}\n"))?;
        arguments.set("pskpasswd", file);
    }
    Ok(arguments.0)
}

fn client_arguments(case: &Case, scratch: &Scratch, port: u16) -> Result<Vec<OsString>> {
    let setup = &case.client;
    let mut arguments = common(Side::Client, setup)?;
    arguments.set("port", port.to_string());
    arguments.set("logfile", scratch.file("log"));
    if setup.psk.is_none() {
        // It crashes where there is none.
        arguments.flag("print-cert");
    }
    arguments.set("sni-hostname", &setup.server_name);
    arguments.set("verify-hostname", &setup.server_name);
    if setup.verify != Verify::Require {
        arguments.flag("insecure");
    }
    if case.exchange.renegotiations() > 0 && case.exchange.steps(Side::Client).contains(&Step::Renegotiate) {
        arguments.flag("rehandshake");
    }
    if setup.asks_staple {
        arguments.set("save-ocsp", scratch.file("staple"));
    }
    if setup.post_handshake_auth {
        arguments.flag("post-handshake-auth");
    }
    if case.exchange == Exchange::UpdateKeys(Side::Client) {
        arguments.flag("inline-commands");
    }
    if case.exchange == Exchange::Resume {
        arguments.flag("resume");
        arguments.flag("waitresumption");
    }
    if let Some((identity, key)) = &setup.psk {
        arguments.set("pskusername", identity);
        arguments.set("pskkey", key);
    }
    arguments.0.push("127.0.0.1".into());
    Ok(arguments.0)
}

/// Sits at the input of one `gnutls-cli`; gives what came, and whether it was less than it should be.
async fn client(process: &mut Process, case: &Case) -> Result<(Vec<u8>, bool)> {
    let expected = case.payload(Side::Server);
    let mut start = None;
    for step in case.exchange.steps(Side::Client) {
        match step {
            Step::Send => process.send(&case.payload(Side::Client)).await?,
            Step::Receive => {
                let first = &expected[..=position(&expected, b"\n").unwrap_or_default()];
                start = process
                    .until("the data", |output, ended| match position(output, first) {
                        Some(at) if output.len() >= at + expected.len() => Some(Some(at)),
                        _ => ended.then_some(None),
                    })
                    .await?;
                if start.is_none() {
                    break;
                }
            }
            Step::Close => process.close_input(),
            Step::ReadEnd => process.wait().await?,
            // It does so by itself, before all else. A client only answers.
            Step::Renegotiate | Step::Authenticate => {}
            Step::UpdateKeys => process.send(b"^rekey^\n").await?,
            Step::Cut => process.kill().await?,
        }
    }
    process.wait().await?;
    let data = start.map(|at| process.output()[at..at + expected.len()].to_vec());
    let early = data.is_none() && !expected.is_empty();
    Ok((data.unwrap_or_default(), early))
}
