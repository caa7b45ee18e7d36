//! What libssl asks in the middle of its work: one trait, and the functions that C calls.
//!
//! The slots of libssl that a context of ours fills are the variants of [`Slot`]. Each trampoline finds the
//! connection by the SSL's BIO or by our own ex_data slot on the SSL, never by the SSL's current SSL_CTX: a swap by SNI
//! changes that.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_void};
use std::slice;
use std::sync::{Arc, OnceLock};

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslContextBuilder, SslRef, SslSession};
use openssl::x509::X509StoreContextRef;
use openssl_sys as ffi;

use super::bio;
use super::decl;
use super::guard::{Parked, guard};
use super::own_certificate::CertificateAnswer;
use super::ticket::TicketOpening;
use super::{compat, early_data, npn, ocsp, own_certificate, psk, renegotiation, session, ticket};
use crate::values::alert::Alert;
use crate::values::alpn::AlpnProtocols;
use crate::values::psk::{PreSharedKey, PskIdentity};
use crate::values::ticket_key::TicketKey;

/// The answer to a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelloAnswer {
    Continue,
    /// The answer needs time: libssl returns, the handshake is called again, and the hook with it.
    Pause,
    Refuse(Alert),
}

/// The answer to the client's list of application protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtocolAnswer<'a> {
    Select(&'a [u8]),
    /// The extension is ignored.
    Ignore,
    /// The handshake fails with no_application_protocol.
    Refuse,
}

/// The judgement of a peer's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerifyAnswer {
    Accept,
    Refuse,
    /// The answer needs time: libssl returns, the handshake is called again, and the hook with it.
    Pause,
}

/// The answer to a client's PSK identity.
#[derive(Debug)]
pub(crate) enum PskAnswer {
    Key(PreSharedKey),
    Unknown,
    /// Unknown, and the client must not find out.
    Hide,
    Failed,
}

/// Which side sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// The peer sent it.
    Received,
    /// This side sent it.
    Sent,
}

/// What a connection of ours answers. Every method runs under C frames, within the panic guard, and must not block.
pub(crate) trait Hooks: Send + Sync {
    /// Where a panic of these methods is parked.
    fn parked(&self) -> &Parked;

    /// A server has a ClientHello, of the first handshake or of a renegotiation, and has done nothing with it.
    fn client_hello(&self, ssl: &mut SslRef) -> HelloAnswer;

    /// Whether the server's choice was made by the name in the ClientHello, which is then acknowledged (RFC 6066).
    fn server_name_used(&self) -> bool;

    /// A server chooses among the client's protocols, in wire format.
    fn select_protocol<'a>(&self, offered: &'a [u8]) -> ProtocolAnswer<'a>;

    /// What a server advertises and a client chooses from by NPN. The connection's configuration holds the list, too.
    fn next_protocols(&self) -> Option<Arc<AlpnProtocols>>;

    /// Judges the peer's chain: runs the verification and says whether the handshake goes on. Not asked when a
    /// session is resumed. `may_pause` says whether libssl can wait.
    fn verify(&self, chain: &mut X509StoreContextRef, may_pause: bool) -> VerifyAnswer;

    /// libssl is about to choose the certificate that this side shows.
    fn certificate(&self, ssl: &mut SslRef) -> CertificateAnswer;

    /// The response to staple to the certificate that was chosen.
    fn staple(&self, ssl: &mut SslRef) -> Option<Vec<u8>>;

    /// A session can be resumed later.
    fn new_session(&self, session: SslSession);

    /// The session that a client offers by its id.
    fn find_session(&self, id: &[u8]) -> Option<SslSession>;

    /// One finding of the verification that [`verify`](Hooks::verify) runs; whether to go on with it.
    fn verify_step(&self, ok: bool, chain: &mut X509StoreContextRef) -> bool;

    /// A client's identity and key, by the server's hint; `None` goes on without.
    fn client_psk(&self, hint: Option<&[u8]>) -> Option<(PskIdentity, PreSharedKey)>;

    /// Keeps the identity that is offered, for as long as the connection lives or until the next one.
    fn keep_identity(&self, identity: PskIdentity) -> Arc<[u8]>;

    /// A server's key for an identity.
    fn server_psk(&self, identity: &[u8]) -> PskAnswer;

    /// Whether a server has nothing but pre-shared keys to prove itself with.
    fn is_psk_only(&self) -> bool;

    /// The key that a server seals a session ticket with.
    fn ticket_key_to_seal(&self) -> Option<TicketKey>;

    /// The key that opens a client's session ticket, by the key's name.
    fn ticket_key_to_open(&self, ssl: &SslRef, name: &[u8]) -> Option<TicketOpening>;

    /// Whether a server accepts the early data that a client announces. libssl asks when nothing else speaks against it.
    fn allow_early_data(&self) -> bool;

    /// Where no ClientHello callback is ours, the peer begins a handshake. False is one too many: it is refused.
    fn admit_handshake(&self) -> bool;

    /// A handshake with fresh keys is over: the first one, or a renegotiation.
    fn handshake_done(&self);

    /// An alert was sent or received.
    fn alert(&self, direction: Direction, fatal: bool, alert: Alert);

    /// A line of the key log, without line end.
    fn key_log(&self, line: &str);

    /// A message of the protocol, with libssl's description of it where this build of libssl has that.
    fn message(&self, ssl: &mut SslRef, message: Message<'_>);
}

/// A protocol message as libssl's message callback sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) direction: Direction,
    /// The version on the wire, or 0.
    pub(crate) version: u16,
    /// 20 to 24, or one of libssl's pseudo types from 256 on (record header, inner content type).
    pub(crate) content_type: u16,
    pub(crate) bytes: &'a [u8],
}

/// The callback slots of libssl that a context may have filled by this library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// `SSL_CTX_set_client_hello_cb`
    ClientHello,
    /// `SSL_CTX_set_tlsext_servername_callback`
    ServerName,
    /// `SSL_CTX_set_alpn_select_cb`
    Protocol,
    /// `SSL_CTX_set_cert_verify_callback`
    Verify,
    /// `SSL_CTX_set_info_callback`
    Info,
    /// `SSL_CTX_set_keylog_callback`
    KeyLog,
    /// `SSL_CTX_set_msg_callback`
    Message,
    /// `SSL_CTX_set_psk_client_callback` and `SSL_CTX_set_psk_use_session_callback`
    PskClient,
    /// `SSL_CTX_set_psk_server_callback` and `SSL_CTX_set_psk_find_session_callback`
    PskServer,
    /// `SSL_CTX_set_cert_cb`
    Certificate,
    /// `SSL_CTX_set_tlsext_status_cb`
    Staple,
    /// `SSL_CTX_sess_set_new_cb`
    NewSession,
    /// `SSL_CTX_sess_set_get_cb`
    FindSession,
    /// `SSL_CTX_set_tlsext_ticket_key_evp_cb`
    TicketKey,
    /// `SSL_CTX_set_allow_early_data_cb`
    EarlyData,
    /// `SSL_CTX_set_next_proto_select_cb`
    NpnClient,
    /// `SSL_CTX_set_next_protos_advertised_cb`
    NpnServer,
}

impl Slot {
    /// All of them, in the order in which a context is filled.
    #[cfg(test)]
    pub(crate) const ALL: [Slot; 17] = [
        Slot::ClientHello,
        Slot::ServerName,
        Slot::Protocol,
        Slot::Verify,
        Slot::Info,
        Slot::KeyLog,
        Slot::Message,
        Slot::PskClient,
        Slot::PskServer,
        Slot::Certificate,
        Slot::Staple,
        Slot::NewSession,
        Slot::FindSession,
        Slot::TicketKey,
        Slot::EarlyData,
        Slot::NpnClient,
        Slot::NpnServer,
    ];

    /// Fills the slot of `context`.
    pub(crate) fn fill(self, context: &mut SslContextBuilder) {
        let ctx = context.as_ptr();
        // SAFETY: `ctx` is alive; each function below has the type that the setter's man page asks for, keeps
        // nothing beyond its call, and needs no argument.
        unsafe {
            match self {
                Slot::ClientHello => {
                    ffi::SSL_CTX_set_client_hello_cb(ctx, Some(client_hello), std::ptr::null_mut());
                }
                Slot::ServerName => {
                    ffi::SSL_CTX_set_tlsext_servername_callback__fixed_rust(ctx, Some(server_name));
                }
                Slot::Protocol => {
                    ffi::SSL_CTX_set_alpn_select_cb__fixed_rust(ctx, Some(protocol), std::ptr::null_mut());
                }
                Slot::Verify => {
                    decl::SSL_CTX_set_cert_verify_callback(ctx, Some(verify), std::ptr::null_mut());
                }
                Slot::Info => decl::SSL_CTX_set_info_callback(ctx, Some(info)),
                Slot::KeyLog => ffi::SSL_CTX_set_keylog_callback(ctx, Some(key_log)),
                Slot::Message => decl::SSL_CTX_set_msg_callback(ctx, Some(message)),
                Slot::PskClient => psk::fill_client(ctx),
                Slot::PskServer => psk::fill_server(ctx),
                Slot::Certificate => own_certificate::fill(ctx),
                Slot::Staple => ocsp::fill(ctx),
                Slot::NewSession => session::fill_new(ctx),
                Slot::FindSession => session::fill_find(ctx),
                Slot::TicketKey => ticket::fill(ctx),
                Slot::EarlyData => early_data::fill(ctx),
                Slot::NpnClient => npn::fill_client(ctx),
                Slot::NpnServer => npn::fill_server(ctx),
            }
        }
    }
}

/// Fills or empties the slot for messages of one SSL: a change of its context does not bring it.
pub(crate) fn trace_messages(ssl: &mut SslRef, on: bool) {
    // SAFETY: the SSL is alive; as in `fill`.
    unsafe { decl::SSL_set_msg_callback(ssl.as_ptr(), on.then_some(message)) };
}

/// The ex_data slot on the SSL, made once in a process.
static INDEX: OnceLock<Index<Ssl, Arc<dyn Hooks>>> = OnceLock::new();

fn index() -> Result<Index<Ssl, Arc<dyn Hooks>>, ErrorStack> {
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let made = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| made))
}

/// Makes `hooks` the answers of an SSL that has another BIO than ours, for as long as it lives.
pub(crate) fn install(ssl: &mut SslRef, hooks: Arc<dyn Hooks>) -> Result<(), ErrorStack> {
    ssl.set_ex_data(index()?, hooks);
    Ok(())
}

/// Runs `body` with the connection's SSL and hooks under the guard. An SSL without hooks, made by somebody else from
/// a context of ours, gets `absent`.
///
/// # Safety
/// `ssl` must be the live SSL that libssl gave to the callback.
pub(super) unsafe fn with<T>(
    ssl: *mut ffi::SSL,
    absent: T,
    failed: T,
    body: impl FnOnce(&mut SslRef, &dyn Hooks) -> T,
) -> T {
    if ssl.is_null() {
        return absent;
    }
    // SAFETY: the caller's contract. libssl works on the SSL, so its connection, and the BIO's owner with it, stay until it
    // returns.
    let of_bio = unsafe { bio::hooks_of(ssl) };
    // SAFETY: the caller's contract; the borrow ends with this call.
    let ssl = unsafe { SslRef::from_ptr_mut(ssl) };
    if let Some(hooks) = of_bio {
        return guard(Some(hooks.parked()), failed, || body(ssl, hooks));
    }
    let Some(index) = INDEX.get() else { return absent };
    let Some(hooks) = ssl.ex_data(*index).map(Arc::clone) else { return absent };
    guard(Some(hooks.parked()), failed, || body(ssl, &*hooks))
}

unsafe extern "C" fn client_hello(ssl: *mut ffi::SSL, alert: *mut c_int, _: *mut c_void) -> c_int {
    let failed = HelloAnswer::Refuse(Alert::INTERNAL_ERROR);
    // SAFETY: libssl calls this with a live SSL.
    match unsafe { with(ssl, HelloAnswer::Continue, failed, |ssl, hooks| hooks.client_hello(ssl)) } {
        HelloAnswer::Continue => decl::SSL_CLIENT_HELLO_SUCCESS,
        HelloAnswer::Pause => decl::SSL_CLIENT_HELLO_RETRY,
        HelloAnswer::Refuse(refusal) => {
            // SAFETY: libssl gives a place for the alert.
            unsafe { *alert = c_int::from(refusal.code()) };
            decl::SSL_CLIENT_HELLO_ERROR
        }
    }
}

unsafe extern "C" fn server_name(ssl: *mut ffi::SSL, _alert: *mut c_int, _: *mut c_void) -> c_int {
    // SAFETY: libssl calls this with a live SSL.
    let used = unsafe { with(ssl, false, false, |_, hooks| hooks.server_name_used()) };
    if used { ffi::SSL_TLSEXT_ERR_OK } else { ffi::SSL_TLSEXT_ERR_NOACK }
}

unsafe extern "C" fn protocol(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: libssl gives `offered_len` readable bytes, which live until it has used the answer.
    let offered = unsafe { slice::from_raw_parts(offered, offered_len as usize) };
    // SAFETY: libssl calls this with a live SSL.
    let answer = unsafe {
        with(ssl, ProtocolAnswer::Ignore, ProtocolAnswer::Refuse, |_, hooks| hooks.select_protocol(offered))
    };
    match answer {
        ProtocolAnswer::Select(name) => {
            // SAFETY: libssl gives places for the answer, which points into `offered`; a name of the list is at
            // most 255 bytes.
            unsafe {
                *out = name.as_ptr();
                *out_len = name.len() as c_uchar;
            }
            ffi::SSL_TLSEXT_ERR_OK
        }
        ProtocolAnswer::Ignore => ffi::SSL_TLSEXT_ERR_NOACK,
        ProtocolAnswer::Refuse => ffi::SSL_TLSEXT_ERR_ALERT_FATAL,
    }
}

/// The SSL that a verification works for.
///
/// # Safety
/// `chain` must be a live X509_STORE_CTX.
unsafe fn ssl_of(chain: *mut ffi::X509_STORE_CTX) -> *mut ffi::SSL {
    // SAFETY: the caller's contract; libssl keeps the SSL under this index (SSL_get_ex_data_X509_STORE_CTX_idx(3)).
    unsafe { ffi::X509_STORE_CTX_get_ex_data(chain, ffi::SSL_get_ex_data_X509_STORE_CTX_idx()).cast() }
}

/// What became of a verification.
enum Verified {
    Judged(VerifyAnswer),
    /// Nobody has a say: what libssl does without a callback.
    ByLibssl,
    Panicked,
}

unsafe extern "C" fn verify(chain: *mut ffi::X509_STORE_CTX, _: *mut c_void) -> c_int {
    // SAFETY: libssl calls this with a live chain context, which belongs to a live SSL; the borrows end with the call.
    unsafe {
        let answer = with(ssl_of(chain), Verified::ByLibssl, Verified::Panicked, |ssl, hooks| {
            decl::X509_STORE_CTX_set_verify_cb(chain, Some(verify_step));
            let may_pause = compat::CAN_RETRY_VERIFY && !ssl.is_server();
            let answer = hooks.verify(X509StoreContextRef::from_ptr_mut(chain), may_pause);
            if answer == VerifyAnswer::Pause {
                // On a server libssl takes this for success.
                ffi::SSL_ctrl(ssl.as_ptr(), decl::SSL_CTRL_SET_RETRY_VERIFY, 0, std::ptr::null_mut());
            }
            Verified::Judged(answer)
        });
        match answer {
            Verified::Judged(answer) => c_int::from(answer != VerifyAnswer::Refuse),
            Verified::ByLibssl => ffi::X509_verify_cert(chain),
            Verified::Panicked => {
                // The code that libssl turns into internal_error.
                ffi::X509_STORE_CTX_set_error(chain, ffi::X509_V_ERR_UNSPECIFIED);
                0
            }
        }
    }
}

unsafe extern "C" fn verify_step(ok: c_int, chain: *mut ffi::X509_STORE_CTX) -> c_int {
    // SAFETY: as in `verify`.
    unsafe {
        with(ssl_of(chain), ok, 0, |_, hooks| {
            c_int::from(hooks.verify_step(ok == 1, X509StoreContextRef::from_ptr_mut(chain)))
        })
    }
}

pub(super) unsafe extern "C" fn info(ssl: *const ffi::SSL, place: c_int, value: c_int) {
    // libssl tells of sixty steps in a handshake.
    if place & (decl::SSL_CB_HANDSHAKE_DONE | decl::SSL_CB_HANDSHAKE_START | decl::SSL_CB_ALERT) != 0 {
        // SAFETY: libssl calls this with a live SSL, which it works on itself and so has no shared borrow of.
        unsafe { tell(ssl, place, value) };
    }
}

/// What the info callback has to tell.
///
/// # Safety
/// `ssl` must be the live SSL that libssl gave to the callback.
#[inline(never)]
unsafe fn tell(ssl: *const ffi::SSL, place: c_int, value: c_int) {
    if place & decl::SSL_CB_HANDSHAKE_DONE != 0 {
        // SAFETY: as below.
        unsafe {
            with(ssl.cast_mut(), (), (), |ssl, hooks| {
                if renegotiation::is_done(ssl) {
                    hooks.handshake_done();
                }
            });
        }
    }
    if place & decl::SSL_CB_HANDSHAKE_START != 0 {
        // SAFETY: as below.
        unsafe { with(ssl.cast_mut(), (), (), renegotiation::admit) };
    }
    if place & decl::SSL_CB_ALERT == 0 {
        return;
    }
    let direction = if place & decl::SSL_CB_READ != 0 { Direction::Received } else { Direction::Sent };
    let [_, _, level, description] = value.to_be_bytes();
    // SAFETY: the caller's contract.
    unsafe {
        with(ssl.cast_mut(), (), (), |_, hooks| hooks.alert(direction, level == 2, Alert::new(description)));
    }
}

unsafe extern "C" fn key_log(ssl: *const ffi::SSL, line: *const c_char) {
    // SAFETY: libssl calls this with a live SSL and a C string that lives during the call.
    unsafe {
        let line = CStr::from_ptr(line);
        with(ssl.cast_mut(), (), (), |_, hooks| {
            if let Ok(line) = line.to_str() {
                hooks.key_log(line);
            }
        });
    }
}

unsafe extern "C" fn message(
    write: c_int,
    version: c_int,
    content_type: c_int,
    buf: *const c_void,
    len: usize,
    ssl: *mut ffi::SSL,
    _: *mut c_void,
) {
    // SAFETY: libssl calls this with a live SSL and `len` readable bytes.
    unsafe {
        let bytes: &[u8] = if len == 0 { &[] } else { slice::from_raw_parts(buf.cast(), len) };
        let message = Message {
            direction: if write == 0 { Direction::Received } else { Direction::Sent },
            version: version as u16,
            content_type: content_type as u16,
            bytes,
        };
        with(ssl, (), (), |ssl, hooks| hooks.message(ssl, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_that_are_filled_are_those_that_are_documented() {
        let documented = include_str!("../../ARCHITECTURE.md");
        let names: Vec<String> = Slot::ALL.iter().map(|slot| format!("`{slot:?}`")).collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name} stands twice");
            assert!(documented.contains(name.as_str()), "{name} is not in ARCHITECTURE.md");
        }
        assert_eq!(names.len(), 17);
    }
}
