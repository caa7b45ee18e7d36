//! The words of `s_server` and `s_client`, and what the program lacks.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::sync::OnceLock;

use patina_tls::ProtocolVersion;
use tokio::process::Command;

use super::suites;
use crate::case::{Case, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Verify};
use crate::fixture::{self, Identity, Scratch};
use crate::staple;
use crate::trouble::{Result, Trouble};

/// Ciphers that are in the provider `legacy`.
const OF_THE_LEGACY_PROVIDER: [&str; 3] = ["RC4", "SEED", "IDEA"];

/// What this program was built without, of what a side is to do.
pub(super) fn lacks(setup: &Setup) -> Option<String> {
    static SUITES: OnceLock<BTreeSet<String>> = OnceLock::new();
    static DISABLED: OnceLock<BTreeSet<String>> = OnceLock::new();
    // A program that is not there fails with the first case that it is run for.
    let said = |words: &[&str], separator| {
        let mut command = std::process::Command::new("openssl");
        let output = command.args(words).env("OPENSSL_CONF", "/dev/null").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.unwrap_or_default().trim().split(separator).map(str::to_owned).collect()
    };
    if setup.versions.1 == ProtocolVersion::SSLv3
        && DISABLED.get_or_init(|| said(&["list", "-disabled"], '\n')).contains("SSL3")
    {
        return Some("this program has no SSLv3".into());
    }
    let all = ["ciphers", "-provider", "default", "-provider", "legacy", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"];
    let list = setup.ciphers.as_ref().filter(|list| suites::iana_names(list).is_some())?;
    let known = SUITES.get_or_init(|| said(&all, ':'));
    let unknown = list.split(':').find(|name| !name.starts_with('@') && !known.contains(*name))?;
    Some(format!("this program has no {unknown}"))
}

pub(super) fn command<I: IntoIterator<Item: Into<OsString>>>(arguments: I) -> Command {
    // Through a pipe it would keep back what it says until much has come together, and in another order than its errors.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "openssl"]);
    // The system's configuration could set versions and levels.
    command.env("OPENSSL_CONF", "/dev/null").env_remove("SSLKEYLOGFILE");
    command.args(arguments.into_iter().map(Into::into));
    command
}

/// With much data, `s_client` writes nothing but that and a summary.
pub(super) fn is_brief(side: Side, case: &Case) -> bool {
    side == Side::Client && matches!(case.exchange, Exchange::Bulk(_))
}

/// Arguments, pair by pair.
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.into());
    }

    fn set(&mut self, flag: &str, value: impl Into<OsString>) {
        self.0.extend([flag.into(), value.into()]);
    }
}

fn common(program: &str, case: &Case, setup: &Setup, scratch: &Scratch) -> Result<Arguments> {
    let mut arguments = Arguments(vec![program.into()]);
    if suites::needs(setup, &OF_THE_LEGACY_PROVIDER) {
        for provider in ["default", "legacy"] {
            arguments.set("-provider", provider);
        }
    }
    arguments.set("-min_protocol", setup.versions.0.name());
    arguments.set("-max_protocol", setup.versions.1.name());
    arguments.set("-keylogfile", scratch.file("keys.log"));
    arguments.flag("-msg");
    if !watches_messages(case) {
        arguments.set("-msgfile", scratch.file("messages"));
    }
    if case.version() > ProtocolVersion::SSLv3 {
        arguments.set("-keymatexport", EXPORTER_LABEL);
        arguments.set("-keymatexportlen", EXPORTER_LENGTH.to_string());
    }
    let lists = [
        ("-cipher", &setup.ciphers),
        ("-ciphersuites", &setup.suites),
        ("-groups", &setup.groups),
        ("-sigalgs", &setup.sigalgs),
    ];
    for (flag, list) in lists {
        if let Some(list) = list {
            arguments.set(flag, list);
        }
    }
    if let Some(name) = &setup.trust {
        arguments.set("-CAfile", fixture::pem(name)?);
    }
    if let Some(name) = &setup.crl {
        arguments.set("-CRL", fixture::crl(name)?);
        arguments.flag("-crl_check_all");
    }
    if !setup.alpn.is_empty() {
        arguments.set("-alpn", setup.alpn.join(","));
    }
    if !setup.npn.is_empty() {
        arguments.set("-nextprotoneg", setup.npn.join(","));
    }
    if !setup.tickets {
        arguments.flag("-no_ticket");
    }
    if let Some((identity, key)) = &setup.psk {
        arguments.set("-psk_identity", identity);
        arguments.set("-psk", key);
    }
    for name in setup.options.iter().flat_map(|names| names.split(',')) {
        arguments.flag(match name {
            "ALLOW_UNSAFE_LEGACY_RENEGOTIATION" => "-legacy_renegotiation",
            "LEGACY_SERVER_CONNECT" => "-legacy_server_connect",
            _ => return Err(Trouble::new(format!("no flag is known for {name}"))),
        });
    }
    Ok(arguments)
}

pub(super) fn server_arguments(case: &Case, scratch: &Scratch) -> Result<Vec<OsString>> {
    let setup = &case.server;
    let mut arguments = common("s_server", case, setup, scratch)?;
    arguments.set("-accept", "127.0.0.1:0");
    arguments.flag("-serverpref");
    // One of each kind; s_server has flags for two.
    let flags = [("-cert", "-key", "-cert_chain"), ("-dcert", "-dkey", "-dcert_chain")];
    for ((cert, key, chain), name) in flags.into_iter().zip(&setup.identities) {
        let identity = Identity::named(name, setup.chain)?;
        let intermediates = identity.intermediates()?;
        arguments.set(cert, identity.certificate);
        arguments.set(key, identity.key);
        if !intermediates.is_empty() {
            let file = scratch.file(&format!("{name}-intermediates.pem"));
            fs::write(&file, intermediates)?;
            arguments.set(chain, file);
        }
    }
    if setup.identities.is_empty() {
        arguments.flag("-nocert");
    }
    if setup.identities.len() > flags.len() || setup.names.len() > 1 {
        return Err(Trouble::new("s_server takes two certificates and one more name"));
    }
    if let Some((pattern, name)) = setup.names.first() {
        let identity = Identity::named(name, setup.chain)?;
        arguments.set("-servername", pattern);
        arguments.set("-cert2", identity.chain);
        arguments.set("-key2", identity.key);
    }
    if setup.renegotiations.is_some() {
        arguments.flag("-client_renegotiation");
    }
    if let Some(file) = staple::file(setup)? {
        arguments.set("-status_file", file);
    }
    match setup.verify {
        Verify::Never => {}
        Verify::Report => arguments.set("-verify", "9"),
        Verify::Require => {
            arguments.set("-Verify", "9");
            arguments.flag("-verify_return_error");
        }
    }
    match setup.dh.as_deref() {
        // Its own default is "auto".
        Some("auto") => {}
        None => arguments.flag("-no_dhe"),
        Some(name) => arguments.set("-dhparam", fixture::dh(name)?),
    }
    Ok(arguments.0)
}

pub(super) fn client_arguments(
    case: &Case,
    scratch: &Scratch,
    port: u16,
    number: usize,
) -> Result<Vec<OsString>> {
    let setup = &case.client;
    let mut arguments = common("s_client", case, setup, scratch)?;
    arguments.set("-connect", format!("127.0.0.1:{port}"));
    arguments.set("-servername", &setup.server_name);
    if let Some(name) = setup.identities.first() {
        let identity = Identity::named(name, setup.chain)?;
        arguments.set("-cert", identity.certificate);
        arguments.set("-key", identity.key);
    }
    if setup.verify == Verify::Require {
        arguments.set("-verify", "9");
        arguments.flag("-verify_return_error");
        arguments.set("-verify_hostname", &setup.server_name);
    }
    for (flag, is_set) in [("-status", setup.asks_staple), ("-enable_pha", setup.post_handshake_auth)] {
        if is_set {
            arguments.flag(flag);
        }
    }
    if is_brief(Side::Client, case) {
        arguments.flag("-brief");
    }
    if case.exchange == Exchange::Resume {
        arguments.set(if number == 0 { "-sess_out" } else { "-sess_in" }, scratch.file("session.pem"));
    }
    Ok(arguments.0)
}

/// Whether the messages are needed while the connection goes on, among the output, and not in a file.
pub(super) fn watches_messages(case: &Case) -> bool {
    let exchange = case.exchange;
    exchange.renegotiations() > 0 || matches!(exchange, Exchange::UpdateKeys(_) | Exchange::Authenticate)
}
