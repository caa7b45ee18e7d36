//! Connections of the `openssl` crate alone, in memory: for what this library adds to its types.

#![allow(dead_code, reason = "each test program uses some of these")]

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use openssl::ssl::{ErrorCode, Ssl, SslContextBuilder, SslContextRef, SslFiletype, SslMethod, SslStream};
use openssl::ssl::{SslContext, SslVersion};

use super::fixtures;

type Bytes = Arc<Mutex<VecDeque<u8>>>;

/// One end of a wire: reads and writes never wait.
#[derive(Debug, Default)]
pub(crate) struct End {
    input: Bytes,
    output: Bytes,
}

fn lock(bytes: &Bytes) -> MutexGuard<'_, VecDeque<u8>> {
    bytes.lock().unwrap_or_else(|e| e.into_inner())
}

impl End {
    /// Both ends of a wire.
    pub(crate) fn pair() -> (End, End) {
        let (a, b) = (Bytes::default(), Bytes::default());
        (End { input: Arc::clone(&a), output: Arc::clone(&b) }, End { input: b, output: a })
    }

    /// Takes what has arrived here, past TLS.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        lock(&self.input).drain(..).collect()
    }
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut input = lock(&self.input);
        if input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buf.len().min(input.len());
        for (place, byte) in buf.iter_mut().zip(input.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.output).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection of the `openssl` crate.
pub(crate) type Wire = SslStream<End>;

/// A server's context with the fixtures' RSA certificate.
pub(crate) fn server_context() -> SslContextBuilder {
    let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
    context.set_certificate_chain_file(fixtures::path("pki/server-rsa.pem")).unwrap();
    context.set_private_key_file(fixtures::path("pki/server-rsa.key"), SslFiletype::PEM).unwrap();
    context.set_session_id_context(b"patina").unwrap();
    context
}

/// A client's context that trusts the fixtures' root.
pub(crate) fn client_context() -> SslContextBuilder {
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    context.set_ca_file(fixtures::path("pki/root.pem")).unwrap();
    context
}

/// The same with one version.
pub(crate) fn only(mut context: SslContextBuilder, version: SslVersion) -> SslContext {
    context.set_min_proto_version(Some(version)).unwrap();
    context.set_max_proto_version(Some(version)).unwrap();
    context.build()
}

/// A client that has not begun.
pub(crate) fn client(context: &SslContextRef, end: End) -> Wire {
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_connect_state();
    SslStream::new(ssl, end).unwrap()
}

/// A server that has not begun.
pub(crate) fn server(context: &SslContextRef, end: End) -> Wire {
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_accept_state();
    SslStream::new(ssl, end).unwrap()
}

/// Goes on with a handshake; whether it is done.
pub(crate) fn shake(wire: &mut Wire) -> Result<bool, openssl::ssl::Error> {
    match wire.do_handshake() {
        Ok(()) => Ok(true),
        Err(error) if error.code() == ErrorCode::WANT_READ => Ok(false),
        Err(error) => Err(error),
    }
}

/// Shakes hands.
pub(crate) fn shake_both(client: &mut Wire, server: &mut Wire) {
    for _ in 0..20 {
        let (near, far) = (shake(client).unwrap(), shake(server).unwrap());
        if near && far {
            return;
        }
    }
    panic!("the handshake makes no progress");
}

/// A connection, shaken.
pub(crate) fn connection(client_side: &SslContextRef, server_side: &SslContextRef) -> (Wire, Wire) {
    let (near, far) = End::pair();
    let (mut client, mut server) = (client(client_side, near), server(server_side, far));
    shake_both(&mut client, &mut server);
    (client, server)
}

/// Reads what is there; nothing when nothing is.
pub(crate) fn read(wire: &mut Wire) -> Result<Vec<u8>, openssl::ssl::Error> {
    let mut buf = [0; 1024];
    match wire.ssl_read(&mut buf) {
        Ok(count) => Ok(buf[..count].to_vec()),
        Err(error) if error.code() == ErrorCode::WANT_READ => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Lets both sides process what the other has sent.
pub(crate) fn settle(one: &mut Wire, other: &mut Wire) {
    for _ in 0..10 {
        assert_eq!(read(one).unwrap(), b"");
        assert_eq!(read(other).unwrap(), b"");
    }
}
