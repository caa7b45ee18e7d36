//! libcrypto's allocations, counted with Rust's.

use std::ffi::{c_char, c_int, c_void};

use patina_measure::count::{self, allocate, reallocate, release};

type Allocate = unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void;
type Reallocate = unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
type Release = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);

// SAFETY: as in crypto.h of 1.1.1 to 4.0.
unsafe extern "C" {
    fn CRYPTO_set_mem_functions(allocate: Allocate, reallocate: Reallocate, release: Release) -> c_int;
}

/// Begins to count, libcrypto's allocations too where `libcrypto` has made none yet; false when it has.
pub fn start() -> bool {
    // SAFETY: the functions have the types of crypto.h, and are malloc, realloc and free but for the counting.
    let taken = unsafe { CRYPTO_set_mem_functions(allocate, reallocate, release) } == 1;
    count::start();
    taken
}
