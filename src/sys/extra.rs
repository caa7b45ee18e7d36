//! What the traits of [`ext`](crate::ext) reach, and connections of this library do without.

use std::ffi::{CStr, c_int, c_long, c_uint, c_void};
use std::ptr;
use std::slice;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::ssl::{
    SslCipher, SslCipherRef, SslContextBuilder, SslContextRef, SslRef, SslSessionRef, SslStream,
};
use openssl::stack::{Stack, StackRef};
use openssl::x509::store::X509StoreBuilderRef;
use openssl::x509::{X509CrlRef, X509Name, X509VerifyResult};
use openssl_sys as ffi;

use super::decl;

/// The length of libssl's ticket keys: 16 bytes of name, 32 for HMAC and 32 for AES.
pub(crate) const TICKET_KEYS: usize = 80;

fn done(answer: c_int) -> Result<(), ErrorStack> {
    if answer == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// A command with a number, on an SSL.
fn control(ssl: &SslRef, command: c_int, number: c_long, pointer: *mut c_void) -> c_long {
    // SAFETY: the SSL is alive; each caller in this file gives what its command asks for, and libssl copies it.
    unsafe { ffi::SSL_ctrl(ssl.as_ptr(), command, number, pointer) }
}

/// A command with a number, on a context.
fn context_control(context: &SslContextRef, command: c_int) -> c_long {
    // SAFETY: the context is alive; the commands of the callers in this file take nothing.
    unsafe { ffi::SSL_CTX_ctrl(context.as_ptr(), command, 0, ptr::null_mut()) }
}

fn count(number: c_long) -> usize {
    usize::try_from(number).unwrap_or(0)
}

// --- on an SSL ---

/// `SSL_total_renegotiations`.
pub(crate) fn total_renegotiations(ssl: &SslRef) -> usize {
    count(control(ssl, decl::SSL_CTRL_GET_TOTAL_RENEGOTIATIONS, 0, ptr::null_mut()))
}

/// `SSL_get_key_update_type`: whether the peer is asked, too; `None` when no update waits.
pub(crate) fn key_update_type(ssl: &SslRef) -> Option<bool> {
    // SAFETY: the SSL is alive.
    match unsafe { decl::SSL_get_key_update_type(ssl.as_ptr()) } {
        decl::SSL_KEY_UPDATE_NOT_REQUESTED => Some(false),
        decl::SSL_KEY_UPDATE_REQUESTED => Some(true),
        _ => None,
    }
}

/// `SSL_set_verify_result`.
pub(crate) fn set_verify_result(ssl: &mut SslRef, result: X509VerifyResult) {
    // SAFETY: the SSL is alive; the function takes a number.
    unsafe { decl::SSL_set_verify_result(ssl.as_ptr(), c_long::from(result.as_raw())) };
}

/// `SSL_get0_peer_CA_list`.
pub(crate) fn peer_ca_list(ssl: &SslRef) -> Option<&StackRef<X509Name>> {
    // SAFETY: the SSL is alive and owns the list, which only I/O on the SSL changes; the borrow keeps that away.
    unsafe {
        let list = decl::SSL_get0_peer_CA_list(ssl.as_ptr()).cast_mut();
        (!list.is_null()).then(|| StackRef::from_ptr(list))
    }
}

/// `SSL_get1_supported_ciphers`.
pub(crate) fn supported_ciphers(ssl: &mut SslRef) -> Vec<&'static SslCipherRef> {
    // SAFETY: the SSL is alive; the stack is ours. Its elements are static, and the destructor of the element type is
    // empty.
    unsafe {
        let list = decl::SSL_get1_supported_ciphers(ssl.as_ptr());
        if list.is_null() {
            return Vec::new();
        }
        statics(&Stack::<SslCipher>::from_ptr(list))
    }
}

/// `SSL_get_client_ciphers`.
pub(crate) fn client_ciphers(ssl: &SslRef) -> Vec<&'static SslCipherRef> {
    // SAFETY: the SSL is alive and owns the stack, whose elements are static.
    unsafe {
        let list = decl::SSL_get_client_ciphers(ssl.as_ptr());
        if list.is_null() {
            return Vec::new();
        }
        statics(StackRef::<SslCipher>::from_ptr(list))
    }
}

/// The elements of a stack of suites.
///
/// # Safety
/// They must be libssl's own, which live as long as the process.
unsafe fn statics(list: &StackRef<SslCipher>) -> Vec<&'static SslCipherRef> {
    // SAFETY: the caller's contract.
    list.iter().map(|cipher| unsafe { SslCipherRef::from_ptr(cipher.as_ptr()) }).collect()
}

/// `SSL_get_shared_ciphers`.
pub(crate) fn shared_ciphers(ssl: &SslRef) -> Vec<String> {
    // More than all suites of any libssl take; a longer list would be cut between names.
    let mut text = vec![0_u8; 16 * 1024];
    // SAFETY: the SSL is alive; the place is writable for its length, and gets a C string when the answer is not null.
    let names = unsafe {
        let answer =
            decl::SSL_get_shared_ciphers(ssl.as_ptr(), text.as_mut_ptr().cast(), text.len() as c_int);
        if answer.is_null() {
            return Vec::new();
        }
        CStr::from_ptr(answer).to_string_lossy().into_owned()
    };
    names.split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `SSL_set1_groups_list`.
pub(crate) fn set_groups_list(ssl: &mut SslRef, list: &CStr) -> Result<(), ErrorStack> {
    done(control(ssl, ffi::SSL_CTRL_SET_GROUPS_LIST, 0, list.as_ptr().cast_mut().cast()) as c_int)
}

/// `SSL_set1_sigalgs_list`.
pub(crate) fn set_sigalgs_list(ssl: &mut SslRef, list: &CStr) -> Result<(), ErrorStack> {
    done(control(ssl, decl::SSL_CTRL_SET_SIGALGS_LIST, 0, list.as_ptr().cast_mut().cast()) as c_int)
}

/// `SSL_get_signature_nid`, or `SSL_get_peer_signature_nid`: the hash of the signature.
pub(crate) fn signature_digest(ssl: &SslRef, peer: bool) -> Option<Nid> {
    let command = if peer { decl::SSL_CTRL_GET_PEER_SIGNATURE_NID } else { decl::SSL_CTRL_GET_SIGNATURE_NID };
    let mut nid: c_int = 0;
    let found = control(ssl, command, 0, (&raw mut nid).cast());
    (found == 1 && nid != 0).then(|| Nid::from_raw(nid))
}

/// `SSL_get_peer_signature_type_nid`.
pub(crate) fn peer_signature_type(ssl: &SslRef) -> Option<Nid> {
    let mut nid: c_int = 0;
    // SAFETY: the SSL is alive; the function writes one number.
    let found = unsafe { decl::SSL_get_peer_signature_type_nid(ssl.as_ptr(), &raw mut nid) };
    (found == 1 && nid != 0).then(|| Nid::from_raw(nid))
}

/// `SSL_get_quiet_shutdown`.
pub(crate) fn quiet_shutdown(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_get_quiet_shutdown(ssl.as_ptr()) == 1 }
}

/// `SSL_set_quiet_shutdown`.
pub(crate) fn set_quiet_shutdown(ssl: &mut SslRef, on: bool) {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_set_quiet_shutdown(ssl.as_ptr(), c_int::from(on)) };
}

/// `SSL_set_session_id_context`: at most 32 bytes.
pub(crate) fn set_session_id_context(ssl: &mut SslRef, id: &[u8]) -> Result<(), ErrorStack> {
    let len = c_uint::try_from(id.len()).unwrap_or(c_uint::MAX);
    // SAFETY: the SSL is alive; the bytes are readable for their length, and copied if libssl takes that many.
    done(unsafe { decl::SSL_set_session_id_context(ssl.as_ptr(), id.as_ptr(), len) })
}

/// `SSL_use_psk_identity_hint`.
pub(crate) fn use_psk_identity_hint(ssl: &mut SslRef, hint: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: the SSL is alive; the hint is a C string, which libssl copies.
    done(unsafe { decl::SSL_use_psk_identity_hint(ssl.as_ptr(), hint.as_ptr()) })
}

/// `SSL_get_max_cert_list`.
pub(crate) fn max_cert_list(ssl: &SslRef) -> usize {
    count(control(ssl, decl::SSL_CTRL_GET_MAX_CERT_LIST, 0, ptr::null_mut()))
}

/// `SSL_set_max_cert_list`.
pub(crate) fn set_max_cert_list(ssl: &mut SslRef, bytes: usize) {
    let bytes = c_long::try_from(bytes).unwrap_or(c_long::MAX);
    control(ssl, decl::SSL_CTRL_SET_MAX_CERT_LIST, bytes, ptr::null_mut());
}

/// `SSL_get_read_ahead`.
pub(crate) fn read_ahead(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_get_read_ahead(ssl.as_ptr()) == 1 }
}

/// `SSL_set_read_ahead`.
pub(crate) fn set_read_ahead(ssl: &mut SslRef, on: bool) {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_set_read_ahead(ssl.as_ptr(), c_int::from(on)) };
}

/// Switches `SSL_MODE_RELEASE_BUFFERS` off.
pub(super) fn keep_buffers(ssl: &mut SslRef) {
    control(ssl, decl::SSL_CTRL_CLEAR_MODE, ffi::SSL_MODE_RELEASE_BUFFERS, ptr::null_mut());
}

/// `SSL_has_pending`.
pub(crate) fn has_pending(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive.
    unsafe { decl::SSL_has_pending(ssl.as_ptr()) == 1 }
}

// --- on a context ---

/// `SSL_CTX_set_tlsext_ticket_keys`.
pub(crate) fn set_ticket_keys(
    context: &mut SslContextBuilder,
    keys: &[u8; TICKET_KEYS],
) -> Result<(), ErrorStack> {
    let (command, pointer) = (decl::SSL_CTRL_SET_TLSEXT_TICKET_KEYS, keys.as_ptr().cast_mut().cast());
    // SAFETY: the context is alive; libssl reads so many bytes, and copies them.
    done(unsafe { ffi::SSL_CTX_ctrl(context.as_ptr(), command, TICKET_KEYS as c_long, pointer) } as c_int)
}

/// `SSL_CTX_get_tlsext_ticket_keys`.
pub(crate) fn ticket_keys(context: &SslContextBuilder) -> Result<[u8; TICKET_KEYS], ErrorStack> {
    let mut keys = [0; TICKET_KEYS];
    let (command, pointer) = (decl::SSL_CTRL_GET_TLSEXT_TICKET_KEYS, keys.as_mut_ptr().cast());
    // SAFETY: the context is alive; libssl writes so many bytes.
    done(unsafe { ffi::SSL_CTX_ctrl(context.as_ptr(), command, TICKET_KEYS as c_long, pointer) } as c_int)?;
    Ok(keys)
}

/// `SSL_CTX_set_max_cert_list`.
pub(crate) fn set_context_max_cert_list(context: &mut SslContextBuilder, bytes: usize) {
    let bytes = c_long::try_from(bytes).unwrap_or(c_long::MAX);
    // SAFETY: the context is alive; the command takes a number.
    unsafe { ffi::SSL_CTX_ctrl(context.as_ptr(), decl::SSL_CTRL_SET_MAX_CERT_LIST, bytes, ptr::null_mut()) };
}

/// `SSL_CTX_set_split_send_fragment`.
pub(crate) fn set_split_send_fragment(context: &mut SslContextBuilder, bytes: u16) -> Result<(), ErrorStack> {
    let (command, bytes) = (decl::SSL_CTRL_SET_SPLIT_SEND_FRAGMENT, c_long::from(bytes));
    // SAFETY: the context is alive; the command takes a number.
    done(unsafe { ffi::SSL_CTX_ctrl(context.as_ptr(), command, bytes, ptr::null_mut()) } as c_int)
}

/// `SSL_CTX_set_block_padding`.
pub(crate) fn set_block_padding(context: &mut SslContextBuilder, bytes: usize) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive; the function takes a number.
    done(unsafe { decl::SSL_CTX_set_block_padding(context.as_ptr(), bytes) })
}

/// `SSL_CTX_set_quiet_shutdown`.
pub(crate) fn set_context_quiet_shutdown(context: &mut SslContextBuilder, on: bool) {
    // SAFETY: the context is alive.
    unsafe { decl::SSL_CTX_set_quiet_shutdown(context.as_ptr(), c_int::from(on)) };
}

/// `SSL_CTX_set_post_handshake_auth`.
pub(crate) fn set_context_post_handshake_auth(context: &mut SslContextBuilder, on: bool) {
    // SAFETY: the context is alive.
    unsafe { ffi::SSL_CTX_set_post_handshake_auth(context.as_ptr(), c_int::from(on)) };
}

/// `SSL_CTX_set0_CA_list`.
pub(crate) fn set_context_ca_names(context: &mut SslContextBuilder, names: Stack<X509Name>) {
    let names = std::mem::ManuallyDrop::new(names);
    // SAFETY: the context is alive and owns the list from now on.
    unsafe { decl::SSL_CTX_set0_CA_list(context.as_ptr(), names.as_ptr()) };
}

/// `SSL_CTX_get_quiet_shutdown`.
pub(crate) fn context_quiet_shutdown(context: &SslContextRef) -> bool {
    // SAFETY: the context is alive.
    unsafe { decl::SSL_CTX_get_quiet_shutdown(context.as_ptr()) == 1 }
}

/// `SSL_CTX_get_max_cert_list`.
pub(crate) fn context_max_cert_list(context: &SslContextRef) -> usize {
    count(context_control(context, decl::SSL_CTRL_GET_MAX_CERT_LIST))
}

/// `SSL_CTX_get_mode`: a command to add no mode.
pub(crate) fn context_mode(context: &SslContextRef) -> u32 {
    u32::try_from(context_control(context, decl::SSL_CTRL_MODE)).unwrap_or(0)
}

/// `SSL_CTX_get_timeout`, in seconds.
pub(crate) fn session_timeout(context: &SslContextRef) -> u64 {
    // SAFETY: the context is alive.
    u64::try_from(unsafe { decl::SSL_CTX_get_timeout(context.as_ptr()) }).unwrap_or(0)
}

/// `SSL_CTX_sess_number` and its eleven sisters, which count from 0.
pub(crate) fn session_count(context: &SslContextRef, which: u8) -> usize {
    count(context_control(context, decl::SSL_CTRL_SESS_NUMBER + c_int::from(which.min(11))))
}

// --- on other objects ---

/// The SSL of a stream that is borrowed as a whole.
pub(crate) fn stream_ssl<S>(stream: &mut SslStream<S>) -> &mut SslRef {
    // SAFETY: the stream owns the SSL, and nobody else can reach either while it is borrowed.
    unsafe { SslRef::from_ptr_mut(stream.ssl().as_ptr()) }
}

/// The same of tokio's kind.
pub(crate) fn tokio_stream_ssl<S>(stream: &mut tokio_openssl::SslStream<S>) -> &mut SslRef {
    // SAFETY: as in `stream_ssl`.
    unsafe { SslRef::from_ptr_mut(stream.ssl().as_ptr()) }
}

/// `X509_STORE_add_crl`.
pub(crate) fn add_crl(store: &mut X509StoreBuilderRef, crl: &X509CrlRef) -> Result<(), ErrorStack> {
    // SAFETY: both are alive; the store takes a reference of its own.
    done(unsafe { decl::X509_STORE_add_crl(store.as_ptr(), crl.as_ptr()) })
}

/// `SSL_SESSION_set_timeout`.
pub(crate) fn set_timeout(session: &mut SslSessionRef, seconds: c_long) {
    // SAFETY: the session is alive, and borrowed by nobody else.
    unsafe { decl::SSL_SESSION_set_timeout(session.as_ptr(), seconds) };
}

/// `SSL_SESSION_get0_id_context`.
pub(crate) fn id_context(session: &SslSessionRef) -> &[u8] {
    let mut len = 0;
    // SAFETY: the session is alive and owns the bytes, which are readable for the length.
    unsafe {
        let start = decl::SSL_SESSION_get0_id_context(session.as_ptr(), &raw mut len);
        if start.is_null() || len == 0 { &[] } else { slice::from_raw_parts(start, len as usize) }
    }
}

/// `SSL_CIPHER_get_kx_nid`.
pub(crate) fn key_exchange(cipher: &SslCipherRef) -> Option<Nid> {
    // SAFETY: the suite is static.
    some_nid(unsafe { decl::SSL_CIPHER_get_kx_nid(cipher.as_ptr()) })
}

/// `SSL_CIPHER_get_auth_nid`.
pub(crate) fn authentication(cipher: &SslCipherRef) -> Option<Nid> {
    // SAFETY: the suite is static.
    some_nid(unsafe { decl::SSL_CIPHER_get_auth_nid(cipher.as_ptr()) })
}

fn some_nid(nid: c_int) -> Option<Nid> {
    (nid != 0).then(|| Nid::from_raw(nid))
}
