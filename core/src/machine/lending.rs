//! Handlers that wait for something other than an event, and meanwhile lend what they lend while they
//! wait for one (R14, R46).

use super::state::InvocationIx;
use super::{InvocationKey, Machine};

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Begins a wait of an invocation for something that others hold until they give it back, such as a
    /// slot of a semaphore. The invocation lends its serial slot to raised events, as one that waits
    /// for an event does. Several such waits at a time are counted; each ends with a
    /// [`retake`](Self::retake), and all of them end with the invocation.
    ///
    /// It raises nothing and is part of no cycle, since the machine does not know what it waits for.
    pub fn lend(&mut self, invocation: InvocationKey) {
        self.land();
        if let Some(ix) = self.invocations.find(invocation) {
            self.set_lends(ix, self.invocations[ix].lends + 1);
            self.settle(self.invocations[ix].visit);
        }
    }

    /// Ends one of the waits that [`lend`](Self::lend) has begun. After the last of them the invocation
    /// has its slot again, unless it also waits for an event.
    pub fn retake(&mut self, invocation: InvocationKey) {
        self.land();
        if let Some(ix) = self.invocations.find(invocation)
            && let Some(left) = self.invocations[ix].lends.checked_sub(1)
        {
            self.set_lends(ix, left);
            self.settle(self.invocations[ix].visit);
        }
    }

    /// The consequences for its slot are still to be settled.
    pub(super) fn set_lends(&mut self, ix: InvocationIx, lends: u32) {
        let Self { invocations, works, .. } = self;
        invocations[ix].change_waiting(works, |invocation| invocation.lends = lends);
    }
}
