//! What must come of a case, by peers.

use std::fmt;

use crate::case::Side;
use crate::seen::Fact;

/// A pair of peers, `client>server`; `*` stands for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    client: String,
    server: String,
}

impl Pair {
    /// Reads `client>server`.
    pub fn parse(text: &str) -> Option<Pair> {
        let (client, server) = text.split_once('>')?;
        (!client.is_empty() && !server.is_empty())
            .then(|| Pair { client: client.into(), server: server.into() })
    }

    /// Just these two.
    pub fn new(client: &str, server: &str) -> Pair {
        Pair { client: client.into(), server: server.into() }
    }

    /// Whether these two are meant.
    pub fn matches(&self, client: &str, server: &str) -> bool {
        let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        fits(&self.client, client) && fits(&self.server, server)
    }

    /// How much it says: a pattern of two names beats one with a star.
    fn weight(&self) -> usize {
        self.names().count()
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.client, &self.server].into_iter().map(String::as_str).filter(|name| *name != "*")
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.client, self.server)
    }
}

/// What one side ends with: `ok`, or the code of an error, with a slash and the alert where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The side.
    pub side: Side,
    /// Between whom.
    pub pair: Pair,
    /// `ok`, `CODE` or `CODE/alert`.
    pub outcome: String,
}

/// What a side must end with between these two: the most exact expectation, or `ok`.
pub fn outcome<'a>(expected: &'a [Expectation], side: Side, client: &str, server: &str) -> &'a str {
    let fitting = expected.iter().filter(|e| e.side == side && e.pair.matches(client, server));
    fitting.max_by_key(|e| e.pair.weight()).map_or("ok", |e| e.outcome.as_str())
}

/// A fact that must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedFact {
    /// By one side; `None` for each side that can tell it.
    pub side: Option<Side>,
    /// The fact.
    pub fact: Fact,
    /// Its value.
    pub value: String,
}

/// An exception from the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Except {
    /// What happens with the pair.
    pub kind: ExceptKind,
    /// Between whom.
    pub pair: Pair,
    /// Why.
    pub reason: String,
}

/// What an exception means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceptKind {
    /// The peers cannot do it: it is not run.
    Skip,
    /// It is known to fail; when it does not, that is an error.
    Fails,
}
