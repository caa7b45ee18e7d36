//! What the flags expect of a connection.

use openssl::x509::X509;
use patina_tls::ext::SslRefExt;
use patina_tls::{EarlyDataStatus, ProtocolVersion, Session, TlsEngine};

use super::flag::Flags;
use super::setup::Seen;
use super::{Result, algorithm, failed, flag, unimplemented};

/// The length of a Finished message of TLS 1.0 to TLS 1.2.
const FINISHED: usize = 12;

/// Just after the handshake. `ticket` is that of the session that was offered.
pub(super) fn handshake(
    flags: &Flags,
    engine: &TlsEngine,
    seen: &Seen,
    is_resume: bool,
    ticket: Option<&[u8]>,
) -> Result<()> {
    let facts = engine.negotiated();
    if let Some(expected) = flags.expect_version
        && facts.version().code() != expected
    {
        return failed(format!("the version is {}, not 0x{expected:04x}", facts.version()));
    }
    if facts.session_reused() != (is_resume && !flags.expect_session_miss) {
        return failed(match facts.session_reused() {
            true => "the session was resumed",
            false => "the session was not resumed",
        });
    }
    sessions(flags, engine, is_resume, ticket)?;
    match (flags.parameters.expect_hrr, seen.retry()) {
        (Some(_), None) => return unimplemented("this libssl does not describe its messages"),
        (Some(expected), Some(retry)) if expected != retry => {
            return failed("there was a HelloRetryRequest, or none, unlike expected");
        }
        _ => {}
    }
    names(flags, engine, seen)?;
    parameters(flags, engine)?;
    identities(flags, engine)
}

/// What became of early data.
pub(super) fn early_data(flags: &Flags, engine: &TlsEngine) -> Result<()> {
    let status = engine.negotiated().early_data_status();
    match flags.expect_early_data {
        // BoringSSL's servers do not tell data that was passed over from none.
        Some(EarlyDataStatus::Rejected) if flags.parameters.server && status == EarlyDataStatus::NotSent => {
            Ok(())
        }
        Some(expected) if expected != status => failed(format!("early data: {status:?}, not {expected:?}")),
        _ => Ok(()),
    }
}

/// Before TLS 1.3 a client has its session with the handshake.
fn sessions(flags: &Flags, engine: &TlsEngine, is_resume: bool, ticket: Option<&[u8]>) -> Result<()> {
    let facts = engine.negotiated();
    if flags.parameters.server || facts.version() >= ProtocolVersion::TLSv1_3 {
        return Ok(());
    }
    let new = if facts.session_reused() {
        fresh_ticket(engine, ticket).is_some()
    } else {
        resumable(engine).is_some()
    };
    let expected = !flags.expect_no_session && (!facts.session_reused() || flags.expect_ticket_renewal);
    if new != expected {
        return failed(if new { "there is a new session" } else { "there is no new session" });
    }
    if !is_resume && ((flags.expect_session_id && !new) || (flags.expect_no_session_id && new)) {
        return failed("the session has an id, or none, unlike expected");
    }
    Ok(())
}

fn resumable(engine: &TlsEngine) -> Option<Session> {
    engine.negotiated().session().filter(Session::is_resumable)
}

/// The session, if it has a ticket other than the one that was offered.
fn fresh_ticket(engine: &TlsEngine, offered: Option<&[u8]>) -> Option<Session> {
    resumable(engine).filter(|session| session.ticket().is_some_and(|ticket| Some(ticket) != offered))
}

fn names(flags: &Flags, engine: &TlsEngine, seen: &Seen) -> Result<()> {
    let facts = engine.negotiated();
    let server_name = facts.server_name();
    if let Some(expected) = &flags.expect_server_name
        && server_name != Some(expected)
    {
        return failed(format!("the server name is {server_name:?}"));
    }
    if let Some(expected) = &flags.expect_next_proto
        && facts.npn().unwrap_or_default() != expected
    {
        return failed(format!("the protocol by NPN is {:?}", facts.npn()));
    }
    let expected = if flags.parameters.server { &flags.parameters.select_alpn } else { &flags.expect_alpn };
    if facts.alpn() != expected.as_deref().filter(|name| !name.is_empty()) {
        return failed(format!("the protocol by ALPN is {:?}", facts.alpn()));
    }
    match (&flags.parameters.expect_advertised_alpn, seen.alpn()) {
        (Some(expected), offered) if offered.as_ref() != Some(expected) => {
            failed(format!("the client has offered {offered:?}"))
        }
        _ => Ok(()),
    }
}

fn parameters(flags: &Flags, engine: &TlsEngine) -> Result<()> {
    let (facts, ssl) = (engine.negotiated(), engine.as_openssl());
    if flags.expect_extended_master_secret && !facts.extended_master_secret() {
        return failed("there is no extended master secret");
    }
    // BoringSSL counts TLS 1.3 among those that have it.
    let secure = facts.secure_renegotiation() || facts.version() >= ProtocolVersion::TLSv1_3;
    if flags.expect_secure_renegotiation.is_some_and(|expected| expected != secure) {
        return failed("secure renegotiation is there, or not, unlike expected");
    }
    if let Some(expected) = flags.expect_cipher
        && facts.cipher_suite().id() != expected
    {
        return failed(format!("the suite is {}, not 0x{expected:04x}", facts.cipher_suite()));
    }
    if let Some(expected) = flags.expect_peer_signature_algorithm {
        let (kind, hash) = (ssl.peer_signature_type(), ssl.peer_signature_digest());
        match algorithm::is_signature(expected, kind, hash) {
            Some(true) => {}
            _ if facts.session_reused() => {
                return unimplemented("a resumed session does not say how the peer had signed");
            }
            Some(false) => return failed(format!("the peer has signed with {kind:?} and {hash:?}")),
            None => return unimplemented(format!("the signature algorithm 0x{expected:04x}")),
        }
    }
    if let Some(expected) = flags.expect_curve {
        let name = ssl.negotiated_group()?.unwrap_or_default();
        match algorithm::is_group(expected, &name) {
            Some(true) => {}
            Some(false) => return failed(format!("the group is {name:?}, not 0x{expected:04x}")),
            None => return unimplemented(format!("the group 0x{expected:04x}")),
        }
    }
    Ok(())
}

fn identities(flags: &Flags, engine: &TlsEngine) -> Result<()> {
    let (facts, ssl) = (engine.negotiated(), engine.as_openssl());
    let certificate = facts.peer_certificate();
    match (&flags.parameters.psk, &certificate) {
        (Some(_), Some(_)) => return failed("a certificate came with a pre-shared key"),
        (None, None) if !flags.parameters.server || flags.parameters.require_client_certificate => {
            return failed("the peer has shown no certificate");
        }
        _ => {}
    }
    if let Some(path) = &flags.expect_peer_cert_file {
        let expected = X509::stack_from_pem(&std::fs::read(path)?)?;
        let expected: Vec<Vec<u8>> =
            expected.iter().map(|x509| x509.to_der()).collect::<std::result::Result<_, _>>()?;
        let seen: Vec<Vec<u8>> = facts.peer_chain().iter().map(|certificate| certificate.der()).collect();
        if seen != expected {
            return failed("the peer's chain is another one");
        }
    }
    if let Some(expected) = &flags.expect_ocsp_response
        && facts.ocsp_response().as_deref() != Some(expected)
    {
        return match facts.session_reused() {
            true => unimplemented("a resumed session does not have the OCSP response"),
            false => failed("the OCSP response is another one, or none came"),
        };
    }
    if let Some(list) = &flags.expect_client_ca_list {
        let names = ssl.peer_ca_list().into_iter().flatten();
        let seen = names.map(|name| name.to_der()).collect::<std::result::Result<Vec<_>, _>>()?;
        if seen != flag::ders(list)? {
            return failed("the authorities that the server has named are other ones");
        }
    }
    Ok(())
}

/// The first Finished message of the handshake (RFC 5929 section 3).
pub(super) fn tls_unique(flags: &Flags, engine: &TlsEngine) -> Result<Vec<u8>> {
    let facts = engine.negotiated();
    // The client's comes first, but for a session that is resumed.
    let unique = if flags.parameters.server == facts.session_reused() {
        facts.finished()
    } else {
        facts.peer_finished()
    };
    // Without an extended master secret a resumed one is not bound to its connection (RFC 7627 section 6.3).
    let bound = !facts.session_reused() || facts.extended_master_secret();
    if unique.len() != FINISHED || facts.version() >= ProtocolVersion::TLSv1_3 || !bound {
        return failed("there is no tls-unique");
    }
    Ok(unique)
}

/// After the data: the session that the connection has given.
pub(super) fn new_session(
    flags: &Flags,
    engine: &TlsEngine,
    ticket: Option<&[u8]>,
) -> Result<Option<Session>> {
    if flags.parameters.server {
        return Ok(None);
    }
    if engine.negotiated().version() < ProtocolVersion::TLSv1_3 {
        return Ok(resumable(engine));
    }
    let session = fresh_ticket(engine, ticket);
    let expected = !flags.expect_no_session && !flags.shim_shuts_down;
    match (&session, expected) {
        (Some(_), false) => failed("a ticket came"),
        (None, true) => failed("no ticket came"),
        (Some(session), true)
            if (session.max_early_data() > 0) != flags.expect_ticket_supports_early_data =>
        {
            failed(format!("the ticket is good for {} bytes of early data", session.max_early_data()))
        }
        _ => Ok(session),
    }
}

/// At the end.
pub(super) fn end(flags: &Flags, engine: &TlsEngine) -> Result<()> {
    let count = engine.as_openssl().total_renegotiations();
    if count != flags.expect_total_renegotiations {
        return failed(format!("{count} renegotiations"));
    }
    Ok(())
}
