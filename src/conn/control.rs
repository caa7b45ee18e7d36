//! Requests from outside of the tasks that read and write.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::task::{Context as TaskContext, Waker};

use tokio::sync::oneshot;

use super::request::Request;
use super::wakers::Role;
use crate::values::error::{Error, ErrorKind};

/// Who waits for the outcome of a request.
pub(super) type Answer = oneshot::Sender<Result<(), Error>>;

/// The requests that wait, and the tasks that can serve them: made with the first handle. Without it, a poll of the connection
/// looks no further.
#[derive(Default)]
pub(crate) struct Control(OnceLock<Box<Mutex<Inner>>>);

#[derive(Default)]
struct Inner {
    requests: VecDeque<(Request, Answer)>,
    tasks: [Option<Waker>; 2],
    closed: bool,
}

impl Control {
    /// Nothing as long as there was no handle.
    fn inner(&self) -> Option<MutexGuard<'_, Inner>> {
        // INVARIANT: nothing that can panic runs under the lock
        Some(self.0.get()?.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// From now on the connection looks for requests.
    pub(crate) fn open(&self) {
        self.0.get_or_init(Box::default);
    }

    /// Leaves a request for whoever polls the connection next, and wakes those who could.
    pub(crate) fn ask(&self, request: Request) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, outcome) = oneshot::channel();
        let tasks = match self.inner() {
            Some(mut inner) if !inner.closed => {
                inner.requests.push_back((request, answer));
                inner.tasks.clone()
            }
            // The receiver is told by the loss of the sender.
            _ => return outcome,
        };
        tasks.into_iter().flatten().for_each(Waker::wake);
        outcome
    }

    /// The next request, for the task that polls the connection now and is woken for later ones.
    pub(super) fn attend(&self, role: Role, cx: &TaskContext<'_>, take: bool) -> Option<(Request, Answer)> {
        let mut inner = self.inner()?;
        let seat = &mut inner.tasks[role as usize];
        if !seat.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *seat = Some(cx.waker().clone());
        }
        if take { inner.requests.pop_front() } else { None }
    }

    /// Wakes the tasks when another request waits.
    pub(super) fn remind(&self) {
        let tasks = match self.inner() {
            Some(inner) if !inner.requests.is_empty() => inner.tasks.clone(),
            _ => return,
        };
        tasks.into_iter().flatten().for_each(Waker::wake);
    }

    /// The connection is gone: nobody will be served.
    pub(super) fn close(&self) {
        // Handles are had from the connection alone, and it goes: there will be no first one.
        let Some(mut inner) = self.inner() else { return };
        inner.closed = true;
        let left = std::mem::take(&mut inner.requests);
        drop(inner);
        drop(left);
    }
}

/// The outcome for somebody whose connection is gone.
pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::Closed, "the connection is gone")
}
