//! Whom to trust: root certificates and revocation lists.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::stack::Stack;
use openssl::x509::{X509, X509Crl, X509Name};

use super::certificate::Certificate;
use super::pem::{self, Block};
use super::system_roots::{SystemRoots, SystemSources};
use crate::sys::pem as reader;
use crate::sys::queue;
use crate::sys::store::{Roots, SharedStore};
use crate::values::error::{Error, ErrorKind};

/// The builder's method that takes the roots.
const OPTION: &str = "trust";

/// The builder's method that takes the revocation lists.
const CRL: &str = "crl";

/// The authorities that a peer's certificate is checked against, and their revocation lists.
///
/// A trust store is a value: the combining methods give a new one. Stores with the same content share one
/// `X509_STORE`, however many there are and wherever they were made; a clone is a new reference.
///
/// # Examples
///
/// ```no_run
/// use patina_tls::TrustStore;
///
/// let trust = TrustStore::system()?.and(TrustStore::from_pem_file("plant-ca.pem")?);
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// # Security
///
/// Every authority in the store can speak for every host. For one known peer, a store with its own authority alone
/// is safer than the system's.
///
/// # OpenSSL
///
/// `X509_STORE`
#[derive(Clone)]
#[doc(alias = "ca")]
#[doc(alias = "X509_STORE")]
pub struct TrustStore(Arc<Contents>);

struct Contents {
    parts: Parts,
    store: OnceLock<Arc<SharedStore>>,
}

#[derive(Clone, Default)]
struct Parts {
    mozilla: bool,
    system: Vec<Arc<SystemRoots>>,
    certificates: Vec<Certificate>,
    crls: Vec<Arc<X509Crl>>,
}

impl TrustStore {
    /// Trusts nobody: every chain is refused.
    pub fn empty() -> TrustStore {
        TrustStore::new(Parts::default())
    }

    /// Trusts what Mozilla's programs trust: the roots that were compiled in, whatever the machine has.
    ///
    /// The roots are parsed when a chain needs them, so this costs next to nothing.
    ///
    /// # Security
    ///
    /// The list is as old as the build: a program that is never rebuilt trusts authorities that Mozilla has removed.
    #[cfg(feature = "mozilla-roots")]
    pub fn mozilla() -> TrustStore {
        static MOZILLA: OnceLock<TrustStore> = OnceLock::new();
        MOZILLA.get_or_init(|| TrustStore::new(Parts { mozilla: true, ..Parts::default() })).clone()
    }

    /// Trusts what the system trusts.
    ///
    /// A hashed directory (`openssl rehash`) is used where there is one, for it costs nothing until a chain needs
    /// a root of it; else a file with all roots. The environment's `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured
    /// as in the `openssl` program; if libssl's own places do not exist, those of the known systems are tried.
    ///
    /// A file is read once for the process: later changes to it are not seen. A root that is added to a hashed
    /// directory is seen; one that is removed stays trusted if a chain has used it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `trust` when the system has no roots in a known place, or when the file
    /// of `SSL_CERT_FILE` has none; [`ErrorKind::Io`] when a file cannot be read.
    ///
    /// # OpenSSL
    ///
    /// `X509_get_default_cert_file`, `X509_get_default_cert_dir`, `X509_LOOKUP_hash_dir`
    pub fn system() -> Result<TrustStore, Error> {
        static SYSTEM: Mutex<Option<TrustStore>> = Mutex::new(None);
        let sources = SystemSources::find().map_err(|e| e.with_option(OPTION))?;
        let mut slot = lock(&SYSTEM);
        if let Some(known) = &*slot
            && known.0.parts.system.iter().any(|roots| roots.sources() == &sources)
        {
            return Ok(known.clone());
        }
        let roots = SystemRoots::read(sources).map_err(|e| e.with_option(OPTION))?;
        let store = TrustStore::new(Parts { system: vec![Arc::new(roots)], ..Parts::default() });
        *slot = Some(store.clone());
        Ok(store)
    }

    /// Trusts the certificates of a PEM text, of which there may be many: roots, or other authorities where
    /// partial chains are allowed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `trust` when there is no certificate
    /// (code `ERR_OSSL_PEM_NO_START_LINE`) or when a block is malformed; the text names the block. Node takes
    /// such a text for an empty list.
    ///
    /// # OpenSSL
    ///
    /// `PEM_read_bio_X509_AUX`
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<TrustStore, Error> {
        let certificates = read_blocks(OPTION, "certificate", pem.as_ref(), |block| block.is_certificate(), reader::certificate)?;
        Ok(TrustStore::from_openssl(certificates))
    }

    /// Trusts the certificates of a PEM file, as [`from_pem`](Self::from_pem) does.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem), and [`ErrorKind::Io`] when the file cannot be read; all name the file.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<TrustStore, Error> {
        let path = path.as_ref();
        TrustStore::from_pem(pem::read_file(OPTION, path)?).map_err(|e| e.with_file(path))
    }

    /// Trusts one certificate in DER.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `trust` when the bytes are no certificate.
    ///
    /// # OpenSSL
    ///
    /// `d2i_X509`
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<TrustStore, Error> {
        let certificate = Certificate::from_der(der).map_err(|e| e.with_option(OPTION))?;
        Ok(TrustStore::from_certificates([certificate]))
    }

    /// Trusts these certificates.
    pub fn from_certificates(certificates: impl IntoIterator<Item = Certificate>) -> TrustStore {
        let certificates = certificates.into_iter().collect();
        TrustStore::new(Parts { certificates, ..Parts::default() })
    }

    pub(crate) fn from_openssl(certificates: impl IntoIterator<Item = X509>) -> TrustStore {
        TrustStore::from_certificates(certificates.into_iter().map(Certificate::from_x509))
    }

    /// Trusts what either store trusts, with the revocation lists of both.
    pub fn and(&self, other: TrustStore) -> TrustStore {
        let mut parts = self.0.parts.clone();
        let other = &other.0.parts;
        parts.mozilla |= other.mozilla;
        for roots in &other.system {
            if !parts.system.iter().any(|known| known.sources() == roots.sources()) {
                parts.system.push(Arc::clone(roots));
            }
        }
        parts.certificates.extend_from_slice(&other.certificates);
        parts.crls.extend_from_slice(&other.crls);
        TrustStore::new(parts)
    }

    /// Adds the revocation lists of a PEM text.
    ///
    /// With any list in the store every certificate of a chain is checked, as in Node: each of its issuers needs
    /// a list that is in force.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `crl` when the text holds no list or a malformed one; the text names
    /// the block.
    ///
    /// # OpenSSL
    ///
    /// `PEM_read_bio_X509_CRL`, `X509_STORE_add_crl`
    pub fn with_crl_pem(&self, pem: impl AsRef<[u8]>) -> Result<TrustStore, Error> {
        let read = read_blocks(CRL, "revocation list", pem.as_ref(), |block| block.is_crl(), reader::crl)?;
        Ok(self.with_crls(read))
    }

    /// Adds the revocation lists of a PEM file, as [`with_crl_pem`](Self::with_crl_pem) does.
    ///
    /// # Errors
    ///
    /// Those of [`with_crl_pem`](Self::with_crl_pem), and [`ErrorKind::Io`] when the file cannot be read; all name
    /// the file.
    pub fn with_crl_pem_file(&self, path: impl AsRef<Path>) -> Result<TrustStore, Error> {
        let path = path.as_ref();
        self.with_crl_pem(pem::read_file(CRL, path)?).map_err(|e| e.with_file(path))
    }

    /// Adds a revocation list in DER, as authorities publish it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `crl` when the bytes are no list.
    ///
    /// # OpenSSL
    ///
    /// `d2i_X509_CRL`, `X509_STORE_add_crl`
    pub fn with_crl_der(&self, der: impl AsRef<[u8]>) -> Result<TrustStore, Error> {
        queue::clear();
        let crl = X509Crl::from_der(der.as_ref()).map_err(|stack| {
            let error = queue::stack_error(ErrorKind::Config, &stack);
            error.context("these bytes are no revocation list").with_option(CRL)
        })?;
        Ok(self.with_crls(vec![crl]))
    }

    fn with_crls(&self, crls: Vec<X509Crl>) -> TrustStore {
        let mut parts = self.0.parts.clone();
        parts.crls.extend(crls.into_iter().map(Arc::new));
        TrustStore::new(parts)
    }

    /// The certificates that were given one by one: not Mozilla's, not the system's.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0.parts.certificates
    }

    /// Whether there are revocation lists, so that every certificate of a chain is checked against them.
    pub fn has_crls(&self) -> bool {
        !self.0.parts.crls.is_empty()
    }

    /// Whether the store trusts nobody.
    pub fn is_empty(&self) -> bool {
        let parts = &self.0.parts;
        !parts.mozilla && parts.system.is_empty() && parts.certificates.is_empty()
    }

    /// The subjects of [`certificates`](Self::certificates): the authorities that a server names when it asks for
    /// a certificate.
    pub(crate) fn subject_names(&self) -> Result<Stack<X509Name>, Error> {
        queue::clear();
        let names = || {
            let mut names = Stack::new()?;
            let mut known = BTreeSet::new();
            for certificate in self.certificates() {
                let name = certificate.as_openssl().subject_name();
                if known.insert(name.to_der()?) {
                    names.push(name.to_owned()?)?;
                }
            }
            Ok(names)
        };
        names().map_err(failed)
    }

    /// The store itself, made at the first call and shared with every trust store of the same content.
    pub(crate) fn store(&self) -> Result<SharedStore, Error> {
        if let Some(store) = self.0.store.get() {
            return Ok(SharedStore::clone(store));
        }
        let made = self.0.parts.store()?;
        Ok(SharedStore::clone(self.0.store.get_or_init(|| made)))
    }

    fn new(parts: Parts) -> TrustStore {
        TrustStore(Arc::new(Contents { parts, store: OnceLock::new() }))
    }
}

impl fmt::Debug for TrustStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0.parts;
        let system: Vec<_> = parts.system.iter().map(|roots| roots.sources()).collect();
        f.debug_struct("TrustStore")
            .field("mozilla", &parts.mozilla)
            .field("system", &system)
            .field("certificates", &parts.certificates.len())
            .field("crls", &parts.crls.len())
            .finish()
    }
}

/// What makes two stores the same.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    mozilla: bool,
    system: BTreeSet<SystemSources>,
    certificates: BTreeSet<[u8; 32]>,
    crls: BTreeSet<[u8; 32]>,
}

impl Parts {
    fn store(&self) -> Result<Arc<SharedStore>, Error> {
        static STORES: OnceLock<Mutex<HashMap<Key, Weak<SharedStore>>>> = OnceLock::new();
        queue::clear();
        let key = self.key().map_err(failed)?;
        // The lock is held while the store is made, so that nobody else makes it at the same time.
        let mut stores = lock(STORES.get_or_init(Mutex::default));
        if let Some(known) = stores.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        stores.retain(|_, store| store.strong_count() > 0);
        let made = Arc::new(self.make().map_err(failed)?);
        stores.insert(key, Arc::downgrade(&made));
        Ok(made)
    }

    fn key(&self) -> Result<Key, ErrorStack> {
        Ok(Key {
            mozilla: self.mozilla,
            system: self.system.iter().map(|roots| roots.sources().clone()).collect(),
            certificates: self.certificates.iter().map(|c| sha256(&c.der())).collect(),
            crls: self.crls.iter().map(|c| Ok(sha256(&c.to_der()?))).collect::<Result<_, ErrorStack>>()?,
        })
    }

    fn make(&self) -> Result<SharedStore, ErrorStack> {
        let certificates: Vec<X509> = self.certificates.iter().map(|c| c.as_openssl().to_owned()).collect();
        let mut roots: Vec<Arc<Roots>> = self.system.iter().filter_map(|roots| roots.file_roots()).collect();
        if self.mozilla {
            roots.extend(mozilla_roots());
        }
        let directories: Vec<_> = self.system.iter().flat_map(|roots| &roots.sources().directories).collect();
        SharedStore::new(&certificates, &self.crls, &roots, &directories)
    }
}

/// One set for the process: what one store has parsed, all have.
#[cfg(feature = "mozilla-roots")]
fn mozilla_roots() -> Option<Arc<Roots>> {
    static ROOTS: OnceLock<Arc<Roots>> = OnceLock::new();
    let make = || {
        let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        Roots::new(certificates.map(|der| std::borrow::Cow::Borrowed(der.as_ref())).collect())
    };
    Some(Arc::clone(ROOTS.get_or_init(make)))
}

#[cfg(not(feature = "mozilla-roots"))]
fn mozilla_roots() -> Option<Arc<Roots>> {
    None
}

/// Reads all blocks of one kind; other kinds, such as a key in the same file, are passed over.
fn read_blocks<T>(
    option: &'static str,
    what: &str,
    text: &[u8],
    wanted: impl Fn(&Block<'_>) -> bool,
    read: impl Fn(&[u8]) -> Result<T, ErrorStack>,
) -> Result<Vec<T>, Error> {
    queue::clear();
    let mut found = Vec::new();
    for block in pem::blocks(text).map_err(|number| pem::unterminated(option, number))? {
        if !wanted(&block) {
            continue;
        }
        found.push(read(block.text).map_err(|stack| {
            let error = queue::stack_error(ErrorKind::Config, &stack);
            error.context(format!("PEM block {} is no {what}", block.number)).with_option(option)
        })?);
    }
    if found.is_empty() {
        let error = Error::config(option, format!("there is no {what} in the PEM text"));
        return Err(error.with_code("ERR_OSSL_PEM_NO_START_LINE"));
    }
    Ok(found)
}

fn failed(stack: ErrorStack) -> Error {
    queue::stack_error(ErrorKind::Config, &stack).with_option(OPTION)
}

/// What the locks of this file protect is whole at every moment, so a panic under them spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
