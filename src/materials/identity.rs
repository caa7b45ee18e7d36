//! Who one is: a private key with its certificate and chain.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::x509::{X509, X509Ref, X509VerifyResult};

use super::certificate::Certificate;
use super::pem::{self, Block};
use super::private_key;
use super::public_key::PublicKeyType;
use super::self_signed;
use crate::sys::{compat, pem as reader, queue};
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
        read_pkcs12(der.as_ref(), &passphrase.into()).map_err(|e| e.with_option(OPTION))
    }

    /// Reads a PKCS#12 file, as [`from_pkcs12`](Self::from_pkcs12) does.
    ///
    /// # Errors
    ///
    /// Those of [`from_pkcs12`](Self::from_pkcs12), and [`ErrorKind::Io`] when the file cannot be read; all name
    /// the file.
    pub fn from_pkcs12_file(path: impl AsRef<Path>, passphrase: impl Into<Secret>) -> Result<Identity, Error> {
        let path = path.as_ref();
        Identity::from_pkcs12(pem::read_file(OPTION, path)?, passphrase).map_err(|e| e.with_file(path))
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
            let error = Error::config(OPTION, "key values mismatch: the private key is not the certificate's");
            return Err(error.with_code("ERR_OSSL_X509_KEY_VALUES_MISMATCH"));
        }
        let extra = in_order(&leaf, chain).map_err(|e| failed(&e))?;
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
    read_pem_sources(certificate_text.as_bytes(), key_text.as_bytes(), passphrase).map_err(|fault| match fault {
        Fault::Certificates(error) => error.with_file(certificates),
        Fault::Key(error) => error.with_file(key),
    })
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

fn read_pkcs12(der: &[u8], passphrase: &Secret) -> Result<Identity, Error> {
    private_key::check_length(passphrase)?;
    if passphrase.as_bytes().contains(&0) {
        return Err(Error::config(OPTION, "the passphrase of a PKCS#12 archive cannot hold a NUL byte"));
    }
    let mut text = Vec::with_capacity(passphrase.len() + 1);
    text.extend_from_slice(passphrase.as_bytes());
    text.push(0);
    let text = Secret::from(text);
    queue::clear();
    let open = || reader::open_pkcs12(der, Some(text.as_bytes()));
    let opened = with_legacy(open, "an archive that old programs encrypt with RC2 or single DES")?;
    let opened = opened.map_err(|e| failed(&e))?;
    let missing = |what: &str| {
        let error = Error::config(OPTION, format!("Unable to load {what} from PFX data"));
        error.with_code("ERR_CRYPTO_OPERATION_FAILED")
    };
    let key = opened.pkey.ok_or_else(|| missing("private key"))?;
    let leaf = opened.cert.ok_or_else(|| missing("certificate"))?;
    let chain = opened.ca.map_or_else(Vec::new, |others| others.into_iter().collect());
    Identity::from_openssl(leaf, key, chain)
}

/// Tries again with the legacy provider when an algorithm is missing. The outer error says that it is still
/// missing.
pub(super) fn with_legacy<T>(
    mut attempt: impl FnMut() -> Result<T, ErrorStack>,
    what: &str,
) -> Result<Result<T, ErrorStack>, Error> {
    let stack = match attempt() {
        Err(stack) if lacks_algorithm(&stack) => stack,
        outcome => return Ok(outcome),
    };
    if compat::load_legacy_provider() {
        match attempt() {
            Err(stack) if lacks_algorithm(&stack) => {}
            outcome => return Ok(outcome),
        }
    }
    let error = queue::stack_error(ErrorKind::Unsupported, &stack).with_code("ERR_CRYPTO_UNSUPPORTED_OPERATION");
    Err(error.context(format!("this libcrypto cannot read {what} without the \"legacy\" provider")).with_option(OPTION))
}

/// Whether an algorithm was looked for in vain. The texts are those of 3.0 to 4.0 ("unsupported") and of 1.1.1,
/// where a build leaves algorithms out.
fn lacks_algorithm(stack: &ErrorStack) -> bool {
    const LIB_EVP: i32 = 6;
    const LIB_PKCS12: i32 = 35;
    stack.errors().iter().any(|entry| {
        matches!(entry.library_code(), LIB_EVP | LIB_PKCS12)
            && matches!(
                entry.reason(),
                Some("unsupported" | "unsupported algorithm" | "unknown cipher" | "unsupported cipher")
            )
    })
}

/// Sorts a chain so that each certificate is issued by the next; what belongs to no place stays at the end, in
/// its order. Repetitions go.
fn in_order(leaf: &X509, mut rest: Vec<X509>) -> Result<Vec<X509>, ErrorStack> {
    let mut known = vec![leaf.to_der()?];
    let mut encodings = rest.iter().map(|c| c.to_der()).collect::<Result<Vec<_>, _>>()?.into_iter();
    rest.retain(|_| match encodings.next() {
        Some(der) if !known.contains(&der) => {
            known.push(der);
            true
        }
        _ => false,
    });
    let mut ordered: Vec<X509> = Vec::with_capacity(rest.len());
    loop {
        let last = ordered.last().unwrap_or(leaf);
        let Some(place) = rest.iter().position(|issuer| issuer.issued(last) == X509VerifyResult::OK) else { break };
        let issuer = rest.remove(place);
        ordered.push(issuer);
    }
    ordered.extend(rest);
    queue::clear();
    Ok(ordered)
}

pub(super) fn failed(stack: &ErrorStack) -> Error {
    queue::stack_error(ErrorKind::Config, stack).with_option(OPTION)
}
