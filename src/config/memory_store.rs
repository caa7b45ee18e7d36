//! Sessions in the memory of one process.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::resolver::{HookFuture, HookResult};
use super::session_store::SessionStore;
use crate::values::clock::Clock;
use crate::values::secret::Secret;

/// Into how many parts the sessions are split, each with a lock of its own.
const SHARDS: usize = 16;

/// The default of [`MemorySessionStore::with_capacity`]: that of libssl's own cache, `SSL_SESSION_CACHE_MAX_SIZE_DEFAULT`.
const CAPACITY: usize = 20 * 1024;

/// A [`SessionStore`] in the memory of this process: for the servers of one process to share, and for tests.
///
/// A session is there until its lifetime is over; when there is no room, the one that is there the longest goes. A clone is
/// the same store. [`SessionCache::Internal`](crate::SessionCache::Internal) does the same for a single configuration.
///
/// # Examples
///
/// ```
/// use patina_tls::{Identity, MemorySessionStore, ServerConfig};
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let sessions = MemorySessionStore::new();
/// let identity = Identity::self_signed(["localhost"])?;
/// let one = ServerConfig::builder().identity(identity.clone()).session_store(sessions.clone()).build()?;
/// let two = ServerConfig::builder().identity(identity).session_store(sessions).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemorySessionStore(Arc<Store>);

struct Store {
    clock: Clock<Instant>,
    /// Who can choose ids must not be able to choose the shard.
    hasher: RandomState,
    /// How many sessions a shard may have.
    room: usize,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    sessions: HashMap<Vec<u8>, Entry>,
    /// The ids by their age: the smallest number came first.
    ages: BTreeMap<u64, Vec<u8>>,
    next_age: u64,
}

struct Entry {
    session: Secret,
    /// `None` for a lifetime beyond what the clock can tell.
    ends: Option<Instant>,
    age: u64,
}

impl MemorySessionStore {
    /// A store of up to 20,480 sessions.
    pub fn new() -> MemorySessionStore {
        MemorySessionStore::with_capacity(CAPACITY)
    }

    /// A store of up to `sessions` sessions, at least 1. One has 200 to 2000 bytes, with the certificate of a client more.
    ///
    /// From 256 on they are split into 16 parts of the same size, so that a few less may be kept.
    pub fn with_capacity(sessions: usize) -> MemorySessionStore {
        MemorySessionStore::with_clock(sessions, Clock::default())
    }

    fn with_clock(sessions: usize, clock: Clock<Instant>) -> MemorySessionStore {
        let shards = if sessions < SHARDS * SHARDS { 1 } else { SHARDS };
        MemorySessionStore(Arc::new(Store {
            clock,
            hasher: RandomState::new(),
            room: (sessions / shards).max(1),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
        }))
    }

    /// How many sessions there are, those whose lifetime is over among them until somebody asks for them or their room is
    /// needed.
    pub fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| locked(shard).sessions.len()).sum()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, id: &[u8]) -> MutexGuard<'_, Shard> {
        let number = self.0.hasher.hash_one(id) % self.0.shards.len() as u64;
        locked(&self.0.shards[number as usize])
    }

    fn find(&self, id: &[u8]) -> Option<Secret> {
        let now = self.0.clock.now();
        let mut shard = self.shard(id);
        let entry = shard.sessions.get(id)?;
        if !entry.is_over(now) {
            return Some(entry.session.clone());
        }
        shard.drop_session(id);
        None
    }

    fn keep(&self, id: Vec<u8>, session: Secret, lifetime: Duration) {
        let now = self.0.clock.now();
        let mut shard = self.shard(&id);
        shard.drop_session(&id);
        if shard.sessions.len() >= self.0.room {
            shard.make_room(now, self.0.room);
        }
        let age = shard.next_age;
        shard.next_age += 1;
        shard.ages.insert(age, id.clone());
        shard.sessions.insert(id, Entry { session, ends: now.checked_add(lifetime), age });
    }
}

impl SessionStore for MemorySessionStore {
    fn get(&self, id: Vec<u8>) -> HookFuture<HookResult<Option<Secret>>> {
        let found = self.find(&id);
        Box::pin(async { Ok(found) })
    }

    fn put(&self, id: Vec<u8>, session: Secret, lifetime: Duration) -> HookFuture<HookResult<()>> {
        self.keep(id, session, lifetime);
        Box::pin(async { Ok(()) })
    }

    fn remove(&self, id: Vec<u8>) -> HookFuture<HookResult<()>> {
        self.shard(&id).drop_session(&id);
        Box::pin(async { Ok(()) })
    }
}

impl Shard {
    fn drop_session(&mut self, id: &[u8]) {
        if let Some(entry) = self.sessions.remove(id) {
            self.ages.remove(&entry.age);
        }
    }

    /// Drops sessions from the oldest on: those that are over, and as many more as it takes for one more to fit.
    fn make_room(&mut self, now: Instant, room: usize) {
        while let Some((_, id)) = self.ages.first_key_value() {
            let is_over = self.sessions.get(id).is_none_or(|entry| entry.is_over(now));
            if self.sessions.len() < room && !is_over {
                return;
            }
            let id = id.clone();
            self.drop_session(&id);
        }
    }
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}

/// Nothing of the application runs under the lock: a panic elsewhere leaves it whole.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for MemorySessionStore {
    fn default() -> MemorySessionStore {
        MemorySessionStore::new()
    }
}

impl fmt::Debug for MemorySessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessionStore").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::clock::by_hand::Hand;

    const HOUR: Duration = Duration::from_secs(3600);

    fn store(capacity: usize) -> (MemorySessionStore, Hand<Instant>) {
        let hand = Hand::new(Instant::now());
        (MemorySessionStore::with_clock(capacity, hand.clock()), hand)
    }

    fn id(number: u32) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn found(store: &MemorySessionStore, number: u32) -> Option<Vec<u8>> {
        store.find(&id(number)).map(|session| session.as_bytes().to_vec())
    }

    #[test]
    fn a_session_is_found_by_its_id_until_its_lifetime_is_over() {
        let (store, hand) = store(10);
        store.keep(id(1), Secret::from("one"), HOUR);
        store.keep(id(2), Secret::from("two"), HOUR * 2);
        assert_eq!(found(&store, 1).unwrap(), b"one");
        assert_eq!(found(&store, 3), None);
        hand.forward(HOUR - Duration::from_nanos(1));
        assert!(found(&store, 1).is_some());
        hand.forward(Duration::from_nanos(1));
        assert!(found(&store, 1).is_none() && found(&store, 2).is_some());
        assert_eq!(store.len(), 1, "what is over is dropped when it is asked for");
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let (store, _) = store(3);
        for number in 1..=3 {
            store.keep(id(number), Secret::from("x"), HOUR);
        }
        // What is kept anew is young again.
        store.keep(id(1), Secret::from("y"), HOUR);
        store.keep(id(4), Secret::from("x"), HOUR);
        assert_eq!(store.len(), 3);
        assert!(found(&store, 2).is_none());
        assert_eq!(found(&store, 1).unwrap(), b"y");
        assert!(found(&store, 3).is_some() && found(&store, 4).is_some());
    }

    #[test]
    fn the_number_of_sessions_is_bounded_whatever_the_ids_are() {
        for capacity in [0, 1, 255, 256, 1000] {
            let (store, _) = store(capacity);
            for number in 0..5000 {
                store.keep(id(number), Secret::from("x"), HOUR);
            }
            let len = store.len();
            assert!(len <= capacity.max(1) && len * 10 >= capacity * 9, "{len} of {capacity}");
            let ages: usize = store.0.shards.iter().map(|shard| locked(shard).ages.len()).sum();
            assert_eq!(ages, len);
            assert!(found(&store, 4999).is_some(), "the youngest");
        }
    }

    #[test]
    fn what_is_over_makes_room_before_what_is_not() {
        let (store, hand) = store(3);
        for number in 1..=3 {
            store.keep(id(number), Secret::from("x"), if number == 3 { HOUR * 2 } else { HOUR });
        }
        hand.forward(HOUR);
        store.keep(id(4), Secret::from("x"), HOUR);
        assert_eq!(store.len(), 2);
        assert!(found(&store, 3).is_some() && found(&store, 4).is_some());
    }

    #[test]
    fn a_session_that_is_removed_is_gone_and_a_clone_is_the_same_store() {
        let (store, _) = store(10);
        store.keep(id(1), Secret::from("x"), Duration::MAX);
        let clone = store.clone();
        assert!(found(&clone, 1).is_some());
        drop(clone.remove(id(1)));
        assert!(store.is_empty());
    }

    #[test]
    fn the_debug_form_shows_no_session() {
        let (store, _) = store(10);
        store.keep(b"the id".to_vec(), Secret::from("the session"), HOUR);
        assert_eq!(format!("{store:?}"), "MemorySessionStore { len: 1, .. }");
    }
}
