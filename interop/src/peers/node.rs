//! Node's `tls` module, driven by `peer.js`.

use std::path::PathBuf;

use patina_tls::ProtocolVersion;
use serde_json::{Map, Value, json};
use tokio::process::Command;

use super::suites;
use crate::case::{Case, EXPORTER_CONTEXT, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Verify};
use crate::fixture::{self, Identity};
use crate::peer::{Peer, Pending, Serving};
use crate::process::Process;
use crate::seen::{Fact, Report, Seen};
use crate::staple;
use crate::trouble::{Result, Trouble};

/// `SSL_OP_NO_TICKET`.
const NO_TICKET: u32 = 0x4000;

/// Node.
#[derive(Debug, Clone, Copy)]
pub struct Node;

impl Peer for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn title(&self) -> &'static str {
        "Node 20"
    }

    fn version(&self) -> Pending<'_, String> {
        Box::pin(async {
            let mut command = command();
            command.args(["-p", "`${process.version} with OpenSSL ${process.versions.openssl}`"]);
            let mut process = Process::spawn(command)?;
            process.wait().await?;
            Ok(process.tail().trim().to_owned())
        })
    }

    fn serve<'a>(&'a self, case: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async move {
            let process = start(case, Side::Server, None)?;
            let port = process
                .until("its port", |output, _| {
                    lines(output)
                        .find_map(|line| line["listening"].as_u64().and_then(|port| port.try_into().ok()))
                })
                .await?;
            Ok(Box::new(Running { process, port, count: case.exchange.connections() }) as Box<dyn Serving>)
        })
    }

    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let mut process = start(case, Side::Client, Some(port))?;
            process.wait().await?;
            read(&process, case.exchange.connections())
        })
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        let setup = case.setup(side);
        let why = if setup.legacy {
            "libssl always knows of secure renegotiation"
        } else if !setup.npn.is_empty() {
            "it has given up NPN with Node 10"
        } else if setup.versions.1 == ProtocolVersion::SSLv3 {
            "its libssl has no SSLv3"
        } else if suites::needs(setup, &["RC4", "3DES", "SEED", "IDEA"]) {
            "its libssl has no such suites"
        } else if case.exchange == Exchange::UpdateKeys(side) {
            "it has no way to change keys"
        } else if case.exchange == Exchange::Authenticate {
            "it has no authentication after the handshake"
        } else {
            return None;
        };
        Some(why.into())
    }

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        use Fact as F;
        let mut facts = vec![
            F::Version,
            F::Cipher,
            F::StandardName,
            F::CipherVersion,
            F::Alpn,
            F::ServerName,
            F::PeerCertificate,
            F::OwnCertificate,
            F::PeerObject,
            F::Finished,
            F::PeerFinished,
            F::Exporter,
            F::ExporterWithContext,
            F::Reused,
            F::Authorized,
            F::AuthorizationError,
            F::Received,
        ];
        if case.exchange.renegotiations() > 0 {
            // peer.js reads them before.
            facts.retain(|fact| !matches!(fact, F::Finished | F::PeerFinished));
        }
        facts.push(if side == Side::Server { F::Sigalgs } else { F::PeerKey });
        facts.extend(case.client.asks_staple.then_some(F::Staple).filter(|_| side == Side::Client));
        // A pre-shared key is a kind of session to TLS 1.3.
        let is_resumed = has_key_as_session(case) || case.exchange == Exchange::Resume;
        if is_resumed {
            // After a resumption it has forgotten these; peer.js leaves them out.
            let forgotten: &[F] = match side {
                Side::Client => &[F::PeerCertificate, F::PeerObject],
                Side::Server => &[F::ServerName],
            };
            facts.retain(|fact| !forgotten.contains(fact));
        }
        facts
    }
}

struct Running {
    process: Process,
    port: u16,
    count: usize,
}

impl Serving for Running {
    fn port(&self) -> u16 {
        self.port
    }

    fn report(mut self: Box<Self>) -> Pending<'static, Report> {
        Box::pin(async move {
            self.process.wait().await?;
            read(&self.process, self.count)
        })
    }
}

fn has_key_as_session(case: &Case) -> bool {
    case.client.psk.is_some() && case.version() == ProtocolVersion::TLSv1_3
}

fn command() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_NO_WARNINGS", "1").env_remove("NODE_OPTIONS").env_remove("NODE_EXTRA_CA_CERTS");
    command
}

fn start(case: &Case, side: Side, port: Option<u16>) -> Result<Process> {
    let setup = case.setup(side);
    let names = setup.names.iter().map(|(pattern, name)| {
        let identity = Identity::named(name, setup.chain)?;
        Ok(json!({ "pattern": pattern, "cert": identity.chain, "key": identity.key }))
    });
    let options = json!({
        "side": side.name(),
        "port": port,
        "tls": tls_options(setup, side)?,
        "names": names.collect::<Result<Vec<Value>>>()?,
        "cache": !setup.tickets,
        "connections": case.exchange.connections(),
        "steps": case.exchange.steps(side).iter().map(|step| step.name()).collect::<Vec<_>>(),
        "send": case.exchange.payload(side).len(),
        "receive": case.exchange.payload(side.other()).len(),
        "staple": staple::file(setup)?,
        "renegotiations": case.exchange.renegotiations(),
        "limit": setup.renegotiations,
        "psk": setup.psk.as_ref().map(|(identity, key)| json!({ "identity": identity, "key": key })),
        "exporter": { "label": EXPORTER_LABEL, "context": EXPORTER_CONTEXT, "length": EXPORTER_LENGTH },
    });
    let mut command = command();
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/peers/peer.js")).arg(options.to_string());
    Process::spawn(command)
}

/// The options in Node's words; files by their paths.
fn tls_options(setup: &Setup, side: Side) -> Result<Value> {
    let mut options = Map::new();
    let mut set = |name: &str, value: Value| options.insert(name.into(), value);
    set("minVersion", json!(setup.versions.0.name()));
    set("maxVersion", json!(setup.versions.1.name()));
    // Node has one list for all versions.
    let ciphers: Vec<&str> =
        [&setup.suites, &setup.ciphers].into_iter().flatten().map(String::as_str).collect();
    if !ciphers.is_empty() {
        set("ciphers", json!(ciphers.join(":")));
    }
    if let Some(groups) = &setup.groups {
        set("ecdhCurve", json!(groups));
    }
    if let Some(sigalgs) = &setup.sigalgs {
        set("sigalgs", json!(sigalgs));
    }
    let identities =
        setup.identities.iter().map(|name| Identity::named(name, setup.chain)).collect::<Result<Vec<_>>>()?;
    if !identities.is_empty() {
        set("cert", json!(identities.iter().map(|identity| &identity.chain).collect::<Vec<_>>()));
        set("key", json!(identities.iter().map(|identity| &identity.key).collect::<Vec<_>>()));
    }
    if let Some(name) = &setup.trust {
        set("ca", json!(fixture::pem(name)?));
    }
    if let Some(name) = &setup.crl {
        set("crl", json!(fixture::crl(name)?));
    }
    if !setup.alpn.is_empty() {
        set("ALPNProtocols", json!(setup.alpn));
    }
    if !setup.tickets {
        set("secureOptions", json!(NO_TICKET));
    }
    set("rejectUnauthorized", json!(setup.verify == Verify::Require));
    match side {
        Side::Client => {
            set("servername", json!(setup.server_name));
            set("requestOCSP", json!(setup.asks_staple));
        }
        Side::Server => {
            set("requestCert", json!(setup.verify != Verify::Never));
            match setup.dh.as_deref() {
                None => {}
                Some("auto") => drop(set("dhparam", json!("auto"))),
                Some(name) => drop(set("dhparam", json!(fixture::dh(name)?))),
            }
        }
    }
    Ok(Value::Object(options))
}

/// The objects that the script wrote; whatever else stands there is Node's own.
fn lines(output: &[u8]) -> impl Iterator<Item = Value> {
    output.split_inclusive(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

fn read(process: &Process, count: usize) -> Result<Report> {
    let output = process.output();
    let mut report = Report { log: process.tail(), ..Report::default() };
    for line in lines(&output) {
        if let Some(line) = line["keylog"].as_str() {
            report.key_log.get_or_insert_default().insert(line.to_owned());
        }
        if let Some(object) = line["seen"].as_object() {
            report.seen.push(read_seen(object)?);
        }
    }
    if report.seen.len() != count {
        return Err(Trouble::new(format!("node told of {} connections:\n{}", report.seen.len(), report.log)));
    }
    Ok(report)
}

fn read_seen(object: &Map<String, Value>) -> Result<Seen> {
    let mut seen = Seen { error: object["error"].as_str().map(str::to_owned), ..Seen::new() };
    for (name, value) in object["facts"].as_object().into_iter().flatten() {
        match (Fact::named(name), value.as_str()) {
            (Some(fact), Some(value)) => seen.tell(fact, value),
            _ => return Err(Trouble::new(format!("node told {name} = {value}"))),
        }
    }
    Ok(seen)
}
