//! The monotonic clock of the system, for adapters of runtimes that take their time from it.

mod counter;
mod line;

use std::time::Instant as StdInstant;

use self::counter::COUNTER;
use crate::time::Instant;

/// The clock of [`std::time::Instant`], read faster where that can be done.
///
/// A bus reads the clock at least twice for an event, and to ask the system is a good part of what an
/// event takes. On Linux on x86-64, where the system itself takes its time from the processor's
/// counter (its `clocksource` is `tsc`), this clock asks it once in some tens of microseconds and
/// counts on from there, a thousandth slower than the counter runs. So it is never ahead of the
/// system's clock, never goes back, and is behind by less than a microsecond. Elsewhere it is the
/// system's clock.
///
/// ```
/// use busway_core::SystemClock;
///
/// let clock = SystemClock::new();
/// let (before, after) = (clock.now(), clock.now());
/// assert!(before <= after);
/// assert!(after.since(busway_core::Instant::EPOCH) <= clock.epoch().elapsed());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    epoch: StdInstant,
    /// The same on the counter that all these clocks share.
    counted: u64,
}

impl SystemClock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn new() -> Self {
        let epoch = StdInstant::now();
        Self { epoch, counted: COUNTER.at(epoch) }
    }

    /// The time since the epoch.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(COUNTER.now().saturating_sub(self.counted))
    }

    /// The epoch, for timers that are set by the system's clock.
    #[must_use]
    pub const fn epoch(&self) -> StdInstant {
        self.epoch
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}
