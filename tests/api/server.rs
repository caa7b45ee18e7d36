//! A listening server, and what can be changed while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use patina_tls::{Error, ServerConfig, ServerHandle, ServerVerification, TlsConnector, TlsServer, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::pair::{client, identity, server};

fn of(name: &str) -> ServerConfig {
    ServerConfig::builder().identity(identity(name)).build().unwrap()
}

/// Gives back what it hears, until the client closes.
async fn echo(mut tls: TlsStream<TcpStream>) {
    let mut buf = [0; 256];
    while let Ok(count @ 1..) = tls.read(&mut buf).await {
        if tls.write_all(&buf[..count]).await.is_err() {
            return;
        }
    }
    let _ = tls.shutdown().await;
}

async fn start(server: TlsServer) -> (ServerHandle, JoinHandle<()>) {
    let handle = server.handle();
    (handle, tokio::spawn(server.serve(|tls, _| echo(tls))))
}

async fn bind(config: ServerConfig) -> TlsServer {
    TlsServer::bind("127.0.0.1:0", config).await.unwrap()
}

async fn connect(handle: &ServerHandle, name: &str) -> Result<TlsStream<TcpStream>, Error> {
    let config = client().server_verification(ServerVerification::InsecureReport).build().unwrap();
    let tcp = TcpStream::connect(handle.local_addr()).await.map_err(|e| Error::hook(e.to_string()))?;
    TlsConnector::new(config).connect(name, tcp).await
}

fn shown(tls: &TlsStream<TcpStream>) -> String {
    tls.negotiated().peer_certificate().unwrap().subject_common_names().remove(0)
}

async fn says(tls: &mut TlsStream<TcpStream>, word: &[u8]) {
    tls.write_all(word).await.unwrap();
    let mut heard = vec![0; word.len()];
    tls.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, word);
}

#[tokio::test]
async fn a_new_configuration_counts_for_the_next_connection_only() {
    let (handle, _serving) = start(bind(of("shop")).await).await;
    let mut before = connect(&handle, "localhost").await.unwrap();
    handle.set_config(of("other"));
    let after = connect(&handle, "localhost").await.unwrap();
    assert_eq!((shown(&before), shown(&after)), ("shop".to_owned(), "other".to_owned()));
    says(&mut before, b"still here").await;
}

#[tokio::test]
async fn a_name_can_be_added_while_it_runs() {
    let (handle, _serving) = start(bind(of("server-rsa")).await).await;
    assert_eq!(shown(&connect(&handle, "shop.patina.test").await.unwrap()), "server-rsa");
    handle.add_context("shop.patina.test", of("shop")).unwrap();
    handle.add_context("*.patina.test", of("wildcard")).unwrap();
    assert_eq!(shown(&connect(&handle, "shop.patina.test").await.unwrap()), "wildcard");
    handle.add_context("shop.patina.test", of("shop")).unwrap();
    assert_eq!(shown(&connect(&handle, "shop.patina.test").await.unwrap()), "shop");
    assert_eq!(shown(&connect(&handle, "localhost").await.unwrap()), "server-rsa");
    assert_eq!(handle.add_context("", of("shop")).unwrap_err().option(), Some("server_name"));
}

#[tokio::test]
async fn closing_waits_for_the_open_connections_and_takes_no_more() {
    let (handle, serving) = start(bind(of("server-rsa")).await).await;
    let mut open = connect(&handle, "localhost").await.unwrap();
    says(&mut open, b"before").await;
    handle.close();
    while connect(&handle, "localhost").await.is_ok() {
        tokio::task::yield_now().await;
    }
    says(&mut open, b"after").await;
    assert!(!serving.is_finished());
    open.shutdown().await.unwrap();
    serving.await.unwrap();
}

#[tokio::test]
async fn dropping_the_server_ends_all_connections() {
    let (handle, serving) = start(bind(of("server-rsa")).await).await;
    let mut open = connect(&handle, "localhost").await.unwrap();
    says(&mut open, b"alive").await;
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    assert!(open.read_u8().await.is_err());
    assert!(connect(&handle, "localhost").await.is_err());
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_own_connection_only() {
    let server = bind(of("server-rsa")).await.max_connections(1);
    let handle = server.handle();
    tokio::spawn(server.serve(|mut tls, _| async move {
        let byte = tls.read_u8().await.unwrap();
        assert_ne!(byte, b'!', "the handler's panic");
        tls.write_all(&[byte]).await.unwrap();
    }));
    for _ in 0..2 {
        let mut bad = connect(&handle, "localhost").await.unwrap();
        bad.write_all(b"!").await.unwrap();
        assert!(bad.read_u8().await.is_err());
        // Its seat is free again.
        says(&mut connect(&handle, "localhost").await.unwrap(), b"x").await;
    }
}

#[tokio::test]
async fn no_more_connections_are_served_at_a_time_than_the_limit_says() {
    let server = bind(of("server-p256")).await.max_connections(2);
    let handle = server.handle();
    let (active, most, served) = (Arc::default(), Arc::default(), Arc::<AtomicUsize>::default());
    let counts: (Arc<AtomicUsize>, Arc<AtomicUsize>, _) =
        (Arc::clone(&active), Arc::clone(&most), Arc::clone(&served));
    tokio::spawn(server.serve(move |tls, _| {
        let (active, most, served) = counts.clone();
        async move {
            most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            echo(tls).await;
            active.fetch_sub(1, Ordering::SeqCst);
            served.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let handle = handle.clone();
        clients.spawn(async move {
            let mut tls = connect(&handle, "localhost").await.unwrap();
            for _ in 0..20 {
                says(&mut tls, b"busy").await;
            }
            tls.shutdown().await.unwrap();
            assert_eq!(tls.read(&mut [0; 8]).await.unwrap(), 0);
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    assert_eq!((active.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (0, 2));
    assert_eq!(served.load(Ordering::SeqCst), 8);
}

#[tokio::test]
async fn failed_handshakes_are_told_with_the_client_s_address() {
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let server =
        bind(of("server-rsa")).await.on_client_error(move |peer, error| told.send((peer, error)).unwrap());
    let (handle, _serving) = start(server).await;
    let mut tcp = TcpStream::connect(handle.local_addr()).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let (peer, error) = errors.recv().await.unwrap();
    assert_eq!((peer, error.code()), (tcp.local_addr().unwrap(), "ERR_SSL_HTTP_REQUEST"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let server = bind(server().build().unwrap()).await;
    let error = TlsServer::bind(server.local_addr(), of("shop")).await.unwrap_err();
    assert_eq!(error.code(), "EADDRINUSE");
}
