//! Declarations that `openssl-sys` lacks, checked against the headers of every supported libssl.
//!
//! One section a topic. A symbol that some supported version lacks is declared in [`super::compat`] instead,
//! behind its version `cfg`, with a fallback that answers "unsupported".
#![allow(non_camel_case_types, non_snake_case, unreachable_pub)]

use libc::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_void, size_t};
use openssl_sys::{EVP_PKEY, SSL, SSL_CIPHER, SSL_CTX, SSL_SESSION, X509, X509_CRL, X509_STORE, X509_STORE_CTX};

// --- control codes (ssl.h), the same numbers in 1.1.1 to 4.0 ---

// --- ssl ---
unsafe extern "C" {
}

// --- x509, stores, keys ---
unsafe extern "C" {
    pub fn X509_STORE_add_crl(store: *mut X509_STORE, crl: *mut X509_CRL) -> c_int;
    pub fn X509_STORE_up_ref(store: *mut X509_STORE) -> c_int;
}
