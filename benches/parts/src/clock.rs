//! Timed loops.

use std::time::Instant;

/// How often an operation is done.
#[derive(Clone, Copy)]
pub struct Rounds {
    /// Runs, of which the median counts.
    pub runs: usize,
    /// Operations per run.
    pub operations: usize,
    /// The largest `n` to measure.
    pub largest: usize,
}

impl Rounds {
    pub const FULL: Self = Self { runs: 9, operations: 100_000, largest: usize::MAX };
    pub const QUICK: Self = Self { runs: 5, operations: 10_000, largest: 100_000 };

    /// One run, for tools that count instructions.
    pub const fn once(operations: usize) -> Self {
        Self { runs: 1, operations, largest: usize::MAX }
    }

    /// Returns the median of the runs, in nanoseconds per operation. `run` does the given number.
    pub fn median(self, mut run: impl FnMut(usize)) -> f64 {
        let mut nanos: Vec<f64> = (0..self.runs)
            .map(|_| {
                let start = Instant::now();
                run(self.operations);
                start.elapsed().as_secs_f64() * 1e9 / self.operations as f64
            })
            .collect();
        nanos.sort_by(f64::total_cmp);
        nanos[nanos.len() / 2]
    }
}
