//! Runs the [busway](busway_core) event bus on tokio.
//!
//! ```
//! use busway_core::EventBus;
//! use busway_tokio::Tokio;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let bus = EventBus::builder("main").runtime(Tokio::current()?).build();
//! # drop(bus);
//! # Ok::<(), busway_core::NoRuntime>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The runtime must have its time driver enabled (`enable_time` or `enable_all`). Without it, the first
//! handler that does not end at once stops the bus with tokio's panic. A retry policy around a function
//! panics in its caller as soon as it would wait: for a slot, for a try that has a timeout, or between
//! two tries.
//!
//! A wait with a limit ([`wait_for`](busway_core::EventHandle::wait_for)) that is polled outside of the
//! bus's runtime sleeps in a task of that runtime: while nobody polls a current-thread runtime, no limit
//! passes. When the runtime shuts down, its buses stop. A wait with a limit that is polled in another
//! tokio runtime then goes on with that one's timer. Outside of all runtimes, its limit counts as passed.
//!
//! The clock is the system's ([`SystemClock`]). Where tokio is built with its `test-util`, it is
//! tokio's, and follows a paused clock (`start_paused`).
//!
//! A task that awaits an event may poll the bus's handlers. Inside a `LocalSet`, handlers that call
//! `block_in_place` then fail.
//!
//! This crate is **not** needed to use a bus from tokio when another runtime drives it: dispatching and
//! awaiting work from anywhere.

mod pause;
mod timer;

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use busway_core::{Instant, NoRuntime, Runtime, SystemClock, Task, Timer};
use tokio::runtime::Handle;
use tokio::time::Instant as TokioInstant;

use self::timer::TokioTimer;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A tokio runtime, current-thread or multi-thread, for a bus or a hub.
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
    epoch: TokioInstant,
    /// The clock that tokio reads too. `None` where tokio is built with its `test-util`: then tokio
    /// reads the clock of the current runtime, which may be paused.
    clock: Option<SystemClock>,
}

impl Tokio {
    /// Returns the runtime this is called in.
    ///
    /// # Errors
    /// It is called outside of a runtime.
    pub fn current() -> Result<Self, NoRuntime> {
        Handle::try_current().map(Self::new).map_err(|_outside| NoRuntime::new())
    }

    /// Returns the runtime of this handle. May be called from anywhere.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let clock = (!pause::is_built_in()).then(SystemClock::new);
        let epoch = clock.map_or_else(
            || {
                // Enter the runtime, so that a paused clock is read.
                let _inside = handle.enter();
                TokioInstant::now()
            },
            |clock| TokioInstant::from_std(clock.epoch()),
        );
        Self { handle, epoch, clock }
    }

    /// Returns whether the runtime was shut down: it runs nothing any more.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        // The handle does not say, but such a runtime drops its tasks at once.
        let probe = self.handle.spawn(pending::<()>());
        let is_dropped = probe.is_finished();
        probe.abort();
        is_dropped
    }

    /// Returns [`Tokio::current`], for builders that ask for a runtime when they need it.
    ///
    /// # Errors
    /// It is called outside of a runtime.
    pub fn latch() -> Result<Arc<dyn Runtime>, NoRuntime> {
        let runtime: Arc<dyn Runtime> = Arc::new(Self::current()?);
        Ok(runtime)
    }
}

impl Runtime for Tokio {
    fn now(&self) -> Instant {
        // Enter the runtime, so that a paused clock is read.
        let is_elsewhere = self.clock.is_none() && !self.is_current();
        let _inside = is_elsewhere.then(|| self.handle.enter());
        self.now_here()
    }

    fn now_here(&self) -> Instant {
        match &self.clock {
            Some(clock) => clock.now(),
            None => Instant::EPOCH + TokioInstant::now().saturating_duration_since(self.epoch),
        }
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(TokioTimer::new(self.handle.clone(), self.epoch))
    }

    fn spawn(&self, task: Task) {
        // The driver reports its own end; nobody joins it.
        drop(self.handle.spawn(task));
    }

    fn is_current(&self) -> bool {
        is_current(&self.handle)
    }
}

/// Whether this is the runtime of the current thread.
fn is_current(runtime: &Handle) -> bool {
    Handle::try_current().is_ok_and(|current| current.id() == runtime.id())
}
