//! The configuration that the flags ask for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use openssl::error::ErrorStack;
use openssl::ssl::{SslMode, SslVerifyMode};
use openssl::stack::Stack;
use openssl::x509::X509Name;
use patina_tls::ext::SslContextBuilderExt;
use patina_tls::{
    Alert, AlpnOffer, Certificate, CertificateQuery, CipherPreference, ClientAuth, ClientConfig, ClientHello,
    ConfigBuilder, ConnectOptions, Identity, OcspRequest, PeerIdentity, PreSharedKey, ProtocolVersion,
    PskIdentity, RenegotiationPolicy, SecureOptions, Selection, ServerConfig, ServerVerification, Session,
    SessionCache, Side, TicketKeys, TicketRenewal, TicketRotation, TlsEngine, TrustStore, VerifyCode,
    VersionRange,
};

use super::flag::{self, Parameters, Renegotiate};
use super::{Refusal, Result, algorithm, failed, unimplemented};

/// The suites where no flag names them, like those of BoringSSL: all that prove who the server is.
const CIPHERS: &str = "ALL:!aNULL";

/// The ticket keys of all servers, so that the one of a second connection takes the tickets of the first.
const TICKET_KEYS: [u8; 80] = [0x2a; 80];

/// How much early data a server takes: as BoringSSL's.
const EARLY_DATA: u32 = 14336;

/// A protocol that no client offers.
const NOBODY: &[u8] = b"\x01nobody\x02";

/// The end of the random value by which a ServerHello is a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY_RANDOM: &str = "E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C";

/// One side's configuration.
pub(super) enum Config {
    Client(ClientConfig),
    Server(ServerConfig, Option<TicketKeys>),
}

/// What the hooks of a configuration have seen of a handshake.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Sight>>);

#[derive(Debug, Default)]
struct Sight {
    /// The protocols in a server's ClientHello, in wire form.
    alpn: Option<Vec<u8>>,
    messages: bool,
    retry: bool,
}

impl Seen {
    fn sight(&self) -> MutexGuard<'_, Sight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The protocols that the client has offered; `None` when no hook has looked.
    pub(super) fn alpn(&self) -> Option<Vec<u8>> {
        self.sight().alpn.clone()
    }

    /// Whether there was a HelloRetryRequest; `None` when that cannot be seen.
    pub(super) fn retry(&self) -> Option<bool> {
        let sight = self.sight();
        sight.messages.then_some(sight.retry)
    }

    /// Forgets, for the next connection.
    pub(super) fn clear(&self) {
        *self.sight() = Sight::default();
    }

    /// Takes libssl's description of a message.
    fn message(&self, text: &str) {
        let mut sight = self.sight();
        // Without SSL_trace a line has no more than the kind and the length.
        sight.messages |= text.contains("random_bytes");
        sight.retry |= text.to_ascii_uppercase().contains(RETRY_RANDOM);
    }
}

impl Config {
    pub(super) fn make(parameters: &Parameters, seen: &Seen) -> Result<Config> {
        if !parameters.server {
            return client(parameters, seen).map(Config::Client);
        }
        let tickets = match (parameters.use_ticket_callback, parameters.renew_ticket) {
            (false, _) => None,
            (true, true) => Some(TicketKeys::random()?.rotation(TicketRotation::keep(2))),
            (true, false) => {
                Some(TicketKeys::random()?.rotation(TicketRotation::keep(1).renewal(TicketRenewal::Never)))
            }
        };
        let config = server(parameters, seen, tickets.clone())?;
        Ok(Config::Server(config, tickets.filter(|_| parameters.renew_ticket)))
    }

    /// Between two connections: the tickets that were given out are old ones from now on, and to be renewed.
    pub(super) fn age_tickets(&self) -> Result<()> {
        if let Config::Server(_, Some(tickets)) = self {
            tickets.rotate(TicketKeys::random()?.current());
        }
        Ok(())
    }

    /// A connection that has not begun.
    pub(super) fn engine(
        &self,
        parameters: &Parameters,
        session: Option<Session>,
        early: &[u8],
    ) -> Result<TlsEngine> {
        match self {
            Config::Server(config, _) => Ok(TlsEngine::server(config)?),
            Config::Client(config) => {
                let mut options = ConnectOptions::new("bogo.test");
                options = match &parameters.host_name {
                    Some(name) => options.server_name(name),
                    None => options.without_server_name(),
                };
                if let Some(session) = session {
                    options = options.session(session);
                    if parameters.enable_early_data {
                        options = options.early_data(early);
                    }
                }
                Ok(TlsEngine::client(config, options)?)
            }
        }
    }
}

fn client(parameters: &Parameters, seen: &Seen) -> Result<ClientConfig> {
    let (trust, verification) = match &parameters.trust_cert {
        Some(path) => (TrustStore::from_pem_file(path)?, ServerVerification::Require),
        None => (TrustStore::empty(), ServerVerification::InsecureReport),
    };
    let renegotiation = match parameters.renegotiate {
        Renegotiate::Never => RenegotiationPolicy::deny(),
        Renegotiate::Once => RenegotiationPolicy::limit(1),
        Renegotiate::Freely => RenegotiationPolicy::allow_unlimited(),
    };
    let mut builder = common(parameters, seen, ClientConfig::builder())?
        .trust(trust)
        .server_verification(verification)
        .identity_check(|_: &str, _: &Certificate| Ok(()))
        .min_dh_size(512)
        .renegotiation(renegotiation);
    if let Some(wire) = &parameters.advertise_alpn {
        builder = builder.alpn(flag::names(wire)?);
    }
    if let Some(name) = &parameters.select_next_proto {
        if name.is_empty() {
            return unimplemented("a client that selects no protocol by NPN");
        }
        builder = builder.npn([name]);
    }
    if parameters.verify_fail {
        let waits = parameters.asynchronous;
        builder = builder.peer_verifier(move |_: PeerIdentity| async move {
            Later::when(waits).await;
            Err(VerifyCode::APPLICATION_VERIFICATION.into())
        });
    }
    if parameters.enable_ocsp_stapling {
        builder = builder.request_ocsp(true);
    }
    if let Some(key) = &parameters.psk {
        let Some(identity) = &parameters.psk_identity else {
            return unimplemented("a pre-shared key without identity");
        };
        builder = builder.psk(PskIdentity::new(identity.clone())?, PreSharedKey::new(key.clone()));
    }
    // On a client the first list is for the server's signatures, the other for its own.
    if !parameters.verify_prefs.is_empty() {
        builder = builder.sigalgs(algorithm::signatures(&parameters.verify_prefs)?);
    }
    if !parameters.signing_prefs.is_empty() {
        builder = builder.client_sigalgs(algorithm::signatures(&parameters.signing_prefs)?);
    }
    Ok(builder.build()?)
}

fn server(parameters: &Parameters, seen: &Seen, tickets: Option<TicketKeys>) -> Result<ServerConfig> {
    let asks = parameters.require_client_certificate || parameters.verify_peer;
    let preference =
        if parameters.server_preference { CipherPreference::Server } else { CipherPreference::Client };
    let mut builder = common(parameters, seen, ServerConfig::builder())?
        .cipher_preference(preference)
        .session_cache(SessionCache::Internal)
        .session_id_context("bogo")
        .client_auth(if asks { ClientAuth::Request } else { ClientAuth::None });
    if let Some(path) = &parameters.trust_cert {
        let auth =
            if parameters.require_client_certificate { ClientAuth::Require } else { ClientAuth::Optional };
        builder = builder.trust(TrustStore::from_pem_file(path)?).client_auth(auth);
    } else if asks {
        builder = builder.trust(TrustStore::empty());
    }
    if parameters.enable_early_data {
        // The runner asks BoringSSL's servers, which leave it to their callers to keep replays away.
        let waits = parameters.asynchronous;
        builder = builder.early_data(EARLY_DATA).replay_guard(move |_: Vec<u8>| async move {
            Later::when(waits).await;
            Ok(true)
        });
    }
    // Any certificate will do, but there must be one.
    let mode = parameters
        .require_client_certificate
        .then(|| SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let authorities = parameters.client_ca_list.as_deref().map(flag::ders).transpose()?;
    let own_tickets = tickets.is_none();
    if let Some(tickets) = tickets {
        builder = builder.ticket_keys(tickets);
    }
    builder = builder.with_openssl(move |context| {
        if own_tickets {
            context.set_ticket_keys(&TICKET_KEYS).map_err(|_| ErrorStack::get())?;
        }
        if let Some(mode) = mode {
            context.set_verify(mode);
        }
        if let Some(ders) = authorities {
            let mut names = Stack::new()?;
            for der in ders {
                names.push(X509Name::from_der(&der)?)?;
            }
            context.set_client_ca_list(names);
        }
        Ok(())
    });
    if parameters.no_ticket {
        // TLS 1.3 would give others, for sessions that it keeps.
        builder = builder.session_tickets(0);
    }
    let waits = parameters.asynchronous;
    if let Some(response) = parameters.ocsp_response.clone().filter(|_| !parameters.decline_ocsp_callback) {
        builder = builder.ocsp_source(move |_: OcspRequest| {
            let response = response.clone();
            async move {
                Later::when(waits).await;
                Ok(Some(response))
            }
        });
    }
    match parameters.select_alpn.clone() {
        Some(name) if waits => {
            builder = builder.alpn_resolver(move |offer: AlpnOffer| {
                let chosen = offer.offers(&name).then(|| name.clone());
                async move {
                    Later::when(waits).await;
                    Ok(chosen)
                }
            });
        }
        Some(name) => builder = builder.alpn([name]),
        None => {}
    }
    if parameters.reject_alpn {
        builder = builder.alpn([NOBODY]);
    }
    if let Some(wire) = &parameters.advertise_npn {
        builder = builder.npn(flag::names(wire)?);
    }
    if let Some(key) = &parameters.psk {
        let (key, known) =
            (PreSharedKey::new(key.clone()), parameters.psk_identity.clone().unwrap_or_default());
        if let Some(hint) = &parameters.psk_identity {
            let hint = String::from_utf8(hint.clone());
            builder = builder.psk_hint(hint.or_else(|_| failed("the PSK identity is no text"))?);
        }
        builder = builder.psk_resolver(move |asked: PskIdentity| {
            let found = (asked.as_bytes() == known).then(|| key.clone());
            async move {
                Later::when(waits).await;
                Ok(found)
            }
        });
    }
    // On a server the first list is for its own signatures, the other for its clients'.
    if !parameters.signing_prefs.is_empty() {
        builder = builder.sigalgs(algorithm::signatures(&parameters.signing_prefs)?);
    }
    if !parameters.verify_prefs.is_empty() {
        builder = builder.client_sigalgs(algorithm::signatures(&parameters.verify_prefs)?);
    }
    if waits || parameters.looks_at_hello() {
        let answer = match (parameters.fail_early_callback, parameters.fail_ddos_callback) {
            (true, _) => Some(Alert::HANDSHAKE_FAILURE),
            (_, true) => Some(Alert::INTERNAL_ERROR),
            _ => None,
        };
        let seen = seen.clone();
        builder = builder.config_resolver(move |hello: ClientHello| {
            seen.sight().alpn = Some(wire(hello.alpn()));
            async move {
                Later::when(waits).await;
                answer.map_or(Ok(Selection::Default), Err)
            }
        });
    }
    Ok(builder.build()?)
}

fn common<S: Side>(
    parameters: &Parameters,
    seen: &Seen,
    builder: ConfigBuilder<S>,
) -> Result<ConfigBuilder<S>> {
    let version = |number: Option<u16>| match number {
        None => Ok(None),
        Some(number) => match ProtocolVersion::from_code(number) {
            Some(version) => Ok(Some(version)),
            None => unimplemented(format!("the version 0x{number:04x}")),
        },
    };
    // BoringSSL begins with TLS 1.0.
    let min = version(parameters.min_version)?.unwrap_or(ProtocolVersion::TLSv1_0);
    let mut builder = builder
        .versions(VersionRange::new(Some(min), version(parameters.max_version)?))
        .security_level(0)
        .cipher_list(parameters.cipher.as_deref().unwrap_or(CIPHERS))
        .secure_options(options(parameters));
    let identity = match (&parameters.cert_file, &parameters.key_file) {
        (Some(certificate), Some(key)) => Some(Identity::from_pem_files(certificate, key)?),
        _ => None,
    };
    let waits = parameters.asynchronous;
    if waits || parameters.certificate_callback || parameters.fail_certificate_callback {
        let fails = parameters.fail_certificate_callback;
        builder = builder.certificate_resolver(move |_: CertificateQuery| {
            let identity = identity.clone();
            async move {
                Later::when(waits).await;
                if fails { Err("there is no certificate".into()) } else { Ok(identity) }
            }
        });
    } else if let Some(identity) = identity {
        builder = builder.identity(identity);
    }
    if !parameters.curves.is_empty() {
        builder = builder.groups(algorithm::groups(&parameters.curves)?);
    }
    if let Some(bytes) = parameters.max_send_fragment {
        builder = builder.max_send_fragment(bytes);
    }
    if parameters.expect_hrr.is_some() {
        let seen = seen.clone();
        builder = builder.message_trace(move |text: &str| seen.message(text));
    }
    let (scsv, longest) = (parameters.fallback_scsv, parameters.max_cert_list);
    Ok(builder.with_openssl(move |context| {
        if scsv {
            context.set_mode(SslMode::SEND_FALLBACK_SCSV);
        }
        if let Some(bytes) = longest {
            context.set_max_cert_list(bytes);
        }
        Ok(())
    }))
}

fn options(parameters: &Parameters) -> SecureOptions {
    let mut options = SecureOptions::empty();
    for number in &parameters.no_versions {
        options |= match number {
            0x0300 => SecureOptions::NO_SSLv3,
            0x0301 => SecureOptions::NO_TLSv1,
            0x0302 => SecureOptions::NO_TLSv1_1,
            0x0303 => SecureOptions::NO_TLSv1_2,
            _ => SecureOptions::NO_TLSv1_3,
        };
    }
    if parameters.no_ticket {
        options |= SecureOptions::NO_TICKET;
    }
    // BoringSSL's clients go on with servers that know no secure renegotiation.
    options | SecureOptions::LEGACY_SERVER_CONNECT
}

/// Waits for one turn of whoever drives the connection, or for nothing.
struct Later {
    waited: bool,
}

impl Later {
    fn when(waits: bool) -> Later {
        Later { waited: !waits }
    }
}

impl Future for Later {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waited {
            return Poll::Ready(());
        }
        self.waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Names in wire form.
fn wire<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut wire = Vec::new();
    for name in names {
        wire.push(name.len() as u8);
        wire.extend_from_slice(name);
    }
    wire
}

impl From<openssl::error::ErrorStack> for Refusal {
    fn from(stack: ErrorStack) -> Refusal {
        Refusal::Failed(stack.to_string())
    }
}
