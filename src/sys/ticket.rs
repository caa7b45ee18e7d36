//! Session tickets: the callback of libssl that seals and opens them with keys of ours.

use std::ffi::{c_int, c_uchar};
use std::{ptr, slice};

use openssl::rand::rand_bytes;
use openssl_sys as ffi;

use super::compat::ticket as versioned;
use super::hook::with;
use crate::values::ticket_key::TicketKey;

/// How long the name of a key is, and the IV of AES-128-CBC.
const NAME: usize = 16;
const IV: usize = 16;

/// The key that opens a ticket.
#[derive(Debug)]
pub(crate) struct TicketOpening {
    pub(crate) key: TicketKey,
    /// The client gets a new ticket in the place of this one.
    pub(crate) renew: bool,
}

// The answers of the callback (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)).
const FAILED: c_int = -1;
/// No key: no ticket is sealed, or a full handshake follows.
const NO_KEY: c_int = 0;
const GO_ON: c_int = 1;
const GO_ON_AND_RENEW: c_int = 2;

/// Fills the slot of a server's context.
///
/// # Safety
/// The context must be alive.
pub(super) unsafe fn fill(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's contract.
    unsafe { versioned::fill(ctx, ticket_key) };
}

unsafe extern "C" fn ticket_key(
    ssl: *mut ffi::SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut ffi::EVP_CIPHER_CTX,
    mac: *mut versioned::Mac,
    seal: c_int,
) -> c_int {
    // SAFETY: libssl calls this with a live SSL, fresh contexts, 16 bytes for the name and 16 for the IV, which are to be
    // written where a ticket is sealed and read where one is opened. Both contexts copy the keys.
    unsafe {
        with(ssl, NO_KEY, FAILED, |ssl, hooks| {
            if seal == 1 {
                let Some(key) = hooks.ticket_key_to_seal() else { return NO_KEY };
                if rand_bytes(slice::from_raw_parts_mut(iv, IV)).is_err() {
                    return FAILED;
                }
                ptr::copy_nonoverlapping(key.name().as_ptr(), name, NAME);
                let (aes, none) = (ffi::EVP_aes_128_cbc(), ptr::null_mut());
                let ready = ffi::EVP_EncryptInit_ex(cipher, aes, none, key.aes_key().as_ptr(), iv) == 1
                    && versioned::init(mac, key.hmac_key());
                return if ready { GO_ON } else { FAILED };
            }
            let name = slice::from_raw_parts(name, NAME);
            let Some(opening) = hooks.ticket_key_to_open(ssl, name) else { return NO_KEY };
            let key = &opening.key;
            let (aes, none) = (ffi::EVP_aes_128_cbc(), ptr::null_mut());
            let ready = versioned::init(mac, key.hmac_key())
                && ffi::EVP_DecryptInit_ex(cipher, aes, none, key.aes_key().as_ptr(), iv) == 1;
            match (ready, opening.renew) {
                (false, _) => FAILED,
                (true, false) => GO_ON,
                (true, true) => GO_ON_AND_RENEW,
            }
        })
    }
}
