//! What happens to an open connection: renegotiations, new keys, a certificate that is asked for later.

use std::net::SocketAddr;
use std::time::Duration;

use patina_tls::{ClientAuth, Error, KeyUpdate, ProtocolVersion, RenegotiateOptions, TlsStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::args_shared::SharedArgs;
use crate::facts::Facts;
use crate::failure::Report;
use crate::output::Output;
use crate::settings;

/// What this side asks for once the first handshake is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    renegotiations: u32,
    key_updates: u32,
    certificate: Option<ClientAuth>,
    time: Duration,
}

impl Wishes {
    pub(crate) fn of(args: &SharedArgs) -> Wishes {
        Wishes {
            renegotiations: args.renegotiate,
            key_updates: args.key_update,
            certificate: None,
            time: settings::handshake_timeout(args),
        }
    }

    /// The same, and a certificate of the client.
    pub(crate) fn with_certificate(self, certificate: Option<ClientAuth>) -> Wishes {
        Wishes { certificate, ..self }
    }
}

/// Tells of the handshakes that follow the first one, whoever began them.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    output: &'a Output,
    peer: SocketAddr,
    told: u64,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(output: &'a Output, peer: SocketAddr) -> Watch<'a> {
        Watch { output, peer, told: 0 }
    }

    /// Tells what has happened since the last look.
    pub(crate) fn look(&mut self, tls: &TlsStream<TcpStream>) {
        let count = tls.negotiated().renegotiations();
        while self.told < count {
            self.told += 1;
            self.output.renegotiated(self.peer, self.told);
        }
    }

    /// Asks for what is wished, one after the other, and tells of each.
    pub(crate) async fn ask(&mut self, tls: &mut TlsStream<TcpStream>, wishes: Wishes) -> Result<(), Report> {
        for _ in 0..wishes.renegotiations {
            within(wishes.time, tls.renegotiate(RenegotiateOptions::new())).await?;
            self.look(tls);
        }
        for count in 1..=wishes.key_updates {
            within(wishes.time, tls.update_keys(KeyUpdate::Both)).await?;
            self.output.keys_updated(self.peer, count);
        }
        if let Some(auth) = wishes.certificate {
            match tls.negotiated().version() {
                ProtocolVersion::TLSv1_3 => within(wishes.time, tls.authenticate_client(auth)).await?,
                _ => {
                    let options = RenegotiateOptions::new().client_auth(auth);
                    within(wishes.time, tls.renegotiate(options)).await?;
                    self.look(tls);
                }
            }
            let facts = Facts::of(&tls.negotiated(), self.peer, &[]);
            self.output.authenticated(&facts.map_err(|error| Report::of(&error))?);
        }
        Ok(())
    }
}

/// The first handshake has the library's limit; these have this one.
async fn within(time: Duration, asked: impl Future<Output = Result<(), Error>>) -> Result<(), Report> {
    match timeout(time, asked).await {
        Ok(outcome) => outcome.map_err(|error| Report::of(&error)),
        Err(_) => Err(Report {
            code: "ERR_TLS_HANDSHAKE_TIMEOUT".to_owned(),
            reason: format!("the peer has not answered within {time:?}"),
            alert: None,
        }),
    }
}
