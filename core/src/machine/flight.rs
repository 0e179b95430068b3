//! An invocation in flight: it has started, and no input since then concerns what runs. Most
//! invocations end first, so the books only record how they ended.
//!
//! Inputs that concern what runs first put the invocation in flight into the books, with
//! [`land`](Machine::land). [`finish`](Machine::finish) ends it, and those that change at most what may
//! start leave it as it is: the dispatch of a root event, registrations, watches, reservations, and
//! events written or read. A bus with a flight is ready and will be asked for work, so no input checks
//! what could start there.

use alloc::sync::Arc;

use super::config::{Limit, Overrides};
use super::event_state::{EventState, Visit, VisitState};
use super::hand::Hand;
use super::output::{Beside, Done, Results, Run};
use super::registry::Handler;
use super::results::{EventStatus, HandlerInfo, Outcome, Row};
use super::said::Said;
use super::schedule::begin_work;
use super::state::{BusIx, BusState, EventIx, Timer, VisitIx, WorkIx};
use super::work::{Invocation, Work};
use super::{InvocationKey, Machine};
use crate::time::{Instant, Nanos};

/// An invocation of a running visit.
pub(super) struct Flight {
    pub(super) invocation: InvocationKey,
    pub(super) handler: Arc<HandlerInfo>,
    pub(super) visit: VisitIx,
    pub(super) bus: BusIx,
    pub(super) limit: Nanos,
    pub(super) started_at: Instant,
    /// Set if there are several handlers. A visit with one handler has no work yet, and keeps its place
    /// in the queue of its bus.
    pub(super) of: Option<OfSeveral>,
}

/// One of several handlers, counted as live in the work of their visit.
pub(super) struct OfSeveral {
    pub(super) work: WorkIx,
    pub(super) handler: u32,
}

/// Where what is next on a bus goes, for a caller that asks for it now.
pub(super) struct NextOn<'a, P, H> {
    pub(super) bus: BusIx,
    pub(super) hand: &'a mut Hand<P, H>,
}

/// An ended invocation of the only handler of an event that waits for nothing else.
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
        visit: VisitIx,
        handler: Arc<Handler<H>>,
        hand: &mut Hand<P, H>,
    ) {
        let (stay, event) = self.entries.home_mut(visit.cast());
        event.begin_to_run(self.now);
        stay.begin_to_run();
        self.launch(visit, handler, Beside::Nobody, None, hand);
        // It takes no hub slot, so other buses may have it.
        self.call_lines();
    }

    /// Puts a handler of a running visit in flight, and sets what to run.
    #[inline(always)]
    pub(super) fn launch(
        &mut self,
        visit: VisitIx,
        handler: Arc<Handler<H>>,
        beside: Beside,
        of: Option<OfSeveral>,
        hand: &mut Hand<P, H>,
    ) {
        let Self { buses, entries, invocations, now, .. } = self;
        let key = entries.key_of(visit);
        let (&Visit { bus, .. }, event) = entries.pair(visit);
        let of_event = event.overrides.as_ref().map_or(Limit::Inherit, |own| own.limit);
        let limit = Limit::resolve(handler.limit, of_event, buses[bus].limit);
        let (invocation, info) = (invocations.foretell(), handler.info.clone());
        self.flight =
            Some(Flight { invocation, handler: info, visit, bus, limit, started_at: *now, of });
        let payload = event.payload().clone();
        hand.run = Some(Run { invocation, event: key, beside, payload, handler });
    }

    /// Puts the invocation in flight into the books.
    #[inline(always)]
    pub(super) fn land(&mut self) {
        if self.flight.is_some() {
            self.enter();
        }
    }

    #[inline(never)]
    fn enter(&mut self) {
        let flight = self.flight.take();
        let Some(Flight { invocation, handler, visit, bus: ix, limit, started_at, of }) = flight
        else {
            return;
        };
        let Self { buses, entries, works, invocations, hub_slot, .. } = self;
        let bus = &mut buses[ix];
        let (work, index) = match of {
            Some(OfSeveral { work, handler }) => {
                let work = &mut works[work];
                work.live -= 1;
                (work, handler)
            }
            None => {
                bus.queue.remove(entries, visit);
                bus.started.push_back(entries, visit);
                let (key, work) = works.renew();
                begin_work(bus, hub_slot, entries.home_mut(visit.cast()), (key.ix(), work), 1);
                work.next = 1;
                (work, 0)
            }
        };
        let place = (work.rows.len() as u32, index);
        work.rows.push(Row { started_at: Some(started_at), ..Row::pending(handler) });
        let mut alarm = Instant::FAR;
        work.enter(invocations, invocation, |entry| {
            entry.begin(visit, &entries[visit], place, limit, started_at);
            alarm = entry.alarm(bus.slow_after);
        });
        if alarm != Instant::FAR {
            self.set_timer(ix, alarm, Timer::Invocation(invocation.ix()));
        }
    }

    /// Takes the invocation, if its event waits for nothing else. It is no longer in the books then.
    #[inline(always)]
    pub(super) fn take_alone(&mut self, invocation: InvocationKey) -> Option<Alone> {
        if self.flight.as_ref().is_some_and(|flight| self.is_slow(flight)) {
            self.land();
        }
        match self.flight.take_if(|flight| flight.invocation == invocation) {
            Some(Flight { visit, bus, handler, of: None, .. }) => {
                self.buses[bus].queue.remove(&mut self.entries, visit);
                Some(Alone { visit, bus, handler })
            }
            None => {
                self.land();
                self.leave(invocation)
            }
            one_of_several => {
                self.flight = one_of_several;
                None
            }
        }
    }

    /// Ends one of several handlers. The next one follows at once where it is `next` to run.
    #[inline(always)]
    pub(super) fn arrive(
        &mut self,
        Flight { visit, bus: ix, handler, started_at, of, .. }: Flight,
        outcome: &mut Option<Outcome<R>>,
        next: Option<NextOn<'_, P, H>>,
    ) {
        let Some(of) = of else { return };
        let Self { buses, works, now, .. } = self;
        let (bus, work) = (&mut buses[ix], &mut works[of.work]);
        let is_first = work.is_first(outcome.as_ref());
        let (started_at, completed_at) = (Some(started_at), Some(*now));
        let outcome = outcome.take();
        work.rows.push(Row { handler, started_at, completed_at, tries: 1, outcome });
        work.live -= 1;
        if is_first {
            self.end_rest(visit);
        } else if work.can_continue() {
            // Nothing else follows: the work was awake and still is, and its bus will be asked for what
            // is next.
            debug_assert!(work.awake && !work.continuing && bus.ready);
            self.follow((visit, ix, of.work), next.filter(|next| next.bus == ix));
        } else {
            self.settle(visit);
        }
    }

    /// Starts the next handler of a visit now, if it comes `next` on its bus, or when the bus is asked.
    #[inline(always)]
    fn follow(
        &mut self,
        (visit, bus, ix): (VisitIx, BusIx, WorkIx),
        next: Option<NextOn<'_, P, H>>,
    ) {
        let Self { buses, entries, works, now, .. } = self;
        let (bus, work) = (&mut buses[bus], &mut works[ix]);
        let next = next.filter(|_| bus.follows_at_once(*now));
        let follows = next.and_then(|next| Some((next.hand, work.next_to_run()?.clone())));
        let Some((hand, handler)) = follows else {
            work.continuing = true;
            return bus.continuing.push(entries.key(visit));
        };
        let (beside, of) = (work.beside(), OfSeveral { work: ix, handler: work.next });
        work.next += 1;
        work.live += 1;
        self.launch(visit, handler, beside, Some(of), hand);
        // It runs, as its slots already count; other buses may use the hub's.
        self.call_lines();
    }

    /// Takes a landed invocation out of the books again, if its event waits for nothing else.
    #[inline(never)]
    fn leave(&mut self, invocation: InvocationKey) -> Option<Alone> {
        let ix = self.invocations.find(invocation)?;
        self.tell_if_slow(ix);
        let Invocation { visit, bus, work, event, tries, .. } = self.invocations[ix];
        let Work { handlers, waiting, .. } = &self.works[work];
        // After other tries, the row has to be kept to count them.
        let is_only_one = handlers.is_none() && tries == 1 && self.entries[visit].next.is_none();
        let is_last = *waiting == 0 && self.entries[event].open == 1;
        if !is_only_one || !is_last {
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

    /// Ends an event that waits for nothing more, after its only handler. Its completion goes to `end`.
    #[inline(always)]
    pub(super) fn end_alone(
        &mut self,
        Alone { visit, bus: ix, handler }: Alone,
        outcome: &mut Option<Outcome<R>>,
        end: impl FnOnce(&mut Said<P, R, H>, Done<'_, P, R>),
    ) {
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
        end(
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
    }

    /// The invocation in flight of an event.
    pub(super) fn flight_for(&self, event: EventIx) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.visit == event.home())
    }

    /// This invocation, if it is in flight.
    pub(super) fn flight_of(&self, invocation: InvocationKey) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.invocation == invocation)
    }

    /// The invocation in flight on a bus.
    #[inline]
    pub(super) fn flight_on(&self, bus: BusIx) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.bus == bus)
    }

    /// Whether the invocation in flight has run for so long that somebody has to be told.
    #[inline]
    fn is_slow(&self, flight: &Flight) -> bool {
        self.buses[flight.bus].is_slow(flight.started_at, self.now)
    }

    /// When the invocation in flight has to be checked.
    pub(super) fn alarm(&self, flight: &Flight) -> Option<Instant> {
        let slow_after = self.buses[flight.bus].slow_after;
        (flight.started_at + flight.limit.min(slow_after)).known()
    }
}

impl Flight {
    /// When it has to end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.started_at + self.limit).known()
    }

    pub(super) fn row<R>(&self) -> Row<R> {
        Row { started_at: Some(self.started_at), ..Row::pending(self.handler.clone()) }
    }

    /// Whether its visit still has its place in the queue of its bus.
    pub(super) fn is_in_queue(&self) -> bool {
        self.of.is_none()
    }
}

/// Returns whether the only handler of a visit can run without entering the books: the visit excludes
/// others as its bus does by default, the handler is not retried, and its event waits for nothing else.
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

/// Does the same for the next of several handlers: no other one is live, and it is not retried. Only
/// for the home bus, since there its row follows the existing ones.
#[inline(always)]
pub(super) fn may_fly_in_turn<P, R, H>(
    visit: VisitIx,
    stay: &Visit,
    event: &EventState<P>,
    work: &Work<R, H>,
) -> bool {
    let is_at_home = stay.event.home() == visit;
    let is_tried_once = event.overrides.as_deref().is_none_or(|own| own.retries.is_none());
    is_at_home && !work.parallel && is_tried_once
}
