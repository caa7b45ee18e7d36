//! A server's answers to a ClientHello: the configuration first, then everything that has to be known before libssl goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use openssl::ssl::{SslOptions, SslRef, SslVersion};

use super::question::Question;
use super::state::{Choice, Refusal, State};
use crate::config::alpn_resolver::AlpnOffer;
use crate::config::context::Context;
use crate::config::settings::UnknownName;
use crate::sys::early_data::NO_ANTI_REPLAY;
use crate::sys::hook::HelloAnswer;
use crate::sys::{adopt, compat, compression, psk, ssl as sys};
use crate::values::alert::Alert;
use crate::values::hello::{self, ClientHello, extension};
use crate::values::psk::{IDENTITY_MAX, PskIdentity};

/// For how many identities of one ClientHello the resolver is asked, at most.
const IDENTITIES_ASKED: usize = 8;

/// For how many ids of one ClientHello the session store is asked, at most.
const SESSIONS_ASKED: usize = 2;

/// The length of the ids that libssl makes.
const SESSION_ID_LEN: usize = 32;

/// The number of TLS 1.3 on the wire.
const TLS_1_3: u16 = 0x0304;

impl State {
    /// Makes another configuration answer this connection, with all that belongs to it.
    fn swap(&self, ssl: &mut SslRef, context: Arc<Context>) -> bool {
        let swapped =
            ssl.set_ssl_context(&context.ssl).is_ok() && sys::take_verify_param(ssl, &context.ssl).is_ok();
        if swapped {
            let adopted = context.adopted.is_some();
            psk::set_server_callbacks(ssl, context.psk_resolver.is_some());
            let mut options = sys::context_options(&context.ssl);
            // Where sessions are kept is for the first configuration to say, and a store takes the place of tickets.
            match (self.origin().session_store.is_some(), context.session_store.is_some()) {
                (true, _) => options.insert(SslOptions::NO_TICKET),
                (false, true) => options.remove(SslOptions::NO_TICKET),
                (false, false) => {}
            }
            // So are replays: libssl keeps the tickets where the SSL was made.
            options.set(NO_ANTI_REPLAY, sys::context_options(&self.origin().ssl).contains(NO_ANTI_REPLAY));
            compat::replace_options(ssl, options);
            let wanted = &context.certificate_compression;
            if *wanted != self.origin().certificate_compression {
                compression::prefer_on(ssl, wanted.as_deref());
            }
            let (min, max) = sys::context_versions(&context.ssl);
            ssl.set_verify(context.ssl.verify_mode());
            crate::sys::hook::trace_messages(ssl, context.trace.is_some());
            let settled = ssl.set_min_proto_version(min).is_ok()
                && ssl.set_max_proto_version(max).is_ok()
                && ssl.set_num_tickets(context.ssl.num_tickets()).is_ok()
                && ssl.set_max_early_data(context.early_data.min(self.origin().early_data)).is_ok()
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
            if inner.context.names.is_empty() {
                return Ok(None);
            }
            (Arc::clone(&inner.context), inner.server_name())
        };
        let Some(name) = name else { return Ok(None) };
        match (context.names.find(&name), context.unknown_name) {
            (Some(config), _) => Ok(Some(Arc::clone(&config.context))),
            (None, UnknownName::UseDefault) => Ok(None),
            (None, UnknownName::Alert) => Err(Alert::UNRECOGNIZED_NAME),
        }
    }

    /// The first ClientHello of a connection.
    pub(super) fn first_hello(&self, ssl: &mut SslRef) -> HelloAnswer {
        if !self.inner().asked.config {
            match self.select(ssl) {
                HelloAnswer::Continue => self.inner().asked.config = true,
                other => return other,
            }
        }
        if self.inner().hook_error.is_some() {
            return HelloAnswer::Refuse(Alert::INTERNAL_ERROR);
        }
        let question = self
            .ask_for_session(ssl)
            .or_else(|| self.ask_for_ticket_key(ssl))
            .or_else(|| self.ask_for_admission(ssl))
            .or_else(|| self.ask_for_keys(ssl))
            .or_else(|| self.ask_for_protocol(ssl));
        match question {
            Some(question) => {
                self.put_question(question);
                HelloAnswer::Pause
            }
            None => HelloAnswer::Continue,
        }
    }

    /// Chooses the configuration: by hand or by the resolver, then by the static names.
    fn select(&self, ssl: &mut SslRef) -> HelloAnswer {
        let choice = self.inner().known.as_mut().and_then(|known| known.choice.take());
        let by_hand = matches!(choice, Some(Choice::ByHand));
        let chosen = match choice {
            Some(Choice::Answered(chosen)) => chosen,
            _ => {
                let name = sys::hello_extension(ssl, extension::SERVER_NAME).and_then(hello::server_name_of);
                self.inner().server_name = name.map(Box::from);
                if by_hand || self.context().resolver.is_some() {
                    let Some(hello) = read_hello(ssl) else {
                        return HelloAnswer::Refuse(Alert::DECODE_ERROR);
                    };
                    if by_hand {
                        self.inner().known_mut().choice = Some(Choice::Shown(Box::new(hello)));
                    } else {
                        self.put_question(Question::Config(Box::new(hello)));
                    }
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

    /// Asks for the session that the client offers by its id.
    ///
    /// In TLS 1.3 the id stands where tickets do, and the field for ids has random bytes in it (RFC 8446 appendix D.4).
    fn ask_for_session(&self, ssl: &SslRef) -> Option<Question> {
        if self.origin().session_store.is_none() || std::mem::replace(&mut self.inner().asked.session, true) {
            return None;
        }
        let is_1_3 = sys::hello_extension(ssl, extension::SUPPORTED_VERSIONS)
            .is_some_and(|body| hello::versions_of(body).contains(&TLS_1_3))
            && matches!(sys::context_versions(&self.context().ssl).1, None | Some(SslVersion::TLS1_3));
        let ids: Vec<Vec<u8>> = if is_1_3 {
            let extension = sys::hello_extension(ssl, extension::PRE_SHARED_KEY).unwrap_or_default();
            let identities = hello::psk_identities_of(extension).unwrap_or_default();
            let ids = identities.into_iter().filter(|id| id.len() == SESSION_ID_LEN);
            ids.take(SESSIONS_ASKED).map(<[u8]>::to_vec).collect()
        } else {
            ssl.client_hello_session_id()
                .filter(|id| !id.is_empty())
                .map(<[u8]>::to_vec)
                .into_iter()
                .collect()
        };
        (!ids.is_empty()).then_some(Question::Session(ids))
    }

    /// Asks for the key of the client's ticket, which begins with its name.
    fn ask_for_ticket_key(&self, ssl: &SslRef) -> Option<Question> {
        let origin = self.origin();
        if origin.ticket_key_resolver.is_none() || std::mem::replace(&mut self.inner().asked.ticket_key, true)
        {
            return None;
        }
        let identities =
            sys::hello_extension(ssl, extension::PRE_SHARED_KEY).and_then(hello::psk_identities_of);
        // A client may offer a ticket of each sort: that of TLS 1.3 is what it would rather use.
        let ticket = match identities.as_deref() {
            Some([first, ..]) => first,
            _ => sys::hello_extension(ssl, extension::SESSION_TICKET)?,
        };
        let name: [u8; 16] = *ticket.first_chunk()?;
        let known = origin.ticket_keys.as_ref().is_some_and(|keys| keys.find(&name).is_some());
        (!known).then_some(Question::TicketKey(name))
    }

    /// Asks whether the early data that the client announces is new.
    fn ask_for_admission(&self, ssl: &SslRef) -> Option<Question> {
        if self.origin().replay_guard.is_none() || std::mem::replace(&mut self.inner().asked.admission, true)
        {
            return None;
        }
        sys::hello_extension(ssl, extension::EARLY_DATA)?;
        // libssl takes early data with the first identity alone.
        let binder = sys::hello_extension(ssl, extension::PRE_SHARED_KEY).and_then(hello::first_binder_of)?;
        Some(Question::Admission(binder.to_vec()))
    }

    /// Asks for the keys of the identities in the ClientHello (TLS 1.3).
    fn ask_for_keys(&self, ssl: &SslRef) -> Option<Question> {
        {
            let mut inner = self.inner();
            if inner.context.psk_resolver.is_none() || std::mem::replace(&mut inner.asked.keys, true) {
                return None;
            }
        }
        let extension = sys::hello_extension(ssl, extension::PRE_SHARED_KEY).unwrap_or_default();
        // A longer identity is a ticket: nobody has to be asked for that.
        let identities: Vec<PskIdentity> = hello::psk_identities_of(extension)
            .unwrap_or_default()
            .into_iter()
            .filter(|identity| identity.len() <= IDENTITY_MAX)
            .take(IDENTITIES_ASKED)
            .map(PskIdentity::from_peer)
            .collect();
        (!identities.is_empty()).then_some(Question::Keys(identities))
    }

    /// Asks for the choice among the protocols in the ClientHello.
    fn ask_for_protocol(&self, ssl: &SslRef) -> Option<Question> {
        let server_name = {
            let mut inner = self.inner();
            if inner.context.alpn_resolver.is_none() || std::mem::replace(&mut inner.asked.protocol, true) {
                return None;
            }
            inner.server_name()
        };
        let extension = sys::hello_extension(ssl, extension::ALPN)?;
        let protocols: Vec<Vec<u8>> = hello::protocols_of(extension).map(<[u8]>::to_vec).collect();
        (!protocols.is_empty()).then(|| Question::Protocol(AlpnOffer::new(server_name, protocols)))
    }

    /// The peer wants another handshake, which this side may have asked for: that does not count.
    pub(super) fn admits_another(&self) -> bool {
        if self.own_handshake.load(Ordering::Acquire) {
            return true;
        }
        if self.renegotiation_disabled.load(Ordering::Acquire) {
            self.set_refusal(Refusal::Disabled);
        } else if !self.counts_another() {
            self.set_refusal(Refusal::OverLimit);
        }
        self.refusal().is_none()
    }

    /// Counts a handshake of the peer; false when it is one too many.
    fn counts_another(&self) -> bool {
        let mut inner = self.inner();
        let policy = inner.context.renegotiation;
        inner.rehandshakes.get_or_insert_default().of_peer.admit(policy, Instant::now())
    }

    /// The ClientHello of a renegotiation: only its count matters, the configuration stays.
    pub(super) fn renegotiated(&self) -> HelloAnswer {
        if !self.admits_another() {
            return HelloAnswer::Refuse(Alert::NO_RENEGOTIATION);
        }
        // A client that has shown a certificate before may show none now.
        self.forget_verdict();
        HelloAnswer::Continue
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
