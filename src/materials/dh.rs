//! Parameters of finite-field Diffie-Hellman.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use openssl::dh::{Dh, DhRef};
use openssl::error::ErrorStack;
use openssl::pkey::Params;

use super::dh_group::{DhGroup, GROUPS};
use super::pem;
use crate::sys::{dh as sys, pem as reader, queue};
use crate::values::error::{Error, ErrorKind};
use crate::values::nearest::nearest;

/// The builder's method that takes the parameters.
const OPTION: &str = "dhparam";

/// The least size that is taken, in bits.
const LEAST_BITS: i32 = 1024;

/// The size under which the parameters come with a warning, in bits.
const SOUND_BITS: i32 = 2048;

/// The prime and the generator that a server uses for the DHE suites of TLS 1.2 and before.
///
/// Own parameters are hardly ever needed: libssl chooses good ones by the size of the certificate's key, and those of
/// RFC 7919 have [names](Self::named). TLS 1.3 and ECDHE do not use them. A clone shares the parameters.
///
/// # Examples
///
/// ```
/// use patina_tls::DhParameters;
///
/// let parameters = DhParameters::named("ffdhe3072")?;
/// assert_eq!(parameters.bits(), 3072);
/// assert_eq!(parameters.warning(), None);
///
/// # let pem = openssl::dh::Dh::get_2048_256()?.params_to_pem()?;
/// let parameters = DhParameters::from_pem(pem)?;
/// assert_eq!((parameters.bits(), parameters.name()), (2048, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Length of private keys
///
/// Parameters of a group of RFC 7919 or RFC 3526, wherever they come from, ask for private keys of the length that
/// RFC 7919 section 5.2 allows and appendix A gives for the size of the prime: 225 bits for 2048, 275 for 3072, 325 for
/// 4096, 375 for 6144, 400 for 8192. These primes are safe, so that finding such a key is as hard as breaking the group, and
/// OpenSSL 1.1.1 makes keys almost four times as fast as with the length of the prime. OpenSSL 3.0 and newer use
/// these lengths by themselves for the groups that they know, and full ones for all others, whatever they are asked for: so
/// prefer a name to a prime of one's own. A length that stands in the parameters themselves is left as it is.
///
/// # Check of the client's key
///
/// For the groups that have names, a key is taken when it is greater than 1 and less than p - 1, as RFC 7919 section 5.1 has it;
/// that a prime is safe makes it enough. OpenSSL 3.0 would compute the key's order as well, which takes two thirds of a
/// server's time: configurations with `dhparam` spare it that.
///
/// # Security
///
/// 1024 bits are within reach of states (CVE-2015-4000, Logjam): use 2048 or more.
///
/// # OpenSSL
///
/// `DH`, `DH_set_length`
#[derive(Clone)]
pub struct DhParameters {
    dh: Arc<Dh<Params>>,
    bits: i32,
    name: Option<&'static str>,
}

impl DhParameters {
    /// Takes the group of this name: `ffdhe2048`, `ffdhe3072`, `ffdhe4096`, `ffdhe6144` or `ffdhe8192` of RFC 7919, or
    /// `modp_1536`, `modp_2048`, `modp_3072`, `modp_4096`, `modp_6144` or `modp_8192` of RFC 3526, in any case.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `dhparam` and the code `ERR_INVALID_ARG_VALUE`: there is no group of this name.
    ///
    /// # OpenSSL
    ///
    /// `DH_new_by_nid`, `BN_get_rfc3526_prime_2048`
    #[doc(alias = "DH_new_by_nid")]
    pub fn named(name: impl AsRef<str>) -> Result<DhParameters, Error> {
        let name = name.as_ref();
        let Some(group) = DhGroup::named(name) else {
            let meant = nearest(name, GROUPS.iter().map(|group| group.name));
            let meant = meant.map(|name| format!("; the nearest is {name}")).unwrap_or_default();
            return Err(Error::config(OPTION, format!("there is no group {name:?}{meant}")));
        };
        queue::clear();
        DhParameters::check(group.parameters())
    }

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
        let failed = |stack: &ErrorStack| queue::stack_error(ErrorKind::Config, stack).with_option(OPTION);
        let mut dh = read.map_err(|stack| failed(&stack).context("no DH parameters could be read"))?;
        let bits = dh.prime_p().num_bits();
        if bits < LEAST_BITS {
            return Err(Error::config(OPTION, "DH parameter is less than 1024 bits"));
        }
        let group = DhGroup::of(&dh).map_err(|stack| failed(&stack))?;
        if let Some(group) = group.filter(|_| sys::private_bits(&dh) == 0) {
            sys::set_private_bits(&mut dh, group.private_bits).map_err(|stack| failed(&stack))?;
        }
        Ok(DhParameters { dh: Arc::new(dh), bits, name: group.map(|group| group.name) })
    }

    /// The size of the prime, in bits.
    pub fn bits(&self) -> usize {
        usize::try_from(self.bits).unwrap_or_default()
    }

    /// The name of the group, if it is one of those that [`named`](Self::named) knows, wherever the parameters come from.
    pub fn name(&self) -> Option<&'static str> {
        self.name
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
        f.debug_struct("DhParameters")
            .field("bits", &self.bits)
            .field("name", &self.name)
            .finish_non_exhaustive()
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
    fn groups_have_names_and_short_private_keys() {
        for group in GROUPS {
            let parameters = DhParameters::named(group.name.to_ascii_uppercase()).unwrap();
            assert_eq!(parameters.name(), Some(group.name));
            assert_eq!(sys::private_bits(parameters.dh()), std::ffi::c_long::from(group.private_bits));
            let size = group.name.trim_start_matches(char::is_alphabetic).trim_start_matches('_');
            assert_eq!(parameters.bits().to_string(), size);
            assert_eq!(parameters.dh.generator(), &*BigNum::from_u32(2).unwrap());
            // The primes of RFC 7919 are made of e, those of RFC 3526 of pi.
            let digits = if group.name.starts_with("ffdhe") { "ADF85458" } else { "C90FDAA2" };
            let prime = parameters.dh.prime_p().to_hex_str().unwrap();
            assert!(prime.starts_with(&format!("FFFFFFFFFFFFFFFF{digits}")), "{}", group.name);
        }
    }

    #[test]
    fn a_group_is_known_in_a_file_and_another_prime_keeps_long_keys() {
        for (name, known, private_bits) in
            [("dh2048", Some("modp_2048"), 225), ("ffdhe3072", Some("ffdhe3072"), 275), ("dh1024", None, 0)]
        {
            let parameters = DhParameters::from_pem_file(path(name)).unwrap();
            assert_eq!(
                (parameters.name(), sys::private_bits(parameters.dh())),
                (known, private_bits),
                "{name}"
            );
        }
        let prime = BigNum::get_rfc3526_prime_2048().unwrap();
        let other = Dh::from_pqg(prime, None, BigNum::from_u32(5).unwrap()).unwrap();
        let other = DhParameters::from_der(other.params_to_der().unwrap()).unwrap();
        assert_eq!((other.name(), sys::private_bits(other.dh())), (None, 0), "another generator");
    }

    #[test]
    fn a_length_in_the_parameters_stays() {
        let mut dh =
            Dh::from_pqg(BigNum::get_rfc3526_prime_2048().unwrap(), None, BigNum::from_u32(2).unwrap());
        sys::set_private_bits(dh.as_mut().unwrap(), 256).unwrap();
        let read = DhParameters::from_der(dh.unwrap().params_to_der().unwrap()).unwrap();
        assert_eq!((read.name(), sys::private_bits(read.dh())), (Some("modp_2048"), 256));
    }

    #[test]
    fn an_unknown_name_leads_to_the_nearest() {
        let error = DhParameters::named("ffdhe3071").unwrap_err();
        assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("dhparam")));
        assert_eq!((error.code(), error.reason()), ("ERR_INVALID_ARG_VALUE", None));
        assert_eq!(error.message(), "there is no group \"ffdhe3071\"; the nearest is ffdhe3072");
        DhParameters::named("").unwrap_err();
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
