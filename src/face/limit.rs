//! How long a handshake may take.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::values::error::{Error, ErrorKind};

/// The time of one handshake, from now on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    time: Duration,
    /// None where the time is beyond all clocks: there is then no timer.
    deadline: Option<Instant>,
}

impl Limit {
    pub(super) fn of(time: Duration) -> Limit {
        Limit { time, deadline: Instant::now().checked_add(time) }
    }

    /// Awaits a part of the handshake.
    pub(super) async fn within<T>(self, part: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(deadline) = self.deadline else { return part.await };
        timeout_at(deadline, part).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("the handshake did not end within {:?}", self.time)))
        })
    }
}
