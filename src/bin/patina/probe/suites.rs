//! The versions that a server speaks, and the suites of each.

use std::cell::RefCell;
use std::collections::HashMap;

use patina_ciphers::{Encryption, KeyExchange, Suite, by_id, suites};
use patina_tls::{
    Certificate, CipherSuite, ClientConfig, ClientHello, ConnectOptions, Error, ErrorKind, Negotiated,
    ProtocolVersion, SecureOptions, TlsEngine,
};

use super::choice::{Answer, Choices};
use super::dialer::{Attempt, Dialer};
use super::flight::ExchangeKey;
use crate::failure::Report;

/// Everything but what needs a secret that both sides know. The suites of the legacy provider are named, because that loads it.
const EVERYTHING: &str = "ALL:COMPLEMENTOFALL:RC4:SEED:IDEA:!PSK:!SRP";

const EXTENDED_MASTER_SECRET: u16 = 0x0017;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// What can be offered of a version.
#[derive(Debug)]
pub(super) struct Offer {
    suites: Vec<CipherSuite>,
    /// Suites of the version that this libssl does not offer.
    pub(super) untested: Vec<&'static Suite>,
    /// Whether compression is offered as well.
    pub(super) compression: bool,
}

/// What is known of a version.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) version: ProtocolVersion,
    /// What was offered, or why nothing could be.
    pub(super) offer: Result<Offer, String>,
    pub(super) choices: Choices<CipherSuite, Seen>,
    /// What the server said to the whole offer, where it did not take it.
    pub(super) refusal: Option<Report>,
    /// Whether anything came that is TLS.
    pub(super) is_tls: bool,
}

/// What was seen of a connection with a suite.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) key: Option<ExchangeKey>,
    pub(super) compression: u8,
    pub(super) asks_for_certificate: bool,
    /// RFC 5746 and RFC 7627, up to TLS 1.2.
    pub(super) secure_renegotiation: bool,
    pub(super) extended_master_secret: bool,
    /// What the server sent, its own certificate first, and what the roots say of it.
    pub(super) chain: Vec<Certificate>,
    pub(super) distrust: Option<String>,
}

impl Version {
    pub(super) fn is_accepted(&self) -> bool {
        !self.choices.found.is_empty()
    }

    /// Asks for all suites of a version.
    pub(super) async fn explore(dialer: &Dialer, version: ProtocolVersion) -> Version {
        let offer = Offer::new(dialer, version);
        let suites = offer.as_ref().map(|offer| offer.suites.clone()).unwrap_or_default();
        // The first refusal is that of the whole offer, if nothing was found.
        let last = RefCell::new((None, false));
        let choices = Choices::explore(
            suites,
            |suite| by_id(suite.id()).is_some_and(is_chacha),
            async |left: &[CipherSuite]| {
                dialer.progress.asking(version.name());
                let attempt = dialer.attempt(&offering(dialer, version, left)?).await?;
                let is_tls = last.borrow().1 || attempt.flight.is_tls;
                last.replace((attempt.outcome.as_ref().err().cloned(), is_tls));
                chosen(attempt, version, left).await
            },
        )
        .await;
        let (refusal, is_tls) = last.into_inner();
        dialer.progress.answered();
        Version { version, offer, choices, refusal, is_tls }
    }
}

impl Offer {
    fn new(dialer: &Dialer, version: ProtocolVersion) -> Result<Offer, String> {
        let known: Vec<&Suite> = suites().iter().filter(|suite| belongs(suite, version)).collect();
        let config = match version {
            ProtocolVersion::TLSv1_3 => {
                let names: Vec<_> = known.iter().map(|suite| suite.openssl_name()).collect();
                dialer.builder(version).cipher_suites(names.join(":"))
            }
            _ => dialer.builder(version).cipher_list(EVERYTHING),
        };
        let told = |error: Error| match error.kind() {
            ErrorKind::Unsupported => error.message().to_owned(),
            _ => format!("{} ({})", error.message(), error.code()),
        };
        let config = config.without_secure_options(SecureOptions::NO_COMPRESSION).build().map_err(told)?;
        // What a list has and what libssl really offers are two things: the ClientHello counts.
        let hello = client_hello(&config, dialer.options.clone()).map_err(told)?;
        let named: HashMap<u16, CipherSuite> =
            config.cipher_suites().into_iter().map(|suite| (suite.id(), suite)).collect();
        let offered: Vec<CipherSuite> =
            hello.cipher_ids().iter().filter_map(|id| named.get(id).copied()).collect();
        let is_offered = |suite: &&Suite| offered.iter().any(|other| other.id() == suite.id());
        Ok(Offer {
            untested: known.into_iter().filter(|suite| !is_offered(suite)).collect(),
            compression: hello.compression_methods().iter().any(|method| *method != 0),
            suites: offered,
        })
    }
}

/// The ClientHello of a configuration, without a connection.
///
/// # Errors
/// A version for which libssl has nothing to offer.
pub(super) fn client_hello(config: &ClientConfig, options: ConnectOptions) -> Result<ClientHello, Error> {
    const RECORD_HEADER: usize = 5;
    let mut engine = TlsEngine::client(config, options)?;
    engine.advance()?;
    let record = engine.take_output();
    ClientHello::parse(record.get(RECORD_HEADER..).unwrap_or_default())
}

/// A configuration that offers these suites alone.
///
/// # Errors
/// libssl's, which it gave when it was asked for all of them, too.
fn offering(
    dialer: &Dialer,
    version: ProtocolVersion,
    suites: &[CipherSuite],
) -> Result<ClientConfig, Report> {
    let names: Vec<_> = suites.iter().map(CipherSuite::name).collect();
    let builder = dialer.builder(version);
    let builder = match version {
        ProtocolVersion::TLSv1_3 => builder.cipher_suites(names.join(":")),
        _ => builder.cipher_list(names.join(":")),
    };
    builder.without_secure_options(SecureOptions::NO_COMPRESSION).build().map_err(|error| Report::of(&error))
}

async fn chosen(attempt: Attempt<'_>, version: ProtocolVersion, offer: &[CipherSuite]) -> Answer<Seen> {
    let hello = attempt.flight.hello.as_ref().filter(|hello| hello.version == version.code());
    let place = hello
        .and_then(|hello| offer.iter().position(|suite| suite.id() == hello.suite).map(|at| (at, hello)));
    let Some((place, hello)) = place else { return Ok(None) };
    let negotiated = attempt.outcome.as_ref().ok().map(|tls| tls.negotiated());
    let seen = Seen {
        key: attempt.flight.key(),
        compression: hello.compression,
        asks_for_certificate: attempt.flight.asks_for_certificate,
        secure_renegotiation: hello.extensions.contains(&RENEGOTIATION_INFO),
        extended_master_secret: hello.extensions.contains(&EXTENDED_MASTER_SECRET),
        chain: negotiated.as_ref().map(Negotiated::peer_chain).unwrap_or_default(),
        distrust: negotiated.and_then(|it| it.authorization_error().map(str::to_owned)),
    };
    attempt.close().await;
    Ok(Some((place, seen)))
}

/// Whether a suite can be asked for in a version: those that need a shared secret cannot.
fn belongs(suite: &Suite, version: ProtocolVersion) -> bool {
    let versions = suite.min_protocol().wire()..=suite.max_protocol().wire();
    let exchange = suite.key_exchange();
    versions.contains(&version.code()) && !exchange.is_psk() && exchange != KeyExchange::Srp
}

fn is_chacha(suite: &Suite) -> bool {
    suite.encryption() == Encryption::ChaCha20
}
