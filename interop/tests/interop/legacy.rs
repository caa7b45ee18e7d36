//! NPN and ciphers of the legacy provider, against `openssl s_client` and `s_server`.

use patina_interop::fixture::{self, Identity};
use patina_interop::process::Process;
use patina_tls::{
    ClientConfig, ConfigBuilder, ProtocolVersion, ServerConfig, Side, TlsAcceptor, TlsConnector, TrustStore,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// What a connection of ours came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    cipher: String,
    npn: Option<String>,
}

impl Outcome {
    fn of(facts: &patina_tls::Negotiated<'_>) -> Outcome {
        let npn = facts.npn().map(|name| String::from_utf8_lossy(name).into_owned());
        Outcome { cipher: facts.cipher_suite().name().to_owned(), npn }
    }
}

fn openssl(words: &[&str]) -> Process {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "openssl"]).args(words).env("OPENSSL_CONF", "/dev/null");
    Process::spawn(command).unwrap()
}

fn limited<S: Side>(builder: ConfigBuilder<S>, ciphers: &str) -> ConfigBuilder<S> {
    builder.versions(ProtocolVersion::TLSv1_2).cipher_list(ciphers)
}

fn client(ciphers: &str) -> ConfigBuilder<patina_tls::Client> {
    let trust = TrustStore::from_pem_file(fixture::pem("root").unwrap()).unwrap();
    limited(ClientConfig::builder().trust(trust), ciphers)
}

fn server(ciphers: &str) -> ConfigBuilder<patina_tls::Server> {
    let files = Identity::named("server-rsa", false).unwrap();
    let identity = patina_tls::Identity::from_pem_files(files.certificate, files.key).unwrap();
    limited(ServerConfig::builder().identity(identity), ciphers)
}

/// Our client at `s_server`, and what that wrote when it had ended.
async fn at_s_server(config: ClientConfig, words: &[&str]) -> (Outcome, String) {
    let files = Identity::named("server-rsa", false).unwrap();
    let (certificate, key) = (files.certificate.display().to_string(), files.key.display().to_string());
    let common = [
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-naccept",
        "1",
        "-tls1_2",
        "-cert",
        &certificate,
        "-key",
        &key,
    ];
    let mut process = openssl(&[&common[..], words].concat());
    let port = process
        .until("the port", |output, _| {
            let text = String::from_utf8_lossy(output);
            let line =
                text.lines().find(|line| line.starts_with("ACCEPT ") && line.contains(':'))?.to_owned();
            text.contains(&format!("{line}\n"))
                .then(|| line.rsplit(':').next()?.trim().parse::<u16>().ok())?
        })
        .await
        .unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let stream =
        TlsConnector::new(config).connect("localhost", tcp).await.unwrap_or_else(|e| panic!("{e:?}"));
    let outcome = Outcome::of(&stream.negotiated());
    assert!(process.find("CIPHER is ", 0).await.unwrap().is_some(), "{}", process.tail());
    drop(stream);
    process.wait().await.unwrap();
    (outcome, process.tail())
}

/// `s_client` at our server, and what it wrote.
async fn at_our_server(config: ServerConfig, words: &[&str]) -> (Outcome, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut process = openssl(&[&["s_client", "-connect", &address, "-tls1_2"][..], words].concat());
    let (tcp, _) = listener.accept().await.unwrap();
    let stream =
        TlsAcceptor::new(config).accept(tcp).await.unwrap_or_else(|e| panic!("{e:?}\n{}", process.tail()));
    let outcome = Outcome::of(&stream.negotiated());
    assert!(process.find("Verify return code", 0).await.unwrap().is_some(), "{}", process.tail());
    process.close_input();
    drop(stream);
    process.wait().await.unwrap();
    (outcome, process.tail())
}

#[tokio::test]
async fn npn_is_agreed_on_with_s_server() {
    let config = client("ECDHE").npn(["x", "http/1.1", "h2"]).build().unwrap();
    let (outcome, said) = at_s_server(config, &["-nextprotoneg", "h2,http/1.1"]).await;
    assert_eq!(outcome.npn.as_deref(), Some("h2"), "the server's first that the client has, too");
    assert!(said.contains("NEXTPROTO is h2\n"), "{said}");

    let config = client("ECDHE").npn(["x"]).build().unwrap();
    let (outcome, said) = at_s_server(config, &["-nextprotoneg", "h2"]).await;
    assert_eq!(outcome.npn.as_deref(), Some("x"), "the client's first, as there is none in common");
    assert!(said.contains("NEXTPROTO is x\n"), "{said}");
}

#[tokio::test]
async fn npn_is_agreed_on_with_s_client() {
    let config = || server("ECDHE").npn(["h2", "http/1.1"]).build().unwrap();
    let (outcome, said) = at_our_server(config(), &["-nextprotoneg", "http/1.1,h2"]).await;
    let name = outcome.npn.unwrap();
    assert!(said.contains(&format!("Next protocol: (1) {name}\n")), "{name}: {said}");
    let (outcome, said) = at_our_server(config(), &["-nextprotoneg", "y,x"]).await;
    assert_eq!(outcome.npn.as_deref(), Some("y"));
    assert!(said.contains("Next protocol: (2) y\n"), "{said}");
    let (outcome, _) = at_our_server(config(), &[]).await;
    assert_eq!(outcome.npn, None);
}

const LEGACY: [&str; 6] = ["-provider", "legacy", "-provider", "default", "-cipher", "SEED-SHA:@SECLEVEL=0"];

#[tokio::test]
async fn seed_is_agreed_on_with_s_server() {
    let config = client("SEED-SHA:@SECLEVEL=0").build().unwrap();
    let (outcome, said) = at_s_server(config, &LEGACY).await;
    assert_eq!(outcome.cipher, "SEED-SHA");
    assert!(said.contains("CIPHER is SEED-SHA\n"), "{said}");
}

#[tokio::test]
async fn seed_is_agreed_on_with_s_client() {
    let config = server("SEED-SHA:@SECLEVEL=0").build().unwrap();
    let (outcome, said) = at_our_server(config, &LEGACY).await;
    assert_eq!(outcome.cipher, "SEED-SHA");
    assert!(said.contains("Cipher is SEED-SHA\n"), "{said}");
}
