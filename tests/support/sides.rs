//! A server of this library against a client of the `openssl` crate, in memory.

#![allow(dead_code, reason = "each test program uses some of these")]

use std::io::Write;

use openssl::ssl::SslContextRef;
use patina_tls::ext::{SslRefExt, SslStreamExt};
use patina_tls::{ServerConfig, TlsEngine};

use super::wire::{self, End, Wire};

/// A server without a socket, and a client of the `openssl` crate.
pub(crate) struct Sides {
    pub(crate) client: Wire,
    pub(crate) server: TlsEngine,
    wire: End,
}

impl Sides {
    pub(crate) fn new(client: &SslContextRef, server: &ServerConfig) -> Sides {
        let (near, far) = End::pair();
        Sides { client: wire::client(client, near), server: TlsEngine::server(server).unwrap(), wire: far }
    }

    /// Moves bytes to the server, and what it answers back.
    pub(crate) fn pass(&mut self) {
        self.server.receive(&self.wire.take());
        let _ = self.server.advance();
        self.wire.write_all(&self.server.take_output()).unwrap();
    }

    pub(crate) fn shaken(client: &SslContextRef, server: &ServerConfig) -> Sides {
        let mut sides = Sides::new(client, server);
        for _ in 0..20 {
            let done = wire::shake(&mut sides.client).unwrap();
            sides.pass();
            if done && sides.server.is_established() {
                return sides;
            }
        }
        panic!("the handshake makes no progress");
    }

    /// The client asks for a new handshake; what the server's reading comes to, whether the client is done, and how many
    /// bytes the server has sent.
    pub(crate) fn renegotiate(&mut self) -> (Result<(), patina_tls::Error>, bool, usize) {
        self.client.ssl_mut().renegotiate().unwrap();
        self.finish_renegotiation()
    }

    /// The same for one that resumes the session.
    pub(crate) fn renegotiate_abbreviated(&mut self) -> (Result<(), patina_tls::Error>, bool, usize) {
        self.client.ssl_mut().renegotiate_abbreviated().unwrap();
        self.finish_renegotiation()
    }

    fn finish_renegotiation(&mut self) -> (Result<(), patina_tls::Error>, bool, usize) {
        let before = self.client.ssl().total_renegotiations();
        let (mut server, mut client, mut sent) = (Ok(()), Ok(false), 0);
        for _ in 0..6 {
            if client.is_ok() {
                client = wire::shake(&mut self.client);
            }
            self.server.receive(&self.wire.take());
            let mut buf = [0; 64];
            if server.is_ok() {
                server = self.server.read(&mut buf).map(|read| assert_eq!(read, None));
            }
            let output = self.server.take_output();
            sent += output.len();
            self.wire.write_all(&output).unwrap();
        }
        assert_eq!(self.client.ssl().total_renegotiations(), before + 1);
        (server, matches!(client, Ok(true)) && !self.client.ssl().renegotiate_pending(), sent)
    }
}
