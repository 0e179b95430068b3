//! Runs the [busway](busway_core) event bus on async-std.
//!
//! ```
//! use busway_async_std::AsyncStd;
//! use busway_core::EventBus;
//!
//! let bus = EventBus::builder("main").runtime(AsyncStd::new()).build();
//! # drop(bus);
//! ```
//!
//! async-std is **discontinued upstream** in favour of smol. This adapter works and is tested. New code
//! should use `busway-smol`, and existing code can: timers and I/O are async-io's in both.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant as StdInstant;

use busway_core::{Instant, Runtime, SystemClock, Task, Timer};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// async-std's global executor, for a bus or a hub.
///
/// A task that awaits an event of the bus, on any thread, may run its handlers meanwhile:
/// `async_std::task::spawn`, timers and I/O work anywhere.
#[derive(Clone, Debug)]
pub struct AsyncStd {
    clock: SystemClock,
}

impl AsyncStd {
    /// Returns the global executor, which starts its own threads when first needed.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: SystemClock::new() }
    }
}

impl Default for AsyncStd {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for AsyncStd {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(AsyncStdTimer { epoch: self.clock.epoch(), timer: async_io::Timer::never() })
    }

    fn spawn(&self, task: Task) {
        // Dropping the handle detaches the task.
        drop(async_std::task::spawn(task));
    }

    fn is_current(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct AsyncStdTimer {
    epoch: StdInstant,
    timer: async_io::Timer,
}

impl Timer for AsyncStdTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        // A deadline beyond the clock's range never comes.
        match self.epoch.checked_add(at.since(Instant::EPOCH)) {
            Some(deadline) => self.timer.set_at(deadline),
            None => self.timer = async_io::Timer::never(),
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.timer).poll(cx).map(|_fired_at| ())
    }
}
