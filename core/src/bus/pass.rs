//! The right to have the turn, as a value.

use alloc::sync::Arc;

use super::guard;
use super::shared::BusShared;

/// Held by whoever has the turn. Dropping it gives the turn back with something left to do, which the
/// driver is told: so it is after a panic, of a clock or of a waker, too.
pub(crate) struct Pass<'a>(&'a Arc<BusShared>);

impl<'a> Pass<'a> {
    /// Takes the turn, unless somebody has it.
    #[inline]
    pub(crate) fn get(bus: &'a Arc<BusShared>) -> Option<Self> {
        bus.gate.enter().then(|| Self(bus))
    }

    /// The turn was given back, with nothing left to do.
    #[inline]
    pub(crate) fn given_back(self) {
        core::mem::forget(self);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.gate.leave_with_more();
        // Another panic here would be the second.
        let _ = guard::catch(|| self.0.wake_driver());
    }
}
