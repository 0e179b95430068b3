//! What a bus remembers, and the order in which it forgets (R29).

use alloc::collections::BTreeMap;

use super::entries::Entries;
use super::event_state::{EventState, Visit, VisitState};
use super::list::List;
use super::state::{BusIx, BusState, EventIx, VisitIx};
use super::{BusKey, EventKey, Machine, VisitTag};

/// The visits that a bus remembers.
pub(super) struct History {
    pub(super) len: usize,
    /// Of what was dispatched, and of what was sent to addresses.
    kept: [Kept; 2],
    /// Visits cancelled in the queue whose events are still open, by arrival.
    cancelled: BTreeMap<u64, VisitIx>,
    /// All visits it remembers, by arrival.
    arrivals: List<VisitTag>,
}

/// What was dispatched to the bus, or what was sent to an address. The limit is for each of them, so
/// that many requests do not push out the events.
struct Kept {
    /// How many more may come; below 0 there is a surplus. What was sent to an address counts once it
    /// has completed.
    room: isize,
    completed: List<VisitTag>,
}

/// The queued or the started visits of a bus, in order.
///
/// A visit is in one stage at a time. Forgotten and addressed visits stay in place, and the history
/// skips each of them once.
#[derive(Default)]
pub(super) struct Stage {
    list: List<VisitTag>,
    len: usize,
    /// All visits before this one are forgotten, or addressed.
    remembered_from: Option<VisitIx>,
}

impl Stage {
    #[inline]
    pub(super) fn first(&self) -> Option<VisitIx> {
        self.list.first()
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Iterates in order.
    pub(super) fn iter<P>(&self, entries: &Entries<P>) -> impl Iterator<Item = VisitIx> {
        core::iter::successors(self.list.first(), |visit| entries[*visit].links.next())
    }

    #[inline]
    pub(super) fn push_back<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) {
        self.list.push_back(entries, visit, Visit::links);
        self.len += 1;
        self.remembered_from.get_or_insert(visit);
    }

    #[inline]
    pub(super) fn remove<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) {
        if self.remembered_from == Some(visit) {
            self.remembered_from = entries[visit].links.next();
        }
        self.list.remove(entries, visit, Visit::links);
        self.len -= 1;
    }

    fn oldest_remembered<P>(&mut self, entries: &Entries<P>) -> Option<VisitIx> {
        let is_passed = |visit: &VisitIx| {
            let Visit { remembered, addressed, .. } = entries[*visit];
            !remembered || addressed
        };
        while let Some(visit) = self.remembered_from.filter(is_passed) {
            self.remembered_from = entries[visit].links.next();
        }
        self.remembered_from
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Returns the events a bus remembers, oldest first.
    pub fn history(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        let oldest = self.buses.get(bus).and_then(|bus| bus.history.arrivals.first());
        let visits = core::iter::successors(oldest, |visit| self.entries[*visit].arrival.next());
        visits.map(|visit| self.entries.key(self.entries[visit].event))
    }

    /// Returns the events a bus remembers, newest first.
    pub fn newest(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        let newest = self.buses.get(bus).and_then(|bus| bus.history.arrivals.last());
        let visits = core::iter::successors(newest, |visit| self.entries[*visit].arrival.prev());
        visits.map(|visit| self.entries.key(self.entries[visit].event))
    }

    /// Returns how many events a bus remembers.
    #[must_use]
    pub fn history_len(&self, bus: BusKey) -> usize {
        self.buses.get(bus).map_or(0, |bus| bus.history.len)
    }

    /// A visit has left the queue and will not start.
    pub(super) fn remember_cancelled(&mut self, visit: VisitIx) {
        let Visit { bus, seq, remembered, .. } = self.entries[visit];
        if remembered {
            self.buses[bus].history.cancelled.insert(seq, visit);
        }
    }

    /// Forgets all completed events, whatever the limit.
    pub(super) fn forget_completed(&mut self, bus: BusIx) {
        self.said.forgotten.reserve(self.buses[bus].history.len);
        let first =
            |bus: &BusState<H>| bus.history.kept.iter().find_map(|kept| kept.completed.first());
        while let Some(visit) = first(&self.buses[bus]) {
            if let Some(forgotten) = self.buses[bus].forget(&mut self.entries, visit) {
                self.remove_event(forgotten);
            }
        }
    }

    /// Forgets the events beyond a bus's limit.
    #[inline(never)]
    pub(super) fn forget_surplus(&mut self, bus: BusIx) {
        while let Some(kept) = self.buses[bus].surplus() {
            let oldest = match kept.completed.first() {
                None if self.buses[bus].config.max_history == Some(0) => return,
                None => {
                    self.land();
                    self.buses[bus].oldest_open(&self.entries)
                }
                completed => completed,
            };
            let bus = &mut self.buses[bus];
            let Some(oldest) = oldest else { return };
            if let Some(forgotten) = bus.forget(&mut self.entries, oldest) {
                self.remove_event(forgotten);
            }
        }
    }

    /// Removes a completed event from the books: its completion is handed out, and the last history has
    /// forgotten it.
    pub(super) fn remove_event(&mut self, event: EventIx) {
        let (stay, state) = self.entries.remove(event);
        let (payload, _) = (state.payload.take(), state.overrides.take());
        let EventState { kin, bytes, .. } = *state;
        if let Some(first) = stay.next {
            self.remove_further(event, first);
        }
        if let Some(kin) = kin {
            self.remove_kin(kin);
        }
        self.lose(bytes);
        if let Some(payload) = payload {
            self.said.forgotten.push(payload);
        }
    }

    /// Removes an event's further visits with it.
    #[cold]
    #[inline(never)]
    fn remove_further(&mut self, event: EventIx, first: VisitIx) {
        self.last_visits.remove(&event);
        let mut next = Some(first);
        while let Some(visit) = next {
            let Visit { bus, next: after, .. } = *self.entries.remove_further(visit);
            self.forwarded.remove(&(event, bus));
            next = after;
        }
    }
}

impl History {
    /// With room for as many.
    pub(super) fn new(limit: Option<usize>) -> Self {
        let room = limit.and_then(|limit| limit.try_into().ok()).unwrap_or(isize::MAX);
        let kept = || Kept { room, completed: List::default() };
        Self {
            len: 0,
            kept: [kept(), kept()],
            cancelled: BTreeMap::new(),
            arrivals: List::default(),
        }
    }
}

impl<H> BusState<H> {
    /// Counts a new event of this many bytes as open and in memory, and remembers it. The caller then
    /// puts it into a stage and forgets the surplus.
    #[inline(always)]
    pub(super) fn take_in<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx, bytes: u32) {
        self.history.kept[0].room -= 1;
        self.take_in_addressed(entries, visit, bytes);
    }

    /// Does the same for what was sent to an address.
    #[inline(always)]
    pub(super) fn take_in_addressed<P>(
        &mut self,
        entries: &mut Entries<P>,
        visit: VisitIx,
        bytes: u32,
    ) {
        self.incomplete += 1;
        self.in_memory += 1;
        self.bytes += u64::from(bytes);
        self.history.len += 1;
        self.history.arrivals.push_back(entries, visit, Visit::arrival);
    }

    /// Moves a visit whose event has completed. The caller then forgets the surplus.
    #[inline(always)]
    pub(super) fn remember_completed<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) {
        let Visit { seq, started, .. } = entries[visit];
        match started {
            true => self.started.remove(entries, visit),
            false => drop(self.history.cancelled.remove(&seq)),
        }
        self.keep_completed(entries, visit);
    }

    /// Does the same for a visit that is in no stage any more.
    #[inline(always)]
    pub(super) fn keep_completed<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) {
        self.incomplete -= 1;
        let Visit { remembered, addressed, .. } = entries[visit];
        if remembered {
            let kept = &mut self.history.kept[usize::from(addressed)];
            kept.room -= isize::from(addressed);
            kept.completed.push_back(entries, visit, Visit::links);
        } else {
            self.unweigh(entries.pair(visit).1.bytes);
        }
    }

    /// Returns whether it remembers more than its limit.
    #[inline]
    pub(super) fn has_surplus(&self) -> bool {
        let [dispatched, addressed] = &self.history.kept;
        dispatched.room.min(addressed.room) < 0
    }

    /// Returns what there is too much of. Requests come first: events in flight may have to stay.
    #[inline]
    fn surplus(&self) -> Option<&Kept> {
        self.history.kept.iter().rev().find(|kept| kept.room < 0)
    }

    /// Returns the first incomplete event to be forgotten: the first one started, else the first to
    /// arrive.
    #[cold]
    #[inline(never)]
    fn oldest_open<P>(&mut self, entries: &Entries<P>) -> Option<VisitIx> {
        let Self { history, queue, started, .. } = self;
        let pending = |queue: &mut Stage| {
            let queued = queue.oldest_remembered(entries);
            let cancelled = history.cancelled.values().next().copied();
            queued.into_iter().chain(cancelled).min_by_key(|visit| entries[*visit].seq)
        };
        started.oldest_remembered(entries).or_else(|| pending(queue))
    }

    /// Forgets a visit. Returns its event, if it has completed and nothing remembers it any more.
    #[inline(always)]
    fn forget<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) -> Option<EventIx> {
        let (stay, of_event) = entries.pair_mut(visit);
        stay.remembered = false;
        of_event.remembered -= 1;
        let Visit { event, seq, started, state, addressed, .. } = *stay;
        let EventState { remembered, bytes, .. } = *of_event;
        let is_complete = of_event.is_complete();
        let kept = &mut self.history.kept[usize::from(addressed)];
        kept.room += 1;
        self.history.len -= 1;
        self.history.arrivals.remove(entries, visit, Visit::arrival);
        if state == VisitState::Done && !started {
            self.history.cancelled.remove(&seq);
        }
        if is_complete {
            kept.completed.remove(entries, visit, Visit::links);
            self.unweigh(bytes);
        }
        (is_complete && remembered == 0).then_some(event)
    }
}
