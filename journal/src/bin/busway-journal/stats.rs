//! Counts, and durations from dispatch to completion, by type.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use busway_journal::{Kind, Ledger};

use crate::{Outcome, read, seconds};

#[derive(Default)]
struct OfType {
    completed: u64,
    open: u64,
    durations: Vec<Duration>,
}

impl OfType {
    /// The duration that this share of them all does not exceed.
    fn quantile(&self, share: f64) -> String {
        let last = self.durations.len().saturating_sub(1);
        let duration = self.durations.get((last as f64 * share).round() as usize);
        duration.map_or_else(|| "-".into(), |duration| seconds(*duration))
    }
}

pub(crate) fn run(out: &mut impl Write, files: &[PathBuf]) -> Outcome {
    let mut types: BTreeMap<String, OfType> = BTreeMap::new();
    let mut ledger = Ledger::new();
    let mut completed = HashSet::new();
    let end = read(files, |line| {
        let of_type = types.entry(line.event_type.clone()).or_default();
        // An event that was on several buses may have a line of each.
        if line.kind == Kind::Completed && completed.insert(line.id) {
            of_type.completed += 1;
            of_type.durations.extend(line.duration());
        }
        ledger.note(line);
    });
    for unfinished in ledger.into_unfinished() {
        types.entry(unfinished.line.event_type).or_default().open += 1;
    }
    let width = types.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    let head = ["completed", "open", "shortest", "median", "95 %", "longest"];
    write!(out, "{:width$}", "type")?;
    head.iter().try_for_each(|name| write!(out, " {name:>10}"))?;
    writeln!(out)?;
    for (name, mut of_type) in types {
        of_type.durations.sort_unstable();
        write!(out, "{name:width$} {:>10} {:>10}", of_type.completed, of_type.open)?;
        for share in [0.0, 0.5, 0.95, 1.0] {
            write!(out, " {:>10}", of_type.quantile(share))?;
        }
        writeln!(out)?;
    }
    end.map(|()| ExitCode::SUCCESS)
}
