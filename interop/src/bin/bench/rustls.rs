//! rustls, with either of its two usual providers.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use patina_measure::case::{Case, HOST, Resume, Suite};
use patina_measure::peer::{Over, Peer, Roots};
use patina_measure::trouble::Result;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::client::Resumption;
#[cfg(feature = "bench")]
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    CipherSuite, ClientConfig, HandshakeKind, NamedGroup, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// What computes.
pub(crate) trait Provider: 'static {
    const NAME: &'static str;
    fn provider() -> CryptoProvider;
    fn ticketer() -> Result<Arc<dyn ProducesTickets>>;
}

/// AWS-LC.
#[cfg(feature = "bench")]
pub(crate) struct AwsLc;

#[cfg(feature = "bench")]
impl Provider for AwsLc {
    const NAME: &'static str = "rustls/aws-lc";
    fn provider() -> CryptoProvider {
        aws_lc_rs::default_provider()
    }
    fn ticketer() -> Result<Arc<dyn ProducesTickets>> {
        Ok(aws_lc_rs::Ticketer::new()?)
    }
}

/// ring.
pub(crate) struct Ring;

impl Provider for Ring {
    const NAME: &'static str = "rustls/ring";
    fn provider() -> CryptoProvider {
        ring::default_provider()
    }
    fn ticketer() -> Result<Arc<dyn ProducesTickets>> {
        Ok(ring::Ticketer::new()?)
    }
}

/// rustls with a provider.
pub(crate) struct Rustls<P>(PhantomData<P>);

fn provider<P: Provider>(case: &Case) -> Arc<CryptoProvider> {
    let mut provider = P::provider();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    provider.cipher_suites.retain(|suite| {
        use CipherSuite::{
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256,
        };
        match case.suite {
            Suite::Aes128 => matches!(
                suite.suite(),
                TLS13_AES_128_GCM_SHA256
                    | TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            ),
            Suite::ChaCha20 => matches!(
                suite.suite(),
                TLS13_CHACHA20_POLY1305_SHA256
                    | TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                    | TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            ),
        }
    });
    Arc::new(provider)
}

fn versions(case: &Case) -> [&'static SupportedProtocolVersion; 1] {
    [if case.is_old() { &TLS12 } else { &TLS13 }]
}

impl<P: Provider> Peer for Rustls<P> {
    const NAME: &'static str = P::NAME;
    const PACKAGE: &'static str = "rustls";
    type Client = TlsConnector;
    type Server = TlsAcceptor;

    fn client(case: &Case) -> Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(case.root()?)?)?;
        let mut config = ClientConfig::builder_with_provider(provider::<P>(case))
            .with_protocol_versions(&versions(case))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if case.resume == Resume::Never {
            config.resumption = Resumption::disabled();
        }
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn server(case: &Case) -> Result<TlsAcceptor> {
        let chain = vec![CertificateDer::from_pem_file(case.certificate()?)?];
        let key = PrivateKeyDer::from_pem_file(case.private_key()?)?;
        let mut config = ServerConfig::builder_with_provider(provider::<P>(case))
            .with_protocol_versions(&versions(case))?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        if case.resume == Resume::Id {
            config.session_storage = ServerSessionMemoryCache::new(1024);
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.ticketer = P::ticketer()?;
        }
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn make_context(_: Roots) -> Result<bool> {
        // Its roots are not in it, but in other crates.
        Ok(false)
    }
}

impl<P: Provider, S: AsyncRead + AsyncWrite + Unpin> Over<S> for Rustls<P> {
    type Stream = TlsStream<S>;

    async fn connect(client: &TlsConnector, io: S) -> io::Result<TlsStream<S>> {
        let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
        Ok(TlsStream::Client(client.connect(name, io).await?))
    }

    async fn accept(server: &TlsAcceptor, io: S) -> io::Result<TlsStream<S>> {
        Ok(TlsStream::Server(server.accept(io).await?))
    }

    fn remember(_: &mut TlsConnector, _: &TlsStream<S>) {
        // It keeps them itself.
    }

    fn is_resumed(stream: &TlsStream<S>) -> bool {
        stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}
