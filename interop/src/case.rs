//! A case: how two sides are set, what they do, and what must come of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use patina_tls::ProtocolVersion;

use crate::expectation::{Except, Expectation, ExpectedFact};

/// The label of the keying material that every side exports.
pub const EXPORTER_LABEL: &str = "EXPORTER-patina-interop";

/// The context of the keying material that is exported with one.
pub const EXPORTER_CONTEXT: &str = "context";

/// How much keying material is exported, in bytes.
pub const EXPORTER_LENGTH: usize = 32;

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it belongs to, such as `versions`.
    pub group: String,
    /// Its name within the group.
    pub name: String,
    /// How the client is set.
    pub client: Setup,
    /// How the server is set.
    pub server: Setup,
    /// What they do with the connection.
    pub exchange: Exchange,
    /// What comes of it on each side.
    pub expected: Vec<Expectation>,
    /// Facts that the sides that can tell them must tell.
    pub facts: Vec<ExpectedFact>,
    /// Peers that cannot do it, or are known to fail, and why.
    pub except: Vec<Except>,
    /// What the peers of this run make of the exchange.
    pub traffic: Traffic,
}

/// How an exchange differs with peers that are no general tools, such as a server that can only echo.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// What the client sends instead.
    pub from_client: Option<Arc<[u8]>>,
    /// What the server sends instead.
    pub from_server: Option<Arc<[u8]>>,
    /// Whether the server answers before it has everything, so that the client must read while it writes.
    pub is_echoed: bool,
    /// Whether the server closes first, for a client that does so only after it.
    pub server_closes: bool,
    /// Whether nothing is said in the first of two connections.
    pub first_is_silent: bool,
}

impl Case {
    /// The settings of one side.
    pub fn setup(&self, side: Side) -> &Setup {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The highest version that both sides allow.
    pub fn version(&self) -> ProtocolVersion {
        self.client.versions.1.min(self.server.versions.1)
    }

    /// What a side sends; empty for a side that sends nothing.
    pub fn payload(&self, side: Side) -> Arc<[u8]> {
        let own = match side {
            Side::Client => &self.traffic.from_client,
            Side::Server => &self.traffic.from_server,
        };
        own.clone().unwrap_or_else(|| self.exchange.payload(side))
    }

    /// What a side does on the connection of this number (from 0), in order.
    pub fn steps(&self, side: Side, number: usize) -> Vec<Step> {
        use Step::{Close, ReadEnd};
        let is_silent = number == 0 && self.traffic.first_is_silent;
        let mut steps = self.exchange.steps(side).to_vec();
        if is_silent {
            steps.retain(|step| matches!(step, Close | ReadEnd));
        } else if self.traffic.server_closes && steps.contains(&Close) {
            steps.retain(|step| !matches!(step, Close | ReadEnd));
            steps.extend(if side == Side::Server { [Close, ReadEnd] } else { [ReadEnd, Close] });
        }
        steps
    }

    /// What a side receives on the connection of this number.
    pub fn expected(&self, side: Side, number: usize) -> Arc<[u8]> {
        let receives = self.steps(side, number).contains(&Step::Receive);
        if receives { self.payload(side.other()) } else { Arc::new([]) }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}

/// A side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The one that connects.
    Client,
    /// The one that listens.
    Server,
}

impl Side {
    /// Both.
    pub const BOTH: [Side; 2] = [Side::Client, Side::Server];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    /// `client` or `server`.
    pub fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

/// How a side is set. Certificates, lists and parameters are named as in the fixtures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The lowest and the highest version. Default: TLS 1.2 to TLS 1.3.
    pub versions: (ProtocolVersion, ProtocolVersion),
    /// The cipher string for TLS 1.2 and older.
    pub ciphers: Option<String>,
    /// The suites of TLS 1.3.
    pub suites: Option<String>,
    /// The groups, joined by colons.
    pub groups: Option<String>,
    /// The signature algorithms, joined by colons.
    pub sigalgs: Option<String>,
    /// The certificates. Default: `server-rsa` for servers, none for clients.
    pub identities: Vec<String>,
    /// Whether the intermediates of the certificates are given, too.
    pub chain: bool,
    /// The roots. Default: all for clients, none for servers.
    pub trust: Option<String>,
    /// The revocation list.
    pub crl: Option<String>,
    /// Whether the peer's certificate is asked for and must be good. Default: on clients it must, servers do not ask.
    pub verify: Verify,
    /// The application protocols, the preferred first.
    pub alpn: Vec<String>,
    /// Whether a server goes on when none of the client's protocols is its own.
    pub alpn_ignore: bool,
    /// The protocols of NPN, the forerunner of ALPN: a server's in its order, a client's the preferred first.
    pub npn: Vec<String>,
    /// What the OCSP response says that a server staples to its certificate, `good` or `revoked`. Default: it staples none.
    pub staple: Option<String>,
    /// Whether a client asks for a stapled response.
    pub asks_staple: bool,
    /// Whether a client offers to show its certificate after the handshake.
    pub post_handshake_auth: bool,
    /// A server's Diffie-Hellman parameters: `auto`, or their name.
    pub dh: Option<String>,
    /// The name that a client asks for. Default: `localhost`.
    pub server_name: String,
    /// A server's further names, each with its certificate.
    pub names: Vec<(String, String)>,
    /// A pre-shared key: identity, and key in hexadecimal. A client offers it, a server knows it.
    pub psk: Option<(String, String)>,
    /// How many handshakes of the client's a server goes along with. Default: none.
    pub renegotiations: Option<u32>,
    /// Options of libssl (`SSL_OP_*`) by name, joined by commas.
    pub options: Option<String>,
    /// Whether it knows nothing of secure renegotiation (RFC 5746).
    pub legacy: bool,
    /// Whether session tickets are used in TLS 1.2 (and, on servers, stateless ones in TLS 1.3).
    pub tickets: bool,
}

impl Setup {
    /// The defaults of a side.
    pub fn new(side: Side) -> Setup {
        let client = side == Side::Client;
        Setup {
            versions: (ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3),
            ciphers: None,
            suites: None,
            groups: None,
            sigalgs: None,
            identities: if client { vec![] } else { vec!["server-rsa".into()] },
            chain: true,
            trust: client.then(|| "bundle".into()),
            crl: None,
            verify: if client { Verify::Require } else { Verify::Never },
            alpn: vec![],
            alpn_ignore: false,
            npn: vec![],
            staple: None,
            asks_staple: false,
            post_handshake_auth: false,
            dh: None,
            server_name: "localhost".into(),
            names: vec![],
            psk: None,
            renegotiations: None,
            options: None,
            legacy: false,
            tickets: true,
        }
    }
}

/// What a side does with the peer's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// A server does not ask for it; a client does not look at it.
    Never,
    /// It is asked for and looked at, and what is wrong is only reported.
    Report,
    /// Without a good one there is no connection.
    Require,
}

/// What the two sides do with the connection once it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The client speaks, the server answers, the client closes.
    Echo,
    /// The same with this much in each direction.
    Bulk(usize),
    /// The same twice; the second connection resumes the session of the first.
    Resume,
    /// The server speaks, the client closes. A client that is refused after its handshake thus hears of it: it has
    /// nothing under way that the refusing server would answer with a reset.
    Listen,
    /// The client speaks and closes its half, and only then the server answers.
    HalfClose,
    /// The server speaks and closes its half, and only then the client answers.
    ServerHalfClose,
    /// One side begins new handshakes before it speaks, so often; the data then goes under their keys.
    Renegotiate(Side, usize),
    /// One side changes its keys, and asks the other for the same, before it speaks (TLS 1.3).
    UpdateKeys(Side),
    /// The server asks for the client's certificate before it speaks (TLS 1.3), and not in the handshake.
    Authenticate,
    /// The client speaks, the server drops the TCP connection.
    CutByServer,
    /// The client speaks, the server answers, the client drops the TCP connection.
    CutByClient,
}

/// One thing that a side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Sends all of its data.
    Send,
    /// Receives all of the peer's data.
    Receive,
    /// Sends close_notify.
    Close,
    /// Reads until the peer's end, and takes down what kind of end it is.
    ReadEnd,
    /// Begins a new handshake, as often as the exchange says, and waits for its end.
    Renegotiate,
    /// Changes its keys, and asks the peer to change its own.
    UpdateKeys,
    /// Asks for the client's certificate, and waits for it.
    Authenticate,
    /// Drops the TCP connection.
    Cut,
}

impl Step {
    /// Its name for peers that are other programs.
    pub fn name(self) -> &'static str {
        match self {
            Step::Send => "send",
            Step::Receive => "receive",
            Step::Close => "close",
            Step::ReadEnd => "read-end",
            Step::Renegotiate => "renegotiate",
            Step::UpdateKeys => "update-keys",
            Step::Authenticate => "authenticate",
            Step::Cut => "cut",
        }
    }
}

impl Exchange {
    /// What a side does, in order.
    pub fn steps(self, side: Side) -> &'static [Step] {
        use Step::{Authenticate, Close, Cut, ReadEnd, Receive, Renegotiate, Send, UpdateKeys};
        match (self, side) {
            (Exchange::Renegotiate(Side::Client, _), Side::Client) => {
                &[Renegotiate, Send, Receive, Close, ReadEnd]
            }
            (Exchange::Renegotiate(Side::Server, _), Side::Server) => {
                &[Receive, Renegotiate, Send, ReadEnd, Close]
            }
            (Exchange::UpdateKeys(Side::Client), Side::Client) => {
                &[UpdateKeys, Send, Receive, Close, ReadEnd]
            }
            (Exchange::UpdateKeys(Side::Server), Side::Server) => {
                &[UpdateKeys, Send, Receive, ReadEnd, Close]
            }
            // libssl answers with its next data.
            (Exchange::UpdateKeys(Side::Server), Side::Client) => &[Receive, Send, Close, ReadEnd],
            (Exchange::Authenticate, Side::Server) => &[Receive, Authenticate, Send, ReadEnd, Close],
            (Exchange::Listen, Side::Client) => &[Receive, Close, ReadEnd],
            (Exchange::Listen, Side::Server) => &[Send, ReadEnd, Close],
            (Exchange::HalfClose, Side::Client) | (Exchange::ServerHalfClose, Side::Server) => {
                &[Send, Close, Receive, ReadEnd]
            }
            (Exchange::HalfClose, Side::Server) | (Exchange::ServerHalfClose, Side::Client) => {
                &[Receive, ReadEnd, Send, Close]
            }
            (Exchange::CutByServer, Side::Client) => &[Send, ReadEnd],
            (Exchange::CutByServer, Side::Server) => &[Receive, Cut],
            (Exchange::CutByClient, Side::Client) => &[Send, Receive, Cut],
            (Exchange::CutByClient, Side::Server) => &[Receive, Send, ReadEnd],
            // An echo, with whatever the other side begins in it.
            (_, Side::Client) => &[Send, Receive, Close, ReadEnd],
            (_, Side::Server) => &[Receive, Send, ReadEnd, Close],
        }
    }

    /// How many connections there are.
    pub fn connections(self) -> usize {
        if self == Exchange::Resume { 2 } else { 1 }
    }

    /// How many handshakes there are beside those that begin connections.
    pub fn renegotiations(self) -> usize {
        match self {
            Exchange::Renegotiate(_, times) => times,
            _ => 0,
        }
    }

    /// How much each side sends, in bytes.
    pub fn size(self) -> usize {
        match self {
            Exchange::Bulk(size) => size,
            _ => 64,
        }
    }

    /// What a side sends: lines with numbers, so that nothing can be lost, doubled or moved unseen. The last byte ends
    /// a line. A side that sends nothing has none.
    pub fn payload(self, side: Side) -> Arc<[u8]> {
        type Made = BTreeMap<(Side, usize), Arc<[u8]>>;
        static CACHE: Mutex<Made> = Mutex::new(BTreeMap::new());
        let size = if self.steps(side).contains(&Step::Send) { self.size() } else { 0 };
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = cache.entry((side, size)).or_insert_with(|| {
            let mut bytes = Vec::with_capacity(size + 32);
            let mut number = 0;
            while bytes.len() < size {
                bytes.extend_from_slice(format!("from-{} {number}\n", side.name()).as_bytes());
                number += 1;
            }
            bytes.truncate(size);
            if let Some(last) = bytes.last_mut() {
                *last = b'\n';
            }
            bytes.into()
        });
        Arc::clone(bytes)
    }

    /// How a side's peer must end, where the side reads to the end.
    pub fn end(self, side: Side) -> Option<&'static str> {
        let peer_cuts = self.steps(side.other()).contains(&Step::Cut);
        self.steps(side).contains(&Step::ReadEnd).then_some(if peer_cuts { "cut" } else { "close-notify" })
    }
}
