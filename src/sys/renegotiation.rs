//! Handshakes on an open connection: renegotiation, and in TLS 1.3 what took its place.

use std::ffi::c_int;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslOptions, SslRef, SslVersion};

use super::hook::Hooks;
use super::ssl::secure_renegotiation;
use super::{compat, decl};

/// Asks for a new handshake, which the next I/O begins: `SSL_renegotiate`, or `SSL_renegotiate_abbreviated`, which
/// tries to resume the session.
pub(crate) fn renegotiate(ssl: &mut SslRef, abbreviated: bool) -> Result<(), ErrorStack> {
    // SAFETY: the SSL is alive; the functions take nothing else, and refuse by themselves what cannot be.
    done(unsafe {
        match abbreviated {
            false => decl::SSL_renegotiate(ssl.as_ptr()),
            true => decl::SSL_renegotiate_abbreviated(ssl.as_ptr()),
        }
    })
}

/// Whether a handshake that this side asked for is not done yet: `SSL_renegotiate_pending`.
pub(crate) fn renegotiate_pending(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_renegotiate_pending(ssl.as_ptr()) == 1 }
}

/// Changes the keys of what is sent, with the next I/O, and asks the peer for the same if `both`: `SSL_key_update`.
pub(crate) fn key_update(ssl: &mut SslRef, both: bool) -> Result<(), ErrorStack> {
    let kind = if both { decl::SSL_KEY_UPDATE_REQUESTED } else { decl::SSL_KEY_UPDATE_NOT_REQUESTED };
    // SAFETY: the SSL is alive; the function refuses by itself what cannot be.
    done(unsafe { decl::SSL_key_update(ssl.as_ptr(), kind) })
}

/// Asks the client for a certificate, with the next I/O: `SSL_verify_client_post_handshake`.
pub(crate) fn verify_client_post_handshake(ssl: &mut SslRef) -> Result<(), ErrorStack> {
    // SAFETY: the SSL is alive; the function refuses by itself what cannot be.
    done(unsafe { decl::SSL_verify_client_post_handshake(ssl.as_ptr()) })
}

/// Whether a client answers such a request: `SSL_set_post_handshake_auth`.
pub(crate) fn set_post_handshake_auth(ssl: &mut SslRef, on: bool) {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_set_post_handshake_auth(ssl.as_ptr(), c_int::from(on)) }
}

/// Whether no handshake has begun: `SSL_in_before`.
pub(crate) fn in_before(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_in_before(ssl.as_ptr()) == 1 }
}

/// Whether a handshake goes on: `SSL_in_init`.
pub(crate) fn in_init(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_in_init(ssl.as_ptr()) == 1 }
}

/// A handshake begins: one that the peer wants, and that is one too many, is refused.
///
/// libssl looks at its options when it has read the message that the handshake starts with: it then answers
/// no_renegotiation, and does nothing else.
pub(super) fn admit(ssl: &mut SslRef, hooks: &dyn Hooks) {
    if takes_up(ssl) && !renegotiate_pending(ssl) && !hooks.admit_handshake() {
        compat::set_options(ssl, SslOptions::NO_RENEGOTIATION);
    }
}

/// Whether the handshake whose end libssl tells of now has made new keys. It also tells of one that it refused, and
/// of the request to begin one.
pub(super) fn is_done(ssl: &SslRef) -> bool {
    takes_up(ssl) && !renegotiate_pending(ssl)
}

/// Whether libssl would renegotiate at all.
fn takes_up(ssl: &SslRef) -> bool {
    let options = compat::options(ssl);
    ssl.version2() != Some(SslVersion::TLS1_3)
        && !options.contains(SslOptions::NO_RENEGOTIATION)
        && (secure_renegotiation(ssl) || options.contains(SslOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION))
}

fn done(answer: c_int) -> Result<(), ErrorStack> {
    if answer == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}
