//! Runs the same scenarios for busway and its peers in one process, taking turns run by run, and prints
//! `scenario,peer,ns_per_op,min,max,bytes,allocs`. See README.md.

mod measure;
mod peer;
mod peers;
mod scenarios;

use std::io::{self, Write};
use std::process::ExitCode;

use measure::{Purpose, Sample, Summary};
use peer::Peer;
use scenarios::{Scenario, Size, run};

const USAGE: &str = "usage: busway-peers [--quick] [--only P1..P8] [--peer NAME]";
const REPETITIONS: usize = 5;

/// A peer as a value.
struct Contender {
    name: &'static str,
    shows: fn(Scenario) -> bool,
    run: fn(Scenario, Size, Purpose) -> Sample,
}

impl Contender {
    fn of<P: Peer>() -> Self {
        Self { name: P::NAME, shows: P::shows, run: run::<P> }
    }
}

fn contenders() -> Vec<Contender> {
    vec![
        Contender::of::<peers::busway::Busway>(),
        Contender::of::<peers::bare::Bare>(),
        Contender::of::<peers::mpsc::Mpsc>(),
        Contender::of::<peers::least::Least>(),
        Contender::of::<peers::ractor::Ractor>(),
        Contender::of::<peers::kameo::Kameo>(),
        Contender::of::<peers::actix::Actix>(),
        Contender::of::<peers::xtra::Xtra>(),
        Contender::of::<peers::abxbus::Abxbus>(),
    ]
}

/// The options of the command line.
struct Wish {
    size: Size,
    scenarios: Vec<Scenario>,
    contenders: Vec<Contender>,
}

fn wish(mut arguments: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut wish =
        Wish { size: Size::FULL, scenarios: Scenario::ALL.to_vec(), contenders: contenders() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => wish.size = Size::QUICK,
            "--only" => {
                let name = value()?;
                wish.scenarios.retain(|scenario| scenario.name().eq_ignore_ascii_case(&name));
            }
            "--peer" => {
                let name = value()?;
                wish.contenders.retain(|contender| contender.name == name);
            }
            other => return Err(format!("no such option: {other}")),
        }
    }
    match wish.scenarios.is_empty() || wish.contenders.is_empty() {
        true => Err("there is nothing of that name".into()),
        false => Ok(wish),
    }
}

/// Runs every contender once per repetition, so that disturbances of the machine affect all of them.
fn measure(scenario: Scenario, size: Size, contenders: &[&Contender]) -> Vec<Summary> {
    let mut nanos = vec![Vec::with_capacity(REPETITIONS); contenders.len()];
    for repetition in 0..REPETITIONS {
        for place in 0..contenders.len() {
            let at = (repetition + place) % contenders.len();
            nanos[at].push((contenders[at].run)(scenario, size, Purpose::Time).nanos);
        }
    }
    let counted = contenders.iter().map(|peer| (peer.run)(scenario, size, Purpose::Count));
    nanos.into_iter().zip(counted).map(|(nanos, counted)| Summary::of(nanos, counted)).collect()
}

fn print(out: &mut impl Write, scenario: Scenario, peer: &str, row: &Summary) -> io::Result<()> {
    let Summary { median, min, max, counted } = row;
    let bytes = counted.bytes.map(|bytes| format!("{bytes:.0}")).unwrap_or_default();
    let allocations = counted.allocations;
    let scenario = scenario.name();
    writeln!(out, "{scenario},{peer},{median:.0},{min:.0},{max:.0},{bytes},{allocations:.2}")?;
    out.flush()
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

fn report(wish: &Wish, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "scenario,peer,ns_per_op,min,max,bytes,allocs")?;
    for scenario in &wish.scenarios {
        let takes_part = |contender: &&Contender| (contender.shows)(*scenario);
        let contenders: Vec<_> = wish.contenders.iter().filter(takes_part).collect();
        let rows = measure(*scenario, wish.size, &contenders);
        for (contender, row) in contenders.iter().zip(&rows) {
            print(out, *scenario, contender.name, row)?;
        }
    }
    Ok(())
}
