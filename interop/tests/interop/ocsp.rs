//! What Node's events `OCSPRequest`, on servers, and `OCSPResponse`, on clients, say beyond the response, which is a case of the
//! table (`stapling`). Node looks at no response itself, so that any bytes will do.

use std::path::PathBuf;

use patina_interop::fixture::{self, Identity};
use patina_interop::process::Process;
use patina_tls::{
    Certificate, ClientConfig, ConfigBuilder, OcspRequest, ProtocolVersion, Server, ServerConfig,
    TlsAcceptor, TlsConnector, TrustStore,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];
const STAPLE: &[u8] = b"\x30\x03\x0a\x01\x03 a staple";

/// Connects, and tells what it has got, once both events have come.
const CLIENT: &str = "
    const [port, root] = process.argv.slice(1);
    const ca = require('fs').readFileSync(root);
    const socket = require('tls').connect({ port, servername: 'localhost', ca, requestOCSP: true });
    let got = 'no event';
    socket.on('OCSPResponse', (response) => { got = response ? response.toString('hex') : 'null'; });
    socket.on('secureConnect', () => { console.log(`got ${got}.`); socket.end(); });
    socket.on('error', (error) => console.log(`got ${error.code}.`));
";

/// Serves one connection, tells what it was asked, and answers: with these bytes, `null`, or an error.
const SERVER: &str = "
    const [cert, key, ca, answer] = process.argv.slice(1);
    const read = require('fs').readFileSync;
    const server = require('tls').createServer({ cert: read(cert), key: read(key), ca: ca ? read(ca) : undefined });
    const hex = (der) => (der ? der.toString('hex') : 'null');
    server.on('OCSPRequest', (certificate, issuer, callback) => {
        console.log(`asked ${hex(certificate)} ${hex(issuer)}.`);
        setImmediate(() => {
            if (answer === 'error') callback(new Error('no responder'));
            else callback(null, answer === 'null' ? null : Buffer.from(answer, 'hex'));
        });
    });
    // One that ends at once loses its last flight, where the answer took time: a client of Node's own fails as well.
    server.on('secureConnection', (socket) => { socket.resume(); socket.on('close', () => server.close()); });
    server.on('tlsClientError', () => server.close());
    server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}.`));
";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn path(path: PathBuf) -> String {
    path.display().to_string()
}

fn node(script: &str, words: &[String]) -> Process {
    let mut command = Command::new("node");
    command.arg("-e").arg(script).args(words);
    Process::spawn(command).unwrap()
}

/// What a program says between a word and the next full stop.
async fn said(process: &Process, word: &str) -> String {
    process
        .until(word, |output, _| {
            let text = String::from_utf8_lossy(output);
            let (_, rest) = text.split_once(&format!("{word} "))?;
            Some(rest.split_once('.')?.0.to_owned())
        })
        .await
        .unwrap()
}

fn server(version: ProtocolVersion) -> ConfigBuilder<Server> {
    let files = Identity::named("server-rsa", false).unwrap();
    let identity = patina_tls::Identity::from_pem_files(files.certificate, files.key).unwrap();
    ServerConfig::builder().identity(identity).versions(version)
}

/// What Node's client says that it has got from our server.
async fn node_gets(server: ConfigBuilder<Server>) -> String {
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let root = path(fixture::pem("root").unwrap());
    let client = node(CLIENT, &[port.to_string(), root]);
    let (tcp, _) = listener.accept().await.unwrap();
    let (tls, got) = tokio::join!(acceptor.accept(tcp), said(&client, "got"));
    tls.unwrap();
    got
}

#[tokio::test]
async fn a_node_client_that_asks_in_vain_has_null_in_its_event() {
    for version in BOTH {
        let nothing = server(version).ocsp_source(|_: OcspRequest| async { Ok(None) });
        assert_eq!(node_gets(nothing).await, "null", "{version}");
        let fails = server(version).ocsp_source(|_: OcspRequest| async { Err("no responder".into()) });
        assert_eq!(node_gets(fails).await, "null", "{version}");
        assert_eq!(node_gets(server(version)).await, "null", "{version}");
    }
}

/// What our client gets from a Node server, if they shake hands, and what that server was asked.
async fn we_get(version: ProtocolVersion, ca: &str, answer: &str) -> (Option<Option<Vec<u8>>>, String) {
    let files = Identity::named("server-rsa", false).unwrap();
    let words = [path(files.certificate), path(files.key), ca.to_owned(), answer.to_owned()];
    let mut process = node(SERVER, &words);
    let port: u16 = said(&process, "port").await.parse().unwrap();
    let trust = TrustStore::from_pem_file(fixture::pem("root").unwrap()).unwrap();
    let config = ClientConfig::builder().trust(trust).versions(version).request_ocsp(true).build().unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let tls = TlsConnector::new(config).connect("localhost", tcp).await;
    // The connection ends here.
    let got = tls.ok().map(|tls| tls.negotiated().ocsp_response());
    process.wait().await.unwrap();
    let text = String::from_utf8(process.output()).unwrap();
    let asked = text.split_once("asked ").map(|(_, rest)| rest.split_once('.').unwrap().0.to_owned());
    (got, asked.unwrap_or_default())
}

#[tokio::test]
async fn node_s_event_tells_certificate_and_issuer_and_ends_the_connection_with_an_error() {
    let root = fixture::pem("root").unwrap();
    let der = |name: &str| {
        let pem = std::fs::read(fixture::pem(name).unwrap()).unwrap();
        hex(&Certificate::from_pem(pem).unwrap().der())
    };
    let (own, issuer) = (der("server-rsa"), der("root"));
    for version in BOTH {
        let with_issuer = we_get(version, &path(root.clone()), &hex(STAPLE)).await;
        assert_eq!(with_issuer, (Some(Some(STAPLE.to_vec())), format!("{own} {issuer}")), "{version}");
        let alone = we_get(version, "", "null").await;
        assert_eq!(alone, (Some(None), format!("{own} null")), "{version}");
        let (got, asked) = we_get(version, "", "error").await;
        assert_eq!((got, asked.is_empty()), (None, false), "{version}: Node gives up the connection");
    }
}

#[tokio::test]
async fn our_source_is_asked_what_node_s_event_tells() {
    let root = TrustStore::from_pem_file(fixture::pem("root").unwrap()).unwrap();
    for version in BOTH {
        let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let source = move |request: OcspRequest| {
            let issuer = request.issuer().map_or("null".to_owned(), |issuer| hex(&issuer.der()));
            sender.send(format!("{} {issuer}", hex(&request.certificate().der()))).unwrap();
            async { Ok(None) }
        };
        let ours = server(version).trust(root.clone()).ocsp_source(source);
        assert_eq!(node_gets(ours).await, "null");
        let ca = path(fixture::pem("root").unwrap());
        let (_, theirs) = we_get(version, &ca, "null").await;
        assert_eq!(asked.recv().await.as_deref(), Some(&*theirs), "{version}");
    }
}
