//! Connections of an SSL_CTX that the application has made.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::SslVerifyMode;

use super::apply::{HANDSHAKE_TIMEOUT, MAX_SEND_FRAGMENT, SESSION_STORE_TIMEOUT};
use super::context::{Adoption, Config, Context};
use super::names::Names;
use super::settings::{AlpnMismatch, UnknownName};
use super::side::{Client, Role, Side};
use crate::materials::certificate::Certificate;
use crate::materials::server_identity::check_server_identity;
use crate::materials::verify::{ClientAuth, ServerVerification};
use crate::sys::adopt::{AdoptedContext, obstacle};
use crate::sys::queue::stack_error;
use crate::values::error::{Error, ErrorKind};
use crate::values::limit::RenegotiationPolicy;
use crate::values::psk::UnknownPskIdentity;

/// What the connections of an [`AdoptedContext`] are given besides it: made by
/// [`TlsAcceptor::adopt`](crate::TlsAcceptor::adopt) and [`TlsConnector::adopt`](crate::TlsConnector::adopt).
///
/// | option | default |
/// | --- | --- |
/// | `renegotiation` | denied |
/// | `handshake_timeout` | 120 seconds |
/// | `insecure_without_name_check` (client) | the name is checked |
///
/// All else is the context's: certificates, versions, ciphers, options, verification, its store, its sessions, and its callbacks
/// for server names, protocols, keys, tickets, statuses, messages and the key log, which run as they do elsewhere.
/// A connection's `SSL` differs from the application's own in this:
///
/// - `SSL_OP_NO_RENEGOTIATION` and `SSL_OP_ALLOW_CLIENT_RENEGOTIATION` follow the policy;
/// - the modes `PARTIAL_WRITE`, `ACCEPT_MOVING_WRITE_BUFFER` and `AUTO_RETRY` are on, `ASYNC` is off; read-ahead and
///   `RELEASE_BUFFERS` are for the stream to say;
/// - its info callback counts renegotiations, and then calls the context's;
/// - on a client, the verification parameters have the host that was asked for.
///
/// # Security
/// Who is refused is the context's decision: its verify mode and its callbacks. A connection of this library refuses nobody
/// in addition. [`Negotiated::authorized`](crate::Negotiated::authorized) is then `SSL_get_verify_result`: true for
/// `X509_V_OK` with a certificate that was shown (and, on a client, a name that fits). A verify callback that accepts a bad
/// chain without setting the error to `X509_V_OK` leaves `authorized` false on an open connection.
pub struct AdoptedBuilder<S: Side> {
    context: AdoptedContext,
    renegotiation: RenegotiationPolicy,
    handshake_timeout: Duration,
    checks_name: bool,
    side: PhantomData<S>,
}

impl<S: Side> AdoptedBuilder<S> {
    pub(crate) fn new(context: AdoptedContext) -> AdoptedBuilder<S> {
        AdoptedBuilder {
            context,
            renegotiation: RenegotiationPolicy::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            checks_name: true,
            side: PhantomData,
        }
    }

    /// Sets how often the peer may renegotiate. Default: never.
    ///
    /// It takes the place of the context's own `SSL_OP_NO_RENEGOTIATION` and `SSL_OP_ALLOW_CLIENT_RENEGOTIATION`. A
    /// handshake past the limit is answered with a `no_renegotiation` alert before any work on keys, and
    /// reading and writing fail with `ERR_TLS_SESSION_ATTACK`. A handshake that this side asks for is not counted, and
    /// neither is one that libssl refuses. A stream of [`accept_openssl`](crate::TlsAcceptor::accept_openssl) is told nothing:
    /// past the limit its peer is refused, and no more.
    #[must_use]
    pub fn renegotiation(mut self, policy: RenegotiationPolicy) -> Self {
        self.renegotiation = policy;
        self
    }

    /// Sets how long a handshake may take. Default: 120 seconds. With `Duration::MAX` there is no limit and no timer.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Makes the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option `context` when the context is for DTLS or for the other side.
    pub(crate) fn config(self) -> Result<Config<S>, Error> {
        let failed = |e: &_| stack_error(ErrorKind::Config, e).with_option("context");
        let ssl = self.context.into_openssl();
        let server = S::ROLE == Role::Server;
        if let Some(why) = obstacle(&ssl, server).map_err(|e| failed(&e))? {
            return Err(Error::config("context", why));
        }
        // These two only report: what is refused, libssl has refused.
        let client_auth = match ssl.verify_mode().contains(SslVerifyMode::PEER) {
            true => ClientAuth::Request,
            false => ClientAuth::None,
        };
        let checks_name = self.checks_name;
        Ok(Config::new(Context {
            ssl,
            role: S::ROLE,
            alpn: None,
            npn: None,
            alpn_mismatch: AlpnMismatch::default(),
            server_verification: ServerVerification::InsecureReport,
            client_auth,
            identity_check: Arc::new(move |host: &str, certificate: &Certificate| match checks_name {
                true => check_server_identity(host, certificate),
                false => Ok(()),
            }),
            min_dh_bits: 0,
            handshake_timeout: self.handshake_timeout,
            renegotiation: self.renegotiation,
            names: Names::default(),
            unknown_name: UnknownName::default(),
            resolver: None,
            ocsp_source: None,
            psk_resolver: None,
            psk_source: None,
            alpn_resolver: None,
            certificate_resolver: None,
            certificate_compression: None,
            peer_verifier: None,
            session_store: None,
            session_store_timeout: SESSION_STORE_TIMEOUT,
            session_listener: None,
            client_sessions: None,
            never_renegotiates: false,
            unknown_psk_identity: UnknownPskIdentity::default(),
            without_identity: false,
            ticket_keys: None,
            ticket_key_resolver: None,
            early_data: 0,
            replay_guard: None,
            key_log: None,
            trust: None,
            max_send_fragment: MAX_SEND_FRAGMENT,
            trace: None,
            warnings: Arc::default(),
            adopted: Some(Adoption { checks_name }),
            foreign_callbacks: true,
        }))
    }
}

impl AdoptedBuilder<Client> {
    /// Does not compare the server's certificate with the host: for applications whose own verify callback does.
    ///
    /// # Security
    /// Unless the application compares the name, everybody with a certificate that the context trusts can pose as
    /// the server.
    #[must_use]
    pub fn insecure_without_name_check(mut self) -> Self {
        self.checks_name = false;
        self
    }
}

impl<S: Side> fmt::Debug for AdoptedBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptedBuilder").field("renegotiation", &self.renegotiation).finish_non_exhaustive()
    }
}
