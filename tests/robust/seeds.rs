//! Reproducible random numbers: a test that fails with them names its seed.

use std::ops::RangeInclusive;
use std::panic::{catch_unwind, resume_unwind};
use std::time::Duration;

/// Splitmix64.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Returns a random index into a collection of this length.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[self.index(N)]
    }

    pub(crate) fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.below(below))
    }
}

/// Runs all these seeds, or the one that `BUSWAY_SEED` names.
pub(crate) fn play_seeds(seeds: RangeInclusive<u64>, play: fn(u64)) {
    let given = std::env::var("BUSWAY_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in given.map_or(seeds, |seed| seed..=seed) {
        if let Err(panic) = catch_unwind(|| play(seed)) {
            eprintln!("failed with BUSWAY_SEED={seed}");
            resume_unwind(panic);
        }
    }
}
