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

    #[inline]
    pub(super) fn made() -> u32 {
        // A thread that is ending has no others to give way to.
        MADE.try_with(Cell::get).unwrap_or(0)
    }

    #[inline]
    pub(super) fn set(made: u32) {
        let _ = MADE.try_with(|at| at.set(made));
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use core::sync::atomic::{AtomicU32, Ordering};

    static MADE: AtomicU32 = AtomicU32::new(0);

    #[inline]
    pub(super) fn made() -> u32 {
        MADE.load(Ordering::Relaxed)
    }

    // It does not matter when some are lost.
    #[inline]
    pub(super) fn set(made: u32) {
        MADE.store(made, Ordering::Relaxed);
    }
}

/// Counts steps that were made here.
#[inline]
pub(crate) fn count(steps: u32) {
    imp::set(imp::made().saturating_add(steps));
}

/// Whether so many were made that who waits has to give way; then they are counted anew.
#[inline]
pub(crate) fn is_used_up() -> bool {
    let is_enough = imp::made() >= ENOUGH;
    if is_enough {
        imp::set(0);
    }
    is_enough
}

/// Does what is not counted, as whoever does it gives way by himself.
pub(crate) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let made = imp::made();
    let done = work();
    imp::set(made);
    done
}
