//! Keeping the OCSP responses of another source.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::sha::sha256;

use super::ocsp_source::{OcspRequest, OcspSource};
use super::resolver::{HookFuture, HookResult};
use crate::materials::ocsp::{OcspEntry, OcspResponse};

const MAX_AGE: Duration = Duration::from_secs(12 * 60 * 60);
const RETRY_AFTER: Duration = Duration::from_secs(60);
const CAPACITY: usize = 256;

/// How far the responder's clock may be ahead: that of [`OcspVerifier`](crate::OcspVerifier).
const TOLERANCE: Duration = Duration::from_secs(300);

/// Keeps the OCSP responses of another source: each until its nextUpdate, for each certificate of a server.
///
/// A response is asked for anew when half of its time is over, or when it is older than [`max_age`](OcspCache::max_age). While
/// that goes on, and when it fails, the one that is there is stapled, as long as it counts; one that has expired is never
/// stapled. There is one question at a time for each certificate: handshakes that need its answer wait for it together, and
/// go on with it when the one that began it is gone. After a failure nothing is asked for a
/// [while](OcspCache::retry_after).
///
/// What the source answers must be a response about the certificate that was asked about; anything else is a failure.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use patina_tls::{Identity, OcspCache, OcspRequest, ServerConfig};
///
/// # async fn ask(url: &str, body: Vec<u8>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> { Ok(body) }
/// # fn main() -> Result<(), patina_tls::Error> {
/// let source = OcspCache::new(|request: OcspRequest| async move {
///     let Some(url) = request.responders().into_iter().next() else { return Ok(None) };
///     Ok(Some(ask(&url, request.to_der()?).await?)) // with an HTTP client, and a time limit of its own
/// });
/// let config = ServerConfig::builder()
///     .identity(Identity::self_signed(["localhost"])?)
///     .ocsp_source(source)
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub struct OcspCache {
    rules: Rules,
    capacity: usize,
    cells: Mutex<HashMap<[u8; 32], Arc<Cell>>>,
}

#[derive(Clone)]
struct Rules {
    source: Arc<dyn OcspSource>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    max_age: Duration,
    retry_after: Duration,
}

/// What there is for one certificate.
#[derive(Default)]
struct Cell {
    kept: Mutex<Option<Kept>>,
    /// Held by the handshake that asks.
    asking: tokio::sync::Mutex<Asking>,
}

/// A response, and when it was asked for.
#[derive(Clone)]
struct Kept {
    response: OcspResponse,
    entry: OcspEntry,
    asked_at: SystemTime,
}

type Answer = HookFuture<HookResult<Option<Vec<u8>>>>;

#[derive(Default)]
struct Asking {
    /// A question that is not answered: it outlives the handshake that began it.
    question: Option<Answer>,
    /// When the last question was asked, unless it was answered with a response.
    failed_at: Option<SystemTime>,
}

impl OcspCache {
    /// Keeps the responses of `source`.
    pub fn new(source: impl OcspSource + 'static) -> OcspCache {
        OcspCache {
            rules: Rules {
                source: Arc::new(source),
                clock: Arc::new(SystemTime::now),
                max_age: MAX_AGE,
                retry_after: RETRY_AFTER,
            },
            capacity: CAPACITY,
            cells: Mutex::default(),
        }
    }

    /// Sets after what time a response is asked for anew, though it still counts. Default: 12 hours. A response without
    /// nextUpdate is stapled no longer than this.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> OcspCache {
        self.rules.max_age = age;
        self
    }

    /// Sets how long after a question that brought no response the source is left alone. A question that is not answered for
    /// as long is given up by the handshake that comes next. Default: 60 s.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> OcspCache {
        self.rules.retry_after = pause;
        self
    }

    /// Sets for how many certificates responses are kept, at least one. Default: 256.
    #[must_use]
    pub fn capacity(mut self, certificates: usize) -> OcspCache {
        self.capacity = certificates.max(1);
        self
    }

    /// Replaces the clock that tells what has expired. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> OcspCache {
        self.rules.clock = Arc::new(clock);
        self
    }

    fn cell(&self, request: &OcspRequest) -> Arc<Cell> {
        let key = sha256(&request.certificate().der());
        let mut cells = lock(&self.cells);
        if let Some(cell) = cells.get(&key) {
            return Arc::clone(cell);
        }
        if cells.len() >= self.capacity {
            // What ends first is the smallest loss.
            let first =
                cells.iter().min_by_key(|(_, cell)| cell.end(self.rules.max_age)).map(|(key, _)| *key);
            first.map(|key| cells.remove(&key));
        }
        Arc::clone(cells.entry(key).or_default())
    }
}

impl OcspSource for OcspCache {
    fn staple(&self, request: OcspRequest) -> HookFuture<HookResult<Option<Vec<u8>>>> {
        let (cell, rules) = (self.cell(&request), self.rules.clone());
        Box::pin(async move {
            let kept = rules.response(&cell, request).await;
            Ok(kept.map(|kept| kept.response.der().to_vec()))
        })
    }
}

impl Rules {
    /// What is stapled now.
    async fn response(&self, cell: &Cell, request: OcspRequest) -> Option<Kept> {
        let kept = self.usable(cell);
        if kept.as_ref().is_some_and(|kept| kept.is_fresh((self.clock)(), self.max_age)) {
            return kept;
        }
        let mut asking = match (cell.asking.try_lock(), kept) {
            (Ok(asking), _) => asking,
            // Another handshake asks, and this one need not wait for it.
            (Err(_), Some(kept)) => return Some(kept),
            (Err(_), None) => cell.asking.lock().await,
        };
        let now = (self.clock)();
        let kept = self.usable(cell);
        if kept.as_ref().is_some_and(|kept| kept.is_fresh(now, self.max_age)) {
            return kept;
        }
        let rests =
            asking.failed_at.is_some_and(|at| at.checked_add(self.retry_after).is_none_or(|end| now < end));
        if !rests {
            // Before the source runs: it may panic.
            asking.failed_at = Some(now);
            asking.question = None;
            asking.question = Some(self.source.staple(request.clone()));
        }
        let asked_at = asking.failed_at.unwrap_or(now);
        if let Some(answer) = asking.answer().await
            && let Some(new) = self.read(answer, &request, asked_at)
        {
            asking.failed_at = None;
            *lock(&cell.kept) = Some(new);
        }
        self.usable(cell)
    }

    /// What is there and counts.
    fn usable(&self, cell: &Cell) -> Option<Kept> {
        let now = (self.clock)();
        lock(&cell.kept).clone().filter(|kept| kept.counts(now, self.max_age))
    }

    /// What a source has answered, if it is a response about this certificate that counts.
    fn read(
        &self,
        answer: HookResult<Option<Vec<u8>>>,
        request: &OcspRequest,
        asked_at: SystemTime,
    ) -> Option<Kept> {
        let response = OcspResponse::from_der(answer.ok()??).ok()?;
        let entry = response.entry(request.certificate(), request.issuer())?;
        let kept = Kept { response, entry, asked_at };
        Some(kept).filter(|kept| kept.counts((self.clock)(), self.max_age))
    }
}

impl Asking {
    /// Awaits the answer to the question, if there is one.
    async fn answer(&mut self) -> Option<HookResult<Option<Vec<u8>>>> {
        poll_fn(|cx| {
            // Taken out, so that one that panics is not polled again.
            let Some(mut question) = self.question.take() else { return Poll::Ready(None) };
            match question.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => {
                    self.question = Some(question);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Cell {
    fn end(&self, max_age: Duration) -> SystemTime {
        lock(&self.kept).as_ref().and_then(|kept| kept.end(max_age)).unwrap_or(UNIX_EPOCH)
    }
}

impl Kept {
    /// When it does not count any more; `None` is never.
    fn end(&self, max_age: Duration) -> Option<SystemTime> {
        self.entry.next_update().or_else(|| self.asked_at.checked_add(max_age))
    }

    fn counts(&self, now: SystemTime, max_age: Duration) -> bool {
        let begun = now.checked_add(TOLERANCE).is_none_or(|latest| self.entry.this_update() <= latest);
        begun && self.end(max_age).is_none_or(|end| now < end)
    }

    /// Whether it is too early to ask for another.
    fn is_fresh(&self, now: SystemTime, max_age: Duration) -> bool {
        let rest = self.entry.next_update().and_then(|end| end.duration_since(self.asked_at).ok());
        let age = rest.map_or(max_age, |rest| max_age.min(rest / 2));
        self.asked_at.checked_add(age).is_none_or(|end| now < end)
    }
}

impl fmt::Debug for OcspCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OcspCache")
            .field("certificates", &lock(&self.cells).len())
            .field("capacity", &self.capacity)
            .field("max_age", &self.rules.max_age)
            .field("retry_after", &self.rules.retry_after)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing of the application runs under these locks, so that no panic leaves one in disorder.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
