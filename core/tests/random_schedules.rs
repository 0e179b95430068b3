//! Random schedules of inputs, on the machine and on a naive model of it side by side.
//!
//! `BUSWAY_SEED=7` replays one schedule; `BUSWAY_SCHEDULES=100000` sets how many are run.

mod model;
mod world;

use std::env;

const SCHEDULES: u64 = 2_000;

#[test]
fn the_machine_does_what_the_rules_say() {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse().expect("a number"));
    let seeds = match number("BUSWAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BUSWAY_SCHEDULES").unwrap_or(SCHEDULES),
    };
    let trace = seeds.end - seeds.start == 1;
    for seed in seeds {
        if let Err(violation) = world::play(seed, trace) {
            panic!("{violation}");
        }
    }
}
