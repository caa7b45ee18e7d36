//! Both tasks of a split stream, and which of them waits for what.
//!
//! A write that must read (a renegotiation) registers itself for reading in the inner stream, which keeps one waker
//! a direction: the reader that waits there would sleep past its data. So whoever polls the inner stream while the
//! other task waits for the same direction leaves a waker that wakes both. The same holds for the operation of a hook that both
//! wait for.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// On whose behalf the connection is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Reader,
    Writer,
}

/// What is waited for: a direction of the inner stream, or an operation that a hook has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    In,
    Out,
    Hook,
}

/// The two tasks' wakers, what each waits for, and who sits at the wheel.
pub(crate) struct Wakers {
    wakers: [Waker; 2],
    /// Whether a task's last poll of each flow was answered "pending".
    waits: [[bool; 3]; 2],
    role: Role,
}

impl Wakers {
    pub(crate) fn new() -> Wakers {
        let wakers = [Waker::noop().clone(), Waker::noop().clone()];
        Wakers { wakers, waits: [[false; 3]; 2], role: Role::Reader }
    }

    /// A task polls the connection: what it waited for before no longer counts.
    pub(crate) fn enter(&mut self, role: Role, cx: &Context<'_>) {
        self.role = role;
        self.wakers[role as usize].clone_from(cx.waker());
        self.waits[role as usize] = [false; 3];
    }

    /// Wakes the task that polled last in this role, and is not the one that polls now.
    pub(crate) fn wake(&self, role: Role) {
        let (waker, own) = (&self.wakers[role as usize], &self.wakers[self.role as usize]);
        if role != self.role && !waker.will_wake(own) {
            waker.wake_by_ref();
        }
    }

    /// Polls what `flow` says with the right waker.
    pub(crate) fn poll<T>(
        &mut self,
        flow: Flow,
        poll: impl FnOnce(&mut Context<'_>) -> std::task::Poll<T>,
    ) -> std::task::Poll<T> {
        let (mine, others) = match self.role {
            Role::Reader => (0, 1),
            Role::Writer => (1, 0),
        };
        let (own, other) = (&self.wakers[mine], &self.wakers[others]);
        let answer = if self.waits[others][flow as usize] && !other.will_wake(own) {
            let both = Waker::from(Arc::new(Both(own.clone(), other.clone())));
            poll(&mut Context::from_waker(&both))
        } else {
            poll(&mut Context::from_waker(own))
        };
        self.waits[mine][flow as usize] = answer.is_pending();
        answer
    }
}

struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// An inner stream with one waker slot for reading.
    fn pend(slot: &mut Option<Waker>, cx: &Context<'_>) -> Poll<()> {
        *slot = Some(cx.waker().clone());
        Poll::Pending
    }

    #[test]
    fn a_writer_that_must_read_does_not_displace_the_reader() {
        let (reader, writer) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (read_waker, write_waker) = (Waker::from(reader.clone()), Waker::from(writer.clone()));
        let mut slot = None;
        let mut wakers = Wakers::new();

        wakers.enter(Role::Reader, &Context::from_waker(&read_waker));
        assert!(wakers.poll(Flow::In, |cx| pend(&mut slot, cx)).is_pending());
        wakers.enter(Role::Writer, &Context::from_waker(&write_waker));
        assert!(wakers.poll(Flow::In, |cx| pend(&mut slot, cx)).is_pending());

        slot.unwrap().wake();
        assert_eq!((reader.0.load(Ordering::SeqCst), writer.0.load(Ordering::SeqCst)), (1, 1));
    }

    #[test]
    fn a_task_that_waits_for_nothing_is_left_asleep() {
        let (reader, writer) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (read_waker, write_waker) = (Waker::from(reader.clone()), Waker::from(writer.clone()));
        let mut slot = None;
        let mut wakers = Wakers::new();

        wakers.enter(Role::Writer, &Context::from_waker(&write_waker));
        assert!(wakers.poll(Flow::Out, |_| Poll::Ready(())).is_ready());
        wakers.enter(Role::Reader, &Context::from_waker(&read_waker));
        assert!(wakers.poll(Flow::In, |cx| pend(&mut slot, cx)).is_pending());

        slot.unwrap().wake();
        assert_eq!((reader.0.load(Ordering::SeqCst), writer.0.load(Ordering::SeqCst)), (1, 0));
    }
}
