//! Time, allocations and live bytes of a piece of work.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// The system's allocator, with counting that can be turned on. While it is off it costs one load of a
/// flag, so that counting does not slow timed runs down.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

impl Counting {
    fn note(allocations: u64, bytes: i64) {
        if COUNTS.load(Relaxed) {
            ALLOCATIONS.fetch_add(allocations, Relaxed);
            LIVE_BYTES.fetch_add(bytes, Relaxed);
        }
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are kept separately.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note(1, signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note(1, signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::note(0, -signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        Self::note(1, signed(new_size) - signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// The purpose of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To measure time; nothing is counted.
    Time,
    /// To count; the time is ignored.
    Count,
}

/// One run, per operation.
#[derive(Clone, Copy, Default)]
pub struct Sample {
    pub nanos: f64,
    pub allocations: f64,
    /// The bytes that were live when the work called [`live_bytes`], if it did.
    pub bytes: Option<f64>,
}

/// Does the work, which is this many operations and may return the bytes it held.
pub async fn sample(
    purpose: Purpose,
    operations: usize,
    work: impl Future<Output = Option<i64>>,
) -> Sample {
    ALLOCATIONS.store(0, Relaxed);
    LIVE_BYTES.store(0, Relaxed);
    COUNTS.store(purpose == Purpose::Count, Relaxed);
    let start = Instant::now();
    let bytes = work.await;
    let nanos = start.elapsed().as_secs_f64() * 1e9;
    COUNTS.store(false, Relaxed);
    let each = |total: f64| total / operations as f64;
    Sample {
        nanos: each(nanos),
        allocations: each(ALLOCATIONS.load(Relaxed) as f64),
        bytes: bytes.map(|bytes| each(bytes as f64)),
    }
}

/// The bytes allocated and not freed since the run began. Only meaningful in a counting run.
pub fn live_bytes() -> i64 {
    LIVE_BYTES.load(Relaxed)
}

/// Several timed runs and a counted one.
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub counted: Sample,
}

impl Summary {
    pub fn of(mut nanos: Vec<f64>, counted: Sample) -> Self {
        nanos.sort_by(f64::total_cmp);
        let (min, max) = (nanos[0], nanos[nanos.len() - 1]);
        Self { median: nanos[nanos.len() / 2], min, max, counted }
    }
}
