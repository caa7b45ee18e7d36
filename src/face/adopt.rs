//! Acceptors and connectors of an SSL_CTX that the application has made.

use super::acceptor::TlsAcceptor;
use super::connector::TlsConnector;
use crate::config::adopt::AdoptedBuilder;
use crate::config::side::{Client, Server};
use crate::sys::adopt::AdoptedContext;
use crate::values::error::Error;

impl TlsAcceptor {
    /// Accepts with an `SSL_CTX` that the application has made, and whose callbacks go on to run.
    ///
    /// # Examples
    ///
    /// ```
    /// use openssl::ssl::{SslContext, SslMethod};
    /// use patina_tls::{AdoptedContext, RenegotiationPolicy, TlsAcceptor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = SslContext::builder(SslMethod::tls_server())?.build();
    /// let acceptor = TlsAcceptor::adopt(context.into()).renegotiation(RenegotiationPolicy::limit(3)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn adopt(context: AdoptedContext) -> AdoptedBuilder<Server> {
        AdoptedBuilder::new(context)
    }
}

impl TlsConnector {
    /// Connects with an `SSL_CTX` that the application has made, and whose callbacks go on to run.
    ///
    /// The host of [`connect`](TlsConnector::connect) is set in the verification parameters of the connection, as
    /// `SSL_set1_host` does, so that the context's verify mode and callback judge the name with the chain.
    ///
    /// # Security
    /// `SSL_VERIFY_NONE`, libssl's default, refuses no server: see [`AdoptedBuilder`].
    pub fn adopt(context: AdoptedContext) -> AdoptedBuilder<Client> {
        AdoptedBuilder::new(context)
    }
}

impl AdoptedBuilder<Server> {
    /// Makes the acceptor.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `context` when the context is for DTLS or for
    /// clients alone.
    pub fn build(self) -> Result<TlsAcceptor, Error> {
        self.config().map(TlsAcceptor::new)
    }
}

impl AdoptedBuilder<Client> {
    /// Makes the connector.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `context` when the context is for DTLS or for
    /// servers alone.
    pub fn build(self) -> Result<TlsConnector, Error> {
        self.config().map(TlsConnector::new)
    }
}
