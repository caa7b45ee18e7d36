//! What two lists of suites have in common and what not.

use std::fmt;

use crate::suite::Suite;

/// The difference between two lists of suites.
///
/// ```
/// use patina_ciphers::{Diff, Generation, Library};
///
/// let library = Library::upstream(Generation::V3_0);
/// let (old, new) = (library.evaluate("kRSA+AESGCM")?, library.evaluate("AES128-GCM-SHA256:AES256-SHA")?);
/// let diff = Diff::between(old.suites(), new.suites());
/// assert_eq!(diff.to_string(), "- AES256-GCM-SHA384\n+ AES256-SHA\n");
/// # Ok::<(), patina_ciphers::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    removed: Vec<&'static Suite>,
    added: Vec<&'static Suite>,
    moved: Vec<Move>,
}

/// A suite that both lists have, and that another order put elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    suite: &'static Suite,
    from: usize,
    to: usize,
}

impl Move {
    /// The suite.
    #[must_use]
    pub fn suite(&self) -> &'static Suite {
        self.suite
    }

    /// Its place in the old list, from 0.
    #[must_use]
    pub fn from(&self) -> usize {
        self.from
    }

    /// Its place in the new list, from 0.
    #[must_use]
    pub fn to(&self) -> usize {
        self.to
    }
}

impl Diff {
    /// Compares an old list with a new one.
    #[must_use]
    pub fn between(old: &[&'static Suite], new: &[&'static Suite]) -> Self {
        let place = |list: &[&'static Suite], suite: &Suite| list.iter().position(|other| *other == suite);
        let lacks = |list: &[&'static Suite], suite: &Suite| place(list, suite).is_none();
        let removed = old.iter().copied().filter(|suite| lacks(new, suite)).collect();
        let added = new.iter().copied().filter(|suite| lacks(old, suite)).collect();
        let common: Vec<Move> = old
            .iter()
            .enumerate()
            .filter_map(|(from, suite)| place(new, suite).map(|to| Move { suite, from, to }))
            .collect();
        let stay = longest_rising(&common.iter().map(|both| both.to).collect::<Vec<_>>());
        let moved = common
            .iter()
            .enumerate()
            .filter(|(index, _)| !stay.contains(index))
            .map(|(_, both)| *both)
            .collect();
        Self { removed, added, moved }
    }

    /// Whether the lists are the same, order included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.moved.is_empty()
    }

    /// The suites that only the old list has, in its order.
    #[must_use]
    pub fn removed(&self) -> &[&'static Suite] {
        &self.removed
    }

    /// The suites that only the new list has, in its order.
    #[must_use]
    pub fn added(&self) -> &[&'static Suite] {
        &self.added
    }

    /// The fewest suites that must move to turn the old order into the new one.
    #[must_use]
    pub fn moved(&self) -> &[Move] {
        &self.moved
    }
}

/// One suite a line: `-` and `+` with its name, `~` with its name and its places, counted from 1.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.removed.iter().try_for_each(|suite| writeln!(f, "- {suite}"))?;
        self.added.iter().try_for_each(|suite| writeln!(f, "+ {suite}"))?;
        self.moved.iter().try_for_each(|it| writeln!(f, "~ {} {} -> {}", it.suite, it.from + 1, it.to + 1))
    }
}

/// The indices of a longest rising part of a sequence.
fn longest_rising(values: &[usize]) -> Vec<usize> {
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let before = (0..index).filter(|other| values[*other] < *value).max_by_key(|other| best[*other].0);
        best.push((before.map_or(1, |other| best[other].0 + 1), before));
    }
    let mut at = (0..values.len()).max_by_key(|index| best[*index].0);
    let mut result = Vec::new();
    while let Some(index) = at {
        result.push(index);
        at = best[index].1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<&'static Suite> {
        names.iter().map(|name| crate::by_name(name).unwrap()).collect()
    }

    #[test]
    fn one_suite_that_went_to_the_front_is_one_move() {
        let old = list(&["AES128-SHA", "AES256-SHA", "SEED-SHA", "RC4-SHA"]);
        let new = list(&["RC4-SHA", "AES128-SHA", "AES256-SHA", "SEED-SHA"]);
        let diff = Diff::between(&old, &new);
        assert_eq!(diff.to_string(), "~ RC4-SHA 4 -> 1\n");
    }

    #[test]
    fn equal_lists_do_not_differ() {
        let both = list(&["AES128-SHA", "AES256-SHA"]);
        assert!(Diff::between(&both, &both).is_empty());
    }
}
