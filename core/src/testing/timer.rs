//! Timers of virtual time.

use alloc::sync::Arc;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::executor::{Shared, TimerKey};
use crate::runtime::Timer;
use crate::time::Instant;

pub(super) struct TestTimer {
    shared: Arc<Shared>,
    at: Instant,
    /// The key under which its waker waits.
    key: Option<TimerKey>,
}

impl TestTimer {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, at: Instant::FAR, key: None }
    }

    fn clear(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.clear_timer(key);
        }
    }
}

impl Timer for TestTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.clear();
        self.at = at;
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.at == Instant::FAR {
            return Poll::Pending;
        }
        if self.shared.state().now >= self.at {
            self.clear();
            return Poll::Ready(());
        }
        self.key = Some(self.shared.set_timer(self.at, self.key, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for TestTimer {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for TestTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTimer").field("at", &self.at).finish_non_exhaustive()
    }
}
