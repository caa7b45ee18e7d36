//! NSS's words: the flags of its programs, and the databases that they read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use patina_ciphers::by_name;
use patina_tls::ProtocolVersion;
use tokio::process::Command;

use super::suites;
use crate::case::{Case, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Verify};
use crate::fixture::{self, Identity, Scratch};
use crate::process::Process;
use crate::staple;
use crate::trouble::Result;

/// `X25519:P-384` as `x25519,P384`.
pub(super) fn words_of_groups(groups: &str) -> Option<String> {
    let word = |group: &str| match group {
        "P-256" => Some("P256"),
        "P-384" => Some("P384"),
        "P-521" => Some("P521"),
        "X25519" => Some("x25519"),
        "ffdhe2048" => Some("FF2048"),
        "ffdhe3072" => Some("FF3072"),
        _ => None,
    };
    Some(groups.split(':').map(word).collect::<Option<Vec<_>>>()?.join(","))
}

/// `ECDSA+SHA256:rsa_pss_rsae_sha512` in the words of TLS 1.3.
fn words_of_sigalgs(list: &str) -> String {
    let word = |name: &str| match name.split_once('+') {
        Some(("RSA", hash)) => format!("rsa_pkcs1_{}", hash.to_lowercase()),
        Some(("ECDSA", "SHA256")) => "ecdsa_secp256r1_sha256".into(),
        Some(("ECDSA", "SHA384")) => "ecdsa_secp384r1_sha384".into(),
        _ => name.to_owned(),
    };
    list.split(':').map(word).collect::<Vec<_>>().join(",")
}

fn words_of_versions(setup: &Setup) -> String {
    let word = |version: ProtocolVersion| match version {
        ProtocolVersion::SSLv3 => "ssl3",
        ProtocolVersion::TLSv1_0 => "tls1.0",
        ProtocolVersion::TLSv1_1 => "tls1.1",
        ProtocolVersion::TLSv1_2 => "tls1.2",
        _ => "tls1.3",
    };
    format!("{}:{}", word(setup.versions.0), word(setup.versions.1))
}

pub(super) fn command<I: IntoIterator<Item: Into<OsString>>>(program: &str, words: I) -> Command {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", program]).args(words.into_iter().map(Into::into));
    // No database is written to beside what is asked for.
    command.env("NSS_DEFAULT_DB_TYPE", "sql").env_remove("SSLKEYLOGFILE");
    command
}

fn common(setup: &Setup, database: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["-d".into(), database.into(), "-G".into()];
    let mut set = |flag: &str, value: String| words.extend([flag.into(), value.into()]);
    set("-V", words_of_versions(setup));
    set("-x", format!("{EXPORTER_LABEL}:{EXPORTER_LENGTH}"));
    let lists = [&setup.suites, &setup.ciphers].into_iter().flatten();
    let names = lists.filter(|list| suites::iana_names(list).is_some()).flat_map(|list| list.split(':'));
    let ids: Vec<u16> = names.filter_map(|name| Some(by_name(name)?.id())).collect();
    if !ids.is_empty() {
        set("-c", ids.iter().map(|id| format!(":{id:04X}")).collect());
    }
    if let Some(groups) = setup.groups.as_deref().and_then(words_of_groups) {
        set("-I", groups);
    }
    if let Some(algorithms) = &setup.sigalgs {
        set("-J", words_of_sigalgs(algorithms));
    }
    if let Some((identity, key)) = &setup.psk {
        set("-z", format!("0x{key}:{identity}"));
    }
    if setup.tickets {
        words.push("-u".into());
    }
    words
}

pub(super) fn server_words(case: &Case, database: &Path, port: u16) -> Result<Vec<OsString>> {
    let setup = &case.server;
    let mut words = common(setup, database);
    words.extend(["-v".into(), "-p".into(), port.to_string().into()]);
    for name in &setup.identities {
        let flag = match &name[..] {
            _ if name.contains("-p256") || name.contains("-p384") => "-e",
            _ if name.contains("-dsa") => "-S",
            _ => "-n",
        };
        words.extend([flag.into(), name.into()]);
    }
    // In the handshake: asked for, required; after it: asked for, required.
    let requests = match setup.verify {
        _ if case.exchange == Exchange::Authenticate => 4,
        Verify::Never => 0,
        Verify::Report => 1,
        Verify::Require => 2,
    };
    words.extend((0..requests).map(|_| OsString::from("-r")));
    if case.exchange == Exchange::Authenticate {
        words.push("-E".into());
    }
    if let Some(status) = &setup.staple {
        // It signs a response of its own, with the key of the authority.
        words.extend(["-T", status, "-A", staple::ISSUER].map(OsString::from));
    }
    let dhe = if setup.dh.is_some() { "1" } else { "0" };
    words.extend(["-H".into(), dhe.into()]);
    Ok(words)
}

pub(super) fn client_words(
    case: &Case,
    database: &Path,
    scratch: &Scratch,
    port: u16,
) -> Result<Vec<OsString>> {
    let setup = &case.client;
    let mut words = common(setup, database);
    let payload = scratch.file("send");
    fs::write(&payload, case.payload(Side::Client))?;
    // Else it would leave while its verdict on the certificate is still on the way.
    words.push("-O".into());
    words.extend(["-4", "-h", "localhost", "-a"].map(OsString::from));
    words.extend([setup.server_name.clone().into(), "-p".into(), port.to_string().into()]);
    words.extend(["-v".into(), "-A".into(), payload.into()]);
    if let Some(name) = setup.identities.first() {
        words.extend(["-n".into(), name.into()]);
    }
    for (flag, is_set) in [
        ("-o", setup.verify != Verify::Require),
        ("-T", setup.asks_staple),
        ("-E", setup.post_handshake_auth),
    ] {
        if is_set {
            words.push(flag.into());
        }
    }
    if matches!(case.exchange, Exchange::Renegotiate(Side::Client, _)) {
        words.extend(["-r".into(), case.exchange.renegotiations().to_string().into()]);
    }
    if case.exchange.connections() > 1 {
        words.extend(["-L".into(), case.exchange.connections().to_string().into()]);
    }
    Ok(words)
}

/// A directory with the certificates and keys of a side. It takes programs to make one, so that they are kept.
pub(super) async fn database(setup: &Setup) -> Result<Arc<Path>> {
    type Made = BTreeMap<String, Arc<Scratch>>;
    static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());
    let key = format!(
        "{:?} {:?} {:?} {} {:?}",
        setup.trust, setup.crl, setup.identities, setup.chain, setup.staple
    );
    let known = || MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let made = match known() {
        Some(made) => made,
        None => {
            let made = Arc::new(make_database(setup).await?);
            let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key).or_insert(made))
        }
    };
    Ok(made.file("").into())
}

async fn make_database(setup: &Setup) -> Result<Scratch> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let scratch = Scratch::new()?;
    let directory = OsString::from(scratch.file(""));
    let run = async |program: &str, words: &[&std::ffi::OsStr]| -> Result<()> {
        let mut process = Process::spawn(command(program, words))?;
        process.wait().await
    };
    let word = std::ffi::OsStr::new;
    run("certutil", &[word("-N"), word("-d"), &directory, word("--empty-password")]).await?;
    if let Some(name) = &setup.trust {
        let text = fs::read_to_string(fixture::pem(name)?)?;
        for (number, block) in text.split(BEGIN).skip(1).enumerate() {
            let file = scratch.file("root.pem");
            fs::write(&file, format!("{BEGIN}{block}"))?;
            let name = format!("root{number}");
            let words = ["-A", "-n", &name, "-t", "CT,C,C", "-a", "-i"].map(word);
            run("certutil", &[&words[..], &[file.as_os_str(), word("-d"), &directory]].concat()).await?;
        }
    }
    if let Some(name) = &setup.crl {
        let der = fixture::crl(name)?.with_extension("der");
        let words = ["-I", "-t", "1", "-B", "-i"].map(word);
        run("crlutil", &[&words[..], &[der.as_os_str(), word("-d"), &directory]].concat()).await?;
    }
    let signer = setup.staple.as_ref().map(|_| staple::ISSUER);
    // It comes first: within a chain it would get another name.
    for name in signer.into_iter().chain(setup.identities.iter().map(String::as_str)) {
        let files = Identity::named(name, setup.chain)?;
        let packed = scratch.file("identity.p12");
        let mut words: Vec<&std::ffi::OsStr> =
            ["pkcs12", "-export", "-passout", "pass:x", "-name", name].map(word).into();
        words.extend([word("-in"), files.chain.as_os_str(), word("-inkey"), files.key.as_os_str()]);
        words.extend([word("-out"), packed.as_os_str()]);
        run("openssl", &words).await?;
        let words = ["-W", "x", "-K", "", "-i"].map(word);
        run("pk12util", &[&words[..], &[packed.as_os_str(), word("-d"), &directory]].concat()).await?;
    }
    Ok(scratch)
}
