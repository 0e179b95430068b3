//! Waiting for an event's completion: inside a handler a wait of the machine, outside a waker.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use super::context::{self, Claim, Poller};
use super::error::WaitError;
use super::record::Erased;
use super::shared::BusShared;
use super::turn::TurnEnd;
use super::wakers::Seat;
use crate::machine::{InvocationKey, WaitKey, Waiting};

/// One wait, from its first poll to its end or its drop.
pub(crate) struct Waiter {
    record: Arc<dyn Erased>,
    bus: Arc<BusShared>,
    /// Where our waker stands in the record.
    seat: Option<Seat>,
    /// The wait of the invocation that polls us.
    wait: Option<WaitKey>,
    /// Whose wait it is, where the thread does not know.
    claim: Claim,
    /// The invocation that has been told of.
    noted: Option<InvocationKey>,
}

impl Waiter {
    pub(crate) fn new(record: Arc<dyn Erased>, bus: Arc<BusShared>, claim: Claim) -> Self {
        Self { record, bus, seat: None, wait: None, claim, noted: None }
    }

    // The shape of `Future::poll`.
    #[allow(clippy::needless_pass_by_ref_mut)]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WaitError>> {
        if self.is_over() {
            return Poll::Ready(Ok(()));
        }
        match context::poller(&self.bus.hub, self.claim) {
            Poller::Invocation(invocation) => self.note(invocation)?,
            // Never while an invocation is polled on this thread.
            Poller::Handler => self.bus.pass_on(),
            Poller::Task if self.bus.has_helped_enough() => {
                // A task that finds every event done at its first poll never gives way to others.
                self.bus.pass_on();
                cx.waker().wake_by_ref();
            }
            Poller::Task => self.help(),
        }
        if self.is_over() || self.record.head().register(cx.waker(), &mut self.seat) {
            self.is_over();
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn is_over(&mut self) -> bool {
        let is_over = self.record.head().is_complete();
        if is_over {
            // Completion took the waker and ended the wait.
            self.seat = None;
            self.wait = None;
        }
        is_over
    }

    /// Tells the machine, once, that this invocation waits. A wait is whose polls it: it is not any
    /// more that of another one which did before.
    fn note(&mut self, invocation: InvocationKey) -> Result<(), WaitError> {
        if self.noted == Some(invocation) {
            return Ok(());
        }
        self.end_wait();
        let event = self.record.head().key();
        let waiting = self.bus.hub.input(|hub| {
            let waiting = hub.books.wait(invocation, event);
            waiting.map_err(|deadlock| WaitError::deadlock(&hub.books, &deadlock))
        })?;
        self.noted = Some(invocation);
        if let Waiting::Begun(wait) = waiting {
            self.wait = Some(wait);
        }
        Ok(())
    }

    /// Runs what is ready on the bus instead of sleeping until its driver is scheduled.
    fn help(&self) {
        let Some(latched) = self.bus.hub.latched().filter(|latched| latched.runtime.is_current())
        else {
            return self.bus.pass_on();
        };
        let head = self.record.head();
        match self.bus.take_turn(latched, || head.is_complete()) {
            TurnEnd::Taken => {}
            TurnEnd::MoreToDo => {
                if !head.is_complete() {
                    self.bus.helped.fetch_add(FULL_TURN, Ordering::Relaxed);
                }
                self.bus.wake_driver();
            }
            TurnEnd::Idle(deadline) if deadline < self.bus.armed() => self.bus.wake_driver(),
            // What goes on needs somebody whose end is told to those who wait for it.
            TurnEnd::Idle(_) if !self.bus.is_driven() && self.bus.goes_on() => {
                self.bus.wake_driver();
            }
            TurnEnd::Idle(_) => {}
        }
    }

    fn end_wait(&mut self) {
        if let Some(wait) = self.wait.take() {
            self.bus.hub.input(|hub| hub.books.end_wait(wait));
        }
    }
}

/// Waits that may help, with the driver not being polled in between, before one has to give way.
const ENOUGH: u32 = 256;
/// A turn that is used up counts for as many.
const FULL_TURN: u32 = 64;

impl BusShared {
    /// Counts those who help; it does not matter when some are not counted.
    fn has_helped_enough(&self) -> bool {
        let helped = self.helped.load(Ordering::Relaxed) + 1;
        self.helped.store(if helped > ENOUGH { 0 } else { helped }, Ordering::Relaxed);
        helped > ENOUGH
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.record.head().unregister(seat);
        }
        self.end_wait();
    }
}
