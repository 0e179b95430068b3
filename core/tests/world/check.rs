//! The comparison of machine and model after every step.

use core::fmt::Debug;

use busway_core::machine::{Cause, Completed, EventStatus, InvocationKey, Outcome, Row as Theirs};

use super::{Checked, World};
use crate::model::{EventId, Phase, Possible, Row, State};

impl World {
    /// Compares what the machine did and is with what it should have done and be.
    pub(super) fn check(&mut self) -> Checked {
        self.hub.audit()?;
        self.check_said()?;
        for bus in 0..self.keys.buses.len() {
            self.check_bus(bus)?;
            self.check_alive(bus)?;
        }
        for event in 0..self.keys.events.len() {
            self.check_event(event)?;
        }
        for (id, key) in self.keys.reservations.iter().enumerate() {
            let bus = self.model.reservations[id].bus;
            let granted = self.hub.is_granted(*key, self.keys.buses[bus]);
            self.agree("is_granted", &granted, &self.model.is_granted(id, bus))?;
            let in_line = self.model.buses[bus].line.contains(&id);
            self.agree("is_waiting", &self.hub.is_waiting(*key), &in_line)?;
        }
        match self.some_event() {
            Some(event) => self.check_closely(event),
            None => Ok(()),
        }
    }

    pub(super) fn agree<T: PartialEq + Debug>(&self, what: &str, is: &T, should: &T) -> Checked {
        self.ensure(is == should, || format!("{what}: is {is:?}, should be {should:?}"))
    }

    pub(super) fn ensure(&self, holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(otherwise()) }
    }

    fn check_said(&self) -> Checked {
        let (seen, said) = (&self.seen, &self.model.said);
        self.agree("completed, in order", &seen.order, &said.completed)?;
        for done in &seen.completed {
            self.check_completed(done)?;
        }
        let cancelled = said.cancelled.iter().map(|id| self.keys.invocations[*id - 1]);
        self.agree_as_sets("cancelled", &seen.cancelled, cancelled)?;
        // An input may end an invocation and the event it waits for in either order.
        let runs_on = |key: &InvocationKey| !seen.cancelled.contains(key);
        let is: Vec<_> = seen.resumed.iter().copied().filter(runs_on).collect();
        let resumed = said.resumed.iter().map(|id| self.keys.invocations[*id - 1]);
        let resumed: Vec<_> = resumed.filter(runs_on).collect();
        self.agree_as_sets("resumed", &is, resumed.into_iter())?;
        let granted = said.granted.iter().map(|id| self.keys.reservations[*id]);
        self.agree_as_sets("granted", &seen.granted, granted)?;
        let key = |bus: &usize| self.keys.buses[*bus];
        let accepted = said.accepted.iter();
        let accepted =
            accepted.map(|(bus, event)| (key(bus), self.keys.events[*event], *event as u32));
        self.agree("to be written, in order", &seen.accepted, &accepted.collect())?;
        self.agree_as_sets("idle", &seen.idle, said.idle.iter().map(key))?;
        self.agree_as_sets("closed", &seen.closed, said.closed.iter().map(key))?;
        self.check_watches()?;
        let slow = said.slow.iter().map(|(event, waits, lends)| {
            let waits = waits.iter().map(|event| self.keys.events[*event]).collect();
            (self.keys.events[*event], waits, *lends)
        });
        self.agree_as_sets("slow", &seen.slow, slow)?;
        let counts = (seen.same_name, seen.other_type, seen.payloads_dropped);
        let expected = (said.same_name, said.other_type, said.payloads_dropped);
        self.agree("warnings and dropped payloads", &counts, &expected)?;
        self.agree_as_sets("retried", &seen.retried, said.retried.iter().copied())?;
        self.agree("ready said twice", &seen.ready_twice, &false)
    }

    pub(super) fn agree_as_sets<T: PartialEq + Debug>(
        &self,
        what: &str,
        is: &[T],
        should: impl ExactSizeIterator<Item = T>,
    ) -> Checked {
        let same_length = is.len() == should.len();
        let mut missing = should.filter(|each| !is.contains(each));
        let missing = missing.next();
        let same = same_length && missing.is_none();
        self.ensure(same, || format!("{what}: is {is:?}, misses {missing:?}"))
    }

    fn check_completed(&self, done: &Completed<u32, u32>) -> Checked {
        let id = self.keys.event(done.event);
        let event = &self.model.events[id];
        self.agree("payload of a completed event", &(done.payload as usize), &id)?;
        self.agree("started_at", &done.started_at, &event.started_at)?;
        self.agree("completed_at", &done.completed_at, &self.model.now)?;
        let plain = |cause: Option<Cause>| if event.either { cause.map(either) } else { cause };
        self.agree("cause", &plain(done.cause), &plain(event.cause))?;
        let rows: Vec<_> = done.results.iter().collect();
        self.check_rows(id, &rows)?;
        let path = done.path.iter().map(|name| &**name);
        self.check_path(id, path)
    }

    fn check_path<'a>(&self, id: EventId, path: impl Iterator<Item = &'a str>) -> Checked {
        let visits = self.model.events[id].visits.iter();
        let buses = visits.map(|visit| self.model.visits[*visit].bus);
        let expected = buses.map(|bus| self.model.buses[bus].config.name.as_str());
        self.agree("path", &path.collect::<Vec<_>>(), &expected.collect())
    }

    fn check_rows(&self, id: EventId, rows: &[&Theirs<u32>]) -> Checked {
        let event = &self.model.events[id];
        let visits = event.visits.iter().map(|visit| &self.model.visits[*visit]);
        let expected: Vec<&Row> = visits.flat_map(|visit| &visit.rows).collect();
        self.agree("number of rows", &rows.len(), &expected.len())?;
        for (is, should) in rows.iter().zip(expected) {
            let handler = is.handler.key.get() as usize - 1;
            self.agree("handler of a row", &handler, &should.handler)?;
            let times = (is.started_at, is.completed_at);
            self.agree("times of a row", &times, &(should.started_at, should.ended_at))?;
            self.agree("tries", &is.tries, &should.tries)?;
            let plain = |outcome: &Option<Outcome<u32>>| match outcome {
                Some(Outcome::Aborted(cause)) if event.either => {
                    Some(Outcome::Aborted(either(*cause)))
                }
                Some(Outcome::Cancelled(cause)) if event.either => {
                    Some(Outcome::Cancelled(either(*cause)))
                }
                other => other.clone(),
            };
            self.agree("outcome of a row", &plain(&is.outcome), &plain(&should.outcome))?;
        }
        Ok(())
    }

    fn check_bus(&self, bus: usize) -> Checked {
        let (key, state) = (self.keys.buses[bus], &self.model.buses[bus]);
        self.agree("incomplete", &self.hub.incomplete(key), &self.model.incomplete(bus))?;
        let stopped = state.gone || state.phase != Phase::Open;
        self.agree("is_stopped", &self.hub.is_stopped(key), &stopped)?;
        let through = state.gone || state.closed && self.model.incomplete(bus) == 0;
        self.agree("is_through", &self.hub.is_through(key), &through)?;
        self.check_addresses(bus)?;
        let deadline = self.model.next_deadline(bus);
        self.agree("next_deadline", &self.hub.next_deadline(key), &deadline)?;
        let event = |visit: &usize| self.keys.events[self.model.visits[*visit].event];
        let queued = self.model.queued(bus).map(|visit| event(&visit));
        self.ensure(self.hub.queued(key).eq(queued), || format!("queue of {bus}"))?;
        let same = self.hub.history(key).eq(state.history.iter().map(event))
            && self.hub.newest(key).eq(state.history.iter().rev().map(event))
            && self.hub.history_len(key) == state.history.len();
        self.ensure(same, || {
            let is: Vec<_> = self.hub.history(key).map(|key| self.keys.event(key)).collect();
            let should = state.history.iter().map(|visit| self.model.visits[*visit].event);
            format!("history of {bus}: is {is:?}, should be {:?}", should.collect::<Vec<_>>())
        })
    }

    /// A bus that can start something was told to ask; if that needs the hub's slot, some bus was.
    fn check_alive(&self, bus: usize) -> Checked {
        let told = match self.model.possible(bus) {
            Possible::Nothing => true,
            Possible::Start => self.ready[bus],
            Possible::WithHubSlot => self.ready.contains(&true),
        };
        self.ensure(told, || format!("bus {bus} could start something and was not told"))
    }

    /// A bus that has just been asked does not keep the hub's slot from others: either it takes the slot
    /// next, or another bus was told.
    pub(super) fn check_nobody_waits_for(&self, asked: usize) -> Checked {
        let takes_it = |bus: usize| matches!(self.model.possible(bus), Possible::WithHubSlot);
        let is_awaited = (0..self.ready.len()).any(takes_it);
        let mut others = self.ready.iter().enumerate().filter(|(bus, _)| *bus != asked);
        let is_told = !is_awaited || takes_it(asked) || others.any(|(_, ready)| *ready);
        self.ensure(is_told, || format!("bus {asked} keeps the hub's slot from others"))
    }

    fn check_event(&self, id: EventId) -> Checked {
        let (key, event) = (self.keys.events[id], &self.model.events[id]);
        let status = match (event.completed, event.started_at) {
            (true, _) => EventStatus::Completed,
            (false, Some(_)) => EventStatus::Started,
            (false, None) => EventStatus::Pending,
        };
        if self.hub.status(key) != status || self.hub.payload(key).is_none() != event.left {
            let (is, there) = (self.hub.status(key), self.hub.payload(key).is_some());
            return Err(format!("event {id}: is {is:?}, in memory {there}; should be {status:?}"));
        }
        Ok(())
    }

    /// Compares what would be too slow to compare for every event at every step.
    fn check_closely(&self, id: EventId) -> Checked {
        let (key, event) = (self.keys.events[id], &self.model.events[id]);
        if event.left {
            return Ok(());
        }
        self.agree("started_at", &self.hub.started_at(key), &event.started_at)?;
        self.agree("depth", &self.hub.depth(key), &Some(event.depth))?;
        let parent = event.parent.map(|parent| self.keys.events[parent]);
        self.agree("parent", &self.hub.parent(key), &parent)?;
        let children = self.model.events.iter().enumerate().filter(|(_, c)| c.parent == Some(id));
        let children = children.filter(|(_, child)| !child.left);
        let children: Vec<_> = children.map(|(child, _)| self.keys.events[child]).collect();
        self.agree("children", &self.hub.children(key), &children)?;
        if event.completed {
            return Ok(());
        }
        let path = self.hub.path(key);
        self.check_path(id, path.iter().map(|name| &**name))?;
        let rows = self.hub.results(key);
        let is: Vec<_> = rows.iter().map(|row| row.handler.key.get() as usize - 1).collect();
        self.agree("results so far and to come", &is, &self.rows_to_be(id))
    }

    fn rows_to_be(&self, id: EventId) -> Vec<usize> {
        let mut handlers = Vec::new();
        for visit in &self.model.events[id].visits {
            let visit = &self.model.visits[*visit];
            handlers.extend(visit.rows.iter().map(|row| row.handler));
            let to_come = visit.handlers.iter().skip(visit.next).copied();
            let running = visit.state == State::Running;
            handlers.extend(to_come.filter(|handler| running && self.model.has_row(*handler, id)));
        }
        handlers
    }
}

/// Stopped and aborted count as one where both are true.
fn either(cause: Cause) -> Cause {
    if cause == Cause::Stopped { Cause::Aborted } else { cause }
}
