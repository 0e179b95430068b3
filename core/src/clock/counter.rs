//! The system's time, read from the processor's counter between two looks at the system's clock.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs;
use std::sync::OnceLock;
use std::time::Instant as StdInstant;

use super::line::Line;
use super::segment::Surveyor;
use crate::sync::StaticMutex;
use crate::time::Instant;

/// Shared by all clocks of the process: it is about the computer, and holds nothing of a bus.
pub(super) static COUNTER: Counter = Counter::new();

/// A thread that is interrupted between its looks at both clocks takes more ticks than this; so does a
/// counter or a clock that is slow to read.
const AT_ONCE: u64 = 1_000;
/// After so many such misses in a row, the counter is no longer used.
const PATIENCE: u32 = 16;

pub(super) struct Counter {
    start: OnceLock<StdInstant>,
    /// The counter's ticks tell the time, as far as is known.
    is_of_use: AtomicBool,
    line: Line,
    drawing: StaticMutex<Drawing>,
}

struct Drawing {
    surveyor: Surveyor,
    misses: u32,
}

impl Counter {
    const fn new() -> Self {
        let surveyor = Surveyor::new();
        Self {
            start: OnceLock::new(),
            is_of_use: AtomicBool::new(false),
            line: Line::new(),
            drawing: StaticMutex::new(Drawing { surveyor, misses: 0 }),
        }
    }

    /// Begins to count the time.
    pub(super) fn begin(&self) -> StdInstant {
        *self.start.get_or_init(|| {
            self.is_of_use.store(is_trusted(), Ordering::Relaxed);
            StdInstant::now()
        })
    }

    /// Nanoseconds since it began.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.line.at(ticks).unwrap_or_else(|| self.look())
    }

    /// The same for another moment.
    pub(super) fn at(&self, moment: StdInstant) -> u64 {
        (Instant::EPOCH + moment.saturating_duration_since(self.begin())).as_nanos()
    }

    /// Asks the system, and continues the line from there.
    #[cold]
    fn look(&self) -> u64 {
        if !self.is_of_use.load(Ordering::Relaxed) {
            return self.at(StdInstant::now());
        }
        let mut drawing = self.drawing.lock();
        // Another thread may have drawn it meanwhile.
        if let Some(now) = self.line.at(ticks) {
            return now;
        }
        let before = ticks();
        let now = self.at(StdInstant::now());
        let tick = ticks();
        let Drawing { surveyor, misses } = &mut *drawing;
        if tick.wrapping_sub(before) > AT_ONCE {
            *misses += 1;
            self.is_of_use.store(*misses < PATIENCE, Ordering::Relaxed);
            return now;
        }
        *misses = 0;
        let piece = surveyor.survey(tick, now);
        self.line.set(piece);
        piece.at(tick).filter(|_| piece.rate > 0).unwrap_or(now)
    }
}

/// Whether the system keeps its own time by the counter: then it has found it steady, and the same
/// on all processors.
fn is_trusted() -> bool {
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    cfg!(all(target_os = "linux", target_arch = "x86_64", not(miri)))
        && fs::read_to_string(source).is_ok_and(|name| name.trim() == "tsc")
}

#[inline]
fn ticks() -> u64 {
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
    let ticks = safe_arch::read_timestamp_counter();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
    let ticks = 0;
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::time::Duration;
    use std::thread;

    /// Reads both clocks for some time, in turn.
    fn read(until: StdInstant) -> u64 {
        let mut last = 0;
        loop {
            let earliest = COUNTER.at(StdInstant::now());
            let now = COUNTER.now();
            let moment = StdInstant::now();
            assert!(now <= COUNTER.at(moment), "it is not ahead");
            assert!(now >= last, "it does not go back: {last}, {now}");
            assert!(now + 1_000 >= earliest, "it is not far behind");
            last = now;
            if moment >= until {
                return last;
            }
        }
    }

    #[test]
    fn it_is_never_ahead_never_goes_back_and_never_falls_behind_on_any_thread() {
        let until = StdInstant::now() + Duration::from_millis(200);
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(move || read(until))).collect();
        for thread in threads {
            assert!(thread.join().is_ok_and(|last| last > 0));
        }
    }

    #[test]
    fn after_a_pause_it_is_where_the_system_is() {
        let before = COUNTER.now();
        thread::sleep(Duration::from_millis(20));
        assert!(COUNTER.now() - before >= 20_000_000);
    }
}
