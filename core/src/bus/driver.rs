//! The future that drives a bus.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::pin::Pin;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use super::share;
use super::shared::BusShared;
use super::turn::Clock;
use crate::runtime::Timer;
use crate::time::Instant;

/// Drives one bus: polls its handlers and keeps its deadlines.
///
/// It ends when the last [`EventBus`](super::EventBus) was dropped and everything dispatched has
/// completed. The adapter spawns it;
/// [`EventBusBuilder::with_driver`](super::EventBusBuilder::with_driver) hands it to users who poll
/// it themselves.
///
/// # Cancel safety
/// Dropping it stops the bus: what runs is aborted, what is queued is cancelled, and every waiter is
/// woken. Events that were forwarded go on elsewhere, without the deadlines that this bus kept for them.
///
/// # Examples
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// struct Tick;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let (bus, driver) = busway::builder("main").with_driver();
/// bus.on(|_: EventHandle<Tick>| {});
/// let driver = tokio::spawn(driver); // any executor will do
/// let tick = bus.run(Tick).await?;
/// assert!(tick.check().is_ok());
///
/// drop(bus);
/// driver.await?;
/// # Ok(()) }
/// ```
#[must_use = "a bus is driven by polling its driver"]
pub struct Driver {
    bus: Arc<BusShared>,
    timer: Option<Pin<Box<dyn Timer>>>,
    set_to: Instant,
    has_ended: bool,
}

impl Driver {
    pub(crate) fn new(bus: Arc<BusShared>) -> Self {
        Self { bus, timer: None, set_to: Instant::FAR, has_ended: false }
    }

    /// True if the deadline has passed; otherwise the task will be woken then.
    fn is_due(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        self.bus.armed.store(deadline.as_nanos(), Ordering::SeqCst);
        let Ok(latched) = self.bus.hub.runtime() else { return false };
        if deadline == Instant::FAR {
            return false;
        }
        // Timers may be late (tokio's obeys the cooperative budget), so look at the clock first.
        if latched.runtime.now() >= deadline {
            return true;
        }
        let timer = self.timer.get_or_insert_with(|| latched.runtime.timer());
        if self.set_to != deadline {
            self.set_to = deadline;
            timer.as_mut().reset(deadline);
        }
        let fired = timer.as_mut().poll(cx).is_ready();
        if fired {
            self.set_to = Instant::FAR;
        }
        fired
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.bus.driver.register(cx.waker());
        this.bus.driver_is_up();
        let Ok(latched) = this.bus.hub.runtime() else {
            // Nothing was dispatched yet: the first dispatch finds the runtime and wakes us.
            return this.poll_closed();
        };
        // Until our timer is set, any task that finds a deadline tells us.
        this.bus.armed.store(Instant::FAR.as_nanos(), Ordering::SeqCst);
        let clock = if latched.runtime.is_current() { Clock::Here } else { Clock::Elsewhere };
        let end = share::uncounted(|| this.bus.take_turn(latched, clock, || false));
        // If another task has the turn, it sees at its end that our timer is not set, and tells us.
        // If there was more to do, we were told.
        if let Some(deadline) = end.idle_until
            && this.is_due(deadline, cx)
        {
            this.bus.notify();
        }
        this.poll_closed()
    }
}

impl Driver {
    fn poll_closed(&mut self) -> Poll<()> {
        if self.bus.end_if_closed() {
            self.has_ended = true;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.has_ended {
            self.bus.abandon();
        }
        // The task is over, so its waker must not outlive it here.
        drop(self.bus.driver.take());
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("bus", &self.bus.key).finish_non_exhaustive()
    }
}
