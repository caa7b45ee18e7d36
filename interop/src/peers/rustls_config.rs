//! rustls' configurations, out of the settings of a side.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use patina_tls::ProtocolVersion;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, Tls12Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, KeyLog, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

use super::suites;
use crate::case::{Case, Setup, Verify};
use crate::fixture::{self, Identity};
use crate::staple;
use crate::trouble::{Result, Trouble};

/// What it can do of suites and groups; `None` for nothing.
pub(super) fn provider(setup: &Setup) -> Option<CryptoProvider> {
    let mut provider = ring::default_provider();
    for (list, is_tls13) in [(&setup.suites, true), (&setup.ciphers, false)] {
        if let Some(names) = list.as_deref().and_then(suites::iana_names) {
            let place = |suite: &rustls::SupportedCipherSuite| {
                let own = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
                if suite.tls13().is_some() == is_tls13 {
                    names.iter().position(|name| *name == own)
                } else {
                    Some(0)
                }
            };
            provider.cipher_suites.retain(|suite| place(suite).is_some());
            provider.cipher_suites.sort_by_key(place);
        }
    }
    if let Some(groups) = &setup.groups {
        let wanted = groups.split(':').map(|name| name.to_lowercase().replace("p-", "secp") + "r1");
        let wanted: Vec<String> = wanted.map(|name| name.replace("x25519r1", "x25519")).collect();
        provider.kx_groups.retain(|group| wanted.contains(&format!("{:?}", group.name()).to_lowercase()));
    }
    let versions = versions(setup);
    let has_suite = |suite: &rustls::SupportedCipherSuite| versions.contains(&suite.version());
    (provider.cipher_suites.iter().any(has_suite) && !provider.kx_groups.is_empty()).then_some(provider)
}

fn versions(setup: &Setup) -> Vec<&'static SupportedProtocolVersion> {
    let wanted = setup.versions.0..=setup.versions.1;
    let all = [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ];
    all.iter().filter(|(_, version)| wanted.contains(version)).map(|(own, _)| *own).collect()
}

pub(super) fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble::new(error.to_string())
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file)
        .map_err(trouble)?
        .collect::<std::result::Result<_, _>>()
        .map_err(trouble)
}

fn roots(setup: &Setup) -> Result<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    if let Some(name) = &setup.trust {
        for certificate in chain(&fixture::pem(name)?)? {
            store.add(certificate).map_err(trouble)?;
        }
    }
    Ok(Arc::new(store))
}

fn lists(setup: &Setup) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let Some(name) = &setup.crl else { return Ok(vec![]) };
    let read = CertificateRevocationListDer::from_pem_file(fixture::crl(name)?);
    Ok(vec![read.map_err(trouble)?])
}

fn identity(name: &str, setup: &Setup) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let files = Identity::named(name, setup.chain)?;
    Ok((chain(&files.chain)?, PrivateKeyDer::from_pem_file(files.key).map_err(trouble)?))
}

fn protocols(setup: &Setup) -> Vec<Vec<u8>> {
    setup.alpn.iter().map(|name| name.clone().into_bytes()).collect()
}

pub(super) fn client_config(case: &Case, keys: Arc<dyn KeyLog>, staple: Arc<Staple>) -> Result<ClientConfig> {
    let setup = &case.client;
    let provider = Arc::new(provider(setup).ok_or_else(|| Trouble::new("nothing is left"))?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(setup)?, Arc::clone(&provider))
        .with_crls(lists(setup)?)
        .build()
        .map_err(trouble)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(setup))
        .map_err(trouble)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Stapled { verifier, staple }));
    let mut config = match setup.identities.first() {
        Some(name) => {
            let (chain, key) = identity(name, setup)?;
            builder.with_client_auth_cert(chain, key).map_err(trouble)?
        }
        None => builder.with_no_client_auth(),
    };
    let kind =
        if setup.tickets { Tls12Resumption::SessionIdOrTickets } else { Tls12Resumption::SessionIdOnly };
    config.resumption = Resumption::in_memory_sessions(8).tls12_resumption(kind);
    config.alpn_protocols = protocols(setup);
    config.key_log = keys;
    Ok(config)
}

pub(super) fn server_config(case: &Case, keys: Arc<dyn KeyLog>) -> Result<ServerConfig> {
    let setup = &case.server;
    let provider = Arc::new(provider(setup).ok_or_else(|| Trouble::new("nothing is left"))?);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(setup))
        .map_err(trouble)?;
    let verifier = || {
        Ok::<_, Trouble>(
            WebPkiClientVerifier::builder_with_provider(roots(setup)?, Arc::clone(&provider))
                .with_crls(lists(setup)?),
        )
    };
    let builder = match setup.verify {
        Verify::Never => builder.with_no_client_auth(),
        Verify::Report => {
            builder.with_client_cert_verifier(verifier()?.allow_unauthenticated().build().map_err(trouble)?)
        }
        Verify::Require => builder.with_client_cert_verifier(verifier()?.build().map_err(trouble)?),
    };
    let certified = |name: &str| {
        let (chain, key) = identity(name, setup)?;
        let key = provider.key_provider.load_private_key(key).map_err(trouble)?;
        let mut certified = CertifiedKey::new(chain, key);
        certified.ocsp = staple::file(setup)?.map(std::fs::read).transpose()?;
        Ok::<_, Trouble>(Arc::new(certified))
    };
    let default = setup.identities.first().map(|name| certified(name)).transpose()?;
    let names = setup.names.iter().map(|(pattern, name)| Ok((pattern.clone(), certified(name)?)));
    let names = names.collect::<Result<_>>()?;
    let mut config = builder.with_cert_resolver(Arc::new(Names { default, names }));
    config.ignore_client_order = true;
    if setup.tickets {
        config.ticketer = ring::Ticketer::new().map_err(trouble)?;
    }
    config.alpn_protocols = protocols(setup);
    config.key_log = keys;
    Ok(config)
}

/// The certificate by the name that was asked for.
#[derive(Debug)]
struct Names {
    default: Option<Arc<CertifiedKey>>,
    names: Vec<(String, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default();
        let fits = |pattern: &str| match pattern.strip_prefix('*') {
            Some(suffix) => asked.strip_suffix(suffix).is_some_and(|label| !label.contains('.')),
            None => asked == pattern,
        };
        let named = self.names.iter().find(|(pattern, _)| fits(pattern)).map(|(_, key)| key);
        named.or(self.default.as_ref()).cloned()
    }
}

/// The stapled response of the last handshake; empty where there was none.
#[derive(Debug, Default)]
pub(super) struct Staple(Mutex<Vec<u8>>);

impl Staple {
    /// Takes it out.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// rustls' own verifier, and a look at the staple, which is shown to verifiers alone.
#[derive(Debug)]
struct Stapled {
    verifier: Arc<WebPkiServerVerifier>,
    staple: Arc<Staple>,
}

impl ServerCertVerifier for Stapled {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        *self.staple.0.lock().unwrap_or_else(PoisonError::into_inner) = ocsp_response.to_vec();
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
