//! Revocation lists that change while a server runs.

use std::io;
use std::sync::Mutex;

use patina_tls::{
    ClientAuth, ClientConfig, ConnectOptions, Error, ErrorKind, ProtocolVersion, ServerConfig, ServerHandle,
    Session, TlsAcceptor, TlsConnector, TlsServer, TlsStream,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use crate::support::fixtures;
use crate::support::pair::{client, identity, server, trust};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

/// A server that wants certificates of the root, with this list of revoked ones.
fn with_list(name: &str) -> ServerConfig {
    let list = fixtures::path(&format!("crl/{name}.crl.pem"));
    let trust = trust("root").with_crl_pem_file(list).unwrap();
    server().client_auth(ClientAuth::Require).trust(trust).build().unwrap()
}

/// The client that the list `root` revokes and the list `root-before` does not.
fn revoked(version: ProtocolVersion) -> ClientConfig {
    client().identity(identity("client-revoked")).versions(version).build().unwrap()
}

async fn echoes<S: AsyncRead + AsyncWrite + Unpin>(tls: &mut TlsStream<S>, word: &[u8]) -> io::Result<()> {
    tls.write_all(word).await?;
    let mut heard = vec![0; word.len()];
    tls.read_exact(&mut heard).await?;
    assert_eq!(heard, word);
    Ok(())
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut tls: TlsStream<S>) {
    let mut buf = [0; 256];
    while let Ok(count @ 1..) = tls.read(&mut buf).await {
        if tls.write_all(&buf[..count]).await.is_err() {
            return;
        }
    }
}

async fn connect(
    handle: &ServerHandle,
    config: &ClientConfig,
    session: Option<Session>,
) -> Result<TlsStream<TcpStream>, Error> {
    let tcp = TcpStream::connect(handle.local_addr()).await.unwrap();
    let mut target = ConnectOptions::new("localhost");
    if let Some(session) = session {
        target = target.session(session);
    }
    TlsConnector::new(config.clone()).connect(target, tcp).await
}

#[tokio::test]
async fn a_running_server_refuses_who_the_new_list_revokes_and_keeps_who_is_connected() {
    for version in BOTH {
        let (refusals, mut refused) = mpsc::unbounded_channel();
        let running = TlsServer::bind("127.0.0.1:0", with_list("root-before")).await.unwrap();
        let running = running.on_client_error(move |_, error| refusals.send(error).unwrap());
        let handle = running.handle();
        let serving = tokio::spawn(running.serve(|tls, _| echo(tls)));

        let client = revoked(version);
        let mut before = connect(&handle, &client, None).await.unwrap();
        echoes(&mut before, b"let in").await.unwrap();
        let session = before.negotiated().session().unwrap();
        assert!(session.is_resumable());

        handle.set_config(with_list("root"));
        // A session from before proves nothing to the new list: it is not resumed.
        for session in [None, Some(session)] {
            // In TLS 1.3 a client is done before the server has looked at its certificate.
            if let Ok(mut late) = connect(&handle, &client, session).await {
                assert_eq!(version, ProtocolVersion::TLSv1_3);
                echoes(&mut late, b"let in").await.unwrap_err();
            }
            let error = refused.recv().await.unwrap();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "CERT_REVOKED"), "{version}");
        }
        let good = crate::support::pair::client().identity(identity("client-rsa")).versions(version);
        let mut good = connect(&handle, &good.build().unwrap(), None).await.unwrap();
        echoes(&mut good, b"another").await.unwrap();
        echoes(&mut before, b"still here").await.unwrap();

        handle.set_config(with_list("root-before"));
        let mut again = connect(&handle, &client, None).await.unwrap();
        echoes(&mut again, b"let in again").await.unwrap();
        drop((before, good, again));
        handle.close();
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn an_accept_loop_of_ones_own_takes_the_newest_acceptor_for_each_connection() {
    let (reload, acceptor) = watch::channel(TlsAcceptor::new(with_list("root-before")));
    let verdicts = Mutex::new(Vec::new());
    let accept = async |client: &ClientConfig| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connector = TlsConnector::new(client.clone());
        let acceptor = acceptor.borrow().clone();
        let (near, far) = tokio::join!(connector.connect("localhost", near), acceptor.accept(far));
        let verdict = far.as_ref().map_or_else(|error| error.code().to_owned(), |_| "accepted".to_owned());
        verdicts.lock().unwrap().push(verdict);
        (near, far)
    };
    let client = revoked(ProtocolVersion::TLSv1_2);
    let (near, far) = accept(&client).await;
    let mut near = near.unwrap();
    let echoing = tokio::spawn(echo(far.unwrap()));

    reload.send(TlsAcceptor::new(with_list("root"))).unwrap();
    accept(&client).await.0.unwrap_err();
    assert_eq!(*verdicts.lock().unwrap(), ["accepted", "CERT_REVOKED"]);
    echoes(&mut near, b"still here").await.unwrap();
    drop(near);
    echoing.await.unwrap();
}
