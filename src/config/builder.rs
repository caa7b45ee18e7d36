//! The builder: options as data, in any order.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;

use super::alpn_resolver::AlpnResolver;
use super::apply;
use super::certificate_resolver::CertificateResolver;
use super::cipher_list::CipherList;
use super::context::Config;
use super::ocsp_source::OcspSource;
use super::peer_verifier::PeerVerifier;
use super::psk::{PskResolver, PskSource};
use super::replay_guard::ReplayGuard;
use super::resolver::ConfigResolver;
use super::session_store::SessionStore;
use super::settings::{
    AlpnMismatch, CipherPreference, DhChoice, IdentityCheck, SessionCache, SessionListener, Settings,
    UnknownName,
};
use super::side::{Client, Server, Side};
use super::ticket_key_resolver::TicketKeyResolver;
use crate::materials::identity::Identity;
use crate::materials::keylog::{KeyLog, TraceSink};
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
use crate::values::psk::{PreSharedKey, PskIdentity, UnknownPskIdentity};
use crate::values::version::VersionRange;

/// Collects the options of a [`Config`].
///
/// Setters only keep what they are given: the order of calls never matters, and what is wrong is told by
/// [`build`](ConfigBuilder::build), with the name of the option.
///
/// | option | side | default |
/// | --- | --- | --- |
/// | `versions` | both | TLS 1.2 to TLS 1.3 |
/// | `secure_protocol` | both | none |
/// | `secure_options` | both | none; `NO_RENEGOTIATION` comes from `renegotiation` |
/// | `security_level` | both | libssl's (1 on 1.1.1 to 3.1, 2 from 3.2 on; Debian: 2) |
/// | `cipher_list`, `cipher_suites` | both | libssl's `DEFAULT` and TLS 1.3 suites |
/// | `cipher_preference` | server | `Server` |
/// | `groups`, `sigalgs`, `client_sigalgs` | both | libssl's |
/// | `trust` | client | [`TrustStore::system`] |
/// | `trust` | server | nothing; needed with `client_auth` |
/// | `crl_check` | both | `Chain`, once the trust store has revocation lists |
/// | `verify_depth` | both | 100 |
/// | `verify_flags` | both | none |
/// | `verify_time` | both | now |
/// | `server_verification` | client | `Require` |
/// | `identity_check` | client | [`check_server_identity`](crate::check_server_identity) |
/// | `min_dh_size` | client | 1024 bits |
/// | `client_auth` | server | `None` |
/// | `identity` | both | none |
/// | `certificate_compression` | both | libssl's: a server sends none, everything else with what libssl was built with |
/// | `client_cert_engine` | client | none |
/// | `post_handshake_auth` | client | off |
/// | `dhparam` | server | none: no DHE in TLS 1.2 and older |
/// | `alpn` | both | none |
/// | `alpn_mismatch` | server | `Alert` |
/// | `npn` | both | none |
/// | `session_id_context` | server | a digest of what clients must prove |
/// | `session_timeout` | both | 7200 s |
/// | `session_cache` | server | `Off`: tickets only |
/// | `session_tickets` | server | 2 |
/// | `early_data` | server | 0: none is taken |
/// | `replay_guard` | server | none: libssl's own memory, of one process |
/// | `ticket_keys` | server | libssl's own, random and kept for the life of the configuration |
/// | `max_send_fragment` | both | 16384 bytes |
/// | `renegotiation` | both | denied |
/// | `handshake_timeout` | both | 120 s |
/// | `server_name`, `config_resolver` | server | none |
/// | `unknown_name` | server | `UseDefault` |
/// | `request_ocsp` | client | off |
/// | `ocsp_source` | server | none |
/// | `psk`, `psk_source` | client | none |
/// | `psk_resolver`, `psk_hint` | server | none |
/// | `unknown_psk_identity` | server | `Alert` |
/// | `alpn_resolver` | server | none |
/// | `certificate_resolver`, `peer_verifier` | both | none |
/// | `ticket_key_resolver` | server | none |
/// | `session_store` | server | none |
/// | `session_store_timeout` | server | 500 ms |
/// | `session_listener` | client | none |
/// | `resumption_hosts` | client | 256; 0 with `certificate_resolver`, `peer_verifier` or a pre-shared key |
/// | `key_log`, `message_trace` | both | none |
pub struct ConfigBuilder<S: Side> {
    settings: Settings,
    side: PhantomData<S>,
}

impl<S: Side> Config<S> {
    /// Starts a configuration with the defaults.
    pub fn builder() -> ConfigBuilder<S> {
        ConfigBuilder { settings: Settings::default(), side: PhantomData }
    }
}

impl<S: Side> ConfigBuilder<S> {
    /// Sets the protocol versions, as a range of any form or as one version. Default: TLS 1.2 to TLS 1.3.
    ///
    /// A range that is open at its lower end begins with the oldest version that libssl has. TLS 1.1 and older need
    /// security level 0 on OpenSSL 3.0 and newer.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_min_proto_version`, `SSL_CTX_set_max_proto_version`.
    #[doc(alias = "minVersion")]
    #[doc(alias = "maxVersion")]
    #[must_use]
    pub fn versions(mut self, versions: impl Into<VersionRange>) -> Self {
        self.settings.versions = Some(versions.into());
        self
    }

    /// Sets the versions by the name of one of OpenSSL's methods, such as `TLSv1_2_method`: Node's `secureProtocol`.
    ///
    /// The methods of fixed versions are emulated by a range of one version. It cannot stand together with
    /// [`versions`](ConfigBuilder::versions).
    #[doc(alias = "secureProtocol")]
    #[must_use]
    pub fn secure_protocol(mut self, name: impl AsRef<str>) -> Self {
        self.settings.secure_protocol = Some(SecureProtocol::parse(name.as_ref()));
        self
    }

    /// Adds options of libssl: Node's `secureOptions`. Several calls add up.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_options`.
    #[doc(alias = "secureOptions")]
    #[doc(alias = "SSL_CTX_set_options")]
    #[must_use]
    pub fn secure_options(mut self, options: impl Into<SecureOptions>) -> Self {
        self.settings.secure_options |= options.into();
        self
    }

    /// Takes away options that libssl or the system's configuration sets by itself.
    ///
    /// # OpenSSL
    /// `SSL_CTX_clear_options`.
    #[doc(alias = "SSL_CTX_clear_options")]
    #[must_use]
    pub fn without_secure_options(mut self, options: impl Into<SecureOptions>) -> Self {
        self.settings.cleared_options |= options.into();
        self
    }

    /// Sets the security level, 0 to 5. Default: libssl's.
    ///
    /// An `@SECLEVEL=n` in the cipher list does the same; the two must not differ.
    ///
    /// # Security
    /// Level 0 allows everything that libssl has, down to keys and digests that can be broken.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_security_level`.
    #[must_use]
    pub fn security_level(mut self, level: u8) -> Self {
        self.settings.security_level = Some(level);
        self
    }

    /// Sets the cipher suites by a cipher string of `openssl-ciphers(1)`. Default: libssl's `DEFAULT`.
    ///
    /// Names of TLS 1.3 suites may stand in it, as in Node; without any, all default TLS 1.3 suites stay on. A string
    /// of only such names leaves nothing for TLS 1.2 and older, so that the lowest version becomes TLS 1.3.
    ///
    /// SEED, RC4 and IDEA are in the "legacy" provider from OpenSSL 3.0 on: a string that names one of them, as `SEED-SHA`
    /// and `HIGH:SEED` do and `ALL` does not, loads it for the whole process, beside the providers that are there.
    ///
    /// libssl decides what is refused. The error of [`build`](ConfigBuilder::build) then points at the word that is to blame
    /// ([`Error::span`]) and tells the nearest known one; what libssl ignores beside known words is in
    /// [`Config::warnings`](crate::Config::warnings).
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_cipher_list`, `SSL_CTX_set_ciphersuites`.
    #[doc(alias = "ciphers")]
    #[must_use]
    pub fn cipher_list(mut self, list: impl AsRef<str>) -> Self {
        self.settings.cipher_list = Some(CipherList::parse(list.as_ref()));
        self
    }

    /// Sets the cipher suites of TLS 1.3, by their names joined by colons. Default: libssl's.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_ciphersuites`.
    #[must_use]
    pub fn cipher_suites(mut self, suites: impl Into<String>) -> Self {
        self.settings.cipher_suites = Some(suites.into());
        self
    }

    /// Sets the groups of the key exchange, by their names joined by colons, such as `X25519:P-256`; `auto` leaves
    /// libssl's. On a client they also decide on the key shares.
    ///
    /// `X25519MLKEM768` and the other groups with ML-KEM, against the quantum computers to come, need OpenSSL 3.5, those of
    /// RFC 7919 (`ffdhe2048`) OpenSSL 3.0: [`openssl().groups()`](crate::OpenSsl::groups) tells what there is, and `build()`
    /// fails with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) and the version that has what is missing.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_groups_list`.
    #[doc(alias = "ecdhCurve")]
    #[must_use]
    pub fn groups(mut self, groups: impl Into<String>) -> Self {
        self.settings.groups = Some(groups.into());
        self
    }

    /// Sets the signature algorithms, such as `ECDSA+SHA256:rsa_pss_rsae_sha256`. Default: libssl's.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_sigalgs_list`.
    #[must_use]
    pub fn sigalgs(mut self, algorithms: impl Into<String>) -> Self {
        self.settings.sigalgs = Some(algorithms.into());
        self
    }

    /// Sets the signature algorithms of client authentication. Default: as [`sigalgs`](ConfigBuilder::sigalgs).
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_client_sigalgs_list`.
    #[must_use]
    pub fn client_sigalgs(mut self, algorithms: impl Into<String>) -> Self {
        self.settings.client_sigalgs = Some(algorithms.into());
        self
    }

    /// Sets whom to trust, and what is revoked: the roots for the peer's chain. Default: on a client the system's, on
    /// a server nobody.
    ///
    /// All configurations that name the same roots share one `X509_STORE`. On a server the names of the certificates
    /// that were given one by one go into the list of acceptable authorities.
    #[doc(alias = "ca")]
    #[must_use]
    pub fn trust(mut self, trust: TrustStore) -> Self {
        self.settings.trust = Some(trust);
        self
    }

    /// Sets how much of a chain is checked for revocation, once the trust store has lists. Default: all of it.
    #[doc(alias = "crl")]
    #[must_use]
    pub fn crl_check(mut self, check: CrlCheck) -> Self {
        self.settings.crl_check = check;
        self
    }

    /// Sets how many certificates may stand between the peer's and a root. Default: 100.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_verify_depth`.
    #[must_use]
    pub fn verify_depth(mut self, depth: u32) -> Self {
        self.settings.verify_depth = Some(depth);
        self
    }

    /// Adds flags of the verification. Several calls add up.
    ///
    /// # OpenSSL
    /// `X509_VERIFY_PARAM_set_flags`.
    #[must_use]
    pub fn verify_flags(mut self, flags: VerifyFlags) -> Self {
        self.settings.verify_flags |= flags;
        self
    }

    /// Sets the time at which chains and revocation lists must be valid. Default: the time of the handshake.
    ///
    /// # OpenSSL
    /// `X509_VERIFY_PARAM_set_time`.
    #[must_use]
    pub fn verify_time(mut self, time: SystemTime) -> Self {
        self.settings.verify_time = Some(time);
        self
    }

    /// Adds a certificate with its key and chain. One of each key type can be there: RSA, RSA-PSS, ECDSA, ...; a
    /// later one of a type replaces the earlier.
    #[doc(alias = "cert")]
    #[doc(alias = "key")]
    #[doc(alias = "pfx")]
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.settings.identities.push(identity);
        self
    }

    /// Sets the application protocols (RFC 7301), the preferred first. A server's order wins.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_alpn_protos`, `SSL_CTX_set_alpn_select_cb`.
    #[doc(alias = "ALPNProtocols")]
    #[must_use]
    pub fn alpn<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.settings.alpn = Some(AlpnProtocols::new(protocols));
        self
    }

    /// Sets the application protocols of NPN, the extension before ALPN, for peers of before 2014 that have no ALPN: a
    /// server advertises them, a client says the first of the server's that it has, or its own first when there is none
    /// (draft-agl-tls-nextprotoneg-04). Default: none.
    ///
    /// Only up to TLS 1.2, and not in a handshake that comes to a protocol by ALPN.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_next_protos_advertised_cb`, `SSL_CTX_set_next_proto_select_cb`.
    #[doc(alias = "NPNProtocols")]
    #[doc(alias = "nextprotoneg")]
    #[must_use]
    pub fn npn<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.settings.npn = Some(AlpnProtocols::new(protocols).map_err(|e| e.in_option("npn")));
        self
    }

    /// Sets with what certificates are compressed on their way (RFC 8879), the preferred first; TLS 1.3 only. An empty list
    /// switches it off in both directions.
    ///
    /// Each side tells the other what it takes, in this order, and the sender goes by the order of the receiver. Default: what
    /// libssl does. It takes compressed certificates in all algorithms that it was built with
    /// ([`OpenSsl::certificate_compression`](crate::OpenSsl::certificate_compression)), a client compresses its own for servers
    /// that take it, and a server sends none, for it has to compress them beforehand. With a list it does, once, in
    /// [`build`](ConfigBuilder::build); a certificate that does not become smaller is sent as it is, and
    /// [`Config::warnings`](crate::Config::warnings) says so where that is true of all. So are certificates of a
    /// [`certificate_resolver`](ConfigBuilder::certificate_resolver) on a server, which libssl cannot compress in the middle of
    /// a handshake, and one to which an OCSP response is stapled.
    ///
    /// It can save a round trip where a chain does not fit into what TCP sends at first. What comes compressed may not be longer
    /// than other certificates, so that a peer cannot fill the memory with it. This is not the compression of records, which
    /// stays off ([`SecureOptions::NO_COMPRESSION`]).
    ///
    /// An algorithm that this libssl lacks is [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) in `build()`.
    ///
    /// # Examples
    ///
    /// ```
    /// use patina_tls::{ClientConfig, TrustStore, openssl};
    ///
    /// let all = openssl().certificate_compression().iter().copied();
    /// let client = ClientConfig::builder().trust(TrustStore::empty()).certificate_compression(all).build()?;
    /// # Ok::<(), patina_tls::Error>(())
    /// ```
    ///
    /// # OpenSSL
    /// `SSL_CTX_set1_cert_comp_preference`, `SSL_CTX_compress_certs`; `SSL_OP_NO_TX_CERTIFICATE_COMPRESSION` and
    /// `SSL_OP_NO_RX_CERTIFICATE_COMPRESSION` for the empty list. OpenSSL 3.2 or newer, built with zlib, brotli or zstd.
    #[doc(alias = "certificateCompression")]
    #[doc(alias = "SSL_CTX_set1_cert_comp_preference")]
    #[must_use]
    pub fn certificate_compression(
        mut self,
        algorithms: impl IntoIterator<Item = CertificateCompression>,
    ) -> Self {
        self.settings.certificate_compression = Some(algorithms.into_iter().collect());
        self
    }

    /// Sets how long a session can be resumed. Default: 7200 s, libssl's.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_timeout`; whole seconds.
    #[doc(alias = "sessionTimeout")]
    #[must_use]
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.settings.session_timeout = Some(timeout);
        self
    }

    /// Sets the largest plaintext of a record that is sent, 512 to 16384 bytes. Default: 16384.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_max_send_fragment`.
    #[must_use]
    pub fn max_send_fragment(mut self, bytes: usize) -> Self {
        self.settings.max_send_fragment = Some(bytes);
        self
    }

    /// Sets how often the peer may renegotiate. Default: never.
    #[must_use]
    pub fn renegotiation(mut self, policy: RenegotiationPolicy) -> Self {
        self.settings.renegotiation = policy;
        self
    }

    /// Sets how long a handshake may take, the hooks included. Default: 120 s. With `Duration::MAX` there is no limit and no
    /// timer, for applications that have one of their own around it.
    #[doc(alias = "handshakeTimeout")]
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshake_timeout = Some(timeout);
        self
    }

    /// Sets where the secrets of the connections are logged. Default: nowhere.
    ///
    /// # Security
    /// Whoever has the log can read the connections.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_keylog_callback`.
    #[doc(alias = "SSLKEYLOGFILE")]
    #[must_use]
    pub fn key_log(mut self, log: impl KeyLog + 'static) -> Self {
        self.settings.key_log = Some(Arc::new(log));
        self
    }

    /// Sets where every protocol message is described. Default: nowhere.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_msg_callback`, `SSL_trace` where the build has it (OpenSSL 1.1.1 often has not; the text is then
    /// one line a message).
    #[doc(alias = "enableTrace")]
    #[must_use]
    pub fn message_trace(mut self, sink: impl TraceSink + 'static) -> Self {
        self.settings.trace = Some(Arc::new(sink));
        self
    }

    /// Runs `step` on libssl's own builder, after all other options and before the hooks of this library.
    ///
    /// These callback slots belong to the library and are filled after `step`: client hello, server name, ALPN
    /// selection (servers), certificate verification, info, and, where asked for, key log, message, pre-shared keys,
    /// certificate choice, OCSP staple, new sessions, session look-up, ticket keys, early data and NPN.
    #[must_use]
    pub fn with_openssl<F>(mut self, step: F) -> Self
    where
        F: FnOnce(&mut SslContextBuilder) -> Result<(), ErrorStack> + Send + 'static,
    {
        self.settings.openssl.push(Box::new(step));
        self
    }

    /// Applies the options, in one canonical order, and checks them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) or [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported),
    /// with the option at fault.
    pub fn build(self) -> Result<Config<S>, Error> {
        apply::apply(S::ROLE, self.settings).map(Config::new)
    }
}

impl ConfigBuilder<Client> {
    /// Sets what happens with a server that cannot be verified. Default: the handshake fails.
    #[doc(alias = "rejectUnauthorized")]
    #[must_use]
    pub fn server_verification(mut self, verification: ServerVerification) -> Self {
        self.settings.server_verification = verification;
        self
    }

    /// Replaces the comparison of the certificate's names with the host.
    #[doc(alias = "checkServerIdentity")]
    #[must_use]
    pub fn identity_check(mut self, check: impl IdentityCheck + 'static) -> Self {
        self.settings.identity_check = Some(Arc::new(check));
        self
    }

    /// Lets an engine answer servers that ask for a certificate: Node's `clientCertEngine`. An
    /// [`identity`](ConfigBuilder::identity) goes before it. Default: none.
    ///
    /// The engine is loaded by its id, or by the path of its file, for the rest of the process. OpenSSL 4.0 has no engines:
    /// there it is an error of the kind [`Unsupported`](crate::ErrorKind::Unsupported).
    ///
    /// # Security
    /// An engine is a library that runs in this process: an id from an untrusted source lets its author run code.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_client_cert_engine`.
    #[doc(alias = "clientCertEngine")]
    #[must_use]
    pub fn client_cert_engine(mut self, id: impl Into<String>) -> Self {
        self.settings.client_cert_engine = Some(id.into());
        self
    }

    /// Sets whether a client shows its certificate when the server asks for it after the handshake (TLS 1.3). Default:
    /// no.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_post_handshake_auth`; RFC 8446 section 4.6.2.
    #[must_use]
    pub fn post_handshake_auth(mut self, offered: bool) -> Self {
        self.settings.post_handshake_auth = offered;
        self
    }

    /// Sets whether the server is asked to staple an OCSP response to its certificate (RFC 6066 section 8). Default: no.
    ///
    /// What it staples is [`Negotiated::ocsp_response`](crate::Negotiated::ocsp_response), and is not looked at by itself:
    /// [`OcspVerifier`](crate::OcspVerifier) judges it. Not on resumption.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_tlsext_status_type`.
    #[doc(alias = "requestOCSP")]
    #[must_use]
    pub fn request_ocsp(mut self, requested: bool) -> Self {
        self.settings.request_ocsp = requested;
        self
    }

    /// Sets the smallest Diffie-Hellman key of a server, in bits. Default: 1024.
    ///
    /// A smaller one fails the handshake with the code `ERR_TLS_DH_PARAM_SIZE`.
    #[doc(alias = "minDHSize")]
    #[must_use]
    pub fn min_dh_size(mut self, bits: u32) -> Self {
        self.settings.min_dh_bits = Some(bits);
        self
    }
}

impl ConfigBuilder<Client> {
    /// Offers one pre-shared key, whatever the server's hint is.
    ///
    /// TLS 1.2 and older need PSK suites in the cipher list too; under TLS 1.3 any suite with the key's hash will do.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_psk_client_callback`, `SSL_CTX_set_psk_use_session_callback`.
    #[must_use]
    pub fn psk(self, identity: PskIdentity, key: PreSharedKey) -> Self {
        self.psk_source(move |_: Option<&[u8]>| Ok(Some((identity.clone(), key.clone()))))
    }

    /// Sets what chooses the identity and key to offer.
    ///
    /// # OpenSSL
    /// As [`psk`](ConfigBuilder::psk).
    #[doc(alias = "pskCallback")]
    #[must_use]
    pub fn psk_source(mut self, source: impl PskSource + 'static) -> Self {
        self.settings.psk_source = Some(Arc::new(source));
        self
    }

    /// Sets for how many hosts sessions are kept in memory, to be resumed by the next connections of this configuration.
    /// Default: 256; 0 keeps none.
    ///
    /// Resumption costs a tenth of a full handshake under TLS 1.2, and half under TLS 1.3. The certificate in the session is
    /// compared with the host again, but whoever wants to be asked for each connection is not: so the default is 0 with a
    /// certificate resolver, a peer verifier or a pre-shared key. A ticket of TLS 1.3 is used once (RFC 8446 appendix C.4). A
    /// handshake that fails drops the sessions of its host. Node keeps sessions in its `https.Agent` only.
    ///
    /// # OpenSSL
    /// `SSL_CTX_sess_set_new_cb`, `SSL_set_session`, `SSL_SESS_CACHE_NO_INTERNAL`.
    #[doc(alias = "maxCachedSessions")]
    #[must_use]
    pub fn resumption_hosts(mut self, hosts: usize) -> Self {
        self.settings.resumption_hosts = Some(hosts);
        self
    }

    /// Sets what is told of new sessions: Node's event `session`.
    ///
    /// # OpenSSL
    /// `SSL_CTX_sess_set_new_cb`.
    #[must_use]
    pub fn session_listener(mut self, listener: impl SessionListener + 'static) -> Self {
        self.settings.session_listener = Some(Arc::new(listener));
        self
    }
}

impl<S: Side> ConfigBuilder<S> {
    /// Sets what chooses the certificate of each connection.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_cert_cb`.
    #[must_use]
    pub fn certificate_resolver(mut self, resolver: impl CertificateResolver + 'static) -> Self {
        self.settings.certificate_resolver = Some(Arc::new(resolver));
        self
    }

    /// Sets what judges peers beyond their chain and their name.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_cert_verify_callback`, `SSL_set_retry_verify`.
    #[must_use]
    pub fn peer_verifier(mut self, verifier: impl PeerVerifier + 'static) -> Self {
        self.settings.peer_verifier = Some(Arc::new(verifier));
        self
    }
}

impl ConfigBuilder<Server> {
    /// Sets what chooses among the protocols that a client offers, in the place of the list of
    /// [`alpn`](ConfigBuilder::alpn): Node's `ALPNCallback`.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_alpn_select_cb`.
    #[doc(alias = "ALPNCallback")]
    #[must_use]
    pub fn alpn_resolver(mut self, resolver: impl AlpnResolver + 'static) -> Self {
        self.settings.alpn_resolver = Some(Arc::new(resolver));
        self
    }

    /// Sets where sessions are kept, in the place of tickets. Default: tickets, which the clients keep.
    ///
    /// What the configuration of the acceptor says counts, whatever a server name or a resolver then chooses.
    ///
    /// # OpenSSL
    /// `SSL_CTX_sess_set_new_cb`, `SSL_CTX_sess_set_get_cb`, `SSL_SESS_CACHE_NO_INTERNAL`, `SSL_OP_NO_TICKET`.
    #[doc(alias = "newSession")]
    #[doc(alias = "resumeSession")]
    #[must_use]
    pub fn session_store(mut self, store: impl SessionStore + 'static) -> Self {
        self.settings.session_store = Some(Arc::new(store));
        self
    }

    /// Sets how long each call of the session store may take. Default: 500 ms.
    ///
    /// Then the handshake goes on without it. Only [`TlsAcceptor`](crate::TlsAcceptor) can tell the time: under
    /// [`TlsEngine`](crate::TlsEngine) and [`BlockingStream`](crate::BlockingStream) the store has to.
    #[must_use]
    pub fn session_store_timeout(mut self, limit: Duration) -> Self {
        self.settings.session_store_timeout = Some(limit);
        self
    }

    /// Sets what finds the keys of clients by their identity.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_psk_server_callback`, `SSL_CTX_set_psk_find_session_callback`.
    #[doc(alias = "pskCallback")]
    #[must_use]
    pub fn psk_resolver(mut self, resolver: impl PskResolver + 'static) -> Self {
        self.settings.psk_resolver = Some(Arc::new(resolver));
        self
    }

    /// Sets what finds the OCSP response that is stapled for clients which ask for one. Default: none.
    ///
    /// A fixed [`OcspResponse`](crate::OcspResponse) is a source; an [`OcspCache`](crate::OcspCache) keeps what another finds.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_tlsext_status_cb`, `SSL_set_tlsext_status_ocsp_resp`.
    #[doc(alias = "OCSPRequest")]
    #[must_use]
    pub fn ocsp_source(mut self, source: impl OcspSource + 'static) -> Self {
        self.settings.ocsp_source = Some(Arc::new(source));
        self
    }

    /// Sets the hint that tells clients which identity to use, 1 to 128 bytes (RFC 4279 section 5.2). Default: none. TLS
    /// 1.3 has no hint.
    ///
    /// # OpenSSL
    /// `SSL_CTX_use_psk_identity_hint`.
    #[doc(alias = "pskIdentityHint")]
    #[must_use]
    pub fn psk_hint(mut self, hint: impl Into<String>) -> Self {
        self.settings.psk_hint = Some(hint.into());
        self
    }

    /// Sets what happens with an identity that the resolver does not know. Default: an alert.
    #[must_use]
    pub fn unknown_psk_identity(mut self, policy: UnknownPskIdentity) -> Self {
        self.settings.unknown_psk_identity = policy;
        self
    }

    /// Sets whether clients are asked for a certificate. Default: no.
    #[doc(alias = "requestCert")]
    #[must_use]
    pub fn client_auth(mut self, auth: ClientAuth) -> Self {
        self.settings.client_auth = auth;
        self
    }

    /// Sets whose order of cipher suites counts. Default: the server's.
    #[doc(alias = "honorCipherOrder")]
    #[must_use]
    pub fn cipher_preference(mut self, preference: CipherPreference) -> Self {
        self.settings.cipher_preference = preference;
        self
    }

    /// Sets the Diffie-Hellman parameters of TLS 1.2 and older. Default: none, and so no DHE suite.
    ///
    /// From OpenSSL 4.0 on, a client that names groups of RFC 7919 gets one of these instead, where the server has it too.
    ///
    /// [`DhChoice::Auto`] is right for most. See [`DhParameters`](crate::DhParameters) for what the choice costs.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_dh_auto`, `SSL_CTX_set_tmp_dh`.
    #[must_use]
    pub fn dhparam(mut self, dh: impl Into<DhChoice>) -> Self {
        self.settings.dh = Some(dh.into());
        self
    }

    /// Sets what happens when none of the client's protocols is ours. Default: an alert.
    #[must_use]
    pub fn alpn_mismatch(mut self, mismatch: AlpnMismatch) -> Self {
        self.settings.alpn_mismatch = mismatch;
        self
    }

    /// Sets the context within which sessions can be resumed, 1 to 32 bytes.
    ///
    /// Default: a digest of the client authentication and of the roots, so that a session which proved less is not
    /// resumed where more is asked for.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_session_id_context`.
    #[doc(alias = "sessionIdContext")]
    #[must_use]
    pub fn session_id_context(mut self, context: impl Into<Vec<u8>>) -> Self {
        self.settings.session_id_context = Some(context.into());
        self
    }

    /// Sets whether libssl keeps sessions by their id. Default: no.
    #[must_use]
    pub fn session_cache(mut self, cache: SessionCache) -> Self {
        self.settings.session_cache = cache;
        self
    }

    /// Sets how many tickets a full TLS 1.3 handshake gives out. Default: 2.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_num_tickets`.
    #[must_use]
    pub fn session_tickets(mut self, count: usize) -> Self {
        self.settings.session_tickets = Some(count);
        self
    }

    /// Sets how many bytes of early data (0-RTT) a client may send with its first message when it resumes a session of TLS 1.3.
    /// Default: 0, none.
    ///
    /// It is kept apart from everything else that is read: [`TlsStream::take_early_data`](crate::TlsStream::take_early_data)
    /// gives it when the handshake is over, and up to then it is in memory;
    /// [`TlsAcceptor::accept_early`](crate::TlsAcceptor::accept_early) reads and answers it as it comes. A client that sends more is refused. The tickets of
    /// this configuration tell how much it may be; a [`server_name`](ConfigBuilder::server_name) configuration, or one that a
    /// resolver chooses, can lower it, and 0 there is none. Early data of
    /// [pre-shared keys](ConfigBuilder::psk_resolver) is passed over.
    ///
    /// # Security
    /// Early data has no forward secrecy, and TLS itself does not notice when somebody sends a copy of it again (RFC 8446
    /// section 8). libssl does: it remembers which tickets are out, up to 20480 of them, and each is good once, whether
    /// early data comes with it or not. A ticket that it does not know leads to a full handshake, and early data with it is
    /// passed over. So:
    ///
    /// - in one process early data is taken once, as long as a configuration lives. One that is built anew knows no ticket of
    ///   the old.
    /// - several processes, or several configurations, take it once all together, for each knows but its own tickets; a client
    ///   that comes to another one shakes hands in full. [`ticket_keys`](ConfigBuilder::ticket_keys) are then for TLS 1.2
    ///   alone, which is in [`Config::warnings`](crate::Config::warnings).
    /// - a client whose early data was passed over, or whose connection broke, sends its request again by itself, maybe to
    ///   another server: an attacker can bring that about. So requests with effects that add up should not be acted on.
    ///
    /// A [`replay_guard`](ConfigBuilder::replay_guard) lets several servers take each other's early data. What would undo the
    /// protection is refused by `build()` without one: a [`session_store`](ConfigBuilder::session_store), and
    /// [`SecureOptions::NO_ANTI_REPLAY`]. A [`with_openssl`](ConfigBuilder::with_openssl) that finds sessions elsewhere must not
    /// find one twice.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_max_early_data`, `SSL_CTX_set_recv_max_early_data`, `SSL_read_early_data`,
    /// `SSL_CTX_set_allow_early_data_cb`; `SSL_SESS_CACHE_SERVER`, which also keeps sessions of TLS 1.2 clients without tickets.
    #[doc(alias = "0-RTT")]
    #[doc(alias = "SSL_CTX_set_max_early_data")]
    #[must_use]
    pub fn early_data(mut self, max_bytes: u32) -> Self {
        self.settings.early_data = max_bytes;
        self
    }

    /// Sets what keeps replays of [early data](ConfigBuilder::early_data) away, in the place of libssl's own memory, for servers
    /// that open each other's tickets: those with the same [`ticket_keys`](ConfigBuilder::ticket_keys).
    ///
    /// Tickets are then good as often as a client offers them, and with early data as often as the guard admits it. It is the
    /// acceptor's configuration that counts.
    ///
    /// # OpenSSL
    /// `SSL_OP_NO_ANTI_REPLAY`, `SSL_CTX_set_allow_early_data_cb`.
    #[must_use]
    pub fn replay_guard(mut self, guard: impl ReplayGuard + 'static) -> Self {
        self.settings.replay_guard = Some(Arc::new(guard));
        self
    }

    /// Sets the keys that session tickets are sealed with: Node's `ticketKeys`. Default: libssl's own, which are random and
    /// stay for the life of the configuration.
    ///
    /// Give clones of one [`TicketKeys`] to several configurations, or a [`TicketKey`](crate::TicketKey) of the same 48 bytes to
    /// several processes, and their servers resume each other's clients, provided that they have the same
    /// [`session_id_context`](ConfigBuilder::session_id_context): by default those have that ask clients for the same; beside Node
    /// it has to be set on both. The keys are those of the acceptor's configuration,
    /// whichever one a name or a resolver chooses.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_tlsext_ticket_key_evp_cb`; `SSL_CTX_set_tlsext_ticket_key_cb` on 1.1.1.
    #[doc(alias = "ticketKeys")]
    #[must_use]
    pub fn ticket_keys(mut self, keys: impl Into<TicketKeys>) -> Self {
        self.settings.ticket_keys = Some(keys.into());
        self
    }

    /// Sets what finds the keys of tickets that [`ticket_keys`](ConfigBuilder::ticket_keys) cannot open.
    ///
    /// Without those, the server seals its tickets with a random key. It is the acceptor's configuration that counts.
    ///
    /// # OpenSSL
    /// As [`ticket_keys`](ConfigBuilder::ticket_keys).
    #[must_use]
    pub fn ticket_key_resolver(mut self, resolver: impl TicketKeyResolver + 'static) -> Self {
        self.settings.ticket_key_resolver = Some(Arc::new(resolver));
        self
    }

    /// Answers clients that ask for `pattern` (SNI) with another configuration: Node's `server.addContext`.
    ///
    /// A `*` in the pattern stands for any run of characters without a dot, also an empty one. The latest match wins.
    /// The whole configuration is swapped, versions, options and client authentication included, but for groups and
    /// the hooks of this level, which are those of the acceptor's configuration.
    #[doc(alias = "addContext")]
    #[must_use]
    pub fn server_name(mut self, pattern: impl AsRef<str>, config: Config<Server>) -> Self {
        self.settings.names.push((ServerNamePattern::parse(pattern.as_ref()), config));
        self
    }

    /// Sets what happens with a name that no [`server_name`](ConfigBuilder::server_name) matches. Default: this
    /// configuration answers.
    #[must_use]
    pub fn unknown_name(mut self, policy: UnknownName) -> Self {
        self.settings.unknown_name = policy;
        self
    }

    /// Sets a hook that chooses the configuration by the ClientHello. It is asked before the static names.
    #[doc(alias = "SNICallback")]
    #[must_use]
    pub fn config_resolver(mut self, resolver: impl ConfigResolver + 'static) -> Self {
        self.settings.resolver = Some(Arc::new(resolver));
        self
    }
}

impl<S: Side> fmt::Debug for ConfigBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigBuilder").field("role", &S::ROLE).finish_non_exhaustive()
    }
}
