//! Decides what happens when: try, rest, give up. A pure state machine; `now` is an argument.
//!
//! ```text
//!  begin ──▶ a try runs ──▶ done
//!    ▲            │ failed
//!    └── rest ◀───┴───────▶ give up
//! ```

use core::time::Duration;

use super::backoff::Backoff;
use crate::time::Instant;

/// The numbers of a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rules {
    /// Tries after the first.
    pub(crate) retries: u32,
    /// The time limit of each try.
    pub(crate) timeout: Option<Duration>,
    pub(crate) backoff: Backoff,
}

/// The tries of one call.
#[derive(Debug)]
pub(crate) struct Tries {
    rules: Rules,
    /// Tries that have begun.
    begun: u32,
    first_at: Instant,
}

/// A try that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Try {
    /// From 1.
    pub(crate) number: u32,
    /// When its time is over.
    pub(crate) deadline: Option<Instant>,
}

/// What to do after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Rest until then, and try again.
    Rest(Instant),
    /// It was the last try.
    GiveUp(Report),
}

/// How often it was tried, and over what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) tries: u32,
    pub(crate) elapsed: Duration,
}

impl Tries {
    pub(crate) const fn new(rules: Rules) -> Self {
        Self { rules, begun: 0, first_at: Instant::EPOCH }
    }

    /// Begins the next try.
    pub(crate) fn begin(&mut self, now: Instant) -> Try {
        if self.begun == 0 {
            self.first_at = now;
        }
        self.begun = self.begun.saturating_add(1);
        let deadline = self.rules.timeout.map(|timeout| now + timeout);
        Try { number: self.begun, deadline }
    }

    /// Reports a failed try. `may_retry` is the user's decision about its error.
    pub(crate) fn failed(&self, may_retry: bool, now: Instant, random: u64) -> Step {
        // The first try does not count as a retry.
        if !may_retry || self.begun > self.rules.retries {
            return Step::GiveUp(self.report(now));
        }
        Step::Rest(now + self.rules.backoff.rest(self.begun.saturating_sub(1), random))
    }

    fn report(&self, now: Instant) -> Report {
        Report { tries: self.begun, elapsed: now.since(self.first_at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn rules(retries: u32) -> Rules {
        let (wait, max_wait) = (Duration::from_secs(3), Duration::MAX);
        let backoff = Backoff { wait, factor: 2.0, max_wait, jitter: 0.0 };
        Rules { retries, timeout: Some(Duration::from_secs(5)), backoff }
    }

    #[test]
    fn r45_tries_rests_and_gives_up() {
        let mut tries = Tries::new(rules(2));
        assert_eq!(tries.begin(at(10)), Try { number: 1, deadline: Some(at(15)) });
        assert_eq!(tries.failed(true, at(11), 0), Step::Rest(at(14)));
        assert_eq!(tries.begin(at(14)), Try { number: 2, deadline: Some(at(19)) });
        assert_eq!(tries.failed(true, at(19), 0), Step::Rest(at(25)));
        assert_eq!(tries.begin(at(26)), Try { number: 3, deadline: Some(at(31)) });
        let report = Report { tries: 3, elapsed: Duration::from_secs(17) };
        assert_eq!(tries.failed(true, at(27), 0), Step::GiveUp(report));
    }

    #[test]
    fn r45_no_retries_is_one_try() {
        let mut tries = Tries::new(rules(0));
        tries.begin(at(1));
        let report = Report { tries: 1, elapsed: Duration::ZERO };
        assert_eq!(tries.failed(true, at(1), 0), Step::GiveUp(report));
    }

    #[test]
    fn r45_an_error_that_is_not_retried_ends_it() {
        let mut tries = Tries::new(rules(9));
        tries.begin(at(0));
        assert!(matches!(tries.failed(true, at(0), 0), Step::Rest(_)));
        tries.begin(at(3));
        let report = Report { tries: 2, elapsed: Duration::from_secs(4) };
        assert_eq!(tries.failed(false, at(4), 0), Step::GiveUp(report));
    }

    #[test]
    fn r45_without_a_timeout_no_try_is_over_its_time() {
        let mut tries = Tries::new(Rules { timeout: None, ..rules(1) });
        assert_eq!(tries.begin(at(3)).deadline, None);
    }

    #[test]
    fn r45_tries_without_end_do_not_overflow() {
        let mut tries = Tries { begun: u32::MAX - 1, ..Tries::new(rules(u32::MAX)) };
        let numbers: Vec<_> = (0..3).map(|_| tries.begin(at(0)).number).collect();
        assert_eq!(numbers, [u32::MAX; 3]);
        assert_eq!(tries.failed(true, at(0), 0), Step::Rest(Instant::FAR));
    }

    #[test]
    fn a_clock_that_goes_back_does_no_harm() {
        let mut tries = Tries::new(rules(0));
        tries.begin(at(9));
        let report = Report { tries: 1, elapsed: Duration::ZERO };
        assert_eq!(tries.failed(true, at(2), 0), Step::GiveUp(report));
    }
}
