//! Waiting for an event's completion: inside a handler with a wait of the machine, outside with a waker.

use alloc::sync::Arc;
use core::task::{Context, Poll, ready};

use super::context::{self, Claim, Poller};
use super::error::WaitError;
use super::record::Head;
use super::share;
use super::shared::{BusShared, Latched};
use super::turn::{Clock, TurnEnd};
use super::wakers::Seat;
use crate::machine::{InvocationKey, WaitKey, Waiting};

/// A handle to wait with, given back at the end of the wait.
pub(crate) trait Awaited {
    fn head(&self) -> &Head;
    /// The invocation that waits, where the thread does not know it.
    fn claim(&self) -> Claim;
}

/// One wait, from its first poll to its end or its drop.
pub(crate) struct Waiter<T: Awaited> {
    /// `None` once it was given back.
    handle: Option<T>,
    place: Registered,
}

/// What a wait has registered elsewhere.
#[derive(Default)]
struct Registered {
    /// The seat of our waker in the record.
    seat: Option<Seat>,
    /// The wait of the invocation that polls us.
    wait: Option<WaitKey>,
    /// The invocation that the machine was told of.
    noted: Option<InvocationKey>,
    manner: Manner,
}

/// What a wait does besides waiting.
// As wide as a word: a wait is moved often, and a `bool` in it would be moved separately.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[repr(u64)]
enum Manner {
    #[default]
    Plain,
    /// Its end makes the waiting invocation be polled again.
    Resumes,
    /// Its first poll yields to other tasks.
    GivesWay,
    /// Its last poll yielded.
    HasGivenWay,
}

const NOT_AFTER: &str = "a wait is not polled after its end";

impl<T: Awaited> Waiter<T> {
    pub(crate) fn new(handle: T) -> Self {
        Self { handle: Some(handle), place: Registered::default() }
    }

    /// For an event that the waiter has helped to run. If the event is done already, and the waiter
    /// has done so much that it has to yield, then yielding is all this does at first: there is
    /// nothing left to be told of.
    #[inline]
    pub(crate) fn after_help(handle: T) -> Self {
        let head = handle.head();
        let gives_way = head.is_complete() && share::gives_way();
        let manner = if gives_way { Manner::GivesWay } else { Manner::Plain };
        Self { handle: Some(handle), place: Registered { manner, ..Registered::default() } }
    }

    pub(crate) fn handle(&self) -> Option<&T> {
        self.handle.as_ref()
    }

    // The shape of `Future::poll`.
    #[inline]
    #[allow(clippy::needless_pass_by_ref_mut)]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, WaitError>> {
        let handle = self.handle.as_ref().expect(NOT_AFTER);
        if let Err(error) = ready!(self.place.poll(handle.head(), handle.claim(), cx)) {
            self.leave();
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(self.handle.take().expect(NOT_AFTER)))
    }

    #[cold]
    fn leave(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.place.leave(handle.head());
        }
    }
}

impl<T: Awaited> Drop for Waiter<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            self.place.leave(handle.head());
        }
    }
}

impl Registered {
    /// Ready when the wait is over. If not, our waker is registered, or our poller is polled again.
    fn poll(&mut self, head: &Head, claim: Claim, cx: &Context<'_>) -> Poll<Result<(), WaitError>> {
        ready!(share::yield_for_tasks(cx));
        let bus = &head.bus;
        match self.manner {
            Manner::GivesWay => {
                self.manner = Manner::HasGivenWay;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Manner::HasGivenWay => {
                self.manner = Manner::Plain;
                share::renew();
            }
            Manner::Plain | Manner::Resumes => {}
        }
        if self.is_over(head) {
            return Poll::Ready(Ok(()));
        }
        let mut is_resumed = false;
        let poller = context::poller(&bus.hub, claim);
        if !matches!(poller, Poller::Invocation(..)) && self.noted.take().is_some() {
            // The wait has left the handler it belonged to.
            self.end_wait(bus);
        }
        match poller {
            Poller::Invocation(invocation, waker) => {
                let is_own = waker.is_some_and(|own| own.get() == cx.waker().data().addr());
                self.note(head, invocation, is_own)?;
                is_resumed = is_own && self.manner == Manner::Resumes && self.wait.is_some();
            }
            // No help while an invocation is polled on this thread.
            Poller::Handler => bus.pass_on(),
            Poller::Task if share::gives_way() => {
                self.manner = Manner::HasGivenWay;
                bus.pass_on();
                cx.waker().wake_by_ref();
            }
            Poller::Task => bus.help(head),
        }
        let is_over = self.is_over(head)
            || (!is_resumed && head.register(cx.waker(), &mut self.seat) && self.is_over(head));
        if is_over { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn is_over(&mut self, head: &Head) -> bool {
        let is_over = head.is_complete();
        if is_over {
            // Completion took the waker and ended the wait.
            self.seat = None;
            self.wait = None;
        }
        is_over
    }

    /// Tells the machine, once, that this invocation waits. A wait belongs to the invocation that
    /// polls it, and no longer to one that did before.
    #[inline(never)]
    fn note(
        &mut self,
        head: &Head,
        invocation: InvocationKey,
        resumes: bool,
    ) -> Result<(), WaitError> {
        if self.noted == Some(invocation) {
            return Ok(());
        }
        self.end_wait(&head.bus);
        let event = head.key();
        // The error is kept apart, so that the usual answer is two words.
        let mut error = None;
        let waiting = head.bus.hub.input(|hub| {
            let waiting = hub.books.begin_wait(invocation, event, resumes);
            waiting.unwrap_or_else(|deadlock| {
                error = Some(WaitError::deadlock(&hub.books, &deadlock));
                Waiting::Nobodys
            })
        });
        if let Some(error) = error {
            return Err(error);
        }
        self.noted = Some(invocation);
        self.manner = if resumes { Manner::Resumes } else { Manner::Plain };
        if let Waiting::Begun(wait) = waiting {
            self.wait = Some(wait);
        }
        Ok(())
    }

    fn leave(&mut self, head: &Head) {
        if let Some(seat) = self.seat.take() {
            head.unregister(seat);
        }
        self.end_wait(&head.bus);
    }

    fn end_wait(&mut self, bus: &BusShared) {
        if let Some(wait) = self.wait.take() {
            bus.hub.input(|hub| hub.books.end_wait(wait));
        }
    }
}

impl BusShared {
    /// Until an event is done, runs what is ready instead of sleeping until the driver is scheduled.
    fn help(self: &Arc<Self>, head: &Head) {
        match self.hub.latched().filter(|latched| latched.runtime.is_current()) {
            None => self.pass_on(),
            Some(latched) => {
                let end = self.take_turn(latched, Clock::Here, || head.is_complete());
                self.turn_ended(end);
            }
        }
    }

    /// The runtime, if a task that waits on this thread may work for the bus now.
    pub(crate) fn helper(&self) -> Option<&Latched> {
        if context::is_in_handler() {
            return None;
        }
        self.hub.runtime().ok().filter(|latched| latched.runtime.is_current())
    }

    /// Tells the driver of what is left, if it does not know.
    pub(crate) fn turn_ended(self: &Arc<Self>, end: TurnEnd) {
        let Some(deadline) = end.idle_until else { return };
        // Events in flight need a driver: if that is dropped, their waiters are told.
        if deadline < self.armed() || (end.goes_on && !self.is_driven()) {
            self.wake_driver();
        }
    }
}
