//! Waiting, measured by a runtime's clock.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use crate::runtime::{Runtime, Timer};
use crate::time::Instant;

/// A runtime, and the one timer that a call needs from it.
pub(crate) struct Clock {
    runtime: Arc<dyn Runtime>,
    timer: Option<Pin<Box<dyn Timer>>>,
}

/// The time ran out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Clock {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, timer: None }
    }

    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// Runs a future until `deadline` at most.
    pub(crate) async fn until<F: Future>(
        &mut self,
        deadline: Option<Instant>,
        mut future: Pin<&mut F>,
    ) -> Result<F::Output, Elapsed> {
        let Some(deadline) = deadline else { return Ok(future.await) };
        let mut is_set = false;
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.has_come(deadline, &mut is_set, cx).map(|()| Err(Elapsed)),
        })
        .await
    }

    /// Runs a future for this long at most.
    pub(crate) async fn within<F: Future>(
        &mut self,
        limit: Option<Duration>,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let deadline = limit.map(|limit| self.now() + limit);
        self.until(deadline, pin!(future)).await
    }

    /// Rests until then. It always yields once, so that a call that keeps failing at once does not hold
    /// up its thread.
    pub(crate) async fn rest(&mut self, until: Instant) {
        let (mut is_set, mut gave_way) = (false, false);
        poll_fn(|cx| {
            if core::mem::replace(&mut gave_way, true) {
                return self.has_come(until, &mut is_set, cx);
            }
            if self.now() >= until {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.has_come(until, &mut is_set, cx)
        })
        .await;
    }

    fn has_come(&mut self, at: Instant, is_set: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
        // Check the clock before the timer, which may be late.
        if self.runtime.now() >= at {
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| self.runtime.timer());
        if !core::mem::replace(is_set, true) {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}
