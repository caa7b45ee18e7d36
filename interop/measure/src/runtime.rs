//! The runtime of a program that has more to do than one handshake.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time;

use crate::trouble::Result;

/// How often the other timer is due: before those of handshakes.
const TICK: Duration = Duration::from_secs(1);

/// A runtime of one thread, with a timer beside those of handshakes, as there is where a server has other connections. Without it
/// each of theirs would be the first to be due, and tokio wakes its driver for such a one: a write to an eventfd a side, whether
/// the driver sleeps or not.
///
/// # Errors
/// When the system refuses something.
pub fn new() -> Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.spawn(async {
        loop {
            time::sleep(TICK).await;
        }
    });
    // The driver notes the next timer when it sleeps.
    runtime.block_on(async { time::sleep(Duration::from_millis(1)).await });
    Ok(runtime)
}
