//! What a bus needs from an async runtime: a clock, a timer, and somewhere to run its driver.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::time::Instant;

/// A future for a runtime to run.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An async runtime, as a value. Adapter crates implement it in about a hundred lines; so can you.
///
/// One runtime serves a hub and all its buses. The suite in `busway_core::conformance` (feature
/// `conformance`) checks an implementation; `examples/custom_runtime.rs` is one on threads. The shape
/// (`dyn`, a timer that is boxed once and then reset) is quinn's.
pub trait Runtime: Send + Sync + fmt::Debug + 'static {
    /// Returns the current time. It does not go back on one thread. If it does all the same, or between
    /// threads (because a processor reads ahead), the books of the hub take the later of two times.
    fn now(&self) -> Instant;

    /// Like [`now`](Self::now), on a thread where [`is_current`](Self::is_current) was true a moment
    /// ago: for runtimes that have to look for their clock elsewhere.
    fn now_here(&self) -> Instant {
        self.now()
    }

    /// Returns a timer that is not set. Each driver makes one, and sets it again and again.
    fn timer(&self) -> Pin<Box<dyn Timer>>;

    /// Runs a future to completion, from any thread. A runtime that is shut down may drop it instead.
    ///
    /// A task that wakes itself has to go behind the others that are ready, and so has a future that the
    /// runtime polls apart from its tasks: else drivers starve.
    fn spawn(&self, task: Task);

    /// Returns whether code polled on this thread now finds this runtime's reactor and timers. Only then
    /// does a task that waits for an event run handlers itself instead of leaving them to the driver.
    fn is_current(&self) -> bool;
}

impl<R: Runtime + ?Sized> Runtime for Arc<R> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn now_here(&self) -> Instant {
        (**self).now_here()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        (**self).timer()
    }

    fn spawn(&self, task: Task) {
        (**self).spawn(task);
    }

    fn is_current(&self) -> bool {
        (**self).is_current()
    }
}

/// A timer that can be set again. It may be sent to another thread between two polls, and is polled no
/// more once it has fired, until it is set again.
pub trait Timer: Send + fmt::Debug {
    /// Sets the timer to fire at `at`, whether it has fired or not. A time in the past fires at the
    /// next poll.
    fn reset(self: Pin<&mut Self>, at: Instant);

    /// Completes once the time has come; until then, the task is woken at that time.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;
}

impl dyn Runtime {
    /// Returns a future that completes after this time, by the runtime's clock and timer.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let mut timer = self.timer();
        timer.as_mut().reset(self.now() + duration);
        Sleep(timer)
    }
}

/// A time to pass. Made by `sleep` of a [`Runtime`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Sleep(Pin<Box<dyn Timer>>);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// There is no async runtime for a bus, or for a call that is retried, to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no async runtime: {advice}")]
pub struct NoRuntime {
    advice: &'static str,
}

impl NoRuntime {
    /// Returns the error, for adapters that find no runtime.
    #[must_use]
    pub const fn new() -> Self {
        Self::advising(
            "use `busway::bus` or `busway::builder` inside one, or give one with `.runtime(..)`",
        )
    }

    /// Returns the error with other words on what to do about it.
    #[must_use]
    pub const fn advising(advice: &'static str) -> Self {
        Self { advice }
    }
}

impl Default for NoRuntime {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a hub gets its runtime from. Asked at the first dispatch, until it gives one.
pub(crate) type RuntimeSource =
    Box<dyn Fn() -> Result<Arc<dyn Runtime>, NoRuntime> + Send + Sync + 'static>;
