//! Whom to trust: root certificates and revocation lists.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use openssl::stack::Stack;
use openssl::x509::{X509, X509Crl, X509Name};

use super::certificate::Certificate;
use super::pem;
use super::store_table::{Parts, failed, lock};
use super::system_roots::{SystemRoots, SystemSources};
use crate::sys::pem as reader;
use crate::sys::queue;
use crate::sys::store::SharedStore;
use crate::values::error::{Error, ErrorKind};

/// The builder's method that takes the roots.
pub(super) const OPTION: &str = "trust";

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
        let certificates = pem::read_blocks(
            OPTION,
            "certificate",
            pem.as_ref(),
            |block| block.is_certificate(),
            reader::certificate,
        )?;
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
        let read =
            pem::read_blocks(CRL, "revocation list", pem.as_ref(), |block| block.is_crl(), reader::crl)?;
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

    /// The same authorities without revocation lists.
    pub(super) fn without_crls(&self) -> TrustStore {
        if !self.has_crls() {
            return self.clone();
        }
        TrustStore::new(Parts { crls: Vec::new(), ..self.0.parts.clone() })
    }

    /// The certificates that were given one by one: not Mozilla's, not the system's.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0.parts.certificates
    }

    /// Whether there are revocation lists, so that every certificate of a chain is checked against them.
    pub fn has_crls(&self) -> bool {
        !self.0.parts.crls.is_empty()
    }

    /// The revocation lists.
    pub(crate) fn crls(&self) -> &[Arc<X509Crl>] {
        &self.0.parts.crls
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::store::trial;
    use std::path::PathBuf;

    fn path(name: &str) -> PathBuf {
        PathBuf::from(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR")))
    }

    fn trust(name: &str) -> TrustStore {
        TrustStore::from_pem_file(path(&format!("pki/{name}.pem"))).unwrap()
    }

    fn certificate(name: &str) -> X509 {
        X509::from_pem(&std::fs::read(path(&format!("pki/{name}.pem"))).unwrap()).unwrap()
    }

    /// The code of the verification, with revocation lists checked as a context does.
    fn verdict(trust: &TrustStore, leaf: &str, between: &[&str]) -> i32 {
        let between: Vec<X509> = between.iter().map(|name| certificate(name)).collect();
        trial::verdict(&trust.store().unwrap(), &certificate(leaf), &between, trust.has_crls())
    }

    const OK: i32 = 0;
    const UNKNOWN_ISSUER: i32 = 20;
    const NO_CRL: i32 = 3;
    const REVOKED: i32 = 23;

    #[test]
    fn a_chain_is_accepted_under_its_own_root_alone() {
        assert_eq!(verdict(&trust("root"), "server-rsa", &[]), OK);
        assert_eq!(verdict(&trust("bundle"), "server-rsa-chain", &["intermediate"]), OK);
        assert_eq!(verdict(&trust("other-root"), "server-rsa", &[]), UNKNOWN_ISSUER);
        assert_eq!(verdict(&TrustStore::empty(), "server-rsa", &[]), UNKNOWN_ISSUER);
    }

    #[test]
    fn combining_trusts_what_either_trusts_and_leaves_the_parts_alone() {
        let other = trust("other-root");
        let both = other.and(trust("root"));
        assert_eq!(verdict(&both, "server-rsa", &[]), OK);
        assert_eq!(verdict(&both, "client-other", &[]), OK);
        assert_eq!(verdict(&other, "server-rsa", &[]), UNKNOWN_ISSUER);
        assert_eq!((both.certificates().len(), other.certificates().len()), (2, 1));
    }

    #[test]
    fn the_same_content_is_the_same_store_whatever_the_order() {
        let one = trust("root").and(trust("other-root")).store().unwrap();
        let two = trust("other-root").and(trust("root")).and(trust("root")).store().unwrap();
        let crls = trust("root").with_crl_pem_file(path("crl/root.crl.pem")).unwrap();
        let same_crl = trust("root").with_crl_der(std::fs::read(path("crl/root.crl.der")).unwrap()).unwrap();
        assert!(!one.is(&trust("root").store().unwrap()));
        assert!(!crls.store().unwrap().is(&trust("root").store().unwrap()));
        // The first store of each pair is alive only as long as its trust store is.
        let (first, second) =
            (trust("root").and(trust("other-root")), trust("other-root").and(trust("root")));
        assert!(first.store().unwrap().is(&second.store().unwrap()));
        assert!(crls.store().unwrap().is(&same_crl.store().unwrap()));
        drop((one, two));
    }

    #[test]
    fn revocation_lists_take_effect() {
        let lists = trust("root").with_crl_pem_file(path("crl/root.crl.pem")).unwrap();
        assert!(lists.has_crls());
        assert_eq!(verdict(&lists, "server-rsa", &[]), OK);
        assert_eq!(verdict(&lists, "revoked", &[]), REVOKED);
        assert_eq!(verdict(&trust("root"), "revoked", &[]), OK);
        assert_eq!(verdict(&lists, "revoked-chain", &["intermediate"]), NO_CRL);
        let lists = lists.with_crl_pem(std::fs::read(path("crl/intermediate.crl.pem")).unwrap()).unwrap();
        assert_eq!(verdict(&lists, "revoked-chain", &["intermediate"]), REVOKED);
        assert_eq!(verdict(&lists, "server-rsa-chain", &["intermediate"]), OK);
    }

    #[test]
    fn several_lists_may_stand_in_one_text() {
        let mut text = std::fs::read(path("crl/root.crl.pem")).unwrap();
        text.extend(std::fs::read(path("crl/intermediate.crl.pem")).unwrap());
        let lists = trust("root").with_crl_pem(text).unwrap();
        assert_eq!(verdict(&lists, "server-rsa-chain", &["intermediate"]), OK);
    }

    #[test]
    fn what_holds_no_certificate_is_an_error_that_names_the_file() {
        for (name, code) in [
            ("pki/not-pem.pem", "ERR_OSSL_PEM_NO_START_LINE"),
            ("pki/garbage.der", "ERR_OSSL_PEM_NO_START_LINE"),
            ("pki/server-rsa.key", "ERR_OSSL_PEM_NO_START_LINE"),
            ("pki/truncated.pem", "ERR_OSSL_PEM_BAD_END_LINE"),
            ("pki/absent.pem", "ENOENT"),
        ] {
            let error = TrustStore::from_pem_file(path(name)).unwrap_err();
            assert_eq!((error.option(), error.code()), (Some("trust"), code), "{error:?}");
            assert_eq!(error.file(), Some(&*path(name)));
        }
        assert_eq!(TrustStore::from_pem("").unwrap_err().option(), Some("trust"));
        assert_eq!(TrustStore::from_der("garbage").unwrap_err().option(), Some("trust"));
    }

    #[test]
    fn a_malformed_block_is_named_by_number() {
        let mut text = std::fs::read(path("pki/bundle.pem")).unwrap();
        text.extend(b"-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n");
        let error = TrustStore::from_pem(text).unwrap_err();
        assert!(error.message().starts_with("PEM block 4 is no certificate: "), "{error}");
    }

    #[test]
    fn what_holds_no_list_is_an_error_of_the_option_crl() {
        let root = trust("root");
        let broken = b"-----BEGIN X509 CRL-----\nAAEC\n-----END X509 CRL-----\n";
        let file = root.with_crl_pem_file(path("pki/not-pem.pem")).unwrap_err();
        assert_eq!(file.file(), Some(&*path("pki/not-pem.pem")));
        for error in [
            file,
            root.with_crl_pem(b"").unwrap_err(),
            root.with_crl_pem(broken).unwrap_err(),
            root.with_crl_der(b"garbage").unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("crl")), "{error:?}");
        }
    }

    #[test]
    fn the_names_for_a_client_are_those_of_the_explicit_certificates_once_each() {
        let names = trust("bundle").and(trust("root")).subject_names().unwrap();
        let expected = [certificate("root"), certificate("root-ec"), certificate("other-root")];
        assert_eq!(names.len(), expected.len());
        for (name, certificate) in names.iter().zip(&expected) {
            assert!(name.try_cmp(certificate.subject_name()).unwrap().is_eq());
        }
        #[cfg(feature = "mozilla-roots")]
        assert_eq!(TrustStore::mozilla().subject_names().unwrap().len(), 0);
    }

    #[cfg(feature = "mozilla-roots")]
    #[test]
    fn every_root_of_mozilla_is_found_and_only_those() {
        let trust = TrustStore::mozilla();
        let store = trust.store().unwrap();
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            let root = X509::from_der(der).unwrap();
            assert_eq!(trial::verdict(&store, &root, &[], false), OK, "{:?}", root.subject_name());
        }
        assert_eq!(verdict(&trust, "server-rsa", &[]), UNKNOWN_ISSUER);
        let both = trust.and(self::trust("root"));
        assert_eq!(verdict(&both, "server-rsa", &[]), OK);
    }

    #[cfg(feature = "mozilla-roots")]
    #[test]
    fn mozilla_s_store_is_one_for_the_process() {
        assert!(TrustStore::mozilla().store().unwrap().is(&TrustStore::mozilla().store().unwrap()));
        let one = TrustStore::mozilla().and(trust("root"));
        let two = trust("root").and(TrustStore::mozilla());
        assert!(one.store().unwrap().is(&two.store().unwrap()));
    }

    #[test]
    fn the_debug_form_counts() {
        let shown = format!("{:?}", trust("bundle").with_crl_pem_file(path("crl/root.crl.pem")).unwrap());
        assert_eq!(shown, "TrustStore { mozilla: false, system: [], certificates: 3, crls: 1 }");
    }
}
