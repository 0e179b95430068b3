//! The cost of our own parts, and how it grows: `part,n,ns_per_op`. See README.md.

mod books;
mod bus;
mod clock;

use std::io::{self, Write};
use std::process::ExitCode;

use clock::Rounds;

const USAGE: &str = "usage: busway-parts [--quick] [--only PART] [--n N] [--rounds N]";

/// One of our operations, repeated, in the presence of `n` of something.
struct Part {
    name: &'static str,
    sizes: &'static [usize],
    /// Nanoseconds per operation.
    run: fn(usize, Rounds) -> f64,
}

const QUEUE: &[usize] = &[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
const BUSES: &[usize] = &[1, 10, 100, 1_000, 10_000];
const HISTORY: &[usize] = &[0, 50, 1_000, 10_000, 100_000];

const PARTS: &[Part] = &[
    Part { name: "machine_dispatch", sizes: QUEUE, run: books::dispatch },
    Part { name: "machine_step", sizes: QUEUE, run: books::step },
    Part { name: "machine_jump", sizes: QUEUE, run: books::jump },
    Part { name: "machine_forward", sizes: QUEUE, run: books::forward },
    Part { name: "machine_timeout", sizes: QUEUE, run: books::timeout },
    Part { name: "machine_history", sizes: HISTORY, run: books::history },
    Part { name: "machine_buses", sizes: BUSES, run: books::buses },
    Part { name: "bus_dispatch", sizes: QUEUE, run: bus::dispatch },
    Part { name: "bus_event", sizes: QUEUE, run: bus::event },
    Part { name: "bus_jump", sizes: QUEUE, run: bus::jump },
    Part { name: "bus_forward", sizes: QUEUE, run: bus::forward },
    Part { name: "bus_timeout", sizes: &[0, 1], run: bus::timeout },
    Part { name: "bus_history", sizes: HISTORY, run: bus::history },
    Part { name: "bus_buses", sizes: BUSES, run: bus::buses },
];

/// The options of the command line.
struct Wish {
    rounds: Rounds,
    parts: Vec<&'static Part>,
    n: Option<usize>,
}

fn wish(mut arguments: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut wish = Wish { rounds: Rounds::FULL, parts: PARTS.iter().collect(), n: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => wish.rounds = Rounds::QUICK,
            "--only" => {
                let name = value()?;
                wish.parts.retain(|part| part.name == name);
            }
            "--n" => wish.n = Some(number(&value()?)?),
            "--rounds" => wish.rounds = Rounds::once(number(&value()?)?),
            other => return Err(format!("no such option: {other}")),
        }
    }
    match wish.parts.is_empty() {
        true => Err("there is no part of that name".into()),
        false => Ok(wish),
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

fn report(wish: &Wish, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "part,n,ns_per_op")?;
    for part in &wish.parts {
        let sizes = wish.n.as_ref().map_or(part.sizes, std::slice::from_ref);
        for &n in sizes.iter().filter(|n| **n <= wish.rounds.largest) {
            writeln!(out, "{},{n},{:.1}", part.name, (part.run)(n, wish.rounds))?;
            out.flush()?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let wish = match wish(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match report(&wish, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot print: {error}");
            ExitCode::FAILURE
        }
    }
}
