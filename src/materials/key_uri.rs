//! Keys and certificates that are not files of ours: by URI and by engine.

use std::ffi::CString;

use openssl::error::{Error as ErrorStackEntry, ErrorStack};
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use super::identity::{Identity, OPTION, failed};
use super::private_key::check_length;
use super::{legacy, pem};
use crate::sys::engine::{self, Engine, HAS_ENGINES, Refusal};
use crate::sys::{ossl_store, pem as reader, queue};
use crate::values::error::{Error, ErrorKind};
use crate::values::secret::Secret;

/// The engine that stands in for a provider of `pkcs11:` URIs.
const PKCS11: &str = "pkcs11";

impl Identity {
    /// Reads the certificate with its chain from one URI and the private key from another.
    ///
    /// `file:` URIs and paths work everywhere, for PEM, DER and PKCS#12. Other schemes need a provider that has a loader
    /// for them, see [`load_provider`](crate::load_provider). Where none has one for `pkcs11:` (RFC 7512), the engine
    /// `pkcs11` is taken, if it is there. A key on a token stays on it.
    ///
    /// Nobody is ever asked at the terminal: what needs a passphrase or a PIN is an error, unless it is in the URI
    /// (`pin-value`) or given to [`from_uri_with_passphrase`](Self::from_uri_with_passphrase).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use patina_tls::Identity;
    ///
    /// let identity = Identity::from_uri_with_passphrase(
    ///     "file:/etc/ssl/server-chain.pem",
    ///     "pkcs11:token=web;object=server;type=private",
    ///     std::env::var("PIN")?,
    /// )?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `identity`:
    ///
    /// - `ERR_CRYPTO_OPERATION_FAILED`: there is no certificate, or no private key, at its URI;
    /// - `ERR_OSSL_BAD_DECRYPT`: a passphrase or PIN is wrong or missing;
    /// - `ERR_OSSL_X509_KEY_VALUES_MISMATCH`: the key is no certificate's;
    /// - libcrypto's code when a URI cannot be opened.
    ///
    /// [`ErrorKind::Unsupported`] when nothing in this libcrypto opens URIs of that scheme. A `pin-value` is not shown in
    /// any text.
    ///
    /// # OpenSSL
    ///
    /// `OSSL_STORE_open`, `OSSL_STORE_load`
    #[doc(alias = "OSSL_STORE")]
    pub fn from_uri(certificate_uri: impl AsRef<str>, key_uri: impl AsRef<str>) -> Result<Identity, Error> {
        from_uris(certificate_uri.as_ref(), key_uri.as_ref(), None)
    }

    /// Reads from URIs as [`from_uri`](Self::from_uri) does, with a passphrase or a PIN for whoever asks.
    ///
    /// # Errors
    ///
    /// Those of [`from_uri`](Self::from_uri).
    pub fn from_uri_with_passphrase(
        certificate_uri: impl AsRef<str>,
        key_uri: impl AsRef<str>,
        passphrase: impl Into<Secret>,
    ) -> Result<Identity, Error> {
        from_uris(certificate_uri.as_ref(), key_uri.as_ref(), Some(passphrase.into()))
    }

    /// Reads certificate, chain and private key from one URI, in any order: [`from_uri`](Self::from_uri) with both the
    /// same.
    ///
    /// The first key that is a certificate's is taken.
    ///
    /// # Errors
    ///
    /// Those of [`from_uri`](Self::from_uri).
    pub fn from_store(uri: impl AsRef<str>) -> Result<Identity, Error> {
        from_store(uri.as_ref(), None)
    }

    /// Reads from one URI as [`from_store`](Self::from_store) does, with a passphrase or a PIN for whoever asks.
    ///
    /// # Errors
    ///
    /// Those of [`from_uri`](Self::from_uri).
    pub fn from_store_with_passphrase(
        uri: impl AsRef<str>,
        passphrase: impl Into<Secret>,
    ) -> Result<Identity, Error> {
        from_store(uri.as_ref(), Some(passphrase.into()))
    }

    /// Takes the private key from an engine and its certificates from PEM: Node's `privateKeyEngine` and
    /// `privateKeyIdentifier`.
    ///
    /// The engine is loaded by its id, or by the path of its file, for the rest of the process. Engines are obsolete
    /// since OpenSSL 3.0; prefer [`from_uri`](Self::from_uri) with a provider where there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] with the code `ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED` on OpenSSL 4.0 and where
    /// libcrypto was built without engines. [`ErrorKind::Config`] with the option `identity`:
    ///
    /// - `ERR_CRYPTO_ENGINE_UNKNOWN`: there is no such engine, or it does not start;
    /// - `ERR_CRYPTO_OPERATION_FAILED`: the engine has no such key;
    /// - `ERR_OSSL_BAD_DECRYPT`: the engine asked for a PIN that is wrong or missing;
    /// - those of [`from_pem`](Self::from_pem) for the certificates.
    ///
    /// # Security
    ///
    /// An engine is a library that runs in this process: an id from an untrusted source lets its author run code.
    ///
    /// # OpenSSL
    ///
    /// `ENGINE_by_id`, `ENGINE_init`, `ENGINE_load_private_key`, up to 3.6
    #[doc(alias = "privateKeyEngine")]
    #[doc(alias = "privateKeyIdentifier")]
    pub fn from_engine(
        engine_id: impl AsRef<str>,
        key_id: impl AsRef<str>,
        certificates: impl AsRef<[u8]>,
    ) -> Result<Identity, Error> {
        from_engine(engine_id.as_ref(), key_id.as_ref(), certificates.as_ref(), None)
    }

    /// Takes the private key from an engine as [`from_engine`](Self::from_engine) does, with a PIN for when it asks.
    ///
    /// # Errors
    ///
    /// Those of [`from_engine`](Self::from_engine).
    pub fn from_engine_with_pin(
        engine_id: impl AsRef<str>,
        key_id: impl AsRef<str>,
        certificates: impl AsRef<[u8]>,
        pin: impl Into<Secret>,
    ) -> Result<Identity, Error> {
        from_engine(engine_id.as_ref(), key_id.as_ref(), certificates.as_ref(), Some(pin.into()))
    }
}

/// The engine of this id, for an option.
pub(crate) fn open_engine(id: &str, option: &'static str) -> Result<&'static Engine, Error> {
    if !HAS_ENGINES {
        let text = format!(
            "engine {id:?}: {} has no engines; they need OpenSSL 1.1.1 to 3.6 built with them",
            openssl::version::version()
        );
        return Err(Error::unsupported(text)
            .with_option(option)
            .with_code("ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED"));
    }
    let text = CString::new(id)
        .map_err(|_| Error::config(option, "a NUL byte cannot stand in the id of an engine"))?;
    engine::open(&text).map_err(|stack| {
        queue::stack_error(ErrorKind::Config, &stack)
            .context(format_args!("there is no engine {id:?}, or it does not start"))
            .with_option(option)
            .with_code("ERR_CRYPTO_ENGINE_UNKNOWN")
    })
}

/// What a URI leads to.
struct Found {
    keys: Vec<PKey<Private>>,
    certificates: Vec<X509>,
    /// Why there may be less than there should be.
    missing: Error,
}

fn from_uris(certificate_uri: &str, key_uri: &str, passphrase: Option<Secret>) -> Result<Identity, Error> {
    let certificates = load(certificate_uri, Wanted::Certificates, passphrase.clone())?;
    let keys = load(key_uri, Wanted::Keys, passphrase)?;
    if certificates.certificates.is_empty() {
        return Err(certificates
            .missing
            .context(format_args!("no certificate at {}", shown(certificate_uri))));
    }
    if keys.keys.is_empty() {
        return Err(keys.missing.context(format_args!("no private key at {}", shown(key_uri))));
    }
    assemble(certificates.certificates, keys.keys)
}

fn from_store(uri: &str, passphrase: Option<Secret>) -> Result<Identity, Error> {
    let found = load(uri, Wanted::Both, passphrase)?;
    for (what, none) in
        [("private key", found.keys.is_empty()), ("certificate", found.certificates.is_empty())]
    {
        if none {
            return Err(found.missing.context(format_args!("no {what} at {}", shown(uri))));
        }
    }
    assemble(found.certificates, found.keys)
}

fn from_engine(id: &str, key: &str, certificates: &[u8], pin: Option<Secret>) -> Result<Identity, Error> {
    queue::clear();
    let engine = open_engine(id, OPTION)?;
    let with_pin = pin.is_some();
    let key_id =
        CString::new(key).map_err(|_| Error::config(OPTION, "a NUL byte cannot stand in the id of a key"))?;
    let mut chain = Vec::new();
    for block in pem::blocks(certificates).map_err(|number| pem::unterminated(OPTION, number))? {
        if block.is_certificate() {
            chain.push(
                reader::certificate(block.text)
                    .map_err(|e| failed(&e).context("the certificate cannot be read"))?,
            );
        }
    }
    if chain.is_empty() {
        let error = Error::config(OPTION, "there is no certificate in the PEM text");
        return Err(error.with_code("ERR_OSSL_PEM_NO_START_LINE"));
    }
    let key = engine.private_key(&key_id, pin).map_err(|refusal| {
        engine_refused(&refusal, with_pin).context(format_args!("engine {id:?} gives no key {}", shown(key)))
    })?;
    let leaf = chain.remove(0);
    Identity::from_openssl(leaf, key, chain)
}

/// Puts the certificate that one of the keys is for first.
fn assemble(mut certificates: Vec<X509>, mut keys: Vec<PKey<Private>>) -> Result<Identity, Error> {
    let fits = |certificate: &X509, key: &PKey<Private>| {
        certificate.public_key().is_ok_and(|public| public.id() == key.id() && public.public_eq(key))
    };
    let pair = keys.iter().enumerate().find_map(|(k, key)| {
        certificates.iter().position(|certificate| fits(certificate, key)).map(|c| (c, k))
    });
    queue::clear();
    // Without a pair the first of each say what is wrong.
    let (certificate, key) = pair.unwrap_or((0, 0));
    let leaf = certificates.remove(certificate);
    Identity::from_openssl(leaf, keys.swap_remove(key), certificates)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Keys,
    Certificates,
    Both,
}

fn load(uri: &str, wanted: Wanted, passphrase: Option<Secret>) -> Result<Found, Error> {
    if let Some(passphrase) = &passphrase {
        check_length(passphrase)?;
    }
    let text = CString::new(uri).map_err(|_| Error::config(OPTION, "a NUL byte cannot stand in a URI"))?;
    queue::clear();
    let with_passphrase = passphrase.is_some();
    let mut read = ossl_store::load(&text, passphrase.clone());
    if read.as_ref().is_ok_and(|found| found.keys.is_empty() && lacks_algorithm(found)) && legacy::load() {
        read = ossl_store::load(&text, passphrase.clone());
    }
    let stack = match read {
        Ok(found) => {
            let missing = missing(found.unreadable.as_ref(), found.asked, with_passphrase);
            return Ok(Found { keys: found.keys, certificates: found.certificates, missing });
        }
        Err(stack) => stack,
    };
    match scheme(uri) {
        Some(name) if name.eq_ignore_ascii_case(PKCS11) => load_by_engine(uri, wanted, passphrase),
        Some(name) if !name.eq_ignore_ascii_case("file") => Err(no_loader(uri, name, "")),
        _ => Err(failed(&stack).context(format_args!("{} cannot be opened", shown(uri)))),
    }
}

fn lacks_algorithm(found: &ossl_store::Found) -> bool {
    found.unreadable.as_ref().is_some_and(legacy::lacks_algorithm)
}

/// Asks the engine for PKCS#11, which knows the same URIs.
fn load_by_engine(uri: &str, wanted: Wanted, pin: Option<Secret>) -> Result<Found, Error> {
    let engine = match open_engine(PKCS11, OPTION) {
        Ok(engine) => engine,
        Err(_) => return Err(no_loader(uri, PKCS11, ", nor is there an engine \"pkcs11\"")),
    };
    let id = CString::new(uri).map_err(|_| Error::config(OPTION, "a NUL byte cannot stand in a URI"))?;
    let with_pin = pin.is_some();
    let mut found =
        Found { keys: Vec::new(), certificates: Vec::new(), missing: missing(None, false, with_pin) };
    if wanted != Wanted::Keys {
        match engine.certificate(&id, pin.clone()) {
            Ok(certificate) => found.certificates.push(certificate),
            Err(refusal) => found.missing = engine_refused(&refusal, with_pin),
        }
    }
    if wanted != Wanted::Certificates {
        match engine.private_key(&id, pin) {
            Ok(key) => found.keys.push(key),
            Err(refusal) => found.missing = engine_refused(&refusal, with_pin),
        }
    }
    Ok(found)
}

fn engine_refused(refusal: &Refusal, with_pin: bool) -> Error {
    let about_pin = |entry: &ErrorStackEntry| entry.reason().is_some_and(|text| text.contains("PIN"));
    match refusal.stack.errors().first() {
        // Such as "PIN incorrect" and "PIN locked" (the names of PKCS#11 without CKR_).
        Some(entry) if with_pin && about_pin(entry) => {
            failed(&refusal.stack).with_code("ERR_OSSL_BAD_DECRYPT")
        }
        // It was asked for, but what failed is something else, such as that there is no such key.
        _ => missing(Some(&refusal.stack), refusal.asked && !with_pin, with_pin),
    }
}

/// Why there is not what was looked for.
fn missing(stack: Option<&ErrorStack>, asked: bool, answered: bool) -> Error {
    let bad_decrypt = |text| Error::config(OPTION, text).with_code("ERR_OSSL_BAD_DECRYPT");
    match (stack, asked, answered) {
        (_, true, false) => bad_decrypt("a passphrase or a PIN is needed, and there is none"),
        (Some(_), true, true) => bad_decrypt("bad decrypt: wrong passphrase or PIN?"),
        (Some(stack), false, _) => failed(stack).with_code("ERR_CRYPTO_OPERATION_FAILED"),
        (None, _, _) => Error::config(OPTION, "there is none").with_code("ERR_CRYPTO_OPERATION_FAILED"),
    }
}

fn no_loader(uri: &str, scheme: &str, also: &str) -> Error {
    let text = format!(
        "{}: no provider that is loaded in {} opens {scheme}: URIs{also}; load_provider({scheme:?}) loads one",
        shown(uri),
        openssl::version::version()
    );
    Error::unsupported(text).with_option(OPTION)
}

/// The scheme of a URI; a path has none, nor has one with a drive letter.
fn scheme(uri: &str) -> Option<&str> {
    let (name, _) = uri.split_once(':')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letters))
        .then_some(name)
}

/// The URI without what nobody else shall read (RFC 7512 section 2.4).
fn shown(uri: &str) -> String {
    const PIN: &str = "pin-value=";
    let mut shown = String::new();
    let mut rest = uri;
    while let Some(at) = rest.to_ascii_lowercase().find(PIN) {
        let (before, after) = rest.split_at(at + PIN.len());
        shown.push_str(before);
        shown.push_str("***");
        rest = after.find(['&', ';']).map_or("", |end| &after[end..]);
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_in_a_uri_is_not_shown() {
        assert_eq!(
            shown("pkcs11:object=a?pin-value=1234&module-name=x"),
            "pkcs11:object=a?pin-value=***&module-name=x"
        );
        assert_eq!(shown("pkcs11:object=a?PIN-VALUE=1234"), "pkcs11:object=a?PIN-VALUE=***");
        assert_eq!(shown("pkcs11:a;pin-value=1;pin-value=2"), "pkcs11:a;pin-value=***;pin-value=***");
        assert_eq!(shown("file:/tmp/é.pem"), "file:/tmp/é.pem");
    }

    #[test]
    fn a_scheme_is_told_from_a_path() {
        for (uri, name) in [
            ("pkcs11:object=a", Some("pkcs11")),
            ("file:/a", Some("file")),
            ("org.openssl.engine:x:y", Some("org.openssl.engine")),
            ("/a:b", None),
            ("./a:b", None),
            ("C:\\a", None),
            ("a.pem", None),
        ] {
            assert_eq!(scheme(uri), name, "{uri}");
        }
    }
}
