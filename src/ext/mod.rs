//! What the `openssl` crate's types lack, as methods on those types.
//!
//! For programs that make their own [`SslContext`](openssl::ssl::SslContext) or [`Ssl`](openssl::ssl::Ssl), and need the
//! functions of libssl that the crate does not reach. The traits are sealed: they have one implementation each, and may
//! gain methods. There is none for callbacks: a context of this library owns those slots, see
//! [`ConfigBuilder::with_openssl`](crate::ConfigBuilder::with_openssl).
//!
//! | trait | on |
//! | --- | --- |
//! | [`SslContextBuilderExt`] | [`SslContextBuilder`](openssl::ssl::SslContextBuilder) |
//! | [`SslContextRefExt`] | [`SslContextRef`](openssl::ssl::SslContextRef) |
//! | [`SslRefExt`] | [`SslRef`](openssl::ssl::SslRef) |
//! | [`SslStreamExt`] | [`SslStream`](openssl::ssl::SslStream) of `openssl` and of `tokio-openssl` |
//! | [`SslSessionRefExt`] | [`SslSessionRef`](openssl::ssl::SslSessionRef) |
//! | [`SslCipherRefExt`] | [`SslCipherRef`](openssl::ssl::SslCipherRef) |
//! | [`X509StoreBuilderRefExt`] | [`X509StoreBuilderRef`](openssl::x509::store::X509StoreBuilderRef) |
//!
//! ```
//! use openssl::ssl::{SslContext, SslMethod};
//! use patina_tls::TrustStore;
//! use patina_tls::ext::SslContextBuilderExt;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut builder = SslContext::builder(SslMethod::tls_server())?;
//! builder.set_shared_trust(&TrustStore::system()?)?;
//! builder.set_dh_auto()?;
//! builder.set_max_send_fragment(4096)?;
//! # Ok(())
//! # }
//! ```

mod cipher;
mod context;
mod context_builder;
mod session;
mod ssl;
mod store_builder;
mod stream;

pub use cipher::SslCipherRefExt;
pub use context::{SessionCount, SslContextRefExt};
pub use context_builder::SslContextBuilderExt;
pub use session::SslSessionRefExt;
pub use ssl::{KeyUpdate, SslRefExt};
pub use store_builder::X509StoreBuilderRefExt;
pub use stream::SslStreamExt;

use std::ffi::CString;

use openssl::error::ErrorStack;

use crate::sys::queue::stack_error;
use crate::values::error::{Error, ErrorKind};

/// Whether something is done that libssl can do or leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Switch {
    /// It is left.
    #[default]
    Off,
    /// It is done.
    On,
}

impl Switch {
    fn is_on(self) -> bool {
        self == Switch::On
    }
}

impl From<bool> for Switch {
    fn from(on: bool) -> Switch {
        if on { Switch::On } else { Switch::Off }
    }
}

/// What libssl says when it refuses a setting.
fn refused(option: &'static str) -> impl Fn(ErrorStack) -> Error {
    move |stack| stack_error(ErrorKind::Config, &stack).with_option(option)
}

/// What libssl says when the connection is not one for that.
fn impossible(stack: ErrorStack) -> Error {
    stack_error(ErrorKind::Protocol, &stack)
}

fn c_string(option: &'static str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::config(option, "there is a NUL byte in it"))
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for openssl::ssl::SslCipherRef {}
    impl Sealed for openssl::ssl::SslContextBuilder {}
    impl Sealed for openssl::ssl::SslContextRef {}
    impl Sealed for openssl::ssl::SslRef {}
    impl Sealed for openssl::ssl::SslSessionRef {}
    impl<S> Sealed for openssl::ssl::SslStream<S> {}
    impl<S> Sealed for tokio_openssl::SslStream<S> {}
    impl Sealed for openssl::x509::store::X509StoreBuilderRef {}
}
