//! Limits, deadlines and slow handlers (R22, R25).

use core::time::Duration;

use busway_core::Instant;
use busway_core::machine::{Cause, Limit};

use super::{BusId, EventId, HandlerId, Invocation, InvocationId, Model, Rest};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Limit(InvocationId),
    Slow(InvocationId),
    TryAgain(InvocationId),
    Deadline(EventId),
}

impl Model {
    /// Handles everything that is due on a bus, in the order in which it became due.
    pub(crate) fn timed_out(&mut self, bus: BusId) {
        while let Some((at, due)) = self.first_due(bus) {
            if at > self.now {
                return;
            }
            match due {
                Due::Limit(id) => {
                    let limit = self.invocation(id).and_then(|running| running.limit);
                    self.time_out(id, limit.expect("one that times out has a limit"));
                }
                Due::Slow(id) => self.tell_slow(id),
                Due::TryAgain(id) => self.wake_up(id),
                Due::Deadline(event) => {
                    self.events[event].deadline_passed = true;
                    self.abort(event, Cause::Deadline);
                }
            }
        }
    }

    pub(crate) fn next_deadline(&self, bus: BusId) -> Option<Instant> {
        self.first_due(bus).map(|(at, _)| at)
    }

    fn first_due(&self, bus: BusId) -> Option<(Instant, Due)> {
        if self.buses[bus].gone {
            return None;
        }
        let slow_after = self.buses[bus].config.slow_after;
        let running = self.invocations.iter().filter(|invocation| invocation.bus == bus);
        let of_running = running.flat_map(|running| {
            let Invocation { id, started_at, limit, slow_told, rest, .. } = *running;
            if let Some(rest) = rest {
                let until = if let Rest::Until(at) = rest { Some(at) } else { None };
                return [until.map(|at| (at, Due::TryAgain(id))), None];
            }
            let limit = limit.map(|limit| (started_at + limit, Due::Limit(id)));
            let slow_after = slow_after.filter(|_| !slow_told);
            [limit, slow_after.map(|after| (started_at + after, Due::Slow(id)))]
        });
        let dispatched_here = |id: &EventId| {
            let event = &self.events[*id];
            !event.completed && self.visits[event.first_visit()].bus == bus
        };
        let of_events = (0..self.events.len()).filter(dispatched_here).map(|id| {
            let event = &self.events[id];
            let deadline = event.overrides.deadline.filter(|_| !event.deadline_passed);
            deadline.map(|at| (at, Due::Deadline(id)))
        });
        of_running.chain(of_events).flatten().min()
    }

    /// An invocation ends, and nobody may have looked since it became slow.
    pub(super) fn tell_if_slow(&mut self, id: InvocationId) {
        let Some(Invocation { bus, started_at, slow_told, rest: None, .. }) =
            self.invocation(id).copied()
        else {
            return;
        };
        let slow_after = self.buses[bus].config.slow_after.filter(|_| !slow_told);
        if slow_after.is_some_and(|after| started_at + after < self.now) {
            self.tell_slow(id);
        }
    }

    fn tell_slow(&mut self, id: InvocationId) {
        let awaited = self.waits.iter().filter(|wait| wait.by == id).map(|wait| wait.event);
        let awaited = awaited.collect();
        let running = self.invocation_mut(id).expect("one that is slow runs");
        running.slow_told = true;
        let (event, lends) = (running.event, running.lends > 0);
        self.said.slow.push((event, awaited, lends));
    }

    /// The smaller of the handler's and the event's limit; the bus's where both inherit.
    pub(super) fn limit_of(
        &self,
        handler: HandlerId,
        event: EventId,
        bus: BusId,
    ) -> Option<Duration> {
        let (own, of_event) = (self.handlers[handler].limit, self.events[event].overrides.limit);
        match (own == Limit::Inherit, of_event == Limit::Inherit) {
            (true, true) => length(self.buses[bus].config.limit),
            (true, false) => length(of_event),
            (false, true) => length(own),
            (false, false) => match (length(own), length(of_event)) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

fn length(limit: Limit) -> Option<Duration> {
    match limit {
        Limit::After(limit) => Some(limit).filter(|limit| !limit.is_zero()),
        _ => None,
    }
}
