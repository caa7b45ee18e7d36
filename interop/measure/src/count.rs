//! What only the process can tell of itself: CPU time and memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

/// The allocator to make `#[global_allocator]`. It counts once [`start`] was called.
#[derive(Debug)]
pub struct Counting;

/// Allocations so far, and bytes that are not freed: as the C library rounds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heap {
    /// Calls of malloc, calloc and realloc.
    pub allocations: u64,
    /// Bytes.
    pub live: i64,
}

/// Begins to count.
pub fn start() {
    COUNTS.store(true, Relaxed);
}

/// What was counted.
pub fn heap() -> Heap {
    Heap { allocations: ALLOCATIONS.load(Relaxed), live: LIVE.load(Relaxed) }
}

/// The CPU time of the process, all threads, user and system.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the one place that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes that the C library has handed out and that are not freed, whoever asked for them.
pub fn in_use() -> u64 {
    // SAFETY: no contract.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}

fn came(pointer: *mut u8) -> *mut u8 {
    if COUNTS.load(Relaxed) && !pointer.is_null() {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the pointer is malloc's.
        LIVE.fetch_add(unsafe { libc::malloc_usable_size(pointer.cast()) } as i64, Relaxed);
    }
    pointer
}

fn goes(pointer: *mut u8) {
    if COUNTS.load(Relaxed) && !pointer.is_null() {
        // SAFETY: the pointer is malloc's, and not freed yet.
        LIVE.fetch_sub(unsafe { libc::malloc_usable_size(pointer.cast()) } as i64, Relaxed);
    }
}

// SAFETY: every call is the system's allocator, with numbers counted beside.
unsafe impl GlobalAlloc for Counting {
    /// # Safety
    /// As the trait's.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        came(unsafe { System.alloc(layout) })
    }

    /// # Safety
    /// As the trait's.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        came(unsafe { System.alloc_zeroed(layout) })
    }

    /// # Safety
    /// As the trait's.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        goes(pointer);
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    /// # Safety
    /// As the trait's.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        goes(pointer);
        // SAFETY: the caller's contract.
        came(unsafe { System.realloc(pointer, layout, size) })
    }
}

/// malloc, counted: for a C library that lets its functions be replaced.
///
/// # Safety
/// None; the type is C's.
pub unsafe extern "C" fn allocate(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    // SAFETY: malloc takes any number.
    came(unsafe { libc::malloc(size) }.cast()).cast()
}

/// realloc, counted.
///
/// # Safety
/// As realloc's.
pub unsafe extern "C" fn reallocate(
    pointer: *mut c_void,
    size: usize,
    _: *const c_char,
    _: c_int,
) -> *mut c_void {
    goes(pointer.cast());
    // SAFETY: the caller's contract.
    came(unsafe { libc::realloc(pointer, size) }.cast()).cast()
}

/// free, counted.
///
/// # Safety
/// As free's.
pub unsafe extern "C" fn release(pointer: *mut c_void, _: *const c_char, _: c_int) {
    goes(pointer.cast());
    // SAFETY: the caller's contract.
    unsafe { libc::free(pointer) }
}
