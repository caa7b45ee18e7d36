//! The one order in which options reach libssl.
//!
//! The order shows: the security level and the ciphers (which may set it) come before certificates, whose keys it
//! judges; the roots before the certificates; the application's own step after all options and before our hooks.

use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::ssl::{
    SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};

use super::cipher_list::CipherList;
use super::ciphers::set_ciphers;
use super::compression;
use super::context::{Context, Warnings};
use super::names::Names;
use super::settings::{CipherPreference, DhChoice, Parsed, SessionCache, Settings};
use super::side::Role;
use crate::materials::key_uri::open_engine;
use crate::materials::library::missing_group;
use crate::materials::ocsp::check_support as check_ocsp;
use crate::materials::server_identity::check_server_identity;
use crate::materials::session_cache::{ClientSessionCache, HOSTS};
use crate::materials::ticket::TicketKeys;
use crate::materials::trust::TrustStore;
use crate::materials::verify::{ClientAuth, CrlCheck, VerifyFlags, effective_flags, seconds_since_1970};
use crate::sys::hook::Slot;
use crate::sys::queue::{self, stack_error};
use crate::sys::{compat, context as sys, early_data, extra, ocsp, psk};
use crate::values::alpn::AlpnProtocols;
use crate::values::error::{Error, ErrorKind};
use crate::values::options::SecureOptions;
use crate::values::protocol::{MethodSide, SecureProtocol};
use crate::values::psk::IDENTITY_MAX;
use crate::values::version::{ProtocolVersion, VersionRange};

/// Node's `handshakeTimeout`.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a session store may take.
pub(crate) const SESSION_STORE_TIMEOUT: Duration = Duration::from_millis(500);

/// Node's `minDHSize`, in bits.
const MIN_DH_BITS: u32 = 1024;

/// libssl's largest plaintext of a record, in bytes.
pub(crate) const MAX_SEND_FRAGMENT: usize = 16384;

/// The lowest version unless said otherwise: Node's `DEFAULT_MIN_VERSION`.
const DEFAULT_MIN: ProtocolVersion = ProtocolVersion::TLSv1_2;

/// `ticket_keys` promises what early data takes away.
const EARLY_DATA_WITH_TICKET_KEYS: &str = "early_data: a ticket of TLS 1.3 is good once, and for this configuration of this \
     process alone; ticket_keys and ticket_key_resolver are for the tickets of TLS 1.2";

pub(crate) fn apply(role: Role, settings: Settings) -> Result<Context, Error> {
    let client_sessions = choose_client_sessions(role, &settings);
    let cipher_list = settings.cipher_list.transpose()?;
    let alpn = settings.alpn.transpose()?;
    let secure_protocol =
        settings.secure_protocol.transpose().map_err(|e| e.with_option("secure_protocol"))?;
    let mut names = Names::default();
    for (pattern, config) in settings.names {
        names.push(pattern.map_err(|e| e.with_option("server_name"))?, config);
    }
    let mut warnings = Vec::new();

    // Before there is an SSL_CTX: it looks for its ciphers when it is made.
    let npn = choose_npn(settings.npn)?;
    let asks_for_legacy = cipher_list.as_ref().is_some_and(|list| !list.legacy_algorithms().is_empty());
    let legacy_provider = asks_for_legacy && compat::load_legacy_provider();

    let method = match role {
        Role::Client => SslMethod::tls_client(),
        Role::Server => SslMethod::tls_server(),
    };
    let mut ctx = sys::new(method, settings.dh.is_some())
        .map_err(|e| stack_error(ErrorKind::Unsupported, &e).context("libssl makes no SSL_CTX"))?;
    ctx.set_mode(
        SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE | SslMode::RELEASE_BUFFERS,
    );

    // 1. versions
    let option = if secure_protocol.is_some() { "secure_protocol" } else { "versions" };
    let range = choose_versions(role, settings.versions, secure_protocol)?;
    let (range, option) = limit_by_ciphers(range, option, cipher_list.as_ref())?;
    set_versions(&mut ctx, &range, option)?;

    // 2. options
    let options =
        choose_options(role, &settings.secure_options, settings.cipher_preference, settings.renegotiation);
    ctx.set_options(SslOptions::from_bits_retain(options.bits() as _));
    ctx.clear_options(SslOptions::from_bits_retain(settings.cleared_options.bits() as _));

    // 3. security level and ciphers, which judge everything after them
    set_security_level(&mut ctx, settings.security_level, cipher_list.as_ref())?;
    let ignored = set_ciphers(&mut ctx, cipher_list, settings.cipher_suites, legacy_provider)?;
    check_level_for_versions(&mut ctx, &range, option)?;

    // 4. roots and the rules of verification
    let trust = choose_trust(role, settings.trust, settings.client_auth)?;
    set_verification(&mut ctx, role, trust.as_ref(), settings.client_auth)?;
    set_verify_rules(
        &mut ctx,
        trust.as_ref(),
        settings.crl_check,
        settings.verify_depth,
        settings.verify_flags,
        settings.verify_time,
    )?;

    // 5. certificates and keys
    for identity in &settings.identities {
        sys::use_certificate(&mut ctx, identity.x509(), identity.key(), identity.extra())
            .map_err(|e| refused("identity", &e))?;
    }

    if let Some(id) = &settings.client_cert_engine {
        open_engine(id, "client_cert_engine")?
            .answer_for_client(&mut ctx)
            .map_err(|e| refused("client_cert_engine", &e).context(format_args!("engine {id:?}")))?;
    }

    if let Some(algorithms) = &settings.certificate_compression {
        compression::set_algorithms(&mut ctx, algorithms)?;
    }

    if settings.post_handshake_auth {
        extra::set_context_post_handshake_auth(&mut ctx, true);
    }

    // 6. the key exchange
    if let Some(list) = &settings.sigalgs {
        ctx.set_sigalgs_list(&c_text("sigalgs", list)?).map_err(|e| refused_list("sigalgs", list, &e))?;
    }
    if let Some(list) = &settings.client_sigalgs {
        let list = c_text("client_sigalgs", list)?;
        sys::set_client_sigalgs(&mut ctx, &list).map_err(|e| refused_list("client_sigalgs", &list, &e))?;
    }
    if let Some(list) = settings.groups.as_deref().filter(|list| *list != "auto") {
        ctx.set_groups_list(&c_text("groups", list)?).map_err(|e| refused_groups(list, &e))?;
    }
    match &settings.dh {
        None if role == Role::Server && compat::DHE_NEEDS_NO_PARAMETERS => {
            sys::drop_dhe(&mut ctx).map_err(|e| refused("cipher_list", &e))?;
        }
        None => {}
        Some(DhChoice::Auto) => sys::set_dh_auto(&mut ctx).map_err(|e| refused("dhparam", &e))?,
        Some(DhChoice::Parameters(parameters)) => {
            warnings.extend(parameters.warning().map(str::to_owned));
            ctx.set_tmp_dh(parameters.dh()).map_err(|e| refused("dhparam", &e))?;
        }
    }

    // 7. protocols above
    if let (Role::Client, Some(protocols)) = (role, alpn.as_ref().filter(|p| !p.is_empty())) {
        ctx.set_alpn_protos(protocols.as_wire()).map_err(|e| refused("alpn", &e))?;
    }

    // 8. sessions and records
    if role == Role::Server {
        let session_id_context = match settings.session_id_context {
            Some(bytes) => check_session_id_context(bytes)?,
            None => default_session_id_context(settings.client_auth, trust.as_ref())?,
        };
        ctx.set_session_id_context(&session_id_context).map_err(|e| refused("session_id_context", &e))?;
    }
    if let Some(timeout) = settings.session_timeout {
        let seconds = i32::try_from(timeout.as_secs()).map_err(|_| {
            Error::config("session_timeout", "more than 2147483647 seconds").with_code("ERR_OUT_OF_RANGE")
        })?;
        sys::set_session_timeout(&mut ctx, seconds.into());
    }
    let listens = settings.session_listener.is_some() || client_sessions.is_some();
    let guarded = settings.replay_guard.is_some();
    let cache_mode = match (role, settings.session_cache) {
        (Role::Client, _) if listens => SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL,
        (Role::Server, _) if settings.session_store.is_some() => {
            // Tickets would be preferred to what the store keeps.
            ctx.set_options(SslOptions::NO_TICKET);
            SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL
        }
        // Where libssl remembers which tickets are out.
        (Role::Server, _) if settings.early_data > 0 && !guarded => SslSessionCacheMode::SERVER,
        (Role::Client, _) | (_, SessionCache::Off) => SslSessionCacheMode::OFF,
        (Role::Server, SessionCache::Internal) => SslSessionCacheMode::SERVER,
    };
    ctx.set_session_cache_mode(cache_mode);
    if settings.early_data > 0 {
        check_early_data(&range, settings.session_store.is_some() && !guarded)?;
        early_data::accept(&mut ctx, settings.early_data).map_err(|e| refused("early_data", &e))?;
        if guarded {
            ctx.set_options(early_data::NO_ANTI_REPLAY);
        } else if settings.ticket_keys.is_some() || settings.ticket_key_resolver.is_some() {
            warnings.push(EARLY_DATA_WITH_TICKET_KEYS.to_owned());
        }
    }
    if guarded && settings.early_data == 0 {
        return Err(Error::config("replay_guard", "there is no early data to guard: early_data is 0"));
    }
    if let Some(count) = settings.session_tickets {
        ctx.set_num_tickets(count).map_err(|e| refused("session_tickets", &e))?;
    }
    if let Some(bytes) = settings.max_send_fragment {
        match u16::try_from(bytes) {
            Ok(bytes @ 512..=16384) => {
                sys::set_max_send_fragment(&mut ctx, bytes).map_err(|e| refused("max_send_fragment", &e))?;
            }
            _ => {
                let text = format!("{bytes} is not within 512 to 16384 bytes");
                return Err(Error::config("max_send_fragment", text).with_code("ERR_OUT_OF_RANGE"));
            }
        }
    }

    if settings.request_ocsp {
        check_ocsp().map_err(|e| e.with_option("request_ocsp"))?;
        ocsp::ask_for_staple(&mut ctx).map_err(|e| refused("request_ocsp", &e))?;
    }
    let staples = settings.ocsp_source.is_some();
    if staples {
        check_ocsp().map_err(|e| e.with_option("ocsp_source"))?;
    }

    if let Some(hint) = settings.psk_hint.as_deref() {
        set_psk_hint(&mut ctx, hint)?;
    }

    // 9. the application's own step, then our hooks
    let foreign_callbacks = !settings.openssl.is_empty();
    for step in settings.openssl {
        step(&mut ctx).map_err(|e| refused("with_openssl", &e))?;
    }
    // Also what the application's step has added. A client compresses when it is asked for its certificate.
    if let (Role::Server, Some(algorithms)) = (role, &settings.certificate_compression) {
        warnings.extend(compression::compress(&mut ctx, algorithms));
    }
    if settings.early_data > 0 && !guarded && ctx.options().contains(early_data::NO_ANTI_REPLAY) {
        let text =
            "NO_ANTI_REPLAY lets everybody who has seen early data send it again: it needs a replay_guard";
        return Err(Error::config("early_data", text));
    }
    let mut slots = slots(role, settings.key_log.is_some(), settings.trace.is_some());
    slots.extend(settings.psk_source.is_some().then_some(Slot::PskClient));
    slots.extend(settings.psk_resolver.is_some().then_some(Slot::PskServer));
    let ticket_keys = match settings.ticket_keys {
        // libssl's own keys cannot stand beside those that a resolver finds.
        None if settings.ticket_key_resolver.is_some() => {
            Some(TicketKeys::random().map_err(|e| e.with_option("ticket_key_resolver"))?)
        }
        keys => keys,
    };
    slots.extend(ticket_keys.is_some().then_some(Slot::TicketKey));
    slots.extend((settings.early_data > 0).then_some(Slot::EarlyData));
    slots.extend(npn.is_some().then_some(match role {
        Role::Client => Slot::NpnClient,
        Role::Server => Slot::NpnServer,
    }));
    slots.extend((staples || settings.certificate_resolver.is_some()).then_some(Slot::Certificate));
    slots.extend(staples.then_some(Slot::Staple));
    slots.extend(listens.then_some(Slot::NewSession));
    if settings.session_store.is_some() {
        slots.extend([Slot::NewSession, Slot::FindSession]);
    }
    for slot in slots {
        slot.fill(&mut ctx);
    }

    Ok(Context {
        ssl: ctx.build(),
        role,
        alpn,
        alpn_mismatch: settings.alpn_mismatch,
        npn,
        server_verification: settings.server_verification,
        client_auth: settings.client_auth,
        identity_check: settings.identity_check.unwrap_or_else(|| Arc::new(check_server_identity)),
        min_dh_bits: settings.min_dh_bits.unwrap_or(MIN_DH_BITS),
        handshake_timeout: settings.handshake_timeout.unwrap_or(HANDSHAKE_TIMEOUT),
        renegotiation: settings.renegotiation,
        names,
        unknown_name: settings.unknown_name,
        resolver: settings.resolver,
        psk_resolver: settings.psk_resolver,
        psk_source: settings.psk_source,
        ocsp_source: settings.ocsp_source,
        unknown_psk_identity: settings.unknown_psk_identity,
        without_identity: settings.identities.is_empty() && settings.certificate_resolver.is_none(),
        alpn_resolver: settings.alpn_resolver,
        certificate_resolver: settings.certificate_resolver,
        certificate_compression: settings.certificate_compression,
        peer_verifier: settings.peer_verifier,
        ticket_keys,
        ticket_key_resolver: settings.ticket_key_resolver,
        session_store: settings.session_store,
        session_store_timeout: settings.session_store_timeout.unwrap_or(SESSION_STORE_TIMEOUT),
        session_listener: settings.session_listener,
        client_sessions,
        never_renegotiates: settings.secure_options.contains(SecureOptions::NO_RENEGOTIATION),
        early_data: settings.early_data,
        replay_guard: settings.replay_guard,
        key_log: settings.key_log,
        trust,
        max_send_fragment: settings.max_send_fragment.unwrap_or(MAX_SEND_FRAGMENT),
        trace: settings.trace,
        warnings: Arc::new(Warnings::new(warnings, ignored)),
        adopted: None,
        foreign_callbacks,
    })
}

/// The slots of libssl that a context of ours has filled.
fn slots(role: Role, key_log: bool, trace: bool) -> Vec<Slot> {
    let mut slots = vec![Slot::Info, Slot::Verify];
    if role == Role::Server {
        slots.extend([Slot::ClientHello, Slot::ServerName, Slot::Protocol]);
    }
    if key_log {
        slots.push(Slot::KeyLog);
    }
    if trace {
        slots.push(Slot::Message);
    }
    slots
}

/// The sessions that a client keeps. Where somebody wants to be asked anew for each connection, none unless told to.
fn choose_client_sessions(role: Role, settings: &Settings) -> Option<Arc<ClientSessionCache>> {
    let asks = settings.certificate_resolver.is_some()
        || settings.peer_verifier.is_some()
        || settings.psk_source.is_some();
    let hosts = settings.resumption_hosts.unwrap_or(if asks { 0 } else { HOSTS });
    (role == Role::Client && hosts > 0).then(|| Arc::new(ClientSessionCache::new(hosts)))
}

fn choose_versions(
    role: Role,
    versions: Option<VersionRange>,
    protocol: Option<SecureProtocol>,
) -> Result<VersionRange, Error> {
    let Some(protocol) = protocol else {
        let range = versions.unwrap_or_else(|| (DEFAULT_MIN..=ProtocolVersion::TLSv1_3).into());
        if range.is_empty() {
            return Err(Error::config("versions", format!("the range {range} has no version in it"))
                .with_code("ERR_TLS_INVALID_PROTOCOL_VERSION"));
        }
        return Ok(range);
    };
    if versions.is_some() {
        let text = format!("{} cannot stand together with versions", protocol.name());
        return Err(Error::config("secure_protocol", text).with_code("ERR_TLS_PROTOCOL_VERSION_CONFLICT"));
    }
    match (protocol.side(), role) {
        (MethodSide::Client, Role::Server) | (MethodSide::Server, Role::Client) => {
            let text = format!("{} is for the other side of a connection", protocol.name());
            Err(Error::config("secure_protocol", text).with_code("ERR_TLS_INVALID_PROTOCOL_METHOD"))
        }
        _ => Ok(protocol.versions(DEFAULT_MIN)),
    }
}

/// A cipher string of TLS 1.3 names only leaves nothing for older versions.
fn limit_by_ciphers(
    range: VersionRange,
    option: &'static str,
    list: Option<&CipherList>,
) -> Result<(VersionRange, &'static str), Error> {
    match list {
        Some(list) if list.legacy().is_empty() => {
            if !range.contains(ProtocolVersion::TLSv1_3) {
                return Err(Error::config(
                    "cipher_list",
                    format!("no suite of {range} is in {:?}", list.tls13()),
                )
                .with_code("ERR_SSL_NO_CIPHER_MATCH"));
            }
            Ok((ProtocolVersion::TLSv1_3.into(), "cipher_list"))
        }
        _ => Ok((range, option)),
    }
}

fn set_versions(
    ctx: &mut SslContextBuilder,
    range: &VersionRange,
    option: &'static str,
) -> Result<(), Error> {
    let oldest = [range.min(), range.max()].into_iter().flatten().min();
    if oldest == Some(ProtocolVersion::SSLv3) && !compat::HAS_SSLV3 {
        return Err(Error::unsupported(format!(
            "SSL 3.0 is not in {}: it needs OpenSSL 1.1.1 to 3.6 built with enable-ssl3 and enable-ssl3-method",
            openssl::version::version()
        ))
        .with_option(option));
    }
    if oldest == Some(ProtocolVersion::SSLv3) {
        ctx.clear_options(SslOptions::NO_SSLV3);
    }
    let version = |v: ProtocolVersion| match v {
        ProtocolVersion::SSLv3 => SslVersion::SSL3,
        ProtocolVersion::TLSv1_0 => SslVersion::TLS1,
        ProtocolVersion::TLSv1_1 => SslVersion::TLS1_1,
        ProtocolVersion::TLSv1_2 => SslVersion::TLS1_2,
        ProtocolVersion::TLSv1_3 => SslVersion::TLS1_3,
    };
    ctx.set_min_proto_version(range.min().map(version)).map_err(|e| refused(option, &e))?;
    ctx.set_max_proto_version(range.max().map(version)).map_err(|e| refused(option, &e))
}

fn choose_options(
    role: Role,
    wanted: &SecureOptions,
    preference: CipherPreference,
    renegotiation: crate::values::limit::RenegotiationPolicy,
) -> SecureOptions {
    let mut options = *wanted;
    if role == Role::Server && preference == CipherPreference::Server {
        options |= SecureOptions::CIPHER_SERVER_PREFERENCE;
    }
    if renegotiation.is_allowed() {
        options |= SecureOptions::ALLOW_CLIENT_RENEGOTIATION;
    } else if !wanted.contains(SecureOptions::ALLOW_CLIENT_RENEGOTIATION) {
        options |= SecureOptions::NO_RENEGOTIATION;
    }
    options
}

fn set_security_level(
    ctx: &mut SslContextBuilder,
    level: Option<u8>,
    list: Option<&CipherList>,
) -> Result<(), Error> {
    let Some(level) = level else { return Ok(()) };
    if level > 5 {
        return Err(Error::config("security_level", format!("{level} is not within 0 to 5"))
            .with_code("ERR_OUT_OF_RANGE"));
    }
    if let Some(other) = list.and_then(CipherList::security_level).filter(|other| *other != level) {
        let text = format!("{level} contradicts @SECLEVEL={other} in cipher_list");
        return Err(Error::config("security_level", text));
    }
    ctx.set_security_level(level.into());
    Ok(())
}

fn choose_npn(npn: Parsed<AlpnProtocols>) -> Result<Option<Arc<AlpnProtocols>>, Error> {
    let Some(protocols) = npn.transpose()?.filter(|protocols| !protocols.is_empty()) else { return Ok(None) };
    if !compat::HAS_NPN {
        let text = format!(
            "NPN is not in {}: it needs a build with enable-nextprotoneg",
            openssl::version::version()
        );
        return Err(Error::unsupported(text).with_option("npn"));
    }
    Ok(Some(Arc::new(protocols)))
}

/// From 3.0 on, TLS 1.1 and older work at level 0 only: their handshakes sign SHA-1.
fn check_level_for_versions(
    ctx: &mut SslContextBuilder,
    range: &VersionRange,
    option: &'static str,
) -> Result<(), Error> {
    let old_only = range.max().is_some_and(|max| max < ProtocolVersion::TLSv1_2);
    let level = sys::security_level(ctx);
    if old_only && level > 0 && compat::OLD_VERSIONS_NEED_LEVEL_0 {
        let text = format!(
            "{range} works at security level 0 only, and the level is {level}: add security_level(0), or @SECLEVEL=0 to \
             the cipher list"
        );
        return Err(Error::config(option, text).with_code("ERR_SSL_NO_PROTOCOLS_AVAILABLE"));
    }
    Ok(())
}

fn choose_trust(
    role: Role,
    trust: Option<TrustStore>,
    auth: ClientAuth,
) -> Result<Option<TrustStore>, Error> {
    match (role, trust) {
        (_, Some(trust)) => Ok(Some(trust)),
        (Role::Client, None) => TrustStore::system().map(Some),
        (Role::Server, None) if auth == ClientAuth::None => Ok(None),
        (Role::Server, None) => Err(Error::config(
            "trust",
            "client_auth needs the roots that the clients' certificates come from",
        )),
    }
}

fn set_verification(
    ctx: &mut SslContextBuilder,
    role: Role,
    trust: Option<&TrustStore>,
    auth: ClientAuth,
) -> Result<(), Error> {
    if let Some(trust) = trust {
        trust.store()?.install_on(ctx);
    }
    // On a client our own verify hook decides on what is bad, and the check after the handshake on what is missing.
    let mode = if role == Role::Client { SslVerifyMode::PEER } else { auth.mode() };
    ctx.set_verify(mode);
    if let (Role::Server, Some(trust)) = (role, trust) {
        ctx.set_client_ca_list(trust.subject_names()?);
    }
    Ok(())
}

fn set_verify_rules(
    ctx: &mut SslContextBuilder,
    trust: Option<&TrustStore>,
    crl_check: CrlCheck,
    depth: Option<u32>,
    flags: VerifyFlags,
    time: Option<SystemTime>,
) -> Result<(), Error> {
    let flags = effective_flags(flags, crl_check, trust.is_some_and(TrustStore::has_crls));
    let param = ctx.verify_param_mut();
    param.set_flags(flags).map_err(|e| refused("verify_flags", &e))?;
    if let Some(time) = time {
        param.set_time(seconds_since_1970("verify_time", time)?);
    }
    if let Some(depth) = depth {
        ctx.set_verify_depth(depth.min(i32::MAX as u32));
    }
    Ok(())
}

/// What libssl's protection against replays cannot stand together with, or is no use without.
fn check_early_data(versions: &VersionRange, has_session_store: bool) -> Result<(), Error> {
    if !versions.contains(ProtocolVersion::TLSv1_3) {
        return Err(Error::config(
            "early_data",
            format!("early data is for TLS 1.3, which is not within {versions}"),
        ));
    }
    if has_session_store {
        return Err(Error::config(
            "early_data",
            "with session_store it needs a replay_guard: a store that gives a session out twice would let everybody who has \
             seen early data send it again",
        ));
    }
    Ok(())
}

fn check_session_id_context(bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    match bytes.len() {
        1..=32 => Ok(bytes),
        n => Err(Error::config("session_id_context", format!("{n} bytes are not within 1 to 32"))
            .with_code("ERR_OUT_OF_RANGE")),
    }
}

/// A digest of what a client has to prove: a session that proved less must not be resumed here.
fn default_session_id_context(auth: ClientAuth, trust: Option<&TrustStore>) -> Result<Vec<u8>, Error> {
    let mut text = format!("patina-tls {auth:?}").into_bytes();
    if auth != ClientAuth::None
        && let Some(trust) = trust
    {
        text.extend(format!("{trust:?}").into_bytes());
        text.extend(trust.certificates().iter().flat_map(|c| c.der()));
    }
    let digest = hash(MessageDigest::sha256(), &text).map_err(|e| refused("session_id_context", &e))?;
    Ok(digest.to_vec())
}

/// libssl's limit is 128 bytes on 1.1.1 and 256 from 3.0 on: the lower one holds everywhere (RFC 4279 asks for 128).
fn set_psk_hint(ctx: &mut SslContextBuilder, hint: &str) -> Result<(), Error> {
    let failed =
        |text: String| Error::config("psk_hint", text).with_code("ERR_TLS_PSK_SET_IDENTITY_HINT_FAILED");
    if hint.is_empty() || hint.len() > IDENTITY_MAX {
        return Err(failed(format!("the hint has {} bytes; 1 to {IDENTITY_MAX} are allowed", hint.len())));
    }
    let text = CString::new(hint).map_err(|_| failed("a NUL byte cannot stand in it".to_owned()))?;
    psk::use_identity_hint(ctx, &text).map_err(|e| refused("psk_hint", &e))
}

/// libssl takes C strings: one with a NUL byte inside would be cut silently.
pub(super) fn c_text(option: &'static str, text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Err(Error::config(option, "the list is empty"));
    }
    if text.contains('\0') {
        return Err(Error::config(option, "a NUL byte cannot stand in it"));
    }
    Ok(text.to_owned())
}

/// What libssl refused, under the name of the option.
pub(super) fn refused(option: &'static str, stack: &ErrorStack) -> Error {
    stack_error(ErrorKind::Config, stack).with_option(option)
}

/// libssl says little or nothing about a list with an unknown name in it.
fn refused_groups(list: &str, stack: &ErrorStack) -> Error {
    match missing_group(list) {
        Some((group, since)) => {
            queue::clear();
            let text =
                format!("group {group} is not in {}: it needs OpenSSL {since}", openssl::version::version());
            Error::unsupported(text).with_option("groups")
        }
        None => refused_list("groups", list, stack),
    }
}

fn refused_list(option: &'static str, list: &str, stack: &ErrorStack) -> Error {
    if stack.errors().is_empty() {
        return Error::config(
            option,
            format!("libssl refuses {list:?}: a name in it is unknown or stands there twice"),
        );
    }
    refused(option, stack).context(format_args!("{list:?}"))
}
