//! Java's JSSE, driven by `Peer.java`.

use std::process::Command;

use super::script::{Script, scripted};
use super::suites;
use crate::case::{Case, Exchange, Setup, Side, Step};
use crate::peer::{Errors, Peer};
use crate::seen::Fact;

static SCRIPT: Script = Script::new("java", || {
    let mut command = Command::new("java");
    // It lives for seconds: the better compiler would only take time from the tests.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]);
    // By itself it takes the end of the TCP connection for a good one.
    command.arg("-Dcom.sun.net.ssl.requireCloseNotify=true").arg(Script::source("Peer.java"));
    command.env_remove("JAVA_TOOL_OPTIONS").env_remove("_JAVA_OPTIONS");
    Ok(command)
});

/// Java.
#[derive(Debug, Clone, Copy)]
pub struct Java;

impl Peer for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    fn title(&self) -> &'static str {
        "Java (JSSE)"
    }

    scripted!(SCRIPT);

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        use Fact as F;
        let mut facts =
            vec![F::Version, F::StandardName, F::Alpn, F::Received, F::PeerCertificate, F::OwnCertificate];
        facts.push(if side == Side::Server { F::ServerName } else { F::Staple });
        facts.extend((!case.steps(side, 0).contains(&Step::Cut)).then_some(F::End));
        facts
    }

    fn errors(&self) -> Errors {
        Errors::OwnWords
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        let setup = case.setup(side);
        let parameters = (side == Side::Server).then_some(setup.dh.as_deref()).flatten();
        let why = if setup.legacy || setup.options.is_some() {
            "such options are set for all connections together"
        } else if side == Side::Server && setup.staple.is_some() {
            "whom it asks for staples is set for all connections together"
        } else if side == Side::Client && !setup.asks_staple && case.server.staple.is_some() {
            "it asks everybody for a staple"
        } else if !setup.npn.is_empty() {
            "it never had NPN"
        } else if case.exchange == Exchange::UpdateKeys(side) {
            "it changes keys by itself, after an amount that is set for all connections together"
        } else if case.exchange == Exchange::Authenticate {
            "it has no authentication after the handshake"
        } else if setup.psk.is_some() {
            "it has no pre-shared keys"
        } else if setup.groups.is_some() {
            "groups can be chosen from Java 20 on"
        } else if setup.sigalgs.is_some() {
            "signature algorithms can be chosen from Java 19 on"
        } else if side == Side::Server && !setup.chain {
            "it sends the certificates it was given"
        } else if !matches!(parameters, None | Some("auto" | "dh2048")) {
            "it chooses the parameters itself"
        } else if setup.ciphers.as_ref().is_some_and(|list| list.contains("@SECLEVEL=2")) {
            "how small a key may be is set for all connections together"
        } else {
            return lacks_suite(setup);
        };
        Some(why.into())
    }
}

fn lacks_suite(setup: &Setup) -> Option<String> {
    let lists = [&setup.suites, &setup.ciphers].into_iter().flatten();
    let mut names = lists.filter_map(|list| suites::iana_names(list)).flatten();
    let unknown =
        names.find(|name| ["CAMELLIA", "_CCM", "SEED", "IDEA"].iter().any(|word| name.contains(word)))?;
    Some(format!("it has no {unknown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_it_lacks_is_named() {
        let mut setup = Setup::new(Side::Client);
        assert_eq!(lacks_suite(&setup), None);
        setup.suites = Some("TLS_AES_128_CCM_SHA256".into());
        assert_eq!(lacks_suite(&setup).as_deref(), Some("it has no TLS_AES_128_CCM_SHA256"));
    }
}
