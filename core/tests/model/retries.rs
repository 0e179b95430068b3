//! Retries of failed handlers (R36, R45).

use core::time::Duration;

use busway_core::Instant;
use busway_core::machine::Outcome;

use super::order::Started;
use super::{BusId, Invocation, InvocationId, Model};

/// The rest between two tries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Until(Instant),
    /// Over, since this moment.
    Over(u64),
}

/// A resting invocation has a number of its own, as that of its next try is not known yet.
const RESTING: InvocationId = 1 << 30;

impl Model {
    /// Until when an invocation with this outcome rests; `None` when it ends for good.
    pub(super) fn rests_until(&self, id: InvocationId, outcome: &Outcome<u32>) -> Option<Instant> {
        let failed = matches!(outcome, Outcome::Failed(_) | Outcome::TimedOut { .. });
        let Invocation { event, number, .. } = *self.invocation(id)?;
        let retries = self.events[event].overrides.retries.filter(|_| failed)?;
        let made = number - 1;
        (made < retries.retries).then(|| {
            let waits =
                (0..made).fold(retries.wait, |wait, _| scaled(wait, retries.backoff_factor));
            self.now + waits
        })
    }

    /// Ends a try, and keeps its place and its row for the next one.
    pub(super) fn rest(&mut self, id: InvocationId, outcome: Outcome<u32>, until: Instant) {
        if let Outcome::Failed(error) = outcome {
            self.said.retried.push(error);
        }
        let ended = self.take_out(id);
        let (id, number) = (RESTING + self.moment() as usize, ended.number + 1);
        let (rest, tries, lends, group) = (Some(Rest::Until(until)), 0, 0, 0);
        self.invocations.push(Invocation { id, number, tries, lends, group, rest, ..ended });
    }

    pub(crate) fn tried(&mut self, id: InvocationId, tries: u32) {
        if let Some(running) = self.invocation_mut(id) {
            running.tries = tries;
        }
    }

    pub(super) fn wake_up(&mut self, id: InvocationId) {
        let moment = self.moment();
        self.invocation_mut(id).expect("one that rests").rest = Some(Rest::Over(moment));
    }

    /// The invocation whose rest has been over for the longest time.
    pub(super) fn next_rested(&self, bus: BusId) -> Option<InvocationId> {
        let of_bus = self.invocations.iter().filter(|invocation| invocation.bus == bus);
        let rested = of_bus.filter_map(|invocation| match invocation.rest? {
            Rest::Over(since) => Some((since, invocation.id)),
            Rest::Until(_) => None,
        });
        rested.min().map(|(_, id)| id)
    }

    pub(super) fn try_again(&mut self, id: InvocationId) -> Option<Started> {
        self.invocation_count += 1;
        let (number, now) = (self.invocation_count, self.now);
        let invocation = self.invocation_mut(id)?;
        (invocation.id, invocation.rest, invocation.started_at) = (number, None, now);
        invocation.tries = 1;
        let Invocation { visit, row, event, .. } = *invocation;
        let handler = self.visits[visit].rows[row].handler;
        Some(Started { invocation: number, event, handler })
    }
}

fn scaled(wait: Duration, factor: f64) -> Duration {
    Duration::from_secs_f64(wait.as_secs_f64() * factor)
}
