//! What each bus remembers (R29).

use super::{BusId, EventId, Model, VisitId};

impl Model {
    pub(super) fn remember(&mut self, visit: VisitId) {
        let bus = self.visits[visit].bus;
        self.buses[bus].history.push(visit);
        self.forget_surplus(bus);
    }

    pub(super) fn forget_surplus(&mut self, bus: BusId) {
        let Some(limit) = self.buses[bus].config.max_history else { return };
        while let Some(victim) = self.first_to_go(bus, limit) {
            self.forget(victim);
        }
        while let Some(victim) = self.first_request_to_go(bus, limit) {
            self.forget(victim);
        }
    }

    pub(super) fn forget_completed(&mut self, bus: BusId) {
        for visit in self.buses[bus].history.clone() {
            if self.events[self.visits[visit].event].completed {
                self.forget(visit);
            }
        }
    }

    /// What was sent to an address does not push out events, and only completed ones go.
    fn first_request_to_go(&self, bus: BusId, limit: usize) -> Option<VisitId> {
        let requests = self.in_history(bus, true);
        let completed = requests.filter(|visit| self.events[self.visits[*visit].event].completed);
        let mut completed: Vec<_> = completed.collect();
        completed.sort_by_key(|visit| self.events[self.visits[*visit].event].completed_order);
        completed.first().copied().filter(|_| completed.len() > limit)
    }

    fn in_history(&self, bus: BusId, past_queue: bool) -> impl Iterator<Item = VisitId> {
        let history = self.buses[bus].history.iter().copied();
        history.filter(move |visit| self.events[self.visits[*visit].event].past_queue == past_queue)
    }

    /// Completed events go first, in order of completion, then started ones, then pending ones.
    fn first_to_go(&self, bus: BusId, limit: usize) -> Option<VisitId> {
        let rank = |visit: &VisitId| {
            let event = &self.events[self.visits[*visit].event];
            match (event.completed, self.visits[*visit].start_order) {
                (true, _) => (0, event.completed_order),
                (false, Some(order)) => (1, order),
                (false, None) => (2, *visit as u64),
            }
        };
        let first = self.in_history(bus, false).min_by_key(rank)?;
        let in_flight_only = limit == 0 && rank(&first).0 > 0;
        (self.in_history(bus, false).count() > limit && !in_flight_only).then_some(first)
    }

    fn forget(&mut self, visit: VisitId) {
        let bus = self.visits[visit].bus;
        self.buses[bus].history.retain(|other| *other != visit);
        self.leave_if_forgotten(self.visits[visit].event);
    }

    pub(super) fn leave_if_forgotten(&mut self, event: EventId) {
        let state = &self.events[event];
        if !state.completed || state.left || self.is_remembered(event) {
            return;
        }
        self.events[event].left = true;
        self.said.payloads_dropped += 1;
    }

    pub(crate) fn is_remembered(&self, event: EventId) -> bool {
        let mut visits = self.events[event].visits.iter().copied();
        visits.any(|visit| self.buses[self.visits[visit].bus].history.contains(&visit))
    }
}
