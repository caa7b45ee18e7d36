//! The panic guard: nothing that Rust code throws may cross a C frame.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

type Payload = Box<dyn Any + Send>;

/// Where a panic waits between the C frame that it must not cross and the Rust caller that it belongs to.
#[derive(Default)]
pub(crate) struct Parked {
    /// A box that this owns, or null: asked before and after each call of libssl.
    payload: AtomicPtr<Payload>,
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
        !self.payload.load(Ordering::Acquire).is_null()
    }

    fn take(&self) -> Option<Payload> {
        if !self.is_some() {
            return None;
        }
        let payload = self.payload.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: what is here came from a box, and whoever takes it out is its only owner.
        (!payload.is_null()).then(|| *unsafe { Box::from_raw(payload) })
    }

    /// Parks what was caught elsewhere.
    pub(crate) fn put(&self, payload: Payload) {
        let payload = Box::into_raw(Box::new(payload));
        // The first panic is the cause; a later one, if any, came from the unwinding of the connection.
        let first =
            self.payload.compare_exchange(ptr::null_mut(), payload, Ordering::AcqRel, Ordering::Relaxed);
        if first.is_err() {
            // SAFETY: it was not put there, so that the box is still ours.
            drop(unsafe { Box::from_raw(payload) });
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        drop(self.take());
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
