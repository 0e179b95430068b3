//! Counts the steps that waiting tasks make for buses, whichever buses these are, so that a task
//! that makes many yields to others now and then. Without `std`, threads cannot be told apart and
//! are counted as one.

/// Steps in a row before a wait yields.
const ENOUGH: u32 = if cfg!(loom) { 3 } else { 256 };

#[cfg(feature = "std")]
mod imp {
    use crate::sync::thread_local;
    use core::cell::Cell;

    thread_local! {
        static MADE: Cell<u32> = const { Cell::new(0) };
    }

    pub(super) fn made() -> u32 {
        // A thread that is ending has no other tasks to yield to.
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

    // It does not matter if some steps are lost.
    pub(super) fn set(made: u32) {
        MADE.store(made, Ordering::Relaxed);
    }
}

/// How many waits in a row yield without one of them being polled again. So a task that polls each
/// wait only once is not made to yield for ever.
const PATIENCE: u32 = 8;

/// A new task counts as this many steps, because an executor may poll few others before it polls the
/// task that makes them again (tokio: 61). Buses that end at once would leave more tasks behind than
/// are polled.
const TASK: u32 = if cfg!(loom) { 1 } else { 8 };

/// Counts a task that was spawned here.
pub(crate) fn count_task() {
    count(TASK);
}

/// Counts steps that were made here.
#[inline]
pub(crate) fn count(steps: u32) {
    let made = imp::made();
    if made < ENOUGH {
        imp::set(made.saturating_add(steps).min(ENOUGH));
    }
}

/// Whether so many steps were made that a wait has to yield. From then on every wait yields, until
/// one of them is polled again: of several waits in a task, one cannot yield for the others.
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

/// Starts counting anew, as a wait that yielded is polled again.
pub(crate) fn renew() {
    imp::set(0);
}

/// Does work that is not counted, because its task yields by itself.
pub(crate) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let made = imp::made();
    let done = work();
    imp::set(made);
    done
}
