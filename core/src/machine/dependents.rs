//! Waiting inside a handler until buses have nothing left to do that does not depend on the handler: as
//! one does that stops its own bus, or its hub (R32).

use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::config::Concurrency;
use super::event_state::VisitState;
use super::output::Output;
use super::raised::RaiseOrder;
use super::state::{BusIx, BusState, EventIx, VisitIx};
use super::{BusKey, InvocationKey, Machine};

/// From where on a bus's queue was looked at: the raised ones, and the others by sequence number.
struct LookedAt {
    raised_from: Option<RaiseOrder>,
    seq_from: u64,
}

impl Default for LookedAt {
    fn default() -> Self {
        Self { raised_from: None, seq_from: u64::MAX }
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Returns whether all incomplete events of some buses depend on an invocation: they do if they cannot
    /// complete before it has ended.
    ///
    /// If others are left, [`Output::Idle`] is given once, when this may have changed. An invocation that
    /// asks waits from now on, until [`asks_no_more`](Self::asks_no_more).
    pub fn is_idle_but(&mut self, buses: &[BusKey], by: InvocationKey) -> bool {
        self.land();
        let on_buses = self.dependents_on_buses(by);
        let own = |(other, bus): &(InvocationKey, BusKey)| (*other == by).then_some(*bus);
        let mut asked: HashSet<BusKey> = self.asks.iter().filter_map(own).collect();
        let mut is_idle = true;
        for bus in buses {
            let Some(ix) = self.bus(*bus) else { continue };
            let on_bus = on_buses.get(&ix).copied().unwrap_or(0);
            if self.buses[ix].incomplete > on_bus {
                is_idle = false;
                if asked.insert(*bus) {
                    // Those who asked before may depend on this one.
                    self.tell_those_in_handlers();
                    self.asks.push((by, *bus));
                }
                self.tell_idle(*bus, on_bus);
            }
        }
        is_idle
    }

    /// An invocation asks no more, or waits no more for an answer. It may still wait for one about other
    /// buses, and asks again when it is told.
    pub fn asks_no_more(&mut self, by: InvocationKey) {
        self.tell_those_in_handlers();
        self.asks.retain(|(other, _)| *other != by);
    }

    /// An event has come, or a handler has begun to wait or no longer does: more may depend on a handler
    /// that asked.
    #[inline]
    pub(super) fn tell_those_in_handlers(&mut self) {
        if !self.asks.is_empty() {
            self.tell_all_in_handlers();
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_all_in_handlers(&mut self) {
        for at in 0..self.asks.len() {
            let (_, bus) = self.asks[at];
            let idle_at = self.bus(bus).and_then(|ix| self.buses[ix].idle_at.take());
            if idle_at.is_some() {
                self.say(Output::Idle { bus });
            }
        }
    }

    /// How many of an invocation's [dependents](Self::dependents) there are on each bus.
    fn dependents_on_buses(&self, by: InvocationKey) -> HashMap<BusIx, usize> {
        let mut on_buses = HashMap::new();
        for event in self.dependents(by) {
            for visit in self.visits_of(event) {
                *on_buses.entry(self.entries[visit].bus).or_insert(0) += 1;
            }
        }
        on_buses
    }

    /// What cannot complete before an invocation has ended: its event; the parents of such events, and
    /// the events of handlers that wait for them; and the events that queue behind these handlers.
    fn dependents(&self, by: InvocationKey) -> HashSet<EventIx> {
        let (mut dependents, mut frontier) = (HashSet::new(), Vec::new());
        let mut looked_at = HashMap::new();
        let mut asks: HashMap<BusIx, Vec<InvocationKey>> = HashMap::new();
        for (other, bus) in self.asks.iter().filter(|(other, _)| *other != by) {
            if let Some(bus) = self.bus(*bus) {
                asks.entry(bus).or_default().push(*other);
            }
        }
        self.push_held_up(by, &mut frontier);
        while let Some(event) = frontier.pop() {
            if !dependents.insert(event) {
                continue;
            }
            frontier.extend(self.attached_parent(event));
            self.push_queued_behind(event, &mut looked_at, &mut frontier);
            for wait in self.waits_for(event) {
                let waiting = self.waits[wait].invocation;
                self.push_held_up(self.invocations.key(waiting), &mut frontier);
            }
            // Others that ask for a bus where this event is wait for it.
            for visit in self.visits_of(event) {
                for other in asks.remove(&self.entries[visit].bus).into_iter().flatten() {
                    self.push_held_up(other, &mut frontier);
                }
            }
        }
        dependents
    }

    /// Adds the events behind this one in the queues where it stands, as far as they are not
    /// `looked_at`.
    fn push_queued_behind(
        &self,
        event: EventIx,
        looked_at: &mut HashMap<BusIx, LookedAt>,
        to: &mut Vec<EventIx>,
    ) {
        let is_queued = |visit: &VisitIx| self.entries[*visit].state == VisitState::Queued;
        for visit in self.visits_of(event).filter(is_queued) {
            let bus = self.entries[visit].bus;
            let looked_at = looked_at.entry(bus).or_default();
            let first = match self.raise_order(visit) {
                Some(order) => {
                    let BusState { raised, raised_parallel, queue, .. } = &self.buses[bus];
                    let from = looked_at.raised_from;
                    let behind = [raised, raised_parallel].map(|list| list.between(order, from));
                    to.extend(behind.into_iter().flatten().map(|visit| self.entries[visit].event));
                    looked_at.raised_from = Some(from.map_or(order, |from| from.min(order)));
                    // Raised ones come before the others.
                    queue.first()
                }
                None => Some(visit),
            };
            self.push_not_raised(first, looked_at, to);
        }
    }

    /// Adds those of these events and the ones behind them that are not raised.
    fn push_not_raised(
        &self,
        first: Option<VisitIx>,
        looked_at: &mut LookedAt,
        to: &mut Vec<EventIx>,
    ) {
        let queue = core::iter::successors(first, |visit| self.entries[*visit].links.next());
        let behind = queue.map(|visit| &self.entries[visit]);
        let not_yet = behind.take_while(|stay| stay.seq < looked_at.seq_from);
        let not_raised = not_yet.filter(|stay| self.raise_of(stay.event) == 0);
        to.extend(not_raised.map(|stay| stay.event));
        let seq = first.map_or(u64::MAX, |first| self.entries[first].seq);
        looked_at.seq_from = seq.min(looked_at.seq_from);
    }

    /// Adds what an invocation holds up as long as it goes on: its event, and those behind it.
    fn push_held_up(&self, by: InvocationKey, to: &mut Vec<EventIx>) {
        if let Some(by) = self.invocations.get(by) {
            to.push(by.event);
            self.push_behind(by.visit, by.is_waiting(), to);
        }
    }

    /// Adds the events that cannot start while a handler of this visit goes on. One that waits lends its
    /// slots to raised events; and events that take no slot start, unless others are before them.
    fn push_behind(&self, visit: VisitIx, lends: bool, to: &mut Vec<EventIx>) {
        let bus = self.entries[visit].bus;
        let is_behind = |queued: &VisitIx| !lends || self.raise_order(*queued).is_none();
        let is = |how: Concurrency| move |queued: &VisitIx| self.concurrency(*queued) == how;
        let own = self.concurrency(visit);
        if own != Concurrency::Parallel {
            let queued = self.buses[bus].queue.iter(&self.entries);
            let behind = queued.skip_while(is(Concurrency::Parallel)).filter(is_behind);
            to.extend(behind.map(|queued| self.entries[queued].event));
        }
        if own == Concurrency::HubSerial {
            let queued = self.buses.iter().flat_map(|(_, bus)| bus.queue.iter(&self.entries));
            let behind = queued.filter(is(Concurrency::HubSerial)).filter(is_behind);
            to.extend(behind.map(|queued| self.entries[queued].event));
        }
    }
}
