//! The OpenSSL cipher-string language.
#![forbid(unsafe_code)]
