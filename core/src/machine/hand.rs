//! What a bus's worker has in hand: what it runs next, and the handler of what it ran last.

use alloc::sync::Arc;

use super::output::Run;
use super::registry::Handler;

/// The places that a step of the machine fills for a worker, and takes from.
pub(crate) struct Hand<P, H> {
    /// What to run next.
    pub(crate) run: Option<Run<P, H>>,
    /// The handler of what ran last. If it is the next one too, it is handed out again, which spares two
    /// changes of a count that threads share. Dropping it may drop a user's function.
    pub(crate) spare: Option<Arc<Handler<H>>>,
}

impl<P, H> Hand<P, H> {
    pub(crate) const EMPTY: Self = Self { run: None, spare: None };

    /// Another reference to a handler that is about to run.
    #[inline(always)]
    pub(super) fn another(&mut self, handler: &Arc<Handler<H>>) -> Arc<Handler<H>> {
        let spare = self.spare.take_if(|spare| Arc::ptr_eq(spare, handler));
        spare.unwrap_or_else(|| handler.clone())
    }
}
