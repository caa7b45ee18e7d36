//! Node's split of one cipher string into its TLS 1.3 part and the rest.

use std::ops::Range;

/// The two lists that libssl takes: one for TLS 1.3, one for everything before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// For `SSL_CTX_set_ciphersuites`; empty when the string names no TLS 1.3 suite.
    pub tls13: String,
    /// For `SSL_CTX_set_cipher_list`.
    pub legacy: String,
    tls13_places: Places,
    legacy_places: Places,
}

/// Where the items of a part begin: in the part, and in the string that was split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Places(Vec<(usize, usize)>);

impl Places {
    fn in_source(&self, span: &Range<usize>) -> Range<usize> {
        let locate = |at: usize| {
            let item = self.0.iter().rev().find(|(part, _)| *part <= at);
            item.map_or(at, |(part, source)| source + (at - part))
        };
        let start = locate(span.start);
        // The end belongs to the item of the last byte, not to the one that follows.
        start..if span.is_empty() { start } else { locate(span.end - 1) + 1 }
    }
}

impl Split {
    /// Two lists that nobody has split.
    pub(crate) fn new(tls13: String, legacy: String) -> Self {
        Self { tls13, legacy, ..Self::default() }
    }

    /// Whether there is nothing in either list, which Node refuses with `ERR_INVALID_ARG_VALUE`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tls13.is_empty() && self.legacy.is_empty()
    }

    /// Where bytes of [`Split::tls13`] stand in the string that was split.
    #[must_use]
    pub fn tls13_in_source(&self, span: &Range<usize>) -> Range<usize> {
        self.tls13_places.in_source(span)
    }

    /// Where bytes of [`Split::legacy`] stand in the string that was split.
    ///
    /// ```
    /// let source = "HIGH:TLS_AES_128_GCM_SHA256::!MD55";
    /// let split = patina_ciphers::split(source);
    /// assert_eq!(split.legacy, "HIGH:!MD55");
    /// assert_eq!(&source[split.legacy_in_source(&(6..10))], "MD55");
    /// ```
    #[must_use]
    pub fn legacy_in_source(&self, span: &Range<usize>) -> Range<usize> {
        self.legacy_places.in_source(span)
    }
}

/// Splits a mixed string as Node does (`lib/internal/tls/secure-context.js`, `processCiphers`).
///
/// The string is cut at `:`, the only separator Node sees. Items that begin with `TLS_` or `!TLS_` go to the TLS 1.3
/// list, all others to the other, empty ones nowhere; the order is kept.
///
/// ```
/// let split = patina_ciphers::split("TLS_AES_128_GCM_SHA256:HIGH::!aNULL:!TLS_AES_256_GCM_SHA384");
/// assert_eq!(split.tls13, "TLS_AES_128_GCM_SHA256:!TLS_AES_256_GCM_SHA384");
/// assert_eq!(split.legacy, "HIGH:!aNULL");
/// ```
#[must_use]
pub fn split(ciphers: &str) -> Split {
    let mut result = Split::default();
    let mut start = 0;
    for item in ciphers.split(':') {
        let from = start;
        start += item.len() + 1;
        if item.is_empty() {
            continue;
        }
        let is_tls13 = item.strip_prefix('!').unwrap_or(item).starts_with("TLS_");
        let (list, places) = if is_tls13 {
            (&mut result.tls13, &mut result.tls13_places)
        } else {
            (&mut result.legacy, &mut result.legacy_places)
        };
        if !list.is_empty() {
            list.push(':');
        }
        places.0.push((list.len(), from));
        list.push_str(item);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::split;

    fn parts(ciphers: &str) -> (String, String) {
        let split = split(ciphers);
        (split.tls13, split.legacy)
    }

    #[test]
    fn only_a_colon_separates() {
        assert_eq!(
            parts("HIGH,TLS_AES_128_GCM_SHA256"),
            (String::new(), "HIGH,TLS_AES_128_GCM_SHA256".into())
        );
    }

    #[test]
    fn bytes_of_a_part_are_found_in_the_whole() {
        let source = ":é:TLS_A::HIGH,x:!TLS_B:y";
        let split = split(source);
        assert_eq!((&*split.tls13, &*split.legacy), ("TLS_A:!TLS_B", "é:HIGH,x:y"));
        let found = |span| &source[split.legacy_in_source(&span)];
        assert_eq!(found(0..2), "é");
        assert_eq!(found(3..7), "HIGH");
        assert_eq!(found(8..9), "x");
        assert_eq!(found(10..11), "y");
        assert_eq!(found(0..11), &source[1..]);
        assert_eq!(split.legacy_in_source(&(7..7)).len(), 0);
        assert_eq!(&source[split.tls13_in_source(&(7..12))], "TLS_B");
    }

    #[test]
    fn empty_items_are_dropped() {
        assert_eq!(parts("::"), (String::new(), String::new()));
        assert!(split("").is_empty());
    }

    #[test]
    fn other_operators_do_not_make_an_item_tls13() {
        assert_eq!(
            parts("-TLS_AES_128_GCM_SHA256:+TLS_X"),
            (String::new(), "-TLS_AES_128_GCM_SHA256:+TLS_X".into())
        );
        assert_eq!(parts("tls_aes_128_gcm_sha256").1, "tls_aes_128_gcm_sha256");
    }
}
