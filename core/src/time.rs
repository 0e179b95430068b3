//! Time without a clock: an instant is a number of nanoseconds since the runtime's epoch.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since the epoch of the runtime that made it.
///
/// Instants of two runtimes must not be compared. As in `smoltcp`, time is an argument, so the code
/// that drives the machine decides what time it is.
///
/// ```
/// use busway_core::Instant;
/// use core::time::Duration;
///
/// let t = Instant::EPOCH + Duration::from_millis(5);
/// assert_eq!(t.since(Instant::EPOCH), Duration::from_millis(5));
/// assert_eq!(Instant::EPOCH.since(t), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(
    /// One more than the nanoseconds, so that `Option<Instant>` takes no more space.
    NonZeroU64,
);

impl Instant {
    /// The epoch itself.
    pub const EPOCH: Self = Self(NonZeroU64::MIN);
    /// Later than any instant that is reached (584 years after the epoch).
    pub const FAR: Self = Self(NonZeroU64::MAX);

    /// Returns the instant `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Returns the nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// `None` for [`Instant::FAR`], which the books use for "never".
    #[inline]
    pub(crate) fn known(self) -> Option<Self> {
        (self != Self::FAR).then_some(self)
    }
}

/// A duration as the books keep it, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(u64);

impl Nanos {
    /// Longer than any other.
    pub(crate) const FOR_EVER: Self = Self(u64::MAX);

    /// Saturates: 584 years count as for ever.
    pub(crate) const fn of(duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_mul(1_000_000_000);
        Self(seconds.saturating_add(duration.subsec_nanos() as u64))
    }

    pub(crate) fn duration(self) -> Option<Duration> {
        (self != Self::FOR_EVER).then(|| Duration::from_nanos(self.0))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::EPOCH
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::FAR`].
    #[inline]
    fn add(self, rhs: Duration) -> Self {
        self + Nanos::of(rhs)
    }
}

impl Add<Nanos> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, Nanos(nanos): Nanos) -> Self {
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
        write!(f, "Instant({:?})", Duration::from_nanos(self.as_nanos()))
    }
}

/// A point in wall time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// It is the runtime's time plus an offset taken when the hub got its runtime. It does not jump when the
/// wall clock is set, and tests with a paused clock see that clock. It may lag behind the system clock
/// by less than a microsecond (see `SystemClock`), and stays off by any later change to that clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the time `nanos` nanoseconds after the start of 1970.
    #[must_use]
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the start of 1970.
    #[must_use]
    pub const fn unix_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The time of day at an instant, if this is the one at its epoch.
    pub(crate) const fn after(self, at: Instant) -> Self {
        Self(self.0.saturating_add(at.as_nanos()))
    }
}

#[cfg(feature = "std")]
impl From<Timestamp> for std::time::SystemTime {
    fn from(at: Timestamp) -> Self {
        std::time::UNIX_EPOCH + Duration::from_nanos(at.0)
    }
}

/// A time before 1970 is its start.
#[cfg(feature = "std")]
impl From<std::time::SystemTime> for Timestamp {
    fn from(at: std::time::SystemTime) -> Self {
        let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// ISO 8601 in UTC, with microseconds: `2026-11-21T20:22:50.123456Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000);
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As [`Display`](fmt::Display) writes it.
#[cfg(feature = "serde")]
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of a day counted from 1970-01-01, after Howard Hinnant's
/// "chrono-compatible low-level date algorithms".
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn timestamps_are_iso_8601() {
        let at = |seconds: u64| Timestamp::from_unix_nanos(seconds * 1_000_000_000).to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000000Z");
        assert_eq!(at(1_735_689_599), "2024-12-31T23:59:59.000000Z");
        let micros = Timestamp::from_unix_nanos(1_795_292_570_123_456_789);
        assert_eq!(micros.to_string(), "2026-11-21T20:22:50.123456Z");
    }
}
