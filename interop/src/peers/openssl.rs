//! The `openssl` program: `s_server` and `s_client` (3.0 and later), driven through their input and output.

use std::ffi::OsString;
use std::fs;

use patina_tls::ProtocolVersion;
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::openssl_output::{self as output, Finished};
use crate::case::{Case, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Step, Verify};
use crate::fixture::{self, Identity, Scratch};
use crate::peer::{Peer, Pending, Serving};
use crate::process::{Process, position};
use crate::seen::{CLOSED_EARLY, Fact, Report, Seen, key_log_lines, received};
use crate::trouble::{Result, Trouble};

/// `s_server` writes it when a connection is over, however it went.
const SERVER_DONE: &str = "CONNECTION CLOSED\n";

/// `s_server` writes it after a handshake, among the facts.
const SERVER_READY: &str = "CIPHER is ";

/// The `openssl` program.
#[derive(Debug, Clone, Copy)]
pub struct Openssl;

impl Peer for Openssl {
    fn name(&self) -> &'static str {
        "openssl"
    }

    fn title(&self) -> &'static str {
        "OpenSSL's `s_server`, `s_client`"
    }

    fn version(&self) -> Pending<'_, String> {
        Box::pin(async {
            let mut process = Process::spawn(command(["version"]))?;
            process.wait().await?;
            Ok(process.tail().trim().to_owned())
        })
    }

    fn serve<'a>(&'a self, case: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let process = Process::spawn(command(server_arguments(case, &scratch)?))?;
            let port = process.until("ACCEPT", |output, _| output::port(output)).await?;
            // s_server needs a hand at its input while it serves.
            let task = tokio::spawn(serve(process, case.clone(), scratch));
            Ok(Box::new(Running { port, task }) as Box<dyn Serving>)
        })
    }

    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let mut report = Report::default();
            for number in 0..case.exchange.connections() {
                let mut process = Process::spawn(command(client_arguments(case, &scratch, port, number)?))?;
                let mut seen = client(&mut process, case).await?;
                read_finished(&scratch, &process, case, 0, &mut seen);
                report.log.push_str(&process.tail());
                report.seen.push(seen);
            }
            report.key_log = Some(read_key_log(&scratch));
            Ok(report)
        })
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        case.setup(side).legacy.then(|| "libssl always knows of secure renegotiation".into())
    }

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        use Fact as F;
        let steps = case.exchange.steps(side);
        let ends =
            |fact| steps.iter().rposition(|s| *s == Step::ReadEnd) < steps.iter().position(|s| *s == fact);
        let mut facts = vec![F::Version, F::Cipher, F::Finished, F::PeerFinished, F::Received];
        // s_client leaves once it has closed.
        if steps.contains(&Step::ReadEnd)
            && (side == Side::Server || !steps.contains(&Step::Close) || ends(Step::Close))
        {
            facts.push(F::End);
        }
        if !is_brief(side, case) {
            facts.extend([F::PeerCertificate, F::Exporter, F::Reused, F::Alpn]);
            if side == Side::Client {
                facts.extend([F::PeerKey, F::Authorized]);
            }
            if case.version() < ProtocolVersion::TLSv1_3 {
                facts.push(F::SecureRenegotiation);
                facts.extend((side == Side::Client).then_some(F::ExtendedMasterSecret));
            }
        }
        facts
    }
}

struct Running {
    port: u16,
    task: JoinHandle<Result<Report>>,
}

impl Serving for Running {
    fn port(&self) -> u16 {
        self.port
    }

    fn report(mut self: Box<Self>) -> Pending<'static, Report> {
        Box::pin(async move {
            let task = &mut self.task;
            task.await.map_err(|e| Trouble::new(format!("the task at s_server's input panicked: {e}")))?
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn command<I: IntoIterator<Item: Into<OsString>>>(arguments: I) -> Command {
    // Through a pipe it would keep back what it says until much has come together, and in another order than its errors.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "openssl"]);
    // The system's configuration could set versions and levels.
    command.env("OPENSSL_CONF", "/dev/null").env_remove("SSLKEYLOGFILE");
    command.args(arguments.into_iter().map(Into::into));
    command
}

/// With much data, `s_client` writes nothing but that and a summary.
fn is_brief(side: Side, case: &Case) -> bool {
    side == Side::Client && matches!(case.exchange, Exchange::Bulk(_))
}

/// Arguments, pair by pair.
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.into());
    }

    fn set(&mut self, flag: &str, value: impl Into<OsString>) {
        self.0.extend([flag.into(), value.into()]);
    }
}

fn common(program: &str, case: &Case, setup: &Setup, scratch: &Scratch) -> Result<Arguments> {
    let mut arguments = Arguments(vec![program.into()]);
    arguments.set("-min_protocol", setup.versions.0.name());
    arguments.set("-max_protocol", setup.versions.1.name());
    arguments.set("-keylogfile", scratch.file("keys.log"));
    arguments.flag("-msg");
    if case.exchange.renegotiations() == 0 {
        arguments.set("-msgfile", scratch.file("messages"));
    }
    arguments.set("-keymatexport", EXPORTER_LABEL);
    arguments.set("-keymatexportlen", EXPORTER_LENGTH.to_string());
    let lists = [
        ("-cipher", &setup.ciphers),
        ("-ciphersuites", &setup.suites),
        ("-groups", &setup.groups),
        ("-sigalgs", &setup.sigalgs),
    ];
    for (flag, list) in lists {
        if let Some(list) = list {
            arguments.set(flag, list);
        }
    }
    if let Some(name) = &setup.trust {
        arguments.set("-CAfile", fixture::pem(name)?);
    }
    if let Some(name) = &setup.crl {
        arguments.set("-CRL", fixture::crl(name)?);
        arguments.flag("-crl_check_all");
    }
    if !setup.alpn.is_empty() {
        arguments.set("-alpn", setup.alpn.join(","));
    }
    if !setup.tickets {
        arguments.flag("-no_ticket");
    }
    if let Some((identity, key)) = &setup.psk {
        arguments.set("-psk_identity", identity);
        arguments.set("-psk", key);
    }
    for name in setup.options.iter().flat_map(|names| names.split(',')) {
        arguments.flag(match name {
            "ALLOW_UNSAFE_LEGACY_RENEGOTIATION" => "-legacy_renegotiation",
            "LEGACY_SERVER_CONNECT" => "-legacy_server_connect",
            _ => return Err(Trouble::new(format!("no flag is known for {name}"))),
        });
    }
    Ok(arguments)
}

fn server_arguments(case: &Case, scratch: &Scratch) -> Result<Vec<OsString>> {
    let setup = &case.server;
    let mut arguments = common("s_server", case, setup, scratch)?;
    arguments.set("-accept", "127.0.0.1:0");
    arguments.flag("-serverpref");
    // One of each kind; s_server has flags for two.
    let flags = [("-cert", "-key", "-cert_chain"), ("-dcert", "-dkey", "-dcert_chain")];
    for ((cert, key, chain), name) in flags.into_iter().zip(&setup.identities) {
        let identity = Identity::named(name, setup.chain)?;
        let intermediates = identity.intermediates()?;
        arguments.set(cert, identity.certificate);
        arguments.set(key, identity.key);
        if !intermediates.is_empty() {
            let file = scratch.file(&format!("{name}-intermediates.pem"));
            fs::write(&file, intermediates)?;
            arguments.set(chain, file);
        }
    }
    if setup.identities.is_empty() {
        arguments.flag("-nocert");
    }
    if setup.identities.len() > flags.len() || setup.names.len() > 1 {
        return Err(Trouble::new("s_server takes two certificates and one more name"));
    }
    if let Some((pattern, name)) = setup.names.first() {
        let identity = Identity::named(name, setup.chain)?;
        arguments.set("-servername", pattern);
        arguments.set("-cert2", identity.chain);
        arguments.set("-key2", identity.key);
    }
    if setup.renegotiations.is_some() {
        arguments.flag("-client_renegotiation");
    }
    match setup.verify {
        Verify::Never => {}
        Verify::Report => arguments.set("-verify", "9"),
        Verify::Require => {
            arguments.set("-Verify", "9");
            arguments.flag("-verify_return_error");
        }
    }
    match setup.dh.as_deref() {
        // Its own default is "auto".
        Some("auto") => {}
        None => arguments.flag("-no_dhe"),
        Some(name) => arguments.set("-dhparam", fixture::dh(name)?),
    }
    Ok(arguments.0)
}

fn client_arguments(case: &Case, scratch: &Scratch, port: u16, number: usize) -> Result<Vec<OsString>> {
    let setup = &case.client;
    let mut arguments = common("s_client", case, setup, scratch)?;
    arguments.set("-connect", format!("127.0.0.1:{port}"));
    arguments.set("-servername", &setup.server_name);
    if let Some(name) = setup.identities.first() {
        let identity = Identity::named(name, setup.chain)?;
        arguments.set("-cert", identity.certificate);
        arguments.set("-key", identity.key);
    }
    if setup.verify == Verify::Require {
        arguments.set("-verify", "9");
        arguments.flag("-verify_return_error");
        arguments.set("-verify_hostname", &setup.server_name);
    }
    if is_brief(Side::Client, case) {
        arguments.flag("-brief");
    }
    if case.exchange == Exchange::Resume {
        arguments.set(if number == 0 { "-sess_out" } else { "-sess_in" }, scratch.file("session.pem"));
    }
    Ok(arguments.0)
}

/// Sits at the input of `s_server` for all connections of a case.
async fn serve(mut process: Process, case: Case, scratch: Scratch) -> Result<Report> {
    let mut report = Report::default();
    let mut from = 0;
    for number in 0..case.exchange.connections() {
        let (mut seen, next) = server_connection(&mut process, &case, from).await?;
        read_finished(&scratch, &process, &case, number, &mut seen);
        report.seen.push(seen);
        from = next;
    }
    // Once it has switched to the certificate of another name, it logs nothing.
    report.key_log = case.server.names.is_empty().then(|| read_key_log(&scratch));
    report.log = process.tail();
    Ok(report)
}

/// One connection, whose output begins at `from`; gives also where it ends.
async fn server_connection(process: &mut Process, case: &Case, from: usize) -> Result<(Seen, usize)> {
    let expected = case.payload(Side::Client);
    let mut start = from;
    let mut cut = false;
    for step in case.exchange.steps(Side::Server) {
        match step {
            Step::Receive => match wait_for(process, from, &expected, SERVER_DONE).await? {
                Some(at) => start = at,
                None => break,
            },
            Step::Send => {
                // Before the end of the handshake it would take its input as a reason to write.
                if !reaches(process, from, SERVER_READY, SERVER_DONE).await? {
                    break;
                }
                process.send(&case.payload(Side::Server)).await?;
            }
            Step::Renegotiate => {
                if !renegotiate(process, case, from, "r\n", SERVER_DONE).await? {
                    break;
                }
            }
            Step::Cut => {
                process.kill().await?;
                cut = true;
            }
            // It answers the peer's close by itself.
            Step::ReadEnd | Step::Close => {}
        }
    }
    // After the data: the text could stand in it.
    let next = match process.find(SERVER_DONE, start + if start > from { expected.len() } else { 0 }).await? {
        Some(next) => next,
        None if cut => process.output().len(),
        None => return Err(Trouble::new(format!("s_server ended:\n{}", process.tail()))),
    };
    let all = process.output();
    let (head, tail) =
        split(&all[from..next], if start > from { start - from } else { next - from }, expected.len());
    let mut seen = output::server_seen(&String::from_utf8_lossy(head), &String::from_utf8_lossy(tail));
    seen.tell(
        Fact::Received,
        received(&all[start.max(from)..][..if start > from { expected.len() } else { 0 }]),
    );
    Ok((seen, next))
}

/// Sits at the input of one `s_client`.
async fn client(process: &mut Process, case: &Case) -> Result<Seen> {
    let expected = case.payload(Side::Server);
    let mut start = None;
    let mut early = false;
    for step in case.exchange.steps(Side::Client) {
        match step {
            // It reads its input after the handshake.
            Step::Send => process.send(&case.payload(Side::Client)).await?,
            Step::Receive => {
                start = wait_for(process, 0, &expected, "").await?;
                if start.is_none() {
                    early = true;
                    break;
                }
            }
            Step::Close => process.close_input(),
            Step::Renegotiate => {
                if !renegotiate(process, case, 0, "R\n", "").await? {
                    break;
                }
            }
            Step::ReadEnd => process.wait().await?,
            Step::Cut => process.kill().await?,
        }
    }
    process.wait().await?;
    let all = process.output();
    // -brief does not say so.
    if !is_brief(Side::Client, case) && position(&all, b"CONNECTED(").is_none() {
        return Err(Trouble::new(format!("s_client did not connect:\n{}", process.tail())));
    }
    let (head, tail) = split(&all, start.unwrap_or(all.len()), expected.len());
    let mut seen = output::client_seen(&String::from_utf8_lossy(head), &String::from_utf8_lossy(tail));
    if early && seen.error.is_none() {
        seen.error = Some(CLOSED_EARLY.into());
    }
    let data = start.map(|at| &all[at..at + expected.len()]).unwrap_or_default();
    seen.tell(Fact::Received, received(data));
    Ok(seen)
}

/// Types for new handshakes, one after the other, and waits for the end of each; whether they all came to be.
async fn renegotiate(process: &mut Process, case: &Case, from: usize, key: &str, done: &str) -> Result<bool> {
    // Both Finished messages of each handshake.
    for handshakes in 1..=case.exchange.renegotiations() + 1 {
        let is_over = process
            .until("the end of a handshake", |output, ended| {
                let text = String::from_utf8_lossy(&output[from..]);
                let count = text.matches(", Finished\n").count();
                let is_closed = ended || (!done.is_empty() && text.contains(done));
                if count >= 2 * handshakes { Some(true) } else { is_closed.then_some(false) }
            })
            .await?;
        if !is_over {
            return Ok(false);
        }
        if handshakes <= case.exchange.renegotiations() {
            process.send(key.as_bytes()).await?;
        }
    }
    Ok(true)
}

/// Waits until as much as `data` has come after its first line, and gives where it begins; `None` when the connection
/// ends first: with `done`, or with the program.
async fn wait_for(process: &Process, from: usize, data: &[u8], done: &str) -> Result<Option<usize>> {
    let first = &data[..=position(data, b"\n").unwrap_or_default()];
    let mut start = None;
    process
        .until("the data", |output, ended| {
            start = start.or_else(|| position(&output[from..], first).map(|at| from + at));
            match start {
                Some(at) if output.len() >= at + data.len() => Some(Some(at)),
                Some(_) if !ended => None,
                None if !ended
                    && (done.is_empty() || position(&output[from..], done.as_bytes()).is_none()) =>
                {
                    None
                }
                _ => Some(None),
            }
        })
        .await
}

/// Whether `text` comes before `done`.
async fn reaches(process: &Process, from: usize, text: &str, done: &str) -> Result<bool> {
    process
        .until(text, |output, ended| {
            let find = |text: &str| position(&output[from..], text.as_bytes());
            match (find(text), find(done)) {
                (Some(_), _) => Some(true),
                (None, Some(_)) => Some(false),
                (None, None) => ended.then_some(false),
            }
        })
        .await
}

/// What stands before and after the data.
fn split(all: &[u8], start: usize, length: usize) -> (&[u8], &[u8]) {
    (&all[..start], &all[(start + length).min(all.len())..])
}

fn read_finished(scratch: &Scratch, process: &Process, case: &Case, number: usize, seen: &mut Seen) {
    let renegotiations = case.exchange.renegotiations();
    let (messages, number) = if renegotiations == 0 {
        (fs::read_to_string(scratch.file("messages")).unwrap_or_default(), number)
    } else {
        (String::from_utf8_lossy(&process.output()).into_owned(), renegotiations)
    };
    let Finished { version, own, peer } = output::finished(&messages, number);
    for (fact, value) in [(Fact::Version, version), (Fact::Finished, own), (Fact::PeerFinished, peer)] {
        if let Some(value) = value {
            seen.tell(fact, value);
        }
    }
    if seen.facts.get(&Fact::Version).is_some_and(|version| version == "TLSv1.3") {
        // TLS 1.3 has neither of these extensions, and what libssl prints then differs by side and version.
        seen.facts.retain(|fact, _| !matches!(fact, Fact::SecureRenegotiation | Fact::ExtendedMasterSecret));
    }
}

fn read_key_log(scratch: &Scratch) -> std::collections::BTreeSet<String> {
    key_log_lines(&fs::read_to_string(scratch.file("keys.log")).unwrap_or_default())
}
