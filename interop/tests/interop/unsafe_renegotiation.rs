//! Renegotiation with a client that does not know RFC 5746: GnuTLS can be told to be one.

use patina_interop::fixture::{self, Identity};
use patina_interop::process::Process;
use patina_tls::{ProtocolVersion, RenegotiationPolicy, SecureOptions, ServerConfig, TlsAcceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

/// A client that knows RFC 5746, as all do today.
const PATCHED: &str = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
/// One from before.
const UNPATCHED: &str = "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION";

/// What `gnutls-cli --rehandshake` says of a server with these options.
async fn rehandshake(options: SecureOptions, priority: &'static str) -> String {
    let files = Identity::named("server-rsa", false).unwrap();
    let config = ServerConfig::builder()
        .identity(patina_tls::Identity::from_pem_files(files.certificate, files.key).unwrap())
        .versions(ProtocolVersion::TLSv1_2)
        .renegotiation(RenegotiationPolicy::limit(3))
        .secure_options(options)
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let serving = tokio::spawn(async move {
        let tcp = listener.accept().await.unwrap().0;
        let mut tls = TlsAcceptor::new(config).accept(tcp).await.unwrap();
        assert_eq!(tls.negotiated().secure_renegotiation(), priority == PATCHED);
        let mut buf = [0; 64];
        while let Ok(count @ 1..) = tls.read(&mut buf).await {
            if tls.write_all(&buf[..count]).await.is_err() {
                return;
            }
        }
    });
    let root = fixture::pem("root").unwrap().display().to_string();
    let mut command = Command::new("gnutls-cli");
    command.args([
        "--rehandshake",
        "--priority",
        priority,
        "--x509cafile",
        &root,
        "--port",
        &port,
        "localhost",
    ]);
    let mut process = Process::spawn(command).unwrap();
    let said = process
        .until("what came of the new handshake", |output, _| {
            let text = String::from_utf8_lossy(output);
            let end =
                text.find("ReHandshake was completed").or_else(|| text.find("ReHandshake has failed"))?;
            text[end..].contains('\n').then(|| text.into_owned())
        })
        .await
        .unwrap();
    process.kill().await.unwrap();
    serving.await.unwrap();
    said
}

#[tokio::test]
async fn a_client_without_secure_renegotiation_gets_a_new_handshake_only_with_the_unsafe_option() {
    let option = SecureOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION;
    let said = rehandshake(SecureOptions::empty(), PATCHED).await;
    assert!(said.contains("ReHandshake was completed"), "{said}");
    let said = rehandshake(SecureOptions::empty(), UNPATCHED).await;
    assert!(
        said.contains("ReHandshake has failed") && said.contains("No renegotiation is allowed"),
        "{said}"
    );
    let said = rehandshake(option, UNPATCHED).await;
    assert!(said.contains("ReHandshake was completed"), "{said}");
}
