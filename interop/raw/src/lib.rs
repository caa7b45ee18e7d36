//! libssl without a layer: what patina-tls is measured against.
//!
//! Nothing here is a library to use: there is no error handling but "it failed", no hook and no guard. It is the least that
//! can be put around libssl, so that whatever another layer costs beyond it is that layer's own.

pub mod heap;
mod method;
mod stream;

pub use stream::{Link, RawStream};

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslRef, SslSessionRef};

/// `SSL_set_session`: that of the `openssl` crate is unsafe, for sessions of other methods. Here is one method only.
///
/// # Errors
/// When libssl refuses the session.
pub fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: both are alive; the SSL takes its own reference.
    let done = unsafe { openssl_sys::SSL_set_session(ssl.as_ptr(), session.as_ptr()) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}
