//! Panics of the application's code, under frames of C: thrown on in the caller, and never the end of the process.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use patina_tls::{
    Alert, Certificate, ClientConfig, ErrorKind, PreSharedKey, ProtocolVersion, PskIdentity, ServerConfig,
    TlsAcceptor, TlsConnector, TrustStore,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::support::pair::{client, engines, pair, server};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn text(panic: Box<dyn std::any::Any + Send>) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap()
}

#[tokio::test]
async fn an_identity_check_that_panics_fails_the_handshake_with_internal_error() {
    for version in BOTH {
        let client = client().versions(version).identity_check(
            |_: &str, _: &Certificate| -> Result<(), patina_tls::Error> { panic!("identity") },
        );
        let client = TlsConnector::new(client.build().unwrap());
        let server = TlsAcceptor::new(server().build().unwrap());
        let (near, far) = tokio::io::duplex(64 * 1024);
        let client = tokio::spawn(async move { client.connect("localhost", near).await.map(drop) });
        let error = server.accept(far).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.alert()),
            (ErrorKind::PeerAlert, Some(Alert::INTERNAL_ERROR)),
            "{version}"
        );
        assert_eq!(text(client.await.unwrap_err().into_panic()), "identity");
    }
}

#[tokio::test]
async fn a_psk_resolver_that_panics_fails_the_handshake_with_internal_error() {
    for version in BOTH {
        let key = PreSharedKey::new(vec![7; 32]);
        let client = ClientConfig::builder()
            .trust(TrustStore::empty())
            .psk(PskIdentity::new("somebody").unwrap(), key);
        let client = client.versions(version).cipher_list("PSK:@SECLEVEL=0").build().unwrap();
        let server = ServerConfig::builder().versions(version).cipher_list("PSK:@SECLEVEL=0");
        let server = server.psk_resolver(|_| async { panic!("psk") }).build().unwrap();
        let mut both = engines(&client, "localhost", &server);
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| both.shake())).unwrap_err();
        assert_eq!(text(panic), "psk", "{version}");
        both.client.receive(&both.server.take_output());
        assert_eq!(both.client.advance().unwrap_err().alert(), Some(Alert::INTERNAL_ERROR), "{version}");
    }
}

#[tokio::test]
async fn a_key_log_that_panics_reaches_the_caller_on_either_side() {
    for version in BOTH {
        let loud = |_: &str| panic!("key log");
        let mut both = engines(
            &client().versions(version).key_log(loud).build().unwrap(),
            "localhost",
            &server().build().unwrap(),
        );
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| both.shake())).unwrap_err();
        assert_eq!(text(panic), "key log");
        let mut both = engines(
            &client().versions(version).build().unwrap(),
            "localhost",
            &server().key_log(loud).build().unwrap(),
        );
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| both.shake())).unwrap_err();
        assert_eq!(text(panic), "key log");
    }
}

#[tokio::test]
async fn a_message_trace_that_panics_reaches_the_caller() {
    let client = client().message_trace(|_: &str| panic!("trace")).build().unwrap();
    let mut both = engines(&client, "localhost", &server().build().unwrap());
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| both.client.advance())).unwrap_err();
    assert_eq!(text(panic), "trace");
}

/// A stream that panics when it is told to.
struct Broken {
    inner: tokio::io::DuplexStream,
    read: bool,
    write: bool,
}

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.read, "the stream below, reading");
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Broken {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        assert!(!self.write, "the stream below, writing");
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_stream_below_that_panics_under_libssl_reaches_the_caller() {
    for (read, write) in [(true, false), (false, true)] {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connector = TlsConnector::new(client().build().unwrap());
        let acceptor = TlsAcceptor::new(server().build().unwrap());
        let near = Broken { inner: near, read: false, write: false };
        let (client, server) = tokio::join!(connector.connect("localhost", near), acceptor.accept(far));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.write_all(b"hello").await.unwrap();
        client.get_mut().read = read;
        client.get_mut().write = write;
        let task = tokio::spawn(async move {
            if read { client.read_u8().await.map(drop) } else { client.write_all(b"x").await }
        });
        let panic = text(task.await.unwrap_err().into_panic());
        assert!(panic.starts_with("the stream below, "), "{panic}");
    }
}

#[tokio::test]
async fn the_process_goes_on_after_all_of_them() {
    let check = |_: &str, _: &Certificate| -> Result<(), patina_tls::Error> { panic!("once") };
    let broken = client().identity_check(check).build().unwrap();
    let server = server().build().unwrap();
    let mut both = engines(&broken, "localhost", &server);
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| both.shake())).is_err());
    drop(both);
    let (mut near, mut far) = pair(&client().build().unwrap(), &server).await;
    near.write_all(b"alive").await.unwrap();
    let mut heard = [0; 5];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"alive");
}
