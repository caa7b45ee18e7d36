//! Parameters of finite-field Diffie-Hellman.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use openssl::dh::{Dh, DhRef};
use openssl::error::ErrorStack;
use openssl::pkey::Params;

use super::pem;
use crate::sys::{pem as reader, queue};
use crate::values::error::{Error, ErrorKind};

/// The builder's method that takes the parameters.
const OPTION: &str = "dhparam";

/// The least size that is taken, in bits.
const LEAST_BITS: i32 = 1024;

/// The size under which the parameters come with a warning, in bits.
const SOUND_BITS: i32 = 2048;

/// The prime and the generator that a server uses for the DHE suites of TLS 1.2 and before.
///
/// Own parameters are hardly ever needed: libssl chooses good ones by the size of the certificate's key. TLS 1.3
/// and ECDHE do not use them. A clone shares the parameters.
///
/// # Examples
///
/// ```
/// use patina_tls::DhParameters;
///
/// # let pem = openssl::dh::Dh::get_2048_256()?.params_to_pem()?;
/// let parameters = DhParameters::from_pem(pem)?;
/// assert_eq!(parameters.bits(), 2048);
/// assert_eq!(parameters.warning(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// 1024 bits are within reach of states (CVE-2015-4000, Logjam): use 2048 or more.
///
/// # OpenSSL
///
/// `DH`
#[derive(Clone)]
pub struct DhParameters {
    dh: Arc<Dh<Params>>,
    bits: i32,
}

impl DhParameters {
    /// Reads the first parameters of a PEM text: `DH PARAMETERS` or `X9.42 DH PARAMETERS`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `dhparam`: the text holds no parameters, or a prime of less than 1024
    /// bits (code `ERR_INVALID_ARG_VALUE`).
    ///
    /// # OpenSSL
    ///
    /// `PEM_read_bio_DHparams`
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<DhParameters, Error> {
        queue::clear();
        DhParameters::check(reader::dh_parameters(pem.as_ref()))
    }

    /// Reads the first parameters of a PEM file, as [`from_pem`](Self::from_pem) does.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem), and [`ErrorKind::Io`] when the file cannot be read; all name the file.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<DhParameters, Error> {
        let path = path.as_ref();
        DhParameters::from_pem(pem::read_file(OPTION, path)?).map_err(|e| e.with_file(path))
    }

    /// Reads parameters in DER.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem).
    ///
    /// # OpenSSL
    ///
    /// `d2i_DHparams`
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<DhParameters, Error> {
        queue::clear();
        DhParameters::check(Dh::params_from_der(der.as_ref()))
    }

    fn check(read: Result<Dh<Params>, ErrorStack>) -> Result<DhParameters, Error> {
        let dh = read.map_err(|stack| {
            let error = queue::stack_error(ErrorKind::Config, &stack);
            error.context("no DH parameters could be read").with_option(OPTION)
        })?;
        let bits = dh.prime_p().num_bits();
        if bits < LEAST_BITS {
            return Err(Error::config(OPTION, "DH parameter is less than 1024 bits"));
        }
        Ok(DhParameters { dh: Arc::new(dh), bits })
    }

    /// The size of the prime, in bits.
    pub fn bits(&self) -> usize {
        usize::try_from(self.bits).unwrap_or_default()
    }

    /// What is to be said about parameters of less than 2048 bits: the text of Node's `SecurityWarning`.
    pub fn warning(&self) -> Option<&'static str> {
        (self.bits < SOUND_BITS).then_some("DH parameter is less than 2048 bits")
    }

    pub(crate) fn dh(&self) -> &DhRef<Params> {
        &self.dh
    }
}

impl fmt::Debug for DhParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhParameters").field("bits", &self.bits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::bn::BigNum;
    use std::path::PathBuf;

    fn path(name: &str) -> PathBuf {
        PathBuf::from(format!("{}/fixtures/dh/{name}.pem", env!("CARGO_MANIFEST_DIR")))
    }

    #[test]
    fn sizes_and_warnings_follow_the_prime() {
        let warning = Some("DH parameter is less than 2048 bits");
        for (name, bits, expected) in
            [("dh1024", 1024, warning), ("dh2048", 2048, None), ("ffdhe3072", 3072, None)]
        {
            let parameters = DhParameters::from_pem_file(path(name)).unwrap();
            assert_eq!((parameters.bits(), parameters.warning()), (bits, expected), "{name}");
            let der = parameters.dh().params_to_der().unwrap();
            assert_eq!(DhParameters::from_der(der).unwrap().bits(), bits);
        }
    }

    #[test]
    fn less_than_1024_bits_are_refused_with_node_s_words() {
        let prime = BigNum::from_hex_str(&format!("{}1", "f".repeat(127))).unwrap();
        let weak = Dh::from_pqg(prime, None, BigNum::from_u32(2).unwrap()).unwrap();
        for error in [
            DhParameters::from_der(weak.params_to_der().unwrap()).unwrap_err(),
            DhParameters::from_pem(weak.params_to_pem().unwrap()).unwrap_err(),
        ] {
            assert_eq!((error.option(), error.code()), (Some("dhparam"), "ERR_INVALID_ARG_VALUE"));
            assert_eq!(error.message(), "DH parameter is less than 1024 bits");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_option_and_file() {
        for text in [&b""[..], b"auto", b"-----BEGIN DH PARAMETERS-----\nAAEC\n-----END DH PARAMETERS-----\n"]
        {
            let error = DhParameters::from_pem(text).unwrap_err();
            assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("dhparam")), "{error:?}");
        }
        let error = DhParameters::from_pem_file(path("absent")).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Io, "ENOENT"));
        assert_eq!(error.file(), Some(&*path("absent")));
    }

    #[test]
    fn an_encrypted_block_is_an_error_and_no_prompt() {
        let text = "-----BEGIN DH PARAMETERS-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAECAwQFBgcICQoLDA0ODw==\n-----END DH PARAMETERS-----\n";
        DhParameters::from_pem(text).unwrap_err();
    }
}
