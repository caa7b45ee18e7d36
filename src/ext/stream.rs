//! Methods on the streams of the `openssl` and `tokio-openssl` crates.

use openssl::ssl::{SslRef, SslStream};

use super::sealed::Sealed;
use crate::sys::extra as sys;

/// What [`openssl::ssl::SslStream`] and [`tokio_openssl::SslStream`] lack.
pub trait SslStreamExt: Sealed {
    /// The connection, to change it: for [`renegotiate`](super::SslRefExt::renegotiate) and the other methods that need
    /// an open one.
    fn ssl_mut(&mut self) -> &mut SslRef;
}

impl<S> SslStreamExt for SslStream<S> {
    fn ssl_mut(&mut self) -> &mut SslRef {
        sys::stream_ssl(self)
    }
}

impl<S> SslStreamExt for tokio_openssl::SslStream<S> {
    fn ssl_mut(&mut self) -> &mut SslRef {
        sys::tokio_stream_ssl(self)
    }
}
