//! Implementations that come as a library of another language: one program of ours for all cases, told by lines.
//!
//! The program listens on a port of 127.0.0.1 that it writes as its first line, and ends with its input. Each connection
//! to that port is one side of one case: a line with the request, then lines with what comes of it, until it closes. All
//! lines are flat JSON objects of strings: `{"event":"listening","port":...}`, and for each connection
//! `{"event":"seen","error":...,"alert":...,"text":...}` with the facts by their names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use patina_tls::ProtocolVersion;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::suites;
use crate::case::{Case, EXPORTER_CONTEXT, EXPORTER_LABEL, EXPORTER_LENGTH, Setup, Side, Verify};
use crate::fixture::{self, Identity, Scratch};
use crate::peer::{Pending, Serving};
use crate::process::PATIENCE;
use crate::seen::{Fact, Report, Seen, key_log_lines, yes_no};
use crate::staple;
use crate::trouble::{Result, Trouble};

/// What a peer leaves to its program.
macro_rules! scripted {
    ($script:ident) => {
        fn version(&self) -> crate::peer::Pending<'_, String> {
            Box::pin($script.version())
        }

        fn serve<'a>(&'a self, case: &'a Case) -> crate::peer::Pending<'a, Box<dyn crate::peer::Serving>> {
            $script.serve(case)
        }

        fn connect<'a>(&'a self, case: &'a Case, port: u16) -> crate::peer::Pending<'a, crate::seen::Report> {
            $script.connect(case, port)
        }
    };
}

pub(super) use scripted;

type Object = BTreeMap<String, String>;

/// A program that is started once, when it is first asked.
pub(super) struct Script {
    name: &'static str,
    command: fn() -> Result<Command>,
    running: Mutex<Option<(Child, u16)>>,
}

impl Script {
    /// The program that `command` starts.
    pub(super) const fn new(name: &'static str, command: fn() -> Result<Command>) -> Script {
        Script { name, command, running: Mutex::new(None) }
    }

    /// Its source, beside this file.
    pub(super) fn source(file: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/peers").join(file)
    }

    /// Asks for its version.
    pub(super) async fn version(&'static self) -> Result<String> {
        let mut talk = self.ask(&Object::from([("side".into(), "version".into())])).await?;
        let answer = talk.next().await?.and_then(|mut line| line.remove("version"));
        answer.ok_or_else(|| Trouble::new(format!("{} does not say its version", self.name)))
    }

    /// Lets it serve a case.
    pub(super) fn serve<'a>(&'static self, case: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let mut talk = self.ask(&request(case, Side::Server, None, &scratch)?).await?;
            let answer = talk.next().await?;
            let port = answer.as_ref().and_then(|line| line.get("port")?.parse().ok());
            let port =
                port.ok_or_else(|| Trouble::new(format!("{} does not listen: {answer:?}", self.name)))?;
            let count = case.exchange.connections();
            Ok(Box::new(Running { talk, port, count, scratch }) as Box<dyn Serving>)
        })
    }

    /// Lets it connect.
    pub(super) fn connect<'a>(&'static self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let talk = self.ask(&request(case, Side::Client, Some(port), &scratch)?).await?;
            talk.report(case.exchange.connections(), &scratch).await
        })
    }

    fn control_port(&self) -> Result<u16> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, port)) = &*running {
            return Ok(*port);
        }
        let fail = |why: String| Trouble::new(format!("{}: {why}", self.name));
        let mut command = (self.command)()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|e| fail(e.to_string()))?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or_else(|| fail("no output".into()))?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().map_err(|_| fail(format!("it begins with {line:?}")))?;
        // Its input stays open as long as this process lives.
        *running = Some((child, port));
        Ok(port)
    }

    async fn ask(&'static self, request: &Object) -> Result<Talk> {
        let port = self.control_port()?;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        stream.write_all(line.as_bytes()).await?;
        Ok(Talk { name: self.name, lines: tokio::io::BufReader::new(stream) })
    }
}

/// The answers to one request.
struct Talk {
    name: &'static str,
    lines: tokio::io::BufReader<TcpStream>,
}

impl Talk {
    /// The next one; `None` when there are no more.
    async fn next(&mut self) -> Result<Option<Object>> {
        let mut line = String::new();
        match timeout(PATIENCE, self.lines.read_line(&mut line)).await {
            Err(_) => Err(Trouble::new(format!("{} says nothing", self.name))),
            Ok(read) => Ok(if read? == 0 { None } else { Some(serde_json::from_str(&line)?) }),
        }
    }

    /// What it says of all connections.
    async fn report(mut self, count: usize, scratch: &Scratch) -> Result<Report> {
        let mut report = Report::default();
        while let Some(mut line) = self.next().await? {
            report.log.push_str(&format!("{line:?}\n"));
            if line.remove("event").as_deref() == Some("seen") {
                report.seen.push(seen(line)?);
            }
        }
        if report.seen.len() != count {
            let told = report.seen.len();
            return Err(Trouble::new(format!("{} told of {told} connections:\n{}", self.name, report.log)));
        }
        let keys = fs::read_to_string(scratch.file("keys.log")).ok();
        report.key_log = keys.filter(|keys| !keys.is_empty()).map(|keys| key_log_lines(&keys));
        Ok(report)
    }
}

fn seen(line: Object) -> Result<Seen> {
    let mut seen = Seen::new();
    for (name, value) in line {
        match (name.as_str(), Fact::named(&name)) {
            ("error", _) => seen.error = Some(value).filter(|code| !code.is_empty()),
            ("alert", _) => seen.alert = Some(value).filter(|alert| !alert.is_empty()),
            // For people.
            ("text", _) => {}
            (_, Some(fact)) => seen.tell(fact, value),
            _ => return Err(Trouble::new(format!("{name} = {value:?} was told"))),
        }
    }
    Ok(seen)
}

struct Running {
    talk: Talk,
    port: u16,
    count: usize,
    scratch: Scratch,
}

impl Serving for Running {
    fn port(&self) -> u16 {
        self.port
    }

    fn report(self: Box<Self>) -> Pending<'static, Report> {
        Box::pin(async move { self.talk.report(self.count, &self.scratch).await })
    }
}

/// One side of a case, in words for any language; files by their paths.
fn request(case: &Case, side: Side, port: Option<u16>, scratch: &Scratch) -> Result<Object> {
    let setup = case.setup(side);
    let mut request = Object::new();
    let mut set = |name: &str, value: String| request.insert(name.to_owned(), value);
    set("side", side.name().into());
    set("port", port.map(|port| port.to_string()).unwrap_or_default());
    set("versions", versions(setup).join(" "));
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    set("ciphers", optional(&setup.ciphers));
    // All that there are where the list says no names.
    let lists = [&setup.suites, &setup.ciphers].into_iter().flatten();
    let names: Vec<&str> = lists.filter_map(|list| suites::iana_names(list)).flatten().collect();
    set("suites", names.join(" "));
    set("weak", yes_no(suites::allows_weak(setup.ciphers.as_deref())).into());
    set("groups", optional(&setup.groups).replace(':', " "));
    set("sigalgs", optional(&setup.sigalgs).replace(':', " "));
    let identity = |name: &str| -> Result<String> {
        let files = Identity::named(name, setup.chain)?;
        Ok(format!("{} {}", files.chain.display(), files.key.display()))
    };
    let identities: Result<Vec<String>> = setup.identities.iter().map(|name| identity(name)).collect();
    set("identities", identities?.join("\n"));
    let names: Result<Vec<String>> =
        setup.names.iter().map(|(pattern, name)| Ok(format!("{pattern} {}", identity(name)?))).collect();
    set("names", names?.join("\n"));
    let file = |name: &Option<String>, find: fn(&str) -> Result<PathBuf>| -> Result<String> {
        name.as_deref().map_or(Ok(String::new()), |name| Ok(find(name)?.display().to_string()))
    };
    set("trust", file(&setup.trust, fixture::pem)?);
    set("crl", file(&setup.crl, fixture::crl)?);
    let dh = setup.dh.clone().filter(|name| name != "auto");
    set("dh", file(&dh, fixture::dh)?);
    let verify = match setup.verify {
        Verify::Never => "never",
        Verify::Report => "report",
        Verify::Require => "require",
    };
    set("verify", verify.into());
    set("alpn", setup.alpn.join(" "));
    set("server-name", setup.server_name.clone());
    set("staple", staple::file(setup)?.map(|file| file.display().to_string()).unwrap_or_default());
    set("post-handshake-auth", yes_no(setup.post_handshake_auth).into());
    set("tickets", yes_no(setup.tickets).into());
    let steps =
        |number| case.steps(side, number).iter().map(|step| step.name()).collect::<Vec<_>>().join(" ");
    let all: Vec<String> = (0..case.exchange.connections()).map(steps).collect();
    set("steps", all.join("\n"));
    let payload = scratch.file("send");
    fs::write(&payload, case.payload(side))?;
    set("send", payload.display().to_string());
    set("receive", case.payload(side.other()).len().to_string());
    set("renegotiations", case.exchange.renegotiations().to_string());
    set("allows-renegotiation", yes_no(setup.renegotiations.is_some()).into());
    set("key-log", scratch.file("keys.log").display().to_string());
    set("exporter", format!("{EXPORTER_LABEL} {EXPORTER_CONTEXT} {EXPORTER_LENGTH}"));
    Ok(request)
}

/// The names of the versions from the lowest to the highest.
fn versions(setup: &Setup) -> Vec<&'static str> {
    use ProtocolVersion as V;
    let all = [V::SSLv3, V::TLSv1_0, V::TLSv1_1, V::TLSv1_2, V::TLSv1_3];
    let wanted = setup.versions.0..=setup.versions.1;
    all.iter().filter(|version| wanted.contains(version)).map(|version| version.name()).collect()
}
