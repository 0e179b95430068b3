//! Deadlines: limits of invocations, deadlines of events, reports of slow handlers (R22, R25).

use alloc::vec::Vec;

use super::arena::Arena;
use super::entries::Entries;
use super::registry::Place;
use super::results::{Cause, HandlerInfo, Outcome};
use super::state::{BusIx, EventIx, InvocationIx, Timer};
use super::timers::NOWHERE;
use super::warning::Warning;
use super::work::Invocation;
use super::{BusKey, InvocationKey, InvocationTag, Machine};
use crate::time::Instant;
use alloc::sync::Arc;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Returns when [`timed_out`](Self::timed_out) next has something to do for a bus.
    #[must_use]
    #[inline]
    pub fn next_deadline(&self, bus: BusKey) -> Option<Instant> {
        self.next_deadline_on(self.buses.find(bus)?)
    }

    #[inline]
    fn next_deadline_on(&self, bus: BusIx) -> Option<Instant> {
        let next = self.buses[bus].timers.next().map(|(at, _)| at);
        match self.flight_on(bus) {
            None => next,
            Some(flight) => next.into_iter().chain(self.alarm(flight)).min(),
        }
    }

    /// Whether something on a bus is over its limit by now.
    #[inline]
    pub(super) fn is_due(&self, bus: BusIx) -> bool {
        self.next_deadline_on(bus).is_some_and(|at| at <= self.now)
    }

    /// Ends what is over its limit on this bus at `now`. Does nothing when nothing is due.
    pub fn timed_out(&mut self, bus: BusKey, now: Instant) {
        self.advance(now);
        if let Some(bus) = self.bus(bus) {
            self.end_due(bus);
        }
    }

    #[inline(never)]
    pub(super) fn end_due(&mut self, bus: BusIx) {
        self.land();
        while let Some((at, timer)) = self.buses[bus].timers.due(self.now) {
            match timer {
                Timer::Invocation(invocation) => self.invocation_is_due(invocation, at),
                Timer::Event(event) => self.event_is_due(event),
            }
        }
    }

    /// Returns when a running invocation has to end, for shells that want to show it.
    #[must_use]
    pub fn deadline(&self, invocation: InvocationKey) -> Option<Instant> {
        match self.flight_of(invocation) {
            Some(flight) => flight.deadline(),
            None => self.invocations.get(invocation)?.deadline(),
        }
    }

    /// Handles an invocation's timer that fell due at `at`. A limit that has passed since then waits
    /// for its turn among earlier timers: a late driver must not time a parent out before its child.
    fn invocation_is_due(&mut self, ix: InvocationIx, at: Instant) {
        let state = &self.invocations[ix];
        if state.rests {
            return self.wake_up(ix);
        }
        match state.limit.duration() {
            Some(limit) if state.started_at + limit <= at => {
                let ends = [(self.invocations.key(ix), Outcome::TimedOut { limit })];
                self.end_all(Vec::from(ends));
            }
            _ => {
                self.tell_slow(ix);
                self.disarm(Timer::Invocation(ix));
                self.arm(ix);
            }
        }
    }

    fn event_is_due(&mut self, event: EventIx) {
        self.disarm(Timer::Event(event));
        let mut ends = Vec::new();
        self.end_event(event, Cause::Deadline, &mut ends);
        self.end_all(ends);
    }

    /// Sets an invocation's timer, which is not set yet.
    #[inline(always)]
    pub(super) fn arm(&mut self, ix: InvocationIx) {
        let invocation = &self.invocations[ix];
        let bus = invocation.bus;
        let at = invocation.alarm(self.buses[bus].slow_after);
        if at != Instant::FAR {
            self.set_timer(bus, at, Timer::Invocation(ix));
        }
    }

    #[inline(always)]
    pub(super) fn set_timer(&mut self, bus: BusIx, at: Instant, timer: Timer) {
        let Self { buses, invocations, entries, .. } = self;
        buses[bus].timers.insert(at, timer, |timer, at| timer.stands(at, invocations, entries));
    }

    #[inline(always)]
    pub(super) fn disarm(&mut self, timer: Timer) {
        let Self { buses, invocations, entries, .. } = self;
        let (place, bus) = match timer {
            Timer::Invocation(ix) => {
                let invocation = &mut invocations[ix];
                (core::mem::replace(&mut invocation.timer, NOWHERE), invocation.bus)
            }
            Timer::Event(ix) => {
                let (stay, event) = entries.home_mut(ix);
                (core::mem::replace(&mut event.timer, NOWHERE), stay.bus)
            }
        };
        if place != NOWHERE {
            buses[bus].timers.remove(place, |timer, at| timer.stands(at, invocations, entries));
        }
    }

    /// Reports an invocation that ends, if it took too long and nobody could look meanwhile, because it
    /// held up its thread.
    #[inline]
    pub(super) fn tell_if_slow(&mut self, ix: InvocationIx) {
        let Invocation { bus, started_at, slow_told, rests, .. } = self.invocations[ix];
        if !slow_told && !rests && self.buses[bus].is_slow(started_at, self.now) {
            self.tell_slow(ix);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_slow(&mut self, ix: InvocationIx) {
        self.invocations[ix].slow_told = true;
        let Invocation { event, work, row, started_at, lends, .. } = self.invocations[ix];
        let Some(row) = self.works[work].rows.iter().nth(row as usize) else { return };
        let name = |event: EventIx| self.kinds.name_of(self.entries[event].kind).clone();
        let address = match self.handler_places.get(&row.handler.key) {
            Some((_, Place::Consumer(address) | Place::Topic(address))) => Some(address.clone()),
            _ => None,
        };
        let warning = Warning::Slow {
            handler: row.handler.clone(),
            event: self.entries.key(event),
            event_type: address.unwrap_or_else(|| name(event)),
            running: self.now.since(started_at),
            waits_for: self
                .awaited(ix)
                .map(|event| (self.entries.key(event), name(event)))
                .collect(),
            waits_for_slot: lends > 0,
        };
        self.warn(warning);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn tell_other_type(&mut self, event: EventIx, handler: &Arc<HandlerInfo>) {
        // For an unregistered handler, nothing would remove the note again.
        let registered = self.handler_places.contains_key(&handler.key);
        if registered && self.told_other_type.insert(handler.key) {
            let event_type = self.kinds.name_of(self.entries[event].kind).clone();
            let handler = handler.clone();
            self.warn(Warning::OtherTypeOfSameName { handler, event_type });
        }
    }
}

impl Timer {
    /// Records its place among the timers of its bus.
    #[inline(always)]
    pub(super) fn stands<P>(
        self,
        place: u32,
        invocations: &mut Arena<Invocation, InvocationTag>,
        entries: &mut Entries<P>,
    ) {
        match self {
            Self::Invocation(ix) => invocations[ix].timer = place,
            Self::Event(ix) => entries[ix].timer = place,
        }
    }
}
