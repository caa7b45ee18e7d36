//! What the `openssl` crate's types lack, as methods on those types.
//!
//! For programs that make their own [`SslContext`](openssl::ssl::SslContext) or [`Ssl`](openssl::ssl::Ssl), and need the
//! functions of libssl that the crate does not reach. The traits are sealed: they have one implementation each, and may
//! gain methods.
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

mod context_builder;
mod ssl;

pub use context_builder::SslContextBuilderExt;
pub use ssl::SslRefExt;

mod sealed {
    pub trait Sealed {}
    impl Sealed for openssl::ssl::SslContextBuilder {}
    impl Sealed for openssl::ssl::SslRef {}
}
