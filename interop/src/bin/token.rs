//! Serves one connection in memory with a key that may be on a token, and says how it went: for the tests, which need a
//! process of its own, because PKCS#11 modules are configured by the environment.
//!
//!     token uri CERTIFICATE-URI KEY-URI [PIN]
//!     token store URI [PIN]
//!     token engine ENGINE KEY-ID CERTIFICATE-FILE [PIN]
//!     token client-cert-engine ENGINE
//!
//! Prints a line for each version that shook hands, or one line with kind, code and text of the error.

use std::process::ExitCode;

use patina_interop::fixture;
use patina_tls::{
    ClientConfig, Error, Identity, ProtocolVersion, Secret, ServerConfig, ServerVerification, TlsEngine,
    TrustStore,
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{:?} {} {error}", error.kind(), error.code());
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Error> {
    let identity = match *words {
        ["uri", certificate, key] => Identity::from_uri(certificate, key)?,
        ["uri", certificate, key, pin] => Identity::from_uri_with_passphrase(certificate, key, pin)?,
        ["store", uri] => Identity::from_store(uri)?,
        ["store", uri, pin] => Identity::from_store_with_passphrase(uri, pin)?,
        ["engine", engine, key, certificate] => Identity::from_engine(engine, key, read(certificate)?)?,
        ["engine", engine, key, certificate, pin] => {
            Identity::from_engine_with_pin(engine, key, read(certificate)?, Secret::from(pin))?
        }
        ["client-cert-engine", engine] => {
            ClientConfig::builder().client_cert_engine(engine).build()?;
            return Ok(());
        }
        _ => return Err(Error::hook("unknown words; see the top of this program")),
    };
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        serve(&identity, version)?;
    }
    Ok(())
}

fn read(path: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(Error::hook)
}

fn serve(identity: &Identity, version: ProtocolVersion) -> Result<(), Error> {
    let server = ServerConfig::builder().identity(identity.clone()).versions(version).build()?;
    let root = fixture::pem("root").map_err(|trouble| Error::hook(trouble.to_string()))?;
    let client = ClientConfig::builder()
        .trust(TrustStore::from_pem_file(root)?)
        .server_verification(ServerVerification::Require)
        .build()?;
    let (mut client, mut server) = (TlsEngine::client(&client, "localhost")?, TlsEngine::server(&server)?);
    while !(client.is_established() && server.is_established()) {
        client.advance()?;
        server.receive(&client.take_output());
        server.advance()?;
        client.receive(&server.take_output());
    }
    let facts = client.negotiated();
    let names = facts.peer_certificate().map(|c| c.subject_common_names().join(",")).unwrap_or_default();
    println!("{} {} {names}", facts.version(), facts.authorized());
    Ok(())
}
