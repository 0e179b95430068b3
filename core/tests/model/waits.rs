//! Waits of handlers, and waits that could never end (R13–R15).

use super::{BusId, EventId, InvocationId, Model, State, Wait, WaitId};

impl Model {
    /// The invocation must run and the event must not have completed.
    pub(crate) fn wait(&mut self, by: InvocationId, event: EventId, resumes: bool) -> WaitId {
        if !self.waits.iter().any(|wait| wait.by == by) {
            let group = self.moment();
            self.invocation_mut(by).expect("only a running invocation waits").group = group;
        }
        self.wait_count += 1;
        self.waits.push(Wait { id: self.wait_count, by, event, resumes });
        self.wait_count
    }

    pub(crate) fn end_wait(&mut self, id: WaitId) {
        self.waits.retain(|wait| wait.id != id);
    }

    /// The invocation waits for something other than an event.
    pub(crate) fn lend(&mut self, by: InvocationId) {
        if let Some(running) = self.invocation_mut(by) {
            running.lends += 1;
        }
    }

    pub(crate) fn retake(&mut self, by: InvocationId) {
        if let Some(running) = self.invocation_mut(by) {
            running.lends = running.lends.saturating_sub(1);
        }
    }

    pub(crate) fn is_waiting(&self, invocation: InvocationId) -> bool {
        let lends = self.invocation(invocation).is_some_and(|running| running.lends > 0);
        lends || self.waits.iter().any(|wait| wait.by == invocation)
    }

    /// Whether an event cannot complete before an invocation has ended: by its direct needs, and the
    /// needs of those.
    pub(crate) fn depends_on(&self, event: EventId, invocation: InvocationId) -> bool {
        let mut needed = vec![event];
        let mut at = 0;
        while let Some(event) = needed.get(at).copied() {
            let mut running = self.invocations.iter().filter(|by| by.event == event);
            if running.any(|running| running.id == invocation) {
                return true;
            }
            for next in self.direct_needs(event) {
                if !needed.contains(&next) {
                    needed.push(next);
                }
            }
            at += 1;
        }
        false
    }

    /// Whether `event` directly waits for `needed`: its child, or an event that one of its handlers
    /// awaits.
    pub(crate) fn needs(&self, event: EventId, needed: EventId) -> bool {
        self.direct_needs(event).any(|direct| direct == needed)
    }

    fn direct_needs(&self, event: EventId) -> impl Iterator<Item = EventId> {
        let is_of =
            move |wait: &&Wait| self.invocation(wait.by).is_some_and(|by| by.event == event);
        let awaited = self.waits.iter().filter(is_of).map(|wait| wait.event);
        self.open_children(event).chain(awaited)
    }

    /// Whether a bus cannot be idle before an invocation has ended.
    pub(crate) fn idle_depends_on(&self, bus: BusId, invocation: InvocationId) -> bool {
        let here = |event: &EventId| {
            self.events[*event].visits.iter().any(|visit| self.visits[*visit].bus == bus)
        };
        let open = (0..self.events.len()).filter(|event| !self.events[*event].completed);
        open.filter(here).any(|event| self.depends_on(event, invocation))
    }

    /// The events an invocation waits for that are below its own.
    pub(super) fn awaited_below(&self, by: InvocationId, ancestor: EventId) -> Vec<EventId> {
        let own = self.waits.iter().filter(|wait| wait.by == by).map(|wait| wait.event);
        own.filter(|event| self.is_below(*event, ancestor)).collect()
    }

    fn is_below(&self, event: EventId, ancestor: EventId) -> bool {
        let parent = self.events[event].parent.filter(|_| self.events[event].attached);
        parent.is_some_and(|parent| parent == ancestor || self.is_below(parent, ancestor))
    }

    /// Whether an event has a visit that has not ended.
    pub(super) fn has_open_visit(&self, event: EventId) -> bool {
        self.events[event].visits.iter().any(|visit| self.visits[*visit].state != State::Done)
    }
}
