//! The piece of the line that is read now: written by one thread at a time, read by all without a
//! lock (a sequence lock).

use core::sync::atomic::{AtomicU64, Ordering, fence};

use super::segment::Segment;

pub(super) struct Line {
    /// Odd while it is written.
    version: AtomicU64,
    rate: AtomicU64,
    from: AtomicU64,
    base: AtomicU64,
}

impl Line {
    pub(super) const fn new() -> Self {
        let [version, rate, from, base] = [const { AtomicU64::new(0) }; 4];
        Self { version, rate, from, base }
    }

    /// The time at a tick; `None` if the line does not reach there, or is being written. Without a
    /// line, the tick is not asked for.
    #[inline]
    pub(super) fn at(&self, tick: impl FnOnce() -> u64) -> Option<u64> {
        let version = self.version.load(Ordering::Acquire);
        let rate = self.rate.load(Ordering::Relaxed);
        let from = self.from.load(Ordering::Relaxed);
        let base = self.base.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let is_whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        if rate == 0 || !is_whole {
            return None;
        }
        Segment { rate, from, base }.at(tick())
    }

    /// Only one thread at a time calls this.
    pub(super) fn set(&self, Segment { rate, from, base }: Segment) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.rate.store(rate, Ordering::Relaxed);
        self.from.store(from, Ordering::Relaxed);
        self.base.store(base, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let line = Line::new();
        assert_eq!(line.at(|| unreachable!("nobody asks the counter")), None);
        line.set(Segment { rate: 1 << 32, from: 100, base: 7 });
        assert_eq!((line.at(|| 100), line.at(|| 103), line.at(|| 99)), (Some(7), Some(10), None));
        line.set(Segment::default());
        assert_eq!(line.at(|| unreachable!("nobody asks the counter")), None);
    }

    #[test]
    fn nobody_reads_half_of_it() {
        let line = Line::new();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..200_000 {
                        // In every piece, the time is the tick.
                        let mut tick = 0;
                        let told = line.at(|| {
                            tick = line.from.load(Ordering::Relaxed) + 1;
                            tick
                        });
                        assert!(told.is_none_or(|told| told == tick));
                    }
                });
            }
            for from in 1..200_000 {
                line.set(Segment { rate: 1 << 32, from, base: from });
            }
        });
    }
}
