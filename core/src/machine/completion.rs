//! Events complete, and their parents after them (R16).

use alloc::vec::Vec;

use super::Machine;
use super::output::{Completed, Output, Path};
use super::results::{EventStatus, Rows};
use super::state::{BusIx, Counted, EventIx, EventState, Timer};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// One thing less that an event waits for; at the last one it completes, and so may its parent.
    pub(super) fn close_one(&mut self, event: EventIx) {
        let mut next = Some(event);
        while let Some(event) = next {
            self.events[event].open -= 1;
            if self.events[event].open > 0 {
                return;
            }
            next = self.complete(event);
        }
    }

    /// Returns the parent that waited for it.
    fn complete(&mut self, event: EventIx) -> Option<EventIx> {
        self.disarm(Timer::Event(event));
        self.events[event].status = EventStatus::Completed;
        let parent = self.leave_parent(event);
        let completed = self.hand_out(event);
        self.outputs.push(Output::Completed(completed));
        self.end_waits_for(event);
        self.give_capacity_back(event);
        let mut visits = Some(self.events[event].first_visit);
        // The last history to forget it takes it out of the books.
        self.events[event].remembered += 1;
        while let Some(visit) = visits {
            visits = self.visits[visit].next;
            self.remember_completed(visit);
            self.less_to_do(self.visits[visit].bus);
        }
        self.forget_one(event);
        parent
    }

    /// Children that have completed stand first in the parent's list.
    fn leave_parent(&mut self, event: EventIx) -> Option<EventIx> {
        if !core::mem::take(&mut self.events[event].attached) {
            return None;
        }
        let parent = self.events.find(self.events[event].parent?)?;
        let mut children = self.events[parent].children;
        children.remove(&mut self.events, event, EventState::siblings);
        children.push_front(&mut self.events, event, EventState::siblings);
        self.events[parent].children = children;
        Some(parent)
    }

    fn hand_out(&mut self, event: EventIx) -> Completed<P, R> {
        let mut results = Rows::new();
        let first = self.events[event].first_visit;
        let bus_name = |machine: &Self, bus: BusIx| machine.buses[bus].name.clone();
        let mut path = Path { first: bus_name(self, self.visits[first].bus), rest: Vec::new() };
        let mut next = Some(first);
        while let Some(visit) = next {
            if let Some(work) = self.visits[visit].work.take() {
                results.append(self.works.remove(work).rows);
            }
            if visit != first {
                path.rest.push(bus_name(self, self.visits[visit].bus));
            }
            next = self.visits[visit].next;
        }
        let state = &self.events[event];
        let started_at: Instant = state.started_at;
        Completed {
            event: self.events.key(event),
            payload: state.payload.clone(),
            started_at: started_at.known(),
            completed_at: self.now,
            cause: state.cause,
            results,
            path,
        }
    }

    fn give_capacity_back(&mut self, event: EventIx) {
        match self.events[event].counted {
            Counted::Nothing => {}
            Counted::Root(bus) => {
                if let Some(bus) = self.buses.find(bus) {
                    self.buses[bus].roots -= 1;
                    self.grant(bus);
                }
            }
            Counted::Child(bus) => {
                if let Some(bus) = self.buses.find(bus) {
                    self.buses[bus].children -= 1;
                }
            }
        }
    }

    fn less_to_do(&mut self, bus: BusIx) {
        let key = self.buses.key(bus);
        let state = &mut self.buses[bus];
        state.incomplete -= 1;
        if state.incomplete <= state.idle_at {
            self.outputs.push(Output::Idle { bus: key });
        }
        if state.incomplete == 0 && state.closed {
            self.outputs.push(Output::Closed { bus: key });
        }
    }
}
