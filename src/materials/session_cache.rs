//! The sessions that a client keeps for its next connections.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::materials::session::Session;
use crate::values::clock::Clock;
use crate::values::version::ProtocolVersion;

/// For how many hosts sessions are kept unless said otherwise.
pub(crate) const HOSTS: usize = 256;

/// How many sessions of one host are kept: as many as servers give out with one handshake, and as many again.
const PER_HOST: usize = 4;

/// Into how many parts the hosts are split, each with a lock of its own.
const SHARDS: usize = 8;

/// What makes two connections of a configuration equal, so that one may resume what the other began.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey {
    /// The host that the certificate is compared with.
    pub(crate) host: Option<String>,
    /// The name that is sent.
    pub(crate) server_name: Option<String>,
}

/// The sessions of a client's configuration, by the host that they came from.
///
/// A session of TLS 1.3 is given out once (RFC 8446 appendix C.4); one of TLS 1.2 stays. What is expired is dropped. When
/// there are too many hosts, the one goes that was not used for the longest time.
pub(crate) struct ClientSessionCache {
    clock: Clock<SystemTime>,
    hasher: RandomState,
    /// How many hosts a shard may have.
    room: usize,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    hosts: HashMap<SessionKey, Host>,
    /// The hosts by their last use: the smallest number is the longest ago.
    uses: BTreeMap<u64, SessionKey>,
    next_use: u64,
}

#[derive(Default)]
struct Host {
    /// The newest last.
    sessions: VecDeque<Session>,
    used: Option<u64>,
}

impl ClientSessionCache {
    /// For up to `hosts` hosts, at least 1.
    pub(crate) fn new(hosts: usize) -> ClientSessionCache {
        ClientSessionCache::with_clock(hosts, Clock::default())
    }

    fn with_clock(hosts: usize, clock: Clock<SystemTime>) -> ClientSessionCache {
        let shards = if hosts < SHARDS * SHARDS { 1 } else { SHARDS };
        ClientSessionCache {
            clock,
            hasher: RandomState::new(),
            room: (hosts / shards).max(1),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
        }
    }

    /// Keeps a session of this host.
    pub(crate) fn put(&self, key: SessionKey, session: Session) {
        let now = self.clock.now();
        if !is_usable(&session, now) {
            return;
        }
        let mut shard = self.shard(&key);
        if !shard.hosts.contains_key(&key) && shard.hosts.len() >= self.room {
            shard.drop_oldest();
        }
        let sessions = &mut shard.used(key).sessions;
        sessions.retain(|other| is_usable(other, now) && other.id() != session.id());
        if !is_for_one_use(&session) {
            // A connection takes the newest and leaves it: older ones of the kind would never be taken.
            sessions.retain(is_for_one_use);
        }
        while sessions.len() >= PER_HOST {
            sessions.pop_front();
        }
        sessions.push_back(session);
    }

    /// The newest session of this host.
    pub(crate) fn take(&self, key: &SessionKey) -> Option<Session> {
        let now = self.clock.now();
        let mut shard = self.shard(key);
        let sessions = &mut shard.hosts.get_mut(key)?.sessions;
        sessions.retain(|session| is_usable(session, now));
        let newest = sessions.back().cloned();
        if newest.as_ref().is_some_and(is_for_one_use) {
            sessions.pop_back();
        }
        if sessions.is_empty() {
            shard.forget(key);
        } else {
            shard.used(key.clone());
        }
        newest
    }

    /// Drops the sessions of this host.
    pub(crate) fn forget(&self, key: &SessionKey) {
        self.shard(key).forget(key);
    }

    fn shard(&self, key: &SessionKey) -> MutexGuard<'_, Shard> {
        let number = self.hasher.hash_one(key) % self.shards.len() as u64;
        locked(&self.shards[number as usize])
    }
}

impl Shard {
    /// The host, as the one that was used last.
    fn used(&mut self, key: SessionKey) -> &mut Host {
        let now = self.next_use;
        self.next_use += 1;
        let host = self.hosts.entry(key.clone()).or_default();
        if let Some(before) = host.used.replace(now) {
            self.uses.remove(&before);
        }
        self.uses.insert(now, key);
        host
    }

    fn forget(&mut self, key: &SessionKey) {
        if let Some(used) = self.hosts.remove(key).and_then(|host| host.used) {
            self.uses.remove(&used);
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.uses.pop_first() {
            self.hosts.remove(&key);
        }
    }
}

fn is_for_one_use(session: &Session) -> bool {
    session.protocol() == Some(ProtocolVersion::TLSv1_3)
}

/// Whether libssl would offer the session, and the server still take it. The server's hint counts where it is less than the
/// lifetime.
fn is_usable(session: &Session, now: SystemTime) -> bool {
    let hint = session.ticket_lifetime_hint();
    let lifetime = if hint.is_zero() { session.timeout() } else { hint.min(session.timeout()) };
    session.is_resumable() && session.created().checked_add(lifetime).is_none_or(|ends| now < ends)
}

/// Nothing of the application runs under the lock: a panic elsewhere leaves it whole.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for ClientSessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: usize = self.shards.iter().map(|shard| locked(shard).hosts.len()).sum();
        f.debug_struct("ClientSessionCache").field("hosts", &hosts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openssl::ssl::SslVersion;

    use super::*;
    use crate::materials::session::tests::session;
    use crate::values::clock::by_hand::Hand;

    fn key(host: &str) -> SessionKey {
        SessionKey { host: Some(host.to_owned()), server_name: Some(host.to_owned()) }
    }

    fn sessions(version: SslVersion, count: usize) -> Vec<Session> {
        (0..count).map(|_| session(version)).collect()
    }

    /// How many hosts there are, in the cache and in its order.
    fn hosts(cache: &ClientSessionCache) -> usize {
        let count = |shard: &Mutex<Shard>| {
            let shard = locked(shard);
            assert_eq!(shard.hosts.len(), shard.uses.len());
            shard.hosts.len()
        };
        cache.shards.iter().map(count).sum()
    }

    #[test]
    fn a_session_of_tls_1_3_is_given_out_once_and_the_newest_first() {
        let cache = ClientSessionCache::new(HOSTS);
        let all = sessions(SslVersion::TLS1_3, 3);
        for session in &all {
            cache.put(key("a"), session.clone());
        }
        for session in all.iter().rev() {
            assert_eq!(cache.take(&key("a")).unwrap().id(), session.id());
        }
        assert!(cache.take(&key("a")).is_none());
        assert_eq!(hosts(&cache), 0);
    }

    #[test]
    fn a_session_of_tls_1_2_stays_until_the_next_one() {
        let cache = ClientSessionCache::new(HOSTS);
        let all = sessions(SslVersion::TLS1_2, 2);
        cache.put(key("a"), all[0].clone());
        for _ in 0..3 {
            assert_eq!(cache.take(&key("a")).unwrap().id(), all[0].id());
        }
        cache.put(key("a"), all[1].clone());
        cache.put(key("a"), all[1].clone());
        assert_eq!(cache.take(&key("a")).unwrap().id(), all[1].id());
        cache.forget(&key("a"));
        assert!(cache.take(&key("a")).is_none());
    }

    #[test]
    fn a_host_has_a_few_sessions_and_the_oldest_goes() {
        let cache = ClientSessionCache::new(HOSTS);
        let all = sessions(SslVersion::TLS1_3, PER_HOST + 1);
        for session in &all {
            cache.put(key("a"), session.clone());
        }
        let taken: Vec<Session> = std::iter::from_fn(|| cache.take(&key("a"))).collect();
        assert_eq!(taken.len(), PER_HOST);
        assert!(taken.iter().all(|session| session.id() != all[0].id()));
    }

    #[test]
    fn what_makes_connections_differ_keeps_their_sessions_apart() {
        let cache = ClientSessionCache::new(HOSTS);
        cache.put(key("a"), session(SslVersion::TLS1_2));
        let other_name = SessionKey { server_name: None, ..key("a") };
        let other_host = SessionKey { host: Some("b".to_owned()), ..key("a") };
        assert!(cache.take(&other_name).is_none() && cache.take(&other_host).is_none());
        assert!(cache.take(&key("a")).is_some());
    }

    #[test]
    fn an_expired_session_is_dropped() {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let session = session(version);
            let hand = Hand::new(session.created());
            let cache = ClientSessionCache::with_clock(HOSTS, hand.clock());
            let lifetime = session.ticket_lifetime_hint().min(session.timeout());
            cache.put(key("a"), session.clone());
            cache.put(key("b"), session.clone());
            hand.forward(lifetime - Duration::from_secs(1));
            assert!(cache.take(&key("a")).is_some());
            hand.forward(Duration::from_secs(1));
            assert!(cache.take(&key("b")).is_none());
            cache.put(key("c"), session);
            assert!(cache.take(&key("c")).is_none());
        }
    }

    #[test]
    fn the_host_that_was_not_used_for_the_longest_time_goes() {
        let cache = ClientSessionCache::new(2);
        let session = session(SslVersion::TLS1_2);
        cache.put(key("a"), session.clone());
        cache.put(key("b"), session.clone());
        assert!(cache.take(&key("a")).is_some());
        cache.put(key("c"), session);
        assert!(cache.take(&key("b")).is_none());
        assert!(cache.take(&key("a")).is_some() && cache.take(&key("c")).is_some());
        assert_eq!(hosts(&cache), 2);
    }

    #[test]
    fn the_number_of_hosts_is_bounded() {
        let session = session(SslVersion::TLS1_3);
        for limit in [0, 1, 63, 64, HOSTS] {
            let cache = ClientSessionCache::new(limit);
            for number in 0..3000 {
                cache.put(key(&number.to_string()), session.clone());
            }
            let hosts = hosts(&cache);
            assert!(hosts <= limit.max(1) && hosts * 10 >= limit * 9, "{hosts} of {limit}");
        }
    }
}
