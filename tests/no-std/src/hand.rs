//! A runtime without an executor: a clock that is moved by hand, and a loop that polls.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use busway_core::{Driver, EventBus, Hub, Instant, Runtime, Task, Timer};

/// The clock. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Hand {
    nanos: Arc<AtomicU64>,
    helps: bool,
}

/// Rounds of the loop after which it gives up.
const TOO_LONG: usize = 10_000;
const TICK: Duration = Duration::from_millis(1);

impl Hand {
    /// `helps`: whether a task that waits for an event polls handlers itself.
    pub fn new(helps: bool) -> Self {
        Self { nanos: Arc::default(), helps }
    }

    pub fn hub(&self) -> Hub {
        Hub::builder().runtime(self.clone()).build()
    }

    /// A bus and its driver.
    pub fn bus(&self) -> (EventBus, Driver) {
        EventBus::builder("main").runtime(self.clone()).with_driver()
    }

    /// Polls the drivers and the future until the future has ended, while time passes.
    pub fn run<F: Future>(&self, drivers: &mut [&mut Driver], future: F) -> F::Output {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..TOO_LONG {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            for driver in &mut *drivers {
                let _ = Pin::new(&mut **driver).poll(&mut cx);
            }
            self.nanos.fetch_add(TICK.as_nanos() as u64, Ordering::SeqCst);
        }
        panic!("it hangs");
    }
}

impl Runtime for Hand {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(HandTimer { clock: self.clone(), at: Instant::FAR })
    }

    fn spawn(&self, _: Task) {
        panic!("every bus here has a driver that is polled by hand");
    }

    fn is_current(&self) -> bool {
        self.helps
    }
}

#[derive(Debug)]
struct HandTimer {
    clock: Hand,
    at: Instant,
}

impl Timer for HandTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.at = at;
    }

    /// Wakes nobody: the loop polls everything in every round.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.at { Poll::Ready(()) } else { Poll::Pending }
    }
}
