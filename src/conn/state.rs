//! What a connection knows besides its SSL, and its answers to libssl's questions.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use openssl::ssl::{SslRef, SslVerifyMode, SslVersion};
use openssl::x509::{X509Ref, X509StoreContextRef, X509VerifyResult};

use super::control::Control;
use super::drive::{Answer, Pending};
use crate::config::context::Context;
use crate::config::settings::{AlpnMismatch, UnknownName};
use crate::config::side::Role;
use crate::materials::certificate::Certificate;
use crate::materials::negotiated::Facts;
use crate::materials::verify::{ClientAuth, NameMismatch, ServerVerification, Verdict};
use crate::sys::guard::Parked;
use crate::sys::hook::{Direction, HelloAnswer, Hooks, Message, ProtocolAnswer, PskAnswer};
use crate::sys::{adopt, compat, psk, ssl as sys};
use crate::values::alert::Alert;
use crate::values::alpn::AlpnProtocols;
use crate::values::error::Error;
use crate::values::hello::{self, ClientHello};
use crate::values::limit::RenegotiationCount;
use crate::values::psk::{IDENTITY_MAX, PreSharedKey, PskIdentity, UnknownPskIdentity};
use crate::values::verify_code::VerifyCode;

/// The number of the extension with the server's name (RFC 6066).
const EXTENSION_SERVER_NAME: u16 = 0;

/// The number of the extension with the identities of pre-shared keys and tickets (RFC 8446 section 4.2.11).
const EXTENSION_PRE_SHARED_KEY: u16 = 41;

/// For how many identities of one ClientHello the resolver is asked, at most.
const IDENTITIES_ASKED: usize = 8;

/// One a connection, shared by the connection and the ex_data slot of its SSL.
pub(crate) struct State {
    parked: Parked,
    role: Role,
    /// The host that a client means: for the identity check.
    host: Option<String>,
    control: Control,
    /// This side has asked for the next handshake.
    own_handshake: AtomicBool,
    /// A handshake has ended after the first one, and its outcome has not been looked at.
    rehandshake: AtomicBool,
    renegotiation_disabled: AtomicBool,
    inner: Mutex<Inner>,
}

/// Why a handshake that the peer began was refused, and the connection with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    OverLimit,
    /// The application has disabled renegotiation.
    Disabled,
}

struct Inner {
    /// The configuration that answers now: that of the connector or acceptor, or what SNI or a resolver chose.
    context: Arc<Context>,
    /// Whether the first handshake is over.
    established: bool,
    /// Whether the configuration has been chosen.
    selected: bool,
    server_name: Option<String>,
    name_used: bool,
    pending: Option<Pending>,
    answer: Option<Answer>,
    verdict: Verdict,
    /// A fatal alert that passed, and which way.
    fatal_alert: Option<(Direction, Alert)>,
    renegotiations: RenegotiationCount,
    refusal: Option<Refusal>,
    /// What a client has to prove, where a renegotiation has changed it.
    client_auth: Option<ClientAuth>,
    /// What becomes of a server that cannot be verified, where a renegotiation has changed it.
    server_verification: Option<ServerVerification>,
    /// How many handshakes have followed the first one.
    rehandshakes: u64,
    psk: Psk,
    /// What a hook of the application answered instead of what it was asked for.
    hook_error: Option<Error>,
}

/// What is known of pre-shared keys.
#[derive(Default)]
struct Psk {
    /// Whether the identities of the ClientHello have been asked for.
    asked: bool,
    known: Vec<(PskIdentity, Option<PreSharedKey>)>,
    /// The identity that a client offers in TLS 1.3, or that a server found there.
    identity: Option<Arc<[u8]>>,
}

impl State {
    pub(crate) fn new(context: Arc<Context>, host: Option<String>) -> State {
        let role = context.role;
        State {
            parked: Parked::default(),
            role,
            host,
            control: Control::default(),
            own_handshake: AtomicBool::new(false),
            rehandshake: AtomicBool::new(false),
            renegotiation_disabled: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                context,
                established: false,
                selected: false,
                server_name: None,
                name_used: false,
                pending: None,
                answer: None,
                verdict: Verdict::default(),
                fatal_alert: None,
                renegotiations: RenegotiationCount::new(Instant::now()),
                refusal: None,
                client_auth: None,
                server_verification: None,
                rehandshakes: 0,
                psk: Psk::default(),
                hook_error: None,
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic of a hook cannot happen under the lock: hooks of the application run without it.
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn context(&self) -> Arc<Context> {
        Arc::clone(&self.inner().context)
    }

    /// What the connection tells beside libssl.
    pub(crate) fn facts(&self) -> Facts {
        let inner = self.inner();
        Facts {
            server_name: inner.server_name.clone(),
            verdict: inner.verdict.clone(),
            psk_identity: inner.psk.identity.clone(),
            renegotiations: inner.rehandshakes,
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.inner().verdict.clone()
    }

    pub(crate) fn fatal_alert(&self) -> Option<(Direction, Alert)> {
        self.inner().fatal_alert
    }

    /// Why a handshake of the peer was refused.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.inner().refusal
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// From now on a handshake that the peer begins ends the connection.
    pub(crate) fn disable_renegotiation(&self) {
        self.renegotiation_disabled.store(true, Ordering::Release);
    }

    pub(super) fn set_own_handshake(&self, own: bool) {
        self.own_handshake.store(own, Ordering::Release);
    }

    /// Whether a handshake has ended since this was asked last.
    pub(super) fn take_rehandshake(&self) -> bool {
        self.rehandshake.load(Ordering::Acquire) && self.rehandshake.swap(false, Ordering::AcqRel)
    }

    /// What a client has to prove.
    pub(super) fn client_auth(&self) -> ClientAuth {
        let inner = self.inner();
        inner.client_auth.unwrap_or(inner.context.client_auth)
    }

    pub(super) fn set_client_auth(&self, auth: ClientAuth) {
        self.inner().client_auth = Some(auth);
    }

    pub(super) fn set_server_verification(&self, verification: ServerVerification) {
        self.inner().server_verification = Some(verification);
    }

    /// The peer is about to be judged anew.
    pub(super) fn forget_verdict(&self) {
        self.inner().verdict = Verdict::default();
    }

    pub(crate) fn set_established(&self) {
        self.inner().established = true;
    }

    pub(crate) fn has_pending(&self) -> bool {
        self.inner().pending.is_some()
    }

    pub(crate) fn take_pending(&self) -> Option<Pending> {
        self.inner().pending.take()
    }

    /// Puts an operation back that is not finished.
    pub(crate) fn put_pending(&self, pending: Pending) {
        self.inner().pending = Some(pending);
    }

    /// The answer of the PSK resolver.
    pub(crate) fn put_psk(
        &self,
        identity: PskIdentity,
        answer: Result<Option<PreSharedKey>, Box<dyn StdError + Send + Sync>>,
    ) {
        let answer = answer.map_err(Error::hook).and_then(|key| match key {
            Some(key) => key.check().map(|()| Some(key)).map_err(|e| e.with_option("psk_resolver")),
            None => Ok(None),
        });
        let mut inner = self.inner();
        match answer {
            Ok(key) => inner.psk.known.push((identity, key)),
            Err(error) => {
                inner.hook_error.get_or_insert(error);
                inner.psk.known.push((identity, None));
            }
        }
    }

    /// Whether the PSK resolver has to be asked for this identity.
    pub(crate) fn wants_psk(&self, identity: &PskIdentity) -> bool {
        let inner = self.inner();
        !self.parked.is_some()
            && inner.context.psk_resolver.is_some()
            && !inner.psk.known.iter().any(|(known, _)| known == identity)
    }

    pub(crate) fn take_hook_error(&self) -> Option<Error> {
        self.inner().hook_error.take()
    }

    /// Keeps the error of a hook for the caller; the first one counts.
    fn fail_hook(&self, error: Error) {
        self.inner().hook_error.get_or_insert(error);
    }

    pub(crate) fn put_answer(&self, answer: Answer) {
        self.inner().answer = Some(answer);
    }

    /// After a handshake that failed: what libssl found, where the verification is not ours.
    pub(crate) fn note_verify_result(&self, ssl: &SslRef) {
        let mut inner = self.inner();
        let found = compat::verify_code(ssl.verify_result().as_raw());
        if inner.context.adopted.is_some() && inner.verdict.chain.is_none() && !found.is_ok() {
            inner.verdict.chain = Some(found);
        }
    }

    /// After a handshake: the verdict on a peer whose chain libssl had no occasion to verify, because it was resumed
    /// or because there is none.
    pub(crate) fn complete_verdict(&self, ssl: &SslRef) {
        let asked = match self.role {
            Role::Client => true,
            // The application's callbacks may have changed it.
            Role::Server if self.context().adopted.is_some() => {
                ssl.verify_mode().contains(SslVerifyMode::PEER)
            }
            Role::Server => self.client_auth() != ClientAuth::None,
        };
        if !asked || self.inner().verdict.chain.is_some() {
            return;
        }
        let chain = match ssl.peer_certificate() {
            Some(certificate) => {
                let mut chain = compat::verify_code(ssl.verify_result().as_raw());
                // A session of a name that did not fit says so in its result; its chain was good.
                if self.role == Role::Client && (chain.is_ok() || chain == VerifyCode::HOSTNAME_MISMATCH) {
                    let mismatch = self.check_name(&certificate);
                    if mismatch.is_some() {
                        chain = VerifyCode::OK;
                    }
                    self.inner().verdict.name = mismatch;
                }
                chain
            }
            None if ssl.psk_identity().is_some() => VerifyCode::OK,
            // In TLS 1.3 a pre-shared key looks like a resumed session. On a server a session without a certificate
            // that is not made of a key is that of a client who has shown none, and proves nothing.
            None if ssl.session_reused()
                && ssl.version2() == Some(SslVersion::TLS1_3)
                && (self.role == Role::Client || self.inner().psk.identity.is_some()) =>
            {
                VerifyCode::OK
            }
            None => {
                self.inner().verdict.missing = true;
                VerifyCode::UNABLE_TO_GET_ISSUER_CERT
            }
        };
        self.inner().verdict.chain = Some(chain);
    }

    /// Whether the verdict ends the connection.
    pub(crate) fn refuses_peer(&self) -> bool {
        let inner = self.inner();
        let strict = match self.role {
            Role::Client => {
                let verification = inner.server_verification.unwrap_or(inner.context.server_verification);
                verification == ServerVerification::Require
            }
            Role::Server => match inner.client_auth.unwrap_or(inner.context.client_auth) {
                ClientAuth::Require => true,
                ClientAuth::Optional => !inner.verdict.missing,
                ClientAuth::None | ClientAuth::Request => false,
            },
        };
        strict && !inner.verdict.is_good()
    }

    fn check_name(&self, certificate: &X509Ref) -> Option<NameMismatch> {
        let host = self.host.as_deref()?;
        let check = Arc::clone(&self.context().identity_check);
        let certificate = Certificate::from_x509(certificate.to_owned());
        let error = check.check(host, &certificate).err()?;
        Some(NameMismatch { code: error.code().to_owned(), text: error.message().to_owned() })
    }

    /// Makes another configuration answer this connection, with all that belongs to it.
    fn swap(&self, ssl: &mut SslRef, context: Arc<Context>) -> bool {
        let swapped =
            ssl.set_ssl_context(&context.ssl).is_ok() && sys::take_verify_param(ssl, &context.ssl).is_ok();
        if swapped {
            let adopted = context.adopted.is_some();
            psk::set_server_callbacks(ssl, context.psk_resolver.is_some());
            compat::replace_options(ssl, sys::context_options(&context.ssl));
            let (min, max) = sys::context_versions(&context.ssl);
            ssl.set_verify(context.ssl.verify_mode());
            crate::sys::hook::trace_messages(ssl, context.trace.is_some());
            let settled = ssl.set_min_proto_version(min).is_ok()
                && ssl.set_max_proto_version(max).is_ok()
                && ssl.set_num_tickets(context.ssl.num_tickets()).is_ok()
                && sys::set_max_send_fragment(ssl, context.max_send_fragment);
            let guarded = !adopted || adopt::prepare(ssl, context.renegotiation.is_allowed()).is_ok();
            self.inner().context = context;
            return settled && guarded;
        }
        swapped
    }

    /// The configuration that the static names give.
    fn by_name(&self) -> Result<Option<Arc<Context>>, Alert> {
        let (context, name) = {
            let inner = self.inner();
            (Arc::clone(&inner.context), inner.server_name.clone())
        };
        let Some(name) = name else { return Ok(None) };
        if context.names.is_empty() {
            return Ok(None);
        }
        match (context.names.find(&name), context.unknown_name) {
            (Some(config), _) => Ok(Some(Arc::clone(&config.context))),
            (None, UnknownName::UseDefault) => Ok(None),
            (None, UnknownName::Alert) => Err(Alert::UNRECOGNIZED_NAME),
        }
    }

    /// Chooses the configuration: by the resolver, then by the static names.
    fn select(&self, ssl: &mut SslRef) -> HelloAnswer {
        let answer = self.inner().answer.take();
        let chosen = match answer {
            Some(Answer::Config(Ok(context))) => Ok(context),
            Some(Answer::Config(Err(alert))) => Err(alert),
            None => {
                let name = sys::hello_extension(ssl, EXTENSION_SERVER_NAME).and_then(hello::server_name_of);
                self.inner().server_name = name.map(str::to_owned);
                if self.context().resolver.is_some() {
                    let Some(hello) = read_hello(ssl) else {
                        return HelloAnswer::Refuse(Alert::DECODE_ERROR);
                    };
                    self.put_pending(Pending::Resolve(Box::new(hello)));
                    return HelloAnswer::Pause;
                }
                Ok(None)
            }
        };
        // A resolver's "default" goes on to the static names.
        let chosen = match chosen {
            Ok(None) => self.by_name(),
            other => other,
        };
        match chosen {
            Ok(None) => HelloAnswer::Continue,
            Ok(Some(context)) => {
                self.inner().name_used = true;
                if self.swap(ssl, context) {
                    HelloAnswer::Continue
                } else {
                    HelloAnswer::Refuse(Alert::INTERNAL_ERROR)
                }
            }
            Err(alert) => HelloAnswer::Refuse(alert),
        }
    }

    /// Asks for the keys of the identities in the ClientHello (TLS 1.3).
    fn ask_for_keys(&self, ssl: &SslRef) -> HelloAnswer {
        {
            let mut inner = self.inner();
            if inner.hook_error.is_some() {
                return HelloAnswer::Refuse(Alert::INTERNAL_ERROR);
            }
            if inner.context.psk_resolver.is_none() || std::mem::replace(&mut inner.psk.asked, true) {
                return HelloAnswer::Continue;
            }
        }
        let extension = sys::hello_extension(ssl, EXTENSION_PRE_SHARED_KEY).unwrap_or_default();
        // A longer identity is a ticket: nobody has to be asked for that.
        let identities: VecDeque<PskIdentity> = hello::psk_identities_of(extension)
            .unwrap_or_default()
            .into_iter()
            .filter(|identity| identity.len() <= IDENTITY_MAX)
            .take(IDENTITIES_ASKED)
            .map(PskIdentity::from_peer)
            .collect();
        if identities.is_empty() {
            return HelloAnswer::Continue;
        }
        self.put_pending(Pending::Psk(identities));
        HelloAnswer::Pause
    }

    /// The peer wants another handshake, which this side may have asked for: that does not count.
    fn admits_another(&self) -> bool {
        if self.own_handshake.load(Ordering::Acquire) {
            return true;
        }
        let mut inner = self.inner();
        let policy = inner.context.renegotiation;
        if self.renegotiation_disabled.load(Ordering::Acquire) {
            inner.refusal = Some(Refusal::Disabled);
        } else if !inner.renegotiations.admit(policy, Instant::now()) {
            inner.refusal = Some(Refusal::OverLimit);
        }
        inner.refusal.is_none()
    }

    /// The ClientHello of a renegotiation: only its count matters, the configuration stays.
    fn renegotiated(&self) -> HelloAnswer {
        if !self.admits_another() {
            return HelloAnswer::Refuse(Alert::NO_RENEGOTIATION);
        }
        // A client that has shown a certificate before may show none now.
        self.forget_verdict();
        HelloAnswer::Continue
    }
}

impl Hooks for State {
    fn parked(&self) -> &Parked {
        &self.parked
    }

    fn client_hello(&self, ssl: &mut SslRef) -> HelloAnswer {
        if self.parked.is_some() {
            return HelloAnswer::Refuse(Alert::INTERNAL_ERROR);
        }
        if self.inner().established {
            return self.renegotiated();
        }
        if !self.inner().selected {
            match self.select(ssl) {
                HelloAnswer::Continue => self.inner().selected = true,
                other => return other,
            }
        }
        self.ask_for_keys(ssl)
    }

    fn server_name_used(&self) -> bool {
        self.inner().name_used
    }

    fn select_protocol<'a>(&self, offered: &'a [u8]) -> ProtocolAnswer<'a> {
        let context = self.context();
        let Some(protocols) = &context.alpn else { return ProtocolAnswer::Ignore };
        match (protocols.select(offered), context.alpn_mismatch) {
            (Some(name), _) => ProtocolAnswer::Select(name),
            (None, AlpnMismatch::Alert) => ProtocolAnswer::Refuse,
            (None, AlpnMismatch::Ignore) => ProtocolAnswer::Ignore,
        }
    }

    fn next_protocols(&self) -> Option<Arc<AlpnProtocols>> {
        self.context().npn.clone()
    }

    fn client_psk(&self, hint: Option<&[u8]>) -> Option<(PskIdentity, PreSharedKey)> {
        let source = self.context().psk_source.clone()?;
        let chosen = source.choose(hint).and_then(|chosen| match chosen {
            Some((identity, key)) => key.check().map(|()| Some((identity, key))),
            None => Ok(None),
        });
        chosen.unwrap_or_else(|error| {
            self.fail_hook(error);
            None
        })
    }

    fn keep_identity(&self, identity: PskIdentity) -> Arc<[u8]> {
        let identity: Arc<[u8]> = identity.as_bytes().into();
        self.inner().psk.identity = Some(Arc::clone(&identity));
        identity
    }

    fn server_psk(&self, identity: &[u8]) -> PskAnswer {
        let mut inner = self.inner();
        if inner.hook_error.is_some() || self.parked.is_some() {
            return PskAnswer::Failed;
        }
        let known = inner.psk.known.iter().find(|(known, _)| known.as_bytes() == identity);
        if let Some((_, Some(key))) = known {
            let key = key.clone();
            inner.psk.identity = Some(identity.into());
            return PskAnswer::Key(key);
        }
        // libssl asks for one identity after the other and takes the last it asked for: not one that came before.
        inner.psk.identity = None;
        match inner.context.unknown_psk_identity {
            UnknownPskIdentity::Alert => PskAnswer::Unknown,
            UnknownPskIdentity::Hide => PskAnswer::Hide,
        }
    }

    fn is_psk_only(&self) -> bool {
        self.inner().context.without_identity
    }

    fn verify(&self, _: &mut SslRef, chain: &mut X509StoreContextRef) -> bool {
        self.inner().verdict = Verdict::default();
        // The steps go on past every finding, so that the last one counts, as in Node.
        let ran = chain.verify_cert().unwrap_or(false);
        let mut code = self.inner().verdict.chain.unwrap_or(VerifyCode::OK);
        if !ran && code.is_ok() {
            code = match compat::verify_code(chain.error().as_raw()) {
                error if !error.is_ok() => error,
                _ => VerifyCode::UNSPECIFIED,
            };
        }
        let mut name = None;
        if code.is_ok() && self.role == Role::Client {
            name = first_certificate(chain).and_then(|leaf| self.check_name(&leaf));
        }
        let error = if name.is_some() { VerifyCode::HOSTNAME_MISMATCH } else { code };
        self.inner().verdict = Verdict { chain: Some(code), name, missing: false };
        set_error(chain, error);
        !self.refuses_peer()
    }

    fn verify_step(&self, ok: bool, chain: &mut X509StoreContextRef) -> bool {
        if !ok {
            self.inner().verdict.chain = Some(compat::verify_code(chain.error().as_raw()));
        }
        true
    }

    fn admit_handshake(&self) -> bool {
        let counted_elsewhere = self.role == Role::Server && self.context().adopted.is_none();
        counted_elsewhere || !self.inner().established || self.admits_another()
    }

    fn handshake_done(&self) {
        let mut inner = self.inner();
        if inner.established {
            inner.rehandshakes += 1;
            self.rehandshake.store(true, Ordering::Release);
        }
    }

    fn alert(&self, direction: Direction, fatal: bool, alert: Alert) {
        if fatal {
            self.inner().fatal_alert.get_or_insert((direction, alert));
        }
    }

    fn key_log(&self, line: &str) {
        if let Some(log) = &self.context().key_log {
            log.line(line);
        }
    }

    fn message(&self, ssl: &mut SslRef, message: Message<'_>) {
        let context = self.context();
        let Some(sink) = &context.trace else { return };
        let text = compat::trace(ssl, message).unwrap_or_else(|| describe(message));
        if !text.is_empty() {
            sink.message(&text);
        }
    }
}

/// The ClientHello in libssl's hands, as a value.
fn read_hello(ssl: &SslRef) -> Option<ClientHello> {
    let random = ssl.client_hello_random()?.try_into().ok()?;
    let extensions = sys::hello_extension_types(ssl)
        .into_iter()
        .filter_map(|kind| Some((kind, sys::hello_extension(ssl, kind)?.to_vec())))
        .collect();
    let ciphers =
        ssl.client_hello_ciphers()?.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]])).collect();
    Some(ClientHello::new(
        sys::hello_version(ssl),
        random,
        ssl.client_hello_session_id().unwrap_or_default().to_vec(),
        ciphers,
        ssl.client_hello_compression_methods().unwrap_or_default().to_vec(),
        extensions,
    ))
}

/// The peer's own certificate within a verification.
fn first_certificate(chain: &X509StoreContextRef) -> Option<openssl::x509::X509> {
    chain.chain()?.iter().next().map(ToOwned::to_owned)
}

fn set_error(chain: &mut X509StoreContextRef, code: VerifyCode) {
    chain.set_error(sys::verify_result(code.number()));
    debug_assert_eq!(chain.error(), sys::verify_result(code.number()) as X509VerifyResult);
}

/// A line for a message where libssl has no description.
fn describe(message: Message<'_>) -> String {
    let direction = match message.direction {
        Direction::Sent => "Sent",
        Direction::Received => "Received",
    };
    let kind = match message.content_type {
        20 => "ChangeCipherSpec",
        21 => "Alert",
        22 => match message.bytes.first() {
            Some(0) => "HelloRequest",
            Some(1) => "ClientHello",
            Some(2) => "ServerHello",
            Some(4) => "NewSessionTicket",
            Some(8) => "EncryptedExtensions",
            Some(11) => "Certificate",
            Some(12) => "ServerKeyExchange",
            Some(13) => "CertificateRequest",
            Some(14) => "ServerHelloDone",
            Some(15) => "CertificateVerify",
            Some(16) => "ClientKeyExchange",
            Some(20) => "Finished",
            Some(22) => "CertificateStatus",
            Some(24) => "KeyUpdate",
            _ => "Handshake",
        },
        // 256 and 257 are libssl's names for the record header and the inner content type: no messages.
        _ => return String::new(),
    };
    format!("{direction} {kind}, version 0x{:04x}, {} bytes\n", message.version, message.bytes.len())
}
