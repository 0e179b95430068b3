//! Views of the desk's state.

use super::*;

impl Desk {
    pub(crate) fn event(&self, label: &str) -> EventKey {
        self.events.get(label).unwrap_or_else(|| panic!("{label} was not dispatched")).0
    }

    /// The key of a running invocation; the newest one where there are several.
    pub(crate) fn invocation(&self, event: &str, handler: u32) -> InvocationKey {
        self.running[self.place(event, handler)].1
    }

    /// Whether a bus gave `Ready` and has not been idle since.
    pub(crate) fn is_ready(&self, bus: BusKey) -> bool {
        self.ready.contains(&bus)
    }

    pub(crate) fn running(&self) -> Vec<Start> {
        self.running.iter().map(|(start, _)| *start).collect()
    }

    pub(crate) fn status(&self, label: &str) -> EventStatus {
        self.machine.status(self.event(label))
    }

    /// The events that completed since the last call, in order.
    pub(crate) fn completed(&mut self) -> Vec<&'static str> {
        take(&mut self.completed)
    }

    /// The invocations that were ended from outside since the last call, in order.
    pub(crate) fn cancelled(&mut self) -> Vec<Start> {
        take(&mut self.cancelled)
    }

    pub(crate) fn resumed(&mut self) -> Vec<(BusKey, Start)> {
        take(&mut self.resumed)
    }

    pub(crate) fn done(&self, label: &str) -> &Completed<&'static str, u32> {
        self.done.get(label).unwrap_or_else(|| panic!("{label} has not completed"))
    }

    pub(crate) fn cause(&self, label: &str) -> Option<Cause> {
        self.done(label).cause
    }

    /// The results of a completed event, by the handlers' names.
    pub(crate) fn rows(&self, label: &str) -> Vec<(&str, Outcome<u32>)> {
        let rows = self.done(label).results.iter();
        rows.map(|row| (&*row.handler.name, row.outcome.clone().expect("an outcome"))).collect()
    }

    pub(crate) fn path(&self, label: &str) -> Vec<&str> {
        self.done(label).path.iter().map(|name| &**name).collect()
    }

    /// The events a bus remembers, oldest first.
    pub(crate) fn history(&self, bus: BusKey) -> Vec<&'static str> {
        self.labels(self.machine.history(bus))
    }

    pub(crate) fn labels(&self, events: impl IntoIterator<Item = EventKey>) -> Vec<&'static str> {
        let payload = |event| *self.machine.payload(event).expect("a remembered event");
        events.into_iter().map(payload).collect()
    }

    pub(crate) fn audit(&self) {
        self.machine.audit().expect("the books agree");
    }
}
