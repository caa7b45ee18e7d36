//! The known word that is most like an unknown one.

use crate::library::Library;
use crate::table::SUITES;
use crate::vocabulary::{ALIASES, libssl_standard_name};

/// The nearest word that this libssl knows, when one is near.
pub(crate) fn nearest(word: &str, library: &Library) -> Option<&'static str> {
    let generation = library.generation();
    let suites = || SUITES.iter().filter(|suite| !suite.is_tls13());
    let standard =
        suites().filter(|_| word.contains('_')).filter_map(|suite| libssl_standard_name(suite, generation));
    let candidates = ALIASES
        .iter()
        .map(|alias| alias.name)
        .chain(suites().map(|suite| suite.openssl_name_in(generation)))
        .chain(standard);
    closest(word, candidates, |name| library.lookup(name).is_some())
}

/// The candidate with the fewest changes, the first of equals; none where a third of the word would change.
pub(crate) fn pick(word: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    closest(word, candidates, |_| true)
}

fn closest(
    word: &str,
    candidates: impl Iterator<Item = &'static str>,
    counts: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let mut row = Vec::with_capacity(64);
    let mut best = None;
    // Each candidate must beat the best so far, so that most are given up after a few letters.
    let mut limit = (word.len() / 3).clamp(1, 4);
    for candidate in candidates {
        let found = distance(word.as_bytes(), candidate.as_bytes(), limit, &mut row);
        if let Some(found) = found.filter(|_| counts(candidate)) {
            best = Some(candidate);
            if found == 0 {
                break;
            }
            limit = found - 1;
        }
    }
    best
}

/// Insertions, deletions and replacements between two words (Levenshtein), if there are no more than `limit`; upper and
/// lower case are alike.
fn distance(a: &[u8], b: &[u8], limit: usize, row: &mut Vec<usize>) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    row.clear();
    row.extend(0..=b.len());
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut least = row[0];
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
            least = least.min(row[j + 1]);
        }
        if least > limit {
            return None;
        }
    }
    Some(row[b.len()]).filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generation;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let library = Library::complete(Generation::V3_5);
        assert_eq!(nearest("HIHG", &library), None, "two changes in four letters are too many");
        assert_eq!(nearest("HIG", &library), Some("HIGH"));
        assert_eq!(nearest("AESGMC", &library), Some("AESGCM"));
        assert_eq!(nearest("high", &library), Some("HIGH"));
        assert_eq!(nearest("ECDHE-RSA-AES128-GCM-SHA265", &library), Some("ECDHE-RSA-AES128-GCM-SHA256"));
        assert_eq!(nearest("", &library), None);
    }

    #[test]
    fn distance_counts_single_changes() {
        let distance =
            |a: &str, b: &str, limit| super::distance(a.as_bytes(), b.as_bytes(), limit, &mut Vec::new());
        assert_eq!(distance("kitten", "sitting", 4), Some(3));
        assert_eq!(distance("kitten", "SITTING", 3), Some(3));
        assert_eq!(distance("kitten", "sitting", 2), None);
        assert_eq!(distance("", "abc", 3), Some(3));
    }
}
