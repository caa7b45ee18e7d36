//! CPU time side by side: every implementation once a round, and ratios taken within the round.

use std::time::{Duration, Instant};

use patina_interop::trouble::{Result, Trouble};
use patina_raw::{Wire, count};
use patina_tls::{ClientConfig, TrustStore};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::goal::{self, Goal};
use super::memory::{Meter, Pair, Sides, move_bytes};
use super::peer::{AGAIN, CASES, CHACHA, Case, Over, Patina, RECORDS, Raw, Suite, TokioOpenssl};
use super::plot;
#[cfg(feature = "bench")]
use super::rustls::AwsLc;
use super::rustls::{Ring, Rustls};
use super::socket::{Meeting, Writes, bulk, ping_pong, plain};

/// The CPU time that one measurement takes at least.
const LEAST: Duration = Duration::from_millis(100);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    /// Handshakes a CPU-second.
    Memory(Case, Part),
    Socket(Case),
    /// MiB a CPU-second, in writes of this size.
    BulkMemory(Case, usize),
    BulkSocket(Case, Writes),
    /// Round trips a CPU-second, of this many bytes.
    PingPong(usize),
    /// Client contexts a CPU-second, once the first is there.
    Context(Roots),
    /// Handshakes a second of two threads beside those of one.
    Threads(Case),
}

/// Whose time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Both,
    Client,
    Server,
}

/// Whom a context trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots {
    Nobody,
    System,
    Mozilla,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) what: What,
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |name: String, what| rows.push(Row { name, what });
    for case in CASES {
        row(format!("handshake {}", case.name), What::Memory(case, Part::Both));
        row(format!("handshake {} client", case.name), What::Memory(case, Part::Client));
        row(format!("handshake {} server", case.name), What::Memory(case, Part::Server));
    }
    for case in AGAIN {
        row(format!("handshake {}", case.name), What::Memory(case, Part::Both));
    }
    for case in CASES {
        row(format!("handshake tcp {}", case.name), What::Socket(case));
    }
    for case in [RECORDS, CHACHA] {
        let suite = if case.suite == Suite::Aes128 { "aes128" } else { "chacha20" };
        for kib in [16, 64, 256] {
            row(format!("bulk memory {suite} {kib}k"), What::BulkMemory(case, kib << 10));
            row(format!("bulk tcp {suite} {kib}k"), What::BulkSocket(case, Writes::Plain(kib << 10)));
        }
    }
    row("small tcp 1k".to_owned(), What::BulkSocket(RECORDS, Writes::Plain(1 << 10)));
    row("small tcp 1k buffered".to_owned(), What::BulkSocket(RECORDS, Writes::Buffered(1 << 10)));
    row("small tcp 1k vectored".to_owned(), What::BulkSocket(RECORDS, Writes::Vectored(1 << 10)));
    for size in [64, 1024] {
        row(format!("ping-pong {size}"), What::PingPong(size));
    }
    for (name, roots) in [("none", Roots::Nobody), ("system", Roots::System), ("mozilla", Roots::Mozilla)] {
        row(format!("context {name}"), What::Context(roots));
    }
    row("threads 1.3-ecdsa".to_owned(), What::Threads(CASES[0]));
    row("threads 1.2-id".to_owned(), What::Threads(CASES[5]));
    rows
}

/// A row of one implementation: units of work in this many repetitions, and what they took. `None`: it has no such thing.
type Measure = fn(&Runtime, &What, usize) -> Result<Option<(f64, Duration)>>;

/// An implementation.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    measure: Measure,
}

/// All of them, this library first.
pub(crate) fn contestants() -> Vec<Contestant> {
    fn contestant<P: Over<Wire> + Over<TcpStream> + Contexts>() -> Contestant {
        Contestant { name: P::NAME, measure: measure::<P> }
    }
    vec![
        contestant::<Patina>(),
        contestant::<Raw<true>>(),
        contestant::<TokioOpenssl>(),
        #[cfg(feature = "bench")]
        contestant::<Rustls<AwsLc>>(),
        contestant::<Rustls<Ring>>(),
    ]
}

/// What makes client contexts.
pub(crate) trait Contexts {
    /// A client context; false where these roots cannot be had.
    fn make(roots: Roots) -> Result<bool>;
}

impl Contexts for Patina {
    fn make(roots: Roots) -> Result<bool> {
        let trust = match roots {
            Roots::Nobody => TrustStore::empty(),
            Roots::System => TrustStore::system()?,
            Roots::Mozilla => TrustStore::mozilla(),
        };
        ClientConfig::builder().trust(trust).build()?;
        Ok(true)
    }
}

impl Contexts for Raw<true> {
    fn make(roots: Roots) -> Result<bool> {
        let mut context = openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::tls_client())?;
        match roots {
            Roots::Nobody => {}
            Roots::System => context.set_default_verify_paths()?,
            Roots::Mozilla => return Ok(false),
        }
        context.build();
        Ok(true)
    }
}

impl Contexts for TokioOpenssl {
    fn make(roots: Roots) -> Result<bool> {
        if roots == Roots::Mozilla {
            return Ok(false);
        }
        // The connector's builder loads the system's roots, wanted or not.
        openssl::ssl::SslConnector::builder(openssl::ssl::SslMethod::tls_client())?.build();
        Ok(true)
    }
}

impl<P> Contexts for Rustls<P> {
    fn make(_: Roots) -> Result<bool> {
        // Its roots are not in it, but in other crates.
        Ok(false)
    }
}

fn measure<P: Over<Wire> + Over<TcpStream> + Contexts>(
    runtime: &Runtime,
    what: &What,
    repeat: usize,
) -> Result<Option<(f64, Duration)>> {
    let _entered = runtime.enter();
    let timed = |units: f64, work: &mut dyn FnMut() -> Result<()>| {
        let begin = count::cpu_time();
        work()?;
        Ok(Some((units, count::cpu_time() - begin)))
    };
    match *what {
        What::Memory(case, part) => {
            let pair = Pair::<P, P>::new(&case)?;
            pair.handshakes(&mut Sides::new(Meter::Off), 1)?;
            if part == Part::Both {
                return timed(repeat as f64, &mut || pair.handshakes(&mut Sides::new(Meter::Off), repeat));
            }
            let mut sides = Sides::new(Meter::Cpu);
            pair.handshakes(&mut sides, repeat)?;
            let cost = if part == Part::Client { sides.client } else { sides.server };
            Ok(Some((repeat as f64, cost.cpu)))
        }
        What::Socket(case) => {
            let mut meeting = runtime.block_on(Meeting::<P>::new(&case))?;
            runtime.block_on(meeting.remember(&case))?;
            timed(repeat as f64, &mut || runtime.block_on(meeting.handshakes(repeat)))
        }
        What::BulkMemory(case, size) => {
            let pair = Pair::<P, P>::new(&case)?;
            let (mut client, mut server) = pair.shake(&mut Sides::new(Meter::Off))?;
            let (bytes, mut space) = (vec![0x5a; size], vec![0; 64 * 1024]);
            move_bytes(&mut client, &mut server, &bytes, &mut space)?;
            let mib = (repeat * size) as f64 / (1 << 20) as f64;
            timed(mib, &mut || {
                (0..repeat).try_for_each(|_| move_bytes(&mut client, &mut server, &bytes, &mut space))
            })
        }
        What::BulkSocket(case, writes) => {
            let (mut client, server) =
                runtime.block_on(async { Meeting::<P>::new(&case).await?.connect(plain).await })?;
            if let Writes::Buffered(_) = writes {
                <P as Over<TcpStream>>::buffer_writes(&mut client, 16 * 1024);
            }
            let total = repeat << 18;
            let begin = count::cpu_time();
            runtime.block_on(bulk(client, server, writes, total))?;
            Ok(Some((total as f64 / (1 << 20) as f64, count::cpu_time() - begin)))
        }
        What::PingPong(size) => {
            let (mut client, mut server) =
                runtime.block_on(async { Meeting::<P>::new(&RECORDS).await?.connect(plain).await })?;
            runtime.block_on(ping_pong(&mut client, &mut server, size, 10))?;
            timed(repeat as f64, &mut || runtime.block_on(ping_pong(&mut client, &mut server, size, repeat)))
        }
        What::Context(roots) => {
            if !P::make(roots)? {
                return Ok(None);
            }
            timed(repeat as f64, &mut || (0..repeat).try_for_each(|_| P::make(roots).map(drop)))
        }
        What::Threads(case) => threads::<P>(&case, repeat).map(Some),
    }
}

/// How many times the handshakes of one thread two make in the same time: the wires are each thread's own, and the
/// contexts are shared. The "time" is one second, so that the quotient is the ratio.
fn threads<P: Over<Wire>>(case: &Case, repeat: usize) -> Result<(f64, Duration)> {
    let (client, server) = (P::client(case)?, P::server(case)?);
    let (client, server) = (&client, &server);
    let work = || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _entered = runtime.enter();
        let (near, far) = Wire::pair();
        for _ in 0..repeat {
            let mut sides = Sides::new(Meter::Off);
            sides.join(P::connect(client, near.again()), P::accept(server, far.again()))?;
            near.clear();
        }
        Ok(())
    };
    let run = |count: usize| -> Result<Duration> {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err(Trouble::new("a thread has panicked")))
            })
        })?;
        Ok(begin.elapsed())
    };
    let (one, two) = (run(1)?, run(2)?);
    Ok((2.0 * one.as_secs_f64() / two.as_secs_f64(), Duration::from_secs(1)))
}

/// A row's figures, one list of rounds for each implementation.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) figures: Vec<Option<Vec<f64>>>,
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

impl Measured {
    /// The median of an implementation.
    pub(crate) fn figure(&self, who: usize) -> Option<f64> {
        self.figures[who].as_deref().map(median)
    }

    /// The median of this library's figure beside another's of the same round.
    pub(crate) fn ratio(&self, who: usize) -> Option<f64> {
        let (ours, theirs) = (self.figures[0].as_ref()?, self.figures[who].as_ref()?);
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Some(median(&ratios))
    }
}

/// Runs the rounds and judges them by the goals. `words`: `--rounds N`, `--out FOLDER`, and beginnings of row names.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let (mut rounds, mut folder, mut wanted) = (7, None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| Trouble::new(format!("{word} needs a value")));
        match word.as_str() {
            "--rounds" => {
                rounds = value()?.parse().map_err(|_| Trouble::new("--rounds needs a number"))?;
            }
            "--out" => folder = Some(value()?.clone()),
            name => wanted.push(name.to_owned()),
        }
    }
    let mut rows = rows();
    rows.retain(|row| wanted.is_empty() || wanted.iter().any(|name| row.name.starts_with(name.as_str())));
    if rows.is_empty() || rounds == 0 {
        return Err(Trouble::new("there is nothing to measure"));
    }
    let contestants = contestants();
    let measured = measure_all(&rows, &contestants, rounds)?;
    print(&contestants, &measured);
    let judged = goal::judge(&contestants, &measured);
    println!("\n{}", openssl::version::version());
    let missed = judged.iter().filter(|goal| !goal.holds()).count();
    judged.iter().for_each(Goal::print);
    println!("\n{} goals, {missed} missed; {rounds} rounds", judged.len());
    if let Some(folder) = folder {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(format!("{folder}/bench.tsv"), tsv(&contestants, &measured))?;
        std::fs::write(format!("{folder}/bench.svg"), plot::svg(&contestants, &measured))?;
    }
    Ok(missed == 0)
}

fn measure_all(rows: &[Row], contestants: &[Contestant], rounds: usize) -> Result<Vec<Measured>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut measured: Vec<Measured> = rows
        .iter()
        .map(|row| Measured { name: row.name.clone(), figures: vec![Some(Vec::new()); contestants.len()] })
        .collect();
    let mut repeats = vec![vec![0; contestants.len()]; rows.len()];
    for round in 0..rounds {
        for (place, row) in rows.iter().enumerate() {
            for turn in 0..contestants.len() {
                // Nobody is always the first, or behind the same one.
                let who = (turn + round) % contestants.len();
                let Some(figures) = &mut measured[place].figures[who] else { continue };
                let context =
                    |trouble: Trouble| trouble.context(format!("{} {}", contestants[who].name, row.name));
                let repeat = &mut repeats[place][who];
                let figure = figure(&runtime, row, &contestants[who], repeat).map_err(context)?;
                match figure {
                    Some(figure) => figures.push(figure),
                    None => measured[place].figures[who] = None,
                }
            }
            eprint!("\rround {} of {rounds}: {:<40}", round + 1, row.name);
        }
    }
    eprintln!();
    Ok(measured)
}

/// Units a CPU-second. The first time finds out how often the work has to be repeated.
fn figure(runtime: &Runtime, row: &Row, who: &Contestant, repeat: &mut usize) -> Result<Option<f64>> {
    let mut count = if *repeat == 0 { 1 } else { *repeat };
    loop {
        let Some((units, time)) = (who.measure)(runtime, &row.what, count)? else { return Ok(None) };
        let enough = match row.what {
            // What it calls time is none.
            What::Threads(_) => count >= 100,
            _ => time >= LEAST || *repeat > 0,
        };
        if enough {
            *repeat = count;
            return Ok(Some(units / time.as_secs_f64()));
        }
        count *= 2;
    }
}

fn print(contestants: &[Contestant], measured: &[Measured]) {
    print!("{:<30}", "per CPU-second, median");
    contestants.iter().for_each(|who| print!(" {:>22}", who.name));
    println!();
    for row in measured {
        print!("{:<30}", row.name);
        for who in 0..contestants.len() {
            match (row.figure(who), row.ratio(who)) {
                (Some(figure), Some(ratio)) => print!(" {figure:>13.1} ({ratio:>6.2})"),
                _ => print!(" {:>22}", "-"),
            }
        }
        println!();
    }
    println!("In brackets: patina-tls beside it.");
}

fn tsv(contestants: &[Contestant], measured: &[Measured]) -> String {
    let mut text = String::from("row\timplementation\tper CPU-second\tpatina-tls beside it\n");
    for row in measured {
        for (who, contestant) in contestants.iter().enumerate() {
            if let (Some(figure), Some(ratio)) = (row.figure(who), row.ratio(who)) {
                text += &format!("{}\t{}\t{figure:.2}\t{ratio:.3}\n", row.name, contestant.name);
            }
        }
    }
    text
}
