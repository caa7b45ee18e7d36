//! How large the next record may be.

use std::time::Duration;

use tokio::time::Instant;

use crate::values::record_sizing::RecordSizing;

/// The largest plaintext of one record (RFC 8446 section 5.1).
pub(super) const RECORD_MAX: usize = 16 * 1024;

/// A record of this size fits into one TCP segment of an Ethernet, with 52 bytes for IP and TCP with their options and up
/// to 61 for TLS.
const SMALL: usize = 1369;

/// How much goes out in small records: what TCP sends before its window has grown.
const SMALL_UNTIL: usize = 64 * 1024;

/// After a pause of this length TCP begins with a small window again (RFC 5681 section 4.1).
const PAUSE: Duration = Duration::from_secs(1);

/// The size of records; `None` where all are as large as they may be.
#[derive(Default)]
pub(super) struct RecordPace(Option<Box<Dynamic>>);

/// What it depends on.
#[derive(Default)]
struct Dynamic {
    sent: usize,
    last: Option<Instant>,
}

impl RecordPace {
    pub(super) fn set_sizing(&mut self, sizing: RecordSizing) {
        self.0 = (sizing == RecordSizing::Dynamic).then(Box::default);
    }

    /// Before a write: whether it comes after a pause.
    pub(super) fn begin(&mut self) {
        if let Some(pace) = &mut self.0 {
            let now = Instant::now();
            if pace.last.is_some_and(|last| now.duration_since(last) >= PAUSE) {
                pace.sent = 0;
            }
            pace.last = Some(now);
        }
    }

    /// The most plaintext that the next record may have.
    pub(super) fn next(&self) -> usize {
        match &self.0 {
            Some(pace) if pace.sent < SMALL_UNTIL => SMALL,
            _ => RECORD_MAX,
        }
    }

    /// So much plaintext went out.
    pub(super) fn sent(&mut self, count: usize) {
        if let Some(pace) = &mut self.0 {
            pace.sent = pace.sent.saturating_add(count);
        }
    }
}
