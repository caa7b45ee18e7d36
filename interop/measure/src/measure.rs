//! A row of one implementation.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::case::{Case, RECORDS};
use crate::count;
use crate::memory::{Meter, Pair, Sides, move_bytes, poll_nothing};
use crate::peer::{Over, Peer};
use crate::row::{Part, What};
use crate::runtime;
use crate::socket::{Meeting, Writes, bulk, ping_pong, plain};
use crate::trouble::{Result, Trouble};
use crate::wire::Wire;

/// Units of work, and the CPU time that they took. Where something else is measured the time is a second.
pub type Figure = (f64, Duration);

/// An implementation that can do all rows.
pub trait Measured: Peer + Over<Wire> + Over<TcpStream> {}

impl<P: Peer + Over<Wire> + Over<TcpStream>> Measured for P {}

/// Does the work of a row `repeat` times. `None`: the implementation has no such thing.
///
/// # Errors
/// When a connection fails.
pub fn measure<P: Measured>(runtime: &Runtime, what: &What, repeat: usize) -> Result<Option<Figure>> {
    let _entered = runtime.enter();
    let timed = |units: f64, work: &mut dyn FnMut() -> Result<()>| {
        let begin = count::cpu_time();
        work()?;
        Ok(Some((units, count::cpu_time() - begin)))
    };
    match *what {
        What::Memory(case, _)
        | What::Socket(case)
        | What::BulkMemory(case, _)
        | What::BulkSocket(case, _)
        | What::Threads(case)
            if !P::can(&case) =>
        {
            Ok(None)
        }
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
            <P as Over<Wire>>::over_memory(&mut client);
            <P as Over<Wire>>::over_memory(&mut server);
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
            if !P::make_context(roots)? {
                return Ok(None);
            }
            timed(repeat as f64, &mut || (0..repeat).try_for_each(|_| P::make_context(roots).map(drop)))
        }
        What::Threads(case) => threads::<P>(&case, repeat).map(Some),
        What::Idle => runtime.block_on(idle::<P>(repeat)).map(Some),
    }
}

/// How many times the handshakes of one thread two make in the same time: the wires are each thread's own, and the
/// contexts are shared.
fn threads<P: Over<Wire>>(case: &Case, repeat: usize) -> Result<Figure> {
    let (client, server) = (P::client(case)?, P::server(case)?);
    let (client, server) = (&client, &server);
    let work = |ready: &Barrier| -> Result<(Instant, Instant)> {
        let runtime = runtime::new();
        ready.wait();
        let (runtime, begin) = (runtime?, Instant::now());
        let _entered = runtime.enter();
        let (near, far) = Wire::pair();
        for _ in 0..repeat {
            let mut sides = Sides::new(Meter::Off);
            sides.join(P::connect(client, near.again()), P::accept(server, far.again()))?;
            near.clear();
        }
        Ok((begin, Instant::now()))
    };
    let run = |count: usize| -> Result<Duration> {
        let ready = Barrier::new(count);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| work(&ready))).collect();
            let failed = |_| Err(Trouble::new("a thread has panicked"));
            let times = threads.into_iter().map(|thread| thread.join().unwrap_or_else(failed));
            let (begins, ends): (Vec<_>, Vec<_>) = times.collect::<Result<Vec<_>>>()?.into_iter().unzip();
            let span = ends.into_iter().max().zip(begins.into_iter().min());
            Ok(span.map_or(Duration::ZERO, |(end, begin)| end - begin))
        })
    };
    let (one, two) = (run(1)?, run(2)?);
    Ok((2.0 * one.as_secs_f64() / two.as_secs_f64(), Duration::from_secs(1)))
}

/// How many idle pairs a MiB of the C library's memory has room for, each after 1 KiB to and fro.
async fn idle<P: Over<TcpStream>>(repeat: usize) -> Result<Figure> {
    /// Pools and tables are filled by the first.
    const FIRST: usize = 4;
    let meeting = Meeting::<P>::new(&RECORDS).await?;
    let mut open = Vec::with_capacity(FIRST + repeat);
    let mut before = 0;
    for number in 0..FIRST + repeat {
        if number == FIRST {
            before = count::in_use();
        }
        let (mut client, mut server) = meeting.connect(plain).await?;
        ping_pong(&mut client, &mut server, 1024, 1).await?;
        // Idle is who waits for something to read.
        poll_nothing(&mut client)?;
        poll_nothing(&mut server)?;
        open.push((client, server));
    }
    let taken = count::in_use().saturating_sub(before).max(1) as f64;
    drop(open);
    Ok((repeat as f64 * (1 << 20) as f64 / taken, Duration::from_secs(1)))
}
