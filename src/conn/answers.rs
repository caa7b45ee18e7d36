//! A connection's answers to libssl's questions. All run under C frames: none waits, none panics but through a hook.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use openssl::ssl::{SslRef, SslSession, SslVersion};
use openssl::x509::{X509StoreContextRef, X509VerifyResult};

use super::question::Question;
use super::state::State;
use crate::config::certificate_resolver::CertificateQuery;
use crate::config::ocsp_source::OcspRequest;
use crate::config::peer_verifier::PeerIdentity;
use crate::config::settings::AlpnMismatch;
use crate::config::side::Role;
use crate::materials::certificate::Certificate;
use crate::materials::distinguished_name::DistinguishedName;
use crate::materials::negotiated::shared_sigalgs;
use crate::materials::session::Session;
use crate::materials::ticket::TicketKeys;
use crate::materials::trust::TrustStore;
use crate::materials::verify::Verdict;
use crate::sys::chain::with_lists;
use crate::sys::guard::Parked;
use crate::sys::hook::{Direction, HelloAnswer, Hooks, Message, ProtocolAnswer, PskAnswer, VerifyAnswer};
use crate::sys::own_certificate::CertificateAnswer;
use crate::sys::queue::stack_error;
use crate::sys::ticket::TicketOpening;
use crate::sys::{compat, compression, ocsp, own_certificate, ssl as sys};
use crate::values::alert::Alert;
use crate::values::alpn::AlpnProtocols;
use crate::values::error::{Error, ErrorKind};
use crate::values::psk::{PreSharedKey, PskIdentity, UnknownPskIdentity};
use crate::values::secret::Secret;
use crate::values::ticket_key::TicketKey;
use crate::values::verify_code::VerifyCode;

impl State {
    /// The place among the client's protocols of the one that the resolver has chosen.
    fn place_of<'a>(&self, chosen: &[u8], offered: &'a [u8]) -> Option<&'a [u8]> {
        let place = AlpnProtocols::find_in(offered, chosen);
        if place.is_none() {
            let text = format!("{:?} is not among the client's protocols", String::from_utf8_lossy(chosen));
            let error = Error::new(ErrorKind::Hook, text).with_option("alpn_resolver");
            self.fail_hook(error.with_code("ERR_TLS_ALPN_CALLBACK_INVALID_RESULT"));
        }
        place
    }

    fn certificate_query(&self, ssl: &SslRef) -> CertificateQuery {
        let issuers = match self.role() {
            Role::Client => own_certificate::peer_issuers(ssl),
            Role::Server => None,
        };
        CertificateQuery {
            server_name: self.inner().server_name(),
            issuers: issuers.into_iter().flatten().filter_map(DistinguishedName::read).collect(),
            signature_algorithms: shared_sigalgs(ssl),
        }
    }

    /// Shows the certificate that the resolver chooses.
    fn choose_certificate(&self, ssl: &mut SslRef) -> CertificateAnswer {
        if self.context().certificate_resolver.is_none() {
            return CertificateAnswer::Continue;
        }
        let answer = {
            let mut inner = self.inner();
            if self.role() == Role::Server && inner.asked.certificate {
                // Asked already: libssl calls again because of a staple.
                return CertificateAnswer::Continue;
            }
            let answer = inner.known.as_mut().and_then(|known| known.identity.take());
            inner.asked.certificate = answer.is_some();
            answer
        };
        match answer {
            None => {
                self.put_question(Question::Certificate(self.certificate_query(ssl)));
                CertificateAnswer::Pause
            }
            Some(None) => CertificateAnswer::Continue,
            Some(Some(identity)) => {
                match own_certificate::show(ssl, identity.x509(), identity.key(), identity.extra()) {
                    Ok(()) => CertificateAnswer::Continue,
                    Err(stack) => {
                        let error = stack_error(ErrorKind::Hook, &stack).with_option("certificate_resolver");
                        self.fail_hook(error);
                        CertificateAnswer::Fail
                    }
                }
            }
        }
    }

    /// Asks for what is stapled to the certificates that may be shown: which of them it is, libssl decides later.
    fn ask_for_staples(&self, ssl: &mut SslRef) -> CertificateAnswer {
        {
            let mut inner = self.inner();
            let needless = self.role() == Role::Client || inner.context.ocsp_source.is_none();
            if needless || inner.asked.staples || !ocsp::is_staple_wanted(ssl) {
                return CertificateAnswer::Continue;
            }
            inner.asked.staples = true;
        }
        let requests: Vec<OcspRequest> = ocsp::own_certificates(ssl)
            .into_iter()
            .map(|(own, issuer)| {
                OcspRequest::new(Certificate::from_x509(own), issuer.map(Certificate::from_x509))
            })
            .collect();
        self.put_question(Question::Staples(requests));
        CertificateAnswer::Pause
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
        self.first_hello(ssl)
    }

    fn server_name_used(&self) -> bool {
        self.inner().name_used
    }

    fn select_protocol<'a>(&self, offered: &'a [u8]) -> ProtocolAnswer<'a> {
        let context = self.context();
        let chosen = self.inner().known.as_ref().and_then(|known| known.protocol.clone());
        let selected = match (&context.alpn_resolver, &context.alpn) {
            (Some(_), _) => match chosen.map(|chosen| self.place_of(&chosen, offered)) {
                // What was not offered fails the handshake, whatever a mismatch does.
                Some(None) => return ProtocolAnswer::Refuse,
                found => found.flatten(),
            },
            (None, Some(protocols)) => protocols.select(offered),
            (None, None) => return ProtocolAnswer::Ignore,
        };
        match (selected, context.alpn_mismatch) {
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
        self.inner().known_mut().psk_identity = Some(Arc::clone(&identity));
        identity
    }

    fn server_psk(&self, identity: &[u8]) -> PskAnswer {
        let mut inner = self.inner();
        if inner.hook_error.is_some() || self.parked.is_some() {
            return PskAnswer::Failed;
        }
        if let Some(Some(key)) = inner.key_of(identity) {
            let key = key.clone();
            inner.known_mut().psk_identity = Some(identity.into());
            return PskAnswer::Key(key);
        }
        // libssl asks for one identity after the other and takes the last it asked for: not one that came before.
        if let Some(known) = &mut inner.known {
            known.psk_identity = None;
        }
        match inner.context.unknown_psk_identity {
            UnknownPskIdentity::Alert => PskAnswer::Unknown,
            UnknownPskIdentity::Hide => PskAnswer::Hide,
        }
    }

    fn ticket_key_to_seal(&self) -> Option<TicketKey> {
        // libssl asks where the SSL was made, whichever configuration was chosen since.
        self.origin().ticket_keys.as_ref().map(TicketKeys::current)
    }

    fn ticket_key_to_open(&self, ssl: &SslRef, name: &[u8]) -> Option<TicketOpening> {
        let keys = self.origin().ticket_keys.as_ref()?;
        let opening = keys.find(name).or_else(|| {
            let inner = self.inner();
            let found = inner.known.as_ref()?.ticket_key.as_ref().filter(|key| key.name() == name);
            found.map(|key| keys.borrow(key.clone()))
        })?;
        // In TLS 1.3 a client should use a ticket but once (RFC 8446 appendix C.4).
        let renew = opening.renews(ssl.version2() == Some(SslVersion::TLS1_3));
        Some(TicketOpening { key: opening.key, renew })
    }

    fn allow_early_data(&self) -> bool {
        // libssl keeps no record of pre-shared keys: it would take the same early data again and again.
        let inner = self.inner();
        !self.parked.is_some()
            && inner.psk_identity().is_none()
            && (self.origin().replay_guard.is_none()
                || inner.known.as_ref().is_some_and(|known| known.admitted))
    }

    fn is_psk_only(&self) -> bool {
        self.inner().context.without_identity
    }

    fn verify(&self, chain: &mut X509StoreContextRef, may_pause: bool) -> VerifyAnswer {
        if self.parked.is_some() {
            // The verifier has panicked.
            set_error(chain, VerifyCode::UNSPECIFIED);
            return VerifyAnswer::Refuse;
        }
        self.inner().verdict = Verdict::default();
        // The steps go on past every finding, so that the last one counts, as in Node.
        let context = self.context();
        let lists = context.trust.as_ref().map_or(&[][..], TrustStore::crls);
        let ran = with_lists(chain, lists, X509StoreContextRef::verify_cert).unwrap_or(false);
        let mut code = self.inner().verdict.chain.unwrap_or(VerifyCode::OK);
        if !ran && code.is_ok() {
            code = match compat::verify_code(chain.error().as_raw()) {
                error if !error.is_ok() => error,
                _ => VerifyCode::UNSPECIFIED,
            };
        }
        let mut name = None;
        if code.is_ok() && self.role() == Role::Client {
            name = first_certificate(chain).and_then(|leaf| self.check_name(&leaf));
        }
        let error = if name.is_some() { VerifyCode::HOSTNAME_MISMATCH } else { code };
        self.inner().verdict = Verdict { chain: Some(code), name, missing: false };
        set_error(chain, error);
        if self.refuses_peer() {
            return VerifyAnswer::Refuse;
        }
        if context.peer_verifier.is_none() {
            return VerifyAnswer::Accept;
        }
        match self.take_welcome() {
            Some(Ok(())) => return VerifyAnswer::Accept,
            Some(Err(code)) => {
                self.inner().verdict.chain = Some(code);
                set_error(chain, code);
                return VerifyAnswer::Refuse;
            }
            None => {}
        }
        let peer = Box::new(PeerIdentity {
            host: self.host.as_deref().map(str::to_owned),
            certificates: chain
                .chain()
                .map(|chain| chain.iter().map(|one| Certificate::from_x509(one.to_owned())).collect())
                .unwrap_or_default(),
            error: self.verdict().code().map(str::to_owned),
        });
        if may_pause {
            self.put_question(Question::Peer(peer));
            return VerifyAnswer::Pause;
        }
        self.put_undecided(peer);
        VerifyAnswer::Accept
    }

    fn certificate(&self, ssl: &mut SslRef) -> CertificateAnswer {
        if self.parked.is_some() || self.inner().hook_error.is_some() {
            return CertificateAnswer::Fail;
        }
        match self.choose_certificate(ssl) {
            CertificateAnswer::Continue => self.ask_for_staples(ssl),
            other => other,
        }
    }

    fn staple(&self, ssl: &mut SslRef) -> Option<Vec<u8>> {
        let shown = ssl.certificate()?;
        let staple = {
            let inner = self.inner();
            let mut staples = inner.known.as_ref()?.staples.iter();
            staples.find(|(certificate, _)| *certificate.as_openssl() == *shown)?.1.clone()
        };
        // A certificate that was compressed beforehand has no place for it.
        compat::set_options(ssl, compression::NOT_SENT);
        Some(staple)
    }

    fn new_session(&self, session: SslSession) {
        let session = Session::new(session);
        match self.role() {
            Role::Client => self.put_session(session),
            Role::Server => {
                // A session that cannot be encoded is one that cannot be resumed elsewhere: nothing else is lost.
                if self.origin().session_store.is_some()
                    && let Ok(der) = session.to_der()
                {
                    let (id, lifetime) = (session.id().to_vec(), session.timeout());
                    self.put_notice(Question::Keep(id, Secret::from(der), lifetime));
                }
            }
        }
    }

    fn find_session(&self, id: &[u8]) -> Option<SslSession> {
        let inner = self.inner();
        let found = inner.known.as_ref()?.session.as_ref().filter(|session| session.id() == id)?;
        Some(found.as_openssl().to_owned())
    }

    fn verify_step(&self, ok: bool, chain: &mut X509StoreContextRef) -> bool {
        if !ok {
            self.inner().verdict.chain = Some(compat::verify_code(chain.error().as_raw()));
        }
        true
    }

    fn admit_handshake(&self) -> bool {
        let counted_elsewhere = self.role() == Role::Server && self.context().adopted.is_none();
        counted_elsewhere || !self.inner().established || self.admits_another()
    }

    fn handshake_done(&self) {
        let mut inner = self.inner();
        inner.asked.certificate = false;
        inner.asked.staples = false;
        if inner.established {
            inner.rehandshakes.get_or_insert_default().count += 1;
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
            Some(25) => "CompressedCertificate",
            _ => "Handshake",
        },
        // 256 and 257 are libssl's names for the record header and the inner content type: no messages.
        _ => return String::new(),
    };
    format!("{direction} {kind}, version 0x{:04x}, {} bytes\n", message.version, message.bytes.len())
}
