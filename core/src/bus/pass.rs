//! The right to have the turn, as a value.

use alloc::sync::Arc;

use super::guard;
use super::shared::BusShared;

/// Held by the holder of the turn, and dropped after it. Unless the turn was given back with nothing
/// left to do, the driver is told to go on, even after a panic of a clock or a waker.
pub(crate) struct Pass<'a> {
    bus: &'a Arc<BusShared>,
    is_given_back: bool,
}

impl<'a> Pass<'a> {
    /// Takes the turn, unless it is held.
    #[inline]
    pub(crate) fn get(bus: &'a Arc<BusShared>) -> Option<Self> {
        bus.gate.enter().then(|| Self { bus, is_given_back: false })
    }

    /// Gives the turn back, or keeps it if there is more to do.
    #[inline]
    pub(crate) fn give_back(&mut self) -> bool {
        self.is_given_back = self.bus.gate.leave();
        self.is_given_back
    }
}

impl Drop for Pass<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_given_back {
            leave_with_more(self.bus);
        }
    }
}

#[inline(never)]
fn leave_with_more(bus: &Arc<BusShared>) {
    // A panic here may be the second.
    let _ = guard::catch(|| {
        bus.gate.leave_with_more();
        bus.wake_driver();
    });
}
