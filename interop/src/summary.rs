//! How much of the table there is with each peer, for people.

use std::fmt::Write as _;

use crate::case::{Case, Side};
use crate::cell::Cell;
use crate::expectation::ExceptKind;
use crate::peer::Peer;
use crate::peers;
use crate::peers::patina::Patina;

/// How many cells of one client with one server there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that are run and must be as the table says.
    pub good: usize,
    /// Those that are run and must fail, each with its reason.
    pub fails: usize,
    /// Those that are not run, each with its reason.
    pub skipped: usize,
}

impl Counts {
    /// Counts the cells of these two.
    pub fn of(cases: &[Case], client: &dyn Peer, server: &dyn Peer) -> Counts {
        let mut counts = Counts::default();
        for case in cases {
            *match (Cell { case, client, server }).except().map(|except| except.kind) {
                None => &mut counts.good,
                Some(ExceptKind::Fails) => &mut counts.fails,
                Some(ExceptKind::Skip) => &mut counts.skipped,
            } += 1;
        }
        counts
    }

    /// `112 / 1 / 18`.
    fn words(self) -> String {
        format!("{} / {} / {}", self.good, self.fails, self.skipped)
    }
}

/// A table in Markdown: each peer against this library, as a server and as a client. As long as the tests pass, what it
/// counts is what was seen.
pub fn markdown(cases: &[Case]) -> String {
    let mut text =
        "| Peer | its server, our client | its client, our server |\n| --- | --- | --- |\n".to_owned();
    let mut all = Counts::default();
    for peer in peers::all() {
        let counts = |side: Side| {
            peer.sides().contains(&side).then(|| match side {
                Side::Server => Counts::of(cases, &Patina, peer),
                Side::Client => Counts::of(cases, peer, &Patina),
            })
        };
        let is_ours = peer.name() == Patina.name();
        let (server, client) = (counts(Side::Server), counts(Side::Client).filter(|_| !is_ours));
        for counts in [server, client].into_iter().flatten() {
            all.good += counts.good;
            all.fails += counts.fails;
            all.skipped += counts.skipped;
        }
        let [server, client] =
            [server, client].map(|counts| counts.map_or_else(|| "–".into(), Counts::words));
        let _ = writeln!(text, "| {} | {server} | {client} |", peer.title());
    }
    let run = all.good + all.fails;
    let _ = writeln!(
        text,
        "\n{} cases, {} cells with this library on one side or both: {run} are run, of which {} end as they should and {} \
         are known to fail; {} are skipped.",
        cases.len(),
        run + all.skipped,
        all.good,
        all.fails,
        all.skipped,
    );
    text
}
