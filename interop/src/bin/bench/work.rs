//! Pieces of work for a process of their own: what valgrind looks at, and what is counted from the first allocation on.

use std::hint::black_box;

use patina_measure::case::{CASES, Case, RECORDS};
use patina_measure::count;
use patina_measure::memory::{Meter, Pair, Sides, move_bytes, poll_nothing};
use patina_measure::peer::Over;
use patina_measure::runtime;
use patina_measure::socket::{Calls, Counted, Meeting, Writes, bulk, ping_pong, plain};
use patina_measure::trouble::{Result, Trouble};
use patina_measure::wire::Wire;
use patina_raw::heap;
use patina_tls::{ClientConfig, TrustStore};
use tokio::net::TcpStream;

use super::peer::{Patina, Raw, TokioOpenssl};

/// Handshakes that are counted at a time.
pub(crate) const HANDSHAKES: usize = 8;

/// Records that are counted at a time.
pub(crate) const RECORDS_COUNTED: usize = 64;

/// Round trips, connections and contexts that are counted at a time.
const COUNTED: usize = 20;

/// MiB that are sent over TCP.
const MEBIBYTES: usize = 32;

/// What callgrind looks at: see `gates.rs`, which names it.
#[inline(never)]
pub(crate) fn looked_at<T>(step: impl FnOnce() -> T) -> T {
    black_box(step())
}

/// Does a piece of work: its name, then its arguments. Prints names and numbers, in lines.
pub(crate) fn run(words: &[String]) -> Result<()> {
    // Timers of handshakes need a runtime, though none of them ever rings.
    let runtime = runtime::new()?;
    let _entered = runtime.enter();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["handshakes", peer, case] => {
            let case = named(case)?;
            match peer {
                "ours" => handshakes::<Patina>(&case),
                "ours-watched" => handshakes::<Patina<true>>(&case),
                "raw" => handshakes::<Raw<false>>(&case),
                "tokio-openssl" => handshakes::<TokioOpenssl>(&case),
                _ => Err(unknown(peer)),
            }
        }
        ["records", peer, size] => {
            let size = size.parse().map_err(|_| unknown(size))?;
            match peer {
                "ours" => records::<Patina>(size),
                "raw" => records::<Raw<false>>(size),
                "tokio-openssl" => records::<TokioOpenssl>(size),
                _ => Err(unknown(peer)),
            }
        }
        ["heap", peer] => {
            if !heap::start() {
                return Err(Trouble::new("libcrypto has allocated before it could be counted"));
            }
            match peer {
                "ours" => allocations::<Patina>(),
                "raw" => allocations::<Raw<false>>(),
                "tokio-openssl" => allocations::<TokioOpenssl>(),
                _ => Err(unknown(peer)),
            }
        }
        ["contexts"] => {
            if !heap::start() {
                return Err(Trouble::new("libcrypto has allocated before it could be counted"));
            }
            contexts()
        }
        ["calls", peer] => match peer {
            "ours" => runtime.block_on(calls::<Patina>()),
            "tokio-openssl" => runtime.block_on(calls::<TokioOpenssl>()),
            _ => Err(unknown(peer)),
        },
        [work @ ("bulk" | "ping-pong"), peer, number] => {
            let number = number.parse().map_err(|_| unknown(number))?;
            let work = if work == "bulk" { OverTcp::Writes(number) } else { OverTcp::Trips(number) };
            match peer {
                "ours" => runtime.block_on(work.run::<Patina>()),
                "raw" => runtime.block_on(work.run::<Raw<true>>()),
                "tokio-openssl" => runtime.block_on(work.run::<TokioOpenssl>()),
                _ => Err(unknown(peer)),
            }
        }
        _ => Err(unknown(&words.join(" "))),
    }
}

fn unknown(word: &str) -> Trouble {
    Trouble::new(format!("there is no work {word:?}"))
}

fn named(case: &str) -> Result<Case> {
    Case::named(case).ok_or_else(|| unknown(case))
}

fn handshakes<P: Over<Wire>>(case: &Case) -> Result<()> {
    let pair = Pair::<P, P>::new(case)?;
    // Pools and tables are filled by the first.
    pair.handshakes(&mut Sides::new(Meter::Off), 2)?;
    looked_at(|| pair.handshakes(&mut Sides::new(Meter::Off), HANDSHAKES))
}

fn records<P: Over<Wire>>(size: usize) -> Result<()> {
    let pair = Pair::<P, P>::new(&RECORDS)?;
    let (mut client, mut server) = pair.shake(&mut Sides::new(Meter::Off))?;
    let (bytes, mut space) = (vec![0x5a; size], vec![0; 64 * 1024]);
    move_bytes(&mut client, &mut server, &bytes, &mut space)?;
    let writes = RECORDS_COUNTED * 16 * 1024 / size.max(16 * 1024);
    looked_at(|| (0..writes).try_for_each(|_| move_bytes(&mut client, &mut server, &bytes, &mut space)))
}

/// Allocations of each side's handshakes, of a round trip, and bytes of an idle pair.
fn allocations<P: Over<Wire>>() -> Result<()> {
    for case in CASES {
        let pair = Pair::<P, P>::new(&case)?;
        pair.handshakes(&mut Sides::new(Meter::Off), 2)?;
        let mut sides = Sides::new(Meter::Allocations);
        pair.handshakes(&mut sides, HANDSHAKES)?;
        for (side, cost) in [("client", sides.client), ("server", sides.server)] {
            println!("{}/{side}\t{}", case.name, cost.allocations as f64 / HANDSHAKES as f64);
        }
    }

    let pair = Pair::<P, P>::new(&RECORDS)?;
    let (mut client, mut server) = pair.shake(&mut Sides::new(Meter::Off))?;
    let (message, mut space) = ([0x5a; 64], vec![0; 64]);
    let mut trip = || {
        move_bytes(&mut client, &mut server, &message, &mut space)?;
        move_bytes(&mut server, &mut client, &message, &mut space)
    };
    trip()?;
    let before = count::heap().allocations;
    (0..COUNTED).try_for_each(|_| trip())?;
    println!("round-trip\t{}", (count::heap().allocations - before) as f64 / COUNTED as f64);
    println!("idle\t{}", idle::<P>()? / 1024.0);
    Ok(())
}

/// Bytes of a pair of connections that have nothing to do, after 1 KiB each way.
fn idle<P: Over<Wire>>() -> Result<f64> {
    let (client, server) = (P::client(&RECORDS)?, P::server(&RECORDS)?);
    let wires: Vec<_> = (0..=COUNTED).map(|_| Wire::pair()).collect();
    let (message, mut space) = ([0x5a; 1024], vec![0; 1024]);
    let mut open = Vec::with_capacity(wires.len());
    let mut before = 0;
    for (number, (near, far)) in wires.iter().enumerate() {
        if number == 1 {
            // The first has filled pools and tables.
            before = count::heap().live;
        }
        let (mut one, mut other) = Sides::new(Meter::Off)
            .join(P::connect(&client, near.again()), P::accept(&server, far.again()))?;
        move_bytes(&mut one, &mut other, &message, &mut space)?;
        move_bytes(&mut other, &mut one, &message, &mut space)?;
        // Idle is who waits for something to read.
        poll_nothing(&mut one)?;
        poll_nothing(&mut other)?;
        open.push((one, other));
    }
    let live = count::heap().live - before;
    drop(open);
    Ok(live as f64 / COUNTED as f64)
}

/// What client contexts cost: CPU milliseconds, allocations and KiB that stay.
fn contexts() -> Result<()> {
    let build = |trust: &dyn Fn() -> Result<TrustStore>| -> Result<ClientConfig> {
        Ok(ClientConfig::builder().trust(trust()?).build()?)
    };
    let empty = || Ok(TrustStore::empty());
    let system = || Ok(TrustStore::system()?);
    let mozilla = || Ok(TrustStore::mozilla());
    let kinds: [(&str, &dyn Fn() -> Result<TrustStore>); 3] =
        [("none", &empty), ("system", &system), ("mozilla", &mozilla)];
    // libssl loads itself with the first context of all.
    let _first = build(&empty)?;
    for (kind, trust) in kinds {
        for (place, count) in [("first", 1), ("later", COUNTED)] {
            let (heap, cpu) = (count::heap(), count::cpu_time());
            let built = (0..count).map(|_| build(trust)).collect::<Result<Vec<_>>>()?;
            let (cpu, after) = (count::cpu_time() - cpu, count::heap());
            let each = |total: f64| total / count as f64;
            println!("{kind}/{place}/ms\t{}", each(cpu.as_secs_f64() * 1000.0));
            println!("{kind}/{place}/allocations\t{}", each((after.allocations - heap.allocations) as f64));
            println!("{kind}/{place}/kib\t{}", each((after.live - heap.live) as f64 / 1024.0));
            if place == "first" {
                // The store is shared for as long as somebody has it.
                std::mem::forget(built);
            }
        }
    }
    Ok(())
}

/// Work over TCP, for strace and perf.
enum OverTcp {
    /// Bytes one way, in writes of this size.
    Writes(usize),
    /// So many round trips.
    Trips(usize),
}

impl OverTcp {
    async fn run<P: Over<TcpStream>>(self) -> Result<()> {
        let (mut client, mut server) = Meeting::<P>::new(&RECORDS).await?.connect(plain).await?;
        match self {
            OverTcp::Writes(size) => bulk(client, server, Writes::Plain(size), (4 * MEBIBYTES) << 20).await,
            OverTcp::Trips(count) => ping_pong(&mut client, &mut server, 64, count).await,
        }
    }
}

/// System calls: of a client's handshakes, and for each MiB in writes of two sizes.
async fn calls<P: Over<Counted>>() -> Result<()> {
    for name in ["1.3-ecdsa", "1.2-ecdsa"] {
        let case = named(name)?;
        let meeting = Meeting::<P>::new(&case).await?;
        let (client, server) = (Calls::default(), Calls::default());
        let _streams =
            meeting.connect(|io, near| Counted::new(io, if near { &client } else { &server })).await?;
        println!("{name}/client/reads\t{}", client.reads.get());
        println!("{name}/client/writes\t{}", client.writes.get());
    }
    for size in [16, 64, 256] {
        let meeting = Meeting::<P>::new(&RECORDS).await?;
        let (from, to) = (Calls::default(), Calls::default());
        let (client, server) =
            meeting.connect(|io, near| Counted::new(io, if near { &from } else { &to })).await?;
        let (sends, receives) = (from.writes.get(), to.reads.get());
        bulk(client, server, Writes::Plain(size << 10), MEBIBYTES << 20).await?;
        println!("{size}k/sends\t{}", (from.writes.get() - sends) as f64 / MEBIBYTES as f64);
        println!("{size}k/receives\t{}", (to.reads.get() - receives) as f64 / MEBIBYTES as f64);
    }
    Ok(())
}
