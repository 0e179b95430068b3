//! Time without a clock: an instant is a number of nanoseconds since the runtime's epoch.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since the epoch of the runtime that made it.
///
/// Instants of two runtimes must not be compared. The convention is `smoltcp`'s: time is an
/// argument, so that whoever drives the machine decides what time it is.
///
/// ```
/// use busway_core::Instant;
/// use core::time::Duration;
///
/// let t = Instant::EPOCH + Duration::from_millis(5);
/// assert_eq!(t.since(Instant::EPOCH), Duration::from_millis(5));
/// assert_eq!(Instant::EPOCH.since(t), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The epoch itself.
    pub const EPOCH: Self = Self(0);
    /// Later than any instant that is reached (584 years after the epoch).
    pub const FAR: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `None` for [`Instant::FAR`], which the books use for "never".
    pub(crate) fn known(self) -> Option<Self> {
        (self != Self::FAR).then_some(self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::FAR`].
    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Self> for Instant {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FAR {
            return f.write_str("Instant(never)");
        }
        write!(f, "Instant({:?})", Duration::from_nanos(self.0))
    }
}
