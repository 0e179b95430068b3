//! A line through the system's time over the ticks of a counter.
//!
//! It starts at a moment that the system told and runs slower than the counter by more than the
//! system's time is ever slowed down (500 parts in a million, as NTP does), or than its rate is
//! misjudged. So it is behind the system's time until it is drawn anew, and then it is only ever
//! raised. Who reads it while it is drawn may see its new height alone, which is as good.

use core::sync::atomic::{AtomicU64, Ordering};

/// How long it is used, in ticks: some tens of microseconds.
const WINDOW: u64 = 1 << 17;
/// By this part of its rate it is slower than the counter.
const SLOWER: u64 = 500;

pub(super) struct Line {
    /// Nanoseconds in 2³² ticks; 0 while it is not known.
    rate: AtomicU64,
    /// The tick it starts at.
    from: AtomicU64,
    /// Where it would be at tick 0; it wraps.
    height: AtomicU64,
}

impl Line {
    pub(super) const fn new() -> Self {
        let [rate, from, height] = [const { AtomicU64::new(0) }; 3];
        Self { rate, from, height }
    }

    /// The time at a tick; `None` when the line does not reach there.
    #[inline]
    pub(super) fn at(&self, tick: impl FnOnce() -> u64) -> Option<u64> {
        let rate = self.rate.load(Ordering::Acquire);
        if rate == 0 {
            return None;
        }
        let tick = tick();
        let is_there = tick.wrapping_sub(self.from.load(Ordering::Acquire)) < WINDOW;
        is_there.then(|| scaled(tick, rate).wrapping_add(self.height.load(Ordering::Relaxed)))
    }

    /// Draws it from a tick at which it was `now` or a little later. The first time its rate is judged
    /// by the ticks since the time was 0.
    pub(super) fn draw(&self, tick: u64, now: u64, ticks: u64) {
        let mut rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            let judged = (u128::from(now) << 32) / u128::from(ticks.max(1));
            let Ok(judged) = u64::try_from(judged) else { return };
            rate = judged - judged / SLOWER;
        }
        self.height.store(now.wrapping_sub(scaled(tick, rate)), Ordering::Relaxed);
        self.from.store(tick, Ordering::Release);
        self.rate.store(rate, Ordering::Release);
    }
}

#[inline]
const fn scaled(ticks: u64, rate: u64) -> u64 {
    ((ticks as u128 * rate as u128) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter of 2.5 GHz that was at `first` when the system's time was 0, which runs this many
    /// parts in a million faster or slower.
    fn time(tick: u64, first: u64, parts: i64) -> u64 {
        let ticks = u128::from(tick.wrapping_sub(first));
        (ticks * (1_000_000 + i128::from(parts)) as u128 * 2 / 5 / 1_000_000) as u64
    }

    #[test]
    fn without_a_rate_there_is_no_line() {
        let line = Line::new();
        assert_eq!(line.at(|| unreachable!("nobody asks the counter")), None);
        line.draw(5_000, u64::MAX, 0);
        assert_eq!(line.at(|| 5_000), None, "a counter that stands still");
        line.draw(25_000_000, 10_000_000, 25_000_000);
        assert_eq!(line.at(|| 25_000_000), Some(10_000_000));
    }

    #[test]
    fn it_reaches_from_where_it_starts_to_the_end_of_its_window() {
        let line = Line::new();
        line.draw(25_000_000, 10_000_000, 25_000_000);
        assert_eq!(line.at(|| 25_000_000 - 1), None, "a counter that was set back");
        assert!(line.at(|| 25_000_000 + WINDOW - 1).is_some());
        assert_eq!(line.at(|| 25_000_000 + WINDOW), None);
    }

    #[test]
    fn however_the_system_slows_down_it_is_behind_and_not_by_much() {
        for first in [0u64, 1 << 40, 1 << 60] {
            // Judged while the system's time ran at one extreme, and used at the other.
            let line = Line::new();
            let tick = first.wrapping_add(25_000_000);
            line.draw(tick, time(tick, first, 500), tick.wrapping_sub(first));
            for parts in [-500, 0, 500] {
                let mut last = 0;
                for round in 1..200u64 {
                    let start = tick.wrapping_add(round * (WINDOW + 7_777));
                    line.draw(start, time(start, first, parts), 0);
                    for step in 0..32 {
                        let at = start.wrapping_add(step * (WINDOW / 32));
                        let (told, real) =
                            (line.at(|| at).expect("it reaches"), time(at, first, parts));
                        assert!(told <= real, "ahead by {}", told - real);
                        assert!(told + 200 >= real, "behind by {}", real - told);
                        assert!(told >= last || round == 1, "back by {}", last - told);
                        last = told;
                    }
                }
            }
        }
    }
}
