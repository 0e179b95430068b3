//! Handlers' waits for events: raising, lending, retaking, and waits that could never end (R13–R15).

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::config::Concurrency;
use super::error::Deadlock;
use super::event_state::VisitState;
use super::kin::KinIx;
use super::raised::{RaiseOrder, Raised};
use super::state::{BusIx, EventIx, InvocationIx, VisitIx, WaitIx};
use super::work::{Invocation, Wait};
use super::{BusKey, EventKey, InvocationKey, Machine, WaitKey};

/// The answer to a handler that wants to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// There is nothing to wait for: the event has completed.
    Over,
    /// The wait is noted and ends with the event's completion.
    Begun(WaitKey),
    /// The invocation has ended: the wait belongs to no invocation, as one outside of handlers.
    Nobodys,
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Begins an invocation's wait for an event. The event and its descendants are raised, and the
    /// invocation lends its slot until the wait ends: with the event, or when it is given up.
    ///
    /// # Errors
    /// The wait could never end.
    pub fn wait(
        &mut self,
        invocation: InvocationKey,
        event: EventKey,
    ) -> Result<Waiting, Deadlock> {
        self.begin_wait(invocation, event, false)
    }

    /// Does the same, and gives [`Output::Resumed`](super::Output::Resumed) when the wait ends with the
    /// event.
    ///
    /// # Errors
    /// The wait could never end.
    pub fn wait_to_resume(
        &mut self,
        invocation: InvocationKey,
        event: EventKey,
    ) -> Result<Waiting, Deadlock> {
        self.begin_wait(invocation, event, true)
    }

    /// Either of the two.
    pub(crate) fn begin_wait(
        &mut self,
        invocation: InvocationKey,
        event: EventKey,
        resumes: bool,
    ) -> Result<Waiting, Deadlock> {
        self.land();
        let Some(by) = self.invocations.find(invocation) else {
            return Ok(Waiting::Nobodys);
        };
        let Some(event) =
            self.entries.find(event).filter(|event| !self.entries[*event].is_complete())
        else {
            return Ok(Waiting::Over);
        };
        self.check_cycle(by, event)?;
        let (key, wait) = self.waits.renew();
        *wait = Wait { invocation: by, event, resumes, ..Wait::default() };
        self.note_wait(by, event, key.ix());
        self.settle(self.invocations[by].visit);
        let group = self.invocations[by].group;
        self.raise(event, group);
        self.tell_those_in_handlers();
        Ok(Waiting::Begun(key))
    }

    /// Gives up a wait. Events that it raised and that have not started return to their place.
    pub fn end_wait(&mut self, wait: WaitKey) {
        self.land();
        if let Some(wait) = self.waits.find(wait) {
            let Wait { invocation, event, .. } = self.waits[wait];
            self.unlink_wait(wait);
            self.settle(self.invocations[invocation].visit);
            self.lower(event);
        }
    }

    /// Checks whether an invocation may wait until a bus is idle. It may not if the bus cannot be idle
    /// before the invocation has ended.
    ///
    /// # Errors
    /// The events that depend on the invocation, the one on that bus last.
    pub fn check_idle_wait(
        &mut self,
        invocation: InvocationKey,
        bus: BusKey,
    ) -> Result<(), Deadlock> {
        self.land();
        let (Some(by), Some(bus)) = (self.invocations.find(invocation), self.buses.find(bus))
        else {
            return Ok(());
        };
        self.search_up(by, |event| self.visit_on(event, bus).is_some())
    }

    pub(super) fn visit_on(&self, event: EventIx, bus: BusIx) -> Option<VisitIx> {
        self.visits_of(event).find(|visit| self.entries[*visit].bus == bus)
    }

    fn note_wait(&mut self, by: InvocationIx, event: EventIx, wait: WaitIx) {
        let kin = self.kin_ix(event);
        let Self { invocations, works, kins, waits, wait_count, .. } = self;
        let invocation = &mut invocations[by];
        if invocation.waits.first().is_none() {
            *wait_count += 1;
            invocation.group = *wait_count;
        }
        // The newest comes last. It is this one, unless the invocation was waiting already.
        let group = invocation.group;
        let is_newer = |wait: &WaitIx| invocations[waits[*wait].invocation].group > group;
        let of_event = &mut kins[kin].waits;
        let mut before = of_event.last();
        while let Some(newer) = before.filter(is_newer) {
            before = waits[newer].of_event.prev();
        }
        match before {
            Some(before) => of_event.insert_after(waits, (wait, before), Wait::of_event),
            None => of_event.push_front(waits, wait, Wait::of_event),
        }
        invocations[by].change_waiting(works, |invocation| {
            invocation.waits.push_back(waits, wait, Wait::of_invocation);
        });
    }

    fn unlink_wait(&mut self, wait: WaitIx) {
        let Self { invocations, works, entries, kins, waits, .. } = self;
        let Wait { invocation, event, of_invocation, of_event, .. } = *waits.remove(wait);
        if let Some(kin) = entries[event].kin {
            kins[kin].waits.remove_linked(waits, of_event, Wait::of_event);
        }
        invocations[invocation].change_waiting(works, |invocation| {
            invocation.waits.remove_linked(waits, of_invocation, Wait::of_invocation);
        });
    }

    /// Returns the waits for an event, the newest last.
    pub(super) fn waits_for(&self, event: EventIx) -> impl Iterator<Item = WaitIx> {
        let first = self.kin(event).and_then(|kin| kin.waits.first());
        core::iter::successors(first, |wait| self.waits[*wait].of_event.next())
    }

    /// An event has completed: invocations that waited for it retake their slots in this same step.
    #[inline]
    pub(super) fn end_waits_for(&mut self, kin: KinIx) {
        while let Some(wait) = self.kins[kin].waits.first() {
            let Wait { invocation: by, resumes, .. } = self.waits[wait];
            self.unlink_wait(wait);
            let Invocation { visit, bus, .. } = self.invocations[by];
            if resumes {
                let (bus, invocation) = (self.buses.key(bus), self.invocations.key(by));
                self.say_resumed(bus, invocation);
            }
            self.settle(visit);
        }
    }

    /// Ends the waits of an invocation that ends.
    #[inline]
    pub(super) fn drop_waits(&mut self, by: InvocationIx) {
        if self.invocations[by].is_waiting() {
            self.drop_all_waits(by);
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_all_waits(&mut self, by: InvocationIx) {
        self.set_lends(by, 0);
        while let Some(wait) = self.invocations[by].waits.first() {
            let event = self.waits[wait].event;
            self.unlink_wait(wait);
            self.lower(event);
        }
    }

    /// Returns the events below an invocation that it is waiting for.
    pub(super) fn awaited_descendants(&self, by: InvocationIx) -> Vec<EventKey> {
        let ancestor = self.invocations[by].event;
        let mut awaited = Vec::new();
        let mut next = self.invocations[by].waits.first();
        while let Some(wait) = next {
            let event = self.waits[wait].event;
            if self.is_descendant(event, ancestor) {
                awaited.push(self.entries.key(event));
            }
            next = self.waits[wait].of_invocation.next();
        }
        awaited
    }

    /// Returns the events an invocation is waiting for.
    pub(super) fn awaited(&self, by: InvocationIx) -> impl Iterator<Item = EventIx> {
        let first = self.invocations[by].waits.first();
        core::iter::successors(first, |wait| self.waits[*wait].of_invocation.next())
            .map(|wait| self.waits[wait].event)
    }

    /// Puts a queued visit in the place among the raised that its event gives it.
    #[inline]
    pub(super) fn place_raised(&mut self, visit: VisitIx) {
        if let Some(order) = self.raise_order(visit) {
            self.raised_of(visit).insert(order, visit);
        }
    }

    /// Takes a queued visit out of that place, before it leaves the queue or its event's `raise`
    /// changes.
    #[inline]
    pub(super) fn unplace_raised(&mut self, visit: VisitIx) {
        if let Some(order) = self.raise_order(visit) {
            self.raised_of(visit).remove(&order);
        }
    }

    #[inline]
    pub(super) fn raise_order(&self, visit: VisitIx) -> Option<RaiseOrder> {
        let (stay, event) = self.entries.pair(visit);
        let raise = self.kins[event.kin?].raise;
        (raise > 0).then_some((Reverse(raise), stay.seq))
    }

    #[inline(never)]
    fn raised_of(&mut self, visit: VisitIx) -> &mut Raised {
        let parallel = self.concurrency(visit) == Concurrency::Parallel;
        let bus = &mut self.buses[self.entries[visit].bus];
        if parallel { &mut bus.raised_parallel } else { &mut bus.raised }
    }

    /// Raises an event and everything below it to at least this wait, at any depth, without recursion.
    fn raise(&mut self, event: EventIx, group: u64) {
        let (mut next, mut below) = (Some(event), Vec::new());
        while let Some(event) = next {
            if self.raise_of(event) < group {
                self.set_raise(event, group);
                self.push_incomplete_children(event, &mut below);
            }
            next = below.pop();
        }
    }

    /// Gives an event and everything below it the place that the remaining waits give it.
    fn lower(&mut self, event: EventIx) {
        let (mut next, mut below) = (Some(event), Vec::new());
        while let Some(event) = next {
            let left = self.newest_wait(event);
            if self.raise_of(event) != left {
                self.set_raise(event, left);
                self.push_incomplete_children(event, &mut below);
            }
            next = below.pop();
        }
        self.tell_those_in_handlers();
    }

    fn newest_wait(&self, event: EventIx) -> u64 {
        let parent = self.attached_parent(event).map_or(0, |parent| self.raise_of(parent));
        let last = self.kin(event).and_then(|kin| kin.waits.last());
        last.map_or(parent, |wait| parent.max(self.invocations[self.waits[wait].invocation].group))
    }

    fn set_raise(&mut self, event: EventIx, raise: u64) {
        let kin = self.kin_ix(event);
        if self.kins[kin].raise > 0 {
            self.for_each_queued(event, Self::unplace_raised);
        }
        self.kins[kin].raise = raise;
        self.for_each_queued(event, |machine, visit| {
            machine.place_raised(visit);
            // A visit that is no longer raised may have held up the head of the queue.
            machine.kick(machine.entries[visit].bus);
        });
    }

    fn for_each_queued(&mut self, event: EventIx, mut place: impl FnMut(&mut Self, VisitIx)) {
        let mut next = Some(event.home());
        while let Some(visit) = next {
            if self.entries[visit].state == VisitState::Queued {
                place(self, visit);
            }
            next = self.entries[visit].next;
        }
    }

    /// An event without children, none of whose handlers waits, depends on nothing else, so there is no
    /// search. This holds for an event that has just been dispatched or requested. Nor is there one for an
    /// event below the invocation's own, which waits for it anyway.
    fn check_cycle(&self, by: InvocationIx, event: EventIx) -> Result<(), Deadlock> {
        let own = self.invocations[by].event;
        let has_children = self.kin(event).is_some_and(|kin| kin.children.last().is_some());
        let waits = |visit: VisitIx| {
            self.entries[visit].work.is_some_and(|work| self.works[work].waiting > 0)
        };
        let depends = own == event || has_children || self.visits_of(event).any(waits);
        match depends && !self.is_descendant(event, own) {
            true => self.search_up(by, |blocked| blocked == event),
            false => Ok(()),
        }
    }

    /// Walks up everything that cannot complete before an invocation ends: its event, that event's
    /// parents, and the events of handlers that wait for any of these.
    fn search_up(
        &self,
        by: InvocationIx,
        mut is_it: impl FnMut(EventIx) -> bool,
    ) -> Result<(), Deadlock> {
        let start = self.invocations[by].event;
        let mut below: HashMap<EventIx, Option<EventIx>> = HashMap::from_iter([(start, None)]);
        let mut frontier = vec![start];
        while let Some(event) = frontier.pop() {
            if is_it(event) {
                return Err(self.cycle(&below, event));
            }
            let mut reach = |blocked: EventIx| {
                if let Entry::Vacant(entry) = below.entry(blocked) {
                    entry.insert(Some(event));
                    frontier.push(blocked);
                }
            };
            self.attached_parent(event).into_iter().for_each(&mut reach);
            for wait in self.waits_for(event) {
                reach(self.invocations[self.waits[wait].invocation].event);
            }
        }
        Ok(())
    }

    fn cycle(&self, below: &HashMap<EventIx, Option<EventIx>>, end: EventIx) -> Deadlock {
        let back = core::iter::successors(Some(end), |event| below.get(event).copied().flatten());
        let mut cycle: Vec<_> = back.map(|event| self.entries.key(event)).collect();
        cycle.reverse();
        Deadlock { cycle }
    }
}
