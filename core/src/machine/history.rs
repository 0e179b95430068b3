//! What a bus remembers, and in which order it forgets (R29).

use alloc::collections::BTreeMap;

use super::entries::Entries;
use super::event_state::{EventState, Visit, VisitState};
use super::list::List;
use super::state::{BusIx, BusState, EventIx, VisitIx};
use super::{BusKey, EventKey, Machine, VisitTag};

/// What a bus remembers of those who came to it.
#[derive(Default)]
pub(super) struct History {
    pub(super) len: usize,
    pub(super) completed: List<VisitTag>,
    /// Those that were cancelled in the queue and whose events are still open, by arrival.
    cancelled: BTreeMap<u64, VisitIx>,
    /// All that it remembers, by arrival.
    arrivals: List<VisitTag>,
}

/// The visits of a bus that are queued, or started, in order.
///
/// A visit is in one stage at a time. Those that are forgotten stay where they are: the history
/// passes each of them once.
#[derive(Default)]
pub(super) struct Stage {
    list: List<VisitTag>,
    len: usize,
    /// All before this one are forgotten.
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

    /// In order.
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
        while let Some(visit) = self.remembered_from.filter(|visit| !entries[*visit].remembered) {
            self.remembered_from = entries[visit].links.next();
        }
        self.remembered_from
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// The events a bus remembers, oldest first.
    pub fn history(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        let oldest = self.buses.get(bus).and_then(|bus| bus.history.arrivals.first());
        let visits = core::iter::successors(oldest, |visit| self.entries[*visit].arrival.next());
        visits.map(|visit| self.entries.key(self.entries[visit].event))
    }

    /// The same, newest first.
    pub fn newest(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        let newest = self.buses.get(bus).and_then(|bus| bus.history.arrivals.last());
        let visits = core::iter::successors(newest, |visit| self.entries[*visit].arrival.prev());
        visits.map(|visit| self.entries.key(self.entries[visit].event))
    }

    /// How many events a bus remembers.
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

    /// Forgets all that has completed, whatever the limit.
    pub(super) fn forget_completed(&mut self, bus: BusIx) {
        self.said.forgotten.reserve(self.buses[bus].history.len);
        while let Some(visit) = self.buses[bus].history.completed.first() {
            if let Some(forgotten) = self.buses[bus].forget(&mut self.entries, visit) {
                self.remove_event(forgotten);
            }
        }
    }

    /// Forgets what is more than a bus has to remember.
    #[inline(never)]
    pub(super) fn forget_surplus(&mut self, bus: BusIx) {
        while self.buses[bus].has_surplus() {
            let oldest = match self.buses[bus].history.completed.first() {
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

    /// A completed event leaves the books: its completion is told, and the last history has forgotten it.
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

    /// The stays of an event on further buses go with it.
    #[cold]
    #[inline(never)]
    fn remove_further(&mut self, event: EventIx, first: VisitIx) {
        let mut next = Some(first);
        while let Some(visit) = next {
            let Visit { bus, next: after, .. } = *self.entries.remove_further(visit);
            self.forwarded.remove(&(event, bus));
            next = after;
        }
    }
}

impl<H> BusState<H> {
    /// An event of so many bytes has come: it is counted, as open and as in memory, and remembered. It
    /// has yet to enter a stage, and then the surplus is to be forgotten.
    #[inline(always)]
    pub(super) fn take_in<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx, bytes: u32) {
        self.incomplete += 1;
        self.in_memory += 1;
        self.bytes += u64::from(bytes);
        self.history.len += 1;
        self.history.arrivals.push_back(entries, visit, Visit::arrival);
    }

    /// The event of a visit has completed. The surplus is to be forgotten then.
    #[inline(always)]
    pub(super) fn remember_completed<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) {
        let Visit { seq, started, .. } = entries[visit];
        match started {
            true => self.started.remove(entries, visit),
            false => drop(self.history.cancelled.remove(&seq)),
        }
        self.keep_completed(entries, visit);
    }

    /// The same for one that is in no stage any more.
    #[inline(always)]
    pub(super) fn keep_completed<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) {
        self.incomplete -= 1;
        if entries[visit].remembered {
            self.history.completed.push_back(entries, visit, Visit::links);
        } else {
            self.unweigh(entries.pair(visit).1.bytes);
        }
    }

    /// Whether it remembers more than it has to.
    #[inline]
    pub(super) fn has_surplus(&self) -> bool {
        self.config.max_history.is_some_and(|limit| self.history.len > limit)
    }

    /// Of those that have not completed: the first that was started, else the first that came.
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

    /// Forgets a visit; returns its event, if that has completed and nothing remembers it any more.
    #[inline(always)]
    fn forget<P>(&mut self, entries: &mut Entries<P>, visit: VisitIx) -> Option<EventIx> {
        let (stay, of_event) = entries.pair_mut(visit);
        stay.remembered = false;
        of_event.remembered -= 1;
        let Visit { event, seq, started, state, .. } = *stay;
        let EventState { remembered, bytes, .. } = *of_event;
        let is_complete = of_event.is_complete();
        self.history.len -= 1;
        self.history.arrivals.remove(entries, visit, Visit::arrival);
        if state == VisitState::Done && !started {
            self.history.cancelled.remove(&seq);
        }
        if is_complete {
            self.history.completed.remove(entries, visit, Visit::links);
            self.unweigh(bytes);
        }
        (is_complete && remembered == 0).then_some(event)
    }
}
