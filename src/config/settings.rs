//! The data of a configuration, before it is applied.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;

use super::alpn_resolver::AlpnResolver;
use super::certificate_resolver::CertificateResolver;
use super::cipher_list::CipherList;
use super::context::Config;
use super::ocsp_source::OcspSource;
use super::peer_verifier::PeerVerifier;
use super::psk::{PskResolver, PskSource};
use super::replay_guard::ReplayGuard;
use super::resolver::ConfigResolver;
use super::session_store::SessionStore;
use super::side::Server;
use super::ticket_key_resolver::TicketKeyResolver;
use crate::materials::certificate::Certificate;
use crate::materials::dh::DhParameters;
use crate::materials::identity::Identity;
use crate::materials::keylog::{KeyLog, TraceSink};
use crate::materials::session::Session;
use crate::materials::ticket::TicketKeys;
use crate::materials::trust::TrustStore;
use crate::materials::verify::{ClientAuth, CrlCheck, ServerVerification, VerifyFlags};
use crate::values::alpn::AlpnProtocols;
use crate::values::certificate_compression::CertificateCompression;
use crate::values::error::Error;
use crate::values::limit::RenegotiationPolicy;
use crate::values::name_pattern::ServerNamePattern;
use crate::values::options::SecureOptions;
use crate::values::protocol::SecureProtocol;
use crate::values::psk::UnknownPskIdentity;
use crate::values::version::VersionRange;

/// Whose order of cipher suites counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CipherPreference {
    /// The server's: Node's `honorCipherOrder: true`, `SSL_OP_CIPHER_SERVER_PREFERENCE`.
    #[default]
    Server,
    /// The client's.
    Client,
}

/// What a server does with a client that offers protocols of which it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AlpnMismatch {
    /// The handshake fails with the alert `no_application_protocol` (RFC 7301 section 3.2).
    #[default]
    Alert,
    /// The handshake goes on without a protocol.
    Ignore,
}

/// What a server does with a name that none of its static names matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum UnknownName {
    /// The server's own configuration answers, as in Node.
    #[default]
    UseDefault,
    /// The handshake fails with the alert `unrecognized_name` (RFC 6066 section 3).
    Alert,
}

/// Which sessions libssl itself keeps: `SSL_CTX_set_session_cache_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SessionCache {
    /// None: sessions are resumed by ticket, or from what the application keeps. As in Node.
    #[default]
    Off,
    /// libssl's own cache, by session id, for a server.
    Internal,
}

/// The Diffie-Hellman parameters of a server, for the DHE suites of TLS 1.2 and older.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DhChoice {
    /// libssl picks a group that is as strong as the certificate: `SSL_CTX_set_dh_auto`.
    Auto,
    /// These.
    Parameters(DhParameters),
}

impl From<DhParameters> for DhChoice {
    fn from(parameters: DhParameters) -> DhChoice {
        DhChoice::Parameters(parameters)
    }
}

/// Judges whether a certificate is for the host that was meant: Node's `checkServerIdentity`.
///
/// Runs on a client, in the handshake, after the chain was found good, with the host of
/// [`connect`](crate::TlsConnector::connect); on resumption as well. Closures
/// `Fn(&str, &Certificate) -> Result<(), Error>` are checks. The default is
/// [`check_server_identity`](crate::check_server_identity).
pub trait IdentityCheck: Send + Sync {
    /// Judges.
    ///
    /// # Errors
    /// Any error fails the verification; its code and text are reported.
    fn check(&self, host: &str, certificate: &Certificate) -> Result<(), Error>;
}

impl<F: Fn(&str, &Certificate) -> Result<(), Error> + Send + Sync> IdentityCheck for F {
    fn check(&self, host: &str, certificate: &Certificate) -> Result<(), Error> {
        self(host, certificate)
    }
}

/// Takes the new sessions of a client: Node's event `session`.
///
/// Called outside of libssl, once the peer has been verified, for every ticket (TLS 1.3 servers usually send two, some
/// time after the handshake: they are found by the reads), and for every session of TLS 1.2 and older. Closures
/// `Fn(&Session)` are listeners.
pub trait SessionListener: Send + Sync {
    /// Takes one.
    fn new_session(&self, session: &Session);
}

impl<F: Fn(&Session) + Send + Sync> SessionListener for F {
    fn new_session(&self, session: &Session) {
        self(session);
    }
}

/// What [`ConfigBuilder::with_openssl`](crate::ConfigBuilder::with_openssl) was given.
pub(crate) type OpensslStep = Box<dyn FnOnce(&mut SslContextBuilder) -> Result<(), ErrorStack> + Send>;

/// A value that was parsed when it was given; its error is told by `build()`.
pub(crate) type Parsed<T> = Option<Result<T, Error>>;

/// Every option; `None` is the default.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) versions: Option<VersionRange>,
    pub(crate) secure_protocol: Parsed<SecureProtocol>,
    pub(crate) secure_options: SecureOptions,
    pub(crate) cleared_options: SecureOptions,
    pub(crate) security_level: Option<u8>,
    pub(crate) cipher_list: Parsed<CipherList>,
    pub(crate) cipher_suites: Option<String>,
    pub(crate) cipher_preference: CipherPreference,
    pub(crate) groups: Option<String>,
    pub(crate) sigalgs: Option<String>,
    pub(crate) client_sigalgs: Option<String>,
    pub(crate) trust: Option<TrustStore>,
    pub(crate) crl_check: CrlCheck,
    pub(crate) verify_depth: Option<u32>,
    pub(crate) verify_flags: VerifyFlags,
    pub(crate) verify_time: Option<SystemTime>,
    pub(crate) server_verification: ServerVerification,
    pub(crate) client_auth: ClientAuth,
    pub(crate) identity_check: Option<Arc<dyn IdentityCheck>>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) certificate_compression: Option<Vec<CertificateCompression>>,
    pub(crate) dh: Option<DhChoice>,
    pub(crate) min_dh_bits: Option<u32>,
    pub(crate) alpn: Parsed<AlpnProtocols>,
    pub(crate) alpn_mismatch: AlpnMismatch,
    pub(crate) npn: Parsed<AlpnProtocols>,
    pub(crate) client_cert_engine: Option<String>,
    pub(crate) post_handshake_auth: bool,
    pub(crate) session_id_context: Option<Vec<u8>>,
    pub(crate) session_timeout: Option<Duration>,
    pub(crate) session_cache: SessionCache,
    pub(crate) resumption_hosts: Option<usize>,
    pub(crate) session_tickets: Option<usize>,
    pub(crate) ticket_keys: Option<TicketKeys>,
    pub(crate) ticket_key_resolver: Option<Arc<dyn TicketKeyResolver>>,
    pub(crate) early_data: u32,
    pub(crate) replay_guard: Option<Arc<dyn ReplayGuard>>,
    pub(crate) max_send_fragment: Option<usize>,
    pub(crate) renegotiation: RenegotiationPolicy,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) names: Vec<(Result<ServerNamePattern, Error>, Config<Server>)>,
    pub(crate) unknown_name: UnknownName,
    pub(crate) resolver: Option<Arc<dyn ConfigResolver>>,
    pub(crate) psk_resolver: Option<Arc<dyn PskResolver>>,
    pub(crate) psk_source: Option<Arc<dyn PskSource>>,
    pub(crate) request_ocsp: bool,
    pub(crate) ocsp_source: Option<Arc<dyn OcspSource>>,
    pub(crate) alpn_resolver: Option<Arc<dyn AlpnResolver>>,
    pub(crate) certificate_resolver: Option<Arc<dyn CertificateResolver>>,
    pub(crate) peer_verifier: Option<Arc<dyn PeerVerifier>>,
    pub(crate) session_store: Option<Arc<dyn SessionStore>>,
    pub(crate) session_store_timeout: Option<Duration>,
    pub(crate) session_listener: Option<Arc<dyn SessionListener>>,
    pub(crate) psk_hint: Option<String>,
    pub(crate) unknown_psk_identity: UnknownPskIdentity,
    pub(crate) key_log: Option<Arc<dyn KeyLog>>,
    pub(crate) trace: Option<Arc<dyn TraceSink>>,
    pub(crate) openssl: Vec<OpensslStep>,
}
