//! The keys of session tickets, and how they follow one another.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use openssl::rand::rand_bytes;

use crate::sys::queue;
use crate::values::clock::Clock;
use crate::values::error::{Error, ErrorKind};
use crate::values::secret::Secret;
use crate::values::ticket_key::TicketKey;

/// Whether a ticket that a client has used is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TicketRenewal {
    /// A ticket of an older key is replaced by one of the current key, and under TLS 1.3 every ticket is, because
    /// clients should use each but once (RFC 8446 appendix C.4). libssl does the latter with its own keys.
    #[default]
    OnUse,
    /// Never: as in Node. A client then needs a full handshake when its ticket expires, or its key.
    Never,
}

/// How ticket keys follow one another.
///
/// | part | default |
/// | --- | --- |
/// | keys | given; at least 1 |
/// | period | none: the keys change when the application says so |
/// | renewal | [`TicketRenewal::OnUse`] |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use patina_tls::TicketRotation;
///
/// // A new key every hour; a ticket is good for two hours at least, and for three at most.
/// let rotation = TicketRotation::keep(3).every(Duration::from_secs(3600));
/// # drop(rotation);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketRotation {
    keys: usize,
    period: Option<Duration>,
    renewal: TicketRenewal,
}

impl TicketRotation {
    /// Keeps `keys` keys, at least 1: the current one, which seals, and older ones, which only open.
    pub fn keep(keys: usize) -> TicketRotation {
        TicketRotation { keys: keys.max(1), period: None, renewal: TicketRenewal::default() }
    }

    /// Makes a new random key current when `period` is over, and drops a key `keys` periods after it became current, so that
    /// tickets live for at least `keys - 1` periods.
    ///
    /// Servers that share a [`TicketKeys`] share the new keys; other processes do not get them.
    #[must_use]
    pub fn every(mut self, period: Duration) -> TicketRotation {
        self.period = Some(period);
        self
    }

    /// Sets whether a ticket that was used is replaced.
    #[must_use]
    pub fn renewal(mut self, renewal: TicketRenewal) -> TicketRotation {
        self.renewal = renewal;
        self
    }
}

impl Default for TicketRotation {
    /// One key, which stays.
    fn default() -> TicketRotation {
        TicketRotation::keep(1)
    }
}

/// The keys that a server seals session tickets with, in the format of Node: AES-128-CBC, then HMAC-SHA256 (RFC 5077 section 4).
///
/// A clone is the same set of keys: give it to several configurations, and their servers open each other's tickets. Keys can
/// be changed while servers run; a connection uses those that there are when its ticket is opened or sealed.
///
/// # Examples
///
/// ```
/// use patina_tls::{Identity, ServerConfig, TicketKey, TicketKeys, TicketRotation};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let keys = TicketKeys::random()?.rotation(TicketRotation::keep(2));
/// let one = ServerConfig::builder().identity(Identity::self_signed(["one"])?).ticket_keys(keys.clone()).build()?;
/// let two = ServerConfig::builder().identity(Identity::self_signed(["two"])?).ticket_keys(keys.clone()).build()?;
/// // Both seal with a new key from now on, and open what the one before it has sealed.
/// keys.rotate(TicketKey::random()?);
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// See [`TicketKey`].
#[derive(Clone)]
#[doc(alias = "ticketKeys")]
pub struct TicketKeys(Arc<Shared>);

struct Shared {
    clock: Clock<Instant>,
    ring: RwLock<Ring>,
}

#[derive(Clone)]
struct Ring {
    rotation: TicketRotation,
    current: Held,
    /// The newest first.
    older: Vec<Held>,
}

/// A key, and since when it is there.
#[derive(Clone)]
struct Held {
    key: TicketKey,
    since: Instant,
}

/// A key that opens a ticket.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) key: TicketKey,
    is_current: bool,
    renewal: TicketRenewal,
}

impl Opening {
    /// Whether the ticket is to be replaced. `single_use`: a ticket of this version is for one connection.
    pub(crate) fn renews(&self, single_use: bool) -> bool {
        match self.renewal {
            TicketRenewal::OnUse => single_use || !self.is_current,
            TicketRenewal::Never => false,
        }
    }
}

impl TicketKey {
    /// A key of random bytes.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when libcrypto has no randomness to give.
    ///
    /// # OpenSSL
    /// `RAND_bytes`.
    pub fn random() -> Result<TicketKey, Error> {
        let mut bytes = vec![0; 48];
        queue::clear();
        let filled = rand_bytes(&mut bytes).map_err(|stack| queue::stack_error(ErrorKind::State, &stack));
        let bytes = Secret::from(bytes);
        filled.and_then(|()| TicketKey::from_bytes(bytes.as_bytes()))
    }
}

impl TicketKeys {
    /// One key, which stays until the application changes it.
    pub fn new(key: TicketKey) -> TicketKeys {
        TicketKeys::with_clock(key, Clock::default())
    }

    fn with_clock(key: TicketKey, clock: Clock<Instant>) -> TicketKeys {
        let current = Held { key, since: clock.now() };
        let ring = Ring { rotation: TicketRotation::default(), current, older: Vec::new() };
        TicketKeys(Arc::new(Shared { clock, ring: RwLock::new(ring) }))
    }

    /// One key of Node's 48 bytes.
    ///
    /// # Errors
    /// As [`TicketKey::from_bytes`].
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<TicketKeys, Error> {
        TicketKey::from_bytes(bytes).map(TicketKeys::new)
    }

    /// One random key.
    ///
    /// # Errors
    /// As [`TicketKey::random`].
    pub fn random() -> Result<TicketKeys, Error> {
        TicketKey::random().map(TicketKeys::new)
    }

    /// Sets how the keys follow one another, for all clones. Default: one key, which stays.
    #[must_use]
    pub fn rotation(self, rotation: TicketRotation) -> TicketKeys {
        self.change(|ring, _| {
            ring.rotation = rotation;
            ring.limit();
        });
        self
    }

    /// The key that seals now.
    pub fn current(&self) -> TicketKey {
        self.at_hand(|ring| ring.current.key.clone())
    }

    /// The 48 bytes of the key that seals now: Node's `getTicketKeys()`.
    #[doc(alias = "getTicketKeys")]
    pub fn to_bytes(&self) -> [u8; 48] {
        self.current().to_bytes()
    }

    /// Makes `key` the only one: Node's `setTicketKeys()`. Tickets of the keys before it are no longer opened.
    #[doc(alias = "setTicketKeys")]
    pub fn replace(&self, key: TicketKey) {
        self.change(|ring, now| {
            ring.current = Held { key, since: now };
            ring.older.clear();
        });
    }

    /// Makes `key` the current one. The keys before it open tickets for as long as the [`rotation`](TicketKeys::rotation) says.
    pub fn rotate(&self, key: TicketKey) {
        self.change(|ring, now| ring.push(Held { key, since: now }));
    }

    /// The key of that name, unless it is gone.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Opening> {
        self.at_hand(|ring| {
            let current = (ring.current.key.name() == name).then_some((&ring.current, true));
            let (held, is_current) = current.or_else(|| {
                ring.older.iter().find(|held| held.key.name() == name).map(|held| (held, false))
            })?;
            Some(Opening { key: held.key.clone(), is_current, renewal: ring.rotation.renewal })
        })
    }

    /// What a key that somebody else has found does under the rules of this ring.
    pub(crate) fn borrow(&self, key: TicketKey) -> Opening {
        self.at_hand(|ring| Opening { key, is_current: false, renewal: ring.rotation.renewal })
    }

    /// Reads, after what the period asks for.
    fn at_hand<T>(&self, read: impl FnOnce(&Ring) -> T) -> T {
        let now = self.0.clock.now();
        {
            let ring = self.0.ring.read().unwrap_or_else(PoisonError::into_inner);
            if !ring.is_due(now) {
                return read(&ring);
            }
        }
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.catch_up(now);
        read(&ring)
    }

    fn change(&self, change: impl FnOnce(&mut Ring, Instant)) {
        let now = self.0.clock.now();
        change(&mut self.0.ring.write().unwrap_or_else(PoisonError::into_inner), now);
    }
}

impl Ring {
    /// Whether there is something to do about the period.
    fn is_due(&self, now: Instant) -> bool {
        let Some(period) = self.rotation.period else { return false };
        let age = |held: &Held| now.saturating_duration_since(held.since);
        let end = self.end(period);
        age(&self.current) >= period || self.older.last().is_some_and(|oldest| age(oldest) >= end)
    }

    /// How long a key is there at all.
    fn end(&self, period: Duration) -> Duration {
        period.saturating_mul(u32::try_from(self.rotation.keys).unwrap_or(u32::MAX))
    }

    /// Makes a new key current when the period is over, and drops keys that are too old.
    fn catch_up(&mut self, now: Instant) {
        let Some(period) = self.rotation.period else { return };
        if now.saturating_duration_since(self.current.since) >= period {
            // Without randomness the old key goes on: the next ticket tries again.
            if let Ok(key) = TicketKey::random() {
                self.push(Held { key, since: now });
            }
        }
        let end = self.end(period);
        self.older.retain(|held| now.saturating_duration_since(held.since) < end);
    }

    fn push(&mut self, held: Held) {
        let before = std::mem::replace(&mut self.current, held);
        let name = self.current.key.name();
        self.older.retain(|held| held.key.name() != name);
        if before.key.name() != name {
            self.older.insert(0, before);
        }
        self.limit();
    }

    fn limit(&mut self) {
        self.older.truncate(self.rotation.keys - 1);
    }
}

impl From<TicketKey> for TicketKeys {
    fn from(key: TicketKey) -> TicketKeys {
        TicketKeys::new(key)
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.0.ring.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("TicketKeys")
            .field("current", &ring.current.key)
            .field("older", &ring.older.len())
            .field("rotation", &ring.rotation)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::clock::by_hand::Hand;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key(byte: u8) -> TicketKey {
        TicketKey::from_bytes([byte; 48]).unwrap()
    }

    fn is_known(keys: &TicketKeys, key: &TicketKey) -> bool {
        keys.find(key.name()).is_some()
    }

    #[test]
    fn one_key_stays_until_it_is_replaced_in_all_clones() {
        let hand = Hand::new(Instant::now());
        let keys = TicketKeys::with_clock(key(1), hand.clock());
        let clone = keys.clone();
        hand.forward(HOUR * 10_000);
        assert_eq!(keys.to_bytes(), [1; 48]);
        clone.replace(key(2));
        assert_eq!(keys.to_bytes(), [2; 48]);
        assert!(!is_known(&keys, &key(1)) && is_known(&keys, &key(2)));
    }

    #[test]
    fn rotation_keeps_as_many_keys_as_it_says() {
        let keys = TicketKeys::new(key(1)).rotation(TicketRotation::keep(3));
        for byte in 2..=4 {
            keys.rotate(key(byte));
        }
        let known: Vec<bool> = (1..=4).map(|byte| is_known(&keys, &key(byte))).collect();
        assert_eq!(known, [false, true, true, true]);
        assert!(keys.find(key(4).name()).unwrap().is_current);
        assert!(!keys.find(key(3).name()).unwrap().is_current);
        // A policy with fewer keys drops the oldest.
        let keys = keys.rotation(TicketRotation::keep(0));
        assert!(is_known(&keys, &key(4)) && !is_known(&keys, &key(3)));
    }

    #[test]
    fn a_ticket_is_replaced_under_an_old_key_or_where_it_is_for_one_use() {
        let keys = TicketKeys::new(key(1)).rotation(TicketRotation::keep(2));
        keys.rotate(key(2));
        let renews = |byte, single_use| keys.find(key(byte).name()).unwrap().renews(single_use);
        assert_eq!(
            [renews(1, false), renews(1, true), renews(2, false), renews(2, true)],
            [true, true, false, true]
        );
        let _ = keys.clone().rotation(TicketRotation::keep(2).renewal(TicketRenewal::Never));
        assert_eq!([renews(1, false), renews(1, true), renews(2, true)], [false; 3]);
    }

    #[test]
    fn a_key_that_comes_back_is_there_once() {
        let keys = TicketKeys::new(key(1)).rotation(TicketRotation::keep(3));
        keys.rotate(key(2));
        keys.rotate(key(1));
        keys.rotate(key(1));
        assert!(keys.find(key(1).name()).unwrap().is_current && is_known(&keys, &key(2)));
        keys.rotate(key(3));
        assert!(is_known(&keys, &key(2)), "two older keys are kept, and each counts once");
    }

    #[test]
    fn a_period_makes_new_keys_and_drops_a_key_when_its_time_is_over() {
        let hand = Hand::new(Instant::now());
        let rotation = TicketRotation::keep(2).every(HOUR);
        let keys = TicketKeys::with_clock(key(1), hand.clock()).rotation(rotation);
        hand.forward(HOUR - Duration::from_nanos(1));
        assert_eq!(keys.to_bytes(), [1; 48]);
        hand.forward(Duration::from_nanos(1));
        let second = keys.current();
        assert_ne!(second.to_bytes(), [1; 48]);
        assert!(is_known(&keys, &key(1)) && is_known(&keys, &second));
        hand.forward(HOUR);
        assert!(!is_known(&keys, &key(1)));
        assert!(is_known(&keys, &second) && keys.current().name() != second.name());
    }

    #[test]
    fn a_server_that_was_idle_for_long_opens_nothing_old() {
        let hand = Hand::new(Instant::now());
        let keys = TicketKeys::with_clock(key(1), hand.clock()).rotation(TicketRotation::keep(3).every(HOUR));
        hand.forward(HOUR * 3);
        assert!(!is_known(&keys, &key(1)), "three periods after it became current");
        assert_ne!(keys.current().name(), key(1).name());
    }

    #[test]
    fn random_keys_differ_and_the_debug_form_shows_no_key() {
        let (one, two) = (TicketKey::random().unwrap(), TicketKey::random().unwrap());
        assert_ne!(one.to_bytes(), two.to_bytes());
        let keys = TicketKeys::from_bytes([0x5a; 48]).unwrap();
        let shown = format!("{keys:?}");
        assert_eq!(shown.matches("5a").count(), 16, "{shown}");
    }
}
