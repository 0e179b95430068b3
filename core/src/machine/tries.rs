//! What the machine is told of a handler that makes its tries itself, within one invocation (R45).

use alloc::vec::Vec;

use super::{InvocationKey, Machine};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// An invocation has begun its try of this number; 0 when it will not come to any. That many will
    /// be added to its row.
    pub fn tried(&mut self, invocation: InvocationKey, tries: u32) {
        self.land();
        if let Some(ix) = self.invocations.find(invocation) {
            self.invocations[ix].tries = tries;
        }
    }

    /// A try of an invocation is over its time: the descendants that it is awaiting are aborted, as
    /// they are when the whole invocation is (R23).
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
