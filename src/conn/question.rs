//! What a connection asks the application, and what it is told.

use std::future::Future;
use std::time::Duration;

use super::state::State;
use crate::config::alpn_resolver::AlpnOffer;
use crate::config::certificate_resolver::CertificateQuery;
use crate::config::ocsp_source::OcspRequest;
use crate::config::peer_verifier::PeerIdentity;
use crate::config::resolver::{HookFuture, HookResult, Selection};
use crate::materials::certificate::Certificate;
use crate::materials::identity::Identity;
use crate::materials::session::Session;
use crate::values::alert::Alert;
use crate::values::hello::ClientHello;
use crate::values::psk::{PreSharedKey, PskIdentity};
use crate::values::secret::Secret;
use crate::values::ticket_key::TicketKey;

/// A question of a hook that takes time.
pub(crate) enum Question {
    /// Which configuration answers this ClientHello.
    Config(Box<ClientHello>),
    /// The keys of these identities.
    Keys(Vec<PskIdentity>),
    /// Which protocol is chosen.
    Protocol(AlpnOffer),
    /// The session of the first of these ids that has one.
    Session(Vec<Vec<u8>>),
    /// The key of this name.
    TicketKey([u8; 16]),
    /// Whether early data with this binder is new.
    Admission(Vec<u8>),
    /// Which certificate is shown.
    Certificate(CertificateQuery),
    /// What is stapled to these certificates.
    Staples(Vec<OcspRequest>),
    /// Whether this peer is welcome.
    Peer(Box<PeerIdentity>),
    /// A session is to be kept.
    Keep(Vec<u8>, Secret, Duration),
    /// A session must not be resumed any more.
    Forget(Vec<u8>),
}

/// What became of it.
pub(crate) enum Outcome {
    Config(Result<Selection, Alert>),
    Keys(Vec<(PskIdentity, HookResult<Option<PreSharedKey>>)>),
    Protocol(HookResult<Option<Vec<u8>>>),
    Session(Option<Session>),
    TicketKey(Option<TicketKey>),
    Admission(bool),
    Certificate(HookResult<Option<Identity>>),
    Staples(Vec<(Certificate, Vec<u8>)>),
    Peer(HookResult<()>),
    /// There was nothing to answer.
    Told,
}

impl Question {
    /// Asks whoever knows; nobody, where the configuration that answers now has no such hook.
    pub(super) fn ask(self, state: &State) -> Option<HookFuture<Outcome>> {
        let context = state.context();
        match self {
            Question::Config(hello) => {
                let future = context.resolver.as_ref()?.resolve(*hello);
                Some(Box::pin(async { Outcome::Config(future.await) }))
            }
            Question::Keys(identities) => {
                let resolver = context.psk_resolver.clone()?;
                Some(Box::pin(async move {
                    let mut answers = Vec::with_capacity(identities.len());
                    for identity in identities {
                        let answer = resolver.resolve(identity.clone()).await;
                        answers.push((identity, answer));
                    }
                    Outcome::Keys(answers)
                }))
            }
            Question::Protocol(offer) => {
                let future = context.alpn_resolver.as_ref()?.resolve(offer);
                Some(Box::pin(async { Outcome::Protocol(future.await) }))
            }
            Question::TicketKey(name) => {
                let future = state.origin().ticket_key_resolver.as_ref()?.resolve(name);
                Some(Box::pin(async { Outcome::TicketKey(future.await.ok().flatten()) }))
            }
            Question::Admission(binder) => {
                let future = state.origin().replay_guard.as_ref()?.admit(binder);
                Some(Box::pin(async { Outcome::Admission(future.await.unwrap_or(false)) }))
            }
            Question::Certificate(query) => {
                let future = context.certificate_resolver.as_ref()?.resolve(query);
                Some(Box::pin(async { Outcome::Certificate(future.await) }))
            }
            Question::Staples(requests) => {
                let source = context.ocsp_source.clone()?;
                Some(Box::pin(async move {
                    let mut staples = Vec::new();
                    for request in requests {
                        let certificate = request.certificate().clone();
                        // A source that fails costs the client a question of its own.
                        if let Ok(Some(response)) = source.staple(request).await {
                            staples.push((certificate, response));
                        }
                    }
                    Outcome::Staples(staples)
                }))
            }
            Question::Peer(peer) => {
                let future = context.peer_verifier.as_ref()?.verify(*peer);
                Some(Box::pin(async { Outcome::Peer(future.await) }))
            }
            Question::Session(ids) => {
                let store = state.origin().session_store.clone()?;
                let limit = state.store_limit();
                Some(Box::pin(async move {
                    for id in ids {
                        let found = limited(limit, store.get(id)).await.and_then(Result::ok).flatten();
                        // What is no session is as good as none.
                        if let Some(session) = found.and_then(|der| Session::from_der(der.as_bytes()).ok()) {
                            return Outcome::Session(Some(session));
                        }
                    }
                    Outcome::Session(None)
                }))
            }
            Question::Keep(id, session, lifetime) => {
                let future = state.origin().session_store.as_ref()?.put(id, session, lifetime);
                Some(told(state, future))
            }
            Question::Forget(id) => {
                let future = state.origin().session_store.as_ref()?.remove(id);
                Some(told(state, future))
            }
        }
    }
}

/// A store that fails has lost a session, and nothing else.
fn told(state: &State, future: HookFuture<HookResult<()>>) -> HookFuture<Outcome> {
    let limit = state.store_limit();
    Box::pin(async move {
        let _ = limited(limit, future).await;
        Outcome::Told
    })
}

/// Awaits `future` no longer than `limit`, where there is one.
async fn limited<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}
