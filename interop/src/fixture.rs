//! The committed certificates and keys, by name, and scratch directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::trouble::{Result, Trouble};

/// A certificate of the fixtures with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate alone.
    pub certificate: PathBuf,
    /// The certificate and its intermediates, in one file; the same as `certificate` where there are none.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Identity {
    /// The identity of this name, such as `server-rsa`, with its intermediates or without.
    ///
    /// # Errors
    /// When the fixtures have none of this name.
    pub fn named(name: &str, with_chain: bool) -> Result<Identity> {
        let certificate = pem(name)?;
        let key = pki().join(format!("{name}.key"));
        if !key.exists() {
            return Err(Trouble::new(format!("there is no key for {name} in the fixtures")));
        }
        // `server-rsa-chain.pem` is the certificate of another identity: those have a key of the same name.
        let chain = pki().join(format!("{name}-chain.pem"));
        let is_chain = chain.exists() && !pki().join(format!("{name}-chain.key")).exists();
        let chain = if is_chain && with_chain { chain } else { certificate.clone() };
        Ok(Identity { certificate, chain, key })
    }

    /// The intermediates alone, in PEM; empty where there are none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn intermediates(&self) -> Result<String> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let text = fs::read_to_string(&self.chain)?;
        Ok(text.split(BEGIN).skip(2).map(|block| format!("{BEGIN}{block}")).collect())
    }
}

/// The certificate or bundle of this name.
///
/// # Errors
/// When the fixtures have none of this name.
pub fn pem(name: &str) -> Result<PathBuf> {
    existing(pki().join(format!("{name}.pem")))
}

/// The revocation list of this name, such as `root`.
///
/// # Errors
/// When the fixtures have none of this name.
pub fn crl(name: &str) -> Result<PathBuf> {
    existing(root().join("crl").join(format!("{name}.crl.pem")))
}

/// The Diffie-Hellman parameters of this name, such as `dh2048`.
///
/// # Errors
/// When the fixtures have none of this name.
pub fn dh(name: &str) -> Result<PathBuf> {
    existing(root().join("dh").join(format!("{name}.pem")))
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        Ok(path)
    } else {
        Err(Trouble::new(format!("there is no fixture {}", path.display())))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn pki() -> PathBuf {
    root().join("pki")
}

/// A directory for the files of one run; it goes with the value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty one.
    ///
    /// # Errors
    /// When the system's directory for temporary files cannot be written.
    pub fn new() -> Result<Scratch> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("patina-interop-{}-{number}", std::process::id()));
        // A directory of a killed run with the same number.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
