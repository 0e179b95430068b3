//! Events held until they are written (R42, R44).

use busway_core::machine::Cause;

use super::{BusId, EventId, Model, State, Visit, VisitId};

impl Model {
    /// Events that wait for their acceptance by a bus to be written.
    pub(crate) fn held_visits(&self) -> Vec<(BusId, EventId)> {
        let held = self.visits.iter().filter(|visit| visit.held && visit.state == State::Queued);
        held.map(|visit| (visit.bus, visit.event)).collect()
    }

    pub(crate) fn written(&mut self, bus: BusId, event: EventId) {
        if let Some(visit) = self.held_visit(bus, event) {
            self.visits[visit].held = false;
        }
    }

    pub(crate) fn not_written(&mut self, bus: BusId, event: EventId) {
        if let Some(visit) = self.held_visit(bus, event) {
            self.events[event].cause.get_or_insert(Cause::NotWritten);
            self.visits[visit].state = State::Done;
            self.settle();
        }
    }

    pub(crate) fn refuse(&mut self, bus: BusId) {
        self.buses[bus].refuses = true;
    }

    fn held_visit(&self, bus: BusId, event: EventId) -> Option<VisitId> {
        let is_it = |visit: &Visit| visit.bus == bus && visit.event == event;
        let mut held = self.visits.iter().enumerate().filter(|(_, visit)| is_it(visit));
        held.find(|(_, visit)| visit.held && visit.state == State::Queued).map(|(id, _)| id)
    }
}
