//! rustls with the provider ring, in this process.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::hash::MessageDigest;
use openssl::x509::X509;
use patina_tls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::client::{Resumption, Tls12Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName,
};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    self, ClientConfig, ConnectionCommon, HandshakeKind, KeyLog, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::suites;
use crate::case::{
    Case, EXPORTER_CONTEXT, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Setup, Side, Step, Verify,
};
use crate::fixture::{self, Identity};
use crate::peer::{Errors, Peer, Pending, Serving};
use crate::seen::{CLOSED_EARLY, Fact, Report, Seen, hex, received, yes_no};
use crate::trouble::{Result, Trouble};

/// rustls.
#[derive(Debug, Clone, Copy)]
pub struct Rustls;

impl Peer for Rustls {
    fn name(&self) -> &'static str {
        "rustls"
    }

    fn title(&self) -> &'static str {
        "rustls"
    }

    fn version(&self) -> Pending<'_, String> {
        Box::pin(async {
            // It does not say; what it was built from does.
            let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
            let package = lock.split_once("name = \"rustls\"\nversion = \"").map(|(_, rest)| rest);
            let version = package.and_then(|rest| rest.split('"').next());
            version
                .map(|version| format!("rustls {version} with ring"))
                .ok_or_else(|| Trouble::new("rustls is not built in"))
        })
    }

    fn serve<'a>(&'a self, case: &'a Case) -> Pending<'a, Box<dyn Serving>> {
        Box::pin(async move {
            let keys = Arc::new(Keys::default());
            let acceptor = TlsAcceptor::from(Arc::new(server_config(case, Arc::clone(&keys))?));
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let case = case.clone();
            let task = tokio::spawn(async move {
                let mut report = Report::default();
                for number in 0..case.exchange.connections() {
                    let (tcp, _) = listener.accept().await?;
                    let mut seen = Seen::new();
                    match acceptor.accept(tcp).await {
                        Ok(mut tls) => {
                            let connection = tls.get_ref().1;
                            facts(connection, &mut seen)?;
                            seen.tell(Fact::ServerName, connection.server_name().unwrap_or_default());
                            talk(&mut tls, Side::Server, &case, number, &mut seen).await;
                        }
                        Err(error) => fail(&mut seen, &error),
                    }
                    report.seen.push(seen);
                }
                finish(&mut report, &keys, &case);
                Ok(report)
            });
            Ok(Box::new(Running { address, task }) as Box<dyn Serving>)
        })
    }

    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report> {
        Box::pin(async move {
            let keys = Arc::new(Keys::default());
            let connector = TlsConnector::from(Arc::new(client_config(case, Arc::clone(&keys))?));
            let name = ServerName::try_from(case.client.server_name.clone()).map_err(trouble)?;
            let mut report = Report::default();
            for number in 0..case.exchange.connections() {
                let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
                let mut seen = Seen::new();
                match connector.connect(name.clone(), tcp).await {
                    Ok(mut tls) => {
                        facts(tls.get_ref().1, &mut seen)?;
                        talk(&mut tls, Side::Client, case, number, &mut seen).await;
                    }
                    Err(error) => fail(&mut seen, &error),
                }
                report.seen.push(seen);
            }
            finish(&mut report, &keys, case);
            Ok(report)
        })
    }

    fn tells(&self, side: Side, case: &Case) -> Vec<Fact> {
        use Fact as F;
        let mut facts = vec![
            F::Version,
            F::StandardName,
            F::Alpn,
            F::PeerCertificate,
            F::Reused,
            F::Exporter,
            F::ExporterWithContext,
            F::Received,
        ];
        facts.extend((side == Side::Server).then_some(F::ServerName));
        facts.extend((!case.exchange.steps(side).contains(&Step::Cut)).then_some(F::End));
        facts
    }

    fn errors(&self) -> Errors {
        Errors::OwnWords
    }

    fn lacks(&self, side: Side, case: &Case) -> Option<String> {
        let setup = case.setup(side);
        let why = if case.exchange.renegotiations() > 0 {
            "it never renegotiates"
        } else if setup.legacy || setup.options.is_some() {
            "it has no such options"
        } else if setup.versions.1 < ProtocolVersion::TLSv1_2 {
            "it begins with TLS 1.2"
        } else if setup.psk.is_some() {
            "it has no pre-shared keys"
        } else if setup.sigalgs.is_some() {
            "it lets nobody choose signature algorithms"
        } else if side == Side::Client && setup.verify != Verify::Require {
            "a certificate that is not good needs a verifier of one's own"
        } else if side == Side::Server && setup.verify == Verify::Report && !case.client.identities.is_empty()
        {
            "a certificate that it asks for must be good"
        } else if side == Side::Server && setup.identities.is_empty() {
            "a server needs a certificate"
        } else if side == Side::Server && setup.identities.len() > 1 {
            "a choice by kind of certificate is the application's"
        } else if side == Side::Server && !setup.chain {
            "it sends the certificates it was given"
        } else if setup.ciphers.as_ref().is_some_and(|list| list.contains("DHE-") && !list.contains("ECDHE-"))
        {
            "it has no DHE"
        } else if provider(setup).is_none() {
            "it has none of these suites or groups"
        } else if certificates(case).any(|name| ["-pss", "-dsa"].iter().any(|kind| name.ends_with(kind))) {
            "it has no certificates of such keys"
        } else {
            return None;
        };
        Some(why.into())
    }
}

/// The certificates that must be read on either side.
fn certificates(case: &Case) -> impl Iterator<Item = &String> {
    case.client.identities.iter().chain(&case.server.identities)
}

/// What it can do of suites and groups; `None` for nothing.
fn provider(setup: &Setup) -> Option<CryptoProvider> {
    let mut provider = ring::default_provider();
    for (list, is_tls13) in [(&setup.suites, true), (&setup.ciphers, false)] {
        if let Some(names) = list.as_deref().and_then(suites::iana_names) {
            let place = |suite: &rustls::SupportedCipherSuite| {
                let own = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
                if suite.tls13().is_some() == is_tls13 {
                    names.iter().position(|name| *name == own)
                } else {
                    Some(0)
                }
            };
            provider.cipher_suites.retain(|suite| place(suite).is_some());
            provider.cipher_suites.sort_by_key(place);
        }
    }
    if let Some(groups) = &setup.groups {
        let wanted = groups.split(':').map(|name| name.to_lowercase().replace("p-", "secp") + "r1");
        let wanted: Vec<String> = wanted.map(|name| name.replace("x25519r1", "x25519")).collect();
        provider.kx_groups.retain(|group| wanted.contains(&format!("{:?}", group.name()).to_lowercase()));
    }
    let versions = versions(setup);
    let has_suite = |suite: &rustls::SupportedCipherSuite| versions.contains(&suite.version());
    (provider.cipher_suites.iter().any(has_suite) && !provider.kx_groups.is_empty()).then_some(provider)
}

fn versions(setup: &Setup) -> Vec<&'static SupportedProtocolVersion> {
    let wanted = setup.versions.0..=setup.versions.1;
    let all = [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ];
    all.iter().filter(|(_, version)| wanted.contains(version)).map(|(own, _)| *own).collect()
}

fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble::new(error.to_string())
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file)
        .map_err(trouble)?
        .collect::<std::result::Result<_, _>>()
        .map_err(trouble)
}

fn roots(setup: &Setup) -> Result<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    if let Some(name) = &setup.trust {
        for certificate in chain(&fixture::pem(name)?)? {
            store.add(certificate).map_err(trouble)?;
        }
    }
    Ok(Arc::new(store))
}

fn lists(setup: &Setup) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let Some(name) = &setup.crl else { return Ok(vec![]) };
    let read = CertificateRevocationListDer::from_pem_file(fixture::crl(name)?);
    Ok(vec![read.map_err(trouble)?])
}

fn identity(name: &str, setup: &Setup) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let files = Identity::named(name, setup.chain)?;
    Ok((chain(&files.chain)?, PrivateKeyDer::from_pem_file(files.key).map_err(trouble)?))
}

fn protocols(setup: &Setup) -> Vec<Vec<u8>> {
    setup.alpn.iter().map(|name| name.clone().into_bytes()).collect()
}

fn client_config(case: &Case, keys: Arc<Keys>) -> Result<ClientConfig> {
    let setup = &case.client;
    let provider = Arc::new(provider(setup).ok_or_else(|| Trouble::new("nothing is left"))?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(setup)?, Arc::clone(&provider))
        .with_crls(lists(setup)?)
        .build()
        .map_err(trouble)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(setup))
        .map_err(trouble)?
        .with_webpki_verifier(verifier);
    let mut config = match setup.identities.first() {
        Some(name) => {
            let (chain, key) = identity(name, setup)?;
            builder.with_client_auth_cert(chain, key).map_err(trouble)?
        }
        None => builder.with_no_client_auth(),
    };
    let kind =
        if setup.tickets { Tls12Resumption::SessionIdOrTickets } else { Tls12Resumption::SessionIdOnly };
    config.resumption = Resumption::in_memory_sessions(8).tls12_resumption(kind);
    config.alpn_protocols = protocols(setup);
    config.key_log = keys;
    Ok(config)
}

fn server_config(case: &Case, keys: Arc<Keys>) -> Result<ServerConfig> {
    let setup = &case.server;
    let provider = Arc::new(provider(setup).ok_or_else(|| Trouble::new("nothing is left"))?);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(setup))
        .map_err(trouble)?;
    let verifier = || {
        Ok::<_, Trouble>(
            WebPkiClientVerifier::builder_with_provider(roots(setup)?, Arc::clone(&provider))
                .with_crls(lists(setup)?),
        )
    };
    let builder = match setup.verify {
        Verify::Never => builder.with_no_client_auth(),
        Verify::Report => {
            builder.with_client_cert_verifier(verifier()?.allow_unauthenticated().build().map_err(trouble)?)
        }
        Verify::Require => builder.with_client_cert_verifier(verifier()?.build().map_err(trouble)?),
    };
    let certified = |name: &str| {
        let (chain, key) = identity(name, setup)?;
        Ok::<_, Trouble>(Arc::new(CertifiedKey::new(
            chain,
            provider.key_provider.load_private_key(key).map_err(trouble)?,
        )))
    };
    let default = setup.identities.first().map(|name| certified(name)).transpose()?;
    let names = setup.names.iter().map(|(pattern, name)| Ok((pattern.clone(), certified(name)?)));
    let names = names.collect::<Result<_>>()?;
    let mut config = builder.with_cert_resolver(Arc::new(Names { default, names }));
    config.ignore_client_order = true;
    if setup.tickets {
        config.ticketer = ring::Ticketer::new().map_err(trouble)?;
    }
    config.alpn_protocols = protocols(setup);
    config.key_log = keys;
    Ok(config)
}

/// The certificate by the name that was asked for.
#[derive(Debug)]
struct Names {
    default: Option<Arc<CertifiedKey>>,
    names: Vec<(String, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default();
        let fits = |pattern: &str| match pattern.strip_prefix('*') {
            Some(suffix) => asked.strip_suffix(suffix).is_some_and(|label| !label.contains('.')),
            None => asked == pattern,
        };
        let named = self.names.iter().find(|(pattern, _)| fits(pattern)).map(|(_, key)| key);
        named.or(self.default.as_ref()).cloned()
    }
}

/// Key log lines.
#[derive(Debug, Default)]
struct Keys(Mutex<std::collections::BTreeSet<String>>);

impl KeyLog for Keys {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}", hex(client_random), hex(secret));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(line);
    }
}

fn finish(report: &mut Report, keys: &Keys, case: &Case) {
    // Of resumed sessions it writes down other lines than libssl.
    if case.exchange != Exchange::Resume {
        report.key_log = Some(keys.0.lock().unwrap_or_else(PoisonError::into_inner).clone());
    }
}

struct Running {
    address: SocketAddr,
    task: JoinHandle<Result<Report>>,
}

impl Serving for Running {
    fn port(&self) -> u16 {
        self.address.port()
    }

    fn report(mut self: Box<Self>) -> Pending<'static, Report> {
        Box::pin(async move {
            (&mut self.task).await.map_err(|e| Trouble::new(format!("the server panicked: {e}")))?
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn facts<D>(connection: &ConnectionCommon<D>, seen: &mut Seen) -> Result<()> {
    let is_tls13 = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    seen.tell(Fact::Version, if is_tls13 { "TLSv1.3" } else { "TLSv1.2" });
    if let Some(suite) = connection.negotiated_cipher_suite() {
        seen.tell(Fact::StandardName, format!("{:?}", suite.suite()).replace("TLS13_", "TLS_"));
    }
    let protocol = connection.alpn_protocol().unwrap_or_default();
    seen.tell(Fact::Alpn, String::from_utf8_lossy(protocol));
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    let fingerprint = |der: &CertificateDer<'_>| {
        let digest = X509::from_der(der)?.digest(MessageDigest::sha256())?;
        Ok::<_, Trouble>(digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
    };
    seen.tell(Fact::PeerCertificate, certificate.map(fingerprint).transpose()?.unwrap_or_default());
    seen.tell(Fact::Reused, yes_no(connection.handshake_kind() == Some(HandshakeKind::Resumed)));
    for (fact, context) in
        [(Fact::Exporter, None), (Fact::ExporterWithContext, Some(EXPORTER_CONTEXT.as_bytes()))]
    {
        let label = EXPORTER_LABEL.as_bytes();
        let material = connection.export_keying_material([0; EXPORTER_LENGTH], label, context);
        seen.tell(fact, hex(&material.map_err(trouble)?));
    }
    Ok(())
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &mut S,
    side: Side,
    case: &Case,
    number: usize,
    seen: &mut Seen,
) {
    let expected = case.expected(side, number).len();
    let mut data = Vec::with_capacity(expected);
    for step in case.steps(side, number) {
        let done = match step {
            Step::Send => {
                let sent = tls.write_all(&case.payload(side)).await;
                if sent.is_ok() { tls.flush().await } else { sent }
            }
            Step::Receive => {
                let mut read = Ok(1);
                while data.len() < expected && matches!(read, Ok(1..)) {
                    read = tls.read_buf(&mut data).await;
                }
                read.map(drop)
            }
            Step::ReadEnd => {
                let end = match tls.read_to_end(&mut data).await {
                    Ok(_) => Ok("close-notify"),
                    Err(error)
                        if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
                    {
                        Ok("cut")
                    }
                    Err(error) => Err(error),
                };
                end.map(|end| seen.tell(Fact::End, end))
            }
            // A peer that has gone does not need it.
            Step::Close => {
                let _ = tls.shutdown().await;
                Ok(())
            }
            // It never does.
            Step::Renegotiate | Step::Cut => break,
        };
        if *step == Step::Receive && done.is_ok() && data.len() < expected {
            seen.error = Some(CLOSED_EARLY.into());
            break;
        }
        if let Err(error) = done {
            fail(seen, &error);
            break;
        }
    }
    seen.tell(Fact::Received, received(&data));
}

fn fail(seen: &mut Seen, error: &std::io::Error) {
    seen.error = Some(error.to_string());
    let own = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::AlertReceived(alert)) = own {
        seen.alert = Some(patina_tls::Alert::from(u8::from(*alert)).to_string());
    }
}
