//! Where the system keeps its root certificates.

use std::borrow::Cow;
use std::env;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pem;
use crate::sys::store::{self, Roots};
use crate::values::error::{Error, ErrorKind};

/// The places that are in use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SystemSources {
    /// Hashed directories.
    pub(super) directories: Vec<PathBuf>,
    file: Option<PathBuf>,
}

/// What stands in those places.
pub(super) struct SystemRoots {
    sources: SystemSources,
    file_roots: Option<Arc<Roots>>,
}

/// The environment and the file system, as far as they bear on the search.
struct Candidates {
    named_file: Option<PathBuf>,
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl SystemSources {
    pub(super) fn find() -> Result<SystemSources, Error> {
        Candidates::of_the_process().choose()
    }
}

impl SystemRoots {
    pub(super) fn read(sources: SystemSources) -> Result<SystemRoots, Error> {
        let file_roots = match &sources.file {
            Some(path) => Some(read_roots(path).map_err(|e| e.with_file(path))?),
            None => None,
        };
        Ok(SystemRoots { sources, file_roots })
    }

    pub(super) fn sources(&self) -> &SystemSources {
        &self.sources
    }

    pub(super) fn file_roots(&self) -> Option<Arc<Roots>> {
        self.file_roots.clone()
    }
}

impl Candidates {
    fn of_the_process() -> Candidates {
        let places = store::default_places();
        let variable = |name: &CStr| {
            let name = name.to_str().ok()?;
            env::var_os(name).filter(|value| !value.is_empty())
        };
        let path = |text: &CStr| PathBuf::from(text.to_string_lossy().into_owned());
        let directories = match variable(places.directory_variable) {
            Some(list) => env::split_paths(&list).collect(),
            None => vec![path(places.directory)],
        };
        let mut candidates = Candidates {
            named_file: variable(places.file_variable).map(PathBuf::from),
            directories,
            files: vec![path(places.file)],
        };
        if candidates.named_file.is_none() && !candidates.exist() {
            // A libssl that was built elsewhere looks where nothing is.
            candidates.directories.extend(openssl_probe::candidate_cert_dirs().map(Path::to_owned));
            candidates.files.extend(openssl_probe::probe().cert_file);
        }
        candidates
    }

    fn exist(&self) -> bool {
        self.files.iter().any(|file| file.is_file()) || self.directories.iter().any(|dir| is_hashed(dir))
    }

    fn choose(self) -> Result<SystemSources, Error> {
        let mut directories: Vec<PathBuf> = self.directories.into_iter().filter(|dir| is_hashed(dir)).collect();
        directories.dedup();
        if let Some(file) = self.named_file {
            return Ok(SystemSources { directories, file: Some(file) });
        }
        if !directories.is_empty() {
            return Ok(SystemSources { directories, file: None });
        }
        match self.files.iter().find(|file| file.is_file()) {
            Some(file) => Ok(SystemSources { directories, file: Some(file.clone()) }),
            None => {
                let places: Vec<_> = self.files.iter().map(|file| file.to_string_lossy()).collect();
                let text = format!(
                    "the system has no root certificates where they are looked for ({}); SSL_CERT_FILE or \
                     SSL_CERT_DIR can name the place",
                    places.join(", ")
                );
                Err(Error::new(ErrorKind::Config, text))
            }
        }
    }
}

/// Whether the directory has an entry as `openssl rehash` makes them: eight hexadecimal digits, a dot, a number.
fn is_hashed(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| is_hash_name(&entry.file_name()))
}

fn is_hash_name(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.len() > 9
        && bytes[..8].iter().all(u8::is_ascii_hexdigit)
        && bytes[8] == b'.'
        && bytes[9..].iter().all(u8::is_ascii_digit)
}

/// Takes the certificates of a file apart without parsing them. One that is malformed is never found, as with the
/// `openssl` program; a file without any is an error.
fn read_roots(path: &Path) -> Result<Arc<Roots>, Error> {
    let text = fs::read(path).map_err(Error::io)?;
    let blocks = pem::blocks(&text).map_err(|number| pem::unterminated("trust", number))?;
    let certificates = blocks.iter().filter(|block| block.is_certificate());
    let ders: Vec<_> = certificates.filter_map(|block| block.decode()).map(Cow::Owned).collect();
    if ders.is_empty() {
        let error = Error::new(ErrorKind::Config, "there is no certificate in the PEM text");
        return Err(error.with_code("ERR_OSSL_PEM_NO_START_LINE"));
    }
    Ok(Roots::new(ders))
}
