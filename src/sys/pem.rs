//! Single PEM blocks, read without ever asking at the terminal, and PKCS#12.
//!
//! Without a callback libcrypto prompts on the controlling terminal as soon as a block says that it is encrypted
//! (pem_password_cb(3)), whoever wrote that block.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use foreign_types::ForeignType;
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Params};
use openssl::stack::Stack;
use openssl::x509::{X509, X509Crl};
use openssl_sys as ffi;

use super::{decl, queue};

/// The callback that knows no passphrase.
unsafe extern "C" fn refuse(
    _buffer: *mut c_char,
    _size: c_int,
    _writing: c_int,
    _data: *mut c_void,
) -> c_int {
    -1
}

/// Reads one certificate: `CERTIFICATE`, `X509 CERTIFICATE` or `TRUSTED CERTIFICATE`.
pub(crate) fn certificate(block: &[u8]) -> Result<X509, ErrorStack> {
    let source = Memory::new(block)?;
    // SAFETY: the BIO is alive; `refuse` takes no data; the result is a new certificate or null.
    let read =
        unsafe { decl::PEM_read_bio_X509_AUX(source.0, ptr::null_mut(), Some(refuse), ptr::null_mut()) };
    if read.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: not null, and nobody else owns it.
    Ok(unsafe { X509::from_ptr(read) })
}

/// Reads one certificate revocation list: `X509 CRL`.
pub(crate) fn crl(block: &[u8]) -> Result<X509Crl, ErrorStack> {
    let source = Memory::new(block)?;
    // SAFETY: the BIO is alive; `refuse` takes no data; the result is a new list or null.
    let read =
        unsafe { ffi::PEM_read_bio_X509_CRL(source.0, ptr::null_mut(), Some(refuse), ptr::null_mut()) };
    if read.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: not null, and nobody else owns it.
    Ok(unsafe { X509Crl::from_ptr(read) })
}

/// Reads the first Diffie-Hellman parameters of a text: `DH PARAMETERS` or `X9.42 DH PARAMETERS`.
pub(crate) fn dh_parameters(text: &[u8]) -> Result<Dh<Params>, ErrorStack> {
    let source = Memory::new(text)?;
    // SAFETY: the BIO is alive; `refuse` takes no data; the result is a new DH or null.
    let read =
        unsafe { ffi::PEM_read_bio_DHparams(source.0, ptr::null_mut(), Some(refuse), ptr::null_mut()) };
    if read.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: not null, and nobody else owns it.
    Ok(unsafe { Dh::from_ptr(read) })
}

/// Opens a PKCS#12. `passphrase` ends with a NUL byte and has no other; `None` tries both "no passphrase" and the
/// empty one.
///
/// `Pkcs12Ref::parse2` of the `openssl` crate leaves a copy of the passphrase in freed memory.
pub(crate) fn open_pkcs12(der: &[u8], passphrase: Option<&[u8]>) -> Result<ParsedPkcs12_2, ErrorStack> {
    let archive = Pkcs12::from_der(der)?;
    let text = match passphrase {
        Some(bytes) => {
            debug_assert_eq!(bytes.iter().position(|b| *b == 0), Some(bytes.len() - 1));
            bytes.as_ptr().cast()
        }
        None => ptr::null(),
    };
    let (mut key, mut leaf, mut others) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the archive is alive, the passphrase ends with NUL or is null, and the three places are null and
    // writable: the call allocates what it stores there (PKCS12_parse(3)).
    let done = unsafe { ffi::PKCS12_parse(archive.as_ptr(), text, &mut key, &mut leaf, &mut others) };
    if done != 1 {
        return Err(ErrorStack::get());
    }
    // A parse that ends well can leave what its trials said.
    queue::clear();
    // SAFETY: each is null or a new object that nobody else owns.
    unsafe {
        Ok(ParsedPkcs12_2 {
            pkey: (!key.is_null()).then(|| PKey::from_ptr(key)),
            cert: (!leaf.is_null()).then(|| X509::from_ptr(leaf)),
            ca: (!others.is_null()).then(|| Stack::from_ptr(others)),
        })
    }
}

/// A read-only memory BIO.
struct Memory(*mut ffi::BIO);

impl Memory {
    /// The BIO reads `bytes` in place: the callers of this file drop it before they return.
    fn new(bytes: &[u8]) -> Result<Memory, ErrorStack> {
        let length = c_int::try_from(bytes.len()).unwrap_or(c_int::MAX);
        // SAFETY: the pointer is good for `length` bytes as long as the caller's borrow lives.
        let bio = unsafe { ffi::BIO_new_mem_buf(bytes.as_ptr().cast(), length) };
        if bio.is_null() { Err(ErrorStack::get()) } else { Ok(Memory(bio)) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the BIO is ours alone.
        unsafe { ffi::BIO_free_all(self.0) };
    }
}
