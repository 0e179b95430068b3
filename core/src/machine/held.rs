//! Events held until their acceptance is written: the write-ahead journal (R42, R44).

use super::event_state::VisitState;
use super::output::Output;
use super::results::Cause;
use super::state::VisitIx;
use super::{BusKey, EventKey, Machine};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Reports that a write-ahead bus's acceptance of an event is written: the event starts when its
    /// turn comes. Spurious calls do nothing.
    pub fn written(&mut self, bus: BusKey, event: EventKey) {
        if let Some(visit) = self.held_visit(bus, event) {
            self.entries[visit].held = false;
            let bus = self.entries[visit].bus;
            self.kick(bus);
        }
    }

    /// Reports that the acceptance of an event could not be written: the bus's part of it is cancelled,
    /// with [`Cause::NotWritten`]. Spurious calls do nothing.
    pub fn not_written(&mut self, bus: BusKey, event: EventKey, now: Instant) {
        self.advance(now);
        self.land();
        let Some(visit) = self.held_visit(bus, event) else { return };
        self.end_stay(visit, Cause::NotWritten);
    }

    /// Reports that a bus can write no more: it refuses further events, and goes on with those it has.
    pub fn refuse(&mut self, bus: BusKey) {
        if let Some(bus) = self.bus(bus) {
            self.buses[bus].refuses = true;
        }
    }

    /// Returns whether an event waits on this bus for its acceptance to be written.
    #[must_use]
    pub fn is_held(&self, bus: BusKey, event: EventKey) -> bool {
        self.held_visit(bus, event).is_some()
    }

    /// An event has reached a write-ahead bus.
    #[cold]
    #[inline(never)]
    pub(super) fn hold(&mut self, visit: VisitIx) {
        self.entries[visit].held = true;
        let (event, bus) = (self.entries[visit].event, self.entries[visit].bus);
        self.say(Output::Accepted {
            bus: self.buses.key(bus),
            event: self.entries.key(event),
            payload: self.entries[event].payload().clone(),
        });
    }

    fn held_visit(&self, bus: BusKey, event: EventKey) -> Option<VisitIx> {
        let bus = self.bus(bus)?;
        let there = self.visits_of(self.entries.find(event)?);
        there.filter(|visit| self.entries[*visit].bus == bus).find(|visit| {
            let visit = &self.entries[*visit];
            visit.held && visit.state == VisitState::Queued
        })
    }
}
