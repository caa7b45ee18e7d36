//! An executor that checks the contract of wakers: whoever answers "pending" has kept the waker of that very poll, or
//! has woken it. Deterministic: the order of the polls comes from a seed, and nothing waits for a clock.

#![allow(dead_code, reason = "each test program uses some of these")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A boxed task.
pub(crate) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Random numbers that are the same on every machine: xorshift64*.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that begin with `seed`.
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit.max(1)
    }

    /// True in `percent` of 100 throws.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A waker that tells whether it was woken, and whether anybody keeps it.
#[derive(Debug, Default)]
pub(crate) struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Bell {
    /// A new one.
    pub(crate) fn new() -> Arc<Bell> {
        Arc::new(Bell::default())
    }

    /// Whether it was woken.
    pub(crate) fn rang(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls with a waker of this one poll.
///
/// # Panics
/// When the answer is "pending" and nobody has kept or woken the waker.
pub(crate) fn poll_checked<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> (Poll<T>, Arc<Bell>) {
    let bell = Bell::new();
    let answer = {
        let waker = Waker::from(Arc::clone(&bell));
        poll(&mut Context::from_waker(&waker))
    };
    if answer.is_pending() {
        assert!(bell.rang() || Arc::strong_count(&bell) > 1, "pending, and nobody has kept the waker");
    }
    (answer, bell)
}

/// Runs the tasks until all are done, in an order that `seed` gives, with polls that nobody asked for in between.
///
/// # Panics
/// When a task breaks the contract of wakers, and when all that are left wait for nothing that will come.
pub(crate) fn run(seed: u64, tasks: Vec<Task<'_>>) {
    let mut dice = Dice::new(seed ^ 0xB0A7);
    let mut tasks: Vec<(Task<'_>, Arc<Bell>)> = tasks.into_iter().map(|task| (task, rung())).collect();
    while !tasks.is_empty() {
        let awake: Vec<usize> = (0..tasks.len()).filter(|i| tasks[*i].1.rang()).collect();
        assert!(!awake.is_empty(), "stall: {} tasks sleep and nobody will wake them", tasks.len());
        // One in ten polls is spurious.
        let next = if dice.chance(10) { dice.below(tasks.len()) } else { awake[dice.below(awake.len())] };
        let (task, bell) = &mut tasks[next];
        let (answer, fresh) = poll_checked(|cx| task.as_mut().poll(cx));
        *bell = fresh;
        if answer.is_ready() {
            drop(tasks.swap_remove(next));
        }
    }
}

/// Runs one future by itself.
pub(crate) fn run_one<T>(seed: u64, future: impl Future<Output = T>) -> T {
    let mut outcome = None;
    run(seed, vec![Box::pin(async { outcome = Some(future.await) })]);
    outcome.unwrap()
}

fn rung() -> Arc<Bell> {
    let bell = Bell::new();
    Arc::clone(&bell).wake();
    bell
}
