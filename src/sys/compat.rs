//! Everything that depends on the version of libssl: no other module of the crate has a version `cfg`.
//!
//! Longer than most files because it is the one place.

use std::ffi::c_int;

use foreign_types::ForeignTypeRef;
use openssl::ssl::{SslOptions, SslRef};

use super::hook::Message;
use crate::values::verify_code::VerifyCode;

/// Whether this libssl can speak SSL 3.0. From 4.0 on it is gone, whatever the build options say.
pub(crate) const HAS_SSLV3: bool = cfg!(not(any(osslconf = "OPENSSL_NO_SSL3_METHOD", ossl400)));

/// Whether a client's verification can wait for an answer: `SSL_set_retry_verify`, from 3.0 on.
pub(crate) const CAN_RETRY_VERIFY: bool = cfg!(ossl300);

/// From 3.0 on, TLS 1.1 and older cannot shake hands above security level 0.
pub(crate) const OLD_VERSIONS_NEED_LEVEL_0: bool = cfg!(ossl300);

/// 1.1.1 refuses a list of TLS 1.3 suites in which it does not know all names; later ones pass over a name that they do not
/// know.
pub(crate) const SUITES_MUST_BE_KNOWN: bool = cfg!(not(ossl300));

/// From 4.0 on, one-time Diffie-Hellman in TLS 1.2 and older needs no parameters of the server's: a group of RFC 7919 that both
/// sides have will do.
pub(crate) const DHE_NEEDS_NO_PARAMETERS: bool = cfg!(ossl400);

/// libssl's verdict on a chain. 1.1.1 has a few other numbers.
pub(crate) fn verify_code(number: c_int) -> VerifyCode {
    if cfg!(ossl300) { VerifyCode::from(number) } else { VerifyCode::from_openssl_1_1_1(number) }
}

/// The other way: this libssl's number for one of 3.0.
pub(crate) fn verify_number(number: c_int) -> c_int {
    if cfg!(ossl300) {
        return number;
    }
    // As many as 1.1.1 has.
    (0..=79).find(|own| VerifyCode::from_openssl_1_1_1(*own).number() == number).unwrap_or(number)
}

#[cfg(ossl300)]
type OptionBits = u64;
#[cfg(not(ossl300))]
type OptionBits = std::ffi::c_ulong;

// SAFETY: the declarations are those of the headers of every supported libssl.
unsafe extern "C" {
    fn SSL_get_options(ssl: *const openssl_sys::SSL) -> OptionBits;
    fn SSL_set_options(ssl: *mut openssl_sys::SSL, options: OptionBits) -> OptionBits;
    fn SSL_clear_options(ssl: *mut openssl_sys::SSL, options: OptionBits) -> OptionBits;
}

/// Lets a client renegotiate; a bit that 1.1.1 keeps and does not look at.
pub(crate) const ALLOW_CLIENT_RENEGOTIATION: SslOptions = SslOptions::from_bits_retain(1 << 8);

/// The options of a connection: `SSL_get_options`.
pub(crate) fn options(ssl: &SslRef) -> SslOptions {
    // SAFETY: the SSL is alive.
    SslOptions::from_bits_retain(unsafe { SSL_get_options(ssl.as_ptr()) })
}

/// Adds options, and gives all of them: `SSL_set_options`.
pub(crate) fn set_options(ssl: &mut SslRef, options: SslOptions) -> SslOptions {
    // SAFETY: the SSL is alive; the function takes and gives a number.
    SslOptions::from_bits_retain(unsafe { SSL_set_options(ssl.as_ptr(), options.bits()) })
}

/// Takes options away, and gives those that are left: `SSL_clear_options`.
pub(crate) fn clear_options(ssl: &mut SslRef, options: SslOptions) -> SslOptions {
    // SAFETY: the SSL is alive; the function takes and gives a number.
    SslOptions::from_bits_retain(unsafe { SSL_clear_options(ssl.as_ptr(), options.bits()) })
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

// SAFETY: the declarations are those of the headers of every supported libssl.
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
            Ok(len) if len > 0 => {
                String::from_utf8_lossy(std::slice::from_raw_parts(text.cast(), len)).into_owned()
            }
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

/// Whether this libcrypto has providers.
pub(crate) const HAS_PROVIDERS: bool = cfg!(ossl300);

/// The algorithms of the legacy provider come with it from OpenSSL 3.0 on; 1.1.1 has all in one place, and there is
/// nothing to load that could help.
pub(crate) fn load_legacy_provider() -> bool {
    let loaded = load_provider("legacy").is_some_and(|outcome| outcome.is_ok());
    super::queue::clear();
    loaded
}

/// Loads a provider beside what is there, for the rest of the process; `None` where libcrypto has no providers.
///
/// The default provider stays as it is: `retain_fallbacks` keeps libcrypto from dropping it because another
/// provider was asked for by name (OSSL_PROVIDER_try_load(3)). `name` has no NUL byte.
#[cfg(ossl300)]
pub(crate) fn load_provider(name: &str) -> Option<Result<(), openssl::error::ErrorStack>> {
    use openssl::provider::Provider;
    use std::sync::Mutex;

    static LOADED: Mutex<Vec<(String, Provider)>> = Mutex::new(Vec::new());
    openssl::init();
    let mut loaded = LOADED.lock().unwrap_or_else(|e| e.into_inner());
    if loaded.iter().any(|(known, _)| known == name) {
        return Some(Ok(()));
    }
    super::queue::clear();
    Some(Provider::try_load(None, name, true).map(|provider| loaded.push((name.to_owned(), provider))))
}

/// OpenSSL 1.1.1 has no providers.
#[cfg(not(ossl300))]
pub(crate) fn load_provider(_: &str) -> Option<Result<(), openssl::error::ErrorStack>> {
    None
}

/// The number of the headers that the library was built with: `OPENSSL_VERSION_NUMBER`.
pub(crate) const HEADERS: &str = env!("PATINA_LIBSSL_HEADERS");

/// Whether libssl was built with kernel TLS. It cannot be asked.
pub(crate) const HAS_KTLS: bool = cfg!(ossl_ktls);

/// Whether libssl was built with encrypted ClientHellos. It cannot be asked.
pub(crate) const HAS_ECH: bool = cfg!(ossl_ech);

/// Whether libssl was built with `SSL_trace`. It cannot be asked.
pub(crate) const HAS_TRACE: bool = cfg!(ossl_trace);

/// Whether libssl has raw public keys (RFC 7250).
pub(crate) const HAS_RAW_PUBLIC_KEYS: bool = cfg!(ossl320);

/// Whether a build leaves OCSP out.
pub(crate) const HAS_OCSP: bool = cfg!(not(osslconf = "OPENSSL_NO_OCSP"));

/// An SSL_CTX to ask: what it loads for that is its own, and gone with it.
pub(crate) struct Scratch {
    // First, so that it is freed before what it stands on.
    pub(crate) context: openssl::ssl::SslContextBuilder,
    pub(crate) has_legacy_provider: bool,
    #[cfg(ossl300)]
    _library: (Vec<openssl::provider::Provider>, openssl::lib_ctx::LibCtx),
}

// SAFETY: as in ssl.h and provider.h of 3.0 to 4.0.
#[cfg(ossl300)]
unsafe extern "C" {
    fn OSSL_PROVIDER_do_all(
        library: *mut openssl_sys::OSSL_LIB_CTX,
        each: Option<ProviderCallback>,
        data: *mut std::ffi::c_void,
    ) -> c_int;
    fn OSSL_PROVIDER_get0_name(provider: *const openssl_sys::OSSL_PROVIDER) -> *const std::ffi::c_char;
    fn OSSL_PROVIDER_get_params(
        provider: *const openssl_sys::OSSL_PROVIDER,
        params: *mut openssl_sys::OSSL_PARAM,
    ) -> c_int;
}

#[cfg(ossl300)]
type ProviderCallback = unsafe extern "C" fn(*mut openssl_sys::OSSL_PROVIDER, *mut std::ffi::c_void) -> c_int;

#[cfg(ossl300)]
pub(crate) fn scratch() -> Result<Scratch, openssl::error::ErrorStack> {
    use foreign_types::ForeignType;
    use openssl::provider::Provider;
    use openssl::ssl::{SslContextBuilder, SslMethod};

    openssl::init();
    let library = openssl::lib_ctx::LibCtx::new()?;
    let mut providers = vec![Provider::load(Some(&library), "default")?];
    let legacy = Provider::load(Some(&library), "legacy").ok();
    let has_legacy_provider = legacy.is_some();
    providers.extend(legacy);
    // SAFETY: the library context is alive, and outlives the SSL_CTX by the order of the fields; the method is static.
    let context = unsafe {
        provider::SSL_CTX_new_ex(library.as_ptr().cast(), std::ptr::null(), SslMethod::tls().as_ptr())
    };
    if context.is_null() {
        return Err(openssl::error::ErrorStack::get());
    }
    // SAFETY: the SSL_CTX is fresh and ours.
    let context = unsafe { SslContextBuilder::from_ptr(context) };
    super::queue::clear();
    Ok(Scratch { context, has_legacy_provider, _library: (providers, library) })
}

/// OpenSSL 1.1.1 loads nothing.
#[cfg(not(ossl300))]
pub(crate) fn scratch() -> Result<Scratch, openssl::error::ErrorStack> {
    let context = openssl::ssl::SslContextBuilder::new(openssl::ssl::SslMethod::tls())?;
    Ok(Scratch { context, has_legacy_provider: false })
}

/// The name, the description, the version and the build of each provider that is active in this process.
#[cfg(ossl300)]
pub(crate) fn providers() -> Vec<[String; 4]> {
    use std::ffi::{CStr, c_char, c_void};

    unsafe extern "C" fn each(provider: *mut openssl_sys::OSSL_PROVIDER, found: *mut c_void) -> c_int {
        super::guard::guard(None, 0, || {
            // SAFETY: `found` is the vector of the caller, which nobody else has during the call; the provider is alive.
            unsafe {
                let found = &mut *found.cast::<Vec<[String; 4]>>();
                let name = text(OSSL_PROVIDER_get0_name(provider));
                let [description, version, build] =
                    [c"name", c"version", c"buildinfo"].map(|key| param(provider, key));
                found.push([name, description, version, build]);
            }
            1
        })
    }

    /// # Safety
    /// `text` must be null or a C string.
    unsafe fn text(text: *const c_char) -> String {
        if text.is_null() {
            return String::new();
        }
        // SAFETY: the caller's contract.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }

    /// # Safety
    /// The provider must be alive.
    unsafe fn param(provider: *const openssl_sys::OSSL_PROVIDER, key: &CStr) -> String {
        /// `OSSL_PARAM_UTF8_PTR`.
        const UTF8_PTR: std::ffi::c_uint = 6;
        let mut value: *const c_char = std::ptr::null();
        // SAFETY: the array ends with an entry without key; the provider points `value` at a string of its own, which lives
        // as long as it does (provider-base(7)), and it is copied at once.
        unsafe {
            let mut params = [
                openssl_sys::OSSL_PARAM {
                    key: key.as_ptr(),
                    data_type: UTF8_PTR,
                    data: (&raw mut value).cast(),
                    data_size: 0,
                    return_size: usize::MAX,
                },
                openssl_sys::OSSL_PARAM_construct_end(),
            ];
            match OSSL_PROVIDER_get_params(provider, params.as_mut_ptr()) {
                1 => text(value),
                _ => String::new(),
            }
        }
    }

    openssl::init();
    let mut found: Vec<[String; 4]> = Vec::new();
    // SAFETY: the callback is called during this call only, with the pointer that is given here. Null is the process's own
    // library context.
    unsafe { OSSL_PROVIDER_do_all(std::ptr::null_mut(), Some(each), (&raw mut found).cast()) };
    super::queue::clear();
    found
}

/// OpenSSL 1.1.1 has no providers.
#[cfg(not(ossl300))]
pub(crate) fn providers() -> Vec<[String; 4]> {
    Vec::new()
}

/// Declares functions that a build of libssl may lack. Where it does, they are there all the same and answer `absent`.
macro_rules! optional {
    ($has:meta: $(fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $answer:ty, absent $absent:expr;)*) => {
        // SAFETY: as in ssl.h and engine.h of the versions that have them.
        #[cfg($has)]
        unsafe extern "C" {
            $(pub(in crate::sys) fn $name($($argument: $type),*) -> $answer;)*
        }
        $(
            #[cfg(not($has))]
            pub(in crate::sys) unsafe fn $name($(_: $type),*) -> $answer {
                $absent
            }
        )*
    };
}

/// Compression of certificates (RFC 8879).
#[allow(non_snake_case)]
pub(super) mod compression {
    use openssl_sys::{SSL, SSL_CTX};
    use std::ffi::c_int;

    optional! { ossl320:
        fn SSL_CTX_set1_cert_comp_preference(ctx: *mut SSL_CTX, algorithms: *mut c_int, len: usize) -> c_int, absent 0;
        fn SSL_set1_cert_comp_preference(ssl: *mut SSL, algorithms: *mut c_int, len: usize) -> c_int, absent 0;
        fn SSL_CTX_compress_certs(ctx: *mut SSL_CTX, algorithm: c_int) -> c_int, absent 0;
    }
}

/// Whether this libssl has NPN; a build can leave it out.
pub(crate) const HAS_NPN: bool = cfg!(not(osslconf = "OPENSSL_NO_NEXTPROTONEG"));

/// NPN. The declarations of `openssl-sys` want callbacks that are safe to call.
#[allow(non_snake_case)]
pub(super) mod npn {
    use openssl_sys::{SSL, SSL_CTX};
    use std::ffi::{c_int, c_uchar, c_uint, c_void};

    type Advertise = unsafe extern "C" fn(*mut SSL, *mut *const c_uchar, *mut c_uint, *mut c_void) -> c_int;
    type Select = unsafe extern "C" fn(
        *mut SSL,
        *mut *mut c_uchar,
        *mut c_uchar,
        *const c_uchar,
        c_uint,
        *mut c_void,
    ) -> c_int;

    optional! { not(osslconf = "OPENSSL_NO_NEXTPROTONEG"):
        fn SSL_CTX_set_next_protos_advertised_cb(ctx: *mut SSL_CTX, cb: Option<Advertise>, data: *mut c_void) -> (),
            absent ();
        fn SSL_CTX_set_next_proto_select_cb(ctx: *mut SSL_CTX, cb: Option<Select>, data: *mut c_void) -> (), absent ();
        fn SSL_get0_next_proto_negotiated(ssl: *const SSL, name: *mut *const c_uchar, len: *mut c_uint) -> (), absent ();
    }
}

/// Whether this libcrypto has engines. From 4.0 on they are gone, whatever the build options say.
pub(crate) const HAS_ENGINES: bool = cfg!(not(any(osslconf = "OPENSSL_NO_ENGINE", ossl400)));

/// Engines.
#[allow(non_snake_case)]
pub(super) mod engine {
    use openssl_sys::{ENGINE, EVP_PKEY, SSL_CTX};
    use std::ffi::{c_char, c_int, c_long, c_void};
    #[allow(unused_imports, reason = "nothing is null where there are engines")]
    use std::ptr::null_mut;

    use crate::sys::decl::UI_METHOD;

    type Function = unsafe extern "C" fn();

    optional! { not(any(osslconf = "OPENSSL_NO_ENGINE", ossl400)):
        fn ENGINE_load_builtin_engines() -> (), absent ();
        fn ENGINE_by_id(id: *const c_char) -> *mut ENGINE, absent null_mut();
        fn ENGINE_init(engine: *mut ENGINE) -> c_int, absent 0;
        fn ENGINE_free(engine: *mut ENGINE) -> c_int, absent 0;
        fn ENGINE_ctrl_cmd_string(
            engine: *mut ENGINE,
            name: *const c_char,
            argument: *const c_char,
            optional: c_int,
        ) -> c_int, absent 0;
        fn ENGINE_ctrl_cmd(
            engine: *mut ENGINE,
            name: *const c_char,
            number: c_long,
            pointer: *mut c_void,
            function: Option<Function>,
            optional: c_int,
        ) -> c_int, absent 0;
        fn ENGINE_load_private_key(
            engine: *mut ENGINE,
            id: *const c_char,
            method: *mut UI_METHOD,
            data: *mut c_void,
        ) -> *mut EVP_PKEY, absent null_mut();
        fn SSL_CTX_set_client_cert_engine(ctx: *mut SSL_CTX, engine: *mut ENGINE) -> c_int, absent 0;
    }

    #[cfg(test)]
    type LoadKey =
        unsafe extern "C" fn(*mut ENGINE, *const c_char, *mut UI_METHOD, *mut c_void) -> *mut EVP_PKEY;
    #[cfg(test)]
    type AnswerForClient = unsafe extern "C" fn(
        *mut ENGINE,
        *mut openssl_sys::SSL,
        *mut openssl_sys::stack_st_X509_NAME,
        *mut *mut openssl_sys::X509,
        *mut *mut EVP_PKEY,
        *mut *mut openssl_sys::stack_st_X509,
        *mut UI_METHOD,
        *mut c_void,
    ) -> c_int;

    // What an engine of our own, for the tests, is made with.
    #[cfg(test)]
    optional! { not(any(osslconf = "OPENSSL_NO_ENGINE", ossl400)):
        fn ENGINE_new() -> *mut ENGINE, absent null_mut();
        fn ENGINE_set_id(engine: *mut ENGINE, id: *const c_char) -> c_int, absent 0;
        fn ENGINE_set_name(engine: *mut ENGINE, name: *const c_char) -> c_int, absent 0;
        fn ENGINE_set_load_privkey_function(engine: *mut ENGINE, function: Option<LoadKey>) -> c_int, absent 0;
        fn ENGINE_set_load_ssl_client_cert_function(engine: *mut ENGINE, function: Option<AnswerForClient>) -> c_int,
            absent 0;
        fn ENGINE_add(engine: *mut ENGINE) -> c_int, absent 0;
    }
}

// SAFETY: as in ssl.h of 3.0 to 4.0.
#[cfg(ossl300)]
unsafe extern "C" {
    fn SSL_new_session_ticket(ssl: *mut openssl_sys::SSL) -> c_int;
    fn SSL_group_to_name(ssl: *mut openssl_sys::SSL, group: c_int) -> *const std::ffi::c_char;
}

/// Sends one more ticket with the next I/O: `SSL_new_session_ticket`. `None` where libssl has no such function.
#[cfg(ossl300)]
pub(crate) fn new_session_ticket(ssl: &mut SslRef) -> Option<bool> {
    // SAFETY: the SSL is alive; the function refuses by itself what cannot be.
    Some(unsafe { SSL_new_session_ticket(ssl.as_ptr()) == 1 })
}

/// OpenSSL 1.1.1 sends tickets in the handshake alone.
#[cfg(not(ossl300))]
pub(crate) fn new_session_ticket(_: &mut SslRef) -> Option<bool> {
    None
}

/// The name of the group that the handshake agreed on: `SSL_get_negotiated_group` and `SSL_group_to_name`. `None` where
/// libssl has no such functions; `Some(None)` where the handshake had no group.
#[cfg(ossl300)]
pub(crate) fn negotiated_group(ssl: &SslRef) -> Option<Option<String>> {
    const SSL_CTRL_GET_NEGOTIATED_GROUP: c_int = 134;
    // SAFETY: the SSL is alive; the command takes nothing; the name is static, or the SSL's, and ends with NUL. The function
    // reads, though its type says that it may write.
    unsafe {
        // Before the handshake there is no session, and libssl looks into it all the same.
        if openssl_sys::SSL_get_session(ssl.as_ptr()).is_null() {
            return Some(None);
        }
        let group =
            openssl_sys::SSL_ctrl(ssl.as_ptr(), SSL_CTRL_GET_NEGOTIATED_GROUP, 0, std::ptr::null_mut());
        let group = c_int::try_from(group).unwrap_or(0);
        if group == 0 {
            return Some(None);
        }
        let name = SSL_group_to_name(ssl.as_ptr(), group);
        Some((!name.is_null()).then(|| std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()))
    }
}

/// OpenSSL 1.1.1 does not tell.
#[cfg(not(ossl300))]
pub(crate) fn negotiated_group(_: &SslRef) -> Option<Option<String>> {
    None
}

/// Whether libssl has a peer's Diffie-Hellman key checked in full where a quick check is enough: see `dh_provider`.
pub(crate) const CHECKS_SAFE_PRIMES_IN_FULL: bool = cfg!(ossl300);

/// Providers, and contexts that ask for properties.
#[allow(non_snake_case)]
pub(super) mod provider {
    use openssl_sys::{SSL_CTX, SSL_METHOD};
    use std::ffi::{c_char, c_int, c_void};
    #[allow(unused_imports, reason = "nothing is null where there are providers")]
    use std::ptr::{null, null_mut};

    use crate::sys::decl::{OSSL_CORE_HANDLE, OSSL_LIB_CTX, OSSL_PROVIDER};
    use crate::sys::dh_provider::{Algorithm, Dispatch};

    type Init = unsafe extern "C" fn(
        *const OSSL_CORE_HANDLE,
        *const Dispatch,
        *mut *const Dispatch,
        *mut *mut c_void,
    ) -> c_int;

    optional! { ossl300:
        fn OSSL_PROVIDER_add_builtin(context: *mut OSSL_LIB_CTX, name: *const c_char, init: Option<Init>) -> c_int, absent 0;
        fn OSSL_PROVIDER_available(context: *mut OSSL_LIB_CTX, name: *const c_char) -> c_int, absent 0;
        fn OSSL_PROVIDER_try_load(context: *mut OSSL_LIB_CTX, name: *const c_char, retain_fallbacks: c_int) -> *mut OSSL_PROVIDER,
            absent null_mut();
        fn OSSL_PROVIDER_get0_provider_ctx(provider: *const OSSL_PROVIDER) -> *mut c_void, absent null_mut();
        fn OSSL_PROVIDER_query_operation(
            provider: *const OSSL_PROVIDER,
            operation: c_int,
            no_cache: *mut c_int,
        ) -> *const Algorithm, absent null();
        fn SSL_CTX_new_ex(
            context: *mut OSSL_LIB_CTX,
            properties: *const c_char,
            method: *const SSL_METHOD,
        ) -> *mut SSL_CTX, absent null_mut();
    }

    #[cfg(test)]
    optional! { ossl300:
        fn EVP_PKEY_CTX_new_from_pkey(
            context: *mut OSSL_LIB_CTX,
            key: *mut openssl_sys::EVP_PKEY,
            properties: *const c_char,
        ) -> *mut openssl_sys::EVP_PKEY_CTX, absent null_mut();
    }
}

/// Ticket keys: the callback gets an `EVP_MAC_CTX` from 3.0 on, and an `HMAC_CTX` before.
#[cfg(ossl300)]
pub(super) mod ticket {
    use openssl_sys::{
        EVP_CIPHER_CTX, EVP_MAC_CTX, EVP_MAC_CTX_set_params, EVP_MAC_init, OSSL_PARAM, SSL, SSL_CTX,
    };
    use std::ffi::{c_int, c_uchar};
    use std::ptr::null;

    /// What computes the HMAC of a ticket.
    pub(in crate::sys) type Mac = EVP_MAC_CTX;

    pub(in crate::sys) type Callback = unsafe extern "C" fn(
        *mut SSL,
        *mut c_uchar,
        *mut c_uchar,
        *mut EVP_CIPHER_CTX,
        *mut Mac,
        c_int,
    ) -> c_int;

    // SAFETY: as in ssl.h of 3.0 to 4.0.
    unsafe extern "C" {
        fn SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx: *mut SSL_CTX, cb: Option<Callback>) -> c_int;
    }

    /// Fills the slot.
    ///
    /// # Safety
    /// The context must be alive.
    pub(in crate::sys) unsafe fn fill(ctx: *mut SSL_CTX, callback: Callback) {
        // SAFETY: the caller's contract. The function only stores the pointer, and always answers 1.
        unsafe { SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, Some(callback)) };
    }

    /// Makes `mac` an HMAC-SHA256 with this key.
    ///
    /// # Safety
    /// The context must be alive, and one of an HMAC.
    pub(in crate::sys) unsafe fn init(mac: *mut Mac, key: &[u8]) -> bool {
        /// `OSSL_PARAM_UTF8_STRING` of core.h.
        const UTF8_STRING: u32 = 4;
        let digest = c"SHA256";
        let text = OSSL_PARAM {
            key: c"digest".as_ptr(),
            data_type: UTF8_STRING,
            data: digest.as_ptr().cast_mut().cast(),
            data_size: digest.count_bytes(),
            return_size: 0,
        };
        let end = OSSL_PARAM {
            key: null(),
            data_type: 0,
            data: std::ptr::null_mut(),
            data_size: 0,
            return_size: 0,
        };
        let parameters = [text, end];
        // SAFETY: the caller's contract; the list ends with a key of null, its data is read and copied.
        unsafe {
            EVP_MAC_CTX_set_params(mac, parameters.as_ptr()) == 1
                && EVP_MAC_init(mac, key.as_ptr(), key.len(), null()) == 1
        }
    }
}

/// Ticket keys: the callback gets an `EVP_MAC_CTX` from 3.0 on, and an `HMAC_CTX` before.
#[cfg(not(ossl300))]
pub(super) mod ticket {
    use openssl_sys::{
        EVP_CIPHER_CTX, EVP_sha256, HMAC_CTX, HMAC_Init_ex, SSL, SSL_CTX, SSL_CTX_callback_ctrl__fixed_rust,
    };
    use std::ffi::{c_int, c_uchar};
    use std::mem::transmute;
    use std::ptr::null_mut;

    /// What computes the HMAC of a ticket.
    pub(in crate::sys) type Mac = HMAC_CTX;

    pub(in crate::sys) type Callback = unsafe extern "C" fn(
        *mut SSL,
        *mut c_uchar,
        *mut c_uchar,
        *mut EVP_CIPHER_CTX,
        *mut Mac,
        c_int,
    ) -> c_int;

    /// Fills the slot.
    ///
    /// # Safety
    /// The context must be alive.
    pub(in crate::sys) unsafe fn fill(ctx: *mut SSL_CTX, callback: Callback) {
        const SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB: c_int = 72;
        // SAFETY: the caller's contract. This command casts the pointer back to the type of the callback
        // (SSL_CTX_set_tlsext_ticket_key_cb(3)) and only stores it.
        unsafe {
            let any = transmute::<Callback, unsafe extern "C" fn()>(callback);
            SSL_CTX_callback_ctrl__fixed_rust(ctx, SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB, Some(any));
        }
    }

    /// Makes `mac` an HMAC-SHA256 with this key.
    ///
    /// # Safety
    /// The context must be alive.
    pub(in crate::sys) unsafe fn init(mac: *mut Mac, key: &[u8]) -> bool {
        let Ok(length) = c_int::try_from(key.len()) else { return false };
        // SAFETY: the caller's contract; the key is readable for its length and copied.
        unsafe { HMAC_Init_ex(mac, key.as_ptr().cast(), length, EVP_sha256(), null_mut()) == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_keeps_its_meaning_on_the_way_to_libssl_and_back() {
        for code in VerifyCode::NAMED {
            let there = verify_number(code.number());
            // What 1.1.1 has no number for comes back as it went, unless 1.1.1 means something else by it.
            if cfg!(ossl300) || (0..=79).any(|own| VerifyCode::from_openssl_1_1_1(own) == *code) {
                assert_eq!(verify_code(there), *code);
            }
        }
    }
}

/// OCSP.
#[allow(non_snake_case, non_camel_case_types)]
pub(super) mod ocsp {
    use openssl_sys::{
        ASN1_GENERALIZEDTIME, ASN1_INTEGER, ASN1_OBJECT, ASN1_OCTET_STRING, EVP_MD, OCSP_BASICRESP,
        OCSP_CERTID, OCSP_ONEREQ, OCSP_REQUEST, OCSP_RESPONSE, X509, X509_STORE, stack_st_X509,
    };
    use std::ffi::{c_int, c_long, c_uchar, c_ulong};
    #[allow(unused_imports, reason = "nothing is null where there is OCSP")]
    use std::ptr::{null, null_mut};

    /// What a response says of one certificate.
    pub(in crate::sys) enum OCSP_SINGLERESP {}

    optional! { not(osslconf = "OPENSSL_NO_OCSP"):
        fn d2i_OCSP_RESPONSE(to: *mut *mut OCSP_RESPONSE, from: *mut *const c_uchar, len: c_long) -> *mut OCSP_RESPONSE,
            absent null_mut();
        fn OCSP_RESPONSE_free(response: *mut OCSP_RESPONSE) -> (), absent ();
        fn OCSP_response_status(response: *mut OCSP_RESPONSE) -> c_int, absent 0;
        fn OCSP_response_get1_basic(response: *mut OCSP_RESPONSE) -> *mut OCSP_BASICRESP, absent null_mut();
        fn OCSP_BASICRESP_free(basic: *mut OCSP_BASICRESP) -> (), absent ();
        fn OCSP_resp_count(basic: *mut OCSP_BASICRESP) -> c_int, absent 0;
        fn OCSP_resp_get0(basic: *mut OCSP_BASICRESP, index: c_int) -> *mut OCSP_SINGLERESP, absent null_mut();
        fn OCSP_resp_get0_produced_at(basic: *const OCSP_BASICRESP) -> *const ASN1_GENERALIZEDTIME, absent null();
        fn OCSP_resp_get0_signer(
            basic: *mut OCSP_BASICRESP,
            signer: *mut *mut X509,
            candidates: *mut stack_st_X509,
        ) -> c_int, absent 0;
        fn OCSP_basic_verify(
            basic: *mut OCSP_BASICRESP,
            candidates: *mut stack_st_X509,
            store: *mut X509_STORE,
            flags: c_ulong,
        ) -> c_int, absent 0;
        fn OCSP_SINGLERESP_get0_id(single: *const OCSP_SINGLERESP) -> *const OCSP_CERTID, absent null();
        fn OCSP_single_get0_status(
            single: *mut OCSP_SINGLERESP,
            reason: *mut c_int,
            revoked: *mut *mut ASN1_GENERALIZEDTIME,
            this_update: *mut *mut ASN1_GENERALIZEDTIME,
            next_update: *mut *mut ASN1_GENERALIZEDTIME,
        ) -> c_int, absent -1;
        fn OCSP_id_get0_info(
            name_hash: *mut *mut ASN1_OCTET_STRING,
            digest: *mut *mut ASN1_OBJECT,
            key_hash: *mut *mut ASN1_OCTET_STRING,
            serial: *mut *mut ASN1_INTEGER,
            id: *mut OCSP_CERTID,
        ) -> c_int, absent 0;
        fn OCSP_id_cmp(one: *const OCSP_CERTID, other: *const OCSP_CERTID) -> c_int, absent 1;
        fn OCSP_cert_to_id(digest: *const EVP_MD, subject: *const X509, issuer: *const X509) -> *mut OCSP_CERTID,
            absent null_mut();
        fn OCSP_CERTID_free(id: *mut OCSP_CERTID) -> (), absent ();
        fn OCSP_REQUEST_new() -> *mut OCSP_REQUEST, absent null_mut();
        fn OCSP_REQUEST_free(request: *mut OCSP_REQUEST) -> (), absent ();
        fn OCSP_request_add0_id(request: *mut OCSP_REQUEST, id: *mut OCSP_CERTID) -> *mut OCSP_ONEREQ, absent null_mut();
        fn i2d_OCSP_REQUEST(request: *mut OCSP_REQUEST, to: *mut *mut c_uchar) -> c_int, absent -1;
    }
}

/// The stapled OCSP response in DER, as a copy: `SSL_get_tlsext_status_ocsp_resp`. On a server, the one that was set.
///
/// From OpenSSL 3.6 on that function frees what its last call has given, so that two borrows, or two threads, would meet freed
/// memory. Its successor gives libssl's own list, which is only read.
#[cfg(ossl360)]
pub(crate) fn stapled_response(ssl: &SslRef) -> Option<Vec<u8>> {
    use openssl_sys as ffi;
    const SSL_CTRL_GET_TLSEXT_STATUS_REQ_OCSP_RESP_EX: c_int = 142;
    let mut list: *mut ffi::OPENSSL_STACK = std::ptr::null_mut();
    // SAFETY: the SSL is alive and keeps the list, which may be NULL and has then no elements; the command only tells where it
    // is. The response is encoded twice, first for its length.
    unsafe {
        let place = (&raw mut list).cast();
        ffi::SSL_ctrl(ssl.as_ptr(), SSL_CTRL_GET_TLSEXT_STATUS_REQ_OCSP_RESP_EX, 0, place);
        let response: *mut ffi::OCSP_RESPONSE = match list.is_null() {
            true => return None,
            false => ffi::OPENSSL_sk_value(list, 0).cast(),
        };
        if response.is_null() {
            return None;
        }
        let length = ffi::i2d_OCSP_RESPONSE(response, std::ptr::null_mut());
        let mut der = vec![0u8; usize::try_from(length).ok().filter(|length| *length > 0)?];
        let mut start = der.as_mut_ptr();
        (ffi::i2d_OCSP_RESPONSE(response, &raw mut start) == length).then_some(der)
    }
}

/// The stapled OCSP response in DER, as a copy: `SSL_get_tlsext_status_ocsp_resp`. On a server, the one that was set.
#[cfg(not(ossl360))]
pub(crate) fn stapled_response(ssl: &SslRef) -> Option<Vec<u8>> {
    ssl.ocsp_status().filter(|response| !response.is_empty()).map(<[u8]>::to_vec)
}
