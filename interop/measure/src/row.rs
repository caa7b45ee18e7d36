//! The rows of the table.

use crate::case::{AGAIN, CASES, CHACHA, Case, RECORDS, Suite};
use crate::peer::Roots;
use crate::socket::Writes;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Handshakes a CPU-second.
    Memory(Case, Part),
    /// The same over TCP, connecting and closing included.
    Socket(Case),
    /// MiB a CPU-second, in writes of this size.
    BulkMemory(Case, usize),
    /// The same over TCP.
    BulkSocket(Case, Writes),
    /// Round trips a CPU-second, of this many bytes, over TCP.
    PingPong(usize),
    /// Client contexts a CPU-second, once the first is there.
    Context(Roots),
    /// Handshakes a second of two threads beside those of one.
    Threads(Case),
    /// Idle pairs of connections over TCP that a MiB has room for.
    Idle,
}

/// Whose time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Both sides'.
    Both,
    /// The client's.
    Client,
    /// The server's.
    Server,
}

impl What {
    /// The fewest repetitions, where the time that they take does not tell whether they are enough.
    pub fn fewest(&self) -> Option<usize> {
        match self {
            What::Threads(_) => Some(100),
            What::Idle => Some(200),
            _ => None,
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it measures.
    pub what: What,
}

/// All rows.
pub fn rows() -> Vec<Row> {
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
    // Full handshakes without a session cache, and with the server's; then sessions that the client keeps by itself.
    for case in [CASES[0], CASES[3], CASES[5], AGAIN[1]] {
        row(format!("threads {}", case.name), What::Threads(case));
    }
    row("idle".to_owned(), What::Idle);
    rows
}
