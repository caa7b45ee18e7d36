//! Everything that depends on the version of libssl: no other module of the crate has a version `cfg`.

use std::ffi::c_int;

use foreign_types::ForeignTypeRef;
use openssl::ssl::{SslOptions, SslRef};

use super::hook::Message;

/// Whether this libssl can speak SSL 3.0. From 4.0 on it is gone, whatever the build options say.
pub(crate) const HAS_SSLV3: bool = cfg!(not(any(osslconf = "OPENSSL_NO_SSL3_METHOD", ossl400)));

/// From 3.0 on, TLS 1.1 and older cannot shake hands above security level 0.
pub(crate) const OLD_VERSIONS_NEED_LEVEL_0: bool = cfg!(ossl300);

#[cfg(ossl300)]
type OptionBits = u64;
#[cfg(not(ossl300))]
type OptionBits = std::ffi::c_ulong;

unsafe extern "C" {
    fn SSL_get_options(ssl: *const openssl_sys::SSL) -> OptionBits;
    fn SSL_set_options(ssl: *mut openssl_sys::SSL, options: OptionBits) -> OptionBits;
    fn SSL_clear_options(ssl: *mut openssl_sys::SSL, options: OptionBits) -> OptionBits;
}

/// Makes the options of a connection exactly these.
pub(crate) fn replace_options(ssl: &mut SslRef, options: SslOptions) {
    let wanted = options.bits();
    // SAFETY: the SSL is alive; the functions take and give numbers.
    unsafe {
        let had = SSL_get_options(ssl.as_ptr());
        SSL_clear_options(ssl.as_ptr(), had & !wanted);
        SSL_set_options(ssl.as_ptr(), wanted);
    }
}

#[cfg(ossl_trace)]
unsafe extern "C" {
    fn SSL_trace(
        write: c_int,
        version: c_int,
        content_type: c_int,
        buf: *const std::ffi::c_void,
        len: usize,
        ssl: *mut openssl_sys::SSL,
        bio: *mut std::ffi::c_void,
    );
}

/// libssl's description of a message; `None` where the build has no `SSL_trace`.
#[cfg(ossl_trace)]
pub(crate) fn trace(ssl: &mut SslRef, message: Message<'_>) -> Option<String> {
    use super::hook::Direction;
    use openssl_sys as ffi;
    // SAFETY: the BIO is fresh and freed here; the bytes and the SSL are alive; SSL_trace writes text to the BIO and
    // keeps nothing (SSL_CTX_set_msg_callback(3)).
    unsafe {
        let bio = ffi::BIO_new(ffi::BIO_s_mem());
        if bio.is_null() {
            return None;
        }
        SSL_trace(
            c_int::from(message.direction == Direction::Sent),
            c_int::from(message.version),
            c_int::from(message.content_type),
            message.bytes.as_ptr().cast(),
            message.bytes.len(),
            ssl.as_ptr(),
            bio.cast(),
        );
        let mut text = std::ptr::null_mut();
        let len = ffi::BIO_get_mem_data(bio, &raw mut text);
        let text = match usize::try_from(len) {
            Ok(len) if len > 0 => String::from_utf8_lossy(std::slice::from_raw_parts(text.cast(), len)).into_owned(),
            _ => String::new(),
        };
        ffi::BIO_free_all(bio);
        // A trace that fails half-way must not disturb the error queue of the call in progress.
        Some(text)
    }
}

/// libssl's description of a message; `None` where the build has no `SSL_trace`.
#[cfg(not(ossl_trace))]
pub(crate) fn trace(_: &mut SslRef, _: Message<'_>) -> Option<String> {
    None
}

/// Loads the "legacy" provider beside what is there, for the rest of the process: RC2, RC4 and single DES live in it
/// from OpenSSL 3.0 on. Answers whether it is there.
///
/// The default provider stays as it is: `retain_fallbacks` keeps libcrypto from dropping it because another
/// provider was asked for by name (OSSL_PROVIDER_try_load(3)).
#[cfg(ossl300)]
pub(crate) fn load_legacy_provider() -> bool {
    use openssl::provider::Provider;
    use std::sync::OnceLock;

    static LEGACY: OnceLock<Option<Provider>> = OnceLock::new();
    let loaded = LEGACY.get_or_init(|| Provider::try_load(None, "legacy", true).ok()).is_some();
    super::queue::clear();
    loaded
}

/// OpenSSL 1.1.1 has all its algorithms in one place: there is nothing to load that could help.
#[cfg(not(ossl300))]
pub(crate) fn load_legacy_provider() -> bool {
    false
}
