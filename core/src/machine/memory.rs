//! How much memory the events take (R30).

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Machine;
use super::output::{Output, Warning};
use super::state::VisitIx;

/// What a bus holds in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusMemory {
    /// The name of the bus.
    pub name: Arc<str>,
    /// Events in memory that came to it, in flight or remembered; an event on several buses is
    /// counted on each.
    pub events: usize,
    /// The bytes these take, as told at their dispatch.
    pub bytes: u64,
    /// Events that have not completed.
    pub incomplete: usize,
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// What each bus of the hub holds in memory.
    #[must_use]
    pub fn memory(&self) -> Vec<BusMemory> {
        let memory = self.buses.iter().map(|(_, bus)| BusMemory {
            name: bus.name.clone(),
            events: bus.in_memory,
            bytes: bus.bytes,
            incomplete: bus.incomplete,
        });
        memory.collect()
    }

    /// Counts an event that has come to a bus.
    pub(super) fn weigh(&mut self, visit: VisitIx) {
        let (event, bus) = (self.visits[visit].event, self.visits[visit].bus);
        let bytes = u64::from(self.events[event].bytes);
        self.buses[bus].in_memory += 1;
        self.buses[bus].bytes += bytes;
        if self.events[event].first_visit != visit {
            return;
        }
        self.bytes += bytes;
        let Some(limit) = self.config.memory_warning.filter(|limit| self.bytes > *limit) else {
            return;
        };
        if !core::mem::replace(&mut self.told_memory, true) {
            let bytes = self.bytes;
            self.outputs.push(Output::Warning(Warning::Memory { bytes, limit }));
        }
    }

    /// A bus has nothing more to do with an event.
    pub(super) fn unweigh(&mut self, visit: VisitIx) {
        let (event, bus) = (self.visits[visit].event, self.visits[visit].bus);
        self.buses[bus].in_memory -= 1;
        self.buses[bus].bytes -= u64::from(self.events[event].bytes);
    }

    /// An event leaves the books.
    pub(super) fn lose(&mut self, bytes: u32) {
        self.bytes -= u64::from(bytes);
        let is_much = self.config.memory_warning.is_none_or(|limit| self.bytes > limit / 2);
        self.told_memory &= is_much;
    }
}
