//! Sessions that the server keeps in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use patina_tls::{HookFuture, HookResult, Secret, SessionStore};

/// The most sessions that are kept.
const LARGEST: usize = 20_000;

/// `--session-store memory`: gone with the process.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<Vec<u8>, Kept>>);

struct Kept {
    session: Secret,
    until: Instant,
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, id: Vec<u8>, session: Secret, lifetime: Duration, now: Instant) {
        let Some(until) = now.checked_add(lifetime) else { return };
        let mut kept = self.kept();
        if kept.len() >= LARGEST {
            kept.retain(|_, kept| kept.until > now);
        }
        // A session that is not kept costs its client a full handshake.
        if kept.len() < LARGEST {
            kept.insert(id, Kept { session, until });
        }
    }

    fn find(&self, id: &[u8], now: Instant) -> Option<Secret> {
        self.kept().get(id).filter(|kept| kept.until > now).map(|kept| kept.session.clone())
    }
}

impl SessionStore for Memory {
    fn get(&self, id: Vec<u8>) -> HookFuture<HookResult<Option<Secret>>> {
        let found = self.find(&id, Instant::now());
        Box::pin(async move { Ok(found) })
    }

    fn put(&self, id: Vec<u8>, session: Secret, lifetime: Duration) -> HookFuture<HookResult<()>> {
        self.keep(id, session, lifetime, Instant::now());
        Box::pin(async { Ok(()) })
    }

    fn remove(&self, id: Vec<u8>) -> HookFuture<HookResult<()>> {
        self.kept().remove(&id);
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_with_their_lifetime_and_there_is_a_limit() {
        let memory = Memory::default();
        let start = Instant::now();
        let keep = |number: usize, now| {
            memory.keep(number.to_be_bytes().to_vec(), Secret::from(&b"x"[..]), Duration::from_secs(10), now);
        };
        for number in 0..=LARGEST {
            keep(number, start);
        }
        let find =
            |number: usize, after| memory.find(&number.to_be_bytes(), start + Duration::from_secs(after));
        assert!(find(0, 9).is_some() && find(0, 10).is_none());
        assert!(find(LARGEST, 0).is_none(), "one too many");
        keep(LARGEST, start + Duration::from_secs(10));
        assert!(find(LARGEST, 11).is_some(), "what has ended makes room");
    }
}
