//! One connection after the other to the server that is asked.

use std::net::SocketAddr;
use std::time::Duration;

use patina_tls::{
    Client, ClientConfig, ConfigBuilder, ConnectOptions, ProtocolVersion, SecureOptions, ServerVerification,
    Session, TlsConnector, TlsStream, TrustStore,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::flight::Flight;
use super::progress::Progress;
use super::tape::{Tape, Taped};
use crate::args::ProbeArgs;
use crate::connect::{dial, no_answer, split_target};
use crate::failure::{Failure, Report};
use crate::settings::authorities;
use crate::starttls::{self, StartTls};

/// The longest that a server is waited for once everything is said, so that it does not see a reset.
const PARTING: Duration = Duration::from_millis(250);

/// Opens connections, only so many at a time.
#[derive(Debug)]
pub(super) struct Dialer {
    host: String,
    port: u16,
    pub(super) options: ConnectOptions,
    /// Whom the client means, in protocols that begin in the clear.
    domain: String,
    starttls: Option<StartTls>,
    time: Duration,
    free: Semaphore,
    trust: TrustStore,
    pub(super) progress: Progress,
}

/// One connection, as far as it came.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) flight: Flight,
    pub(super) outcome: Result<TlsStream<Taped<TcpStream>>, Report>,
    pub(super) peer: SocketAddr,
    /// Another one may begin when this one has ended.
    _permit: Option<SemaphorePermit<'a>>,
}

impl Dialer {
    pub(super) fn new(args: &ProbeArgs, progress: Progress) -> Result<Dialer, Failure> {
        let (host, port) = split_target(&args.target)?;
        let mut options = ConnectOptions::new(host);
        if let Some(name) = &args.servername {
            if name.parse::<std::net::IpAddr>().is_ok() {
                let text = format!("--servername: {name} is an IP address; SNI is for names (RFC 6066)");
                return Err(Failure::Usage(text));
            }
            options = options.server_name(name);
        }
        let trust = authorities(&args.ca)?.map_or_else(TrustStore::system, Ok);
        let trust = trust.unwrap_or_else(|_| TrustStore::mozilla());
        Ok(Dialer {
            host: host.to_owned(),
            port,
            options,
            domain: args.servername.clone().unwrap_or_else(|| host.to_owned()),
            starttls: args.starttls,
            time: Duration::from_millis(args.timeout),
            free: Semaphore::new(args.parallel.into()),
            trust,
            progress,
        })
    }

    /// How long the server is waited for.
    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// What every configuration begins with: everything is allowed that libssl has, and a bad certificate is told.
    pub(super) fn builder(&self, version: ProtocolVersion) -> ConfigBuilder<Client> {
        ClientConfig::builder()
            .versions(version..=version)
            .security_level(0)
            .secure_options(SecureOptions::LEGACY_SERVER_CONNECT)
            .trust(self.trust.clone())
            .server_verification(ServerVerification::InsecureReport)
            .min_dh_size(1)
            .handshake_timeout(self.time)
    }

    /// Connects once, or a second time when there was no answer at all.
    ///
    /// # Errors
    /// A server that cannot be reached, does not begin TLS, or is silent.
    pub(super) async fn attempt(&self, config: &ClientConfig) -> Result<Attempt<'_>, Report> {
        self.resume(config, None).await
    }

    /// The same with a session.
    ///
    /// # Errors
    /// As [`attempt`](Dialer::attempt).
    pub(super) async fn resume(
        &self,
        config: &ClientConfig,
        session: Option<&Session>,
    ) -> Result<Attempt<'_>, Report> {
        let options = match session {
            Some(session) => self.options.clone().session(session.clone()),
            None => self.options.clone(),
        };
        match self.once(config, options.clone()).await {
            Err(_) => self.once(config, options).await,
            done => done,
        }
    }

    /// Connects once.
    ///
    /// # Errors
    /// As [`attempt`](Dialer::attempt).
    pub(super) async fn once(
        &self,
        config: &ClientConfig,
        options: ConnectOptions,
    ) -> Result<Attempt<'_>, Report> {
        // Nobody closes the semaphore.
        let permit = self.free.acquire().await.ok();
        self.progress.connection();
        let mut tcp = dial(&self.host, self.port, self.time).await?;
        let peer = tcp.peer_addr().map_err(|error| Report::of_io(&error))?;
        if let Some(protocol) = self.starttls {
            let agreed = timeout(self.time, starttls::upgrade(protocol, &self.domain, &mut tcp)).await;
            agreed.unwrap_or_else(|_| Err(no_answer(self.time)))?;
        }
        let tape = Tape::default();
        let connector = TlsConnector::new(config.clone());
        let connected = connector.connect(options, Taped::new(tcp, tape.clone())).await;
        let outcome = connected.map_err(|error| Report::of(&error));
        let flight = Flight::read(&tape.bytes());
        match outcome {
            Err(report) if flight.is_empty && report.code == "ERR_TLS_HANDSHAKE_TIMEOUT" => Err(report),
            outcome => Ok(Attempt { flight, outcome, peer, _permit: permit }),
        }
    }
}

impl Attempt<'_> {
    /// Ends the connection as it should be ended, and reads what the server still has to say: tickets of TLS 1.3.
    pub(super) async fn close(mut self) {
        if let Ok(tls) = &mut self.outcome {
            let _ = timeout(PARTING, async {
                tls.shutdown().await?;
                let mut rest = [0; 4096];
                while tls.read(&mut rest).await? > 0 {}
                Ok::<_, std::io::Error>(())
            })
            .await;
        }
    }
}
