//! A BIO over a [`Wire`]: the least that C can call.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr;
use std::slice;
use std::sync::OnceLock;

use openssl::error::ErrorStack;
use openssl_sys as ffi;
use patina_measure::wire::Wire;

struct Method(*mut ffi::BIO_METHOD);
// SAFETY: a BIO_METHOD is read-only once its functions are set.
unsafe impl Send for Method {}
// SAFETY: as above.
unsafe impl Sync for Method {}

fn method() -> *const ffi::BIO_METHOD {
    static METHOD: OnceLock<Method> = OnceLock::new();
    // SAFETY: the name is a C string that lives for ever; the functions have the types that BIO_meth_new(3) asks for.
    let made = METHOD.get_or_init(|| unsafe {
        let method = ffi::BIO_meth_new(ffi::BIO_TYPE_NONE, c"wire".as_ptr());
        ffi::BIO_meth_set_write__fixed_rust(method, Some(write));
        ffi::BIO_meth_set_read__fixed_rust(method, Some(read));
        ffi::BIO_meth_set_ctrl__fixed_rust(method, Some(ctrl));
        Method(method)
    });
    made.0
}

/// Makes `wire` the transport of `ssl`.
///
/// # Safety
/// `ssl` must be alive, and `wire` must stay where it is for as long as it is.
pub(crate) unsafe fn attach(ssl: *mut ffi::SSL, wire: *const Wire) -> Result<(), ErrorStack> {
    // SAFETY: the method lives for ever; the SSL takes over the one reference to the BIO.
    unsafe {
        let bio = ffi::BIO_new(method());
        if bio.is_null() {
            return Err(ErrorStack::get());
        }
        ffi::BIO_set_data(bio, wire.cast_mut().cast());
        ffi::BIO_set_init(bio, 1);
        ffi::SSL_set_bio(ssl, bio, bio);
    }
    Ok(())
}

unsafe extern "C" fn read(bio: *mut ffi::BIO, buf: *mut c_char, len: c_int) -> c_int {
    // SAFETY: libssl gives `len` writable bytes; the data is the wire that `attach` was given, which nobody else uses while
    // libssl runs.
    unsafe {
        ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY);
        let wire = &*ffi::BIO_get_data(bio).cast::<Wire>();
        let copy = |bytes: &[u8]| ptr::copy_nonoverlapping(bytes.as_ptr(), buf.cast(), bytes.len());
        match wire.pull(len as usize, copy) {
            Some(count) => count as c_int,
            None => {
                ffi::BIO_set_flags(bio, ffi::BIO_FLAGS_READ | ffi::BIO_FLAGS_SHOULD_RETRY);
                -1
            }
        }
    }
}

unsafe extern "C" fn write(bio: *mut ffi::BIO, buf: *const c_char, len: c_int) -> c_int {
    // SAFETY: libssl gives `len` readable bytes; the rest as in `read`.
    unsafe {
        ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY);
        let wire = &*ffi::BIO_get_data(bio).cast::<Wire>();
        wire.push(slice::from_raw_parts(buf.cast(), len as usize));
    }
    len
}

unsafe extern "C" fn ctrl(_: *mut ffi::BIO, command: c_int, _: c_long, _: *mut c_void) -> c_long {
    c_long::from(command == ffi::BIO_CTRL_FLUSH)
}
