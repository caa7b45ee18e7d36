//! NSS: `tstclnt`, which speaks first and closes last, and `selfserv`, which answers a request in HTTP with itself.

use std::ffi::OsString;
use std::fs;

use patina_tls::ProtocolVersion;

use super::nss_output::{SECURE, client_seen, facts, take_exports};
use super::nss_words::{client_words, command, database, server_words, words_of_groups};
use super::suites;
use crate::case::{Case, Exchange, Setup, Side, Verify};
use crate::fixture::Scratch;
use crate::peer::{Errors, Peer, Pending, Serving};
use crate::process::Process;
use crate::seen::{Fact, Report, yes_no};
use crate::trouble::Trouble;

/// `selfserv` writes it before each connection.
const READY: &str = "selfserv: About to call accept.";

/// `tstclnt` writes it at the beginning of each connection.
const CONNECTING: &str = "tstclnt: about to call PR_Poll for connect completion!";

/// `selfserv` writes them of a connection that failed, with a number and, in the next line, the reason.
const FAILED: [&str; 2] = ["PR_Read returned error ", "SSL_ForceHandshake returned error "];

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
                let process = Process::spawn(command("selfserv", server_words(case, &database, port)?))?;
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
            facts.extend([Fact::Received, Fact::Staples]);
            facts.extend(case.client.psk.is_none().then_some(Fact::Reused));
        } else if case.exchange == Exchange::Authenticate {
            facts.push(Fact::Authorized);
        }
        facts
    }

    fn errors(&self) -> Errors {
        Errors::OwnWords
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        lacks_exchange(side, case).or_else(|| lacks_setting(side, case.setup(side), case)).map(str::to_owned)
    }

    fn staples_what_it_is_given(&self) -> bool {
        false
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
        (_, Exchange::UpdateKeys(by)) if by == side => Some("its programs have no way to change keys"),
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
    } else if !setup.npn.is_empty() {
        Some("its programs have no NPN")
    } else if setup.post_handshake_auth && setup.identities.is_empty() {
        Some("tstclnt offers to show a certificate when it has one")
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
    } else if suites::needs(setup, &["IDEA", "DHE_RSA_WITH_SEED"]) {
        Some("it has no such suites")
    } else if setup.ciphers.as_ref().is_some_and(|list| list.contains("@SECLEVEL=2")) {
        Some("how small a key may be is set for all connections together")
    } else if setup.suites.as_ref().is_some_and(|list| list.contains("CCM")) {
        Some("it has no CCM")
    } else {
        None
    }
}

struct Running {
    process: Process,
    port: u16,
    case: Case,
}

/// The line behind the one that tells of a failure, when it is whole.
fn reason(output: &str) -> Option<&str> {
    let (_, said) = FAILED.iter().find_map(|label| output.split_once(label))?;
    let (_, said) = said.split_once('\n')?;
    Some(said.split_once('\n')?.0)
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
            // A certificate that is asked for later is missed behind the handshake, and its error told behind the facts.
            let fails_late =
                self.case.exchange == Exchange::Authenticate && self.case.client.identities.is_empty();
            // It says nothing at the end of a connection, only that it stands, or why it failed.
            self.process
                .until("what it saw", |output, ended| {
                    let text = String::from_utf8_lossy(output);
                    let seen =
                        [SECURE, FAILED[0]].map(|label| text.matches(label).count()).iter().sum::<usize>();
                    let has_failed = || reason(&text).is_some();
                    (ended || seen >= count && (!fails_late || has_failed())).then_some(())
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
                if self.case.exchange == Exchange::Authenticate {
                    seen.tell(Fact::Authorized, yes_no(output.contains("-- SSL3: Certificate Validated.")));
                }
                seen.error = reason(&output).map(str::to_owned);
                report.seen.push(seen);
            }
            Ok(report)
        })
    }
}
