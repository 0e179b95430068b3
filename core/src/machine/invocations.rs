//! Invocations start and end: results, the first one that counts, endings that spread (R11, R19–R23).

use alloc::vec::Vec;

use super::event_state::{Visit, VisitState};
use super::flight::NextOn;
use super::output::{Done, Output};
use super::results::{Cause, EventStatus, Outcome, Row};
use super::said::Said;
use super::state::{EventIx, InvocationIx, VisitIx};
use super::timers::NOWHERE;
use super::work::{Invocation, Work};
use super::{EventKey, HandlerKey, InvocationKey, Machine};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Reports that a handler has returned. If the invocation was ended before, its outcome is handed
    /// back.
    pub fn finished(
        &mut self,
        invocation: InvocationKey,
        outcome: Outcome<R>,
        now: Instant,
    ) -> Option<Outcome<R>> {
        self.advance(now);
        let mut outcome = Some(outcome);
        self.finish(invocation, &mut outcome, None, Said::completed);
        outcome
    }

    /// Does the same with an outcome that stays in place until it has its row, so that it is moved
    /// once. An outcome that is handed back stays there. If the event ends with it and nothing else
    /// does, the completion goes to `end`.
    #[inline(always)]
    pub(super) fn finish(
        &mut self,
        invocation: InvocationKey,
        outcome: &mut Option<Outcome<R>>,
        next: Option<NextOn<'_, P, H>>,
        end: impl FnOnce(&mut Said<P, R, H>, Done<'_, P, R>),
    ) {
        match self.take_alone(invocation) {
            Some(alone) => self.end_alone(alone, outcome, end),
            None => self.finish_one(invocation, outcome, next),
        }
    }

    /// Ends one of several handlers, or one that its event does not end with.
    #[inline(never)]
    fn finish_one(
        &mut self,
        invocation: InvocationKey,
        outcome: &mut Option<Outcome<R>>,
        next: Option<NextOn<'_, P, H>>,
    ) {
        // If another invocation was in flight, it has landed.
        match self.flight.take() {
            Some(flight) => self.arrive(flight, outcome, next),
            None => self.finish_landed(invocation, outcome),
        }
    }

    #[inline(always)]
    fn finish_landed(&mut self, invocation: InvocationKey, outcome: &mut Option<Outcome<R>>) {
        let Some(ix) = self.invocations.find(invocation) else { return };
        let Invocation { visit, work, .. } = self.invocations[ix];
        let is_first = self.works[work].is_first(outcome.as_ref());
        self.end_or_retry(ix, outcome);
        match is_first {
            true => self.end_rest(visit),
            false => self.settle(visit),
        }
    }

    /// Returns the handler of an invocation, while it is in the books.
    #[must_use]
    pub fn handler_of(&self, invocation: InvocationKey) -> Option<HandlerKey> {
        if let Some(flight) = self.flight_of(invocation) {
            return Some(flight.handler.key);
        }
        let Invocation { work, row, .. } = self.invocations.get(invocation)?;
        Some(self.works[*work].rows.as_slice().get(*row as usize)?.handler.key)
    }

    /// One handler had a value first: the event's other handlers end on this bus (R11).
    #[cold]
    pub(super) fn end_rest(&mut self, visit: VisitIx) {
        let mut ends = Vec::new();
        self.end_visit(visit, Cause::First, &mut ends);
        self.end_all(ends);
    }

    /// Ends an event that has not completed: aborts what runs, cancels what has not started. Returns
    /// `false` if there was neither: then it is done, or waits only for its children.
    pub fn abort(&mut self, event: EventKey, cause: Cause, now: Instant) -> bool {
        self.advance(now);
        self.land();
        let Some(event) = self.entries.find(event) else { return false };
        let is_open = self.is_open(event);
        let mut ends = Vec::new();
        self.end_event(event, cause, &mut ends);
        self.end_all(ends);
        is_open
    }

    /// Whether a bus has not done its part for an event.
    pub(super) fn is_open(&self, event: EventIx) -> bool {
        self.visits_of(event).any(|visit| self.entries[visit].state != VisitState::Done)
    }

    /// Ends invocations and, with them, the events they were awaiting, down the tree (R23).
    pub(super) fn end_all(&mut self, mut ends: Vec<(InvocationKey, Outcome<R>)>) {
        while let Some((key, outcome)) = ends.pop() {
            let Some(ix) = self.invocations.find(key) else { continue };
            let Invocation { visit, bus, rests, .. } = self.invocations[ix];
            let awaited = self.awaited_descendants(ix);
            self.end_or_retry(ix, &mut Some(outcome));
            if !rests {
                let bus = self.buses.key(bus);
                self.say(Output::Cancel { bus, invocation: key });
            }
            self.settle(visit);
            self.end_awaited(awaited, &mut ends);
        }
    }

    /// Cancels the parts of an event that have not started, and collects the running ones.
    pub(super) fn end_event(
        &mut self,
        event: EventIx,
        cause: Cause,
        ends: &mut Vec<(InvocationKey, Outcome<R>)>,
    ) {
        if self.entries[event].status == EventStatus::Completed {
            return;
        }
        // An event that is done and only waits for its children is not ended.
        if self.is_open(event) {
            self.entries[event].cause.get_or_insert(cause);
        }
        // The event must outlast the loop, whichever visit ends it.
        self.entries[event].open += 1;
        let mut next = Some(event.home());
        while let Some(visit) = next {
            self.end_visit(visit, cause, ends);
            next = self.entries[visit].next;
        }
        self.close_one(event);
    }

    /// Ends an event's visit to one bus, so that the event will not run to its end.
    pub(super) fn end_stay(&mut self, visit: VisitIx, cause: Cause) {
        let event = self.entries[visit].event;
        self.entries[event].cause.get_or_insert(cause);
        let mut ends = Vec::new();
        self.end_visit(visit, cause, &mut ends);
        self.end_all(ends);
    }

    /// Ends awaited events with the invocation that awaited them (R23).
    pub(super) fn end_awaited(
        &mut self,
        awaited: Vec<EventKey>,
        ends: &mut Vec<(InvocationKey, Outcome<R>)>,
    ) {
        for event in awaited {
            if let Some(event) = self.entries.find(event) {
                self.end_event(event, Cause::Aborted, ends);
            }
        }
    }

    /// Does the same as `end_event` for the visit to one bus.
    pub(super) fn end_visit(
        &mut self,
        visit: VisitIx,
        cause: Cause,
        ends: &mut Vec<(InvocationKey, Outcome<R>)>,
    ) {
        match self.entries[visit].state {
            VisitState::Done => {}
            VisitState::Queued => {
                let Visit { event, bus, .. } = self.entries[visit];
                self.unqueue(visit);
                self.entries[visit].state = VisitState::Done;
                self.remember_cancelled(visit);
                self.close_one(event);
                self.kick(bus);
            }
            VisitState::Running => {
                let work = self.entries[visit].work.expect("a running visit has work");
                self.cancel_rest(visit, cause);
                if self.works[work].live == 0 {
                    return self.settle(visit);
                }
                let mut running = self.works[work].invocations.first();
                while let Some(invocation) = running {
                    ends.push((self.invocations.key(invocation), Outcome::Aborted(cause)));
                    running = self.invocations[invocation].of_event.next();
                }
            }
        }
    }

    /// Gives rows to the handlers that have not started, and skips them.
    fn cancel_rest(&mut self, visit: VisitIx, cause: Cause) {
        let Visit { event, work, .. } = self.entries[visit];
        let kind = self.entries[event].kind;
        let state = &mut self.works[work.expect("a running visit has work")];
        let Some(handlers) = &state.handlers else { return };
        let waiting = handlers.into_iter().skip(state.next as usize);
        for handler in waiting.filter(|handler| handler.has_row(kind)) {
            let outcome = Some(Outcome::Cancelled(cause));
            let completed_at = Some(self.now);
            state.rows.push(Row { outcome, completed_at, ..Row::pending(handler.info.clone()) });
        }
        state.next = state.total;
    }

    /// Removes an invocation from the books. Its visit is still to be settled.
    #[inline(always)]
    pub(super) fn end(&mut self, ix: InvocationIx, outcome: &mut Option<Outcome<R>>) {
        self.drop_waits(ix);
        let now = self.now;
        let (Invocation { row, tries, .. }, work) = self.leave_list(ix);
        let row = work.rows.row_mut(row as usize);
        row.completed_at = Some(now);
        debug_assert!(outcome.is_some() && row.outcome.is_none(), "who has ended has an outcome");
        core::mem::swap(&mut row.outcome, outcome);
        row.add_tries(tries);
    }

    /// Removes an invocation that waits for nothing from the books, with its timer.
    #[inline(always)]
    pub(super) fn leave_list(&mut self, ix: InvocationIx) -> (Invocation, &mut Work<R, H>) {
        let Self { buses, entries, invocations, works, .. } = self;
        let invocation = invocations[ix];
        if invocation.timer != NOWHERE {
            let timers = &mut buses[invocation.bus].timers;
            timers.remove(invocation.timer, |timer, at| timer.stands(at, invocations, entries));
        }
        let work = &mut works[invocation.work];
        work.invocations.remove_linked(invocations, invocation.of_event, Invocation::of_event);
        work.live -= 1;
        invocations.remove(ix);
        (invocation, work)
    }
}
