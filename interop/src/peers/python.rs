//! Python's `ssl` module, driven by `peer.py`.

use std::process::Command;

use patina_tls::ProtocolVersion;

use super::script::{Script, scripted};
use super::suites;
use crate::case::{Case, Exchange, Side, Step, Verify};
use crate::peer::{Errors, Peer};
use crate::seen::Fact;

static SCRIPT: Script = Script::new("python", || {
    let mut command = Command::new("python3");
    // The system's configuration could set versions and levels.
    command.arg("-I").arg("-Wignore").arg(Script::source("peer.py")).env("OPENSSL_CONF", "/dev/null");
    Ok(command)
});

/// Python.
#[derive(Debug, Clone, Copy)]
pub struct Python;

impl Peer for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn title(&self) -> &'static str {
        "Python `ssl`"
    }

    scripted!(SCRIPT);

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        use Fact as F;
        let mut facts = vec![F::Version, F::Cipher, F::CipherVersion, F::Alpn, F::Received, F::Reused];
        facts.extend(
            (side == Side::Server && case.exchange == Exchange::Authenticate).then_some(F::Authorized),
        );
        if case.exchange != Exchange::Resume {
            facts.push(F::PeerCertificate);
            facts.extend((side == Side::Server).then_some(F::ServerName));
            if case.version() < ProtocolVersion::TLSv1_3 && case.exchange.renegotiations() == 0 {
                facts.push(if side == Side::Client { F::Finished } else { F::PeerFinished });
            }
        }
        if !case.steps(side, 0).contains(&Step::Cut) {
            facts.push(F::End);
        }
        facts
    }

    fn errors(&self) -> Errors {
        Errors::LibsslCodes
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        let setup = case.setup(side);
        let steps = case.exchange.steps(side);
        let at = |step| steps.iter().position(|s| *s == step);
        let why = if setup.legacy {
            "libssl always knows of secure renegotiation"
        } else if steps.contains(&Step::Renegotiate) {
            "it has no way to renegotiate"
        } else if case.client.asks_staple {
            "it knows nothing of staples"
        } else if !setup.npn.is_empty() {
            "NPN went with Python 3.10"
        } else if case.exchange == Exchange::UpdateKeys(side) {
            "it has no way to change keys"
        } else if suites::needs(setup, &["RC4", "3DES", "SEED", "IDEA"]) {
            "its libssl has no such suites"
        } else if setup.options.is_some() {
            "options of libssl are set in other tests"
        } else if setup.versions.1 == ProtocolVersion::SSLv3 {
            "the module has no SSLv3"
        } else if at(Step::Close)
            .is_some_and(|close| at(Step::Receive).is_some_and(|receive| receive > close))
        {
            "it closes both directions at once"
        } else if setup.suites.is_some() {
            "it cannot choose suites of TLS 1.3"
        } else if setup.sigalgs.is_some() {
            "it cannot choose signature algorithms"
        } else if setup.groups.as_ref().is_some_and(|list| !matches!(&list[..], "P-256" | "P-384" | "P-521"))
        {
            "it takes one group alone, and NIST's only"
        } else if setup.psk.is_some() {
            "pre-shared keys came with Python 3.13"
        } else if side == Side::Server && setup.dh.as_deref() == Some("auto") {
            "it has no parameters of its own"
        } else if side == Side::Server && setup.verify == Verify::Report && !case.client.identities.is_empty()
        {
            "a certificate that it asks for must be good"
        } else if setup.names.iter().any(|(pattern, _)| pattern.contains('*')) {
            "it has no patterns for names"
        } else {
            return None;
        };
        Some(why.into())
    }
}
