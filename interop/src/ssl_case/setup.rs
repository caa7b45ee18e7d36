//! Configurations of the two sides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patina_tls::compat::SslConf;
use patina_tls::ext::SslContextBuilderExt;
use patina_tls::{
    Alert, Certificate, Client, ClientConfig, ClientHello, ConfigBuilder, Error, ErrorKind, HookFuture,
    HookResult, OcspRequest, PeerIdentity, ProtocolVersion, RenegotiationPolicy, Secret, Selection, Server,
    ServerConfig, ServerVerification, SessionStore, VerifyCode,
};

use super::extra::{NameCallback, VerifyCallback};
use super::plan::{Side, Sides};
use super::{Refusal, skip};
use crate::trouble::Trouble;

/// Which context a server's name callback has chosen; `None` until it has run.
pub(super) type Chosen = Arc<Mutex<Option<&'static str>>>;

/// The ticket keys of all servers, so that one takes the tickets of another.
const TICKET_KEYS: [u8; 80] = [0; 80];

/// What a server of the suite staples: no real response, and nobody looks into it.
pub(super) const STATUS: &[u8] = &[0xff];

/// Sessions by their ids, for servers that resume each other's.
#[derive(Clone, Default)]
pub(super) struct MemoryStore(Arc<Mutex<HashMap<Vec<u8>, Secret>>>);

impl MemoryStore {
    fn sessions(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for MemoryStore {
    fn get(&self, id: Vec<u8>) -> HookFuture<HookResult<Option<Secret>>> {
        let found = self.sessions().get(&id).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn put(&self, id: Vec<u8>, session: Secret, _: Duration) -> HookFuture<HookResult<()>> {
        self.sessions().insert(id, session);
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove(&self, id: Vec<u8>) -> HookFuture<HookResult<()>> {
        self.sessions().remove(&id);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A configuration, or the failure that every handshake with it would be.
pub(super) type Made<T> = Result<T, Error>;

/// A server's configuration.
pub(super) struct ServerSetup {
    pub(super) config: Made<ServerConfig>,
    pub(super) chosen: Chosen,
}

pub(super) fn server(
    sides: &Sides,
    max_fragment: usize,
    store: Option<&MemoryStore>,
) -> Result<ServerSetup, Refusal> {
    let chosen = Chosen::default();
    let callback = sides.server.extra.name_callback;
    let mut builder = server_builder(&sides.server, max_fragment)?;
    if let Some(store) = store {
        builder = builder.session_store(store.clone());
    }
    if callback != NameCallback::None {
        let mut second = None;
        if let Some(side) = &sides.server2 {
            let mut other = server_builder(side, max_fragment)?;
            if callback == NameCallback::HelloNoV12 {
                other = other.versions(..=ProtocolVersion::TLSv1_1);
            }
            match refuse(other.build())? {
                Ok(config) => second = Some(config),
                Err(error) => return Ok(ServerSetup { config: Err(error), chosen }),
            }
        }
        let seen = Arc::clone(&chosen);
        builder = builder.config_resolver(move |hello: ClientHello| {
            let answer = select(callback, hello.server_name(), second.as_ref(), &seen);
            async move { answer }
        });
    }
    Ok(ServerSetup { config: refuse(builder.build())?, chosen })
}

/// The suite's callbacks, `select_server_ctx` and `client_hello_select_server_ctx` in test/helpers/handshake.c.
fn select(
    callback: NameCallback,
    name: Option<&str>,
    second: Option<&ServerConfig>,
    chosen: &Chosen,
) -> Result<Selection, Alert> {
    let note = |context| *chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some(context);
    let (ignores, needs_name) = match callback {
        NameCallback::None | NameCallback::Ignore => (true, false),
        NameCallback::Reject => (false, false),
        NameCallback::HelloIgnore => (true, true),
        NameCallback::HelloReject | NameCallback::HelloNoV12 => (false, true),
    };
    match (name, second) {
        (None, _) if needs_name => Err(Alert::UNRECOGNIZED_NAME),
        (Some("server2"), Some(config)) => {
            note("server2");
            Ok(Selection::Use(config.clone()))
        }
        (None | Some("server1"), _) => {
            note("server1");
            Ok(Selection::Default)
        }
        (Some(_), _) if ignores => {
            note("server1");
            Ok(Selection::Default)
        }
        (Some(_), _) => Err(Alert::UNRECOGNIZED_NAME),
    }
}

fn server_builder(side: &Side, max_fragment: usize) -> Result<ConfigBuilder<Server>, Refusal> {
    let mut builder = refuse(conf(side)?.server())?
        .map_err(|error| Trouble::new(error.to_string()))?
        .max_send_fragment(max_fragment)
        .session_id_context("ssl_cases")
        .with_openssl(|context| {
            context.set_ticket_keys(&TICKET_KEYS).map_err(|_| openssl::error::ErrorStack::get())
        });
    if side.extra.cert_status {
        builder = builder.ocsp_source(|_: OcspRequest| async { Ok(Some(STATUS.to_vec())) });
    }
    // The suite's servers follow their clients unless they are told otherwise.
    if !side.has_option("NoRenegotiation") && !side.has_option("-ClientRenegotiation") {
        builder = builder.renegotiation(RenegotiationPolicy::allow_unlimited());
    }
    if let Some(protocols) = &side.extra.alpn {
        builder = builder.alpn(protocols);
    }
    if let Some(protocols) = &side.extra.npn {
        builder = builder.npn(protocols);
    }
    Ok(builder)
}

pub(super) fn client(
    side: &Side,
    max_fragment: usize,
    asks_for_status: bool,
) -> Result<Made<ClientConfig>, Refusal> {
    let mut builder: ConfigBuilder<Client> = refuse(conf(side)?.client())?
        .map_err(|error| Trouble::new(error.to_string()))?
        .max_send_fragment(max_fragment)
        // The suite's certificates are for nobody in particular.
        .identity_check(|_: &str, _: &Certificate| Ok(()));
    // A client of libssl follows a server that renegotiates.
    if !side.has_option("NoRenegotiation") {
        builder = builder.renegotiation(RenegotiationPolicy::allow_unlimited());
    }
    if asks_for_status {
        builder = builder.request_ocsp(true);
    }
    if side.extra.enable_pha {
        builder = builder.post_handshake_auth(true);
    }
    // libssl's own verdict is then left aside; who does not verify does not ask the callback either.
    if side.extra.verify_callback != VerifyCallback::None {
        builder = builder.server_verification(ServerVerification::InsecureReport);
    }
    builder = match side.extra.verify_callback {
        _ if !side.verifies() => builder,
        VerifyCallback::None | VerifyCallback::AcceptAll => builder,
        VerifyCallback::RejectAll => builder
            .peer_verifier(|_: PeerIdentity| async { Err(VerifyCode::APPLICATION_VERIFICATION.into()) }),
        VerifyCallback::RetryOnce => builder.peer_verifier(|_: PeerIdentity| async {
            tokio::task::yield_now().await;
            Ok(())
        }),
    };
    if let Some(protocols) = &side.extra.alpn {
        builder = builder.alpn(protocols);
    }
    if let Some(protocols) = &side.extra.npn {
        builder = builder.npn(protocols);
    }
    refuse(builder.build())
}

fn conf(side: &Side) -> Result<SslConf, Refusal> {
    let mut conf = SslConf::new();
    for (command, value) in &side.commands {
        conf = match conf.command(command, value) {
            Ok(conf) => conf,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                return skip(format!("{command}: {error}"));
            }
            Err(error) => return Err(Trouble::new(format!("{command} = {value}: {error}")).into()),
        };
    }
    Ok(conf)
}

/// What this libssl has not is skipped; what it refuses is an answer.
fn refuse<T>(made: Result<T, Error>) -> Result<Made<T>, Refusal> {
    match made {
        Err(error) if error.kind() == ErrorKind::Unsupported => skip(error.to_string()),
        other => Ok(other),
    }
}
