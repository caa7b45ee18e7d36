//! Two engines and the bytes between them.

use patina_tls::{
    ClientConfig, ConnectOptions, Error, ErrorKind, KeyUpdate, RenegotiateOptions, Session, TlsEngine,
};
use serde_json::{Map, Value};

use super::observation::{Ends, observe};
use super::plan::{Mode, Plan, Sides};
use super::setup::{self, Made, MemoryStore, ServerSetup};
use super::{Refusal, skip};
use crate::trouble::Trouble;

/// More turns than any handshake takes: the data goes in pieces of what both sides hold.
const TURNS: usize = 4000;

/// The most plaintext that is written before the other side reads.
const PIECE: usize = 64 * 1024;

/// The suite's words for the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    ServerFail,
    ClientFail,
    InternalError,
    FirstHandshakeFailed,
}

impl Outcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Outcome::Success => "Success",
            Outcome::ServerFail => "ServerFail",
            Outcome::ClientFail => "ClientFail",
            Outcome::InternalError => "InternalError",
            Outcome::FirstHandshakeFailed => "FirstHandshakeFailed",
        }
    }
}

/// A connection, and what came of it.
pub(super) struct Link {
    pub(super) client: TlsEngine,
    pub(super) server: TlsEngine,
    pub(super) client_error: Option<Error>,
    pub(super) server_error: Option<Error>,
    /// The side that failed first.
    pub(super) outcome: Outcome,
}

/// Runs the case and tells what was observed.
pub(super) fn run(plan: &Plan) -> Result<Map<String, Value>, Refusal> {
    let client = client(plan, &plan.first)?;
    if plan.mode != Mode::Resume {
        let server = setup::server(&plan.first, plan.max_fragment, None)?;
        return connect(plan, &plan.first, &client, &server, None);
    }

    // The same description is the same context. Another one finds the session in the ticket, or in a store of both.
    let is_same = plan.second.server == plan.first.server && plan.first.server2.is_none();
    let by_ticket = plan.first.server.gives_tickets() && plan.first.client.gives_tickets();
    let store = (!is_same && !by_ticket).then(MemoryStore::default);
    let mut server = setup::server(&plan.first, plan.max_fragment, store.as_ref())?;
    let (Ok(first), Ok(config)) = (&client, &server.config) else {
        return Ok(observe(Outcome::FirstHandshakeFailed, None));
    };
    let mut link = Link::new(first, config, plan.first.client.extra.server_name.as_deref(), None)?;
    link.go(plan, Mode::Simple);
    if link.outcome != Outcome::Success {
        return Ok(observe(Outcome::FirstHandshakeFailed, None));
    }
    let session = link.client.negotiated().session();
    drop(link);
    if !is_same {
        server = setup::server(&plan.second, plan.max_fragment, store.as_ref())?;
    }
    let client = self::client(plan, &plan.second)?;
    connect(plan, &plan.second, &client, &server, session)
}

fn client(plan: &Plan, sides: &Sides) -> Result<Made<ClientConfig>, Refusal> {
    setup::client(&sides.client, plan.max_fragment, sides.server.extra.cert_status)
}

fn connect(
    plan: &Plan,
    sides: &Sides,
    client: &Made<ClientConfig>,
    server: &ServerSetup,
    session: Option<Session>,
) -> Result<Map<String, Value>, Refusal> {
    let chosen = &server.chosen;
    let (client, server) = match (client, &server.config) {
        (Ok(client), Ok(server)) => (client, server),
        // The library finds at once what libssl finds in the handshake.
        (Err(error), _) => return at_once(error, Outcome::ClientFail),
        (_, Err(error)) => return at_once(error, Outcome::ServerFail),
    };
    let mut link = Link::new(client, server, sides.client.extra.server_name.as_deref(), session)?;
    link.go(plan, plan.mode);
    if sides.server.extra.cert_status
        && link.outcome == Outcome::Success
        && link.client.negotiated().ocsp_response().as_deref() != Some(setup::STATUS)
    {
        link.outcome = Outcome::ClientFail;
    }
    let chosen = *chosen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(observe(link.outcome, Some(Ends { link: &link, chosen })))
}

/// A configuration without any version cannot be made here; with libssl its handshakes fail.
fn at_once(error: &Error, outcome: Outcome) -> Result<Map<String, Value>, Refusal> {
    match error.code() {
        "ERR_TLS_INVALID_PROTOCOL_VERSION" => Ok(observe(outcome, None)),
        _ => skip(format!("the library makes no such configuration: {error}")),
    }
}

impl Link {
    fn new(
        client: &ClientConfig,
        server: &patina_tls::ServerConfig,
        name: Option<&str>,
        session: Option<Session>,
    ) -> Result<Link, Refusal> {
        let mut options = ConnectOptions::new("ssl-cases.test");
        options = match name {
            Some(name) => options.server_name(name),
            None => options.without_server_name(),
        };
        if let Some(session) = session {
            options = options.session(session);
        }
        let failed = |error: Error| Trouble::new(error.to_string());
        Ok(Link {
            client: TlsEngine::client(client, options).map_err(failed)?,
            server: TlsEngine::server(server).map_err(failed)?,
            client_error: None,
            server_error: None,
            outcome: Outcome::Success,
        })
    }

    /// The handshake, what the mode asks for, the data, and the end.
    fn go(&mut self, plan: &Plan, mode: Mode) {
        let _ =
            self.shake() && self.again(plan, mode) && self.exchange(plan.application_data) && self.close();
    }

    /// Gives each side a turn. False once a side has failed; the other then has had its turn, too.
    fn turn(&mut self, mut step: impl FnMut(&mut TlsEngine) -> Result<(), Error>) -> bool {
        if self.outcome != Outcome::Success {
            return false;
        }
        if let Err(error) = step(&mut self.client) {
            self.client_error.get_or_insert(error);
            self.outcome = Outcome::ClientFail;
        }
        self.server.receive(&self.client.take_output());
        if let Err(error) = step(&mut self.server) {
            self.server_error.get_or_insert(error);
            if self.outcome == Outcome::Success {
                self.outcome = Outcome::ServerFail;
            }
        }
        self.client.receive(&self.server.take_output());
        if self.outcome == Outcome::ServerFail
            && let Err(error) = step(&mut self.client)
        {
            self.client_error.get_or_insert(error);
        }
        self.outcome == Outcome::Success
    }

    fn shake(&mut self) -> bool {
        for _ in 0..TURNS {
            if !self.turn(TlsEngine::advance) {
                return false;
            }
            if self.client.is_established() && self.server.is_established() {
                // The tickets of TLS 1.3, and a server's answer to a client that it refuses.
                return self.turn(read_nothing);
            }
        }
        self.outcome = Outcome::InternalError;
        false
    }

    /// A second handshake, new keys, or a certificate that is asked for later.
    fn again(&mut self, plan: &Plan, mode: Mode) -> bool {
        match mode {
            Mode::Simple | Mode::Resume => true,
            Mode::RenegotiateServer | Mode::RenegotiateClient => {
                // As in the suite: a session is resumed unless the server has the option against it.
                let resumes = !plan.first.server.has_option("NoResumptionOnRenegotiation");
                let options = RenegotiateOptions::new().abbreviated(resumes);
                self.exchange(plan.application_data)
                    && self.ask(mode == Mode::RenegotiateServer, |engine| engine.renegotiate(options))
            }
            Mode::KeyUpdateServer | Mode::KeyUpdateClient => {
                let update = if plan.key_update_requested { KeyUpdate::Both } else { KeyUpdate::Own };
                self.exchange(plan.application_data)
                    && self.ask(mode == Mode::KeyUpdateServer, |engine| engine.update_keys(update))
            }
            Mode::PostHandshakeAuth => {
                let auth = plan.first.server.post_handshake;
                self.exchange(plan.application_data)
                    && self.ask(true, |engine| engine.authenticate_client(auth))
            }
        }
    }

    /// One side begins, and both go on until neither waits for the other.
    fn ask(&mut self, server: bool, begin: impl FnOnce(&mut TlsEngine) -> Result<(), Error>) -> bool {
        let mut begin = Some(begin);
        let mut is_server = false;
        let alive = self.turn(|engine| {
            let mine = is_server == server;
            is_server = true;
            match begin.take_if(|_| mine) {
                Some(begin) => begin(engine),
                None => read_nothing(engine),
            }
        });
        for _ in 0..TURNS {
            if !alive || !self.turn(read_nothing) {
                return false;
            }
            if !self.client.is_asking() && !self.server.is_asking() {
                return self.turn(read_nothing);
            }
        }
        self.outcome = Outcome::InternalError;
        false
    }

    /// Each side writes `count` bytes and reads those of the other.
    fn exchange(&mut self, count: usize) -> bool {
        let piece = vec![0x5a; count.min(PIECE)];
        let (mut written, mut read) = ([0; 2], [0; 2]);
        let mut buf = vec![0; PIECE];
        for _ in 0..TURNS {
            let mut side = 0;
            let alive = self.turn(|engine| {
                let place = side % 2;
                side += 1;
                let rest = (count - written[place]).min(piece.len());
                if rest > 0 {
                    written[place] += engine.write(&piece[..rest])?;
                }
                while let Some(bytes @ 1..) = engine.read(&mut buf)? {
                    read[place] += bytes;
                }
                Ok(())
            });
            if !alive {
                return false;
            }
            if written == [count; 2] && read == [count; 2] {
                return true;
            }
        }
        self.outcome = Outcome::InternalError;
        false
    }

    fn close(&mut self) -> bool {
        self.turn(TlsEngine::close) && self.turn(read_nothing)
    }
}

/// Takes what is not application data.
fn read_nothing(engine: &mut TlsEngine) -> Result<(), Error> {
    let mut buf = [0; 1];
    match engine.read(&mut buf) {
        Ok(Some(1)) => Err(Error::hook("application data where none was sent")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
        Err(error) => Err(error),
    }
}
