//! The `openssl` program: `s_server` and `s_client` (3.0 and later), driven through their input and output.

use std::fs;

use patina_tls::ProtocolVersion;
use tokio::task::JoinHandle;

use super::openssl_output::{self as output, Finished};
use super::openssl_words::{
    self as words, client_arguments, command, is_brief, server_arguments, watches_messages,
};
use crate::case::{Case, Exchange, Side, Step};
use crate::fixture::Scratch;
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
                read_messages(&scratch, &process, case, 0, Side::Client, &mut seen);
                report.log.push_str(&process.tail());
                report.seen.push(seen);
            }
            report.key_log = Some(read_key_log(&scratch));
            Ok(report)
        })
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        let setup = case.setup(side);
        let is_legacy = setup.legacy.then(|| "libssl always knows of secure renegotiation".into());
        is_legacy.or_else(|| words::lacks(setup))
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
            facts.extend([F::PeerCertificate, F::Reused, F::Alpn, F::Npn]);
            facts.extend((case.version() > ProtocolVersion::SSLv3).then_some(F::Exporter));
            if side == Side::Client {
                facts.extend([F::PeerKey, F::Authorized]);
                facts.extend(case.client.asks_staple.then_some(F::StapleStatus));
            } else if case.exchange == Exchange::Authenticate {
                facts.push(F::Authorized);
            }
            facts.extend(matches!(case.exchange, Exchange::UpdateKeys(_)).then_some(F::KeyUpdates));
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

/// Sits at the input of `s_server` for all connections of a case.
async fn serve(mut process: Process, case: Case, scratch: Scratch) -> Result<Report> {
    let mut report = Report::default();
    let mut from = 0;
    for number in 0..case.exchange.connections() {
        let (mut seen, next) = server_connection(&mut process, &case, from).await?;
        read_messages(&scratch, &process, &case, number, Side::Server, &mut seen);
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
            Step::UpdateKeys => {
                if !ask(process, from, "K\n", (">>> ", "KeyUpdate", 1), SERVER_DONE).await? {
                    break;
                }
            }
            // The second Finished message of the client's is the end of it.
            Step::Authenticate => {
                if !ask(process, from, "c\n", ("<<< ", "Finished", 2), SERVER_DONE).await? {
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
            Step::UpdateKeys => {
                if !ask(process, 0, "K\n", (">>> ", "KeyUpdate", 1), "").await? {
                    break;
                }
            }
            // A client only answers.
            Step::Authenticate => {}
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

/// Types a command once the handshake is over, and waits until there are so many messages of this kind; whether they came.
async fn ask(
    process: &mut Process,
    from: usize,
    key: &str,
    (mark, name, times): (&str, &str, usize),
    done: &str,
) -> Result<bool> {
    let waits = [(">>> ", "Finished", 1, ""), ("<<< ", "Finished", 1, key), (mark, name, times, "")];
    for (mark, name, times, key) in waits {
        let has_come = process
            .until("a message", |output, ended| {
                let text = String::from_utf8_lossy(&output[from..]);
                let is_closed = ended || (!done.is_empty() && text.contains(done));
                let has_come = output::messages(&text, mark, name).count() >= times;
                if has_come { Some(true) } else { is_closed.then_some(false) }
            })
            .await?;
        if !has_come {
            return Ok(false);
        }
        process.send(key.as_bytes()).await?;
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

fn read_messages(
    scratch: &Scratch,
    process: &Process,
    case: &Case,
    number: usize,
    side: Side,
    seen: &mut Seen,
) {
    let messages = if watches_messages(case) {
        String::from_utf8_lossy(&process.output()).into_owned()
    } else {
        fs::read_to_string(scratch.file("messages")).unwrap_or_default()
    };
    let number = number.max(case.exchange.renegotiations());
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
    if matches!(case.exchange, Exchange::UpdateKeys(_)) {
        seen.tell(Fact::KeyUpdates, output::messages(&messages, "<<< ", "KeyUpdate").count().to_string());
    }
    if case.exchange == Exchange::Authenticate && side == Side::Server {
        output::tell_client(&messages, seen);
    }
}

fn read_key_log(scratch: &Scratch) -> std::collections::BTreeSet<String> {
    key_log_lines(&fs::read_to_string(scratch.file("keys.log")).unwrap_or_default())
}
