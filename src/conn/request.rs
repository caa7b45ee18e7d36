//! What this side can ask for on an open connection.

use crate::materials::verify::{ClientAuth, ServerVerification};

/// How a renegotiation is to run: the options of Node's `renegotiate()`.
///
/// # Examples
///
/// ```no_run
/// # async fn example(mut tls: patina_tls::TlsStream<tokio::net::TcpStream>) -> Result<(), patina_tls::Error> {
/// use patina_tls::{ClientAuth, RenegotiateOptions};
///
/// // A server asks for a certificate, now that it knows what the client wants.
/// tls.renegotiate(RenegotiateOptions::new().client_auth(ClientAuth::Require)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenegotiateOptions {
    pub(super) client_auth: Option<ClientAuth>,
    pub(super) server_verification: Option<ServerVerification>,
    pub(super) abbreviated: bool,
}

impl RenegotiateOptions {
    /// A full handshake under the rules that hold already.
    pub fn new() -> RenegotiateOptions {
        RenegotiateOptions::default()
    }

    /// Sets whether the server asks for a certificate from now on: Node's `requestCert` and `rejectUnauthorized`.
    ///
    /// Without effect on a client.
    #[must_use]
    #[doc(alias = "requestCert")]
    pub fn client_auth(mut self, auth: ClientAuth) -> RenegotiateOptions {
        self.client_auth = Some(auth);
        self
    }

    /// Sets what a client does from now on with a server that it cannot verify: Node's `rejectUnauthorized`.
    ///
    /// Without effect on a server.
    #[must_use]
    #[doc(alias = "rejectUnauthorized")]
    pub fn server_verification(mut self, verification: ServerVerification) -> RenegotiateOptions {
        self.server_verification = Some(verification);
        self
    }

    /// Sets whether the session of the connection may be resumed, which costs less and shows no certificate anew.
    /// Default: no.
    ///
    /// # OpenSSL
    /// `SSL_renegotiate_abbreviated`.
    #[must_use]
    pub fn abbreviated(mut self, abbreviated: bool) -> RenegotiateOptions {
        self.abbreviated = abbreviated;
        self
    }
}

/// Whose keys a key update of TLS 1.3 changes (RFC 8446 section 4.6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum KeyUpdate {
    /// Those of both directions: `SSL_KEY_UPDATE_REQUESTED`.
    #[default]
    Both,
    /// Those of what this side sends: `SSL_KEY_UPDATE_NOT_REQUESTED`.
    Own,
}

/// Something to ask libssl, and the peer, for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Renegotiate(RenegotiateOptions),
    /// Post-handshake authentication.
    Authenticate(ClientAuth),
    UpdateKeys(KeyUpdate),
}
