//! The known word that is most like an unknown one.

use crate::library::Library;
use crate::vocabulary::ALIASES;

/// The nearest word that this libssl knows, when one is near.
pub(crate) fn nearest(word: &str, library: &Library) -> Option<&'static str> {
    let known = |name: &&'static str| library.lookup(name).is_some();
    let aliases = ALIASES.iter().map(|alias| alias.name).filter(known);
    let generation = library.generation();
    let names =
        library.suites().filter(|suite| !suite.is_tls13()).map(|suite| suite.openssl_name_in(generation));
    let standard = library
        .suites()
        .filter_map(|suite| crate::vocabulary::libssl_standard_name(suite, generation))
        .filter(|_| word.contains('_'));
    pick(word, aliases.chain(names).chain(standard))
}

/// The candidate with the fewest changes, the first of equals; none where a third of the word would change.
pub(crate) fn pick(word: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let limit = (word.len() / 3).clamp(1, 4);
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (distance(word.as_bytes(), candidate.to_ascii_lowercase().as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements between two words (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
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
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
    }
}
