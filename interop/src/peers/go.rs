//! Go's `crypto/tls`, driven by `peer.go`.

use std::process::Command;

use patina_tls::ProtocolVersion;

use super::script::{Script, scripted};
use super::suites;
use crate::case::{Case, Exchange, Setup, Side};
use crate::peer::{Errors, Peer};
use crate::seen::Fact;

static SCRIPT: Script = Script::new("go", || {
    // In the mode without modules nothing is looked for elsewhere. The compiler keeps what it has compiled.
    let mut command = Command::new("go");
    command.arg("run").arg(Script::source("peer.go")).env("GO111MODULE", "off").env("GOFLAGS", "");
    Ok(command)
});

/// Go.
#[derive(Debug, Clone, Copy)]
pub struct Go;

impl Peer for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn title(&self) -> &'static str {
        "Go `crypto/tls`"
    }

    scripted!(SCRIPT);

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        use Fact as F;
        let mut facts =
            vec![F::Version, F::StandardName, F::Alpn, F::Reused, F::Received, F::PeerCertificate];
        facts.push(if side == Side::Server { F::ServerName } else { F::Staple });
        if case.version() >= ProtocolVersion::TLSv1_3 && case.exchange.renegotiations() == 0 {
            facts.extend([F::Exporter, F::ExporterWithContext]);
        }
        facts
    }

    fn errors(&self) -> Errors {
        Errors::OwnWords
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        let setup = case.setup(side);
        if setup.versions.1 == ProtocolVersion::SSLv3 {
            return Some("it has no SSLv3".into());
        }
        if setup.legacy || setup.options.is_some() {
            return Some("it has no such options".into());
        }
        match case.exchange {
            Exchange::UpdateKeys(by) if by == side => return Some("it has no way to change keys".into()),
            Exchange::Authenticate => {
                return Some("it has no authentication after the handshake".into());
            }
            Exchange::Renegotiate(by, _) if by == side => return Some("it has no way to renegotiate".into()),
            Exchange::Renegotiate(..) if side == Side::Server => {
                return Some("a server never goes along with a client's renegotiation".into());
            }
            _ => {}
        }
        if side == Side::Client && !setup.asks_staple && case.server.staple.is_some() {
            return Some("it asks everybody for a staple".into());
        }
        if !setup.npn.is_empty() {
            return Some("it has given up NPN".into());
        }
        if setup.psk.is_some() {
            return Some("it has no pre-shared keys".into());
        }
        if setup.suites.is_some() {
            return Some("it lets nobody choose suites of TLS 1.3".into());
        }
        if setup.sigalgs.is_some() {
            return Some("it lets nobody choose signature algorithms".into());
        }
        if side == Side::Server && setup.identities.is_empty() {
            return Some("a server needs a certificate".into());
        }
        if side == Side::Server && !setup.chain {
            return Some("it sends the certificates it was given".into());
        }
        if case.exchange == Exchange::Resume && !setup.tickets {
            return Some("it resumes by tickets alone".into());
        }
        lacks_group(setup).or_else(|| lacks_suite(setup)).or_else(|| lacks_certificate(case))
    }
}

fn lacks_group(setup: &Setup) -> Option<String> {
    let groups = setup.groups.as_deref().unwrap_or_default();
    let unknown =
        groups.split(':').find(|name| !matches!(*name, "" | "P-256" | "P-384" | "P-521" | "X25519"))?;
    Some(format!("it has no {unknown}"))
}

fn lacks_suite(setup: &Setup) -> Option<String> {
    let names = suites::iana_names(setup.ciphers.as_deref()?)?;
    names.into_iter().find_map(|name| {
        let [exchange, encryption, _] = suites::parts(name)?;
        let is_known = matches!(exchange, "RSA" | "ECDHE_RSA" | "ECDHE_ECDSA");
        if let Some(unknown) =
            ["CAMELLIA", "SEED", "IDEA", "NULL"].iter().find(|name| encryption.contains(**name))
        {
            Some(format!("it has no {unknown}"))
        } else if name.ends_with("MD5") {
            Some("it has no MD5".into())
        } else {
            (!is_known).then(|| format!("it has no {exchange}"))
        }
    })
}

fn lacks_certificate(case: &Case) -> Option<String> {
    let names = [&case.client, &case.server].map(|setup| &setup.identities).into_iter().flatten();
    let is_pss = names.into_iter().any(|name| name.ends_with("-pss"));
    is_pss.then(|| "it has no certificates of RSA-PSS keys".into())
}
