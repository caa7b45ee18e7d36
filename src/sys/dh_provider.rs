//! Diffie-Hellman of OpenSSL 3.0 without a check that costs more than the key exchange itself.
//!
//! Before libssl 3.0 takes a peer's public key it calls `EVP_PKEY_public_check`, which raises the key to the power of the
//! group's order: three quarters of what a handshake with DHE costs a server. In the groups of RFC 7919 and RFC 3526, whose
//! primes are safe, 1 < key < p - 1 is enough: the only small subgroup is {1, p - 1} (RFC 7919 section 5.1, NIST SP 800-56A rev.
//! 3 section 5.6.2.3.2). Later versions ask no more of these groups by themselves (`dh_validate_public` in
//! providers/implementations/keymgmt/dh_kmgmt.c).
//!
//! libcrypto of 3.0 has this check as `EVP_PKEY_public_check_quick`, but libssl does not call it. So there is a provider in
//! this process that offers the default provider's own implementation of `DH`, with the full check of public keys led to the
//! quick one, which itself falls back to the full one for all other groups. Only a context that is made with [`PROPERTIES`] asks
//! for it. Where there is no default provider, as in a FIPS configuration, everything stays as it is.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::compat::{self, provider as ffi};
use super::decl::{OSSL_CORE_HANDLE, OSSL_PROVIDER};
use super::queue;

/// What a context's algorithms are asked for by: an implementation with this property where there is one, else any.
pub(crate) const PROPERTIES: &CStr = c"?patina.dh=yes";

/// What our implementation says of itself.
const DEFINITION: &CStr = c"provider=patina-dh,patina.dh=yes";

const NAME: &CStr = c"patina-dh";
const DEFAULT: &CStr = c"default";

/// The numbers of core_dispatch.h of 3.0.
const OP_KEYMGMT: c_int = 10;
const OP_KEYEXCH: c_int = 11;
const FUNC_PROVIDER_QUERY_OPERATION: c_int = 1027;
const FUNC_KEYMGMT_VALIDATE: c_int = 22;
const SELECT_PUBLIC_KEY: c_int = 2;
const VALIDATE_FULL_CHECK: c_int = 0;
const VALIDATE_QUICK_CHECK: c_int = 1;

type Function = unsafe extern "C" fn();
type Validate = unsafe extern "C" fn(*const c_void, c_int, c_int) -> c_int;

/// `OSSL_DISPATCH`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Dispatch {
    id: c_int,
    function: Option<Function>,
}

/// `OSSL_ALGORITHM`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Algorithm {
    names: *const c_char,
    properties: *const c_char,
    implementation: *const Dispatch,
    description: *const c_char,
}

const LAST_FUNCTION: Dispatch = Dispatch { id: 0, function: None };
const LAST_ALGORITHM: Algorithm = Algorithm {
    names: ptr::null(),
    properties: ptr::null(),
    implementation: ptr::null(),
    description: ptr::null(),
};

/// What the provider offers, for the rest of the process.
struct Offer {
    /// The reference that keeps the default provider loaded.
    _default: *mut c_void,
    /// The default provider's own object, which its implementations want.
    context: *mut c_void,
    key_management: [Algorithm; 2],
    key_exchange: [Algorithm; 2],
    validate: Validate,
}

// SAFETY: the pointers lead to what never changes: tables of the default provider, which stays loaded, and leaked ones.
unsafe impl Send for Offer {}
// SAFETY: as above.
unsafe impl Sync for Offer {}

static OFFER: OnceLock<Option<Offer>> = OnceLock::new();

/// The reference that keeps the provider loaded.
static HANDLE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// What libcrypto asks the provider itself.
static OWN: OnceLock<[Dispatch; 2]> = OnceLock::new();

/// Whether contexts that ask for [`PROPERTIES`] get it. Loads the provider, once.
pub(crate) fn is_there() -> bool {
    static LOADED: OnceLock<bool> = OnceLock::new();
    *LOADED.get_or_init(|| {
        // The library that runs may be newer than the one that this was built with.
        let wanted = compat::CHECKS_SAFE_PRIMES_IN_FULL && openssl::version::number() >> 20 == 0x300;
        openssl::init();
        let loaded = wanted && load();
        queue::clear();
        loaded
    })
}

fn load() -> bool {
    if OFFER.get_or_init(offer).is_none() {
        return false;
    }
    // SAFETY: the names end with NUL; `init` has the type of OSSL_provider_init_fn. The default provider is loaded, so that
    // this load does not put an end to an implicit one; the handle is kept for ever.
    unsafe {
        if ffi::OSSL_PROVIDER_add_builtin(ptr::null_mut(), NAME.as_ptr(), Some(init)) != 1 {
            return false;
        }
        let handle = ffi::OSSL_PROVIDER_try_load(ptr::null_mut(), NAME.as_ptr(), 1);
        HANDLE.store(handle.cast(), Ordering::Relaxed);
        !handle.is_null()
    }
}

/// Reads the default provider's tables.
fn offer() -> Option<Offer> {
    // SAFETY: the names end with NUL; the provider is there already, and this reference keeps it for ever; its tables are
    // static (provider-base(7)) and end with an entry of nulls.
    unsafe {
        if ffi::OSSL_PROVIDER_available(ptr::null_mut(), DEFAULT.as_ptr()) != 1 {
            return None;
        }
        let provider = ffi::OSSL_PROVIDER_try_load(ptr::null_mut(), DEFAULT.as_ptr(), 1);
        if provider.is_null() {
            return None;
        }
        let context = ffi::OSSL_PROVIDER_get0_provider_ctx(provider);
        let management = diffie_hellman(provider, OP_KEYMGMT)?;
        let exchange = diffie_hellman(provider, OP_KEYEXCH)?;
        let (table, validate) = with_quick_check(management.implementation)?;
        let ours = |algorithm: Algorithm, implementation| Algorithm {
            properties: DEFINITION.as_ptr(),
            implementation,
            ..algorithm
        };
        Some(Offer {
            _default: provider.cast(),
            context,
            key_management: [ours(management, table), LAST_ALGORITHM],
            key_exchange: [ours(exchange, exchange.implementation), LAST_ALGORITHM],
            validate,
        })
    }
}

/// The default provider's `DH` for an operation.
///
/// # Safety
/// The provider is alive.
unsafe fn diffie_hellman(provider: *mut OSSL_PROVIDER, operation: c_int) -> Option<Algorithm> {
    let mut no_cache = 0;
    // SAFETY: the provider is alive, says the caller; the table ends with an entry without names, which end with NUL.
    unsafe {
        let mut entry = ffi::OSSL_PROVIDER_query_operation(provider, operation, &raw mut no_cache);
        while !entry.is_null() && !(*entry).names.is_null() {
            if CStr::from_ptr((*entry).names).to_bytes().split(|byte| *byte == b':').any(|name| name == b"DH")
            {
                return Some(*entry);
            }
            entry = entry.add(1);
        }
    }
    None
}

/// A copy of a table with another function that validates, and the one that did.
///
/// # Safety
/// The table ends with a zero.
unsafe fn with_quick_check(mut entry: *const Dispatch) -> Option<(*const Dispatch, Validate)> {
    let mut table = Vec::new();
    let mut validate = None;
    // SAFETY: the caller says that the table ends; the function of this number has this type (core_dispatch.h).
    unsafe {
        while (*entry).id != 0 {
            let mut copy = *entry;
            if let (FUNC_KEYMGMT_VALIDATE, Some(function)) = (copy.id, copy.function) {
                validate = Some(std::mem::transmute::<Function, Validate>(function));
                copy.function = Some(std::mem::transmute::<Validate, Function>(validate_public_quickly));
            }
            table.push(copy);
            entry = entry.add(1);
        }
    }
    table.push(LAST_FUNCTION);
    Some((table.leak().as_ptr(), validate?))
}

/// `OSSL_FUNC_keymgmt_validate`.
unsafe extern "C" fn validate_public_quickly(key: *const c_void, selection: c_int, check: c_int) -> c_int {
    let Some(Some(offer)) = OFFER.get() else { return 0 };
    let check = match (selection, check) {
        (SELECT_PUBLIC_KEY, VALIDATE_FULL_CHECK) => VALIDATE_QUICK_CHECK,
        _ => check,
    };
    // SAFETY: libcrypto's own function, with libcrypto's own arguments.
    unsafe { (offer.validate)(key, selection, check) }
}

/// `OSSL_provider_init_fn`.
unsafe extern "C" fn init(
    _handle: *const OSSL_CORE_HANDLE,
    _core: *const Dispatch,
    out: *mut *const Dispatch,
    context: *mut *mut c_void,
) -> c_int {
    let Some(Some(offer)) = OFFER.get() else { return 0 };
    let own = OWN.get_or_init(|| {
        // SAFETY: a function pointer; libcrypto gives it the type of OSSL_FUNC_provider_query_operation again.
        let query = unsafe { std::mem::transmute::<Query, Function>(query) };
        [Dispatch { id: FUNC_PROVIDER_QUERY_OPERATION, function: Some(query) }, LAST_FUNCTION]
    });
    // SAFETY: both places are libcrypto's and writable; the table is static.
    unsafe {
        *out = own.as_ptr();
        *context = offer.context;
    }
    1
}

type Query = unsafe extern "C" fn(*mut c_void, c_int, *mut c_int) -> *const Algorithm;

/// `OSSL_FUNC_provider_query_operation`.
unsafe extern "C" fn query(
    _context: *mut c_void,
    operation: c_int,
    no_cache: *mut c_int,
) -> *const Algorithm {
    // SAFETY: libcrypto's place for the answer.
    unsafe { *no_cache = 0 };
    match (OFFER.get(), operation) {
        (Some(Some(offer)), OP_KEYMGMT) => offer.key_management.as_ptr(),
        (Some(Some(offer)), OP_KEYEXCH) => offer.key_exchange.as_ptr(),
        _ => ptr::null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::dh;
    use foreign_types::ForeignTypeRef;
    use openssl::bn::{BigNum, BigNumRef};
    use openssl::dh::Dh;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Params};

    const FFDHE2048: i32 = 1126;

    /// Whether a public key passes `EVP_PKEY_public_check`, as libssl calls it, with these properties.
    fn passes(parameters: Dh<Params>, public: BigNum, properties: &CStr) -> bool {
        let key = PKey::from_dh(parameters.set_public_key(public).unwrap()).unwrap();
        // SAFETY: the key is alive and the context is freed.
        unsafe {
            let context = ffi::EVP_PKEY_CTX_new_from_pkey(ptr::null_mut(), key.as_ptr(), properties.as_ptr());
            assert!(!context.is_null());
            let passes = openssl_sys::EVP_PKEY_public_check(context) == 1;
            openssl_sys::EVP_PKEY_CTX_free(context);
            queue::clear();
            passes
        }
    }

    fn group() -> Dh<Params> {
        dh::by_nid(Nid::from_raw(FFDHE2048)).unwrap()
    }

    fn below(number: &BigNumRef, by: u32) -> BigNum {
        let mut below = number.to_owned().unwrap();
        below.sub_word(by).unwrap();
        below
    }

    #[test]
    fn keys_out_of_range_are_refused_and_the_order_counts_where_the_prime_is_not_safe() {
        assert_eq!(is_there(), openssl::version::number() >> 20 == 0x300);
        if !is_there() {
            // Other versions have nothing to be made faster, and 1.1.1 has no properties.
            return;
        }
        let p = group().prime_p().to_owned().unwrap();
        let word = |number| BigNum::from_u32(number).unwrap();
        for properties in [c"", PROPERTIES] {
            for bad in [word(0), word(1), below(&p, 1), p.to_owned().unwrap()] {
                assert!(!passes(group(), bad, properties), "{properties:?}");
            }
            assert!(passes(group(), word(2), properties), "{properties:?}");
        }
        // p - 4 is no square, and so of the whole group's order: only the full check sees it.
        assert!(!passes(group(), below(&p, 4), c""));
        assert!(passes(group(), below(&p, 4), PROPERTIES));
        // RFC 5114's group has subgroups of many orders: it is checked in full all the same.
        let parameters = || Dh::get_2048_256().unwrap();
        assert!(!passes(parameters(), word(2), PROPERTIES));
        assert!(passes(parameters(), parameters().generator().to_owned().unwrap(), PROPERTIES));
    }
}
