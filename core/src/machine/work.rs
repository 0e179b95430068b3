//! A bus's work for an event: its handlers, the running invocations, and their waits.

use alloc::sync::Arc;

use super::arena::Arena;
use super::config::{BusConfig, Completion, Concurrency, HandlerOrder};
use super::event_state::{EventState, Visit};
use super::kinds::Kind;
use super::list::{Links, List};
use super::output::Beside;
use super::registry::{Handler, Snapshot};
use super::results::{Outcome, Rows};
use super::state::{BusIx, EventIx, InvocationIx, VisitIx, WorkIx};
use super::timers::NOWHERE;
use super::{InvocationKey, InvocationTag, WaitTag, WorkTag};
use crate::time::{Instant, Nanos};

/// The handlers of one event on one bus, while they run.
pub(super) struct Work<R, H> {
    /// `None` once the visit is over, or if the only handler was handed on as it started.
    pub(super) handlers: Option<Snapshot<H>>,
    /// The next handler to start, and how many there are.
    pub(super) next: u32,
    pub(super) total: u32,
    /// Running invocations, and the waiting ones among them.
    pub(super) live: u32,
    pub(super) waiting: u32,
    pub(super) invocations: List<InvocationTag>,
    /// The kind of its event.
    kind: Kind,
    pub(super) parallel: bool,
    pub(super) concurrency: Concurrency,
    pub(super) completion: Completion,
    /// Whether it is counted in the `busy` of its slots.
    pub(super) awake: bool,
    /// Whether it is in the `continuing` queue of its bus.
    pub(super) continuing: bool,
    pub(super) rows: Rows<R>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Invocation {
    pub(super) visit: VisitIx,
    /// The work of the visit.
    pub(super) work: WorkIx,
    pub(super) event: EventIx,
    pub(super) bus: BusIx,
    pub(super) row: u32,
    /// The index of the handler among the event's.
    pub(super) handler: u32,
    pub(super) of_event: Links<InvocationTag>,
    pub(super) waits: List<WaitTag>,
    /// Its other waits, counted: they raise nothing.
    pub(super) lends: u32,
    /// The number of its current waiting for events: waits begun together raise together.
    pub(super) group: u64,
    pub(super) started_at: Instant,
    pub(super) limit: Nanos,
    pub(super) slow_told: bool,
    /// The number of this invocation in its row, from 1.
    pub(super) number: u32,
    /// The tries it makes itself; 0 while it rests.
    pub(super) tries: u32,
    /// Whether it waits to be retried; nothing runs.
    pub(super) rests: bool,
    pub(super) timer: u32,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Wait {
    pub(super) invocation: InvocationIx,
    pub(super) event: EventIx,
    /// Whether its end gives an output.
    pub(super) resumes: bool,
    pub(super) of_invocation: Links<WaitTag>,
    pub(super) of_event: Links<WaitTag>,
}

impl<R, H> Work<R, H> {
    /// Sets up the work for an event with this many handlers, with the settings of the event and the
    /// bus. Nothing is left of the previous work in this place, except that it may be in a queue.
    #[inline]
    pub(super) fn begin<P>(&mut self, handlers: usize, bus: &BusConfig, event: &EventState<P>) {
        debug_assert!(self.live == 0 && self.waiting == 0 && self.rows.is_empty());
        debug_assert!(self.handlers.is_none());
        self.next = 0;
        self.total = handlers as u32;
        self.kind = event.kind;
        let own = event.overrides.as_deref();
        let order = own.and_then(|own| own.handler_order).unwrap_or(bus.handler_order);
        self.parallel = order == HandlerOrder::Parallel;
        self.concurrency = event.concurrency(bus);
        self.completion = own.and_then(|own| own.completion).unwrap_or(bus.completion);
        self.awake = handlers > 0;
        self.continuing = false;
        self.rows.reserve(handlers);
    }

    /// Returns the next handler to start, if it is to be run.
    #[inline]
    pub(super) fn next_to_run(&self) -> Option<&Arc<Handler<H>>> {
        let next = self.handlers.as_ref()?.get(self.next as usize)?;
        next.has_row(self.kind).then_some(next)
    }

    /// Takes the next handler to start.
    #[inline]
    pub(super) fn next_handler(&mut self) -> Option<Arc<Handler<H>>> {
        let handler = self.handlers.as_ref()?.get(self.next as usize)?.clone();
        self.next += 1;
        Some(handler)
    }

    /// Puts an invocation whose key was foretold into the books.
    #[inline(always)]
    pub(super) fn enter(
        &mut self,
        invocations: &mut Arena<Invocation, InvocationTag>,
        key: InvocationKey,
        begin: impl FnOnce(&mut Invocation),
    ) {
        begin(invocations.renew_as(key));
        self.invocations.push_back(invocations, key.ix(), Invocation::of_event);
        self.live += 1;
    }

    /// What may run at the same time as one of its invocations.
    pub(super) fn beside(&self) -> Beside {
        match self.parallel || self.concurrency == Concurrency::Parallel {
            true => Beside::Others,
            false => Beside::Nobody,
        }
    }

    /// Returns whether the event ends here with one handler's outcome (R11).
    #[inline]
    pub(super) fn is_first(&self, outcome: Option<&Outcome<R>>) -> bool {
        self.completion == Completion::First && matches!(outcome, Some(Outcome::Value(_)))
    }

    /// Returns whether it has something running that does not wait, or something to start.
    #[inline]
    pub(super) fn is_awake(&self) -> bool {
        let to_start = self.next < self.total;
        match (self.parallel, self.live) {
            (true, _) => to_start || self.live > self.waiting,
            (false, 0) => to_start,
            (false, _) => self.waiting == 0,
        }
    }

    #[inline]
    pub(super) fn can_continue(&self) -> bool {
        self.next < self.total && (self.parallel || self.live == 0)
    }

    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.next == self.total && self.live == 0
    }
}

// A derived impl would ask `R` and `H` for the same trait.
impl<R, H> Default for Work<R, H> {
    fn default() -> Self {
        Self {
            handlers: None,
            next: 0,
            total: 0,
            live: 0,
            waiting: 0,
            invocations: List::default(),
            kind: Kind::UNKNOWN,
            parallel: false,
            concurrency: Concurrency::default(),
            completion: Completion::default(),
            awake: false,
            continuing: false,
            rows: Rows::new(),
        }
    }
}

impl Invocation {
    /// The first try of a handler, in this row.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        visit: VisitIx,
        stay: &Visit,
        (row, handler): (u32, u32),
        limit: Nanos,
        started_at: Instant,
    ) {
        let Visit { event, bus, .. } = *stay;
        let work = stay.work.expect("a visit whose handlers run has work");
        *self = Self {
            visit,
            work,
            event,
            bus,
            row,
            handler,
            started_at,
            limit,
            number: 1,
            tries: 1,
            timer: NOWHERE,
            ..Self::default()
        };
    }

    pub(super) fn of_event(&mut self) -> &mut Links<InvocationTag> {
        &mut self.of_event
    }

    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.lends > 0 || self.waits.first().is_some()
    }

    /// Applies a change, and updates the waiting count of its work.
    #[inline]
    pub(super) fn change_waiting<R, H>(
        &mut self,
        works: &mut Arena<Work<R, H>, WorkTag>,
        change: impl FnOnce(&mut Self),
    ) {
        let was_waiting = self.is_waiting();
        change(self);
        match (was_waiting, self.is_waiting()) {
            (false, true) => works[self.work].waiting += 1,
            (true, false) => works[self.work].waiting -= 1,
            _ => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.started_at + self.limit).known()
    }

    /// When it has to be checked: to report it as slow, or at its limit.
    #[inline]
    pub(super) fn alarm(&self, slow_after: Nanos) -> Instant {
        let slow_after = if self.slow_told { Nanos::FOR_EVER } else { slow_after };
        self.started_at + self.limit.min(slow_after)
    }
}

impl Wait {
    pub(super) fn of_invocation(&mut self) -> &mut Links<WaitTag> {
        &mut self.of_invocation
    }

    pub(super) fn of_event(&mut self) -> &mut Links<WaitTag> {
        &mut self.of_event
    }
}
