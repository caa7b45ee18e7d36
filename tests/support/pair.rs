//! Two ends of a connection, in memory.

use patina_tls::{
    ClientConfig, ConfigBuilder, ConnectOptions, Error, Identity, Server, ServerConfig, TlsAcceptor, TlsConnector,
    TlsStream, TrustStore,
};
use tokio::io::DuplexStream;

use super::fixtures;

/// One end of a connection in memory.
pub type Stream = TlsStream<DuplexStream>;

/// The identity of the fixtures with this name; `-chain` gives it with its intermediates.
pub fn identity(name: &str) -> Identity {
    let key = name.strip_suffix("-chain").filter(|_| !fixtures::path(&format!("pki/{name}.key")).exists()).unwrap_or(name);
    let path = |file: String| fixtures::path(&format!("pki/{file}"));
    Identity::from_pem_files(path(format!("{name}.pem")), path(format!("{key}.key"))).unwrap()
}

/// The fixtures' root certificate of this name.
pub fn trust(name: &str) -> TrustStore {
    TrustStore::from_pem_file(fixtures::path(&format!("pki/{name}.pem"))).unwrap()
}

/// A server with the fixtures' RSA certificate.
pub fn server() -> ConfigBuilder<Server> {
    ServerConfig::builder().identity(identity("server-rsa"))
}

/// A client that trusts the fixtures' root.
pub fn client() -> ConfigBuilder<patina_tls::Client> {
    ClientConfig::builder().trust(trust("root"))
}

/// Shakes hands, and gives what each side came to.
pub async fn handshake(
    client: &ClientConfig,
    target: impl Into<ConnectOptions>,
    server: &ServerConfig,
) -> (Result<Stream, Error>, Result<Stream, Error>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client.clone()), TlsAcceptor::new(server.clone()));
    tokio::join!(connector.connect(target, near), acceptor.accept(far))
}

/// Shakes hands with success.
pub async fn pair(client: &ClientConfig, server: &ServerConfig) -> (Stream, Stream) {
    let (client, server) = handshake(client, "localhost", server).await;
    (client.unwrap(), server.unwrap())
}
