//! TLS over the blocking streams of the standard library.

use std::io::{ErrorKind as IoErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use patina_tls::{Alert, BlockingStream, Error, ErrorKind, ProtocolVersion, Selection, ServerConfig};

use crate::support::pair::{client, server};

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// A server on a thread of its own.
fn serve(
    config: ServerConfig,
    far: TcpStream,
    body: impl FnOnce(Result<BlockingStream<TcpStream>, Error>) + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || body(BlockingStream::accept(&config, far)))
}

#[test]
fn bytes_pass_both_ways_and_ends_are_clean() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let (near, far) = sockets();
        let peer = serve(server().build().unwrap(), far, |tls| {
            let mut tls = tls.unwrap();
            let mut heard = Vec::new();
            tls.read_to_end(&mut heard).unwrap();
            tls.write_all(&heard).unwrap();
            tls.shutdown().unwrap();
        });
        let mut tls =
            BlockingStream::connect(&client().versions(version).build().unwrap(), "localhost", near).unwrap();
        assert!(tls.negotiated().authorized());
        assert_eq!(tls.negotiated().version(), version);
        let sent: Vec<u8> = (0..200_000_u32).map(|n| (n % 253) as u8).collect();
        tls.write_all(&sent[..100]).unwrap();
        assert!(
            tls.write_vectored(&[IoSlice::new(&sent[100..150]), IoSlice::new(&sent[150..200])]).unwrap()
                == 100
        );
        tls.write_all(&sent[200..]).unwrap();
        tls.flush().unwrap();
        tls.shutdown().unwrap();
        let mut heard = Vec::new();
        tls.read_to_end(&mut heard).unwrap();
        assert!(heard == sent);
        peer.join().unwrap();
    }
}

#[test]
fn a_write_that_fails_does_not_wait_for_the_peer_and_reading_goes_on() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let (near, far) = sockets();
        let (tell, told) = mpsc::channel();
        let peer = serve(server().build().unwrap(), far, move |tls| {
            let mut tls = tls.unwrap();
            if told.recv_timeout(Duration::from_secs(30)).is_ok() {
                tls.write_all(b"answer").unwrap();
                tls.shutdown().unwrap();
            }
        });
        let mut tls =
            BlockingStream::connect(&client().versions(version).build().unwrap(), "localhost", near).unwrap();
        tls.get_ref().shutdown(Shutdown::Write).unwrap();
        // Whoever does not flush is told by the read.
        let error = tls.write_all(b"question").and_then(|()| tls.read(&mut [0]).map(drop)).unwrap_err();
        assert_eq!(error.kind(), IoErrorKind::BrokenPipe);
        tell.send(()).unwrap();
        let mut heard = String::new();
        tls.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "answer");
        peer.join().unwrap();
    }
}

#[test]
fn a_read_that_timed_out_can_be_called_again() {
    let (near, far) = sockets();
    let (go, gone) = mpsc::channel::<()>();
    let peer = serve(server().build().unwrap(), far, move |tls| {
        let mut tls = tls.unwrap();
        gone.recv().unwrap();
        tls.write_all(b"at last").unwrap();
        assert_eq!(tls.read(&mut [0; 8]).unwrap(), 0);
    });
    let mut tls = BlockingStream::connect(&client().build().unwrap(), "localhost", near).unwrap();
    tls.get_ref().set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    for _ in 0..2 {
        let error = tls.read(&mut [0; 8]).unwrap_err();
        assert!(matches!(error.kind(), IoErrorKind::WouldBlock | IoErrorKind::TimedOut), "{error:?}");
    }
    go.send(()).unwrap();
    tls.get_ref().set_read_timeout(None).unwrap();
    let mut heard = [0; 7];
    tls.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"at last");
    tls.shutdown().unwrap();
    peer.join().unwrap();
}

#[test]
fn a_peer_that_does_not_shake_hands_in_time_is_an_error_of_the_transport() {
    let (near, _far) = sockets();
    near.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let error = BlockingStream::connect(&client().build().unwrap(), "localhost", near).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
}

#[test]
fn a_cut_is_truncated() {
    let (near, far) = sockets();
    let peer = serve(server().build().unwrap(), far, |tls| drop(tls.unwrap()));
    let mut tls = BlockingStream::connect(&client().build().unwrap(), "localhost", near).unwrap();
    let error = tls.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), IoErrorKind::UnexpectedEof);
    assert_eq!(Error::from_io(&error).unwrap().kind(), ErrorKind::Truncated);
    peer.join().unwrap();
}

#[test]
fn a_failed_handshake_has_its_code_on_both_sides() {
    let (near, far) = sockets();
    let peer = serve(server().build().unwrap(), far, |tls| {
        assert_eq!(tls.unwrap_err().alert(), Some(Alert::BAD_CERTIFICATE));
    });
    let error = BlockingStream::connect(&client().build().unwrap(), "elsewhere.example", near).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "ERR_TLS_CERT_ALTNAME_INVALID"));
    peer.join().unwrap();
}

#[test]
fn a_hook_that_another_thread_answers_blocks_until_then() {
    let (near, far) = sockets();
    let config = server().config_resolver(|_| {
        let (answer, answered) = tokio::sync::oneshot::channel();
        thread::spawn(move || answer.send(Selection::Default).unwrap());
        async move { Ok(answered.await.unwrap()) }
    });
    let peer = serve(config.build().unwrap(), far, |tls| {
        assert_eq!(tls.unwrap().negotiated().server_name(), Some("localhost"));
    });
    BlockingStream::connect(&client().build().unwrap(), "localhost", near).unwrap();
    peer.join().unwrap();
}
