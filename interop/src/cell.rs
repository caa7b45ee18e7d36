//! One case with one peer as client and one as server: how it is run and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use patina_tls::{Capability, ProtocolVersion};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::case::{Case, Exchange, Setup, Side};
use crate::expectation::{Except, ExceptKind, Pair, outcome};
use crate::peer::{Errors, Peer};
use crate::peers::suites;
use crate::process::PATIENCE;
use crate::seen::{CLOSED_EARLY, Fact, Report, Seen, received};
use crate::staple;
use crate::trouble::{Result, Trouble};

/// How many cells run at the same time.
const AT_ONCE: usize = 4;

static SEATS: Semaphore = Semaphore::const_new(AT_ONCE);

/// One case between two peers.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The case.
    pub case: &'a Case,
    /// Who connects.
    pub client: &'a dyn Peer,
    /// Who listens.
    pub server: &'a dyn Peer,
}

/// What came of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As the table says.
    Good,
    /// It failed, as the table says it is known to.
    KnownFailure(String),
    /// It was not run: the peers cannot do it.
    Skipped(String),
    /// Otherwise than the table says.
    Bad(String),
}

/// A cell that was run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `group/name client>server`.
    pub cell: String,
    /// What the table says: the outcomes of client and server.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Whether that is good.
    pub verdict: Verdict,
    /// What the client and the server reported, where they were run.
    pub reports: Option<[Report; 2]>,
}

impl Cell<'_> {
    /// Its name: `group/name client>server`.
    pub fn name(&self) -> String {
        format!("{} {}>{}", self.case, self.client.name(), self.server.name())
    }

    /// Why it is not run, or what is known to go wrong with it.
    pub fn except(&self) -> Option<Except> {
        let (client, server) = (self.client.name(), self.server.name());
        let by_table = || self.case.except.iter().find(|e| e.pair.matches(client, server)).cloned();
        let by_side = |side: Side| {
            let reason = self.peer(side).lacks(side, self.case)?;
            let reason = format!("{}: {reason}", self.peer(side).name());
            Some(Except { kind: ExceptKind::Skip, pair: Pair::new(client, server), reason })
        };
        let by_library = || {
            let lacks = Side::BOTH.into_iter().find_map(|side| lacks(self.case.setup(side)))?;
            let reason = format!("this libssl has no {lacks}");
            Some(Except { kind: ExceptKind::Skip, pair: Pair::new(client, server), reason })
        };
        by_library().or_else(|| Side::BOTH.into_iter().find_map(by_side)).or_else(by_table)
    }

    /// Runs and judges it. No more than a few run at the same time; the others wait here.
    pub async fn run(&self) -> Outcome {
        let except = self.except();
        let expected = Side::BOTH.map(|side| self.expected(side));
        let mut result = Outcome {
            cell: self.name(),
            expected: expected.join(" "),
            seen: "-".into(),
            verdict: Verdict::Good,
            reports: None,
        };
        if let Some(except) = except.as_ref().filter(|e| e.kind == ExceptKind::Skip) {
            result.verdict = Verdict::Skipped(except.reason.clone());
            return result;
        }
        let mut case = self.case.clone();
        for side in Side::BOTH {
            self.peer(side).adapt(side, &mut case);
        }
        let adapted = Cell { case: &case, ..*self };
        let complaints = {
            let _seat = SEATS.acquire().await;
            match adapted.play().await {
                Err(trouble) => trouble.to_string(),
                Ok(reports) => {
                    result.seen = adapted.outcomes(&reports);
                    let complaints = adapted.judge(&reports);
                    result.reports = Some(reports);
                    complaints
                }
            }
        };
        result.verdict = match (except, complaints.is_empty()) {
            (None, true) => Verdict::Good,
            (None, false) => Verdict::Bad(complaints),
            (Some(except), false) => Verdict::KnownFailure(except.reason),
            (Some(except), true) => {
                Verdict::Bad(format!("it passes, but is said to fail: {}\n", except.reason))
            }
        };
        result
    }

    fn expected(&self, side: Side) -> &str {
        outcome(&self.case.expected, side, self.client.name(), self.server.name())
    }

    fn peer(&self, side: Side) -> &dyn Peer {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    async fn play(&self) -> Result<[Report; 2]> {
        let server = self.server.serve(self.case).await.map_err(|e| e.context("server"))?;
        let port = server.port();
        let waits = server.waits_for_client();
        let client = async { self.client.connect(self.case, port).await.map_err(|e| e.context("client")) };
        let server = async { server.report().await.map_err(|e| e.context("server")) };
        let both = async {
            if waits { Ok((client.await?, server.await?)) } else { tokio::try_join!(client, server) }
        };
        // A side that cannot even begin leaves the other one waiting.
        match timeout(PATIENCE * 2, both).await {
            Ok(reports) => reports.map(|(client, server)| [client, server]),
            Err(_) => Err(Trouble::new("one side waits for the other")),
        }
    }

    fn outcomes(&self, reports: &[Report; 2]) -> String {
        let of = |report: &Report| {
            let first_bad = report.seen.iter().find(|seen| seen.error.is_some());
            first_bad.map_or_else(|| "ok".to_owned(), Seen::outcome)
        };
        reports.iter().map(of).collect::<Vec<_>>().join(" ")
    }

    /// Everything that is otherwise than it should be, for people; empty when nothing is.
    fn judge(&self, reports: &[Report; 2]) -> String {
        let mut bad = String::new();
        let succeeds = Side::BOTH.map(|side| self.expected(side)) == ["ok", "ok"];
        for (side, report) in Side::BOTH.into_iter().zip(reports) {
            let who = format!("{} {}", side.name(), self.peer(side).name());
            if report.seen.len() != self.case.exchange.connections() {
                let _ = writeln!(bad, "{who}: {} connections", report.seen.len());
            }
            for seen in &report.seen {
                let expected = self.expected(side);
                if !expected.split('|').any(|expected| self.is_expected(side, seen, expected)) {
                    let _ = writeln!(bad, "{who}: {} instead of {expected}", seen.outcome());
                }
            }
            self.judge_facts(side, report, succeeds, &who, &mut bad);
        }
        if succeeds {
            self.compare(reports, &mut bad);
        }
        if !bad.is_empty() {
            for (side, report) in Side::BOTH.into_iter().zip(reports) {
                let _ = writeln!(bad, "--- {} {}\n{}", side.name(), self.peer(side).name(), report.log);
            }
        }
        bad
    }

    /// Whether a side has ended as it should, as far as it can tell.
    fn is_expected(&self, side: Side, seen: &Seen, expected: &str) -> bool {
        let (code, alert) = expected.split_once('/').map_or((expected, None), |(c, a)| (c, Some(a)));
        match self.peer(side).errors() {
            Errors::CodesAndAlerts => seen.outcome() == expected,
            Errors::Codes => seen.error.as_deref().unwrap_or("ok") == code,
            Errors::LibsslCodes => {
                let is_other =
                    code.starts_with("ERR_SSL_") || ["ok", "ECONNRESET", CLOSED_EARLY].contains(&code);
                let code = if is_other { code } else { "ERR_SSL_CERTIFICATE_VERIFY_FAILED" };
                seen.error.as_deref().unwrap_or("ok") == code
            }
            Errors::OwnWords => {
                let told = seen.alert.as_deref();
                seen.error.is_none() == (code == "ok") && (told.is_none() || alert.is_none() || told == alert)
            }
        }
    }

    /// Facts of one side: those that were promised, and those that the table expects.
    fn judge_facts(&self, side: Side, report: &Report, succeeds: bool, who: &str, bad: &mut String) {
        for (number, seen) in report.seen.iter().enumerate() {
            let mut expected: Vec<(Fact, String)> = self
                .case
                .facts
                .iter()
                .filter(|e| e.side.is_none_or(|s| s == side))
                .map(|e| (e.fact, e.value.clone()))
                .collect();
            if succeeds {
                for fact in self.peer(side).tells(side, self.case) {
                    let is_seen = fact != Fact::End || self.case.exchange.end(side).is_some();
                    if is_seen && !seen.facts.contains_key(&fact) {
                        let _ = writeln!(bad, "{who}: does not tell {fact}");
                    }
                }
                expected.push((Fact::Received, received_in_full(self.case, side, number)));
                expected.extend(self.staple().map(|digest| (Fact::Staple, digest)));
                expected.extend(self.case.exchange.end(side).map(|end| (Fact::End, end.to_owned())));
                if !self.case.facts.iter().any(|e| e.fact == Fact::Reused) {
                    let resumed = self.case.exchange == Exchange::Resume && number == 1;
                    expected.push((Fact::Reused, crate::seen::yes_no(resumed).to_owned()));
                }
            }
            for (fact, value) in expected {
                match seen.facts.get(&fact) {
                    Some(told) if *told != value => {
                        let _ = writeln!(
                            bad,
                            "{who}: {fact} is {told:?} instead of {value:?} (connection {number})"
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    /// [`Fact::Staple`] of the client, where it is known.
    fn staple(&self) -> Option<String> {
        let is_asked = self.case.client.asks_staple;
        let digest = || staple::digest(&self.case.server).unwrap_or_else(|trouble| trouble.to_string());
        (!is_asked || self.server.staples_what_it_is_given())
            .then(|| if is_asked { digest() } else { String::new() })
    }

    /// What the two sides say of the same connection must be the same.
    fn compare(&self, [client, server]: &[Report; 2], bad: &mut String) {
        for (client, server) in client.seen.iter().zip(&server.seen) {
            for (fact, value) in &client.facts {
                let other = fact.counterpart().and_then(|fact| server.facts.get(&fact));
                if other.is_some_and(|other| other != value) {
                    let _ = writeln!(bad, "client: {fact} is {value:?}, server: {other:?}");
                }
            }
            // A client's own certificate is sent only where the server asks for it.
            if let Some(seen) = server.facts.get(&Fact::PeerCertificate).filter(|seen| !seen.is_empty()) {
                let own = client.facts.get(&Fact::OwnCertificate);
                if own.is_some_and(|own| own != seen) {
                    let _ = writeln!(bad, "the server saw the certificate {seen:?}, the client has {own:?}");
                }
            }
        }
        if let (Some(client), Some(server)) = (&client.key_log, &server.key_log) {
            // Not everybody writes down everything: libssl's clients alone what they encrypted for an RSA key, Go no
            // exporter secret.
            let label = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
            let labels = |log: &BTreeSet<String>| log.iter().map(|line| label(line)).collect::<BTreeSet<_>>();
            let common: BTreeSet<String> = labels(client).intersection(&labels(server)).cloned().collect();
            let [client, server] = [client, server]
                .map(|log| log.iter().filter(|line| common.contains(&label(line))).collect::<Vec<_>>());
            let handshakes =
                |log: &[&String]| log.iter().filter(|line| line.starts_with("CLIENT_RANDOM ")).count();
            let renegotiations = self.case.exchange.renegotiations();
            if renegotiations > 0 && handshakes(&client) != renegotiations + 1 {
                let _ = writeln!(bad, "{} handshakes instead of {}", handshakes(&client), renegotiations + 1);
            }
            if client.is_empty() || client != server {
                let _ = writeln!(bad, "key logs: client {client:#?}\nserver {server:#?}");
            }
        }
    }
}

/// What this library's libssl was built without, of what a side is to do.
fn lacks(setup: &Setup) -> Option<&'static str> {
    let needed = [
        ("SSLv3", Capability::SslV3, setup.versions.1 == ProtocolVersion::SSLv3),
        ("RC4", Capability::Rc4, suites::needs(setup, &["RC4"])),
        ("3DES", Capability::TripleDes, suites::needs(setup, &["3DES"])),
        ("IDEA", Capability::Idea, suites::needs(setup, &["IDEA"])),
        ("SEED", Capability::Seed, suites::needs(setup, &["SEED"])),
    ];
    let lacking =
        |(_, capability, is_needed): &(_, _, bool)| *is_needed && !patina_tls::openssl().has(*capability);
    needed.into_iter().find(lacking).map(|(name, ..)| name)
}

/// [`Fact::Received`] of a side when all is well.
fn received_in_full(case: &Case, side: Side, number: usize) -> String {
    // Hashing 16 MiB without optimization takes its time.
    type Made = BTreeMap<Arc<[u8]>, String>;
    static CACHE: Mutex<Made> = Mutex::new(BTreeMap::new());
    let data = case.expected(side, number);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache.entry(data).or_insert_with_key(|data| received(data)).clone()
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Runs cells side by side, and gives what came of them in their order.
pub async fn run_all(cells: &[Cell<'_>]) -> Vec<Outcome> {
    // One task: peers are processes of their own, or tasks.
    let mut running: Vec<_> = cells.iter().map(|cell| Box::pin(cell.run())).collect();
    let mut outcomes: Vec<Option<Outcome>> = cells.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, outcome) in running.iter_mut().zip(&mut outcomes) {
            if outcome.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(done) => *outcome = Some(done),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}
