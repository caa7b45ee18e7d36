//! A session that a later connection can resume.

use std::fmt;
use std::time::{Duration, SystemTime};

use openssl::ssl::{SslSession, SslSessionRef};

use crate::sys::{queue, session};
use crate::values::error::{Error, ErrorKind};
use crate::values::version::ProtocolVersion;

/// The keys and parameters of a connection, for a later one to resume: cheaper, and without certificates.
///
/// A clone is a new reference to the same session. Neither the keys nor the ticket are printed.
///
/// # Examples
///
/// ```
/// use patina_tls::Session;
///
/// let error = Session::from_der(b"no session").unwrap_err();
/// assert_eq!(error.option(), Some("session"));
/// ```
///
/// # Security
///
/// Whoever has the encoded session can decrypt the connections that resume it without a new key exchange: keep it
/// as a key is kept. A resumed connection is as much authenticated as the first was: do not offer a session to
/// another server than the one that it came from.
///
/// # OpenSSL
///
/// `SSL_SESSION`
#[derive(Clone)]
#[doc(alias = "SSL_SESSION")]
pub struct Session {
    session: SslSession,
}

impl Session {
    pub(crate) fn new(session: SslSession) -> Session {
        Session { session }
    }

    /// Reads a session that [`to_der`](Self::to_der) has written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the option `session` when the bytes are no session. Node ignores such bytes.
    ///
    /// # OpenSSL
    ///
    /// `d2i_SSL_SESSION`
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<Session, Error> {
        queue::clear();
        SslSession::from_der(der.as_ref()).map(Session::new).map_err(|stack| {
            let error = queue::stack_error(ErrorKind::Config, &stack);
            error.context("these bytes are no session").with_option("session")
        })
    }

    /// Encodes the session, its keys included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] when libssl cannot encode it.
    ///
    /// # OpenSSL
    ///
    /// `i2d_SSL_SESSION`
    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        queue::clear();
        self.session.to_der().map_err(|stack| queue::stack_error(ErrorKind::State, &stack))
    }

    /// The session's id: at most 32 bytes, empty when there is only a ticket.
    ///
    /// A TLS 1.3 client computes an id of its own for every ticket.
    pub fn id(&self) -> &[u8] {
        self.session.id()
    }

    /// The ticket that the server gave, if it gave one (RFC 5077, RFC 8446 section 4.6.1).
    pub fn ticket(&self) -> Option<&[u8]> {
        session::ticket(&self.session)
    }

    /// How long the server said that the ticket is good; zero when it did not say.
    pub fn ticket_lifetime_hint(&self) -> Duration {
        Duration::from_secs(session::ticket_lifetime_hint(&self.session))
    }

    /// How long after its creation the session may be resumed.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::try_from(session::timeout(&self.session)).unwrap_or_default())
    }

    /// When the session was made, to the second.
    pub fn created(&self) -> SystemTime {
        let seconds = u64::try_from(session::created(&self.session)).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The version of the protocol, if it is one of TLS.
    pub fn protocol(&self) -> Option<ProtocolVersion> {
        session::protocol(&self.session).and_then(ProtocolVersion::from_code)
    }

    /// Whether a connection can offer the session: it has an id or a ticket and nothing has spoilt it.
    pub fn is_resumable(&self) -> bool {
        session::is_resumable(&self.session)
    }

    /// The server name that the session was made for, where one was sent and the server has acknowledged it.
    pub fn hostname(&self) -> Option<&str> {
        session::hostname(&self.session)
    }

    /// How many bytes of early data the server takes with it (RFC 8446 section 4.6.1); 0 is none.
    ///
    /// # OpenSSL
    ///
    /// `SSL_SESSION_get_max_early_data`
    pub fn max_early_data(&self) -> usize {
        self.session.max_early_data() as usize
    }

    /// The protocol that the session's connection came to by ALPN.
    ///
    /// # OpenSSL
    ///
    /// `SSL_SESSION_get0_alpn_selected`
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        session::alpn_protocol(&self.session)
    }

    /// Whether the ticket is still good at `now`. libssl counts whole seconds, and one less.
    pub(crate) fn is_ticket_good_at(&self, now: SystemTime) -> bool {
        now.duration_since(self.created()).is_ok_and(|age| age < self.ticket_lifetime_hint())
    }

    /// The session as a type of the `openssl` crate.
    pub fn as_openssl(&self) -> &SslSessionRef {
        &self.session
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: String = self.id().iter().map(|byte| format!("{byte:02x}")).collect();
        f.debug_struct("Session").field("id", &id).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use openssl::ssl::{
        HandshakeError, Ssl, SslContext, SslFiletype, SslMethod, SslSessionCacheMode, SslVersion,
    };
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::{Arc, Mutex};
    use std::thread;

    /// Shakes hands over a socket pair and gives the client's session.
    pub(crate) fn session(version: SslVersion) -> Session {
        let file = |name: &str| format!("{}/fixtures/pki/{name}", env!("CARGO_MANIFEST_DIR"));
        let (near, far) = UnixStream::pair().unwrap();
        let mut server = SslContext::builder(SslMethod::tls()).unwrap();
        server.set_certificate_file(file("server-p256.pem"), SslFiletype::PEM).unwrap();
        server.set_private_key_file(file("server-p256.key"), SslFiletype::PEM).unwrap();
        server.set_session_id_context(b"session").unwrap();
        server.set_servername_callback(|_, _| Ok(()));
        let server = Ssl::new(&server.build()).unwrap();
        let peer = thread::spawn(move || {
            let mut stream = server.accept(far).map_err(|e: HandshakeError<_>| e.to_string()).unwrap();
            stream.write_all(b"x").unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        });

        let received = Arc::new(Mutex::new(None));
        let mut client = SslContext::builder(SslMethod::tls()).unwrap();
        client.set_max_proto_version(Some(version)).unwrap();
        // A context that goes spoils the sessions of its own cache.
        client.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let slot = Arc::clone(&received);
        client.set_new_session_callback(move |_, session| *slot.lock().unwrap() = Some(session));
        let mut client = Ssl::new(&client.build()).unwrap();
        client.set_hostname("session.patina.test").unwrap();
        let mut stream = client.connect(near).map_err(|e: HandshakeError<_>| e.to_string()).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        stream.shutdown().unwrap();
        peer.join().unwrap();
        let session = received.lock().unwrap().take().expect("the server gives a ticket");
        Session::new(session)
    }

    #[test]
    fn a_session_tells_what_it_is() {
        for (version, expected) in
            [(SslVersion::TLS1_2, ProtocolVersion::TLSv1_2), (SslVersion::TLS1_3, ProtocolVersion::TLSv1_3)]
        {
            let session = session(version);
            assert_eq!(session.protocol(), Some(expected));
            assert!(session.is_resumable());
            assert!(session.ticket().is_some_and(|ticket| ticket.len() > 32));
            assert_eq!(session.ticket_lifetime_hint(), Duration::from_secs(7200));
            assert_eq!(session.hostname(), Some("session.patina.test"));
            assert_eq!(session.id().len(), 32);
            assert!(session.created() > SystemTime::UNIX_EPOCH);
            assert!(session.timeout() > Duration::ZERO);
        }
    }

    #[test]
    fn encoding_keeps_the_session() {
        let session = session(SslVersion::TLS1_3);
        let again = Session::from_der(session.to_der().unwrap()).unwrap();
        assert_eq!((again.id(), again.ticket()), (session.id(), session.ticket()));
        assert_eq!((again.created(), again.timeout()), (session.created(), session.timeout()));
        assert_eq!(again.to_der().unwrap(), session.to_der().unwrap());
        assert!(again.is_resumable());
    }

    #[test]
    fn bytes_that_are_no_session_are_refused() {
        let der = session(SslVersion::TLS1_2).to_der().unwrap();
        for bytes in [&b""[..], b"garbage", &der[..der.len() - 1]] {
            let error = Session::from_der(bytes).unwrap_err();
            assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("session")), "{error:?}");
        }
    }

    #[test]
    fn the_debug_form_shows_the_id_alone() {
        let session = session(SslVersion::TLS1_2);
        let id: String = session.id().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(format!("{session:?}"), format!("Session {{ id: {id:?}, .. }}"));
    }
}
