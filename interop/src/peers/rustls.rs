//! rustls with the provider ring, in this process.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::hash::MessageDigest;
use openssl::x509::X509;
use patina_tls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ConnectionCommon, HandshakeKind, KeyLog};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::rustls_config::{Staple, client_config, provider, server_config, trouble};
use crate::case::{Case, EXPORTER_CONTEXT, EXPORTER_LABEL, EXPORTER_LENGTH, Exchange, Side, Step, Verify};
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
            let config = server_config(case, Arc::clone(&keys) as Arc<dyn KeyLog>)?;
            let acceptor = TlsAcceptor::from(Arc::new(config));
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
                            let update =
                                |tls: &mut server::TlsStream<_>| tls.get_mut().1.refresh_traffic_keys();
                            talk(&mut tls, Side::Server, &case, number, update, &mut seen).await;
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
            let staple = Arc::new(Staple::default());
            let config = client_config(case, Arc::clone(&keys) as Arc<dyn KeyLog>, Arc::clone(&staple))?;
            let connector = TlsConnector::from(Arc::new(config));
            let name = ServerName::try_from(case.client.server_name.clone()).map_err(trouble)?;
            let mut report = Report::default();
            for number in 0..case.exchange.connections() {
                let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
                let mut seen = Seen::new();
                match connector.connect(name.clone(), tcp).await {
                    Ok(mut tls) => {
                        facts(tls.get_ref().1, &mut seen)?;
                        let staple = staple.take();
                        let digest = (!staple.is_empty()).then(|| hex(&openssl::sha::sha256(&staple)));
                        seen.tell(Fact::Staple, digest.unwrap_or_default());
                        let update = |tls: &mut client::TlsStream<_>| tls.get_mut().1.refresh_traffic_keys();
                        talk(&mut tls, Side::Client, case, number, update, &mut seen).await;
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
        facts.push(if side == Side::Server { F::ServerName } else { F::Staple });
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
        } else if side == Side::Client && !setup.asks_staple && case.server.staple.is_some() {
            "it asks everybody for a staple"
        } else if !setup.npn.is_empty() {
            "it never had NPN"
        } else if case.exchange == Exchange::Authenticate {
            "it has no authentication after the handshake"
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
    update_keys: fn(&mut S) -> std::result::Result<(), rustls::Error>,
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
            Step::UpdateKeys => update_keys(tls).map_err(std::io::Error::other),
            // It never does.
            Step::Renegotiate | Step::Authenticate | Step::Cut => break,
        };
        if step == Step::Receive && done.is_ok() && data.len() < expected {
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
