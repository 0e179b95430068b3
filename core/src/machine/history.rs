//! What a bus remembers, and in which order it forgets (R29).

use alloc::collections::{BTreeMap, VecDeque};

use super::arena::Arena;
use super::list::List;
use super::state::{BusIx, BusState, EventIx, EventState, Visit, VisitIx, VisitState};
use super::{BusKey, EventKey, Machine, VisitKey, VisitTag};

/// What a bus remembers of those who came to it.
#[derive(Default)]
pub(super) struct History {
    pub(super) len: usize,
    pub(super) completed: List<VisitTag>,
    /// Those that were cancelled in the queue and whose events are still open, by arrival.
    cancelled: BTreeMap<u64, VisitIx>,
    /// In order of arrival, with some that are forgotten among them.
    arrivals: VecDeque<VisitKey>,
}

/// The visits of a bus that are queued, or started, in order.
///
/// A visit is in one stage at a time. Those that are forgotten stay where they are: the history
/// passes each of them once.
#[derive(Default)]
pub(super) struct Stage {
    list: List<VisitTag>,
    /// All before this one are forgotten.
    remembered_from: Option<VisitIx>,
}

impl Stage {
    #[inline]
    pub(super) fn first(&self) -> Option<VisitIx> {
        self.list.first()
    }

    /// In order.
    pub(super) fn iter(&self, visits: &Arena<Visit, VisitTag>) -> impl Iterator<Item = VisitIx> {
        core::iter::successors(self.list.first(), |visit| visits[*visit].links.next())
    }

    #[inline]
    pub(super) fn push_back(&mut self, visits: &mut Arena<Visit, VisitTag>, visit: VisitIx) {
        self.list.push_back(visits, visit, Visit::links);
        self.remembered_from.get_or_insert(visit);
    }

    #[inline]
    pub(super) fn remove(&mut self, visits: &mut Arena<Visit, VisitTag>, visit: VisitIx) {
        if self.remembered_from == Some(visit) {
            self.remembered_from = visits[visit].links.next();
        }
        self.list.remove(visits, visit, Visit::links);
    }

    fn oldest_remembered(&mut self, visits: &Arena<Visit, VisitTag>) -> Option<VisitIx> {
        while let Some(visit) = self.remembered_from.filter(|visit| !visits[*visit].remembered) {
            self.remembered_from = visits[visit].links.next();
        }
        self.remembered_from
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// The events a bus remembers, oldest first.
    pub fn history(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        self.remembered(bus).map(|visit| self.events.key(self.visits[visit].event))
    }

    /// The same, newest first.
    pub fn newest(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        self.remembered(bus).rev().map(|visit| self.events.key(self.visits[visit].event))
    }

    /// How many events a bus remembers.
    #[must_use]
    pub fn history_len(&self, bus: BusKey) -> usize {
        self.buses.get(bus).map_or(0, |bus| bus.history.len)
    }

    fn remembered(&self, bus: BusKey) -> impl DoubleEndedIterator<Item = VisitIx> {
        let arrivals = self.buses.get(bus).into_iter().flat_map(|bus| &bus.history.arrivals);
        let visits = arrivals.filter_map(|visit| self.visits.find(*visit));
        visits.filter(|visit| self.visits[*visit].remembered)
    }

    /// A visit that has come to its bus and entered a stage there.
    pub(super) fn remember(&mut self, visit: VisitIx) {
        let Self { buses, visits, events, .. } = self;
        let key = visits.key(visit);
        let Visit { bus, event, ref mut remembered, .. } = visits[visit];
        *remembered = true;
        events[event].remembered += 1;
        let state = &mut buses[bus];
        let History { len, arrivals, .. } = &mut state.history;
        *len += 1;
        arrivals.push_back(key);
        if arrivals.len() > 2 * *len + MANY_FORGOTTEN {
            arrivals.retain(|visit| visits.get(*visit).is_some_and(|visit| visit.remembered));
        }
        self.forget_surplus(bus);
    }

    /// A visit has left the queue and will not start.
    pub(super) fn remember_cancelled(&mut self, visit: VisitIx) {
        let Visit { bus, seq, remembered, .. } = self.visits[visit];
        if remembered {
            self.buses[bus].history.cancelled.insert(seq, visit);
        }
    }

    /// The event of a visit has completed.
    #[inline]
    pub(super) fn remember_completed(&mut self, visit: VisitIx) {
        let Self { buses, visits, .. } = self;
        let Visit { bus, seq, started, remembered, .. } = visits[visit];
        let state = &mut buses[bus];
        match started {
            true => state.started.remove(visits, visit),
            false => drop(state.history.cancelled.remove(&seq)),
        }
        if !remembered {
            return self.unweigh(visit);
        }
        state.history.completed.push_back(visits, visit, Visit::links);
        self.forget_surplus(bus);
    }

    /// Forgets all that has completed, whatever the limit.
    pub(super) fn forget_completed(&mut self, bus: BusIx) {
        while let Some(visit) = self.buses[bus].history.completed.first() {
            self.forget(visit);
        }
    }

    /// One history less, or the completion itself: at the last, a completed event leaves the books.
    #[inline]
    pub(super) fn forget_one(&mut self, event: EventIx) {
        let state = &mut self.events[event];
        state.remembered -= 1;
        if state.remembered == 0 && state.is_complete() {
            self.remove_event(event);
        }
    }

    fn forget_surplus(&mut self, bus: BusIx) {
        let Some(limit) = self.buses[bus].config.max_history else {
            return;
        };
        while self.buses[bus].history.len > limit {
            let oldest = match self.buses[bus].history.completed.first() {
                None if limit == 0 => return,
                None => self.oldest_open(bus),
                completed => completed,
            };
            let Some(oldest) = oldest else { return };
            self.forget(oldest);
        }
    }

    /// Of those that have not completed: the first that was started, else the first that came.
    fn oldest_open(&mut self, bus: BusIx) -> Option<VisitIx> {
        let Self { buses, visits, .. } = self;
        let BusState { history, queue, started, .. } = &mut buses[bus];
        let pending = |queue: &mut Stage| {
            let queued = queue.oldest_remembered(visits);
            let cancelled = history.cancelled.values().next().copied();
            queued.into_iter().chain(cancelled).min_by_key(|visit| visits[*visit].seq)
        };
        started.oldest_remembered(visits).or_else(|| pending(queue))
    }

    fn forget(&mut self, visit: VisitIx) {
        let Self { buses, visits, events, .. } = self;
        let Visit { bus, event, seq, started, state, ref mut remembered, .. } = visits[visit];
        *remembered = false;
        let history = &mut buses[bus].history;
        history.len -= 1;
        if state == VisitState::Done && !started {
            history.cancelled.remove(&seq);
        }
        if events[event].is_complete() {
            history.completed.remove(visits, visit, Visit::links);
            self.unweigh(visit);
        }
        self.forget_one(event);
    }

    fn remove_event(&mut self, event: EventIx) {
        let state = self.events.remove(event);
        let (payload, _) = (state.payload.take(), state.overrides.take());
        let EventState { kin, first_visit, bytes, .. } = *state;
        if let Some(kin) = kin {
            self.remove_kin(kin);
        }
        let mut next = self.visits.remove(first_visit).next;
        while let Some(visit) = next {
            let Visit { bus, next: after, .. } = *self.visits.remove(visit);
            self.forwarded.remove(&(event, bus));
            next = after;
        }
        self.lose(bytes);
        self.forgotten.extend(payload);
    }
}

/// Forgotten arrivals that are kept before they are looked through.
const MANY_FORGOTTEN: usize = 64;
