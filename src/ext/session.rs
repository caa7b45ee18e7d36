//! Methods on [`SslSessionRef`].

use std::time::Duration;

use openssl::ssl::SslSessionRef;

use super::sealed::Sealed;
use crate::sys::{extra, session as sys};

/// What [`SslSessionRef`] lacks.
pub trait SslSessionRefExt: Sealed {
    /// The ticket that the server gave, if it gave one.
    ///
    /// # OpenSSL
    /// `SSL_SESSION_get0_ticket`.
    #[doc(alias = "SSL_SESSION_get0_ticket")]
    #[doc(alias = "SSL_SESSION_has_ticket")]
    fn ticket(&self) -> Option<&[u8]>;

    /// How long the server said that the ticket is good; nothing when it did not say.
    ///
    /// # OpenSSL
    /// `SSL_SESSION_get_ticket_lifetime_hint`.
    #[doc(alias = "SSL_SESSION_get_ticket_lifetime_hint")]
    fn ticket_lifetime_hint(&self) -> Option<Duration>;

    /// The server name that the session was made for.
    ///
    /// # OpenSSL
    /// `SSL_SESSION_get0_hostname`.
    #[doc(alias = "SSL_SESSION_get0_hostname")]
    fn hostname(&self) -> Option<&str>;

    /// Whether libssl would offer the session again.
    ///
    /// # OpenSSL
    /// `SSL_SESSION_is_resumable`.
    #[doc(alias = "SSL_SESSION_is_resumable")]
    fn is_resumable(&self) -> bool;

    /// The context that a server's session belongs to; empty when none was set.
    ///
    /// # OpenSSL
    /// `SSL_SESSION_get0_id_context`.
    #[doc(alias = "SSL_SESSION_get0_id_context")]
    fn id_context(&self) -> &[u8];

    /// Sets how long after its creation the session can be resumed, in whole seconds.
    ///
    /// # OpenSSL
    /// `SSL_SESSION_set_timeout`.
    #[doc(alias = "SSL_SESSION_set_timeout")]
    fn set_timeout(&mut self, timeout: Duration);
}

impl SslSessionRefExt for SslSessionRef {
    fn ticket(&self) -> Option<&[u8]> {
        sys::ticket(self)
    }

    fn ticket_lifetime_hint(&self) -> Option<Duration> {
        match sys::ticket_lifetime_hint(self) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        }
    }

    fn hostname(&self) -> Option<&str> {
        sys::hostname(self)
    }

    fn is_resumable(&self) -> bool {
        sys::is_resumable(self)
    }

    fn id_context(&self) -> &[u8] {
        extra::id_context(self)
    }

    fn set_timeout(&mut self, timeout: Duration) {
        // What libssl's clock can count with, and a number of every `c_long`.
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        extra::set_timeout(self, seconds.into());
    }
}
