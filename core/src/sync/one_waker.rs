//! The waker of a single waiter.

use core::task::Waker;

use super::Mutex;

/// A place for one waker. Wakers are user code: none is cloned, woken or dropped under the lock. If
/// one of these panics, the place is as it was or as it was to be. (That of `futures` is never free
/// again after such a panic.)
pub(crate) struct OneWaker(Mutex<Option<Waker>>);

impl OneWaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Registers this waker in place of the one before. The caller looks again afterwards.
    pub(crate) fn register(&self, waker: &Waker) {
        let is_there = self.0.lock().as_ref().is_some_and(|there| there.will_wake(waker));
        if !is_there {
            let waker = waker.clone();
            let replaced = self.0.lock().replace(waker);
            drop(replaced);
        }
    }

    pub(crate) fn take(&self) -> Option<Waker> {
        self.0.lock().take()
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }
}

impl Default for OneWaker {
    fn default() -> Self {
        Self::new()
    }
}
