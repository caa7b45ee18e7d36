//! `X509_STORE`: shared by reference count, with revocation lists, hashed directories and roots that are parsed on
//! demand.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_long, c_void};
use std::ptr;
use std::sync::{Arc, OnceLock};

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;
use openssl::x509::store::{X509Store, X509StoreBuilder, X509StoreRef};
use openssl::x509::{X509, X509Crl, X509Name, X509NameRef};
use openssl_sys as ffi;

use super::guard::guard;
use super::{decl, queue};

/// One reference to a store that several contexts use. A clone is another reference to the same store.
///
/// Nobody adds to a store once it is shared, but for the roots that its look-ups find.
pub(crate) struct SharedStore(X509Store);

impl SharedStore {
    /// Makes a store. `roots` and `directories` (each in the form of `SSL_CERT_DIR`) cost nothing until a chain
    /// needs one of them.
    pub(crate) fn new(
        certificates: &[X509],
        crls: &[Arc<X509Crl>],
        roots: &[Arc<Roots>],
        directories: &[impl AsRef<OsStr>],
    ) -> Result<SharedStore, ErrorStack> {
        let mut builder = X509StoreBuilder::new()?;
        for certificate in certificates {
            builder.add_cert(certificate.clone())?;
        }
        let store = SharedStore(builder.build());
        for crl in crls {
            store.add_crl(crl)?;
        }
        for set in roots {
            // libcrypto asks the look-ups only for subjects that the store does not have yet.
            for certificate in certificates {
                set.supply(certificate.subject_name(), store.0.as_ptr());
            }
            store.add_roots(Arc::clone(set))?;
        }
        for directory in directories {
            store.add_hashed_directory(directory.as_ref())?;
        }
        Ok(store)
    }

    /// Gives the store to a context: `SSL_CTX_set1_cert_store`.
    pub(crate) fn install_on(&self, context: &mut SslContextBuilder) {
        // SAFETY: both are alive; the call takes its own reference to the store.
        unsafe { decl::SSL_CTX_set1_cert_store(context.as_ptr(), self.0.as_ptr()) };
    }

    /// The store as a type of the `openssl` crate.
    pub(crate) fn as_openssl(&self) -> &X509StoreRef {
        &self.0
    }

    /// Whether the two are references to one store.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &SharedStore) -> bool {
        self.0.as_ptr() == other.0.as_ptr()
    }

    fn add_crl(&self, crl: &X509Crl) -> Result<(), ErrorStack> {
        // SAFETY: both are alive; the store takes its own reference to the list.
        let done = unsafe { decl::X509_STORE_add_crl(self.0.as_ptr(), crl.as_ptr()) };
        if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
    }

    fn add_hashed_directory(&self, directory: &OsStr) -> Result<(), ErrorStack> {
        // What holds a NUL byte is no path of the system, and the caller has looked into the directory.
        let Ok(path) = CString::new(directory.as_encoded_bytes()) else { return Ok(()) };
        // SAFETY: the store is alive and owns the look-up that it answers with; libcrypto copies the path.
        let done = unsafe {
            let lookup = ffi::X509_STORE_add_lookup(self.0.as_ptr(), ffi::X509_LOOKUP_hash_dir());
            !lookup.is_null()
                && ffi::X509_LOOKUP_ctrl(
                    lookup,
                    decl::X509_L_ADD_DIR,
                    path.as_ptr(),
                    c_long::from(ffi::X509_FILETYPE_PEM),
                    ptr::null_mut::<*mut c_char>(),
                ) == 1
        };
        if done { Ok(()) } else { Err(ErrorStack::get()) }
    }

    /// Every set has a method of its own, because a store makes one look-up a method.
    fn add_roots(&self, roots: Arc<Roots>) -> Result<(), ErrorStack> {
        let method = roots.method()?;
        // SAFETY: the store is alive and owns the look-up. The method lives as long as its set; the look-up owns
        // one reference to the set, which `free_roots` gives back when the store goes.
        unsafe {
            let lookup = ffi::X509_STORE_add_lookup(self.0.as_ptr(), method);
            if lookup.is_null() {
                return Err(ErrorStack::get());
            }
            if decl::X509_LOOKUP_get_method_data(lookup).is_null() {
                decl::X509_LOOKUP_set_method_data(lookup, Arc::into_raw(roots).cast_mut().cast());
            }
        }
        Ok(())
    }
}

impl Clone for SharedStore {
    fn clone(&self) -> SharedStore {
        // SAFETY: the store is alive, so its count is not zero; the new reference is the clone's.
        unsafe {
            decl::X509_STORE_up_ref(self.0.as_ptr());
            SharedStore(X509Store::from_ptr(self.0.as_ptr()))
        }
    }
}

/// Root certificates in DER that are parsed when a chain needs them.
///
/// Parsing Mozilla's takes 17 ms with OpenSSL 3.0; a chain needs one of them. Only the subjects are read before,
/// when the first chain asks.
pub(crate) struct Roots {
    ders: Vec<Cow<'static, [u8]>>,
    index: OnceLock<Vec<Root>>,
    method: OnceLock<Method>,
}

struct Root {
    subject: X509Name,
    /// Place in `ders`.
    place: usize,
    /// Kept for the life of the set: libcrypto borrows it from the answer of a look-up.
    certificate: OnceLock<Option<X509>>,
}

impl Roots {
    pub(crate) fn new(ders: Vec<Cow<'static, [u8]>>) -> Arc<Roots> {
        Arc::new(Roots { ders, index: OnceLock::new(), method: OnceLock::new() })
    }

    fn index(&self) -> &[Root] {
        self.index.get_or_init(|| {
            let subjects = self.ders.iter().enumerate();
            subjects
                .filter_map(|(place, der)| Some(Root::new(parse_name(subject_of(der)?)?, place)))
                .collect()
        })
    }

    /// Puts every root with that subject into the store and answers with the first.
    fn supply(&self, subject: &X509NameRef, store: *mut ffi::X509_STORE) -> Option<&X509> {
        let mut first = None;
        for root in self.index() {
            if !root.subject.try_cmp(subject).is_ok_and(|order| order.is_eq()) {
                continue;
            }
            let parsed = root.certificate.get_or_init(|| parse_certificate(&self.ders[root.place]));
            let Some(certificate) = parsed else { continue };
            // SAFETY: both are alive; the store takes its own reference and ignores a certificate that it has.
            unsafe { ffi::X509_STORE_add_cert(store, certificate.as_ptr()) };
            first = first.or(Some(certificate));
        }
        first
    }

    fn method(&self) -> Result<*mut ffi::X509_LOOKUP_METHOD, ErrorStack> {
        if let Some(method) = self.method.get() {
            return Ok(method.0);
        }
        let method = Method::new()?;
        Ok(self.method.get_or_init(|| method).0)
    }
}

impl Root {
    fn new(subject: X509Name, place: usize) -> Root {
        Root { subject, place, certificate: OnceLock::new() }
    }
}

/// A look-up method; freed with the set that it belongs to.
struct Method(*mut ffi::X509_LOOKUP_METHOD);

// SAFETY: after `new` the method is only read, and freed by its one owner.
unsafe impl Send for Method {}
// SAFETY: as above.
unsafe impl Sync for Method {}

impl Method {
    fn new() -> Result<Method, ErrorStack> {
        // SAFETY: the name is copied; the setters store a function each in the method that was just made.
        unsafe {
            let method = decl::X509_LOOKUP_meth_new(c"roots parsed on demand".as_ptr());
            if method.is_null() {
                return Err(ErrorStack::get());
            }
            decl::X509_LOOKUP_meth_set_get_by_subject(method, Some(root_by_subject));
            decl::X509_LOOKUP_meth_set_free(method, Some(free_roots));
            Ok(Method(method))
        }
    }
}

impl Drop for Method {
    fn drop(&mut self) {
        // SAFETY: the set is gone, and every look-up owns a reference to the set, so none is left.
        unsafe { ffi::X509_LOOKUP_meth_free(self.0) };
    }
}

/// Called by libcrypto, without a lock, for a subject that the store does not have.
unsafe extern "C" fn root_by_subject(
    lookup: *mut ffi::X509_LOOKUP,
    kind: std::ffi::c_uint,
    name: *const ffi::X509_NAME,
    answer: *mut ffi::X509_OBJECT,
) -> c_int {
    // OpenSSL 4.0 takes every answer but 0 for a find.
    guard(None, 0, || {
        if kind != decl::X509_LU_X509 || name.is_null() || answer.is_null() {
            return 0;
        }
        // SAFETY: the method data of such a look-up is a set that it owns a reference to; the name lives for the
        // call.
        let (roots, name, store) = unsafe {
            let roots = decl::X509_LOOKUP_get_method_data(lookup).cast::<Roots>().as_ref();
            (roots, X509NameRef::from_ptr(name.cast_mut()), decl::X509_LOOKUP_get_store(lookup))
        };
        let Some(certificate) = roots.and_then(|roots| roots.supply(name, store)) else { return 0 };
        // SAFETY: the answer borrows: libcrypto takes its own reference from it and frees nothing
        // (X509_STORE_CTX_get_by_subject in x509_lu.c). So the reference that `set1` takes is given back at once;
        // the set keeps the certificate alive.
        unsafe {
            if decl::X509_OBJECT_set1_X509(answer, certificate.as_ptr()) != 1 {
                return 0;
            }
            ffi::X509_free(certificate.as_ptr());
        }
        1
    })
}

/// Called by libcrypto when a store goes.
unsafe extern "C" fn free_roots(lookup: *mut ffi::X509_LOOKUP) {
    guard(None, (), || {
        // SAFETY: the look-up owns this reference; libcrypto calls this once, last.
        let roots = unsafe {
            let data: *mut c_void = decl::X509_LOOKUP_get_method_data(lookup);
            (!data.is_null()).then(|| Arc::from_raw(data.cast::<Roots>()))
        };
        // libcrypto reads nothing of the method after this call, so the set may end here, and its method with it.
        drop(roots);
    });
}

/// Where libssl looks for the system's roots.
pub(crate) struct DefaultPlaces {
    pub(crate) file_variable: &'static CStr,
    pub(crate) file: &'static CStr,
    pub(crate) directory_variable: &'static CStr,
    pub(crate) directory: &'static CStr,
}

pub(crate) fn default_places() -> DefaultPlaces {
    // SAFETY: each call gives a constant of libcrypto, or a text that it computes once and keeps.
    unsafe {
        DefaultPlaces {
            file_variable: CStr::from_ptr(ffi::X509_get_default_cert_file_env()),
            file: CStr::from_ptr(ffi::X509_get_default_cert_file()),
            directory_variable: CStr::from_ptr(ffi::X509_get_default_cert_dir_env()),
            directory: CStr::from_ptr(ffi::X509_get_default_cert_dir()),
        }
    }
}

/// The encoded subject of a certificate (RFC 5280 section 4.1).
fn subject_of(der: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate.content, SEQUENCE).map(|(e, r)| (e.content, r))?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest, VERSION)?.1;
    }
    // serialNumber, signature, issuer, validity
    for tag in [0x02, SEQUENCE, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    Some(element(rest, SEQUENCE)?.0.whole)
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

/// The first element of some DER and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(Element<'_>, &[u8])> {
    let (&first, &length) = (der.first()?, der.get(1)?);
    if first != tag {
        return None;
    }
    let (header, length) = match length {
        0..=0x7f => (2, usize::from(length)),
        0x81..=0x83 => {
            let bytes = usize::from(length & 0x7f);
            let digits = der.get(2..2 + bytes)?;
            (2 + bytes, digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))
        }
        _ => return None,
    };
    let end = header + length;
    Some((Element { whole: der.get(..end)?, content: der.get(header..end)? }, &der[end..]))
}

/// Reads a certificate and, where they follow it, the settings of a `TRUSTED CERTIFICATE`: one that is rejected for
/// servers stays so.
fn parse_certificate(der: &[u8]) -> Option<X509> {
    let mut start = der.as_ptr();
    let length = c_long::try_from(der.len()).ok()?;
    // SAFETY: `start` is good for `length` bytes; the call moves `start` and gives a new certificate or null.
    let read = unsafe { decl::d2i_X509_AUX(ptr::null_mut(), &mut start, length) };
    if read.is_null() {
        queue::clear();
        return None;
    }
    // SAFETY: not null, and nobody else owns it.
    Some(unsafe { X509::from_ptr(read) })
}

fn parse_name(der: &[u8]) -> Option<X509Name> {
    let name = X509Name::from_der(der).ok();
    if name.is_none() {
        queue::clear();
    }
    name
}

/// Verification at a fixed time, for the tests of this crate.
#[cfg(test)]
pub(crate) mod trial {
    use super::*;
    use openssl::stack::Stack;
    use openssl::x509::X509StoreContext;

    /// June 2025.
    const NOW: libc::time_t = 1_750_000_000;

    const CRL_CHECK_ALL: libc::c_ulong = 0x4 | 0x8;

    // SAFETY: as in x509_vfy.h of 1.1.1 to 4.0.
    unsafe extern "C" {
        fn X509_STORE_CTX_set_time(chain: *mut ffi::X509_STORE_CTX, flags: libc::c_ulong, time: libc::time_t);
        fn X509_STORE_CTX_set_flags(chain: *mut ffi::X509_STORE_CTX, flags: libc::c_ulong);
        fn X509_STORE_CTX_set_trust(chain: *mut ffi::X509_STORE_CTX, trust: c_int) -> c_int;
    }

    /// The code of the verification: 0 for a good chain.
    pub(crate) fn verdict(store: &SharedStore, leaf: &X509, between: &[X509], crls: bool) -> c_int {
        judge(store, leaf, between, crls, 0)
    }

    /// The code of a verification that asks whether the anchor is trusted for TLS servers.
    pub(crate) fn verdict_for_servers(store: &SharedStore, leaf: &X509) -> c_int {
        const X509_TRUST_SSL_SERVER: c_int = 3;
        judge(store, leaf, &[], false, X509_TRUST_SSL_SERVER)
    }

    fn judge(store: &SharedStore, leaf: &X509, between: &[X509], crls: bool, trust: c_int) -> c_int {
        let mut chain = Stack::new().unwrap();
        for certificate in between {
            chain.push(certificate.clone()).unwrap();
        }
        let mut context = X509StoreContext::new().unwrap();
        let check = |context: &mut openssl::x509::X509StoreContextRef| {
            // SAFETY: the context is alive; the functions take numbers.
            unsafe {
                X509_STORE_CTX_set_time(context.as_ptr(), 0, NOW);
                X509_STORE_CTX_set_flags(context.as_ptr(), if crls { CRL_CHECK_ALL } else { 0 });
                X509_STORE_CTX_set_trust(context.as_ptr(), trust);
            }
            context.verify_cert()?;
            Ok(context.error().as_raw())
        };
        context.init(store.as_openssl(), leaf, &chain, check).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> X509 {
        let path = format!("{}/fixtures/pki/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        X509::from_pem(&std::fs::read(path).unwrap()).unwrap()
    }

    fn verifies(store: &SharedStore, leaf: &X509, between: &[X509]) -> bool {
        trial::verdict(store, leaf, between, false) == 0
    }

    fn none() -> [&'static str; 0] {
        []
    }

    fn lazy(certificates: &[&X509]) -> Arc<Roots> {
        Roots::new(certificates.iter().map(|c| Cow::Owned(c.to_der().unwrap())).collect())
    }

    #[test]
    fn a_root_is_found_on_demand_and_only_then() {
        let (root, other, between) = (read("root"), read("other-root"), read("intermediate"));
        let roots = lazy(&[&other, &root]);
        let store = SharedStore::new(&[], &[], &[Arc::clone(&roots)], &none()).unwrap();
        assert!(roots.index.get().is_none(), "nothing is read before a chain asks");
        assert!(verifies(&store, &between, &[]));
        assert!(verifies(&store, &between, &[]), "a second time out of the store");
        assert!(roots.index()[0].certificate.get().is_none(), "the other root was not parsed");
        assert!(roots.index()[1].certificate.get().is_some());
    }

    #[test]
    fn threads_that_ask_at_once_all_find_the_root() {
        let (root, between) = (read("root"), read("intermediate"));
        for _ in 0..20 {
            let store = SharedStore::new(&[], &[], &[lazy(&[&root])], &none()).unwrap();
            std::thread::scope(|scope| {
                let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| verifies(&store, &between, &[]))).collect();
                assert!(asked.into_iter().all(|thread| thread.join().unwrap()));
            });
        }
    }

    #[test]
    fn a_root_with_the_subject_of_an_explicit_certificate_is_there_from_the_start() {
        let store = SharedStore::new(&[read("root")], &[], &[lazy(&[&read("root")])], &none()).unwrap();
        assert!(verifies(&store, &read("intermediate"), &[]));
    }

    #[test]
    fn a_root_that_is_rejected_for_servers_stays_rejected() {
        let mut der = read("root").to_der().unwrap();
        // X509_CERT_AUX with serverAuth among the rejected uses, as `openssl x509 -addreject serverAuth` writes it.
        der.extend([0x30, 0x0c, 0xa0, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]);
        let certificate = parse_certificate(&der).unwrap();
        assert_eq!(certificate.to_der().unwrap(), read("root").to_der().unwrap());
        let set = Roots::new(vec![Cow::Owned(der)]);
        let store = SharedStore::new(&[], &[], &[set], &none()).unwrap();
        let rejected = 28;
        assert_eq!(trial::verdict_for_servers(&store, &read("intermediate")), rejected);
    }

    #[test]
    fn an_unknown_issuer_is_not_found() {
        let store = SharedStore::new(&[], &[], &[lazy(&[&read("other-root")])], &none()).unwrap();
        assert!(!verifies(&store, &read("intermediate"), &[]));
    }

    #[test]
    fn the_set_lives_as_long_as_some_store_and_no_longer() {
        let roots = lazy(&[&read("root")]);
        let weak = Arc::downgrade(&roots);
        let first = SharedStore::new(&[], &[], &[Arc::clone(&roots)], &none()).unwrap();
        let second = first.clone();
        drop(roots);
        drop(first);
        assert!(verifies(&second, &read("intermediate"), &[]));
        drop(second);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn several_sets_serve_one_store() {
        let sets = [lazy(&[&read("other-root")]), lazy(&[&read("root")])];
        let store = SharedStore::new(&[], &[], &sets, &none()).unwrap();
        assert!(verifies(&store, &read("intermediate"), &[]));
        let weak = sets.each_ref().map(Arc::downgrade);
        drop((sets, store));
        assert!(weak.iter().all(|set| set.upgrade().is_none()));
    }

    #[test]
    fn the_subject_is_found_without_parsing_the_certificate() {
        for name in ["root", "intermediate", "server-rsa", "server-p256", "other-root"] {
            let certificate = read(name);
            let der = certificate.to_der().unwrap();
            assert_eq!(subject_of(&der).unwrap(), certificate.subject_name().to_der().unwrap(), "{name}");
            for cut in 0..der.len().min(200) {
                assert!(subject_of(&der[..cut]).is_none_or(|s| s.len() < cut));
            }
        }
    }

    #[test]
    fn a_clone_is_the_same_store() {
        let store = SharedStore::new(&[read("root")], &[], &[], &none()).unwrap();
        let other = SharedStore::new(&[read("root")], &[], &[], &none()).unwrap();
        assert!(store.is(&store.clone()));
        assert!(!store.is(&other));
    }
}
