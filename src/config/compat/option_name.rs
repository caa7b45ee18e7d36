//! The names of Node's options.

/// What becomes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is part of the configuration, or of a connection's target.
    Applied,
    /// It is about the socket or the listener, which the caller makes.
    Socket,
    /// It is a function or an object in Node: JSON cannot hold it.
    Hook(&'static str),
}

const SOCKET: &[&str] = &[
    "allowHalfOpen",
    "autoSelectFamily",
    "autoSelectFamilyAttemptTimeout",
    "backlog",
    "exclusive",
    "family",
    "fd",
    "hints",
    "highWaterMark",
    "host",
    "ipv6Only",
    "keepAlive",
    "keepAliveInitialDelay",
    "localAddress",
    "localPort",
    "noDelay",
    "path",
    "pauseOnConnect",
    "port",
    "readableAll",
    "timeout",
    "writableAll",
];

const APPLIED: &[&str] = &[
    "ALPNProtocols",
    "allowPartialTrustChain",
    "ca",
    "cert",
    "ciphers",
    "clientCertEngine",
    "crl",
    "dhparam",
    "ecdhCurve",
    "enableTrace",
    "handshakeTimeout",
    "honorCipherOrder",
    "key",
    "maxVersion",
    "minDHSize",
    "minVersion",
    "passphrase",
    "pfx",
    "privateKeyEngine",
    "privateKeyIdentifier",
    "pskIdentityHint",
    "rejectUnauthorized",
    "requestCert",
    "requestOCSP",
    "secureOptions",
    "secureProtocol",
    "servername",
    "session",
    "sessionIdContext",
    "sessionTimeout",
    "sigalgs",
    "ticketKeys",
];

const HOOKS: &[(&str, &str)] = &[
    ("ALPNCallback", "ConfigBuilder::config_resolver"),
    ("SNICallback", "ConfigBuilder::config_resolver"),
    ("checkServerIdentity", "ConfigBuilder::identity_check"),
    ("lookup", "a socket that is connected already"),
    ("onread", "the stream itself"),
    ("pskCallback", "ConfigBuilder::psk_source or ConfigBuilder::psk_resolver"),
    ("secureContext", "ClientConfig, made once and cloned"),
    ("signal", "dropping the future"),
    ("socket", "TlsConnector::connect"),
];

/// The name as the tables have it, and its fate.
pub(super) fn find(name: &str) -> Option<(&'static str, Fate)> {
    let applied = APPLIED.iter().map(|known| (*known, Fate::Applied));
    let socket = SOCKET.iter().map(|known| (*known, Fate::Socket));
    let hooks = HOOKS.iter().map(|(known, instead)| (*known, Fate::Hook(instead)));
    applied.chain(socket).chain(hooks).find(|(known, _)| *known == name)
}

/// The name that an unknown one was probably meant to be.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let all = APPLIED.iter().chain(SOCKET).copied().chain(HOOKS.iter().map(|(known, _)| *known));
    crate::values::nearest::nearest(name, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_leads_to_the_nearest() {
        assert_eq!(nearest("cipher"), Some("ciphers"));
        assert_eq!(nearest("ALPNprotocol"), Some("ALPNProtocols"));
        assert_eq!(nearest("rejectUnauthorised"), Some("rejectUnauthorized"));
        assert_eq!(nearest("min_version"), Some("minVersion"));
        assert_eq!(nearest("zzzzzzzz"), None);
    }

    #[test]
    fn every_name_is_in_one_table_only() {
        let mut names: Vec<&str> =
            APPLIED.iter().chain(SOCKET).copied().chain(HOOKS.iter().map(|h| h.0)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
