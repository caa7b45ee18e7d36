//! What a connection knows besides its SSL.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use openssl::ssl::{SslRef, SslVerifyMode, SslVersion};
use openssl::x509::X509Ref;

use super::control::Control;
use super::drive::Pending;
use super::question::{Outcome, Question};
use crate::config::context::Context;
use crate::config::peer_verifier::PeerIdentity;
use crate::config::resolver::Selection;
use crate::config::side::Role;
use crate::materials::certificate::Certificate;
use crate::materials::identity::Identity;
use crate::materials::negotiated::Facts;
use crate::materials::session::Session;
use crate::materials::session_cache::SessionKey;
use crate::materials::verify::{ClientAuth, NameMismatch, ServerVerification, Verdict};
use crate::sys::compat;
use crate::sys::guard::Parked;
use crate::sys::hook::Direction;
use crate::values::alert::Alert;
use crate::values::error::{Error, ErrorKind};
use crate::values::hello::ClientHello;
use crate::values::limit::RenegotiationCount;
use crate::values::psk::{PreSharedKey, PskIdentity};
use crate::values::ticket_key::TicketKey;
use crate::values::verify_code::VerifyCode;

/// How many new sessions wait for the application, at most: servers give out two at a time.
const SESSIONS_WAITING: usize = 8;

/// One a connection, shared by the connection and the callbacks of its SSL.
pub(crate) struct State {
    pub(super) parked: Parked,
    /// The host that a client means: for the identity check.
    pub(super) host: Option<Box<str>>,
    /// Under which key a client keeps its sessions, and whether it offers one of them.
    session_key: Option<Box<(SessionKey, bool)>>,
    /// The configuration of the connector or acceptor: libssl asks it for sessions and tickets, whatever SNI has chosen.
    origin: Arc<Context>,
    control: Control,
    /// This side has asked for the next handshake.
    pub(super) own_handshake: AtomicBool,
    /// A handshake has ended after the first one, and its outcome has not been looked at.
    pub(super) rehandshake: AtomicBool,
    pub(super) renegotiation_disabled: AtomicBool,
    /// The application has not decided on the peer of a handshake that is over.
    undecided: AtomicBool,
    /// There are new sessions that the application has not been told of.
    news: AtomicBool,
    /// There is an operation.
    due: AtomicBool,
    /// Why a handshake of the peer was refused, the first reason: a [`Refusal`], or 0.
    refusal: AtomicU8,
    /// Whether there is a runtime with a timer.
    timed: AtomicBool,
    inner: Mutex<Inner>,
}

/// Why a handshake that the peer began was refused, and the connection with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    OverLimit = 1,
    /// The application has disabled renegotiation.
    Disabled,
}

pub(super) struct Inner {
    /// The configuration that answers now: that of the connector or acceptor, or what SNI or a resolver chose.
    pub(super) context: Arc<Context>,
    /// Whether the first handshake is over.
    pub(super) established: bool,
    pub(super) server_name: Option<Box<str>>,
    pub(super) name_used: bool,
    /// There is one as long as there is something on it.
    agenda: Option<Box<Agenda>>,
    pub(super) asked: Asked,
    /// Made when there is something to know.
    pub(super) known: Option<Box<Known>>,
    pub(super) verdict: Verdict,
    /// A fatal alert that passed, and which way.
    pub(super) fatal_alert: Option<(Direction, Alert)>,
    /// What a client has to prove, where a renegotiation has changed it.
    pub(super) client_auth: Option<ClientAuth>,
    /// What becomes of a server that cannot be verified, where a renegotiation has changed it.
    pub(super) server_verification: Option<ServerVerification>,
    /// Those that have followed the first one.
    pub(super) rehandshakes: Option<Box<Rehandshakes>>,
    /// What a hook of the application answered instead of what it was asked for.
    pub(super) hook_error: Option<Error>,
}

/// The handshakes after the first one.
#[derive(Default)]
pub(super) struct Rehandshakes {
    /// How many are over.
    pub(super) count: u64,
    /// Those that the peer has begun.
    pub(super) of_peer: RenegotiationCount,
}

/// What is to be done outside of libssl.
#[derive(Default)]
struct Agenda {
    pending: Option<Pending>,
    /// What the application is to be told when nothing else has to be asked.
    notices: VecDeque<Question>,
    /// New sessions that the application has not been told of.
    sessions: Vec<Session>,
}

/// How far a server is with choosing the configuration, where not the names alone decide.
pub(super) enum Choice {
    /// The application decides, when it has seen the ClientHello.
    ByHand,
    /// The application has it.
    Shown(Box<ClientHello>),
    /// Decided; `None` leaves it to the names.
    Answered(Result<Option<Arc<Context>>, Alert>),
}

/// What has been asked for, or need not be.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) config: bool,
    pub(super) session: bool,
    pub(super) ticket_key: bool,
    pub(super) admission: bool,
    pub(super) keys: bool,
    pub(super) protocol: bool,
    /// In this handshake.
    pub(super) certificate: bool,
    /// In this handshake.
    pub(super) staples: bool,
}

/// What is known.
#[derive(Default)]
pub(super) struct Known {
    /// Until the configuration is chosen.
    pub(super) choice: Option<Choice>,
    pub(super) keys: Vec<(PskIdentity, Option<PreSharedKey>)>,
    /// The identity that a client offers in TLS 1.3, or that a server found there.
    pub(super) psk_identity: Option<Arc<[u8]>>,
    /// What the resolver has chosen.
    pub(super) protocol: Option<Vec<u8>>,
    /// What the resolver of ticket keys has found.
    pub(super) ticket_key: Option<TicketKey>,
    /// The replay guard knows nothing of the early data.
    pub(super) admitted: bool,
    /// What the store had.
    pub(super) session: Option<Session>,
    /// The answer to a question for the certificate, until libssl asks again.
    pub(super) identity: Option<Option<Identity>>,
    /// The responses for the certificates that may be shown.
    pub(super) staples: Vec<(Certificate, Vec<u8>)>,
    /// The verifier's answer, until the peer is judged anew.
    pub(super) welcome: Option<Result<(), VerifyCode>>,
    /// The peer on whom a server has to decide when the handshake is over.
    pub(super) undecided: Option<Box<PeerIdentity>>,
}

impl Agenda {
    fn is_empty(&self) -> bool {
        self.pending.is_none() && self.notices.is_empty() && self.sessions.is_empty()
    }
}

impl Inner {
    fn agenda(&mut self) -> &mut Agenda {
        self.agenda.get_or_insert_default()
    }

    fn drop_empty_agenda(&mut self) {
        self.agenda.take_if(|agenda| agenda.is_empty());
    }

    /// The name that the client has asked for.
    pub(super) fn server_name(&self) -> Option<String> {
        self.server_name.as_deref().map(str::to_owned)
    }

    /// The place for something that is to be known.
    pub(super) fn known_mut(&mut self) -> &mut Known {
        self.known.get_or_insert_default()
    }

    /// The ClientHello that the application is to look at.
    fn shown(&self) -> Option<&ClientHello> {
        match self.known.as_ref()?.choice.as_ref()? {
            Choice::Shown(hello) => Some(hello),
            Choice::ByHand | Choice::Answered(_) => None,
        }
    }

    /// What the PSK resolver has answered for this identity, if it was asked.
    pub(super) fn key_of(&self, identity: &[u8]) -> Option<Option<&PreSharedKey>> {
        let mut keys = self.known.as_ref()?.keys.iter();
        keys.find(|(known, _)| known.as_bytes() == identity).map(|(_, key)| key.as_ref())
    }

    pub(super) fn psk_identity(&self) -> Option<&Arc<[u8]>> {
        self.known.as_ref()?.psk_identity.as_ref()
    }
}

impl State {
    pub(crate) fn new(
        context: Arc<Context>,
        host: Option<String>,
        session_key: Option<(SessionKey, bool)>,
    ) -> Arc<State> {
        let host = host.map(String::into_boxed_str);
        let session_key = session_key.map(Box::new);
        Arc::new(State {
            parked: Parked::default(),
            host,
            session_key,
            origin: Arc::clone(&context),
            control: Control::default(),
            own_handshake: AtomicBool::new(false),
            rehandshake: AtomicBool::new(false),
            renegotiation_disabled: AtomicBool::new(false),
            undecided: AtomicBool::new(false),
            news: AtomicBool::new(false),
            due: AtomicBool::new(false),
            refusal: AtomicU8::new(0),
            timed: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                context,
                established: false,
                server_name: None,
                name_used: false,
                agenda: None,
                asked: Asked::default(),
                known: None,
                verdict: Verdict::default(),
                fatal_alert: None,
                client_auth: None,
                server_verification: None,
                rehandshakes: None,
                hook_error: None,
            }),
        })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic of a hook cannot happen under the lock: hooks of the application run without it.
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn role(&self) -> Role {
        self.origin.role
    }

    pub(crate) fn context(&self) -> Arc<Context> {
        Arc::clone(&self.inner().context)
    }

    /// What the connection tells beside libssl.
    pub(crate) fn facts(&self) -> Facts {
        let inner = self.inner();
        Facts {
            server_name: inner.server_name(),
            // A peer on whom the application has not decided is not authorized.
            verdict: if self.is_undecided() { Verdict::default() } else { inner.verdict.clone() },
            psk_identity: inner.psk_identity().cloned(),
            renegotiations: inner.rehandshakes.as_ref().map_or(0, |those| those.count),
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
        let number = self.refusal.load(Ordering::Acquire);
        [Refusal::OverLimit, Refusal::Disabled].into_iter().find(|reason| *reason as u8 == number)
    }

    /// A handshake of the peer is refused.
    pub(super) fn set_refusal(&self, refusal: Refusal) {
        // The first one counts.
        let _ = self.refusal.compare_exchange(0, refusal as u8, Ordering::AcqRel, Ordering::Acquire);
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
        let mut inner = self.inner();
        inner.verdict = Verdict::default();
        if let Some(known) = &mut inner.known {
            known.welcome = None;
        }
    }

    pub(crate) fn set_established(&self) {
        self.inner().established = true;
    }

    /// The connection runs under a runtime with a timer.
    pub(crate) fn set_timed(&self) {
        self.timed.store(true, Ordering::Release);
    }

    pub(super) fn origin(&self) -> &Context {
        &self.origin
    }

    /// How long a session store may take, where time can be told.
    pub(super) fn store_limit(&self) -> Option<Duration> {
        self.timed.load(Ordering::Acquire).then_some(self.origin.session_store_timeout)
    }

    /// Whether a question or an answer is on its way, or the application has the ClientHello.
    pub(crate) fn has_pending(&self) -> bool {
        self.due.load(Ordering::Acquire)
    }

    /// The next operation: what libssl waits for comes before what the application is merely told.
    pub(crate) fn take_pending(&self) -> Option<Pending> {
        if !self.has_pending() {
            return None;
        }
        let mut inner = self.inner();
        let agenda = inner.agenda.as_mut()?;
        let next = agenda.pending.take().or_else(|| agenda.notices.pop_front().map(Pending::Ask));
        self.due.store(!agenda.notices.is_empty(), Ordering::Release);
        inner.drop_empty_agenda();
        next
    }

    /// Puts an operation back that is not finished.
    pub(crate) fn put_pending(&self, pending: Pending) {
        let mut inner = self.inner();
        inner.agenda().pending = Some(pending);
        self.due.store(true, Ordering::Release);
    }

    /// What the application is told when nothing else has to be asked.
    pub(super) fn put_notice(&self, notice: Question) {
        let mut inner = self.inner();
        inner.agenda().notices.push_back(notice);
        self.due.store(true, Ordering::Release);
    }

    /// Leaves a question to the await loop.
    pub(super) fn put_question(&self, question: Question) {
        self.put_pending(Pending::Ask(question));
    }

    /// The ClientHello is the application's to look at.
    pub(super) fn choose_by_hand(&self) {
        self.inner().known_mut().choice = Some(Choice::ByHand);
    }

    /// Whether there is a ClientHello that the application is to look at.
    pub(super) fn is_shown(&self) -> bool {
        self.inner().shown().is_some()
    }

    /// As above, the ClientHello itself.
    pub(super) fn shown_hello(&self) -> Option<ClientHello> {
        self.inner().shown().cloned()
    }

    /// The application has looked at the ClientHello.
    pub(super) fn put_choice(&self, choice: Result<Option<Arc<Context>>, Alert>) {
        self.inner().known_mut().choice = Some(Choice::Answered(choice));
    }

    /// Keeps what a hook has answered.
    pub(super) fn put_outcome(&self, outcome: Outcome) {
        match outcome {
            Outcome::Config(selection) => self.put_choice(selection.map(|selection| match selection {
                Selection::Use(config) => Some(config.context),
                Selection::Default => None,
            })),
            Outcome::Keys(answers) => {
                for (identity, answer) in answers {
                    self.put_key(identity, answer.map_err(Error::hook));
                }
            }
            Outcome::Protocol(answer) => {
                let protocol = answer.unwrap_or_else(|error| {
                    self.fail_hook(Error::hook(error).with_option("alpn_resolver"));
                    None
                });
                self.inner().known_mut().protocol = protocol;
            }
            Outcome::Admission(admitted) => self.inner().known_mut().admitted = admitted,
            Outcome::TicketKey(key) => self.inner().known_mut().ticket_key = key,
            Outcome::Session(session) => self.inner().known_mut().session = session,
            Outcome::Certificate(answer) => {
                let identity = answer.unwrap_or_else(|error| {
                    self.fail_hook(Error::hook(error).with_option("certificate_resolver"));
                    None
                });
                self.inner().known_mut().identity = Some(identity);
            }
            Outcome::Staples(staples) => self.inner().known_mut().staples = staples,
            Outcome::Peer(answer) => self.put_welcome(answer.err().map(|error| {
                // A code is the verdict itself; a good one refuses nobody, and whoever gives it as an error means no.
                let code = error.downcast_ref().copied().filter(|code: &VerifyCode| !code.is_ok());
                let code = code.unwrap_or(VerifyCode::CERT_REJECTED);
                let refusal = Error::new(ErrorKind::Unauthorized, error.to_string());
                (code, refusal.with_code(code.code()).with_source(error))
            })),
            Outcome::Told => {}
        }
    }

    /// The answer of the peer verifier.
    fn put_welcome(&self, refusal: Option<(VerifyCode, Error)>) {
        let verdict = refusal.as_ref().map_or(Ok(()), |(code, _)| Err(*code));
        self.inner().known_mut().welcome = Some(verdict);
        if let Some((code, error)) = refusal {
            let mut inner = self.inner();
            inner.verdict.chain = Some(code);
            // Its session must not be resumed.
            if let Some(agenda) = &mut inner.agenda {
                agenda.notices.clear();
                self.due.store(agenda.pending.is_some(), Ordering::Release);
                inner.drop_empty_agenda();
            }
            drop(inner);
            self.fail_hook(error.with_option("peer_verifier"));
        }
    }

    /// The application has to decide on the peer before anything is said of the handshake.
    pub(super) fn put_undecided(&self, peer: Box<PeerIdentity>) {
        self.inner().known_mut().undecided = Some(peer);
        self.undecided.store(true, Ordering::Release);
    }

    /// The peer to ask the application about.
    pub(super) fn take_undecided(&self) -> Option<Box<PeerIdentity>> {
        self.inner().known.as_mut()?.undecided.take()
    }

    pub(super) fn is_undecided(&self) -> bool {
        self.undecided.load(Ordering::Acquire)
    }

    pub(super) fn set_decided(&self) {
        self.undecided.store(false, Ordering::Release);
    }

    /// The answer of the peer verifier, which is about one handshake: the next one asks again.
    pub(super) fn take_welcome(&self) -> Option<Result<(), VerifyCode>> {
        self.inner().known.as_mut()?.welcome.take()
    }

    pub(super) fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_deref().map(|(key, _)| key)
    }

    /// A handshake has failed: the sessions that were kept for this host may be why.
    pub(super) fn forget_kept_session(&self) {
        if let (Some(sessions), Some((key, true))) =
            (&self.origin.client_sessions, self.session_key.as_deref())
        {
            sessions.forget(key);
        }
    }

    pub(super) fn put_session(&self, session: Session) {
        let mut inner = self.inner();
        let sessions = &mut inner.agenda().sessions;
        // On a stream of the `openssl` crates nobody takes them.
        if sessions.len() >= SESSIONS_WAITING {
            sessions.remove(0);
        }
        sessions.push(session);
        drop(inner);
        self.news.store(true, Ordering::Release);
    }

    /// The sessions that the application has not been told of.
    pub(super) fn take_sessions(&self) -> Vec<Session> {
        if !self.news.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.news.store(false, Ordering::Release);
        let mut inner = self.inner();
        let sessions = inner.agenda.as_mut().map(|agenda| std::mem::take(&mut agenda.sessions));
        inner.drop_empty_agenda();
        sessions.unwrap_or_default()
    }

    /// The session store is to drop a session.
    pub(super) fn put_forget(&self, id: &[u8]) {
        if self.role() == Role::Server && self.origin.session_store.is_some() && !id.is_empty() {
            self.put_notice(Question::Forget(id.to_vec()));
        }
    }

    /// The answer of the PSK resolver.
    fn put_key(&self, identity: PskIdentity, answer: Result<Option<PreSharedKey>, Error>) {
        let answer = answer.and_then(|key| match key {
            Some(key) => key.check().map(|()| Some(key)).map_err(|e| e.with_option("psk_resolver")),
            None => Ok(None),
        });
        let mut inner = self.inner();
        let key = answer.unwrap_or_else(|error| {
            inner.hook_error.get_or_insert(error);
            None
        });
        inner.known_mut().keys.push((identity, key));
    }

    /// Whether the PSK resolver has to be asked for this identity.
    pub(crate) fn wants_psk(&self, identity: &PskIdentity) -> bool {
        let inner = self.inner();
        !self.parked.is_some()
            && inner.context.psk_resolver.is_some()
            && inner.key_of(identity.as_bytes()).is_none()
    }

    pub(crate) fn take_hook_error(&self) -> Option<Error> {
        self.inner().hook_error.take()
    }

    /// Keeps the error of a hook for the caller; the first one counts.
    pub(super) fn fail_hook(&self, error: Error) {
        self.inner().hook_error.get_or_insert(error);
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
        let asked = match self.role() {
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
                if self.role() == Role::Client && (chain.is_ok() || chain == VerifyCode::HOSTNAME_MISMATCH) {
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
                && (self.role() == Role::Client || self.inner().psk_identity().is_some()) =>
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
        let strict = match self.role() {
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

    pub(super) fn check_name(&self, certificate: &X509Ref) -> Option<Box<NameMismatch>> {
        let host = self.host.as_deref()?;
        let check = Arc::clone(&self.context().identity_check);
        let certificate = Certificate::from_x509(certificate.to_owned());
        let error = check.check(host, &certificate).err()?;
        Some(Box::new(NameMismatch { code: error.code().to_owned(), text: error.message().to_owned() }))
    }
}
