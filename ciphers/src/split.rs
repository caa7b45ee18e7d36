//! Node's split of one cipher string into its TLS 1.3 part and the rest.

/// The two lists that libssl takes: one for TLS 1.3, one for everything before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// For `SSL_CTX_set_ciphersuites`; empty when the string names no TLS 1.3 suite.
    pub tls13: String,
    /// For `SSL_CTX_set_cipher_list`.
    pub legacy: String,
}

impl Split {
    /// Whether there is nothing in either list, which Node refuses with `ERR_INVALID_ARG_VALUE`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tls13.is_empty() && self.legacy.is_empty()
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
    for item in ciphers.split(':').filter(|item| !item.is_empty()) {
        let is_tls13 = item.strip_prefix('!').unwrap_or(item).starts_with("TLS_");
        let list = if is_tls13 { &mut result.tls13 } else { &mut result.legacy };
        if !list.is_empty() {
            list.push(':');
        }
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
