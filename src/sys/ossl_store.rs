//! `OSSL_STORE`: keys and certificates by URI.

use std::ffi::CStr;
use std::ptr;

use foreign_types::ForeignType;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use super::passphrase::{self, Prompt};
use super::{decl, queue};
use crate::values::secret::Secret;

/// How many objects in a row may be unreadable before the rest of a store is given up.
const UNREADABLE: usize = 16;

/// What a store has, in its order.
pub(crate) struct Found {
    pub(crate) keys: Vec<PKey<Private>>,
    pub(crate) certificates: Vec<X509>,
    /// Why the first unreadable object was none.
    pub(crate) unreadable: Option<ErrorStack>,
    /// Whether a passphrase or a PIN was asked for.
    pub(crate) asked: bool,
}

/// Reads everything at `uri`. The error says that no loader opens it.
///
/// A path is a URI, too. What a name in a directory leads to is not followed.
pub(crate) fn load(uri: &CStr, secret: Option<Secret>) -> Result<Found, ErrorStack> {
    let prompt = Prompt::new(secret);
    let store = Store::open(uri, &prompt)?;
    let mut found = Found { keys: Vec::new(), certificates: Vec::new(), unreadable: None, asked: false };
    let mut failures = 0;
    while failures < UNREADABLE && !store.is_at_end() {
        match store.next() {
            Ok(Some(object)) => {
                failures = 0;
                found.keys.extend(object.key());
                found.certificates.extend(object.certificate());
            }
            Ok(None) => {}
            Err(stack) => {
                failures += 1;
                found.unreadable.get_or_insert(stack);
            }
        }
    }
    // Each object was asked for what it may not be.
    queue::clear();
    found.asked = prompt.was_asked();
    Ok(found)
}

/// An open store; it borrows its prompt.
struct Store<'a> {
    context: *mut decl::OSSL_STORE_CTX,
    _prompt: &'a Prompt,
}

impl<'a> Store<'a> {
    fn open(uri: &CStr, prompt: &'a Prompt) -> Result<Store<'a>, ErrorStack> {
        let method = passphrase::method()?;
        // SAFETY: the URI is copied or used during the call; the method lives for ever and its data, the prompt, for as
        // long as the store that is made here (OSSL_STORE_open(3)).
        let context =
            unsafe { decl::OSSL_STORE_open(uri.as_ptr(), method, prompt.as_data(), None, ptr::null_mut()) };
        if context.is_null() { Err(ErrorStack::get()) } else { Ok(Store { context, _prompt: prompt }) }
    }

    fn is_at_end(&self) -> bool {
        // SAFETY: the store is open.
        unsafe { decl::OSSL_STORE_eof(self.context) != 0 }
    }

    /// The next object; `None` at the end, or for a thing without content.
    fn next(&self) -> Result<Option<Object>, ErrorStack> {
        queue::clear();
        // SAFETY: the store is open; an answer that is not null is ours.
        let (object, failed) =
            unsafe { (decl::OSSL_STORE_load(self.context), decl::OSSL_STORE_error(self.context) != 0) };
        match (object.is_null(), failed) {
            (false, _) => Ok(Some(Object(object))),
            (true, true) => Err(ErrorStack::get()),
            // Without an error it is the end, and if not, it counts as one: a loop has to end.
            (true, false) if self.is_at_end() => Ok(None),
            (true, false) => Err(ErrorStack::get()),
        }
    }
}

impl Drop for Store<'_> {
    fn drop(&mut self) {
        // SAFETY: the store is open, and nobody uses it after this.
        unsafe { decl::OSSL_STORE_close(self.context) };
    }
}

/// What a store holds. The numbers of the kinds changed in OpenSSL 3.0; so it is asked for each of what it may be.
struct Object(*mut decl::OSSL_STORE_INFO);

impl Object {
    fn key(&self) -> Option<PKey<Private>> {
        // SAFETY: the object is ours; the answer is null or a reference of our own.
        unsafe {
            let key = decl::OSSL_STORE_INFO_get1_PKEY(self.0);
            (!key.is_null()).then(|| PKey::from_ptr(key))
        }
    }

    fn certificate(&self) -> Option<X509> {
        // SAFETY: as above.
        unsafe {
            let certificate = decl::OSSL_STORE_INFO_get1_CERT(self.0);
            (!certificate.is_null()).then(|| X509::from_ptr(certificate))
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the object is ours.
        unsafe { decl::OSSL_STORE_INFO_free(self.0) };
    }
}
