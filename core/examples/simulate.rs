//! Plays random schedules on the machine and on a naive model of it, and compares them.
//!
//! ```text
//! cargo run --release -p busway-core --example simulate -- --schedules 1000000
//! cargo run --release -p busway-core --example simulate -- --seed 7     # step by step
//! ```

#[path = "../tests/model/mod.rs"]
mod model;
#[path = "../tests/world/mod.rs"]
mod world;

use core::error::Error;
use core::ops::Range;
use std::env;
use std::process::ExitCode;
use std::thread;

use self::world::Violation;

const SCHEDULES: u64 = 10_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (seed, schedules) = arguments()?;
    let first = seed.unwrap_or(0);
    let schedules = schedules.unwrap_or(if seed.is_some() { 1 } else { SCHEDULES });
    let played = match schedules {
        1 => world::play(first, true),
        _ => play_all(first..first + schedules),
    };
    Ok(match played {
        Ok(steps) => {
            println!("schedules={schedules} steps={steps} violations=0");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    })
}

/// Plays a range of seeds on all processors and returns the number of steps.
fn play_all(seeds: Range<u64>) -> Result<usize, Violation> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let play_some = |offset: usize| {
        let mut own = seeds.clone().skip(offset).step_by(threads);
        own.try_fold(0, |steps, seed| world::play(seed, false).map(|more| steps + more))
    };
    thread::scope(|scope| {
        let spawn = |offset| scope.spawn(move || play_some(offset));
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().map(|thread| thread.join().expect("panics are caught")).sum()
    })
}

fn arguments() -> Result<(Option<u64>, Option<u64>), Box<dyn Error>> {
    let (mut seed, mut schedules) = (None, None);
    let arguments: Vec<_> = env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--seed" => seed = Some(value.parse()?),
            [name, value] if name == "--schedules" => schedules = Some(value.parse()?),
            _ => return Err("usage: simulate [--schedules N] [--seed S]".into()),
        }
    }
    Ok((seed, schedules))
}
