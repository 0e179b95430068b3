//! What a bus remembers, and in which order it forgets (R29).

use super::output::{Dropped, Output};
use super::results::EventStatus;
use super::state::{BusIx, EventIx, EventState, History, Visit, VisitIx};
use super::{BusKey, EventKey, Machine};

impl<P: Clone, R, H> Machine<P, R, H> {
    /// The events a bus remembers, oldest first.
    pub fn history(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        let first = self.buses.get(bus).and_then(|bus| bus.history.all.first());
        core::iter::successors(first, |visit| self.visits[*visit].all.next())
            .map(|visit| self.events.key(self.visits[visit].event))
    }

    /// The same, newest first.
    pub fn newest(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        let last = self.buses.get(bus).and_then(|bus| bus.history.all.last());
        core::iter::successors(last, |visit| self.visits[*visit].all.prev())
            .map(|visit| self.events.key(self.visits[visit].event))
    }

    /// How many events a bus remembers.
    #[must_use]
    pub fn history_len(&self, bus: BusKey) -> usize {
        self.buses.get(bus).map_or(0, |bus| bus.history.len)
    }

    pub(super) fn remember(&mut self, visit: VisitIx) {
        let Visit { bus, event, .. } = self.visits[visit];
        self.visits[visit].remembered = true;
        self.events[event].remembered += 1;
        let mut history = core::mem::take(&mut self.buses[bus].history);
        history.len += 1;
        history.all.push_back(&mut self.visits, visit, Visit::all);
        history.pending.push_back(&mut self.visits, visit, Visit::by_status);
        self.buses[bus].history = history;
        self.forget_surplus(bus);
    }

    pub(super) fn remember_started(&mut self, visit: VisitIx) {
        if self.visits[visit].remembered {
            let bus = self.visits[visit].bus;
            let mut history = core::mem::take(&mut self.buses[bus].history);
            history.pending.remove(&mut self.visits, visit, Visit::by_status);
            history.started.push_back(&mut self.visits, visit, Visit::by_status);
            self.buses[bus].history = history;
        }
    }

    pub(super) fn remember_completed(&mut self, visit: VisitIx) {
        if self.visits[visit].remembered {
            let bus = self.visits[visit].bus;
            let was_started = self.visits[visit].started;
            let mut history = core::mem::take(&mut self.buses[bus].history);
            let from = if was_started { &mut history.started } else { &mut history.pending };
            from.remove(&mut self.visits, visit, Visit::by_status);
            history.completed.push_back(&mut self.visits, visit, Visit::by_status);
            self.buses[bus].history = history;
            self.forget_surplus(bus);
        } else {
            self.unweigh(visit);
        }
    }

    /// Forgets all that has completed, whatever the limit.
    pub(super) fn forget_completed(&mut self, bus: BusIx) {
        while let Some(visit) = self.buses[bus].history.completed.first() {
            self.forget(visit, |history| &mut history.completed);
        }
    }

    /// One history less, or the completion itself: at the last, a completed event leaves the books.
    pub(super) fn forget_one(&mut self, event: EventIx) {
        self.events[event].remembered -= 1;
        if self.events[event].remembered == 0 && self.events[event].status == EventStatus::Completed
        {
            self.remove_event(event);
        }
    }

    fn forget_surplus(&mut self, bus: BusIx) {
        let Some(limit) = self.buses[bus].config.max_history else {
            return;
        };
        while self.buses[bus].history.len > limit {
            let history = &self.buses[bus].history;
            if let Some(visit) = history.completed.first() {
                self.forget(visit, |history| &mut history.completed);
            } else if limit == 0 {
                return;
            } else if let Some(visit) = history.started.first() {
                self.forget(visit, |history| &mut history.started);
            } else if let Some(visit) = history.pending.first() {
                self.forget(visit, |history| &mut history.pending);
            }
        }
    }

    fn forget(
        &mut self,
        visit: VisitIx,
        by_status: fn(&mut History) -> &mut super::list::List<super::VisitTag>,
    ) {
        let Visit { bus, event, .. } = self.visits[visit];
        self.visits[visit].remembered = false;
        let mut history = core::mem::take(&mut self.buses[bus].history);
        history.len -= 1;
        history.all.remove(&mut self.visits, visit, Visit::all);
        by_status(&mut history).remove(&mut self.visits, visit, Visit::by_status);
        self.buses[bus].history = history;
        if self.events[event].is_complete() {
            self.unweigh(visit);
        }
        self.forget_one(event);
    }

    fn remove_event(&mut self, event: EventIx) {
        let parent = self.events[event].parent.and_then(|parent| self.events.find(parent));
        if let Some(parent) = parent {
            let mut children = self.events[parent].children;
            children.remove(&mut self.events, event, EventState::siblings);
            self.events[parent].children = children;
        }
        let state = self.events.remove(event);
        let mut next = self.visits.remove(state.first_visit).next;
        while let Some(visit) = next {
            let visit = self.visits.remove(visit);
            self.forwarded.remove(&(event, visit.bus));
            next = visit.next;
        }
        self.lose(state.bytes);
        self.outputs.push(Output::Dropped(Dropped::Payload(state.payload)));
    }
}
