//! The events in memory and their visits to buses. Nearly all events have one visit, so it is stored
//! with the event. The visits of a forwarded event to further buses have entries of their own.

use core::ops::{Index, IndexMut};

use super::arena::{Arena, Ix, Key};
use super::event_state::{EventState, Visit};
use super::state::{BusIx, EventIx, VisitIx};
use super::{EventKey, VisitTag};

pub(super) struct Entries<P> {
    arena: Arena<Entry<P>, VisitTag>,
}

struct Entry<P> {
    visit: Visit,
    /// The event, if this visit is on the bus it was dispatched on.
    event: EventState<P>,
}

// A derived impl would ask `P` for the same trait.
impl<P> Default for Entry<P> {
    fn default() -> Self {
        const { Self { visit: Visit::BLANK, event: EventState::BLANK } }
    }
}

impl<P> Entries<P> {
    pub(super) const fn new() -> Self {
        Self { arena: Arena::new() }
    }

    /// Inserts an event, with its visit to the bus it is dispatched on.
    #[inline(always)]
    pub(super) fn insert(
        &mut self,
        bus: BusIx,
        seq: u64,
        begin: impl FnOnce(&mut EventState<P>),
    ) -> EventKey {
        let (key, entry) = self.arena.renew();
        entry.visit.begin(key.ix().cast(), bus, seq);
        begin(&mut entry.event);
        key.cast()
    }

    /// Inserts a visit to a further bus.
    pub(super) fn insert_further(&mut self, event: EventIx, bus: BusIx, seq: u64) -> VisitIx {
        self[event].remembered += 1;
        let (key, entry) = self.arena.renew();
        entry.visit.begin(event, bus, seq);
        key.ix()
    }

    /// Removes an event with its first visit. The caller takes what it owns out of it, and removes its
    /// further visits.
    #[inline]
    pub(super) fn remove(&mut self, event: EventIx) -> (&Visit, &mut EventState<P>) {
        let Entry { visit, event } = self.arena.remove(event.home());
        (visit, event)
    }

    /// Removes a visit to a further bus.
    pub(super) fn remove_further(&mut self, visit: VisitIx) -> &Visit {
        &self.arena.remove(visit).visit
    }

    /// Borrows an event and its visit to the bus it was dispatched on.
    #[inline]
    pub(super) fn home_mut(&mut self, event: EventIx) -> (&mut Visit, &mut EventState<P>) {
        let Entry { visit, event } = &mut self.arena[event.home()];
        (visit, event)
    }

    /// Borrows a visit and its event.
    #[inline(always)]
    pub(super) fn pair(&self, visit: VisitIx) -> (&Visit, &EventState<P>) {
        let Entry { visit: stay, event } = &self.arena[visit];
        match stay.event.home() == visit {
            true => (stay, event),
            false => (stay, &self[stay.event]),
        }
    }

    /// Borrows a visit and its event.
    #[inline(always)]
    pub(super) fn pair_mut(&mut self, visit: VisitIx) -> (&mut Visit, &mut EventState<P>) {
        let event = self.arena[visit].visit.event;
        if event.home() == visit {
            return self.home_mut(event);
        }
        let [further, home] = self.arena.both(visit, event.home());
        (&mut further.visit, &mut home.event)
    }

    #[inline]
    pub(super) fn find<Tag>(&self, key: Key<Tag>) -> Option<Ix<Tag>> {
        self.arena.find(key.cast()).map(Ix::cast)
    }

    #[inline]
    pub(super) fn get(&self, event: EventKey) -> Option<&EventState<P>> {
        self.find(event).map(|event| &self[event])
    }

    #[inline]
    pub(super) fn key<Tag>(&self, ix: Ix<Tag>) -> Key<Tag> {
        self.arena.key(ix.cast()).cast()
    }

    /// Returns the key of a visit's event.
    #[inline]
    pub(super) fn key_of(&self, visit: VisitIx) -> EventKey {
        self.key(self.arena[visit].visit.event)
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (EventIx, &EventState<P>)> {
        let homes = self.arena.iter().filter(|(ix, entry)| entry.visit.event.home() == *ix);
        homes.map(|(_, entry)| (entry.visit.event, &entry.event))
    }

    pub(super) fn visits(&self) -> impl Iterator<Item = (VisitIx, &Visit)> {
        self.arena.iter().map(|(ix, entry)| (ix, &entry.visit))
    }

    /// Frees the room of removed entries, if all are removed.
    pub(super) fn let_go(&mut self) {
        self.arena.let_go();
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.arena.room()
    }

    /// Returns the number of visits.
    pub(super) fn len(&self) -> usize {
        self.arena.len()
    }
}

impl EventIx {
    /// Returns its visit to the bus it was dispatched on.
    #[inline]
    pub(super) const fn home(self) -> VisitIx {
        self.cast()
    }
}

impl<P> Index<EventIx> for Entries<P> {
    type Output = EventState<P>;

    #[inline]
    fn index(&self, event: EventIx) -> &EventState<P> {
        &self.arena[event.home()].event
    }
}

impl<P> IndexMut<EventIx> for Entries<P> {
    #[inline]
    fn index_mut(&mut self, event: EventIx) -> &mut EventState<P> {
        &mut self.arena[event.home()].event
    }
}

impl<P> Index<VisitIx> for Entries<P> {
    type Output = Visit;

    #[inline]
    fn index(&self, visit: VisitIx) -> &Visit {
        &self.arena[visit].visit
    }
}

impl<P> IndexMut<VisitIx> for Entries<P> {
    #[inline]
    fn index_mut(&mut self, visit: VisitIx) -> &mut Visit {
        &mut self.arena[visit].visit
    }
}
