//! What tasks that wait do for buses, counted, so that one that does much gives way to others now and then:
//! whichever buses it works for. Without `std` threads cannot be told apart, and are counted as one.

/// Steps in a row, before one gives way.
const ENOUGH: u32 = if cfg!(loom) { 3 } else { 256 };

#[cfg(feature = "std")]
mod imp {
    use crate::sync::thread_local;
    use core::cell::Cell;

    thread_local! {
        static MADE: Cell<u32> = const { Cell::new(0) };
    }

    pub(super) fn made() -> u32 {
        // A thread that is ending has no others to give way to.
        MADE.try_with(Cell::get).unwrap_or(0)
    }

    pub(super) fn set(made: u32) {
        let _ = MADE.try_with(|at| at.set(made));
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use core::sync::atomic::{AtomicU32, Ordering};

    static MADE: AtomicU32 = AtomicU32::new(0);

    pub(super) fn made() -> u32 {
        MADE.load(Ordering::Relaxed)
    }

    // It does not matter when some are lost.
    pub(super) fn set(made: u32) {
        MADE.store(made, Ordering::Relaxed);
    }
}

/// So many in a row give way without one of them being polled again: whoever polls each wait once is not
/// told so for ever.
const PATIENCE: u32 = 8;

/// Counts steps that were made here.
#[inline]
pub(crate) fn count(steps: u32) {
    let made = imp::made();
    if made < ENOUGH {
        imp::set(made.saturating_add(steps).min(ENOUGH));
    }
}

/// Whether so many were made that who waits gives way. So does everybody from then on, until one of them is
/// polled again: of several waits in a task, one cannot give way for the others.
#[inline]
pub(crate) fn gives_way() -> bool {
    let made = imp::made();
    if made < ENOUGH {
        return false;
    }
    let with_this = made + 1;
    imp::set(if with_this < ENOUGH + PATIENCE { with_this } else { 0 });
    true
}

/// Who has given way is polled again: it is counted anew.
pub(crate) fn renew() {
    imp::set(0);
}

/// Does what is not counted, as whoever does it gives way by himself.
pub(crate) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let made = imp::made();
    let done = work();
    imp::set(made);
    done
}
