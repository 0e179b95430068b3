//! Completion of events, and then of their parents (R16).

use alloc::boxed::Box;

use super::Machine;
use super::event_state::{Counted, Visit};
use super::kin::KinIx;
use super::output::{Done, Ended, Note, Output, Path, Results};
use super::results::EventStatus;
use super::state::{BusIx, BusState, EventIx, Timer, VisitIx, WorkIx};
use super::timers::NOWHERE;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Closes one thing that an event waits for. After the last one the event completes, and so may its
    /// parent.
    pub(super) fn close_one(&mut self, event: EventIx) {
        let mut next = Some(event);
        while let Some(event) = next {
            let state = &mut self.entries[event];
            state.open -= 1;
            if state.open > 0 {
                return;
            }
            next = self.complete(event);
        }
    }

    /// Returns the parent that waited for it.
    #[inline(always)]
    fn complete(&mut self, event: EventIx) -> Option<EventIx> {
        let Self { buses, entries, works, now, .. } = self;
        let (stay, state) = entries.home_mut(event);
        state.status = EventStatus::Completed;
        state.completed_at = *now;
        // It stays in the books until its completion is handed out and the last history has forgotten
        // it.
        state.remembered += 1;
        let Visit { bus: ix, next, work, .. } = *stay;
        let (counted, kin, timer) = (state.counted, state.kin, state.timer);
        let bus = &mut buses[ix];
        bus.give_capacity_back(counted);
        bus.remember_completed(entries, event.home());
        let tells_of_less = bus.tells_of_less();
        // If an event was on one bus alone and has rows, they name its path.
        match work {
            Some(work) if next.is_none() && !works[work].rows.is_empty() => {
                self.note(Note::Completed(event));
            }
            _ => self.say_completed(event),
        }
        let parent = self.has_completed(event, (kin, timer));
        if tells_of_less {
            self.tell_of_less(ix);
        }
        if next.is_some() {
            self.remember_further(next);
        }
        parent
    }

    /// Removes what an event that has completed left in timers and kin. Returns the parent that waited
    /// for it.
    #[inline(always)]
    pub(super) fn has_completed(
        &mut self,
        event: EventIx,
        (kin, timer): (Option<KinIx>, u32),
    ) -> Option<EventIx> {
        if timer != NOWHERE {
            self.disarm(Timer::Event(event));
        }
        kin.and_then(|kin| self.leave_kin(event, kin))
    }

    #[inline(never)]
    fn leave_kin(&mut self, event: EventIx, kin: KinIx) -> Option<EventIx> {
        let parent = self.leave_parent(event, kin);
        self.end_waits_for(kin);
        parent
    }

    #[cold]
    #[inline(never)]
    fn remember_further(&mut self, first: Option<VisitIx>) {
        let mut next = first;
        while let Some(visit) = next {
            let Visit { bus, next: further, .. } = self.entries[visit];
            self.buses[bus].remember_completed(&mut self.entries, visit);
            if self.buses[bus].tells_of_less() {
                self.tell_of_less(bus);
            }
            next = further;
        }
    }

    #[cold]
    #[inline(never)]
    fn say_completed(&mut self, event: EventIx) {
        let path = Box::new(self.path_of(event));
        self.say(Output::Completed(Ended::Held(event, path)));
    }

    pub(super) fn path_of(&self, event: EventIx) -> Path {
        let name = |visit: VisitIx| self.buses[self.entries[visit].bus].name.clone();
        let mut path = Path::new(name(event.home()));
        self.visits_of(event).skip(1).for_each(|visit| path.push(name(visit)));
        path
    }

    /// Assembles the output of a completed event.
    #[inline]
    pub(super) fn hand_out<C>(
        &mut self,
        event: EventIx,
        path: Option<Box<Path>>,
        make: impl FnOnce(Done<'_, P, R>) -> C,
    ) -> C {
        let key = self.entries.key(event);
        let Visit { next: further, work, .. } = self.entries[event.home()];
        if let Some((home, further)) = work.zip(further) {
            self.gather_results(home, further);
        }
        let Self { entries, works, .. } = self;
        let rows = work.map(|work| &mut works.remove(work).rows);
        let (stay, state) = entries.home_mut(event);
        stay.work = None;
        state.remembered -= 1;
        let is_remembered = state.remembered > 0;
        let said = make(Done {
            event: key,
            payload: state.payload(),
            started_at: state.started_at.known(),
            completed_at: state.completed_at,
            cause: state.cause,
            results: rows.map_or(Results::None, Results::Rows),
            path,
        });
        if !is_remembered {
            self.remove_event(event);
        }
        // Its work was the last there was.
        self.let_go_of_much();
        said
    }

    /// Appends the results of an event's further visits to those of the first one.
    #[cold]
    #[inline(never)]
    fn gather_results(&mut self, home: WorkIx, further: VisitIx) {
        let mut results = self.works[home].rows.take();
        let mut next = Some(further);
        while let Some(visit) = next {
            let stay = &mut self.entries[visit];
            next = stay.next;
            if let Some(work) = stay.work.take() {
                results.append(self.works.remove(work).rows.take());
            }
        }
        self.works[home].rows = results;
    }

    /// A bus has one event less: a place may be free, a caller may wait for that, history may have a
    /// surplus.
    #[inline(never)]
    pub(super) fn tell_of_less(&mut self, bus: BusIx) {
        self.grant(bus);
        self.forget_surplus(bus);
        let state = &mut self.buses[bus];
        let is_idle = state.idle_at.take_if(|at_most| state.incomplete <= *at_most).is_some();
        let is_closed = state.incomplete == 0 && state.closed;
        if is_idle {
            self.say(Output::Idle { bus: self.buses.key(bus) });
        }
        if is_closed {
            self.say(Output::Closed { bus: self.buses.key(bus) });
        }
    }
}

impl<H> BusState<H> {
    #[inline]
    pub(super) fn give_capacity_back(&mut self, counted: Counted) {
        match counted {
            Counted::Nothing => {}
            Counted::Root => self.roots -= 1,
            Counted::Child => self.children -= 1,
        }
    }

    /// Returns whether an event less has consequences.
    #[inline]
    pub(super) fn tells_of_less(&self) -> bool {
        let is_awaited = self.idle_at.is_some() || self.reservations.first().is_some();
        is_awaited || self.closed || self.has_surplus()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::Machine;
    use super::super::config::{BusConfig, Concurrency, HubConfig, Limit};
    use super::super::dispatch::Dispatch;
    use super::super::output::Next;
    use super::super::registry::{Action, Pattern};
    use super::super::results::Outcome;
    use crate::time::Instant;

    const NOW: Instant = Instant::EPOCH;

    #[test]
    fn the_room_of_events_that_ran_side_by_side_is_given_back() {
        let mut machine: Machine<(), (), ()> = Machine::new(HubConfig::default());
        let mut config = BusConfig::new("main");
        config.concurrency = Concurrency::Parallel;
        (config.max_pending, config.max_history) = (None, Some(0));
        let bus = machine.add_bus(config, 0);
        let on = machine.on(bus, Pattern::Any, "h", Limit::Inherit, Action::Call(()));
        assert!(on.is_ok());
        let kind = machine.kind("E", None);
        let mut running = Vec::new();
        for _ in 0..2_000 {
            machine.dispatch(bus, (), Dispatch::new(kind), NOW).expect("there is room");
        }
        while let Next::Run(run) = machine.next(bus, NOW) {
            running.push(run.invocation);
        }
        assert_eq!(running.len(), 2_000);
        for invocation in running {
            let _ = machine.finished_then_next(bus, invocation, Outcome::Empty, NOW);
            machine.outputs().for_each(drop);
        }
        let left = [machine.entries.room(), machine.works.room(), machine.invocations.room()];
        assert_eq!(left, [0; 3]);
    }
}
