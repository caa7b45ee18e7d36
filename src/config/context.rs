//! A finished configuration.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openssl::ssl::{SslContext, SslContextRef};

use super::alpn_resolver::AlpnResolver;
use super::certificate_resolver::CertificateResolver;
use super::ciphers::IgnoredCiphers;
use super::names::Names;
use super::ocsp_source::OcspSource;
use super::peer_verifier::PeerVerifier;
use super::psk::{PskResolver, PskSource};
use super::replay_guard::ReplayGuard;
use super::resolver::ConfigResolver;
use super::session_store::SessionStore;
use super::settings::{AlpnMismatch, IdentityCheck, SessionListener, UnknownName};
use super::side::{Client, Role, Server, Side};
use super::ticket_key_resolver::TicketKeyResolver;
use crate::materials::keylog::{KeyLog, TraceSink};
use crate::materials::negotiated::CipherSuite;
use crate::materials::session_cache::ClientSessionCache;
use crate::materials::ticket::TicketKeys;
use crate::materials::trust::TrustStore;
use crate::materials::verify::{ClientAuth, ServerVerification};
use crate::sys::ssl::context_ciphers;
use crate::values::alpn::AlpnProtocols;
use crate::values::certificate_compression::CertificateCompression;
use crate::values::error::Error;
use crate::values::limit::RenegotiationPolicy;
use crate::values::name_pattern::ServerNamePattern;
use crate::values::psk::UnknownPskIdentity;

/// An immutable configuration of one side, made by a [`ConfigBuilder`](crate::ConfigBuilder); cheap to clone.
///
/// All connections of a configuration share one `SSL_CTX`.
///
/// # Examples
///
/// ```
/// use patina_tls::{Identity, ServerConfig};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let config = ServerConfig::builder().identity(Identity::self_signed(["localhost"])?).build()?;
/// # Ok(())
/// # }
/// ```
pub struct Config<S: Side> {
    pub(crate) context: Arc<Context>,
    side: PhantomData<S>,
}

/// The configuration of clients.
pub type ClientConfig = Config<Client>;

/// The configuration of servers.
pub type ServerConfig = Config<Server>;

/// What the connections of a configuration need to know besides the SSL_CTX.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) ssl: SslContext,
    pub(crate) role: Role,
    pub(crate) alpn: Option<AlpnProtocols>,
    pub(crate) alpn_mismatch: AlpnMismatch,
    pub(crate) npn: Option<Arc<AlpnProtocols>>,
    pub(crate) server_verification: ServerVerification,
    pub(crate) client_auth: ClientAuth,
    pub(crate) identity_check: Arc<dyn IdentityCheck>,
    pub(crate) min_dh_bits: u32,
    pub(crate) handshake_timeout: Duration,
    pub(crate) renegotiation: RenegotiationPolicy,
    pub(crate) names: Names,
    pub(crate) unknown_name: UnknownName,
    pub(crate) resolver: Option<Arc<dyn ConfigResolver>>,
    pub(crate) psk_resolver: Option<Arc<dyn PskResolver>>,
    pub(crate) psk_source: Option<Arc<dyn PskSource>>,
    pub(crate) ocsp_source: Option<Arc<dyn OcspSource>>,
    pub(crate) alpn_resolver: Option<Arc<dyn AlpnResolver>>,
    pub(crate) certificate_resolver: Option<Arc<dyn CertificateResolver>>,
    pub(crate) certificate_compression: Option<Vec<CertificateCompression>>,
    pub(crate) peer_verifier: Option<Arc<dyn PeerVerifier>>,
    pub(crate) session_store: Option<Arc<dyn SessionStore>>,
    pub(crate) session_store_timeout: Duration,
    pub(crate) session_listener: Option<Arc<dyn SessionListener>>,
    /// The application's options say so, and not only its policy.
    pub(crate) never_renegotiates: bool,
    /// The sessions of a client, for its next connections.
    pub(crate) client_sessions: Option<Arc<ClientSessionCache>>,
    pub(crate) unknown_psk_identity: UnknownPskIdentity,
    /// Whether there is no certificate.
    pub(crate) without_identity: bool,
    pub(crate) ticket_keys: Option<TicketKeys>,
    pub(crate) ticket_key_resolver: Option<Arc<dyn TicketKeyResolver>>,
    /// How much early data a server takes, in bytes.
    pub(crate) early_data: u32,
    pub(crate) replay_guard: Option<Arc<dyn ReplayGuard>>,
    pub(crate) key_log: Option<Arc<dyn KeyLog>>,
    /// It also holds the `X509_STORE` in the register of stores, where configurations with the same roots find it.
    pub(crate) trust: Option<TrustStore>,
    /// libssl cannot be asked for it.
    pub(crate) max_send_fragment: usize,
    pub(crate) trace: Option<Arc<dyn TraceSink>>,
    pub(crate) warnings: Arc<Warnings>,
    /// Set when the SSL_CTX is the application's own, with its own callbacks in the place of ours.
    pub(crate) adopted: Option<Adoption>,
    /// Whether somebody else has had the SSL_CTX in hand, and may have put callbacks of the `openssl` crate into it.
    pub(crate) foreign_callbacks: bool,
}

/// What is to be told about a configuration.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    found: Vec<String>,
    ignored: IgnoredCiphers,
    all: OnceLock<Vec<String>>,
}

impl Warnings {
    pub(crate) fn new(found: Vec<String>, ignored: IgnoredCiphers) -> Warnings {
        Warnings { found, ignored, all: OnceLock::new() }
    }

    fn all(&self) -> &[String] {
        self.all.get_or_init(|| self.found.iter().cloned().chain(self.ignored.warnings()).collect())
    }
}

/// What connections of an adopted SSL_CTX need to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adoption {
    /// Whether libssl compares the server's certificate with the host.
    pub(crate) checks_name: bool,
}

impl Context {
    /// Whether a connection may turn out to use a pre-shared key of TLS 1.2 or older, as a server.
    pub(crate) fn may_use_psk(&self) -> bool {
        self.role == Role::Server
            && (self.psk_resolver.is_some() || self.resolver.is_some() || !self.names.is_empty())
    }
}

impl<S: Side> Config<S> {
    pub(crate) fn new(context: Context) -> Config<S> {
        Config { context: Arc::new(context), side: PhantomData }
    }

    /// libssl's own object, to read from.
    ///
    /// # OpenSSL
    /// `SSL_CTX`. To change what this library has no option for, see
    /// [`ConfigBuilder::with_openssl`](crate::ConfigBuilder::with_openssl).
    pub fn as_openssl(&self) -> &SslContextRef {
        &self.context.ssl
    }

    /// Whom the configuration trusts; `None` on a server that asks for no certificates, and for an
    /// [adopted](crate::TlsAcceptor::adopt) `SSL_CTX`.
    pub fn trust(&self) -> Option<&TrustStore> {
        self.context.trust.as_ref()
    }

    /// The cipher suites that the configuration selects, in order, those of TLS 1.3 first.
    ///
    /// It is what `openssl ciphers` lists: versions, security level and certificates leave fewer of them to a connection.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_ciphers`.
    #[doc(alias = "getCiphers")]
    pub fn cipher_suites(&self) -> Vec<CipherSuite> {
        context_ciphers(&self.context.ssl).into_iter().flatten().map(CipherSuite::of).collect()
    }

    /// What is allowed but should be looked at: Diffie-Hellman parameters below 2048 bits, certificates of which none became
    /// smaller by compression, and what libssl passes over in silence in a cipher list, with its column and the nearest known
    /// name.
    ///
    /// A word that forbids what this libssl does not have, such as `!EXPORT`, is none. The first call takes about a
    /// millisecond when there is a cipher list, as libssl has to be asked what it knows; [`build`] takes none of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use patina_tls::ServerConfig;
    ///
    /// let config = ServerConfig::builder().cipher_list("HIGH:!aNUL").build()?;
    /// let warnings: Vec<&str> = config.warnings().collect();
    /// assert_eq!(
    ///     warnings,
    ///     [r#"cipher_list: column 7: unknown word "aNUL" is ignored (did you mean aNULL?)"#],
    /// );
    /// # Ok::<(), patina_tls::Error>(())
    /// ```
    ///
    /// [`build`]: crate::ConfigBuilder::build
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.context.warnings.all().iter().map(String::as_str)
    }
}

impl Config<Server> {
    /// The keys that session tickets are sealed with, where [`ConfigBuilder::ticket_keys`] gave some: change them there.
    ///
    /// [`ConfigBuilder::ticket_keys`]: crate::ConfigBuilder::ticket_keys
    #[doc(alias = "getTicketKeys")]
    pub fn ticket_keys(&self) -> Option<TicketKeys> {
        self.context.ticket_keys.clone()
    }

    /// The same configuration with one more name: Node's `server.addContext`.
    ///
    /// The `SSL_CTX` is shared with `self`. A later name wins over an earlier one that matches, too.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `server_name` when `pattern` is empty or no
    /// name pattern, and on an [adopted](crate::TlsAcceptor::adopt) configuration, whose `SSL_CTX` chooses by itself.
    pub fn with_server_name(&self, pattern: &str, config: Config<Server>) -> Result<Config<Server>, Error> {
        if self.context.adopted.is_some() {
            return Err(Error::config(
                "server_name",
                "the callbacks of an adopted SSL_CTX choose by name, not this list",
            ));
        }
        let pattern = ServerNamePattern::parse(pattern).map_err(|e| e.with_option("server_name"))?;
        let mut context = Context::clone(&self.context);
        context.names.push(pattern, config);
        Ok(Config::new(context))
    }
}

impl<S: Side> Clone for Config<S> {
    fn clone(&self) -> Config<S> {
        Config { context: Arc::clone(&self.context), side: PhantomData }
    }
}

impl<S: Side> fmt::Debug for Config<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("role", &self.context.role).finish_non_exhaustive()
    }
}
