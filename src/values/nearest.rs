//! The known name that an unknown one was probably meant to be.

/// A longer name is nobody's misspelling.
const LONGEST: usize = 64;

/// The candidate with the fewest edits, in any case, if less than half of the letters have to change.
pub(crate) fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let (edits, nearest) = known
        .map(|known| (edit_distance(upper.as_bytes(), known.to_ascii_uppercase().as_bytes()), known))
        .min_by_key(|(edits, _)| *edits)?;
    (edits * 2 < name.len().max(nearest.len())).then_some(nearest)
}

/// Levenshtein's distance, row by row.
fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edit_distance_counts_single_letters() {
        assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
        assert_eq!(edit_distance(b"", b"abc"), 3);
        assert_eq!(edit_distance(b"abc", b"abc"), 0);
    }
}
