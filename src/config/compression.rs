//! What `certificate_compression` asks of libssl.

use openssl::ssl::SslContextBuilder;

use super::apply::refused;
use crate::sys::compression::{self as sys, NOT_SENT, NOT_TAKEN};
use crate::values::certificate_compression::CertificateCompression;
use crate::values::error::Error;

const OPTION: &str = "certificate_compression";

/// Sets the algorithms, or switches all of it off.
pub(super) fn set_algorithms(
    ctx: &mut SslContextBuilder,
    algorithms: &[CertificateCompression],
) -> Result<(), Error> {
    if algorithms.is_empty() {
        // With an empty list libssl would offer none, and still compress with whatever the peer offers.
        ctx.set_options(NOT_SENT | NOT_TAKEN);
        return Ok(());
    }
    for (place, algorithm) in algorithms.iter().enumerate() {
        if algorithms[..place].contains(algorithm) {
            return Err(Error::config(OPTION, format!("{algorithm} stands there twice")));
        }
        if sys::prefer(ctx, &[*algorithm]).is_err() {
            let text = format!(
                "{algorithm} for certificates is not in {}: it needs OpenSSL 3.2 or newer, built with {algorithm}",
                openssl::version::version()
            );
            return Err(Error::unsupported(text).with_option(OPTION));
        }
    }
    sys::prefer(ctx, algorithms).map_err(|e| refused(OPTION, &e))
}

/// Compresses the certificates of a server, once for all connections. What is to be told about it.
pub(super) fn compress(ctx: &mut SslContextBuilder, algorithms: &[CertificateCompression]) -> Option<String> {
    if algorithms.is_empty() || sys::compress(ctx) {
        return None;
    }
    Some(format!("{OPTION}: no certificate became smaller; they are sent as they are"))
}
