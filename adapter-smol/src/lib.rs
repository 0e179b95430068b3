//! Runs the [busway](busway_core) event bus on smol.
//!
//! ```
//! use busway_core::EventBus;
//! use busway_smol::Smol;
//!
//! // On smol's global executor:
//! let bus = EventBus::builder("main").runtime(Smol::global()).build();
//!
//! // On one of your own, which you run:
//! let executor = std::sync::Arc::new(smol::Executor::new());
//! let other = EventBus::builder("other").runtime(Smol::on(&executor)).build();
//! smol::block_on(executor.run(async { drop((bus, other)) }));
//! ```
//!
//! smol's timers and I/O are async-io's, which has its own thread. They work wherever they are polled,
//! inside smol or not.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant as StdInstant;

use busway_core::{Instant, Runtime, SystemClock, Task, Timer};
use smol::Executor;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// smol, for a bus or a hub: its global executor, or an executor of yours.
#[derive(Clone)]
pub struct Smol {
    /// `None` for the global one.
    executor: Option<Weak<Executor<'static>>>,
    is_everywhere: bool,
    clock: SystemClock,
}

impl Smol {
    /// Returns smol's global executor, which starts its own threads when first needed.
    ///
    /// A task that awaits an event of the bus, on any thread, may run its handlers meanwhile:
    /// `smol::spawn`, timers and I/O work anywhere.
    #[must_use]
    pub fn global() -> Self {
        Self { executor: None, is_everywhere: true, clock: SystemClock::new() }
    }

    /// Uses an executor of yours.
    ///
    /// Handlers run only on the threads that run it: the adapter cannot know whether a waiting task is
    /// one of its own. See [`from_anywhere`](Self::from_anywhere).
    ///
    /// The executor is not kept alive. When its last `Arc` is dropped, its tasks are dropped too, and
    /// the buses on it are stopped.
    #[must_use]
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        let executor = Some(Arc::downgrade(executor));
        Self { executor, is_everywhere: false, clock: SystemClock::new() }
    }

    /// Lets a task that awaits an event run its handlers meanwhile, on any thread. This saves a task
    /// switch on the request path.
    #[must_use]
    pub const fn from_anywhere(mut self) -> Self {
        self.is_everywhere = true;
        self
    }
}

impl Runtime for Smol {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(SmolTimer { epoch: self.clock.epoch(), timer: smol::Timer::never() })
    }

    fn spawn(&self, task: Task) {
        match &self.executor {
            None => smol::spawn(task).detach(),
            // Without its executor the task is dropped, which stops the bus.
            Some(executor) => {
                if let Some(executor) = executor.upgrade() {
                    executor.spawn(task).detach();
                }
            }
        }
    }

    fn is_current(&self) -> bool {
        self.is_everywhere
    }
}

impl fmt::Debug for Smol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smol").field("is_global", &self.executor.is_none()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct SmolTimer {
    epoch: StdInstant,
    timer: smol::Timer,
}

impl Timer for SmolTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        // A deadline beyond the clock's range never comes.
        match self.epoch.checked_add(at.since(Instant::EPOCH)) {
            Some(deadline) => self.timer.set_at(deadline),
            None => self.timer = smol::Timer::never(),
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.timer).poll(cx).map(|_fired_at| ())
    }
}
