//! One `X509_STORE` for all trust stores of the same content.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::x509::{X509, X509Crl};

use super::certificate::Certificate;
use super::system_roots::{SystemRoots, SystemSources};
use super::trust::OPTION;
use crate::sys::queue;
use crate::sys::store::{Roots, SharedStore};
use crate::values::error::{Error, ErrorKind};

/// What a trust store is made of.
#[derive(Clone, Default)]
pub(super) struct Parts {
    pub(super) mozilla: bool,
    pub(super) system: Vec<Arc<SystemRoots>>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) crls: Vec<Arc<X509Crl>>,
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
    /// The store of this content, which all that have the same content share.
    pub(super) fn store(&self) -> Result<Arc<SharedStore>, Error> {
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

pub(super) fn failed(stack: ErrorStack) -> Error {
    queue::stack_error(ErrorKind::Config, &stack).with_option(OPTION)
}

/// What the locks of trust stores protect is whole at every moment, so a panic under them spoils nothing.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
