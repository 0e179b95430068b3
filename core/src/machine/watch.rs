//! Watches for events to come: expectations and streams (R26–R28).

use hashbrown::HashMap;

use super::arena::Ix;
use super::kinds::{Kind, NameIx};
use super::list::{Links, List};
use super::output::Output;
use super::registry::Pattern;
use super::state::{BusIx, Phase, VisitIx};
use super::{BusKey, Machine, WatchKey, WatchTag};

/// What happens to an event that a watcher has no room for (R28).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// It is kept all the same, and no further event of the bus starts until the reader has caught up.
    #[default]
    Wait,
    /// The oldest unread event makes room for it.
    DropOldest,
    /// It is dropped.
    DropNewest,
}

/// The watches of a bus.
#[derive(Default)]
pub(super) struct Watches {
    all: List<WatchTag>,
    by_name: HashMap<NameIx, List<WatchTag>>,
    any: List<WatchTag>,
    /// Readers without room that are waited for.
    pub(super) holds: usize,
}

#[derive(Clone, Copy)]
pub(super) struct Watch {
    bus: BusKey,
    name: Option<NameIx>,
    wanted: Option<Kind>,
    capacity: usize,
    overflow: Overflow,
    unread: usize,
    dropped: u64,
    holds: bool,
    of_bus: Links<WatchTag>,
    of_name: Links<WatchTag>,
}

impl Watch {
    fn of_bus(&mut self) -> &mut Links<WatchTag> {
        &mut self.of_bus
    }

    fn of_name(&mut self) -> &mut Links<WatchTag> {
        &mut self.of_name
    }
}

impl Watches {
    /// Returns whether there are any.
    pub(super) fn are_there(&self) -> bool {
        self.all.first().is_some()
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Watches for events that come to a bus from now on. Each is given once, by [`Output::Arrived`],
    /// while fewer than `capacity` are unread, and beyond that as `overflow` says.
    ///
    /// Returns `None` when the bus is stopped: nothing will come.
    pub fn watch(
        &mut self,
        bus: BusKey,
        pattern: Pattern<'_>,
        capacity: usize,
        overflow: Overflow,
    ) -> Option<WatchKey> {
        let ix = self.bus(bus).filter(|ix| self.buses[*ix].phase != Phase::Stopped)?;
        let (name, wanted) = self.kinds.pattern(pattern);
        let watch = self.watches.insert(Watch {
            bus,
            name,
            wanted,
            capacity,
            overflow,
            unread: 0,
            dropped: 0,
            holds: false,
            of_bus: Links::default(),
            of_name: Links::default(),
        });
        let Self { buses, watches, .. } = self;
        let of_bus = &mut buses[ix].watches;
        of_bus.all.push_back(watches, watch.ix(), Watch::of_bus);
        of_bus.named(name).push_back(watches, watch.ix(), Watch::of_name);
        Some(watch)
    }

    /// Ends a watch and leaves nothing behind.
    pub fn unwatch(&mut self, watch: WatchKey) {
        let Some(ix) = self.watches.find(watch) else { return };
        let Watch { bus, name, holds, .. } = self.watches[ix];
        if let Some(name) = name {
            self.kinds.release(name);
        }
        if let Some(bus) = self.buses.find(bus) {
            let Self { buses, watches, .. } = self;
            let of_bus = &mut buses[bus].watches;
            of_bus.all.remove(watches, ix, Watch::of_bus);
            let named = of_bus.named(name);
            named.remove(watches, ix, Watch::of_name);
            if let (None, Some(name)) = (named.first(), name) {
                of_bus.by_name.remove(&name);
            }
            of_bus.holds -= usize::from(holds);
            self.watches.remove(ix);
            self.kick(bus);
        } else {
            self.watches.remove(ix);
        }
        if self.watches.is_only_room() {
            self.watches.let_go();
        }
    }

    /// Reports that the reader has taken one of the events given to it.
    pub fn read(&mut self, watch: WatchKey) {
        let Some(ix) = self.watches.find(watch) else { return };
        let state = &mut self.watches[ix];
        state.unread = state.unread.saturating_sub(1);
        if state.holds && state.unread <= state.capacity {
            state.holds = false;
            if let Some(bus) = self.buses.find(state.bus) {
                self.buses[bus].watches.holds -= 1;
                self.kick(bus);
            }
        }
    }

    /// Returns how many watches ask for a name.
    pub(super) fn named_watches(&self) -> usize {
        self.watches.iter().filter(|(_, watch)| watch.name.is_some()).count()
    }

    /// Returns how many events a watch had no room for.
    #[must_use]
    pub fn dropped(&self, watch: WatchKey) -> u64 {
        self.watches.get(watch).map_or(0, |watch| watch.dropped)
    }

    /// Gives an event that has come to a bus to its watches.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_watchers(&mut self, visit: VisitIx) {
        let bus = self.entries[visit].bus;
        let kind = self.entries[self.entries[visit].event].kind;
        let name = self.kinds.name_ix(kind);
        let of_bus = &self.buses[bus].watches;
        let lists = [of_bus.by_name.get(&name).copied(), Some(of_bus.any)];
        for list in lists.into_iter().flatten() {
            let mut next = list.first();
            while let Some(watch) = next {
                next = self.watches[watch].of_name.next();
                let wanted = self.watches[watch].wanted;
                if wanted.is_none_or(|wanted| wanted == kind) {
                    self.tell_watcher(watch, visit);
                }
            }
        }
    }

    fn tell_watcher(&mut self, ix: Ix<WatchTag>, visit: VisitIx) {
        let event = self.entries[visit].event;
        let bus = self.entries[visit].bus;
        let state = &mut self.watches[ix];
        let is_full = state.unread >= state.capacity;
        let instead_of_oldest = is_full && state.overflow == Overflow::DropOldest;
        match (is_full, state.overflow) {
            (true, Overflow::DropNewest) => {
                state.dropped += 1;
                return;
            }
            (true, Overflow::DropOldest) => state.dropped += 1,
            _ => state.unread += 1,
        }
        let holds = state.overflow == Overflow::Wait && state.unread > state.capacity;
        if holds && !core::mem::replace(&mut state.holds, true) {
            self.buses[bus].watches.holds += 1;
        }
        self.say(Output::Arrived {
            watch: self.watches.key(ix),
            event: self.entries.key(event),
            payload: self.entries[event].payload().clone(),
            instead_of_oldest,
        });
    }

    /// Ends the watches of a stopped bus.
    pub(super) fn end_watches(&mut self, bus: BusIx) {
        while let Some(ix) = self.buses[bus].watches.all.first() {
            let watch = self.watches.key(ix);
            let dropped = self.watches[ix].dropped;
            self.unwatch(watch);
            self.say(Output::WatchEnded { watch, dropped });
        }
    }
}

impl Watches {
    fn named(&mut self, name: Option<NameIx>) -> &mut List<WatchTag> {
        match name {
            Some(name) => self.by_name.entry(name).or_default(),
            None => &mut self.any,
        }
    }
}
