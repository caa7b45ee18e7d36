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
        let mut directories: Vec<PathBuf> =
            self.directories.into_iter().filter(|dir| is_hashed(dir)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of the test's own, removed at the end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let path = env::temp_dir().join(format!("patina-roots-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Place(path)
        }

        fn file(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn choose(
        named_file: Option<&Path>,
        directories: &[&Path],
        files: &[&Path],
    ) -> Result<SystemSources, Error> {
        let owned = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
        let named_file = named_file.map(Path::to_owned);
        Candidates { named_file, directories: owned(directories), files: owned(files) }.choose()
    }

    #[test]
    fn names_of_rehash_are_known_from_others() {
        for name in ["002c0b4f.0", "3bde41ac.12", "ABCDEF01.3"] {
            assert!(is_hash_name(OsStr::new(name)), "{name}");
        }
        for name in ["002c0b4f.r0", "002c0b4f.", "002c0b4f", "02c0b4f.0", "ca-certificates.crt", "002c0b4g.0"]
        {
            assert!(!is_hash_name(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_hashed_directory_goes_before_the_file() {
        let place = Place::new("order");
        let file = place.file("bundle.pem", b"");
        assert_eq!(choose(None, &[&place.0], &[&file]).unwrap().file, Some(file.clone()));
        place.file("002c0b4f.0", b"");
        let sources = choose(None, &[&place.0, Path::new("/absent")], &[&file]).unwrap();
        assert_eq!(sources, SystemSources { directories: vec![place.0.clone()], file: None });
    }

    #[test]
    fn a_file_that_is_named_is_used_beside_the_directory() {
        let place = Place::new("named");
        place.file("002c0b4f.0", b"");
        let named = place.0.join("absent.pem");
        let sources = choose(Some(&named), &[&place.0], &[]).unwrap();
        assert_eq!(sources, SystemSources { directories: vec![place.0.clone()], file: Some(named.clone()) });
        let error = SystemRoots::read(sources).err().unwrap();
        assert_eq!((error.kind(), error.file()), (ErrorKind::Io, Some(&*named)));
    }

    #[test]
    fn without_any_place_the_error_names_those_that_were_tried() {
        let error = choose(None, &[], &[Path::new("/absent/cert.pem")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("/absent/cert.pem") && error.message().contains("SSL_CERT_FILE"));
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        let place = Place::new("empty");
        for content in [&b""[..], b"no pem", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            let path = place.file("bundle.pem", content);
            let error = choose(None, &[], &[&path]).and_then(SystemRoots::read).err().unwrap();
            assert_eq!((error.code(), error.file()), ("ERR_OSSL_PEM_NO_START_LINE", Some(&*path)));
        }
    }
}
