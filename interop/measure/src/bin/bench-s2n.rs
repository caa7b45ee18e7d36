//! s2n-tls-tokio for the benchmark: see `patina_measure::child`.

use std::fs;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use patina_measure::case::{Case, HOST, Resume, Suite};
use patina_measure::child;
use patina_measure::peer::{Over, Peer, Roots};
use patina_measure::trouble::Result;
use s2n_tls::callbacks::{SessionTicket, SessionTicketCallback};
use s2n_tls::config::Config;
use s2n_tls::connection::{Builder, Connection};
use s2n_tls::enums::Mode;
use s2n_tls::error::Error;
use s2n_tls::security::Policy;
use s2n_tls_tokio::{TlsAcceptor, TlsConnector, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite};

/// TLS 1.3 alone, AES-128-GCM and X25519 first. There is none for TLS 1.2 that has X25519 first.
const POLICY: &str = "CloudFront-TLS-1-3-2025-no-pq";

fn main() -> ExitCode {
    match child::serve::<S2n>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("bench-s2n: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// s2n-tls on AWS-LC, with the stream of s2n-tls-tokio.
struct S2n;

/// The newest ticket.
#[derive(Clone, Default)]
struct Ticket(Arc<Mutex<Option<Vec<u8>>>>);

impl SessionTicketCallback for Ticket {
    fn on_session_ticket(&self, _: &mut Connection, ticket: &SessionTicket) {
        let mut bytes = vec![0; ticket.len().unwrap_or(0)];
        if ticket.data(&mut bytes).is_ok() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        }
    }
}

/// Connections of a client, with the ticket.
#[derive(Clone)]
struct Client {
    config: Config,
    ticket: Ticket,
}

impl Builder for Client {
    type Output = Connection;

    fn build_connection(&self, mode: Mode) -> std::result::Result<Connection, Error> {
        let mut connection = self.config.build_connection(mode)?;
        if let Some(bytes) = &*self.ticket.0.lock().unwrap_or_else(PoisonError::into_inner) {
            connection.set_session_ticket(bytes)?;
        }
        Ok(connection)
    }
}

impl Peer for S2n {
    const NAME: &'static str = "s2n-tls";
    const PACKAGE: &'static str = "s2n-tls-tokio";
    type Client = TlsConnector<Client>;
    type Server = TlsAcceptor;

    fn can(case: &Case) -> bool {
        !case.is_old() && case.suite == Suite::Aes128
    }

    fn client(case: &Case) -> Result<TlsConnector<Client>> {
        let ticket = Ticket::default();
        let mut config = Config::builder();
        config.set_security_policy(&Policy::from_version(POLICY)?)?;
        config.with_system_certs(false)?;
        config.trust_pem(&fs::read(case.root()?)?)?;
        if case.resume == Resume::Ticket {
            config.enable_session_tickets(true)?;
            config.set_session_ticket_callback(ticket.clone())?;
        }
        Ok(TlsConnector::new(Client { config: config.build()?, ticket }))
    }

    fn server(case: &Case) -> Result<TlsAcceptor> {
        let mut config = Config::builder();
        config.set_security_policy(&Policy::from_version(POLICY)?)?;
        config.with_system_certs(false)?;
        config.load_pem(&fs::read(case.certificate()?)?, &fs::read(case.private_key()?)?)?;
        // Tickets for who asks.
        config.enable_session_tickets(true)?;
        config.add_session_ticket_key(b"bench", &[0x5a; 32], SystemTime::now())?;
        Ok(TlsAcceptor::new(config.build()?))
    }

    fn make_context(roots: Roots) -> Result<bool> {
        let mut config = Config::builder();
        match roots {
            Roots::Nobody => {
                config.with_system_certs(false)?;
            }
            Roots::System => {}
            Roots::Mozilla => return Ok(false),
        }
        config.build()?;
        Ok(true)
    }
}

/// An error unless it has agreed on what the others agree on.
fn checked<S: AsyncRead + AsyncWrite + Unpin>(stream: TlsStream<S>) -> io::Result<TlsStream<S>> {
    let connection: &Connection = stream.as_ref();
    let (suite, group) = (connection.cipher_suite()?, connection.selected_key_exchange_group());
    if suite == "TLS_AES_128_GCM_SHA256" && group == Some("x25519") {
        return Ok(stream);
    }
    Err(io::Error::other(format!("it has agreed on {suite} and {group:?}")))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Over<S> for S2n {
    type Stream = TlsStream<S>;

    async fn connect(client: &TlsConnector<Client>, io: S) -> io::Result<TlsStream<S>> {
        checked(client.connect(HOST, io).await?)
    }

    async fn accept(server: &TlsAcceptor, io: S) -> io::Result<TlsStream<S>> {
        checked(server.accept(io).await?)
    }

    fn remember(_: &mut TlsConnector<Client>, _: &TlsStream<S>) {
        // The callback has kept it.
    }

    fn is_resumed(stream: &TlsStream<S>) -> bool {
        stream.as_ref().resumed()
    }
}
