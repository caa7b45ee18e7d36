//! Providers: what OpenSSL 3.0 and newer load algorithms and stores of keys from.

use crate::sys::{compat, queue};
use crate::values::error::{Error, ErrorKind};

/// Loads a provider of libcrypto by its name, such as `legacy` or `pkcs11`, for the rest of the process.
///
/// It comes beside the providers that are there: the default one stays. A second call with the same name does nothing.
/// Load what a configuration needs before it is built: libssl looks for its ciphers when it makes the `SSL_CTX`. The
/// ciphers SEED, RC4 and IDEA, old PKCS#12 archives and old encrypted keys need no call: they load `legacy` themselves.
///
/// # Examples
///
/// ```no_run
/// patina_tls::load_provider("pkcs11")?;
/// let identity = patina_tls::Identity::from_store("pkcs11:token=web;object=server")?;
/// # Ok::<(), patina_tls::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] on OpenSSL 1.1.1, which has no providers; [`ErrorKind::Config`] with the option
/// `load_provider` when there is no such provider or it does not start.
///
/// # Security
///
/// A provider is a library that runs in this process: a name from an untrusted source lets its author run code.
///
/// # OpenSSL
///
/// `OSSL_PROVIDER_try_load`, 3.0 and newer; the file `NAME.so` in the directory of modules (`openssl version -m`).
#[doc(alias = "OSSL_PROVIDER_load")]
pub fn load_provider(name: &str) -> Result<(), Error> {
    const OPTION: &str = "load_provider";
    if name.is_empty() || name.contains('\0') {
        return Err(Error::config(OPTION, format!("{name:?} is no name of a provider")));
    }
    match compat::load_provider(name) {
        Some(Ok(())) => {
            queue::clear();
            Ok(())
        }
        Some(Err(stack)) => {
            let error = queue::stack_error(ErrorKind::Config, &stack).with_option(OPTION);
            Err(error.context(format_args!("provider {name:?} cannot be loaded")))
        }
        None => {
            let text =
                format!("provider {name:?}: {} has none; they need OpenSSL 3.0", openssl::version::version());
            Err(Error::unsupported(text).with_option(OPTION))
        }
    }
}
