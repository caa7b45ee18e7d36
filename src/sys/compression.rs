//! Compression of certificates (RFC 8879), as safe functions.

use std::ffi::c_int;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslOptions, SslRef};

use super::{compat, queue};
use crate::values::certificate_compression::CertificateCompression;
use crate::values::options::SecureOptions;

/// Sends certificates as they are.
pub(crate) const NOT_SENT: SslOptions =
    SslOptions::from_bits_retain(SecureOptions::NO_TX_CERTIFICATE_COMPRESSION.bits() as _);

/// Takes certificates as they are alone.
pub(crate) const NOT_TAKEN: SslOptions =
    SslOptions::from_bits_retain(SecureOptions::NO_RX_CERTIFICATE_COMPRESSION.bits() as _);

/// The order of an SSL_CTX that nobody has told another (`SSL_CTX_set1_cert_comp_preference(3)`).
const DEFAULT: [CertificateCompression; 3] =
    [CertificateCompression::Brotli, CertificateCompression::Zlib, CertificateCompression::Zstd];

fn numbers(algorithms: &[CertificateCompression]) -> Vec<c_int> {
    algorithms.iter().map(|algorithm| algorithm.number().into()).collect()
}

/// Sets the algorithms: `SSL_CTX_set1_cert_comp_preference`. Those that this libssl lacks are passed over, unless it has none.
pub(crate) fn prefer(
    context: &mut SslContextBuilder,
    algorithms: &[CertificateCompression],
) -> Result<(), ErrorStack> {
    let mut numbers = numbers(algorithms);
    // SAFETY: the context is alive; the list is read during the call. Its length is that in elements, whatever the manual says.
    let done = unsafe {
        compat::compression::SSL_CTX_set1_cert_comp_preference(
            context.as_ptr(),
            numbers.as_mut_ptr(),
            numbers.len(),
        )
    };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// The same on a connection; `None` is libssl's default: `SSL_set1_cert_comp_preference`.
pub(crate) fn prefer_on(ssl: &mut SslRef, algorithms: Option<&[CertificateCompression]>) {
    let mut numbers = numbers(algorithms.unwrap_or(&DEFAULT));
    // SAFETY: the SSL is alive; the list is read during the call.
    unsafe {
        compat::compression::SSL_set1_cert_comp_preference(ssl.as_ptr(), numbers.as_mut_ptr(), numbers.len())
    };
    // It fails where libssl has none of them, and then there is nothing to prefer.
    queue::clear();
}

/// Compresses a server's certificates, with each algorithm that is set: `SSL_CTX_compress_certs`. Whether any has become
/// smaller.
pub(crate) fn compress(context: &mut SslContextBuilder) -> bool {
    // SAFETY: the context is alive; 0 is for all algorithms.
    let done = unsafe { compat::compression::SSL_CTX_compress_certs(context.as_ptr(), 0) };
    queue::clear();
    done == 1
}
