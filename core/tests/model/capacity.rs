//! Acceptance: dispatch, capacity, depth, reservations (R6, R12, R17, R18).

use busway_core::machine::{NotSentOn, Overrides, Refusal};

use super::{
    BusId, Event, EventId, Kind, Model, Phase, Reservation, ReservationId, Visit, VisitId,
};

/// An event to dispatch.
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) parent: Option<EventId>,
    /// Whose handler dispatches it.
    pub(crate) by: Option<EventId>,
    pub(crate) permit: Option<ReservationId>,
    pub(crate) overrides: Overrides,
}

impl Model {
    /// Every reason to refuse an event.
    pub(crate) fn refusals(&self, bus: BusId, order: &Order) -> Vec<Refusal> {
        let state = &self.buses[bus];
        let attached = self.attaches(order.parent);
        let mut reasons = Vec::new();
        match state.phase {
            Phase::Stopped => reasons.push(Refusal::Stopped),
            Phase::Draining | Phase::DrainingTogether if !attached && !self.attaches(order.by) => {
                reasons.push(Refusal::Stopped);
            }
            _ if state.gone => reasons.push(Refusal::Stopped),
            _ if state.refuses => reasons.push(Refusal::NotWritten),
            _ => {}
        }
        let depth = self.depth_below(order.parent);
        if let Some(limit) = self.max_depth.filter(|limit| depth > *limit) {
            reasons.push(Refusal::TooDeep { depth, limit });
        }
        let has_permit = order.permit.is_some_and(|permit| self.is_granted(permit, bus));
        let full = match attached {
            true => state.config.max_pending_children.filter(|max| self.held(bus, true) >= *max),
            false => {
                let taken = self.held(bus, false) + self.granted(bus) - usize::from(has_permit);
                state.config.max_pending.filter(|max| taken >= *max)
            }
        };
        reasons.extend(full.map(|limit| Refusal::Full { limit }));
        reasons
    }

    pub(crate) fn accept(&mut self, bus: BusId, order: Order) -> EventId {
        let permit = order.permit.filter(|permit| self.is_granted(*permit, bus));
        let event = self.add_event(order, false);
        if let Some(permit) = permit {
            self.reservations[permit].over |= !self.events[event].attached;
        }
        self.arrive(event, bus);
        event
    }

    pub(super) fn add_event(&mut self, order: Order, past_queue: bool) -> EventId {
        self.events.push(Event {
            kind: order.kind,
            parent: order.parent,
            attached: self.attaches(order.parent),
            past_queue,
            depth: self.depth_below(order.parent),
            overrides: order.overrides,
            visits: Vec::with_capacity(1),
            started_at: None,
            completed: false,
            completed_order: 0,
            cause: None,
            either: false,
            deadline_passed: false,
            left: false,
        });
        self.events.len() - 1
    }

    pub(super) fn add_visit(&mut self, visit: Visit) -> VisitId {
        let (event, id) = (visit.event, self.visits.len());
        self.visits.push(visit);
        self.events[event].visits.push(id);
        id
    }

    /// Queues and remembers an event on a bus.
    fn arrive(&mut self, event: EventId, bus: BusId) {
        let held = self.buses[bus].config.write_ahead;
        let visit = self.add_visit(Visit { held, ..Visit::new(event, bus) });
        self.said.accepted.extend(held.then_some((bus, event)));
        self.remember(visit);
        self.tell_watchers(event, bus);
    }

    /// Sends an event on, if it has not ended.
    pub(crate) fn send_on(&mut self, event: EventId, target: BusId) -> Result<(), NotSentOn> {
        if self.events[event].cause.is_some() || !self.has_open_visit(event) {
            return Err(NotSentOn::Ended);
        }
        if self.events[event].past_queue {
            return Err(NotSentOn::Addressed);
        }
        if self.visits[self.events[event].visits[0]].start_order.is_none() {
            return Err(NotSentOn::NotStarted);
        }
        let taken = self.forward(event, target);
        self.settle();
        if taken { Ok(()) } else { Err(NotSentOn::TargetGone) }
    }

    /// Forwards an event, unless it has been there; false when the target refuses it.
    pub(super) fn forward(&mut self, event: EventId, target: BusId) -> bool {
        let mut visits = self.events[event].visits.iter();
        if visits.any(|visit| self.visits[*visit].bus == target) {
            return true;
        }
        let bus = &self.buses[target];
        let is_open = matches!(bus.phase, Phase::Open | Phase::DrainingTogether)
            || (bus.phase == Phase::Draining && self.events[event].attached);
        let takes_it = !bus.gone && !bus.closed && !bus.refuses && is_open;
        if takes_it {
            self.arrive(event, target);
        }
        takes_it
    }

    pub(crate) fn reserve(&mut self, bus: BusId) -> Result<ReservationId, Refusal> {
        if self.buses[bus].gone || self.buses[bus].phase != Phase::Open {
            return Err(Refusal::Stopped);
        }
        if self.buses[bus].config.max_pending == Some(0) {
            return Err(Refusal::Full { limit: 0 });
        }
        self.reservations.push(Reservation { bus, granted: false, over: false });
        let id = self.reservations.len() - 1;
        self.buses[bus].line.push(id);
        self.grant(bus);
        Ok(id)
    }

    pub(crate) fn release(&mut self, id: ReservationId) {
        let Reservation { bus, over, .. } = self.reservations[id];
        if !over {
            self.reservations[id].over = true;
            self.buses[bus].line.retain(|waiting| *waiting != id);
            self.grant(bus);
        }
    }

    /// Gives free places to the reservations that wait for one.
    pub(super) fn grant(&mut self, bus: BusId) {
        while let Some(first) = self.buses[bus].line.first().copied() {
            let taken = self.held(bus, false) + self.granted(bus);
            if self.buses[bus].config.max_pending.is_some_and(|max| taken >= max) {
                return;
            }
            self.buses[bus].line.remove(0);
            self.reservations[first].granted = true;
            self.said.granted.push(first);
        }
    }

    /// Refuses the reservations that wait for a place on a bus that stops.
    pub(super) fn refuse_line(&mut self, bus: BusId) {
        for id in core::mem::take(&mut self.buses[bus].line) {
            self.reservations[id].over = true;
            self.said.granted.push(id);
        }
    }

    pub(crate) fn is_granted(&self, id: ReservationId, bus: BusId) -> bool {
        let reservation = &self.reservations[id];
        reservation.granted && !reservation.over && reservation.bus == bus
    }

    fn granted(&self, bus: BusId) -> usize {
        (0..self.reservations.len()).filter(|id| self.is_granted(*id, bus)).count()
    }

    /// Incomplete events that were dispatched on a bus, as children or as roots.
    fn held(&self, bus: BusId, children: bool) -> usize {
        let here = |event: &Event| self.visits[event.first_visit()].bus == bus;
        let counts = |event: &Event| {
            !event.completed && !event.past_queue && event.attached == children && here(event)
        };
        self.events.iter().filter(|event| counts(event)).count()
    }

    fn attaches(&self, parent: Option<EventId>) -> bool {
        parent.is_some_and(|parent| !self.events[parent].completed)
    }

    fn depth_below(&self, parent: Option<EventId>) -> u32 {
        parent.map_or(0, |parent| self.events[parent].depth + 1)
    }
}
