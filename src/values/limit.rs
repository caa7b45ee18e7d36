//! How often a peer may renegotiate.

use std::time::{Duration, Instant};

/// Whether, and how often, the peer may start a new handshake on an open connection (TLS 1.2 and older).
///
/// The default is [`deny`](RenegotiationPolicy::deny). Each handshake costs a server far more than its client, so an
/// unlimited peer can exhaust it (CVE-2011-1473). Node's `tls` allows 3 in 600 seconds (`CLIENT_RENEG_LIMIT`,
/// `CLIENT_RENEG_WINDOW`): [`node`](RenegotiationPolicy::node).
///
/// TLS 1.3 has no renegotiation (RFC 8446 section 4.1.2).
///
/// # Examples
///
/// ```
/// use patina_tls::RenegotiationPolicy;
/// use std::time::Duration;
///
/// let policy = RenegotiationPolicy::limit(3).per(Duration::from_secs(600));
/// assert_eq!(policy, RenegotiationPolicy::node());
/// assert!(!RenegotiationPolicy::default().is_allowed());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenegotiationPolicy {
    limit: Option<u32>,
    window: Duration,
}

/// The window of [`RenegotiationPolicy::limit`] when none is given: Node's `CLIENT_RENEG_WINDOW`.
const WINDOW: Duration = Duration::from_secs(600);

impl RenegotiationPolicy {
    /// No renegotiation: the peer's try is answered with the alert `no_renegotiation`.
    pub const fn deny() -> RenegotiationPolicy {
        RenegotiationPolicy { limit: Some(0), window: WINDOW }
    }

    /// At most `count` renegotiations within a window of 600 seconds; see [`per`](RenegotiationPolicy::per).
    pub const fn limit(count: u32) -> RenegotiationPolicy {
        RenegotiationPolicy { limit: Some(count), window: WINDOW }
    }

    /// What Node's `tls` allows: 3 in 600 seconds.
    pub const fn node() -> RenegotiationPolicy {
        RenegotiationPolicy::limit(3)
    }

    /// Any number of renegotiations.
    ///
    /// # Security
    /// A peer can keep this side busy with handshakes for as long as it likes (CVE-2011-1473).
    pub const fn allow_unlimited() -> RenegotiationPolicy {
        RenegotiationPolicy { limit: None, window: WINDOW }
    }

    /// Sets the window: the count begins anew when so much time has passed since the previous handshake.
    #[must_use]
    pub const fn per(mut self, window: Duration) -> RenegotiationPolicy {
        self.window = window;
        self
    }

    /// Whether any renegotiation is allowed.
    pub const fn is_allowed(&self) -> bool {
        !matches!(self.limit, Some(0))
    }
}

impl Default for RenegotiationPolicy {
    fn default() -> RenegotiationPolicy {
        RenegotiationPolicy::deny()
    }
}

/// The count of a connection under a policy.
#[derive(Debug, Default)]
pub(crate) struct RenegotiationCount {
    count: u32,
    last: Option<Instant>,
}

impl RenegotiationCount {
    /// Counts a handshake that the peer starts; false when it is one too many.
    pub(crate) fn admit(&mut self, policy: RenegotiationPolicy, now: Instant) -> bool {
        if self.last.replace(now).is_some_and(|last| now.duration_since(last) >= policy.window) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        policy.limit.is_none_or(|limit| self.count <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_within_the_window_is_one_too_many() {
        let start = Instant::now();
        let mut count = RenegotiationCount::default();
        let policy = RenegotiationPolicy::node();
        for second in 1..=3 {
            assert!(count.admit(policy, start + Duration::from_secs(second)));
        }
        assert!(!count.admit(policy, start + Duration::from_secs(4)));
    }

    #[test]
    fn the_window_slides_from_the_previous_handshake() {
        let start = Instant::now();
        let mut count = RenegotiationCount::default();
        let policy = RenegotiationPolicy::limit(1).per(Duration::from_secs(10));
        assert!(count.admit(policy, start + Duration::from_secs(9)));
        assert!(!count.admit(policy, start + Duration::from_secs(18)));
        assert!(count.admit(policy, start + Duration::from_secs(28)));
    }

    #[test]
    fn a_limit_of_none_admits_all_and_a_limit_of_nothing_none() {
        let now = Instant::now();
        assert!(!RenegotiationCount::default().admit(RenegotiationPolicy::deny(), now));
        let mut count = RenegotiationCount::default();
        assert!((0..1000).all(|_| count.admit(RenegotiationPolicy::allow_unlimited(), now)));
    }
}
