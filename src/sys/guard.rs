//! The panic guard: nothing that Rust code throws may cross a C frame.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

type Payload = Box<dyn Any + Send>;

/// Where a panic waits between the C frame that it must not cross and the Rust caller that it belongs to.
#[derive(Default)]
pub(crate) struct Parked {
    /// Whether there is one: asked before and after each call of libssl.
    waits: AtomicBool,
    payload: Mutex<Option<Payload>>,
}

impl Parked {
    /// Throws a parked panic on, in the caller's frame.
    pub(crate) fn resume(&self) {
        if let Some(payload) = self.take() {
            resume_unwind(payload);
        }
    }

    /// Whether a panic waits here.
    pub(crate) fn is_some(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    fn take(&self) -> Option<Payload> {
        if !self.is_some() {
            return None;
        }
        let mut payload = self.payload();
        self.waits.store(false, Ordering::Release);
        payload.take()
    }

    fn payload(&self) -> MutexGuard<'_, Option<Payload>> {
        // INVARIANT: the lock is never held while foreign code runs, so it cannot be poisoned with a payload in it
        self.payload.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Parks what was caught elsewhere.
    pub(crate) fn put(&self, payload: Payload) {
        let mut slot = self.payload();
        // The first panic is the cause; a later one, if any, came from the unwinding of the connection.
        slot.get_or_insert(payload);
        self.waits.store(true, Ordering::Release);
    }
}

/// Runs the body of an `extern "C"` function. A panic is parked at `parked`, if there is such a place, and the
/// function returns `failed`, which must be the answer that makes the handshake or the I/O call fail.
pub(crate) fn guard<T>(parked: Option<&Parked>, failed: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(answer) => answer,
        Err(payload) => {
            if let Some(parked) = parked {
                parked.put(payload);
            }
            failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_parked_and_resumed_later() {
        let parked = Parked::default();
        assert_eq!(guard(Some(&parked), -1, || panic!("first")), -1);
        assert_eq!(guard(Some(&parked), -1, || panic!("second")), -1);
        assert!(parked.is_some());
        let payload = catch_unwind(AssertUnwindSafe(|| parked.resume())).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"first"));
        parked.resume();
    }

    #[test]
    fn a_body_that_returns_is_not_disturbed() {
        assert_eq!(guard(None, -1, || 7), 7);
    }
}
