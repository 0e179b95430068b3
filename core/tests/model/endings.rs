//! How things end: results, cascades, completion, stop (R11, R16, R19, R22, R23, R32).

use core::time::Duration;

use busway_core::machine::{Cause, Outcome};

use super::{Action, BusId, EventId, Invocation, InvocationId, Model, Phase, Row, State, VisitId};

/// Invocations to end, and their outcomes.
type Ends = Vec<(InvocationId, Outcome<u32>)>;

impl Model {
    pub(crate) fn finished(&mut self, id: InvocationId, outcome: Outcome<u32>) {
        let Some(Invocation { visit, .. }) = self.invocation(id).copied() else { return };
        self.tell_if_slow(id);
        let is_value = matches!(outcome, Outcome::Value(_));
        self.end_or_rest(id, outcome);
        if is_value && self.ends_at_first(visit) {
            let mut ends = Ends::new();
            self.end_visit(visit, Cause::First, &mut ends);
            self.end_invocations(ends, &[]);
        }
        self.settle();
    }

    pub(crate) fn abort(&mut self, event: EventId, cause: Cause) {
        let mut ends = Ends::new();
        self.end_event(event, cause, &mut ends);
        self.end_invocations(ends, &[]);
        self.settle();
    }

    pub(crate) fn time_out(&mut self, id: InvocationId, limit: Duration) {
        self.end_invocations(vec![(id, Outcome::TimedOut { limit })], &[]);
        self.settle();
    }

    pub(crate) fn drain(&mut self, bus: BusId) {
        if self.buses[bus].gone {
            return;
        }
        if self.buses[bus].phase == Phase::Open {
            self.buses[bus].phase = Phase::Draining;
        }
        self.refuse_line(bus);
    }

    pub(crate) fn drain_hub(&mut self) {
        for bus in 0..self.buses.len() {
            self.drain(bus);
            if self.buses[bus].phase == Phase::Draining {
                self.buses[bus].phase = Phase::DrainingTogether;
            }
        }
    }

    pub(crate) fn stop(&mut self, bus: BusId) {
        if self.buses[bus].gone {
            return;
        }
        self.buses[bus].phase = Phase::Stopped;
        self.refuse_line(bus);
        self.end_watches(bus);
        self.stop_visits(bus, State::Queued);
        self.settle();
        self.stop_visits(bus, State::Running);
        self.settle();
    }

    fn stop_visits(&mut self, bus: BusId, state: State) {
        let mut ends = Ends::new();
        let mut stopped = Vec::new();
        for visit in 0..self.visits.len() {
            if self.visits[visit].bus == bus && self.visits[visit].state == state {
                let event = self.visits[visit].event;
                self.events[event].cause.get_or_insert(Cause::Stopped);
                stopped.push(event);
                self.end_visit(visit, Cause::Stopped, &mut ends);
            }
        }
        self.end_invocations(ends, &stopped);
    }

    pub(crate) fn close(&mut self, bus: BusId) {
        if !self.buses[bus].gone {
            self.buses[bus].closed = true;
            if self.incomplete(bus) == 0 {
                self.said.closed.push(bus);
            }
        }
    }

    /// Whether the bus is still there.
    pub(crate) fn reopen(&mut self, bus: BusId) -> bool {
        let there = !self.buses[bus].gone;
        self.buses[bus].closed &= !there;
        there
    }

    pub(crate) fn clear(&mut self, bus: BusId) {
        if !self.buses[bus].gone {
            self.buses[bus].handlers.clear();
            self.forget_completed(bus);
        }
    }

    pub(crate) fn remove_bus(&mut self, bus: BusId) {
        self.stop(bus);
        self.clear(bus);
        if self.buses[bus].gone {
            return;
        }
        match self.incomplete(bus) {
            0 => self.buses[bus].gone = true,
            _ => self.buses[bus].closed = true,
        }
    }

    /// Ends invocations and the events they awaited below them. `stopped` are the events of a bus that
    /// stops in this same step.
    fn end_invocations(&mut self, mut ends: Ends, stopped: &[EventId]) {
        while let Some((id, outcome)) = ends.pop() {
            let Some(Invocation { event, rest, .. }) = self.invocation(id).copied() else {
                continue;
            };
            let awaited = self.awaited_below(id, event);
            self.end_or_rest(id, outcome);
            self.said.cancelled.extend(rest.is_none().then_some(id));
            for event in awaited {
                self.events[event].either |= stopped.contains(&event);
                self.end_event(event, Cause::Aborted, &mut ends);
            }
        }
    }

    /// Ends the events that the invocation awaits below it; the invocation goes on.
    pub(crate) fn try_timed_out(&mut self, id: InvocationId) {
        let Some(Invocation { event, .. }) = self.invocation(id).copied() else { return };
        let mut ends = Ends::new();
        for event in self.awaited_below(id, event) {
            self.end_event(event, Cause::Aborted, &mut ends);
        }
        self.end_invocations(ends, &[]);
        self.settle();
    }

    fn end_event(&mut self, event: EventId, cause: Cause, ends: &mut Ends) {
        if self.events[event].completed {
            return;
        }
        if self.has_open_visit(event) {
            self.events[event].cause.get_or_insert(cause);
        }
        for visit in self.events[event].visits.clone() {
            self.end_visit(visit, cause, ends);
        }
    }

    fn end_visit(&mut self, visit: VisitId, cause: Cause, ends: &mut Ends) {
        match self.visits[visit].state {
            State::Done => {}
            State::Queued => self.visits[visit].state = State::Done,
            State::Running => {
                self.cancel_rest(visit, cause);
                let live = self.invocations.iter().filter(|running| running.visit == visit);
                ends.extend(live.map(|running| (running.id, Outcome::Aborted(cause))));
            }
        }
    }

    /// Cancels the handlers that would have had a result and have not started; a forward has none.
    fn cancel_rest(&mut self, visit: VisitId, cause: Cause) {
        let event = self.visits[visit].event;
        for index in self.visits[visit].next..self.visits[visit].handlers.len() {
            let handler = self.visits[visit].handlers[index];
            if self.has_row(handler, event) {
                let (ended_at, outcome) = (Some(self.now), Some(Outcome::Cancelled(cause)));
                let row = Row { handler, started_at: None, ended_at, tries: 0, outcome };
                self.visits[visit].rows.push(row);
            }
        }
        self.visits[visit].next = self.visits[visit].handlers.len();
        self.note_continuing(visit);
    }

    pub(crate) fn has_row(&self, handler: usize, event: EventId) -> bool {
        self.accepts(handler, event) && matches!(self.handlers[handler].action, Action::Call)
    }

    fn end_or_rest(&mut self, id: InvocationId, outcome: Outcome<u32>) {
        match self.rests_until(id, &outcome) {
            Some(until) => self.rest(id, outcome, until),
            None => self.close_invocation(id, outcome),
        }
    }

    fn close_invocation(&mut self, id: InvocationId, outcome: Outcome<u32>) {
        let Invocation { visit, row, .. } = self.take_out(id);
        self.visits[visit].rows[row].outcome = Some(outcome);
        self.visits[visit].rows[row].ended_at = Some(self.now);
        self.note_continuing(visit);
    }

    /// Takes out an ended invocation, and its waits with it. Its tries are in its row.
    pub(super) fn take_out(&mut self, id: InvocationId) -> Invocation {
        let at = self.invocations.iter().position(|invocation| invocation.id == id);
        let ended = self.invocations.remove(at.expect("it runs"));
        self.waits.retain(|wait| wait.by != id);
        self.visits[ended.visit].rows[ended.row].tries += ended.tries;
        ended
    }

    /// Ends visits that are done, and completes events that have nothing left to wait for.
    pub(super) fn settle(&mut self) {
        for visit in 0..self.visits.len() {
            let state = &self.visits[visit];
            let started_all = state.state == State::Running && state.next == state.handlers.len();
            if started_all && self.live(visit).next().is_none() {
                self.visits[visit].state = State::Done;
            }
        }
        while let Some(event) = self.next_to_complete() {
            self.complete(event);
        }
    }

    /// The machine's next event, if it may complete; else any that may, and the orders will differ.
    fn next_to_complete(&mut self) -> Option<EventId> {
        if let Some(event) = self.hint.last().copied().filter(|event| self.may_complete(*event)) {
            self.hint.pop();
            return Some(event);
        }
        (0..self.events.len()).find(|event| self.may_complete(*event))
    }

    fn may_complete(&self, event: EventId) -> bool {
        let done = !self.events[event].completed && !self.has_open_visit(event);
        done && self.open_children(event).next().is_none()
    }

    fn complete(&mut self, event: EventId) {
        let order = self.moment();
        self.events[event].completed = true;
        self.events[event].completed_order = order;
        self.said.completed.push(event);
        let over = self.waits.extract_if(.., |wait| wait.event == event);
        self.said.resumed.extend(over.filter(|wait| wait.resumes).map(|wait| wait.by));
        if !self.events[event].attached {
            self.grant(self.visits[self.events[event].first_visit()].bus);
        }
        for visit in self.events[event].visits.clone() {
            let bus = self.visits[visit].bus;
            self.forget_surplus(bus);
            if self.incomplete(bus) == 0 {
                self.said.idle.push(bus);
                self.said.closed.extend(Some(bus).filter(|bus| self.buses[*bus].closed));
            }
        }
        self.leave_if_forgotten(event);
    }
}
