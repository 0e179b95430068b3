//! Counts what waiting tasks do for buses on their thread, whichever buses these are, so that a task that
//! does much yields to others now and then: the steps they make, and the tasks they leave to the runtime.
//! Without `std`, threads cannot be told apart and are counted as one.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use super::context;

/// Steps in a row before a wait yields.
const ENOUGH: u32 = if cfg!(loom) { 3 } else { 256 };

/// Tasks spawned before a wait yields. While it does, an executor may poll few others before it polls the
/// task that spawns them again (tokio: 61), and most are polled twice: if more were spawned than end,
/// they would pile up.
const TASKS: u32 = if cfg!(loom) { 3 } else { 16 };

#[derive(Clone, Copy)]
struct Counts {
    /// Steps.
    made: u32,
    /// Tasks.
    spawned: u32,
}

impl Counts {
    const NONE: Self = Self { made: 0, spawned: 0 };
}

#[cfg(feature = "std")]
mod imp {
    use super::Counts;
    use crate::sync::thread_local;
    use core::cell::Cell;

    thread_local! {
        static COUNTS: Cell<Counts> = const { Cell::new(Counts::NONE) };
    }

    // A thread that is ending has no other tasks to yield to.
    #[inline]
    pub(super) fn get() -> Counts {
        COUNTS.try_with(Cell::get).unwrap_or(Counts::NONE)
    }

    #[inline]
    pub(super) fn set(counts: Counts) {
        let _ = COUNTS.try_with(|at| at.set(counts));
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use super::Counts;
    use crate::sync::StaticMutex;

    // It does not matter if some are lost between a look and a change.
    static COUNTS: StaticMutex<Counts> = StaticMutex::new(Counts::NONE);

    pub(super) fn get() -> Counts {
        *COUNTS.lock()
    }

    pub(super) fn set(counts: Counts) {
        *COUNTS.lock() = counts;
    }
}

/// How many waits in a row yield without one of them being polled again. So a task that polls each
/// wait only once is not made to yield for ever.
const PATIENCE: u32 = 8;

/// Counts steps that were made here.
#[inline]
pub(crate) fn count(steps: u32) {
    let counts = imp::get();
    if counts.made < ENOUGH {
        imp::set(Counts { made: counts.made.saturating_add(steps).min(ENOUGH), ..counts });
    }
}

/// Counts a task that was spawned here.
pub(crate) fn count_task() {
    let counts = imp::get();
    imp::set(Counts { spawned: counts.spawned.saturating_add(1), ..counts });
}

/// Whether so many steps were made that a wait has to yield. From then on every wait yields, until
/// one of them is polled again: of several waits in a task, one cannot yield for the others.
#[inline]
pub(crate) fn gives_way() -> bool {
    let counts = imp::get();
    if counts.made < ENOUGH {
        return false;
    }
    let with_this = counts.made + 1;
    imp::set(Counts { made: if with_this < ENOUGH + PATIENCE { with_this } else { 0 }, ..counts });
    true
}

/// Starts counting steps anew, as a wait that yielded is polled again.
pub(crate) fn renew() {
    imp::set(Counts { made: 0, ..imp::get() });
}

/// Pending, and woken, if so many tasks were spawned here that the runtime is to poll some of them first.
/// Not inside a handler: whoever polls that would only poll it again.
#[inline]
pub(crate) fn yield_for_tasks(cx: &Context<'_>) -> Poll<()> {
    let counts = imp::get();
    if counts.spawned < TASKS || context::is_in_handler() {
        return Poll::Ready(());
    }
    imp::set(Counts { spawned: counts.spawned - TASKS, ..counts });
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// A part of a wait that may be ready at once, and yet is to yield now and then. It counts as a step.
/// Nothing may be lost if the wait is dropped here.
pub(crate) async fn give_way() {
    let mut has_given_way = false;
    poll_fn(|cx| {
        ready!(yield_for_tasks(cx));
        if core::mem::take(&mut has_given_way) {
            renew();
            return Poll::Ready(());
        }
        count(1);
        if gives_way() {
            has_given_way = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Does work that counts nothing and does not yield: its task yields by itself, or may not.
pub(crate) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let counts = imp::get();
    imp::set(Counts::NONE);
    let done = work();
    imp::set(counts);
    done
}
