//! Two ends of a connection, in memory.

#![allow(dead_code, reason = "each test program uses some of these")]

use patina_tls::{
    ClientConfig, ConfigBuilder, ConnectOptions, Error, Identity, Server, ServerConfig, TlsAcceptor,
    TlsConnector, TlsEngine, TlsStream, TrustStore,
};
use tokio::io::DuplexStream;

use super::fixtures;

/// One end of a connection in memory.
pub(crate) type Stream = TlsStream<DuplexStream>;

/// The identity of the fixtures with this name; `-chain` gives it with its intermediates.
pub(crate) fn identity(name: &str) -> Identity {
    let key = name
        .strip_suffix("-chain")
        .filter(|_| !fixtures::path(&format!("pki/{name}.key")).exists())
        .unwrap_or(name);
    let path = |file: String| fixtures::path(&format!("pki/{file}"));
    Identity::from_pem_files(path(format!("{name}.pem")), path(format!("{key}.key"))).unwrap()
}

/// The fixtures' root certificate of this name.
pub(crate) fn trust(name: &str) -> TrustStore {
    TrustStore::from_pem_file(fixtures::path(&format!("pki/{name}.pem"))).unwrap()
}

/// A server with the fixtures' RSA certificate.
pub(crate) fn server() -> ConfigBuilder<Server> {
    ServerConfig::builder().identity(identity("server-rsa"))
}

/// A client that trusts the fixtures' root, and resumes only what a test gives it.
pub(crate) fn client() -> ConfigBuilder<patina_tls::Client> {
    resuming_client().resumption_hosts(0)
}

/// A client that trusts the fixtures' root, with the defaults for everything else.
pub(crate) fn resuming_client() -> ConfigBuilder<patina_tls::Client> {
    ClientConfig::builder().trust(trust("root"))
}

/// Shakes hands, and gives what each side came to.
pub(crate) async fn handshake(
    client: &ClientConfig,
    target: impl Into<ConnectOptions>,
    server: &ServerConfig,
) -> (Result<Stream, Error>, Result<Stream, Error>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client.clone()), TlsAcceptor::new(server.clone()));
    tokio::join!(connector.connect(target, near), acceptor.accept(far))
}

/// Shakes hands with success.
pub(crate) async fn pair(client: &ClientConfig, server: &ServerConfig) -> (Stream, Stream) {
    let (client, server) = handshake(client, "localhost", server).await;
    (client.unwrap(), server.unwrap())
}

/// The outcome of a handshake between two engines.
pub(crate) struct Engines {
    /// The client.
    pub(crate) client: TlsEngine,
    /// The server.
    pub(crate) server: TlsEngine,
}

/// Two engines that have not begun.
pub(crate) fn engines(
    client: &ClientConfig,
    target: impl Into<ConnectOptions>,
    server: &ServerConfig,
) -> Engines {
    Engines { client: TlsEngine::client(client, target).unwrap(), server: TlsEngine::server(server).unwrap() }
}

impl Engines {
    /// Moves bytes until both are established, or one fails.
    pub(crate) fn shake(&mut self) -> Result<(), Error> {
        for _ in 0..20 {
            let client = self.client.advance();
            self.server.receive(&self.client.take_output());
            client?;
            let server = self.server.advance();
            self.client.receive(&self.server.take_output());
            server?;
            if self.client.is_established() && self.server.is_established() {
                return Ok(());
            }
        }
        panic!("the handshake makes no progress");
    }
}
