//! OCSP responses for servers to staple: the fixtures' authorities speak through the `openssl` program.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::case::Setup;
use crate::fixture::{Identity, Scratch};
use crate::seen::hex;
use crate::trouble::{Result, Trouble};

/// Who issues the certificates that there are responses for.
pub const ISSUER: &str = "intermediate";

/// For how many days a response counts: it is made anew in each run.
const DAYS: &str = "2";

/// The file with the response that a server staples to its first certificate; none where it staples none.
///
/// # Errors
/// When the fixtures have no such certificate, or the program makes no response.
pub fn file(setup: &Setup) -> Result<Option<PathBuf>> {
    static MADE: Mutex<BTreeMap<(String, String), Scratch>> = Mutex::new(BTreeMap::new());
    let (Some(status), Some(name)) = (&setup.staple, setup.identities.first()) else { return Ok(None) };
    let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = match all.entry((name.clone(), status.clone())) {
        Entry::Occupied(made) => made.into_mut(),
        Entry::Vacant(place) => place.insert(make(&Identity::named(name, false)?.certificate, status)?),
    };
    Ok(Some(made.file("response.der")))
}

/// The SHA-256 of that response; empty where there is none.
///
/// # Errors
/// As [`file`].
pub fn digest(setup: &Setup) -> Result<String> {
    file(setup)?.map_or(Ok(String::new()), |file| Ok(hex(&openssl::sha::sha256(&fs::read(file)?))))
}

fn make(certificate: &Path, status: &str) -> Result<Scratch> {
    let scratch = Scratch::new()?;
    let issuer = Identity::named(ISSUER, false)?;
    let serial = openssl::x509::X509::from_pem(&fs::read(certificate)?)?.serial_number().to_bn()?;
    // What `openssl ca` keeps: state, end, time of revocation, serial number, file, subject.
    let (state, revoked) = if status == "good" { ("V", "") } else { ("R", "200101000000Z") };
    let row = format!("{state}\t491231000000Z\t{revoked}\t{}\tunknown\t/CN=fixture\n", serial.to_hex_str()?);
    fs::write(scratch.file("index"), row)?;
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-noverify", "-no_nonce", "-ndays", DAYS, "-index"]).arg(scratch.file("index"));
    command.arg("-issuer").arg(&issuer.certificate).arg("-CA").arg(&issuer.certificate);
    command.arg("-rsigner").arg(&issuer.certificate).arg("-rkey").arg(&issuer.key);
    command.arg("-cert").arg(certificate).arg("-respout").arg(scratch.file("response.der"));
    let output = command.env("OPENSSL_CONF", "/dev/null").output()?;
    if output.status.success() {
        Ok(scratch)
    } else {
        Err(Trouble::new(format!("openssl ocsp: {}", String::from_utf8_lossy(&output.stderr))))
    }
}
