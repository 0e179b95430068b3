//! Reports about a handler that makes its tries itself, within one invocation (R45).

use alloc::vec::Vec;

use super::{InvocationKey, Machine};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Reports that an invocation has begun the try of this number, or 0 if it will make none. That
    /// many tries will be added to its row.
    pub fn tried(&mut self, invocation: InvocationKey, tries: u32) {
        self.land();
        if let Some(ix) = self.invocations.find(invocation) {
            self.invocations[ix].tries = tries;
        }
    }

    /// Reports that a try of an invocation has exceeded its time: the descendants it is awaiting are
    /// aborted, as they are when the whole invocation times out (R23).
    pub fn try_timed_out(&mut self, invocation: InvocationKey, now: Instant) {
        self.advance(now);
        self.land();
        let Some(ix) = self.invocations.find(invocation) else { return };
        let awaited = self.awaited_descendants(ix);
        let mut ends = Vec::new();
        self.end_awaited(awaited, &mut ends);
        self.end_all(ends);
    }
}
