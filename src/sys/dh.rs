//! Diffie-Hellman parameters: what the `openssl` crate cannot be asked.

use std::ffi::{c_int, c_long};

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::dh::{Dh, DhRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Params;

use super::decl;

/// The parameters of a group that libcrypto knows by its number: `DH_new_by_nid`.
pub(crate) fn by_nid(nid: Nid) -> Result<Dh<Params>, ErrorStack> {
    // SAFETY: the function takes a number; the result is a new DH or null.
    let dh = unsafe { decl::DH_new_by_nid(nid.as_raw()) };
    if dh.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: not null, and nobody else owns it.
    Ok(unsafe { Dh::from_ptr(dh) })
}

/// How many bits private keys are to have, 0 when that is not said: `DH_get_length`.
pub(crate) fn private_bits(dh: &DhRef<Params>) -> c_long {
    // SAFETY: the DH is alive.
    unsafe { decl::DH_get_length(dh.as_ptr()) }
}

/// Says how many bits private keys are to have: `DH_set_length`.
pub(crate) fn set_private_bits(dh: &mut Dh<Params>, bits: u16) -> Result<(), ErrorStack> {
    // SAFETY: the DH is alive, and nobody else has a reference to it; the function takes a number.
    let done: c_int = unsafe { decl::DH_set_length(dh.as_ptr(), c_long::from(bits)) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}
