//! What starts next on a bus, by definition (R1, R3, R7–R10, R13, R14, R17).

use busway_core::machine::{Concurrency, Outcome};

use super::{
    Action, BusId, EventId, HandlerId, Invocation, InvocationId, Model, Phase, Row, State, Visit,
    VisitId,
};

/// An invocation that should run now.
pub(crate) struct Started {
    pub(crate) invocation: InvocationId,
    pub(crate) event: EventId,
    pub(crate) handler: HandlerId,
}

/// What a bus could do now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Possible {
    Nothing,
    /// It could start something, whatever other buses do.
    Start,
    /// It could start something if no other bus takes the hub's slot first.
    WithHubSlot,
}

impl Model {
    /// Starts what is next on a bus, and completes events without handlers on the way. Which bus gets
    /// the hub's slot is left open: an event that needs it may also be `left` in the queue.
    pub(crate) fn next(&mut self, bus: BusId, left: &[EventId]) -> Option<Started> {
        if let Some(rested) = self.next_rested(bus) {
            return self.try_again(rested);
        }
        loop {
            if let Some(visit) = self.next_continuing(bus) {
                if let Some(started) = self.start_handler(visit) {
                    return Some(started);
                }
            } else {
                let visit = self.next_visit(bus)?;
                let needs_hub = self.concurrency(visit) == Concurrency::HubSerial;
                if needs_hub && left.contains(&self.visits[visit].event) {
                    return None;
                }
                self.start_queued(visit);
            }
            self.settle();
        }
    }

    pub(crate) fn possible(&self, bus: BusId) -> Possible {
        if self.buses[bus].gone {
            return Possible::Nothing;
        }
        if self.next_rested(bus).is_some() || self.next_continuing(bus).is_some() {
            return Possible::Start;
        }
        match self.next_visit(bus).map(|visit| self.concurrency(visit)) {
            None => Possible::Nothing,
            Some(Concurrency::HubSerial) => Possible::WithHubSlot,
            Some(_) => Possible::Start,
        }
    }

    /// The newest wait that covers an event: one for it, or for an event that it is an attached
    /// descendant of; 0 for none.
    pub(super) fn raised(&self, event: EventId) -> u64 {
        let own = self.waits.iter().filter(|wait| wait.event == event);
        let own = own.filter_map(|wait| self.invocation(wait.by)).map(|by| by.group).max();
        let parent = self.events[event].parent.filter(|_| self.events[event].attached);
        own.unwrap_or(0).max(parent.map_or(0, |parent| self.raised(parent)))
    }

    /// A held visit does not start, and holds back those behind it.
    fn next_visit(&self, bus: BusId) -> Option<VisitId> {
        self.first_visit_in_line(bus).filter(|visit| !self.visits[*visit].held)
    }

    fn first_visit_in_line(&self, bus: BusId) -> Option<VisitId> {
        if self.buses[bus].phase == Phase::Stopped || self.waits_for_readers(bus) {
            return None;
        }
        let head = self.queued(bus).next()?;
        if let Some(visit) = self.first_raised(bus, true) {
            return Some(visit);
        }
        if let Some(visit) = self.first_raised(bus, false).filter(|_| !self.is_busy(bus)) {
            let blocked = self.concurrency(visit) == Concurrency::HubSerial && self.is_hub_busy();
            return (!blocked).then_some(visit);
        }
        let may_start = match self.concurrency(head) {
            Concurrency::Parallel => true,
            Concurrency::HubSerial => !self.is_occupied(bus) && !self.is_hub_occupied(),
            _ => !self.is_occupied(bus),
        };
        may_start.then_some(head)
    }

    /// Visits that have not started, in order of arrival.
    pub(crate) fn queued(&self, bus: BusId) -> impl Iterator<Item = VisitId> {
        let here = move |visit: &Visit| visit.bus == bus && visit.state == State::Queued;
        self.visits.iter().enumerate().filter(move |(_, visit)| here(visit)).map(|(id, _)| id)
    }

    /// The newest wait first, then the order of arrival.
    fn first_raised(&self, bus: BusId, parallel: bool) -> Option<VisitId> {
        if self.waits.is_empty() {
            return None;
        }
        let takes_none = |visit: &VisitId| self.concurrency(*visit) == Concurrency::Parallel;
        let of_kind = self.queued(bus).filter(|visit| takes_none(visit) == parallel);
        let with_raise = of_kind.map(|visit| (self.raised(self.visits[visit].event), visit));
        let raised = with_raise.filter(|(raise, _)| *raise > 0);
        raised.min_by_key(|(raise, visit)| (core::cmp::Reverse(*raise), *visit)).map(|(_, v)| v)
    }

    /// Started visits that hold a slot.
    fn holders(&self) -> impl Iterator<Item = (VisitId, BusId, Concurrency)> {
        let running = self.visits.iter().enumerate().filter(|(_, v)| v.state == State::Running);
        let each = running.map(|(id, visit)| (id, visit.bus, self.concurrency(id)));
        each.filter(|(_, _, concurrency)| *concurrency != Concurrency::Parallel)
    }

    fn is_occupied(&self, bus: BusId) -> bool {
        self.holders().any(|(_, on, _)| on == bus)
    }

    fn is_busy(&self, bus: BusId) -> bool {
        self.holders().any(|(visit, on, _)| on == bus && self.is_awake(visit))
    }

    fn is_hub_occupied(&self) -> bool {
        self.holders().any(|(_, _, concurrency)| concurrency == Concurrency::HubSerial)
    }

    fn is_hub_busy(&self) -> bool {
        let of_hub = |concurrency| concurrency == Concurrency::HubSerial;
        self.holders().any(|(visit, _, concurrency)| of_hub(concurrency) && self.is_awake(visit))
    }

    /// Whether a handler of it runs and does not wait, or is to be started.
    fn is_awake(&self, visit: VisitId) -> bool {
        let mut live = self.live(visit);
        live.any(|invocation| !self.is_waiting(invocation.id)) || self.can_continue(visit)
    }

    pub(super) fn live(&self, visit: VisitId) -> impl Iterator<Item = &Invocation> {
        self.invocations.iter().filter(move |invocation| invocation.visit == visit)
    }

    fn can_continue(&self, visit: VisitId) -> bool {
        let Visit { state, next, ref handlers, .. } = self.visits[visit];
        let more = state == State::Running && next < handlers.len();
        more && (self.is_parallel(visit) || self.live(visit).next().is_none())
    }

    /// The visit that has had a handler to start for the longest time.
    fn next_continuing(&self, bus: BusId) -> Option<VisitId> {
        let of_bus = self.visits.iter().enumerate().filter(|(_, visit)| visit.bus == bus);
        let since = of_bus.filter_map(|(id, visit)| Some((visit.waiting_since?, id)));
        since.filter(|(_, id)| self.can_continue(*id)).min().map(|(_, id)| id)
    }

    pub(super) fn note_continuing(&mut self, visit: VisitId) {
        if !self.can_continue(visit) {
            self.visits[visit].waiting_since = None;
        } else if self.visits[visit].waiting_since.is_none() {
            self.visits[visit].waiting_since = Some(self.moment());
        }
    }

    fn start_queued(&mut self, visit: VisitId) {
        let Visit { event, bus, .. } = self.visits[visit];
        let handlers = self.handlers_of(event, bus);
        self.start(visit, handlers);
    }

    pub(super) fn start(&mut self, visit: VisitId, handlers: Vec<HandlerId>) {
        let event = self.visits[visit].event;
        let order = self.moment();
        let state = &mut self.visits[visit];
        state.handlers = handlers;
        state.state = State::Running;
        state.start_order = Some(order);
        let now = self.now;
        self.events[event].started_at.get_or_insert(now);
        self.note_continuing(visit);
    }

    /// Handlers of exactly this name in order of registration, then those of every event.
    fn handlers_of(&self, event: EventId, bus: BusId) -> Vec<HandlerId> {
        let (name, _) = self.events[event].kind;
        let registered = self.buses[bus].handlers.iter().copied();
        let of_queue = registered.filter(|id| self.handlers[*id].address.is_none());
        let exact = of_queue.clone().filter(|id| self.handlers[*id].name == Some(name));
        let any = of_queue.filter(|id| self.handlers[*id].name.is_none());
        exact.chain(any).collect()
    }

    /// Runs, forwards or skips the next handler of a visit.
    fn start_handler(&mut self, visit: VisitId) -> Option<Started> {
        let event = self.visits[visit].event;
        let handler = self.visits[visit].handlers[self.visits[visit].next];
        self.visits[visit].next += 1;
        self.visits[visit].waiting_since = None;
        let started = self.run_handler(visit, event, handler);
        self.note_continuing(visit);
        started
    }

    fn run_handler(&mut self, visit: VisitId, event: EventId, id: HandlerId) -> Option<Started> {
        if !self.accepts(id, event) {
            self.tell_other_type(id);
            return None;
        }
        let started_at = Some(self.now);
        if let Action::Forward(target) = self.handlers[id].action {
            if !self.forward(event, target) {
                let (ended_at, outcome) = (started_at, Some(Outcome::TargetGone));
                let row = Row { handler: id, started_at, ended_at, tries: 0, outcome };
                self.visits[visit].rows.push(row);
            }
            return None;
        }
        let row = self.visits[visit].rows.len();
        let (ended_at, outcome) = (None, None);
        self.visits[visit].rows.push(Row { handler: id, started_at, ended_at, tries: 0, outcome });
        self.invocation_count += 1;
        let invocation = self.invocation_count;
        self.invocations.push(Invocation {
            id: invocation,
            visit,
            event,
            bus: self.visits[visit].bus,
            row,
            started_at: self.now,
            limit: self.limit_of(id, event, self.visits[visit].bus),
            slow_told: false,
            number: 1,
            tries: 1,
            rest: None,
            lends: 0,
            group: 0,
        });
        Some(Started { invocation, event, handler: id })
    }

    /// Warns once, and not of a handler that is no longer registered.
    fn tell_other_type(&mut self, id: HandlerId) {
        let handler = &mut self.handlers[id];
        if self.buses[handler.bus].handlers.contains(&id) && !handler.told_other_type {
            handler.told_other_type = true;
            self.said.other_type += 1;
        }
    }

    /// A handler for a type sees events of that type only.
    pub(super) fn accepts(&self, handler: HandlerId, event: EventId) -> bool {
        let wanted = self.handlers[handler].wanted;
        wanted.is_none() || wanted == self.events[event].kind.1
    }
}
