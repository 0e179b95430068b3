//! Watches for events to come (R26–R28).

use busway_core::machine::Overflow;

use super::{BusId, EventId, Kind, Model, Phase, WatchId};

pub(crate) struct Watch {
    pub(crate) bus: BusId,
    pattern: Option<Kind>,
    capacity: usize,
    overflow: Overflow,
    pub(crate) unread: usize,
    pub(crate) dropped: u64,
    pub(crate) over: bool,
}

/// A watch, an event given to it, and whether the oldest unread one makes room for it.
pub(crate) type Arrived = (WatchId, EventId, bool);

impl Watch {
    /// Whether it is a reader that has not caught up, and that the bus waits for.
    pub(crate) fn is_behind(&self) -> bool {
        !self.over && self.overflow == Overflow::Wait && self.unread > self.capacity
    }
}

impl Model {
    pub(crate) fn watch(
        &mut self,
        bus: BusId,
        pattern: Option<Kind>,
        capacity: usize,
        overflow: Overflow,
    ) -> Option<WatchId> {
        if self.buses[bus].gone || self.buses[bus].phase == Phase::Stopped {
            return None;
        }
        let (unread, dropped, over) = (0, 0, false);
        self.watches.push(Watch { bus, pattern, capacity, overflow, unread, dropped, over });
        Some(self.watches.len() - 1)
    }

    pub(crate) fn unwatch(&mut self, id: WatchId) {
        self.watches[id].over = true;
    }

    pub(crate) fn read(&mut self, id: WatchId) {
        let unread = &mut self.watches[id].unread;
        *unread = unread.saturating_sub(1);
    }

    /// No queued event starts while a reader is behind.
    pub(super) fn waits_for_readers(&self, bus: BusId) -> bool {
        self.watches.iter().any(|watch| watch.bus == bus && watch.is_behind())
    }

    /// Gives the event to the watches for its name, in order of registration, then to the catch-alls.
    pub(super) fn tell_watchers(&mut self, event: EventId, bus: BusId) {
        let kind = self.events[event].kind;
        let lasting = |id: &WatchId| !self.watches[*id].over && self.watches[*id].bus == bus;
        let all = (0..self.watches.len()).filter(lasting);
        let (named, any): (Vec<_>, Vec<_>) =
            all.partition(|id| self.watches[*id].pattern.is_some());
        let wants =
            |(name, of_type): Kind| name == kind.0 && (of_type.is_none() || of_type == kind.1);
        let named = named.into_iter().filter(|id| self.watches[*id].pattern.is_some_and(wants));
        for id in named.chain(any).collect::<Vec<_>>() {
            let watch = &mut self.watches[id];
            let is_full = watch.unread >= watch.capacity;
            match watch.overflow {
                Overflow::DropNewest if is_full => watch.dropped += 1,
                Overflow::DropOldest if is_full => {
                    watch.dropped += 1;
                    self.said.arrived.push((id, event, true));
                }
                _ => {
                    watch.unread += 1;
                    self.said.arrived.push((id, event, false));
                }
            }
        }
    }

    /// Ends the watches of a bus that stops: nothing more will come.
    pub(super) fn end_watches(&mut self, bus: BusId) {
        for (id, watch) in self.watches.iter_mut().enumerate() {
            if watch.bus == bus && !watch.over {
                watch.over = true;
                self.said.ended_watches.push((id, watch.dropped));
            }
        }
    }
}
