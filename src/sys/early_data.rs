//! Early data (0-RTT): what libssl is told and asked of it.

use std::ffi::{c_int, c_void};
use std::ptr;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslOptions, SslRef};
use openssl_sys as ffi;

use super::decl;
use super::hook::with;
use crate::values::early_data::EarlyDataStatus;
use crate::values::options::SecureOptions;

/// Has a ticket for early data resume more than once.
pub(crate) const NO_ANTI_REPLAY: SslOptions =
    SslOptions::from_bits_retain(SecureOptions::NO_ANTI_REPLAY.bits() as _);

/// libssl's default for how much of what is rejected it passes over.
const DEFAULT_SKIPPED: u32 = 16 * 1024;

/// More than anybody sends; libssl adds what records have beside their data, and must not get around 2^32.
const MOST: u32 = u32::MAX / 2;

/// Has a server take so many bytes of early data: `SSL_CTX_set_max_early_data`, `SSL_CTX_set_recv_max_early_data`.
pub(crate) fn accept(context: &mut SslContextBuilder, bytes: u32) -> Result<(), ErrorStack> {
    context.set_max_early_data(bytes)?;
    let received = bytes.clamp(DEFAULT_SKIPPED, MOST);
    // SAFETY: the context is alive; the function takes a number only.
    let done = unsafe { decl::SSL_CTX_set_recv_max_early_data(context.as_ptr(), received) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Fills the slot that is asked before early data is accepted: `SSL_CTX_set_allow_early_data_cb`.
pub(super) fn fill(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's context is alive; the function has the type that the setter asks for, and needs no argument.
    unsafe { decl::SSL_CTX_set_allow_early_data_cb(ctx, Some(allow), ptr::null_mut()) };
}

unsafe extern "C" fn allow(ssl: *mut ffi::SSL, _: *mut c_void) -> c_int {
    // SAFETY: libssl calls this with a live SSL.
    c_int::from(unsafe { with(ssl, false, false, |_, hooks| hooks.allow_early_data()) })
}

/// What became of the early data: `SSL_get_early_data_status`.
pub(crate) fn status(ssl: &SslRef) -> EarlyDataStatus {
    // SAFETY: the SSL is alive.
    match unsafe { decl::SSL_get_early_data_status(ssl.as_ptr()) } {
        decl::SSL_EARLY_DATA_ACCEPTED => EarlyDataStatus::Accepted,
        decl::SSL_EARLY_DATA_REJECTED => EarlyDataStatus::Rejected,
        _ => EarlyDataStatus::NotSent,
    }
}
