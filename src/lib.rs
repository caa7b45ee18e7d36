//! TLS over the system's libssl, for Rust and tokio: what rustls leaves out and what the `openssl` crate does not reach,
//! with the semantics that people know from Node's `tls` module and from `openssl s_client`.
//!
//! | you | begin at |
//! | --- | --- |
//! | write a tokio program | [`ClientConfig`] and [`TlsConnector`], [`ServerConfig`] and [`TlsAcceptor`] or [`TlsServer`] |
//! | have no runtime | [`BlockingStream`] |
//! | move the bytes yourself | [`TlsEngine`] |
//! | have an `SSL_CTX` of an OpenSSL program | [`AdoptedContext`], and [`ext`] for what the `openssl` crate lacks |
//! | carry settings over from Node or a shell | [`SecureProtocol`], [`SecureOptions`], cipher strings: they mean the same here |
//!
//! # A client
//!
//! ```no_run
//! use patina_tls::{ClientConfig, TlsConnector, TrustStore};
//! use tokio::net::TcpStream;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ClientConfig::builder().trust(TrustStore::system()?).alpn(["http/1.1"]).build()?;
//! let tcp = TcpStream::connect(("example.com", 443)).await?;
//! let tls = TlsConnector::new(config).connect("example.com", tcp).await?;
//! println!("{} {}", tls.negotiated().version(), tls.negotiated().cipher_suite());
//! # Ok(())
//! # }
//! ```
//!
//! # An old machine that speaks TLS 1.0
//!
//! ```no_run
//! use patina_tls::{ClientConfig, ProtocolVersion, SecureOptions, TrustStore};
//!
//! # fn main() -> Result<(), patina_tls::Error> {
//! let config = ClientConfig::builder()
//!     .versions(ProtocolVersion::TLSv1_0..=ProtocolVersion::TLSv1_0)
//!     .cipher_list("ALL:@SECLEVEL=0")
//!     .secure_options(SecureOptions::LEGACY_SERVER_CONNECT | SecureOptions::NO_TICKET)
//!     .trust(TrustStore::from_pem_file("plant-ca.pem")?)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! There is one [`Error`]: its [`kind`](Error::kind) says what sort of failure it is, its [`code`](Error::code) is Node's,
//! its [`option`](Error::option) names the option at fault, its [`alert`](Error::alert) is the TLS alert that was sent or
//! received.

#![allow(
    rustdoc::redundant_explicit_links,
    reason = "an explicit target stays right wherever the type is imported"
)]

mod config;
mod conn;
pub mod ext;
mod face;
mod materials;
mod sys;
mod values;

pub use config::adopt::AdoptedBuilder;
pub use config::alpn_resolver::{AlpnOffer, AlpnResolver};
pub use config::builder::ConfigBuilder;
pub use config::certificate_resolver::{CertificateQuery, CertificateResolver};
#[cfg(feature = "serde")]
pub use config::compat;
pub use config::context::{ClientConfig, Config, ServerConfig};
pub use config::memory_store::MemorySessionStore;
pub use config::ocsp_cache::OcspCache;
pub use config::ocsp_source::{OcspRequest, OcspSource};
pub use config::peer_verifier::{PeerIdentity, PeerVerifier};
pub use config::psk::{PskResolver, PskSource};
#[cfg(feature = "redis")]
pub use config::redis_store::RedisSessionStore;
pub use config::replay_guard::ReplayGuard;
pub use config::resolver::{ConfigResolver, HookFuture, HookResult, Selection};
pub use config::session_store::SessionStore;
pub use config::settings::{
    AlpnMismatch, CipherPreference, DhChoice, IdentityCheck, SessionCache, SessionListener, UnknownName,
};
pub use config::side::{Client, Server, Side};
pub use config::ticket_key_resolver::TicketKeyResolver;
pub use conn::request::{KeyUpdate, RenegotiateOptions};
pub use face::acceptor::TlsAcceptor;
pub use face::blocking::BlockingStream;
pub use face::connector::{ConnectOptions, TlsConnector};
pub use face::control::TlsControl;
pub use face::early::EarlyHandshake;
pub use face::engine::{EngineEvent, TlsEngine};
pub use face::server::{ServerHandle, TlsServer};
pub use face::start::StartHandshake;
pub use face::stream::TlsStream;
pub use materials::certificate::Certificate;
pub use materials::chain_verifier::{ChainVerifier, Purpose};
pub use materials::dh::DhParameters;
pub use materials::distinguished_name::DistinguishedName;
pub use materials::identity::Identity;
pub use materials::keylog::{KeyLog, KeyLogFile, TraceSink};
pub use materials::library::{Capability, OpenSsl, Provider, openssl};
pub use materials::negotiated::{CipherSuite, EphemeralKey, Negotiated};
pub use materials::ocsp::{OcspEntry, OcspResponse, OcspStatus, RevocationReason};
pub use materials::ocsp_verifier::{OcspVerifier, StapleVerdict};
pub use materials::provider::load_provider;
pub use materials::public_key::PublicKeyType;
pub use materials::server_identity::check_server_identity;
pub use materials::session::Session;
pub use materials::ticket::{TicketKeys, TicketRenewal, TicketRotation};
pub use materials::trust::TrustStore;
pub use materials::verify::{ClientAuth, CrlCheck, ServerVerification, VerifyFlags};
pub use sys::adopt::AdoptedContext;
pub use values::alert::Alert;
pub use values::alpn::AlpnProtocols;
pub use values::certificate_compression::CertificateCompression;
pub use values::early_data::EarlyDataStatus;
pub use values::error::{Error, ErrorKind};
pub use values::hello::ClientHello;
pub use values::limit::RenegotiationPolicy;
pub use values::name_pattern::ServerNamePattern;
pub use values::options::SecureOptions;
pub use values::protocol::{MethodSide, SecureProtocol};
pub use values::psk::{PreSharedKey, PskHash, PskIdentity, UnknownPskIdentity};
pub use values::record_sizing::RecordSizing;
pub use values::secret::Secret;
pub use values::ticket_key::TicketKey;
pub use values::verify_code::VerifyCode;
pub use values::version::{ProtocolVersion, VersionRange};

/// The examples of the README are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
