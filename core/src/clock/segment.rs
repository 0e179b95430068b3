//! The system's time as a line over the ticks of a counter, piece by piece.
//!
//! A piece starts where the system's time was looked at, and is a little flatter than that time has
//! been of late. So it is behind until the next piece starts, and the time read off it never goes
//! back. If the system's time itself is slowed down by more than that (chrony may do so, by up to a
//! twelfth), the line is ahead by some microseconds, for as long as it takes to see that.

/// How long a piece is used, in ticks: some tens of microseconds.
const REACH: u64 = 1 << 17;
/// A piece is flatter by this part: more than NTP's daemon slows the time down (500 parts in a million).
const FLATTER: u64 = 500;
/// After so much time, in nanoseconds, the rate is judged by it.
const JUDGED: u64 = 10_000_000;
/// A rate that differs from the last one by more than this part was not that of one counter.
const DIFFERS: u64 = 8;
/// How far off a look at both clocks may be, in nanoseconds: a piece may start higher by this.
const OFF: u64 = 2_000;

/// A piece of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// Nanoseconds in 2³² ticks; 0 where there is no piece.
    pub(super) rate: u64,
    /// The tick it starts at, and the time there.
    pub(super) from: u64,
    pub(super) base: u64,
}

impl Segment {
    /// The time at a tick; `None` when the piece does not reach there.
    #[inline]
    pub(super) const fn at(self, tick: u64) -> Option<u64> {
        match tick.wrapping_sub(self.from) < REACH {
            true => Some(self.beyond(tick)),
            false => None,
        }
    }

    #[inline]
    const fn beyond(self, tick: u64) -> u64 {
        let ticks = tick.wrapping_sub(self.from) as u128;
        let time = (ticks * self.rate as u128) >> 32;
        let most = u64::MAX as u128;
        self.base.saturating_add(if time < most { time as u64 } else { u64::MAX })
    }
}

/// Continues the line.
#[derive(Debug)]
pub(super) struct Surveyor {
    /// Where the rate was judged last, or is judged from: a tick and the time.
    since: Option<(u64, u64)>,
    /// The rate as judged; 0 if it is not known.
    rate: u64,
    last: Segment,
}

impl Surveyor {
    pub(super) const fn new() -> Self {
        Self { since: None, rate: 0, last: Segment { rate: 0, from: 0, base: 0 } }
    }

    /// The piece that starts at a tick at which the time was `now` or a little later; none while the
    /// rate is not known.
    pub(super) fn survey(&mut self, tick: u64, now: u64) -> Segment {
        // Without a last piece this is 0.
        let reached = self.last.beyond(tick);
        if reached > now.saturating_add(OFF) || !self.judge(tick, now) {
            // The counter, or the time, is not the one it was.
            *self = Self { since: Some((tick, now)), ..Self::new() };
        }
        if self.rate == 0 {
            return Segment::default();
        }
        let rate = self.rate - self.rate / FLATTER;
        self.last = Segment { rate, from: tick, base: now.max(reached) };
        self.last
    }

    /// Judges the rate anew if it is time; false if it makes no sense.
    fn judge(&mut self, tick: u64, now: u64) -> bool {
        let Some((tick_then, then)) = self.since else { return false };
        let (ticks, time) = (tick.wrapping_sub(tick_then), now.saturating_sub(then));
        if time < JUDGED {
            return true;
        }
        let rate = (u128::from(time) << 32).checked_div(u128::from(ticks));
        let Some(rate) = rate.and_then(|rate| u64::try_from(rate).ok()) else { return false };
        let makes_sense = self.rate == 0 || rate.abs_diff(self.rate) <= self.rate / DIFFERS;
        (self.rate, self.since) = (rate, Some((tick, now)));
        makes_sense
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both clocks: a counter of 2.5 GHz, and a time that runs so many parts in a million off it.
    struct Clocks {
        tick: u64,
        /// In 2⁻⁴⁰ nanoseconds.
        time: u128,
        parts: i64,
    }

    impl Clocks {
        fn new(tick: u64, parts: i64) -> Self {
            Self { tick, time: 0, parts }
        }

        fn pass(&mut self, ticks: u64) {
            let rate = ((1_000_000 + self.parts) as u128) * 2 / 5;
            self.tick = self.tick.wrapping_add(ticks);
            self.time += ((u128::from(ticks) * rate) << 40) / 1_000_000;
        }

        fn now(&self) -> u64 {
            (self.time >> 40) as u64
        }
    }

    /// How far the line was ahead, behind and back at most, in nanoseconds, over so many windows.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Worst {
        ahead: u64,
        behind: u64,
        back: u64,
        /// Windows without a line.
        blind: u32,
    }

    fn read(clocks: &mut Clocks, surveyor: &mut Surveyor, windows: u32, last: &mut u64) -> Worst {
        let mut worst = Worst::default();
        for _ in 0..windows {
            let piece = surveyor.survey(clocks.tick, clocks.now());
            for _ in 0..32 {
                let told = match piece.rate {
                    0 => clocks.now(),
                    _ => piece.at(clocks.tick).expect("it reaches"),
                };
                worst.ahead = worst.ahead.max(told.saturating_sub(clocks.now()));
                worst.behind = worst.behind.max(clocks.now().saturating_sub(told));
                worst.back = worst.back.max(last.saturating_sub(told));
                *last = told;
                clocks.pass(REACH / 32);
            }
            worst.blind += u32::from(piece.rate == 0);
        }
        worst
    }

    #[test]
    fn without_a_rate_there_is_no_line() {
        let mut surveyor = Surveyor::new();
        assert_eq!(surveyor.survey(25_000, 10_000).rate, 0);
        assert_eq!(surveyor.survey(24_999_999, 9_999_999).rate, 0, "it was not watched for long");
        let piece = surveyor.survey(25_025_000, 10_010_000);
        assert_eq!((piece.from, piece.base), (25_025_000, 10_010_000));
        assert_eq!(piece.at(25_025_000 - 1), None, "a counter that was set back");
        assert!(piece.at(25_025_000 + REACH - 1).is_some());
        assert_eq!(piece.at(25_025_000 + REACH), None);
    }

    #[test]
    fn a_counter_that_stands_still_is_left_alone() {
        let mut surveyor = Surveyor::new();
        for now in 0..100 {
            assert_eq!(surveyor.survey(7, now * JUDGED).rate, 0);
        }
    }

    #[test]
    fn however_the_time_is_adjusted_it_is_behind_and_not_by_much() {
        for first in [0, 1 << 40, 1 << 60, u64::MAX - 30_000_000] {
            let (mut clocks, mut surveyor, mut last) =
                (Clocks::new(first, 500), Surveyor::new(), 0);
            let _ = read(&mut clocks, &mut surveyor, 400, &mut last);
            for parts in [-500, 0, 500, -500] {
                clocks.parts = parts;
                let worst = read(&mut clocks, &mut surveyor, 1_000, &mut last);
                assert_eq!((worst.ahead, worst.back, worst.blind), (0, 0, 0), "{parts}");
                assert!(worst.behind < 200, "{worst:?}");
            }
        }
    }

    #[test]
    fn where_the_time_is_slowed_down_a_lot_that_is_seen_soon() {
        let (mut clocks, mut surveyor, mut last) = (Clocks::new(0, 0), Surveyor::new(), 0);
        let _ = read(&mut clocks, &mut surveyor, 400, &mut last);
        for parts in [-83_000, 83_000, 0, 100_000, -100_000] {
            clocks.parts = parts;
            let worst = read(&mut clocks, &mut surveyor, 600, &mut last);
            assert!(worst.ahead < 11_000 && worst.back < 11_000, "{parts}: {worst:?}");
            let worst = read(&mut clocks, &mut surveyor, 1_000, &mut last);
            assert_eq!((worst.ahead, worst.back, worst.blind), (0, 0, 0), "{parts}");
        }
    }

    #[test]
    fn a_counter_that_was_set_anew_is_judged_anew() {
        for jump in [1u64 << 30, 1 << 50, (1u64 << 50).wrapping_neg(), 50_000_000, 3_000_000] {
            let (mut clocks, mut surveyor, mut last) =
                (Clocks::new(1 << 55, 0), Surveyor::new(), 0);
            let _ = read(&mut clocks, &mut surveyor, 400, &mut last);
            clocks.tick = clocks.tick.wrapping_add(jump);
            let _ = read(&mut clocks, &mut surveyor, 1_000, &mut last);
            let worst = read(&mut clocks, &mut surveyor, 1_000, &mut last);
            assert_eq!((worst.ahead, worst.back, worst.blind), (0, 0, 0), "{jump}");
            assert!(worst.behind < 200, "{jump}: {worst:?}");
        }
    }

    #[test]
    fn a_look_that_was_a_little_late_sets_nothing_back() {
        let (mut clocks, mut surveyor, mut last) = (Clocks::new(0, 0), Surveyor::new(), 0);
        let _ = read(&mut clocks, &mut surveyor, 400, &mut last);
        // The time was looked at before the tick was.
        let piece = surveyor.survey(clocks.tick, clocks.now() - 300);
        assert!(piece.at(clocks.tick).is_some_and(|told| told >= last && told <= clocks.now()));
    }
}
