//! Who one is: a private key with its certificate and chain.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::x509::{X509, X509Ref};

use super::certificate::Certificate;
use super::chain;
use super::pem::{self, Block};
use super::pkcs12;
use super::private_key;
use super::public_key::PublicKeyType;
use super::self_signed;
use crate::sys::{pem as reader, queue};
use crate::values::error::{Error, ErrorKind};
use crate::values::secret::Secret;

/// The builder's method that takes identities.
pub(super) const OPTION: &str = "identity";

/// A private key, the certificate for it, and the chain that leads to an authority.
///
/// A clone is a new reference to the same. The key is never printed.
///
/// # Examples
///
/// ```
/// use patina_tls::Identity;
///
/// let identity = Identity::self_signed(["localhost", "127.0.0.1"])?;
/// assert_eq!(identity.certificate().dns_names(), ["localhost"]);
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// From files:
///
/// ```no_run
/// use patina_tls::Identity;
///
/// let identity = Identity::from_pem_files("server.pem", "server.key")?;
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// # Security
///
/// libcrypto overwrites the key when the last reference goes. The buffers that a key was read from are the caller's;
/// those of the methods that take a path are overwritten.
///
/// # OpenSSL
///
/// `X509`, `EVP_PKEY`
#[derive(Clone)]
#[doc(alias = "cert")]
#[doc(alias = "key")]
#[doc(alias = "pfx")]
pub struct Identity(Arc<Inner>);

struct Inner {
    leaf: Certificate,
    chain: Vec<Certificate>,
    /// The chain again, as what libssl takes.
    extra: Vec<X509>,
    key: PKey<Private>,
}

impl Identity {
    /// Reads certificates and the key from PEM texts.
    ///
    /// The first certificate is the one for the key; the others are the chain, put in order where they are not.
    /// The key may be PKCS#8, PKCS#1 or SEC1. Certificates in the key's text belong to the chain too.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `identity`:
    ///
    /// - `ERR_OSSL_PEM_NO_START_LINE`: there is no certificate;
    /// - `ERR_OSSL_UNSUPPORTED`: there is no private key, or none that can be read;
    /// - `ERR_OSSL_BAD_DECRYPT`: the key is encrypted (nobody is asked for a passphrase at the terminal);
    /// - `ERR_OSSL_X509_KEY_VALUES_MISMATCH`: the key is not the certificate's.
    ///
    /// # OpenSSL
    ///
    /// `PEM_read_bio_X509_AUX`, `PEM_read_bio_PrivateKey`
    pub fn from_pem(certificates: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Identity, Error> {
        read_pem(certificates.as_ref(), key.as_ref(), None)
    }

    /// Reads certificates and an encrypted key from PEM texts, as [`from_pem`](Self::from_pem) does.
    ///
    /// The passphrase may have 1024 bytes. It is not needed, and then ignored, when the key is not encrypted.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem), `ERR_OSSL_BAD_DECRYPT` when the passphrase is wrong, and
    /// [`ErrorKind::Unsupported`] when the cipher of the key is not in the libcrypto in use.
    pub fn from_pem_with_passphrase(
        certificates: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
        passphrase: impl Into<Secret>,
    ) -> Result<Identity, Error> {
        read_pem(certificates.as_ref(), key.as_ref(), Some(passphrase.into()))
    }

    /// Reads certificates and the key from one PEM text, in any order.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem).
    pub fn from_pem_bundle(bundle: impl AsRef<[u8]>) -> Result<Identity, Error> {
        read_pem(bundle.as_ref(), bundle.as_ref(), None)
    }

    /// Reads certificates and the key from one PEM file, in any order.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem_files`](Self::from_pem_files).
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Identity, Error> {
        Identity::from_pem_files(path.as_ref(), path.as_ref())
    }

    /// Reads certificates and the key from PEM files, as [`from_pem`](Self::from_pem) does.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem), and [`ErrorKind::Io`] when a file cannot be read; all name the file
    /// at fault.
    pub fn from_pem_files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Identity, Error> {
        read_pem_files(certificates.as_ref(), key.as_ref(), None)
    }

    /// Reads certificates and an encrypted key from PEM files, as
    /// [`from_pem_with_passphrase`](Self::from_pem_with_passphrase) does.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem_with_passphrase`](Self::from_pem_with_passphrase), and [`ErrorKind::Io`] when a file
    /// cannot be read; all name the file at fault.
    pub fn from_pem_files_with_passphrase(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
        passphrase: impl Into<Secret>,
    ) -> Result<Identity, Error> {
        read_pem_files(certificates.as_ref(), key.as_ref(), Some(passphrase.into()))
    }

    /// Reads key, certificate and chain from a PKCS#12 archive (a `.p12` or `.pfx` file). An archive without a
    /// passphrase has the empty one.
    ///
    /// Archives of old programs are encrypted with RC2. From OpenSSL 3.0 on that is in the "legacy" provider: the
    /// first such archive loads it for the whole process, beside the providers that are there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `identity`:
    ///
    /// - `ERR_OSSL_PKCS12_MAC_VERIFY_FAILURE`: the passphrase is wrong;
    /// - `ERR_CRYPTO_OPERATION_FAILED`: the archive has no private key or no certificate for it;
    /// - another code when the bytes are no archive.
    ///
    /// [`ErrorKind::Unsupported`] when the legacy provider is needed and cannot be loaded.
    ///
    /// # OpenSSL
    ///
    /// `PKCS12_parse`
    pub fn from_pkcs12(der: impl AsRef<[u8]>, passphrase: impl Into<Secret>) -> Result<Identity, Error> {
        let (leaf, key, chain) = pkcs12::read(der.as_ref(), &passphrase.into())?;
        Identity::from_openssl(leaf, key, chain)
    }

    /// Reads a PKCS#12 file, as [`from_pkcs12`](Self::from_pkcs12) does.
    ///
    /// # Errors
    ///
    /// Those of [`from_pkcs12`](Self::from_pkcs12), and [`ErrorKind::Io`] when the file cannot be read; all name
    /// the file.
    pub fn from_pkcs12_file(
        path: impl AsRef<Path>,
        passphrase: impl Into<Secret>,
    ) -> Result<Identity, Error> {
        let path = path.as_ref();
        let archive = Secret::from(pem::read_file(OPTION, path)?);
        Identity::from_pkcs12(archive.as_bytes(), passphrase).map_err(|e| e.with_file(path))
    }

    /// Reads the certificate, its chain and the key in DER. The key may be PKCS#8, PKCS#1 or SEC1, not encrypted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `identity` when something cannot be read, or when the key is not the
    /// certificate's (`ERR_OSSL_X509_KEY_VALUES_MISMATCH`).
    ///
    /// # OpenSSL
    ///
    /// `d2i_X509`, `d2i_AutoPrivateKey`
    pub fn from_der<C: AsRef<[u8]>>(
        leaf: impl AsRef<[u8]>,
        chain: impl IntoIterator<Item = C>,
        key: impl AsRef<[u8]>,
    ) -> Result<Identity, Error> {
        queue::clear();
        let certificate = |der: &[u8]| {
            X509::from_der(der).map_err(|e| failed(&e).context("the certificate cannot be read"))
        };
        let leaf = certificate(leaf.as_ref())?;
        let chain = chain.into_iter().map(|der| certificate(der.as_ref())).collect::<Result<Vec<_>, _>>()?;
        Identity::from_openssl(leaf, private_key::from_der(key.as_ref())?, chain)
    }

    /// Makes a key on P-256 and a certificate for it that it signs itself, for the time from now on and ten years.
    ///
    /// The names are host names, also with a wildcard, or IP addresses. Nobody trusts such a certificate unless it
    /// is put into a trust store: for tests and for machines that are introduced by hand.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `identity` when there is no name, or when one is not ASCII.
    pub fn self_signed<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Result<Identity, Error> {
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        queue::clear();
        let (certificate, key) = self_signed::make(&names)?;
        Identity::from_openssl(certificate, key, Vec::new())
    }

    pub(crate) fn from_openssl(leaf: X509, key: PKey<Private>, chain: Vec<X509>) -> Result<Identity, Error> {
        queue::clear();
        let public = leaf.public_key().map_err(|e| failed(&e).context("the certificate's key"))?;
        let matches = public.id() == key.id() && public.public_eq(&key);
        queue::clear();
        if !matches {
            let error =
                Error::config(OPTION, "key values mismatch: the private key is not the certificate's");
            return Err(error.with_code("ERR_OSSL_X509_KEY_VALUES_MISMATCH"));
        }
        let extra = chain::in_order(&leaf, chain).map_err(|e| failed(&e))?;
        let chain = extra.iter().cloned().map(Certificate::from_x509).collect();
        Ok(Identity(Arc::new(Inner { leaf: Certificate::from_x509(leaf), chain, extra, key })))
    }

    /// The certificate that the key belongs to.
    pub fn certificate(&self) -> &Certificate {
        &self.0.leaf
    }

    /// The certificates that are sent behind the first: each is issued by the next, and what belongs to no place
    /// is at the end.
    pub fn chain(&self) -> &[Certificate] {
        &self.0.chain
    }

    /// The kind of the key. A context has one place for each kind: a second identity of the same kind replaces the
    /// first.
    pub fn key_type(&self) -> PublicKeyType {
        PublicKeyType::of(self.x509())
    }

    /// The name of the elliptic curve that the key is on, such as `prime256v1`.
    pub fn curve(&self) -> Option<&'static str> {
        self.0.key.ec_key().ok()?.group().curve_name()?.short_name().ok()
    }

    pub(crate) fn x509(&self) -> &X509Ref {
        self.0.leaf.as_openssl()
    }

    pub(crate) fn key(&self) -> &PKeyRef<Private> {
        &self.0.key
    }

    /// The chain as what libssl takes.
    pub(crate) fn extra(&self) -> &[X509] {
        &self.0.extra
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = |certificate: &Certificate| certificate.subject().to_string();
        f.debug_struct("Identity")
            .field("subject", &subject(self.certificate()))
            .field("chain", &self.chain().iter().map(subject).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Which of the two sources an error is about.
enum Fault {
    Certificates(Error),
    Key(Error),
}

fn read_pem(certificates: &[u8], key: &[u8], passphrase: Option<Secret>) -> Result<Identity, Error> {
    read_pem_sources(certificates, key, passphrase).map_err(|fault| match fault {
        Fault::Certificates(error) | Fault::Key(error) => error,
    })
}

fn read_pem_files(certificates: &Path, key: &Path, passphrase: Option<Secret>) -> Result<Identity, Error> {
    // A certificate file may hold the key too.
    let certificate_text = Secret::from(pem::read_file(OPTION, certificates)?);
    let key_text = Secret::from(pem::read_file(OPTION, key)?);
    read_pem_sources(certificate_text.as_bytes(), key_text.as_bytes(), passphrase).map_err(
        |fault| match fault {
            Fault::Certificates(error) => error.with_file(certificates),
            Fault::Key(error) => error.with_file(key),
        },
    )
}

fn read_pem_sources(certificates: &[u8], key: &[u8], passphrase: Option<Secret>) -> Result<Identity, Fault> {
    queue::clear();
    let blocks = |text| pem::blocks(text).map_err(|number| pem::unterminated(OPTION, number));
    let key_blocks = blocks(key).map_err(Fault::Key)?;
    let read = |blocks: &[Block<'_>]| {
        let wanted = blocks.iter().filter(|block| block.is_certificate());
        wanted.map(read_certificate).collect::<Result<Vec<_>, Error>>()
    };
    let mut chain = read(&blocks(certificates).map_err(Fault::Certificates)?).map_err(Fault::Certificates)?;
    if chain.is_empty() {
        let error = Error::config(OPTION, "there is no certificate in the PEM text");
        return Err(Fault::Certificates(error.with_code("ERR_OSSL_PEM_NO_START_LINE")));
    }
    let key = private_key::from_pem(&key_blocks, passphrase.as_ref()).map_err(Fault::Key)?;
    chain.extend(read(&key_blocks).map_err(Fault::Key)?);
    let leaf = chain.remove(0);
    Identity::from_openssl(leaf, key, chain).map_err(Fault::Key)
}

fn read_certificate(block: &Block<'_>) -> Result<X509, Error> {
    let doing = || format!("PEM block {} is no certificate", block.number);
    reader::certificate(block.text).map_err(|e| failed(&e).context(doing()))
}

pub(super) fn failed(stack: &ErrorStack) -> Error {
    queue::stack_error(ErrorKind::Config, stack).with_option(OPTION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn path(name: &str) -> PathBuf {
        PathBuf::from(format!("{}/fixtures/pki/{name}", env!("CARGO_MANIFEST_DIR")))
    }

    fn text(name: &str) -> Vec<u8> {
        std::fs::read(path(name)).unwrap()
    }

    fn certificate(name: &str) -> X509 {
        X509::from_pem(&text(&format!("{name}.pem"))).unwrap()
    }

    fn names(chain: &[Certificate]) -> Vec<String> {
        chain.iter().flat_map(|c| c.subject_common_names()).collect()
    }

    #[test]
    fn the_first_certificate_is_the_leaf_and_the_rest_the_chain() {
        let identity =
            Identity::from_pem_files(path("server-rsa-chain-chain.pem"), path("server-rsa-chain.key"))
                .unwrap();
        assert_eq!(identity.certificate().subject_common_names(), ["server-rsa-chain"]);
        assert_eq!(names(identity.chain()), ["Patina Test Intermediate"]);
        assert_eq!(identity.extra().len(), 1);
    }

    #[test]
    fn a_chain_out_of_order_is_sorted_and_strangers_stay_at_the_end() {
        let mut certificates = Vec::new();
        for name in ["server-rsa-chain", "other-root", "root", "intermediate", "root", "server-rsa-chain"] {
            certificates.extend(text(&format!("{name}.pem")));
        }
        let identity = Identity::from_pem(&certificates, text("server-rsa-chain.key")).unwrap();
        let order = ["Patina Test Intermediate", "Patina Test Root", "Unrelated Test Root"];
        assert_eq!(names(identity.chain()), order);
    }

    #[test]
    fn the_key_text_may_hold_the_chain_and_one_text_may_hold_all() {
        let mut key = text("intermediate.pem");
        key.extend(text("server-rsa-chain.key"));
        let identity = Identity::from_pem(text("server-rsa-chain.pem"), &key).unwrap();
        assert_eq!(names(identity.chain()), ["Patina Test Intermediate"]);

        let mut bundle = text("server-rsa-chain.key");
        bundle.extend(text("server-rsa-chain-chain.pem"));
        let identity = Identity::from_pem_bundle(&bundle).unwrap();
        assert_eq!(names(identity.chain()), ["Patina Test Intermediate"]);
    }

    #[test]
    fn a_key_of_another_certificate_is_a_mismatch() {
        for key in ["server-rsa-chain.key", "server-p256.key", "server-ed25519.key", "server-pss.key"] {
            let error = Identity::from_pem_files(path("server-rsa.pem"), path(key)).unwrap_err();
            assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("identity")));
            assert_eq!(error.code(), "ERR_OSSL_X509_KEY_VALUES_MISMATCH");
            assert_eq!(error.file(), Some(&*path(key)));
        }
    }

    #[test]
    fn an_error_names_the_file_that_is_at_fault() {
        let read = |certificates: &str, key: &str| {
            Identity::from_pem_files(path(certificates), path(key)).unwrap_err()
        };
        for (certificates, key, culprit, code) in [
            ("not-pem.pem", "server-rsa.key", "not-pem.pem", "ERR_OSSL_PEM_NO_START_LINE"),
            ("truncated.pem", "server-rsa.key", "truncated.pem", "ERR_OSSL_PEM_BAD_END_LINE"),
            ("absent.pem", "server-rsa.key", "absent.pem", "ENOENT"),
            ("server-rsa.pem", "absent.key", "absent.key", "ENOENT"),
            ("server-rsa.pem", "not-pem.pem", "not-pem.pem", "ERR_OSSL_UNSUPPORTED"),
        ] {
            let error = read(certificates, key);
            assert_eq!((error.code(), error.option()), (code, Some("identity")), "{error:?}");
            assert_eq!(error.file(), Some(&*path(culprit)));
        }
    }

    #[test]
    fn a_malformed_block_is_named() {
        let mut certificates = text("server-rsa.pem");
        certificates.extend(b"-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n");
        let error = Identity::from_pem(&certificates, text("server-rsa.key")).unwrap_err();
        assert!(error.message().starts_with("PEM block 2 is no certificate: "), "{error}");
        assert!(error.code().starts_with("ERR_OSSL_"), "{error:?}");
    }

    #[test]
    fn an_encrypted_certificate_block_is_an_error_and_no_prompt() {
        let text = String::from_utf8(text("server-rsa.pem")).unwrap();
        let head = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n";
        let encrypted = text.replacen("-----BEGIN CERTIFICATE-----\n", head, 1);
        Identity::from_pem(encrypted, self::text("server-rsa.key")).unwrap_err();
    }

    #[test]
    fn the_kinds_of_keys_and_curves_are_told() {
        for (name, kind, curve) in [
            ("server-rsa", PublicKeyType::Rsa, None),
            ("server-pss", PublicKeyType::RsaPss, None),
            ("server-p256", PublicKeyType::Ec, Some("prime256v1")),
            ("server-p384", PublicKeyType::Ec, Some("secp384r1")),
            ("server-ed25519", PublicKeyType::Ed25519, None),
            ("server-dsa", PublicKeyType::Dsa, None),
        ] {
            let files = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
            let identity = Identity::from_pem_files(files.0, files.1).unwrap();
            assert_eq!((identity.key_type(), identity.curve()), (kind, curve), "{name}");
        }
    }

    #[test]
    fn der_parts_make_an_identity() {
        let (leaf, between) = (certificate("server-rsa-chain"), certificate("intermediate"));
        let key = PKey::private_key_from_pem(&text("server-rsa-chain.key")).unwrap();
        let (leaf, between) = (leaf.to_der().unwrap(), between.to_der().unwrap());
        let identity = Identity::from_der(&leaf, [&between], key.private_key_to_der().unwrap()).unwrap();
        assert_eq!(names(identity.chain()), ["Patina Test Intermediate"]);
        let none: [&[u8]; 0] = [];
        let error = Identity::from_der(b"garbage", none, b"garbage").unwrap_err();
        assert_eq!(error.option(), Some("identity"));
    }

    #[test]
    fn an_archive_file_gives_a_sorted_identity() {
        let path = format!("{}/fixtures/pfx/chain.p12", env!("CARGO_MANIFEST_DIR"));
        let identity = Identity::from_pkcs12_file(&path, "patina").unwrap();
        assert_eq!(identity.certificate().subject_common_names(), ["server-rsa-chain"]);
        assert_eq!(names(identity.chain()).first().map(String::as_str), Some("Patina Test Intermediate"));
        let error = Identity::from_pkcs12_file(&path, "wrong").unwrap_err();
        assert_eq!(error.file(), Some(Path::new(&path)));
    }

    #[test]
    fn neither_debug_form_shows_the_key() {
        let identity = Identity::from_pem_files(path("server-rsa.pem"), path("server-rsa.key")).unwrap();
        let shown = format!("{identity:?}");
        assert!(shown.contains("server-rsa") && shown.ends_with(".. }"), "{shown}");
        assert!(!shown.contains("key"), "{shown}");
    }

    #[test]
    fn a_context_takes_every_identity() {
        use crate::sys::context::use_certificate;
        use openssl::ssl::{SslContext, SslMethod};
        for name in ["server-rsa", "server-p256", "server-ed25519", "server-pss"] {
            let files = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
            let identity = Identity::from_pem_files(files.0, files.1).unwrap();
            let mut context = SslContext::builder(SslMethod::tls()).unwrap();
            use_certificate(&mut context, identity.x509(), identity.key(), identity.extra()).unwrap();
            context.check_private_key().unwrap();
        }
    }
}
