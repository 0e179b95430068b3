//! The monotonic clock of the system, for adapters of runtimes that take their time from it.

mod counter;
mod line;
mod segment;

use std::time::Instant as StdInstant;

use self::counter::COUNTER;
use crate::time::Instant;

/// The clock of [`std::time::Instant`], read faster where possible.
///
/// A bus reads the clock at least twice for an event, and asking the system takes a good part of an
/// event's time. On Linux on x86-64, if the system itself takes its time from the processor's counter
/// (its `clocksource` is `tsc`), this clock asks it once in some tens of microseconds and counts on from
/// there, a little slower than the system's time runs. Elsewhere it is the system's clock.
///
/// # What it promises
///
/// - It is behind the system's clock, by less than a microsecond: when a timer of the system fires,
///   its time has come here too, or nearly so.
/// - On one thread it never goes back. A processor reads its counter ahead of its other work: what
///   another thread read and passed on a moment ago may be later than what is read here, by some 100
///   ns. The machine takes the later of two times.
/// - If the system's time is suddenly slowed down by more than 2 parts in a thousand, this clock is
///   ahead, and goes back by up to some microseconds before it follows. It asks nothing else of the
///   system once it was found to keep its time by the counter, which is checked when the first clock
///   is made.
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
    /// Returns a clock whose epoch is now.
    #[must_use]
    pub fn new() -> Self {
        // The counter must not begin after the epoch.
        COUNTER.begin();
        let epoch = StdInstant::now();
        Self { epoch, counted: COUNTER.at(epoch) }
    }

    /// Returns the time since the epoch.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(COUNTER.now().saturating_sub(self.counted))
    }

    /// Returns the epoch, for timers that are set by the system's clock.
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
