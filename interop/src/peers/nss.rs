//! NSS: `tstclnt`, which speaks first and closes last, and `selfserv`, which answers a request in HTTP with itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use patina_ciphers::by_name;
use patina_tls::ProtocolVersion;
use tokio::process::Command;

use super::suites;
use crate::case::{Case, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Step, Verify};
use crate::fixture::{self, Identity, Scratch};
use crate::peer::{Errors, Peer, Pending, Serving};
use crate::process::{Process, position};
use crate::seen::{CLOSED_EARLY, Fact, Report, Seen, received, yes_no};
use crate::trouble::{Result, Trouble};

/// `selfserv` writes it before each connection.
const READY: &str = "selfserv: About to call accept.";

/// `tstclnt` writes it at the beginning of each connection.
const CONNECTING: &str = "tstclnt: about to call PR_Poll for connect completion!";

/// What both write of a connection that stands.
const SECURE: &str = "SSL version ";

/// `selfserv` writes it of a connection that failed, with a number and, in the next line, the reason.
const FAILED: &str = "PR_Read returned error ";

/// NSS.
#[derive(Debug, Clone, Copy)]
pub struct Nss;

impl Peer for Nss {
    fn name(&self) -> &'static str {
        "nss"
    }

    fn title(&self) -> &'static str {
        "NSS"
    }

    fn version(&self) -> Pending<'_, String> {
        Box::pin(async {
            // Its programs do not say; the package that they come in does.
            let mut process = Process::spawn(command("dpkg-query", ["-W", "libnss3-tools"]))?;
            process.wait().await?;
            // That they are there, too, is for them to show.
            let mut tool = Process::spawn(command("tstclnt", ["-h"]))?;
            tool.wait().await?;
            Ok(process.tail().trim().replace('\t', " "))
        })
    }

    fn serve<'a>(&'a self, case: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async move {
            let database = database(&case.server).await?;
            // It takes no port of the system's choice, so that another program may take the one that was free.
            for _ in 0..5 {
                let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                let process =
                    Process::spawn(command("selfserv", server_words(&case.server, &database, port)?))?;
                if process.find(READY, 0).await?.is_some() {
                    return Ok(Box::new(Running { process, port, case: case.clone() }) as Box<dyn Serving>);
                }
                if !process.tail().contains("PR_ADDRESS_IN_USE_ERROR") {
                    return Err(Trouble::new(format!("selfserv does not start:\n{}", process.tail())));
                }
            }
            Err(Trouble::new("selfserv found no free port"))
        })
    }

    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let database = database(&case.client).await?;
            let file = scratch.file("received");
            // What it says of itself must not stand between the data.
            let mut words: Vec<OsString> =
                vec!["-c".into(), "exec tstclnt \"$@\" >\"$0\"".into(), file.clone().into()];
            words.extend(client_words(case, &database, &scratch, port)?);
            let mut process = Process::spawn(command("sh", words))?;
            process.wait().await?;
            let output = String::from_utf8_lossy(&process.output()).into_owned();
            let mut report = Report { log: process.tail(), ..Report::default() };
            let (data, exported) = take_exports(&fs::read(&file)?);
            let mut data = &data[..];
            for (number, said) in output.split(CONNECTING).skip(1).enumerate() {
                let (own, rest) = data.split_at(data.len().min(case.payload(Side::Server).len()));
                let said = format!("{said}{}", exported.get(number).map_or("", String::as_str));
                report.seen.push(client_seen(&said, own, case));
                data = rest;
            }
            Ok(report)
        })
    }

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        // In TLS 1.2 it exports nothing with suites of SHA-384.
        let by_version = if case.version() < ProtocolVersion::TLSv1_3 {
            Fact::ExtendedMasterSecret
        } else {
            Fact::Exporter
        };
        let mut facts = vec![Fact::Version, by_version];
        if side == Side::Client {
            facts.push(Fact::Received);
            facts.extend(case.client.psk.is_none().then_some(Fact::Reused));
        }
        facts
    }

    fn errors(&self) -> Errors {
        Errors::OwnWords
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        lacks_exchange(side, case).or_else(|| lacks_setting(side, case.setup(side), case)).map(str::to_owned)
    }

    fn adapt(&self, side: Side, case: &mut Case) {
        match side {
            Side::Client => case.traffic.server_closes = true,
            Side::Server => {
                let payload = case.payload(Side::Client);
                if payload.is_empty() {
                    return;
                }
                let request = [b"GET / HTTP/1.0\r\nX: ", &payload[..payload.len() - 1], b"\r\n\r\n"].concat();
                let head = b"HTTP/1.0 200 OK\r\nServer: Generic Web Server\r\n\
                             Date: Tue, 26 Aug 1997 22:10:05 GMT\r\nContent-type: text/plain\r\n\r\n";
                case.traffic.from_server = Some([head, &request[..], b"EOF\r\n\r\n\r\n"].concat().into());
                case.traffic.from_client = Some(request.into());
            }
        }
    }
}

fn lacks_exchange(side: Side, case: &Case) -> Option<&'static str> {
    match (side, case.exchange) {
        (Side::Client, Exchange::HalfClose | Exchange::CutByClient) => Some("tstclnt does not leave first"),
        (Side::Client, Exchange::Renegotiate(Side::Client, 2..)) => {
            Some("tstclnt resumes the session at the second")
        }
        (Side::Server, Exchange::Renegotiate(Side::Server, _)) => {
            Some("selfserv renegotiates for certificates alone")
        }
        (Side::Client, Exchange::ServerHalfClose) => Some("tstclnt ends once the server has closed"),
        (Side::Server, Exchange::HalfClose | Exchange::ServerHalfClose) => Some("selfserv answers at once"),
        (Side::Server, Exchange::CutByServer) => Some("selfserv answers before it can be cut"),
        (Side::Server, Exchange::Bulk(_)) => Some("selfserv answers with what it was asked, in one piece"),
        _ => None,
    }
}

fn lacks_setting(side: Side, setup: &Setup, case: &Case) -> Option<&'static str> {
    let is_server = side == Side::Server;
    let has = |setup: &Setup, kind: &str| setup.identities.iter().any(|name| name.ends_with(kind));
    if setup.legacy || setup.options.is_some() {
        Some("its programs have no such options")
    } else if !setup.alpn.is_empty() {
        Some("its programs have no choice of protocols")
    } else if setup.psk.is_some() && case.version() < ProtocolVersion::TLSv1_3 {
        Some("it has pre-shared keys in TLS 1.3 alone")
    } else if Side::BOTH.map(|side| has(case.setup(side), "-pss")).contains(&true) {
        Some("it has no connections by RSA-PSS keys")
    } else if Side::BOTH.map(|side| has(case.setup(side), "-ed25519")).contains(&true) {
        Some("it has no Ed25519")
    } else if is_server && !setup.names.is_empty() {
        Some("selfserv knows one name, and that has no certificate of its own")
    } else if is_server && setup.identities.is_empty() {
        Some("a server needs a certificate")
    } else if is_server && setup.verify == Verify::Report && !case.client.identities.is_empty() {
        Some("a certificate that it asks for must be good")
    } else if is_server && !matches!(setup.dh.as_deref(), None | Some("auto" | "dh2048")) {
        Some("it chooses the parameters itself")
    } else if setup.groups.as_deref().is_some_and(|groups| words_of_groups(groups).is_none()) {
        Some("it has no such group")
    } else if suites::iana_names(setup.ciphers.as_deref().unwrap_or_default())
        .is_some_and(|names| names.iter().any(|name| name.contains("_anon_") || name.contains("CAMELLIA")))
    {
        Some("it has neither anonymous suites nor, by default, Camellia")
    } else if setup.ciphers.as_ref().is_some_and(|list| list.contains("@SECLEVEL=2")) {
        Some("how small a key may be is set for all connections together")
    } else if setup.suites.as_ref().is_some_and(|list| list.contains("CCM")) {
        Some("it has no CCM")
    } else {
        None
    }
}

/// `X25519:P-384` as `x25519,P384`.
fn words_of_groups(groups: &str) -> Option<String> {
    let word = |group: &str| match group {
        "P-256" => Some("P256"),
        "P-384" => Some("P384"),
        "P-521" => Some("P521"),
        "X25519" => Some("x25519"),
        "ffdhe2048" => Some("FF2048"),
        "ffdhe3072" => Some("FF3072"),
        _ => None,
    };
    Some(groups.split(':').map(word).collect::<Option<Vec<_>>>()?.join(","))
}

/// `ECDSA+SHA256:rsa_pss_rsae_sha512` in the words of TLS 1.3.
fn words_of_sigalgs(list: &str) -> String {
    let word = |name: &str| match name.split_once('+') {
        Some(("RSA", hash)) => format!("rsa_pkcs1_{}", hash.to_lowercase()),
        Some(("ECDSA", "SHA256")) => "ecdsa_secp256r1_sha256".into(),
        Some(("ECDSA", "SHA384")) => "ecdsa_secp384r1_sha384".into(),
        _ => name.to_owned(),
    };
    list.split(':').map(word).collect::<Vec<_>>().join(",")
}

fn words_of_versions(setup: &Setup) -> String {
    let word = |version: ProtocolVersion| match version {
        ProtocolVersion::SSLv3 => "ssl3",
        ProtocolVersion::TLSv1_0 => "tls1.0",
        ProtocolVersion::TLSv1_1 => "tls1.1",
        ProtocolVersion::TLSv1_2 => "tls1.2",
        _ => "tls1.3",
    };
    format!("{}:{}", word(setup.versions.0), word(setup.versions.1))
}

fn command<I: IntoIterator<Item: Into<OsString>>>(program: &str, words: I) -> Command {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", program]).args(words.into_iter().map(Into::into));
    // No database is written to beside what is asked for.
    command.env("NSS_DEFAULT_DB_TYPE", "sql").env_remove("SSLKEYLOGFILE");
    command
}

fn common(setup: &Setup, database: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["-d".into(), database.into(), "-G".into()];
    let mut set = |flag: &str, value: String| words.extend([flag.into(), value.into()]);
    set("-V", words_of_versions(setup));
    set("-x", format!("{EXPORTER_LABEL}:{EXPORTER_LENGTH}"));
    let lists = [&setup.suites, &setup.ciphers].into_iter().flatten();
    let names = lists.filter(|list| suites::iana_names(list).is_some()).flat_map(|list| list.split(':'));
    let ids: Vec<u16> = names.filter_map(|name| Some(by_name(name)?.id())).collect();
    if !ids.is_empty() {
        set("-c", ids.iter().map(|id| format!(":{id:04X}")).collect());
    }
    if let Some(groups) = setup.groups.as_deref().and_then(words_of_groups) {
        set("-I", groups);
    }
    if let Some(algorithms) = &setup.sigalgs {
        set("-J", words_of_sigalgs(algorithms));
    }
    if let Some((identity, key)) = &setup.psk {
        set("-z", format!("0x{key}:{identity}"));
    }
    if setup.tickets {
        words.push("-u".into());
    }
    words
}

fn server_words(setup: &Setup, database: &Path, port: u16) -> Result<Vec<OsString>> {
    let mut words = common(setup, database);
    words.extend(["-v".into(), "-p".into(), port.to_string().into()]);
    for name in &setup.identities {
        let flag = match &name[..] {
            _ if name.contains("-p256") || name.contains("-p384") => "-e",
            _ if name.contains("-dsa") => "-S",
            _ => "-n",
        };
        words.extend([flag.into(), name.into()]);
    }
    match setup.verify {
        Verify::Never => {}
        Verify::Report => words.push("-r".into()),
        Verify::Require => words.extend(["-r".into(), "-r".into()]),
    }
    let dhe = if setup.dh.is_some() { "1" } else { "0" };
    words.extend(["-H".into(), dhe.into()]);
    Ok(words)
}

fn client_words(case: &Case, database: &Path, scratch: &Scratch, port: u16) -> Result<Vec<OsString>> {
    let setup = &case.client;
    let mut words = common(setup, database);
    let payload = scratch.file("send");
    fs::write(&payload, case.payload(Side::Client))?;
    // Else it would leave while its verdict on the certificate is still on the way.
    words.push("-O".into());
    words.extend(["-4", "-h", "localhost", "-a"].map(OsString::from));
    words.extend([setup.server_name.clone().into(), "-p".into(), port.to_string().into()]);
    words.extend(["-v".into(), "-A".into(), payload.into()]);
    if let Some(name) = setup.identities.first() {
        words.extend(["-n".into(), name.into()]);
    }
    if setup.verify != Verify::Require {
        words.push("-o".into());
    }
    if matches!(case.exchange, Exchange::Renegotiate(Side::Client, _)) {
        words.extend(["-r".into(), case.exchange.renegotiations().to_string().into()]);
    }
    if case.exchange.connections() > 1 {
        words.extend(["-L".into(), case.exchange.connections().to_string().into()]);
    }
    Ok(words)
}

/// A directory with the certificates and keys of a side. It takes programs to make one, so that they are kept.
async fn database(setup: &Setup) -> Result<Arc<Path>> {
    type Made = BTreeMap<String, Arc<Scratch>>;
    static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());
    let key = format!("{:?} {:?} {:?} {}", setup.trust, setup.crl, setup.identities, setup.chain);
    let known = || MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let made = match known() {
        Some(made) => made,
        None => {
            let made = Arc::new(make_database(setup).await?);
            let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key).or_insert(made))
        }
    };
    Ok(made.file("").into())
}

async fn make_database(setup: &Setup) -> Result<Scratch> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let scratch = Scratch::new()?;
    let directory = OsString::from(scratch.file(""));
    let run = async |program: &str, words: &[&std::ffi::OsStr]| -> Result<()> {
        let mut process = Process::spawn(command(program, words))?;
        process.wait().await
    };
    let word = std::ffi::OsStr::new;
    run("certutil", &[word("-N"), word("-d"), &directory, word("--empty-password")]).await?;
    if let Some(name) = &setup.trust {
        let text = fs::read_to_string(fixture::pem(name)?)?;
        for (number, block) in text.split(BEGIN).skip(1).enumerate() {
            let file = scratch.file("root.pem");
            fs::write(&file, format!("{BEGIN}{block}"))?;
            let name = format!("root{number}");
            let words = ["-A", "-n", &name, "-t", "CT,C,C", "-a", "-i"].map(word);
            run("certutil", &[&words[..], &[file.as_os_str(), word("-d"), &directory]].concat()).await?;
        }
    }
    if let Some(name) = &setup.crl {
        let der = fixture::crl(name)?.with_extension("der");
        let words = ["-I", "-t", "1", "-B", "-i"].map(word);
        run("crlutil", &[&words[..], &[der.as_os_str(), word("-d"), &directory]].concat()).await?;
    }
    for name in &setup.identities {
        let files = Identity::named(name, setup.chain)?;
        let packed = scratch.file("identity.p12");
        let mut words: Vec<&std::ffi::OsStr> =
            ["pkcs12", "-export", "-passout", "pass:x", "-name", name].map(word).into();
        words.extend([word("-in"), files.chain.as_os_str(), word("-inkey"), files.key.as_os_str()]);
        words.extend([word("-out"), packed.as_os_str()]);
        run("openssl", &words).await?;
        let words = ["-W", "x", "-K", "", "-i"].map(word);
        run("pk12util", &[&words[..], &[packed.as_os_str(), word("-d"), &directory]].concat()).await?;
    }
    Ok(scratch)
}

struct Running {
    process: Process,
    port: u16,
    case: Case,
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
            // It says nothing at the end of a connection, only that it stands, or why it failed.
            self.process
                .until("what it saw", |output, ended| {
                    let text = String::from_utf8_lossy(output);
                    let seen =
                        [SECURE, FAILED].map(|label| text.matches(label).count()).iter().sum::<usize>();
                    (ended || seen >= count).then_some(())
                })
                .await?;
            self.process.kill().await?;
            let (output, exported) = take_exports(&self.process.output());
            let output = String::from_utf8_lossy(&output).into_owned();
            let mut connections = output.split(SECURE).skip(1);
            let mut report = Report { log: self.process.tail(), ..Report::default() };
            for number in 0..count {
                let exported = exported.get(number).map_or("", String::as_str);
                let said = connections.next().map(|said| format!("{SECURE}{said}{exported}"));
                let mut seen = said.map(|said| facts(&said)).unwrap_or_default();
                // `selfserv: HDX PR_Read returned error -8181:` and a line of text; a client that has left is no error.
                seen.error =
                    output.split_once(FAILED).and_then(|(_, why)| why.lines().nth(1)).map(str::to_owned);
                report.seen.push(seen);
            }
            Ok(report)
        })
    }
}

/// Takes the exported keying material, which `tstclnt` writes among the data, out of them, and what it says of a
/// pre-shared key.
fn take_exports(written: &[u8]) -> (Vec<u8>, Vec<String>) {
    const KEY: &[u8] = b"Using External PSK:\n";
    const BEGIN: &[u8] = b"Exported Keying Material:\n";
    let is_key_line = |line: &&[u8]| line.starts_with(KEY) || line.starts_with(b"    ");
    let key: usize =
        written.split_inclusive(|byte| *byte == b'\n').take_while(is_key_line).map(<[u8]>::len).sum();
    let written = &written[if written.starts_with(KEY) { key } else { 0 }..];
    let (mut data, mut exported) = (vec![], vec![]);
    let mut rest = written;
    while let Some(at) = position(rest, BEGIN) {
        let is_line = |line: &&[u8]| line.starts_with(b"    ") || line.starts_with(BEGIN);
        let length = rest[at..]
            .split_inclusive(|byte| *byte == b'\n')
            .take_while(is_line)
            .map(<[u8]>::len)
            .sum::<usize>();
        data.extend_from_slice(&rest[..at]);
        exported.push(String::from_utf8_lossy(&rest[at..at + length]).into_owned());
        rest = &rest[at + length..];
    }
    data.extend_from_slice(rest);
    (data, exported)
}

/// What `tstclnt` saw of a connection.
fn client_seen(said: &str, data: &[u8], case: &Case) -> Seen {
    let mut seen = facts(said);
    seen.error = error(said);
    seen.alert = seen.error.as_deref().and_then(alert);
    if seen.facts.is_empty() {
        return seen;
    }
    // They count on through all connections.
    let count = |label: &str| said.split_once(label)?.0.rsplit([' ', '\n']).next()?.parse::<u32>().ok();
    if let Some(hits) = count(" cache hits;") {
        seen.tell(Fact::Reused, yes_no(hits > 0));
    }
    if case.client.psk.is_some() {
        // It calls no session what TLS 1.3 takes for one.
        seen.facts.remove(&Fact::Reused);
    }
    seen.tell(Fact::Received, received(data));
    let is_early = data.len() < case.payload(Side::Server).len();
    if is_early && seen.error.is_none() && case.exchange.steps(Side::Client).contains(&Step::Receive) {
        seen.error = Some(CLOSED_EARLY.into());
    }
    seen
}

/// What both write of a connection; nothing where it did not come to be.
fn facts(said: &str) -> Seen {
    let mut seen = Seen::new();
    let Some((_, rest)) = said.split_once(SECURE) else { return seen };
    let version = match rest.split(' ').next() {
        Some("3.0") => "SSLv3",
        Some("3.1") => "TLSv1",
        Some("3.2") => "TLSv1.1",
        Some("3.3") => "TLSv1.2",
        _ => "TLSv1.3",
    };
    seen.tell(Fact::Version, version);
    if version != "TLSv1.3" {
        seen.tell(Fact::ExtendedMasterSecret, yes_no(rest.contains("Extended Master Secret: Yes")));
    }
    if let Some((_, material)) = rest.split_once("    Keying Material:\n") {
        let lines = material.lines().take_while(|line| line.starts_with("        "));
        let hex: String = lines.flat_map(|line| line.chars()).filter(char::is_ascii_hexdigit).collect();
        seen.tell(Fact::Exporter, hex);
    }
    seen
}

/// The last error that has a name of NSS's: `tstclnt: ...: SSL_ERROR_BAD_CERT_ALERT: text`.
fn error(said: &str) -> Option<String> {
    let mut lines =
        said.lines().filter(|line| line.contains("_ERROR") && !line.contains("PR_IN_PROGRESS_ERROR"));
    lines.next_back().map(str::to_owned)
}

/// The alert in the name of an error.
fn alert(error: &str) -> Option<String> {
    let name = error.split_once("SSL_ERROR_")?.1.split_once("_ALERT")?.0.to_lowercase();
    let same = [
        "handshake_failure",
        "unknown_ca",
        "access_denied",
        "decode_error",
        "protocol_version",
        "illegal_parameter",
    ];
    match &name[..] {
        "bad_cert" => Some("bad_certificate".into()),
        "expired_cert" => Some("certificate_expired".into()),
        "revoked_cert" => Some("certificate_revoked".into()),
        "certificate_unknown" => Some("certificate_unknown".into()),
        other => same.contains(&other).then_some(name),
    }
}
