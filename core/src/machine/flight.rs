//! An invocation in flight: it has started, and nothing else has happened since. Most end before anything
//! does, and then all that is noted of them is that they have been.
//!
//! Inputs have what is in flight put into the books first, by [`land`](Machine::land). Those that do not are
//! [`finish`](Machine::finish), which ends it, and what neither asks nor changes how anything runs, such as
//! the dispatch of a root.

use alloc::sync::Arc;

use super::config::{Limit, Overrides};
use super::event_state::{EventState, Visit, VisitState};
use super::invocations::{Start, Started};
use super::output::{Beside, Done, Results, Run};
use super::registry::Handler;
use super::results::{EventStatus, HandlerInfo, Outcome, Row};
use super::said::Said;
use super::schedule::begin_work;
use super::state::{BusIx, BusState, EventIx, Timer, VisitIx};
use super::work::{Invocation, Work};
use super::{EventTag, InvocationKey, Machine};
use crate::time::{Instant, Nanos};

/// The invocation of a visit's one handler. The visit runs, without work, and has its place in the queue
/// of its bus.
pub(super) struct Flight {
    pub(super) invocation: InvocationKey,
    pub(super) handler: Arc<HandlerInfo>,
    visit: VisitIx,
    bus: BusIx,
    limit: Nanos,
}

/// An invocation that has ended, of the one handler of an event that waits for nothing else.
pub(super) struct Alone {
    visit: VisitIx,
    bus: BusIx,
    handler: Arc<HandlerInfo>,
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Starts a queued visit that has this one handler and [may fly](may_fly).
    #[inline(always)]
    pub(super) fn take_off(
        &mut self,
        bus: BusIx,
        visit: VisitIx,
        handler: Arc<Handler<H>>,
        run: &mut Option<Run<P, H>>,
    ) {
        let Self { buses, entries, invocations, now, .. } = self;
        let event_key = entries.key_of(visit);
        let (stay, event) = entries.home_mut(visit.cast());
        event.begin_to_run(*now);
        stay.begin_to_run();
        let of_event = event.overrides.as_ref().map_or(Limit::Inherit, |own| own.limit);
        let limit = Limit::resolve(handler.limit, of_event, buses[bus].limit);
        let invocation = invocations.foretell();
        self.flight = Some(Flight { invocation, visit, bus, limit, handler: handler.info.clone() });
        let (beside, payload) = (Beside::Nobody, event.payload().clone());
        *run = Some(Run { invocation, event: event_key, beside, payload, handler });
    }

    /// Puts what is in flight into the books.
    #[inline(always)]
    pub(super) fn land(&mut self) {
        if self.flight.is_some() {
            self.enter();
        }
    }

    #[inline(never)]
    fn enter(&mut self) {
        let flight = self.flight.take();
        let Some(Flight { invocation, visit, bus: ix, limit, handler }) = flight else { return };
        let Self { buses, entries, works, invocations, hub_slot, .. } = self;
        let bus = &mut buses[ix];
        bus.queue.remove(entries, visit);
        bus.started.push_back(entries, visit);
        let (stay, event) = entries.home_mut(visit.cast());
        let (key, work) = works.renew();
        begin_work(bus, hub_slot, (stay, event), (key.ix(), work), 1);
        work.next = 1;
        let start = Start { now: event.started_at, bus, visit: (visit, &*stay), work, invocations };
        let Started { invocation, alarm, .. } = start.enter(invocation, handler, 0, limit);
        if alarm != Instant::FAR {
            self.set_timer(ix, alarm, Timer::Invocation(invocation));
        }
    }

    /// The invocation, when it is all that its event waits for: it is not in the books any more then.
    #[inline(always)]
    pub(super) fn take_alone(&mut self, invocation: InvocationKey) -> Option<Alone> {
        match self.flight.take_if(|flight| flight.invocation == invocation) {
            Some(Flight { visit, bus, handler, .. }) => {
                self.buses[bus].queue.remove(&mut self.entries, visit);
                Some(Alone { visit, bus, handler })
            }
            None => {
                self.land();
                self.leave(invocation)
            }
        }
    }

    /// Takes what was in flight, and has waited meanwhile, out of the books again.
    #[inline(never)]
    fn leave(&mut self, invocation: InvocationKey) -> Option<Alone> {
        let ix = self.invocations.find(invocation)?;
        let Invocation { visit, bus, work, event, tries, .. } = self.invocations[ix];
        let Work { handlers, waiting, .. } = &self.works[work];
        let has_flown = handlers.is_none() && tries == 1;
        let is_last = *waiting == 0 && self.entries[event].open == 1;
        if !has_flown || !is_last {
            return None;
        }
        let (_, state) = self.leave_list(ix);
        let handler = state.rows.take_first()?.handler;
        self.works.remove(work);
        self.entries[visit].work = None;
        let bus_state = &mut self.buses[bus];
        bus_state.started.remove(&mut self.entries, visit);
        bus_state.slot.busy -= 1;
        bus_state.slot.occupied -= 1;
        Some(Alone { visit, bus, handler })
    }

    /// Ends an event that waits for nothing any more, after its one handler. What is said of it is made
    /// of it where it lies.
    #[inline(always)]
    pub(super) fn end_alone<C>(
        &mut self,
        Alone { visit, bus: ix, handler }: Alone,
        outcome: &mut Option<Outcome<R>>,
        make: impl FnOnce(&mut Said<P, R, H>, Done<'_, P, R>) -> C,
    ) -> C {
        let Self { buses, entries, said, now, .. } = self;
        let bus = &mut buses[ix];
        let (event, key) = (visit.cast(), entries.key_of(visit));
        let (stay, state) = entries.home_mut(event);
        stay.state = VisitState::Done;
        let is_remembered = stay.remembered;
        state.open = 0;
        state.status = EventStatus::Completed;
        state.completed_at = *now;
        let EventState { started_at, counted, kin, timer, .. } = *state;
        let started_at = started_at.known();
        let made = make(
            said,
            Done {
                event: key,
                payload: state.payload(),
                started_at,
                completed_at: *now,
                cause: None,
                results: Results::One(handler, outcome),
                path: None,
            },
        );
        bus.give_capacity_back(counted);
        bus.keep_completed(entries, visit);
        let tells_of_less = bus.tells_of_less();
        let parent = self.has_completed(event, (kin, timer));
        if tells_of_less {
            self.tell_of_less(ix);
        }
        if !is_remembered {
            self.remove_event(event);
        }
        if let Some(parent) = parent {
            self.close_one(parent);
        }
        self.kick(ix);
        made
    }

    /// What is in flight of an event.
    pub(super) fn flight_for(&self, event: EventIx) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.visit == event.home())
    }

    /// This invocation, when it is in flight.
    pub(super) fn flight_of(&self, invocation: InvocationKey) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.invocation == invocation)
    }

    /// What is in flight on a bus.
    #[inline]
    pub(super) fn flight_on(&self, bus: BusIx) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.bus == bus)
    }

    /// When what is in flight has to be looked at.
    pub(super) fn alarm(&self, flight: &Flight) -> Option<Instant> {
        let slow_after = self.buses[flight.bus].slow_after;
        (self.started(flight) + flight.limit.min(slow_after)).known()
    }

    /// When what is in flight has to end.
    pub(super) fn deadline_of(&self, flight: &Flight) -> Option<Instant> {
        (self.started(flight) + flight.limit).known()
    }

    /// The row of what is in flight.
    pub(super) fn row(&self, flight: &Flight) -> Row<R> {
        let started_at = Some(self.started(flight));
        Row { started_at, ..Row::pending(flight.handler.clone()) }
    }

    fn started(&self, flight: &Flight) -> Instant {
        self.entries[flight.visit.cast::<EventTag>()].started_at
    }
}

/// Whether what one handler does for a visit may be left out of the books: it excludes others as its bus
/// has it by itself, is not tried again, and is all that its event waits for.
#[inline(always)]
pub(super) fn may_fly<P, H>(
    bus: &BusState<H>,
    visit: VisitIx,
    stay: &Visit,
    event: &EventState<P>,
) -> bool {
    let is_only_one = stay.event.home() == visit && stay.next.is_none() && event.open == 1;
    let says_nothing = |own: &Overrides| {
        let Overrides { concurrency, handler_order, retries, .. } = own;
        concurrency.is_none() && handler_order.is_none() && retries.is_none()
    };
    bus.is_serial && is_only_one && event.overrides.as_deref().is_none_or(says_nothing)
}
