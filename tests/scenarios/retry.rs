//! "Retry and semaphores" within one process. Tests across processes are in `tests/processes`.

mod functions;
mod handlers;
mod inside;
mod lending;
mod slots;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::runtimes::Env;

/// Counts the guests that are in, and the most that were in at a time.
#[derive(Clone, Default)]
struct Room(Arc<(AtomicUsize, AtomicUsize, AtomicUsize)>);

/// A guest, which is in until it is dropped.
struct Guest(Room);

impl Room {
    fn enter(&self) -> Guest {
        let (now, most, ever) = &*self.0;
        ever.fetch_add(1, Ordering::SeqCst);
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Guest(self.clone())
    }

    fn now(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    fn ever(&self) -> usize {
        self.0.2.load(Ordering::SeqCst)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A name of this test on this runtime, as tests that run at the same time share semaphores.
fn name<E: Env>(test: &str) -> String {
    format!("{test} on {}", std::any::type_name::<E>())
}
