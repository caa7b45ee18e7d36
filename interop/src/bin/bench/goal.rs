//! What the ratios are to be.

use openssl::version;

use super::rounds::{Contestant, Measured};

/// On which libssl a goal is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Any,
    /// 3.0 to 3.4.
    Slow,
    /// 3.5 and newer.
    Fast,
}

impl On {
    fn applies(self) -> bool {
        match self {
            On::Any => true,
            On::Slow => version::number() < 0x3050_0000,
            On::Fast => version::number() >= 0x3050_0000,
        }
    }
}

/// Rows (by the beginning of their name), beside whom, at least how much.
const GOALS: &[(&[&str], &str, f64, On)] = &[
    (&["handshake 1.2", "handshake 1.3"], "libssl", 0.98, On::Any),
    (&["handshake 1.2", "handshake 1.3"], "tokio-openssl", 1.0, On::Any),
    (&["handshake 1.3-again"], "tokio-openssl", 1.8, On::Any),
    (&["handshake 1.2-again"], "tokio-openssl", 8.0, On::Any),
    (&["handshake 1.2-rsa server", "handshake 1.3-rsa server"], "rustls/ring", 1.5, On::Any),
    (&["handshake 1.2-rsa server", "handshake 1.3-rsa server"], "rustls/aws-lc", 0.73, On::Any),
    (&["handshake 1.2-rsa server", "handshake 1.3-rsa server"], "tokio-boring", 1.5, On::Any),
    (&["handshake tcp"], "node", 1.9, On::Any),
    (&["bulk tcp aes128 64k", "bulk tcp aes128 256k"], "tokio-openssl", 1.12, On::Any),
    (&["bulk tcp aes128 64k", "bulk tcp aes128 256k"], "libssl", 0.95, On::Any),
    (&["bulk tcp aes128 64k", "bulk tcp aes128 256k"], "rustls/aws-lc", 0.93, On::Slow),
    (&["bulk tcp aes128 64k", "bulk tcp aes128 256k"], "rustls/aws-lc", 1.2, On::Fast),
    (&["bulk tcp aes128 64k", "bulk tcp aes128 256k"], "tokio-boring", 1.1, On::Fast),
    (&["bulk tcp aes128 64k", "bulk tcp aes128 256k"], "s2n-tls", 1.1, On::Fast),
    (&["bulk tcp chacha20", "bulk memory chacha20"], "rustls/aws-lc", 1.2, On::Any),
    (&["bulk memory chacha20 64k", "bulk memory chacha20 256k"], "rustls/aws-lc", 1.6, On::Any),
    (&["bulk memory aes128"], "tokio-openssl", 0.97, On::Any),
    (&["small tcp 1k buffered", "small tcp 1k vectored"], "tokio-openssl", 6.0, On::Any),
    (&["small tcp 1k buffered", "small tcp 1k vectored"], "rustls/aws-lc", 4.0, On::Any),
    (&["small tcp 1k buffered"], "node", 1.5, On::Any),
    (&["small tcp 1k"], "tokio-openssl", 1.0, On::Any),
    // CPU of at most 1.05, 0.87 and 1.13 times theirs.
    (&["ping-pong 64"], "libssl", 1.0 / 1.05, On::Any),
    (&["ping-pong 64"], "tokio-openssl", 1.0 / 0.87, On::Any),
    (&["ping-pong 64"], "rustls/aws-lc", 1.0 / 1.13, On::Any),
    (&["context system"], "tokio-openssl", 100.0, On::Slow),
    // 0.2 ms: no implementation is called so, and the figure itself counts.
    (&["context system"], "", 5000.0, On::Any),
    (&["context mozilla"], "", 5000.0, On::Any),
    (&["context none"], "libssl", 0.95, On::Any),
    // Node keeps its roots, as we do; time of at most 1.2 times its.
    (&["context mozilla"], "node", 1.0 / 1.2, On::Any),
    // Memory of at most 0.2 KiB of 31 more, and 0.3 times theirs.
    (&["idle"], "tokio-openssl", 31.0 / 31.2, On::Any),
    (&["idle"], "s2n-tls", 1.0 / 0.3, On::Slow),
    (&["idle"], "node", 1.0 / 0.3, On::Slow),
    // Of two threads beside one.
    (&["threads"], "", 1.9, On::Any),
];

/// A goal and what came of it.
pub(crate) struct Goal {
    row: String,
    versus: &'static str,
    least: f64,
    value: f64,
}

impl Goal {
    pub(crate) fn holds(&self) -> bool {
        self.value >= self.least
    }

    pub(crate) fn print(&self) {
        let verdict = if self.holds() { "ok" } else { "MISSED" };
        let beside = if self.versus.is_empty() { "alone" } else { self.versus };
        println!("{:<30} {beside:<14} at least {:>8.2}: {:>9.2} {verdict}", self.row, self.least, self.value);
    }
}

/// The goals that bear on the rows that were measured.
pub(crate) fn judge(contestants: &[Contestant], measured: &[Measured]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for &(names, versus, least, on) in GOALS {
        // One side alone is measured with a clock that costs more than some differences: it is a goal only where it is named.
        let is_side = |name: &str| name.ends_with(" client") || name.ends_with(" server");
        let is_meant =
            |row: &Measured, name: &str| row.name.starts_with(name) && is_side(&row.name) == is_side(name);
        let rows = measured.iter().filter(|row| names.iter().any(|name| is_meant(row, name)));
        for row in rows.filter(|_| on.applies()) {
            let value = match versus {
                "" => row.figure(0),
                _ => contestants.iter().position(|who| who.name == versus).and_then(|who| row.ratio(who)),
            };
            if let Some(value) = value {
                goals.push(Goal { row: row.name.clone(), versus, least, value });
            }
        }
    }
    goals
}
