//! Retries of failed handlers (R36, R45): the invocation rests, then a new one takes its place in the
//! same row.

use super::Machine;
use super::output::{Dropped, Output, Run};
use super::results::Outcome;
use super::state::{BusIx, InvocationIx, Timer};
use super::work::Invocation;
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Ends an invocation, or retries it if its event says so and it failed by itself.
    #[inline(always)]
    pub(super) fn end_or_retry(&mut self, ix: InvocationIx, outcome: &mut Option<Outcome<R>>) {
        match self.rest(ix, outcome.as_ref()) {
            Some(until) => self.pause(ix, outcome, until),
            None => self.end(ix, outcome),
        }
    }

    /// Returns until when an invocation rests before it is retried; `None` when it is over.
    #[inline(always)]
    fn rest(&self, ix: InvocationIx, outcome: Option<&Outcome<R>>) -> Option<Instant> {
        if !matches!(outcome, Some(Outcome::Failed(_) | Outcome::TimedOut { .. })) {
            return None;
        }
        let Invocation { event, number, .. } = self.invocations[ix];
        let retries = self.entries[event].overrides.as_ref()?.retries?;
        (number <= retries.retries).then(|| self.now + retries.delay(number - 1))
    }

    fn pause(&mut self, ix: InvocationIx, outcome: &mut Option<Outcome<R>>, until: Instant) {
        if let Some(Outcome::Failed(result)) = outcome.take() {
            self.say(Output::Dropped(Dropped::Result(result)));
        }
        self.drop_waits(ix);
        let (ended, of_event) = self.leave_list(ix);
        let Invocation { visit, work, bus, row, handler, limit, .. } = ended;
        of_event.rows.row_mut(row as usize).add_tries(ended.tries);
        let Self { entries, works, invocations, .. } = self;
        let next = invocations.foretell();
        works[work].enter(invocations, next, |again| {
            again.begin(visit, &entries[visit], (row, handler), limit, self.now);
            again.number = ended.number + 1;
            again.tries = 0;
            again.slow_told = ended.slow_told;
            again.rests = true;
        });
        self.set_timer(bus, until, Timer::Invocation(next.ix()));
    }

    /// Ends the rest: the invocation runs when its bus is next asked for work.
    pub(super) fn wake_up(&mut self, ix: InvocationIx) {
        self.disarm(Timer::Invocation(ix));
        let bus = self.invocations[ix].bus;
        let key = self.invocations.key(ix);
        self.buses[bus].resuming.push(key);
        self.kick(bus);
    }

    #[cold]
    pub(super) fn resume(&mut self, bus: BusIx) -> Option<Run<P, H>> {
        while let Some(key) = self.buses[bus].resuming.pop() {
            let Some(ix) = self.invocations.find(key) else { continue };
            let now = self.now;
            let state = &mut self.invocations[ix];
            state.rests = false;
            state.tries = 1;
            state.started_at = now;
            self.arm(ix);
            // Its bus may have been called for the hub's slot, which other buses may now have.
            self.call_lines();
            let Invocation { work, event, handler, .. } = self.invocations[ix];
            let handlers = self.works[work].handlers.as_ref()?;
            let handler = handlers.get(handler as usize)?.clone();
            let (beside, payload) =
                (self.works[work].beside(), self.entries[event].payload().clone());
            let event = self.entries.key(event);
            return Some(Run { invocation: key, event, beside, payload, handler });
        }
        None
    }
}
