//! How long to rest before the next try: numbers in, a duration out.
//!
//! `backon` was considered and not used. It multiplies step by step in `f32`, so its rests drift from
//! `wait * factor^n`, and it is an iterator, where we need a rest for a given number.

use core::time::Duration;

/// The rests before retries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) wait: Duration,
    pub(crate) factor: f64,
    /// The longest rest.
    pub(crate) max_wait: Duration,
    /// The share of each rest, at most, that is taken off at random: 0 for none, 1 for all.
    pub(crate) jitter: f64,
}

impl Backoff {
    /// Returns the rest after failure `n`, counted from 0: `wait * factor^n`, at most `max_wait`.
    /// `random` decides what the jitter takes off.
    pub(crate) fn rest(&self, n: u32, random: u64) -> Duration {
        let rest = delay(self.wait, self.factor, n).min(self.max_wait);
        if self.jitter > 0.0 { shortened(rest, self.jitter.min(1.0), random) } else { rest }
    }
}

/// Returns `wait * factor^n`. A result too long for a duration is [`Duration::MAX`]. A NaN factor
/// counts as 1, a negative one as 0.
pub(crate) fn delay(wait: Duration, factor: f64, n: u32) -> Duration {
    let factor = if factor.is_nan() { 1.0 } else { factor.max(0.0) };
    let scale = power(factor, n);
    if scale == 1.0 || wait.is_zero() {
        // Returned unchanged: `f64` does not preserve all nanoseconds.
        return wait;
    }
    // The only errors are values that are too long or not finite; none is negative.
    Duration::try_from_secs_f64(wait.as_secs_f64() * scale).unwrap_or(Duration::MAX)
}

/// Returns `base^n`, in at most 32 squarings: without `std` there is no `powi`.
fn power(mut base: f64, mut n: u32) -> f64 {
    let mut power = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            power *= base;
        }
        n >>= 1;
        base *= base;
    }
    power
}

fn shortened(rest: Duration, jitter: f64, random: u64) -> Duration {
    // The upper 53 bits are a number below 1, without loss.
    let part = (random >> 11) as f64 / (1u64 << 53) as f64;
    let left = rest.as_secs_f64() * (1.0 - jitter * part);
    Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX).min(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::mix;

    const SECOND: Duration = Duration::from_secs(1);

    fn backoff(wait: Duration, factor: f64) -> Backoff {
        Backoff { wait, factor, max_wait: Duration::MAX, jitter: 0.0 }
    }

    #[test]
    fn r45_each_rest_is_wait_times_factor_to_the_n() {
        let rests = |factor| [0, 1, 2, 3].map(|n| backoff(3 * SECOND, factor).rest(n, 7).as_secs());
        assert_eq!(rests(1.0), [3, 3, 3, 3]);
        assert_eq!(rests(2.0), [3, 6, 12, 24]);
        assert_eq!(backoff(8 * SECOND, 0.5).rest(3, 7), SECOND);
        let odd = Duration::from_nanos(1_234_567_890_123_456_789);
        assert_eq!(backoff(odd, 1.0).rest(1_000, 7), odd, "not a nanosecond is lost");
    }

    #[test]
    fn r45_what_is_too_long_is_forever_and_takes_no_time_to_tell() {
        for n in [2_000, u32::MAX] {
            assert_eq!(backoff(SECOND, 2.0).rest(n, 7), Duration::MAX);
            assert_eq!(backoff(SECOND, 0.5).rest(n, 7), Duration::ZERO);
        }
        assert_eq!(backoff(Duration::MAX, 1.5).rest(1, 7), Duration::MAX);
    }

    #[test]
    fn r45_factors_that_make_no_sense_do_no_harm() {
        let rest = |wait, factor, n| backoff(wait, factor).rest(n, 7);
        for n in [0, 1, 2, u32::MAX] {
            assert_eq!(rest(SECOND, f64::NAN, n), SECOND);
            assert_eq!(rest(Duration::ZERO, f64::INFINITY, n), Duration::ZERO);
        }
        for n in [1, 2, u32::MAX] {
            assert_eq!(rest(SECOND, f64::INFINITY, n), Duration::MAX);
            assert_eq!(rest(SECOND, f64::NEG_INFINITY, n), Duration::ZERO);
            assert_eq!(rest(SECOND, -2.0, n), Duration::ZERO);
        }
    }

    #[test]
    fn r45_no_rest_is_longer_than_the_cap() {
        let capped = Backoff { max_wait: 5 * SECOND, ..backoff(SECOND, 2.0) };
        assert_eq!([0, 1, 2, 3, 400].map(|n| capped.rest(n, 7).as_secs()), [1, 2, 4, 5, 5]);
    }

    #[test]
    fn jitter_takes_off_no_more_than_its_part() {
        let rests = |jitter| {
            let backoff = Backoff { jitter, ..backoff(SECOND, 1.0) };
            (0..10_000).map(move |n| backoff.rest(0, mix(n)))
        };
        for (jitter, least) in [(0.25, 0.75), (1.0, 0.0), (7.0, 0.0)] {
            let (min, max) = (rests(jitter).min().unwrap(), rests(jitter).max().unwrap());
            assert!(min.as_secs_f64() >= least && max <= SECOND, "{min:?} {max:?}");
            assert!(min.as_secs_f64() < least + 0.01 && max.as_secs_f64() > 0.99, "it is used");
        }
        for jitter in [0.0, -1.0, f64::NAN] {
            assert!(rests(jitter).all(|rest| rest == SECOND));
        }
    }
}
