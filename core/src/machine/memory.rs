//! The memory that events take (R30).

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Machine;
use super::state::BusState;
use super::warning::Warning;

/// The events of one bus in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusMemory {
    /// The name of the bus.
    pub name: Arc<str>,
    /// Events in memory that came to it, in flight or remembered. An event on several buses counts on
    /// each.
    pub events: usize,
    /// The bytes these take, as declared at their dispatch.
    pub bytes: u64,
    /// Events that have not completed, requests and published values included.
    pub incomplete: usize,
    /// The incomplete events that have not started there.
    pub queued: usize,
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Returns what each bus of the hub holds in memory.
    #[must_use]
    pub fn memory(&self) -> Vec<BusMemory> {
        let in_flight =
            |bus| self.flight_on(bus).filter(|flight| flight.is_in_queue()).iter().count();
        let memory = self.buses.iter().map(|(ix, bus)| BusMemory {
            name: bus.name.clone(),
            events: bus.in_memory,
            bytes: bus.bytes,
            incomplete: bus.incomplete,
            queued: bus.queue.len() - in_flight(ix),
        });
        memory.collect()
    }

    /// Counts an event that enters the books.
    #[inline]
    pub(super) fn gain(&mut self, bytes: u32) {
        self.bytes += u64::from(bytes);
        match self.config.memory_warning {
            Some(limit) if self.bytes > limit && !self.told_memory => self.tell_memory(limit),
            _ => {}
        }
    }

    #[cold]
    fn tell_memory(&mut self, limit: u64) {
        self.told_memory = true;
        let bytes = self.bytes;
        self.warn(Warning::Memory { bytes, limit });
    }

    /// Counts an event that leaves the books.
    #[inline]
    pub(super) fn lose(&mut self, bytes: u32) {
        self.bytes -= u64::from(bytes);
        if self.told_memory {
            let limit = self.config.memory_warning;
            self.told_memory = limit.is_none_or(|limit| self.bytes > limit / 2);
        }
    }
}

impl<H> BusState<H> {
    /// The bus is done with an event of this many bytes.
    #[inline]
    pub(super) fn unweigh(&mut self, bytes: u32) {
        self.in_memory -= 1;
        self.bytes -= u64::from(bytes);
    }
}
