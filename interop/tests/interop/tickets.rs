//! Ticket keys with Node: servers with the same 48 bytes, one of ours and one of Node's, resume each other's clients.

use patina_interop::fixture::{self, Identity};
use patina_interop::process::Process;
use patina_tls::{
    ClientConfig, ConnectOptions, ProtocolVersion, ServerConfig, ServerHandle, Session, TicketKey,
    TlsConnector, TlsServer, TrustStore,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

/// Serves with ticket keys, says them as Node gives them back, and answers each client with one byte: its tickets come
/// before that, though not before what a server sends by itself.
const SERVER: &str = "
    const [cert, key, ticketKeys] = process.argv.slice(1);
    const read = require('fs').readFileSync;
    const server = require('tls').createServer(
        { cert: read(cert), key: read(key), ticketKeys: Buffer.from(ticketKeys, 'hex'), sessionIdContext: 'shop' },
        (socket) => { socket.on('error', () => {}); socket.on('data', () => socket.write('x')); });
    server.listen(0, '127.0.0.1', () => {
        console.log(`keys ${server.getTicketKeys().toString('hex')}.`);
        console.log(`port ${server.address().port}.`);
    });
";

/// Gets a session from the first port, and says whether each port resumes it: `reused true true.`
const CLIENT: &str = "
    const [root, version, ...ports] = process.argv.slice(1);
    const ca = require('fs').readFileSync(root);
    const connect = (port, session, done) => {
        let last, reused;
        const options = { port, session, ca, servername: 'localhost', maxVersion: version };
        const socket = require('tls').connect(options);
        socket.on('secureConnect', () => { reused = socket.isSessionReused(); socket.write('y'); });
        socket.on('session', (session) => { last = session; });
        socket.on('data', () => socket.end());
        socket.on('error', (error) => console.log(`reused ${error.code}.`));
        socket.on('close', () => done(reused, last));
    };
    connect(ports[0], undefined, (_, session) => {
        const next = (left, said) => left.length === 0
            ? console.log(`reused ${said.join(' ')}.`)
            : connect(left[0], session, (reused) => next(left.slice(1), [...said, reused]));
        next(ports, []);
    });
";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn node(script: &str, words: &[&str]) -> Process {
    let mut command = Command::new("node");
    command.arg("-e").arg(script).args(words);
    Process::spawn(command).unwrap()
}

/// The text between `before` and a full stop, once it has come.
async fn told(process: &Process, before: &str) -> String {
    let found = process.until(before, |output, _| {
        let text = String::from_utf8_lossy(output);
        let (_, rest) = text.split_once(before)?;
        Some(rest.split_once('.')?.0.to_owned())
    });
    found.await.unwrap()
}

/// A server of Node's, and its port.
async fn theirs(key: &TicketKey) -> (Process, u16) {
    let files = Identity::named("server-rsa", false).unwrap();
    let keys = hex(&key.to_bytes());
    let words = [files.certificate.to_str().unwrap(), files.key.to_str().unwrap(), &keys];
    let server = node(SERVER, &words);
    assert_eq!(told(&server, "keys ").await, keys);
    let port = told(&server, "port ").await.parse().unwrap();
    (server, port)
}

/// A server of ours, and its port.
async fn ours(key: &TicketKey) -> (ServerHandle, u16) {
    let files = Identity::named("server-rsa", false).unwrap();
    let config = ServerConfig::builder()
        .identity(patina_tls::Identity::from_pem_files(files.certificate, files.key).unwrap())
        .ticket_keys(key.clone())
        // Node's default is made of its command line; a session of another context is not resumed.
        .session_id_context("shop")
        .build()
        .unwrap();
    let server = TlsServer::bind("127.0.0.1:0", config).await.unwrap();
    let (handle, port) = (server.handle(), server.local_addr().port());
    tokio::spawn(server.serve(|mut tls, _| async move {
        if tls.read_u8().await.is_ok() && tls.write_all(b"x").await.is_ok() {
            let _ = tls.read(&mut [0]).await;
            let _ = tls.shutdown().await;
        }
    }));
    (handle, port)
}

/// Whether the session is resumed there, and the newest session.
async fn connect(client: &ClientConfig, port: u16, session: Option<&Session>) -> (bool, Session) {
    let mut target = ConnectOptions::new("localhost");
    if let Some(session) = session {
        target = target.session(session.clone());
    }
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut tls = TlsConnector::new(client.clone()).connect(target, tcp).await.unwrap();
    tls.write_all(b"y").await.unwrap();
    assert_eq!(tls.read_u8().await.unwrap(), b'x');
    let facts = (tls.negotiated().session_reused(), tls.negotiated().session().unwrap());
    tls.shutdown().await.unwrap();
    facts
}

#[tokio::test]
async fn our_client_takes_its_session_from_one_server_to_the_other() {
    let (key, other) = (TicketKey::random().unwrap(), TicketKey::random().unwrap());
    let (_node, there) = theirs(&key).await;
    let (_handle, here) = ours(&key).await;
    let (_stranger, elsewhere) = ours(&other).await;
    for version in BOTH {
        let root = TrustStore::from_pem_file(fixture::pem("root").unwrap()).unwrap();
        let client = ClientConfig::builder().trust(root).versions(version).build().unwrap();
        for (first, second) in [(there, here), (here, there)] {
            let (reused, session) = connect(&client, first, None).await;
            assert!(!reused);
            assert_eq!(session.ticket().unwrap()[..16], *key.name());
            assert!(connect(&client, second, Some(&session)).await.0, "{version}");
            assert!(!connect(&client, elsewhere, Some(&session)).await.0, "{version}: another key");
        }
    }
}

#[tokio::test]
async fn node_takes_its_session_from_one_server_to_the_other() {
    let (key, other) = (TicketKey::random().unwrap(), TicketKey::random().unwrap());
    let (_node, there) = theirs(&key).await;
    let (_handle, here) = ours(&key).await;
    let (_stranger, elsewhere) = ours(&other).await;
    let root = fixture::pem("root").unwrap();
    for version in ["TLSv1.2", "TLSv1.3"] {
        for (first, second) in [(there, here), (here, there)] {
            let ports = [first, second, elsewhere].map(|port| port.to_string());
            let words = [root.to_str().unwrap(), version, &ports[0], &ports[1], &ports[2]];
            let client = node(CLIENT, &words);
            assert_eq!(told(&client, "reused ").await, "true true false", "{version}");
        }
    }
}
