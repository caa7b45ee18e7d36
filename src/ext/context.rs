//! Methods on [`SslContextRef`].

use std::time::Duration;

use openssl::ssl::{SslCipher, SslContextRef, SslMode, SslOptions, SslVersion};
use openssl::stack::StackRef;

use super::Switch;
use super::sealed::Sealed;
use crate::sys::{extra, ssl as sys};

/// What a context counts: `SSL_CTX_sess_number` and its sisters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionCount {
    /// The sessions in the internal cache.
    Cached = 0,
    /// The handshakes that were begun as a client.
    Connect = 1,
    /// Those that succeeded.
    ConnectGood = 2,
    /// The renegotiations that were begun as a client.
    ConnectRenegotiate = 3,
    /// The handshakes that were begun as a server.
    Accept = 4,
    /// Those that succeeded.
    AcceptGood = 5,
    /// The renegotiations that were begun as a server.
    AcceptRenegotiate = 6,
    /// The sessions that were resumed.
    Hit = 7,
    /// The sessions that a callback found.
    CallbackHit = 8,
    /// The sessions that clients offered and that were not found.
    Miss = 9,
    /// The sessions that were found and were too old.
    Timeout = 10,
    /// The sessions that were dropped because the cache was full.
    CacheFull = 11,
}

/// What [`SslContextRef`] lacks.
pub trait SslContextRefExt: Sealed {
    /// The options.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_options`.
    #[doc(alias = "SSL_CTX_get_options")]
    fn options(&self) -> SslOptions;

    /// The modes.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_mode`.
    #[doc(alias = "SSL_CTX_get_mode")]
    fn mode(&self) -> SslMode;

    /// The lowest and the highest version; `None` is libssl's own bound.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_min_proto_version` and `SSL_CTX_get_max_proto_version`.
    #[doc(alias = "SSL_CTX_get_min_proto_version")]
    #[doc(alias = "SSL_CTX_get_max_proto_version")]
    fn versions(&self) -> (Option<SslVersion>, Option<SslVersion>);

    /// The cipher suites, in order, whatever versions and security level leave of them.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_ciphers`.
    #[doc(alias = "SSL_CTX_get_ciphers")]
    fn ciphers(&self) -> Option<&StackRef<SslCipher>>;

    /// How long sessions can be resumed.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_timeout`.
    #[doc(alias = "SSL_CTX_get_timeout")]
    fn session_timeout(&self) -> Duration;

    /// What the context has counted.
    ///
    /// # OpenSSL
    /// `SSL_CTX_sess_number`, `SSL_CTX_sess_accept`, and so on.
    #[doc(alias = "SSL_CTX_sess_number")]
    #[doc(alias = "SSL_CTX_sess_hits")]
    fn session_count(&self, which: SessionCount) -> usize;

    /// The most bytes of certificates that a peer may send.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_max_cert_list`.
    #[doc(alias = "SSL_CTX_get_max_cert_list")]
    fn max_cert_list(&self) -> usize;

    /// Whether connections close without close_notify.
    ///
    /// # OpenSSL
    /// `SSL_CTX_get_quiet_shutdown`.
    #[doc(alias = "SSL_CTX_get_quiet_shutdown")]
    fn quiet_shutdown(&self) -> Switch;
}

impl SslContextRefExt for SslContextRef {
    fn options(&self) -> SslOptions {
        sys::context_options(self)
    }

    fn mode(&self) -> SslMode {
        SslMode::from_bits_retain(extra::context_mode(self) as _)
    }

    fn versions(&self) -> (Option<SslVersion>, Option<SslVersion>) {
        sys::context_versions(self)
    }

    fn ciphers(&self) -> Option<&StackRef<SslCipher>> {
        sys::context_ciphers(self)
    }

    fn session_timeout(&self) -> Duration {
        Duration::from_secs(extra::session_timeout(self))
    }

    fn session_count(&self, which: SessionCount) -> usize {
        extra::session_count(self, which as u8)
    }

    fn max_cert_list(&self) -> usize {
        extra::context_max_cert_list(self)
    }

    fn quiet_shutdown(&self) -> Switch {
        extra::context_quiet_shutdown(self).into()
    }
}
