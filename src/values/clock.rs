//! Where the time comes from: tests have their own.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Tells the time, as an [`Instant`] or as a [`SystemTime`].
#[derive(Clone)]
pub(crate) struct Clock<T>(Arc<dyn Fn() -> T + Send + Sync>);

impl<T> Clock<T> {
    /// A clock that `now` drives.
    #[cfg(test)]
    pub(crate) fn new(now: impl Fn() -> T + Send + Sync + 'static) -> Clock<T> {
        Clock(Arc::new(now))
    }

    pub(crate) fn now(&self) -> T {
        (self.0)()
    }
}

impl Default for Clock<Instant> {
    fn default() -> Clock<Instant> {
        Clock(Arc::new(Instant::now))
    }
}

impl Default for Clock<SystemTime> {
    fn default() -> Clock<SystemTime> {
        Clock(Arc::new(SystemTime::now))
    }
}

impl<T> fmt::Debug for Clock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A clock that a test sets, and the time that it began with.
#[cfg(test)]
pub(crate) mod by_hand {
    use std::ops::Add;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::Clock;

    /// Moves the time of its clocks.
    #[derive(Clone)]
    pub(crate) struct Hand<T>(Arc<Mutex<T>>);

    impl<T: Copy + Send + Add<Duration, Output = T> + 'static> Hand<T> {
        pub(crate) fn new(start: T) -> Hand<T> {
            Hand(Arc::new(Mutex::new(start)))
        }

        pub(crate) fn clock(&self) -> Clock<T> {
            let now = Arc::clone(&self.0);
            Clock::new(move || *now.lock().unwrap())
        }

        pub(crate) fn forward(&self, by: Duration) {
            let mut now = self.0.lock().unwrap();
            *now = *now + by;
        }
    }
}
