//! One step of whoever works for a bus, in one go: how an invocation ended, what is over its limit, and
//! what runs next. Most events need nothing else once they are queued.

use super::flight::NextOn;
use super::hand::Hand;
use super::output::{Done, Next};
use super::results::Outcome;
use super::said::Said;
use super::schedule::Asked;
use super::state::BusIx;
use super::{BusKey, InvocationKey, Machine};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Reports that a handler has returned, and asks a bus what is next: the same as
    /// [`finished`](Self::finished), [`timed_out`](Self::timed_out) and [`next`](Self::next), one after
    /// the other. Besides what is next, it returns the outcome if the invocation was ended before.
    ///
    /// What goes on comes before what is new: while an [`Output::Resumed`](super::Output::Resumed) is not
    /// taken, nothing starts, and the answer is [`Next::Again`].
    pub fn finished_then_next(
        &mut self,
        bus: BusKey,
        invocation: InvocationKey,
        outcome: Outcome<R>,
        now: Instant,
    ) -> (Option<Outcome<R>>, Next<P, H>) {
        let (mut outcome, mut hand) = (Some(outcome), Hand::EMPTY);
        let asked = self.step(bus, Some(invocation), &mut outcome, &mut hand, now, Said::completed);
        (outcome, Next::of(hand.run, asked))
    }

    /// Does the same with an outcome that stays in place until it has its row, and what to run is put in
    /// its final place, so that both are moved once. An outcome that is handed back stays there. If the
    /// event ends with it and nothing else does, there is no output: the completion goes to `end`
    /// instead, and comes before all outputs.
    #[inline(always)]
    pub(crate) fn step(
        &mut self,
        bus: BusKey,
        ended: Option<InvocationKey>,
        outcome: &mut Option<Outcome<R>>,
        hand: &mut Hand<P, H>,
        now: Instant,
        end: impl FnOnce(&mut Said<P, R, H>, Done<'_, P, R>),
    ) -> Asked {
        self.advance(now);
        let found = self.bus(bus);
        if let Some(ended) = ended {
            let asks = hand.run.is_none() && !self.resumes();
            let next = found.filter(|_| asks).map(|bus| NextOn { bus, hand });
            self.finish(ended, outcome, next, end);
            if asks && hand.run.is_some() {
                hand.let_go();
                return Asked::Again;
            }
        }
        let asked = found.map_or(Asked::Idle, |bus| self.due_then_next(bus, hand));
        hand.let_go();
        asked
    }

    #[inline(always)]
    fn due_then_next(&mut self, bus: BusIx, hand: &mut Hand<P, H>) -> Asked {
        if self.is_due(bus) {
            self.end_due(bus);
        }
        let waits = hand.run.is_some() || self.resumes();
        if waits { Asked::Again } else { self.next_run(bus, hand) }
    }
}
