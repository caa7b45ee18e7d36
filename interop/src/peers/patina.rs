//! This library, by its public interface.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use patina_tls::{
    AlpnMismatch, Client, ClientAuth, ClientConfig, ConfigBuilder, ConnectOptions, DhChoice, DhParameters,
    Error, Identity, KeyLogFile, KeyUpdate, Negotiated, OcspRequest, OcspVerifier, PreSharedKey,
    ProtocolVersion, PskHash, PskIdentity, RenegotiateOptions, RenegotiationPolicy, SecureOptions, Server,
    ServerConfig, ServerVerification, Session, SessionCache, Side as Role, StapleVerdict, TlsAcceptor,
    TlsConnector, TlsStream, TrustStore,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::case::{
    Case, EXPORTER_CONTEXT, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Step, Verify,
};
use crate::fixture::{self, Scratch};
use crate::peer::{Errors, Peer, Pending, Serving};
use crate::seen::{CLOSED_EARLY, Fact, Report, Seen, hex, key_log_lines, received, yes_no};
use crate::staple;
use crate::trouble::{Result, Trouble};

/// This library.
#[derive(Debug, Clone, Copy)]
pub struct Patina;

impl Peer for Patina {
    fn name(&self) -> &'static str {
        "patina"
    }

    fn title(&self) -> &'static str {
        "patina-tls itself"
    }

    fn version(&self) -> Pending<'_, String> {
        Box::pin(async { Ok(format!("{} on {}", env!("CARGO_PKG_VERSION"), openssl::version::version())) })
    }

    fn serve<'a>(&'a self, case: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let updates = KeyUpdates::default();
            let builder = updates.count(server_config(&case.server, &scratch)?, case);
            let acceptor = TlsAcceptor::new(builder.build()?);
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let case = case.clone();
            let task = tokio::spawn(async move {
                let mut report = Report::default();
                for number in 0..case.exchange.connections() {
                    let (tcp, _) = listener.accept().await?;
                    let mut seen = Seen::new();
                    match acceptor.accept(tcp).await {
                        Ok(tls) => {
                            drop(talk(tls, Side::Server, &case, number, &mut seen, &mut report.log).await?)
                        }
                        Err(error) => fail(&mut seen, &mut report.log, &error),
                    }
                    updates.tell(&case, &mut seen);
                    report.seen.push(seen);
                }
                report.key_log = Some(read_key_log(&scratch));
                Ok(report)
            });
            Ok(Box::new(Running { address, task: Some(task) }) as Box<dyn Serving>)
        })
    }

    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let scratch = Scratch::new()?;
            let updates = KeyUpdates::default();
            let builder = updates.count(client_config(&case.client, &scratch)?, case);
            let connector = TlsConnector::new(builder.build()?);
            let mut report = Report::default();
            let mut session: Option<Session> = None;
            for number in 0..case.exchange.connections() {
                let mut options = ConnectOptions::new("localhost").server_name(&case.client.server_name);
                if let Some(session) = session.take() {
                    options = options.session(session);
                }
                let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
                let mut seen = Seen::new();
                match connector.connect(options, tcp).await {
                    Ok(tls) => {
                        if case.client.asks_staple {
                            tell_status(&tls.negotiated(), &case.client, &mut seen)?;
                        }
                        session = talk(tls, Side::Client, case, number, &mut seen, &mut report.log).await?
                    }
                    Err(error) => fail(&mut seen, &mut report.log, &error),
                }
                updates.tell(case, &mut seen);
                report.seen.push(seen);
            }
            report.key_log = Some(read_key_log(&scratch));
            Ok(report)
        })
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        case.setup(side).legacy.then(|| "libssl always knows of secure renegotiation".into())
    }

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        let tells = |fact: &Fact| match fact {
            Fact::Sigalgs => side == Side::Server,
            Fact::PeerKey => keeps_peer_key(side, case.version()),
            Fact::Staple | Fact::Staples => side == Side::Client,
            Fact::StapleStatus => side == Side::Client && case.client.asks_staple,
            Fact::KeyUpdates => matches!(case.exchange, Exchange::UpdateKeys(_)),
            Fact::Exporter | Fact::ExporterWithContext | Fact::ServerName => {
                case.version() > ProtocolVersion::SSLv3
            }
            _ => true,
        };
        Fact::ALL.iter().copied().filter(tells).collect()
    }

    fn errors(&self) -> Errors {
        Errors::CodesAndAlerts
    }
}

struct Running {
    address: SocketAddr,
    task: Option<JoinHandle<Result<Report>>>,
}

impl Serving for Running {
    fn port(&self) -> u16 {
        self.address.port()
    }

    fn report(mut self: Box<Self>) -> Pending<'static, Report> {
        Box::pin(async move {
            match self.task.as_mut() {
                Some(task) => task.await.map_err(|e| Trouble::new(format!("the server panicked: {e}")))?,
                None => Err(Trouble::new("the server has been asked already")),
            }
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn trust(setup: &Setup) -> Result<Option<TrustStore>> {
    let Some(name) = &setup.trust else { return Ok(None) };
    let store = TrustStore::from_pem_file(fixture::pem(name)?)?;
    Ok(Some(match &setup.crl {
        Some(name) => store.with_crl_pem_file(fixture::crl(name)?)?,
        None => store,
    }))
}

fn common<S: Role>(
    mut builder: ConfigBuilder<S>,
    setup: &Setup,
    scratch: &Scratch,
) -> Result<ConfigBuilder<S>> {
    builder =
        builder.versions(setup.versions.0..=setup.versions.1).key_log(KeyLogFile::append(key_log(scratch))?);
    if let Some(list) = &setup.ciphers {
        builder = builder.cipher_list(list);
    }
    if let Some(list) = &setup.suites {
        builder = builder.cipher_suites(list);
    }
    if let Some(list) = &setup.groups {
        builder = builder.groups(list);
    }
    if let Some(list) = &setup.sigalgs {
        builder = builder.sigalgs(list);
    }
    for name in &setup.identities {
        let files = fixture::Identity::named(name, setup.chain)?;
        builder = builder.identity(Identity::from_pem_files(files.chain, files.key)?);
    }
    if let Some(trust) = trust(setup)? {
        builder = builder.trust(trust);
    }
    if !setup.alpn.is_empty() {
        builder = builder.alpn(&setup.alpn);
    }
    if !setup.npn.is_empty() {
        builder = builder.npn(&setup.npn);
    }
    if !setup.tickets {
        builder = builder.secure_options(SecureOptions::NO_TICKET);
    }
    if let Some(names) = &setup.options {
        builder = builder.secure_options(SecureOptions::parse(names)?);
    }
    if let Some(limit) = setup.renegotiations {
        builder = builder.renegotiation(RenegotiationPolicy::limit(limit));
    }
    Ok(builder)
}

fn client_config(setup: &Setup, scratch: &Scratch) -> Result<ConfigBuilder<Client>> {
    let verification = match setup.verify {
        Verify::Require => ServerVerification::Require,
        Verify::Never | Verify::Report => ServerVerification::InsecureReport,
    };
    let mut builder = common(ClientConfig::builder(), setup, scratch)?
        .server_verification(verification)
        .request_ocsp(setup.asks_staple)
        .post_handshake_auth(setup.post_handshake_auth);
    if let Some((identity, key)) = &setup.psk {
        builder = builder.psk(PskIdentity::new(identity.as_str())?, psk(setup, key)?);
    }
    Ok(builder)
}

fn server_config(setup: &Setup, scratch: &Scratch) -> Result<ConfigBuilder<Server>> {
    let mut builder: ConfigBuilder<Server> = common(ServerConfig::builder(), setup, scratch)?;
    builder = builder.client_auth(match setup.verify {
        Verify::Never => ClientAuth::None,
        Verify::Report => ClientAuth::Request,
        Verify::Require => ClientAuth::Require,
    });
    match setup.dh.as_deref() {
        None => {}
        Some("auto") => builder = builder.dhparam(DhChoice::Auto),
        Some(name) => builder = builder.dhparam(DhParameters::from_pem_file(fixture::dh(name)?)?),
    }
    if let Some((identity, key)) = &setup.psk {
        let (known, key) = (PskIdentity::new(identity.as_str())?, psk(setup, key)?);
        builder = builder.psk_resolver(move |asked: PskIdentity| {
            let found = (asked == known).then(|| key.clone());
            Box::pin(async move { Ok(found) })
        });
    }
    if let Some(file) = staple::file(setup)? {
        let response = std::fs::read(file)?;
        builder = builder.ocsp_source(move |_: OcspRequest| {
            let response = response.clone();
            async move { Ok(Some(response)) }
        });
    }
    if setup.alpn_ignore {
        builder = builder.alpn_mismatch(AlpnMismatch::Ignore);
    }
    if !setup.tickets {
        builder = builder.session_cache(SessionCache::Internal);
    }
    for (pattern, name) in &setup.names {
        let own = Setup { identities: vec![name.clone()], names: vec![], ..setup.clone() };
        builder = builder.server_name(pattern, server_config(&own, scratch)?.build()?);
    }
    Ok(builder)
}

/// How often the peer's KeyUpdate has come, by the trace of the messages.
#[derive(Debug, Clone, Default)]
struct KeyUpdates(Arc<(AtomicBool, AtomicUsize)>);

impl KeyUpdates {
    fn count<S: Role>(&self, builder: ConfigBuilder<S>, case: &Case) -> ConfigBuilder<S> {
        if !matches!(case.exchange, Exchange::UpdateKeys(_)) {
            return builder;
        }
        let seen = Arc::clone(&self.0);
        builder.message_trace(move |text: &str| {
            let (is_received, count) = &*seen;
            // The direction stands before the record, and the message within it.
            if text.starts_with("Received") || text.starts_with("Sent") {
                is_received.store(text.starts_with("Received"), Ordering::Relaxed);
            }
            if text.contains("KeyUpdate") && is_received.load(Ordering::Relaxed) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    fn tell(&self, case: &Case, seen: &mut Seen) {
        if matches!(case.exchange, Exchange::UpdateKeys(_)) {
            seen.tell(Fact::KeyUpdates, self.0.1.load(Ordering::Relaxed).to_string());
        }
    }
}

/// A key for the suites that are set: under TLS 1.3 it has the hash of its suite.
fn psk(setup: &Setup, key: &str) -> Result<PreSharedKey> {
    let is_long = setup.suites.as_ref().is_some_and(|list| list.contains("SHA384"));
    Ok(PreSharedKey::from_hex(key)?.with_hash(if is_long { PskHash::Sha384 } else { PskHash::Sha256 }))
}

fn key_log(scratch: &Scratch) -> std::path::PathBuf {
    scratch.file("keys.log")
}

fn read_key_log(scratch: &Scratch) -> std::collections::BTreeSet<String> {
    key_log_lines(&std::fs::read_to_string(key_log(scratch)).unwrap_or_default())
}

/// Does the steps of the case, and gives the session that could be resumed then.
async fn talk(
    mut tls: TlsStream<TcpStream>,
    side: Side,
    case: &Case,
    number: usize,
    seen: &mut Seen,
    log: &mut String,
) -> Result<Option<Session>> {
    tell(&tls.negotiated(), side, seen)?;
    let expected = case.expected(side, number).len();
    let mut data = Vec::with_capacity(expected);
    for step in case.steps(side, number) {
        let done = match step {
            Step::Renegotiate => {
                let mut done = Ok(());
                for _ in 0..case.exchange.renegotiations() {
                    if done.is_ok() {
                        done = tls.renegotiate(RenegotiateOptions::new()).await;
                    }
                }
                done.map_err(std::io::Error::from)
            }
            Step::UpdateKeys => tls.update_keys(KeyUpdate::Both).await.map_err(std::io::Error::from),
            Step::Authenticate => {
                let done = tls.authenticate_client(ClientAuth::Require).await;
                if done.is_ok() {
                    tell_peer(&tls.negotiated(), seen)?;
                }
                done.map_err(std::io::Error::from)
            }
            Step::Send if side == Side::Client && case.traffic.is_echoed => {
                let (mut reader, mut writer) = tokio::io::split(&mut tls);
                let payload = case.payload(side);
                let send = async {
                    writer.write_all(&payload).await?;
                    writer.flush().await
                };
                tokio::try_join!(send, receive(&mut reader, &mut data, expected)).map(drop)
            }
            Step::Send => {
                let sent = tls.write_all(&case.payload(side)).await;
                if sent.is_ok() { tls.flush().await } else { sent }
            }
            Step::Receive => receive(&mut tls, &mut data, expected).await,
            Step::ReadEnd => match tls.read_to_end(&mut data).await {
                Ok(_) => {
                    seen.tell(Fact::End, "close-notify");
                    Ok(())
                }
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                    seen.tell(Fact::End, "cut");
                    Ok(())
                }
                Err(e) => Err(e),
            },
            // A peer that has closed already need not wait for the answer.
            Step::Close => tls.shutdown().await.or_else(|e| if is_gone(&e) { Ok(()) } else { Err(e) }),
            Step::Cut => {
                drop(tls);
                seen.tell(Fact::Received, received(&data));
                return Ok(None);
            }
        };
        if step == Step::Receive && done.is_ok() && data.len() < expected {
            seen.error = Some(CLOSED_EARLY.into());
            break;
        }
        if let Err(error) = done {
            match Error::from_io(&error) {
                Some(error) => fail(seen, log, error),
                None => return Err(Trouble::from(error).context("an error without the library's own in it")),
            }
            break;
        }
    }
    seen.tell(Fact::Received, received(&data));
    let facts = tls.negotiated();
    if seen.error.is_none() && case.exchange.renegotiations() > 0 {
        // Those of the last handshake.
        seen.tell(Fact::Finished, hex(&facts.finished()));
        seen.tell(Fact::PeerFinished, hex(&facts.peer_finished()));
    }
    Ok(facts.session())
}

async fn receive(
    tls: &mut (impl AsyncRead + Unpin),
    data: &mut Vec<u8>,
    expected: usize,
) -> std::io::Result<()> {
    while data.len() < expected && tls.read_buf(data).await? > 0 {}
    Ok(())
}

/// Until TLS 1.3 libssl forgets the client's key within the handshake.
fn keeps_peer_key(side: Side, version: ProtocolVersion) -> bool {
    side == Side::Client || version >= ProtocolVersion::TLSv1_3
}

fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

fn fail(seen: &mut Seen, log: &mut String, error: &Error) {
    seen.error = Some(error.code().to_owned());
    seen.alert = error.alert().map(|alert| alert.to_string());
    log.push_str(&format!("{error:?}\n"));
}

fn tell(facts: &Negotiated<'_>, side: Side, seen: &mut Seen) -> Result<()> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let cipher = facts.cipher_suite();
    seen.tell(Fact::Version, facts.version().name());
    seen.tell(Fact::Cipher, cipher.name());
    seen.tell(Fact::StandardName, cipher.standard_name());
    seen.tell(Fact::CipherVersion, cipher.version());
    seen.tell(Fact::Alpn, facts.alpn().map(text).unwrap_or_default());
    let key = facts.ephemeral_key().map(|key| {
        let words =
            [Some(key.kind().to_owned()), key.name().map(str::to_owned), Some(key.size().to_string())];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    if keeps_peer_key(side, facts.version()) {
        seen.tell(Fact::PeerKey, key.unwrap_or_default());
    }
    if side == Side::Server {
        seen.tell(Fact::Sigalgs, facts.shared_sigalgs().join(":"));
    }
    seen.tell(Fact::Npn, facts.npn().map(text).unwrap_or_default());
    if side == Side::Client {
        let staple = facts.ocsp_response();
        seen.tell(Fact::Staples, usize::from(staple.is_some()).to_string());
        seen.tell(Fact::Staple, staple.map(|der| hex(&openssl::sha::sha256(&der))).unwrap_or_default());
    }
    tell_peer(facts, seen)?;
    seen.tell(Fact::OwnCertificate, facts.own_certificate().map(|c| c.fingerprint256()).unwrap_or_default());
    seen.tell(Fact::Finished, hex(&facts.finished()));
    seen.tell(Fact::PeerFinished, hex(&facts.peer_finished()));
    let exported = |context| facts.export_keying_material(EXPORTER_LENGTH, EXPORTER_LABEL, context);
    // SSL 3.0 has neither, nor extensions: a client has asked for its name in vain.
    if facts.version() > ProtocolVersion::SSLv3 {
        seen.tell(Fact::ServerName, facts.server_name().unwrap_or_default());
        seen.tell(Fact::Exporter, hex(&exported(None)?));
        seen.tell(Fact::ExporterWithContext, hex(&exported(Some(EXPORTER_CONTEXT.as_bytes()))?));
    }
    seen.tell(Fact::Reused, yes_no(facts.session_reused()));
    seen.tell(Fact::ExtendedMasterSecret, yes_no(facts.extended_master_secret()));
    seen.tell(Fact::SecureRenegotiation, yes_no(facts.secure_renegotiation()));
    Ok(())
}

/// Who the peer is, and whether it has proved it.
fn tell_peer(facts: &Negotiated<'_>, seen: &mut Seen) -> Result<()> {
    let peer = facts.peer_certificate();
    seen.tell(Fact::PeerCertificate, peer.as_ref().map(|c| c.fingerprint256()).unwrap_or_default());
    seen.tell(Fact::PeerObject, peer.as_ref().map(serde_json::to_string).transpose()?.unwrap_or_default());
    seen.tell(Fact::Authorized, yes_no(facts.authorized()));
    seen.tell(Fact::AuthorizationError, facts.authorization_error().unwrap_or_default());
    Ok(())
}

/// What the stapled response says of the server's certificate, by this library's verdict.
fn tell_status(facts: &Negotiated<'_>, setup: &Setup, seen: &mut Seen) -> Result<()> {
    let trust = trust(setup)?.ok_or_else(|| Trouble::new("a response is judged by roots"))?;
    let status = match OcspVerifier::new(trust).judge(facts) {
        StapleVerdict::Good(_) => "good".to_owned(),
        StapleVerdict::Revoked(_) => "revoked".to_owned(),
        StapleVerdict::Missing { .. } => String::new(),
        other => format!("{other:?}"),
    };
    seen.tell(Fact::StapleStatus, status);
    Ok(())
}
