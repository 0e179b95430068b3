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

#[cfg(feature = "std")]
mod imp {
    use crate::sync::thread_local;
    use core::cell::Cell;

    thread_local! {
        static MADE: Cell<u32> = const { Cell::new(0) };
        static SPAWNED: Cell<u32> = const { Cell::new(0) };
    }

    // A thread that is ending has no other tasks to yield to.
    #[inline]
    pub(super) fn made() -> u32 {
        MADE.try_with(Cell::get).unwrap_or(0)
    }

    #[inline]
    pub(super) fn set_made(made: u32) {
        let _ = MADE.try_with(|at| at.set(made));
    }

    #[inline]
    pub(super) fn spawned() -> u32 {
        SPAWNED.try_with(Cell::get).unwrap_or(0)
    }

    #[inline]
    pub(super) fn set_spawned(spawned: u32) {
        let _ = SPAWNED.try_with(|at| at.set(spawned));
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use core::sync::atomic::{AtomicU32, Ordering};

    static MADE: AtomicU32 = AtomicU32::new(0);
    static SPAWNED: AtomicU32 = AtomicU32::new(0);

    pub(super) fn made() -> u32 {
        MADE.load(Ordering::Relaxed)
    }

    // It does not matter if some are lost.
    pub(super) fn set_made(made: u32) {
        MADE.store(made, Ordering::Relaxed);
    }

    pub(super) fn spawned() -> u32 {
        SPAWNED.load(Ordering::Relaxed)
    }

    pub(super) fn set_spawned(spawned: u32) {
        SPAWNED.store(spawned, Ordering::Relaxed);
    }
}

/// How many waits in a row yield without one of them being polled again. So a task that polls each
/// wait only once is not made to yield for ever.
const PATIENCE: u32 = 8;

/// Counts steps that were made here.
#[inline]
pub(crate) fn count(steps: u32) {
    let made = imp::made();
    if made < ENOUGH {
        imp::set_made(made.saturating_add(steps).min(ENOUGH));
    }
}

/// Counts a task that was spawned here.
pub(crate) fn count_task() {
    imp::set_spawned(imp::spawned().saturating_add(1));
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
    imp::set_made(if with_this < ENOUGH + PATIENCE { with_this } else { 0 });
    true
}

/// Starts counting steps anew, as a wait that yielded is polled again.
pub(crate) fn renew() {
    imp::set_made(0);
}

/// Pending, and woken, if so many tasks were spawned here that the runtime is to poll some of them first.
/// Not inside a handler: whoever polls that would only poll it again.
#[inline]
pub(crate) fn yield_for_tasks(cx: &Context<'_>) -> Poll<()> {
    let spawned = imp::spawned();
    if spawned < TASKS || context::is_in_handler() {
        return Poll::Ready(());
    }
    imp::set_spawned(spawned - TASKS);
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
    let (made, spawned) = (imp::made(), imp::spawned());
    imp::set_made(0);
    imp::set_spawned(0);
    let done = work();
    imp::set_made(made);
    imp::set_spawned(spawned);
    done
}
