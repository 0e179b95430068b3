//! The right to have the turn, as a value.

use alloc::sync::Arc;

use super::guard;
use super::shared::BusShared;

/// Held by whoever has the turn. It is dropped with the turn by a panic alone, of a clock or of a waker:
/// then the driver is told to go on.
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

    /// Gives the turn back with something left to do, which the driver is told.
    pub(crate) fn give_back_with_more(self) {
        let bus = self.0;
        self.given_back();
        bus.gate.leave_with_more();
        bus.wake_driver();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        // A panic here would be the second.
        let _ = guard::catch(|| Self(self.0).give_back_with_more());
    }
}
