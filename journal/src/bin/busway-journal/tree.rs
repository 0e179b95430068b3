//! Events as a tree of text: below each, those that its handlers dispatched.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use busway_core::EventId;
use busway_journal::{Kind, Line};

use crate::{Failure, Outcome, clock, lines, seconds, short};

struct Events {
    /// The last line of each.
    lines: HashMap<EventId, Line>,
    /// In order of their first lines.
    order: Vec<EventId>,
}

pub(crate) fn run(out: &mut impl Write, files: &[PathBuf]) -> Outcome {
    let events = read(files)?;
    let mut below: HashMap<Option<EventId>, Vec<EventId>> = HashMap::new();
    for id in &events.order {
        let parent = events.lines[id].parent_id;
        // One whose parent is not in the journal is a root of what there is.
        let parent = parent.filter(|parent| events.lines.contains_key(parent));
        below.entry(parent).or_default().push(*id);
    }
    // What is still to be shown: a stack instead of recursion, since trees can be deep.
    let mut rest = Vec::new();
    push(&mut rest, "", below.remove(&None));
    while let Some((prefix, is_last, id)) = rest.pop() {
        let branch = if is_last { "└── " } else { "├── " };
        writeln!(out, "{prefix}{branch}{}", show(&events.lines[&id]))?;
        let indent = format!("{prefix}{}", if is_last { "    " } else { "│   " });
        push(&mut rest, &indent, below.remove(&Some(id)));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(files: &[PathBuf]) -> Result<Events, Failure> {
    let mut events = Events { lines: HashMap::new(), order: Vec::new() };
    let mut seen = HashSet::new();
    for file in files {
        for line in lines(file)? {
            let line = line?;
            if seen.insert(line.id) {
                events.order.push(line.id);
            }
            events.lines.insert(line.id, line);
        }
    }
    // Completions come before those of their parents; the eye wants order of dispatch.
    events.order.sort_by_key(|id| events.lines[id].created_at);
    Ok(events)
}

fn push(rest: &mut Vec<(String, bool, EventId)>, prefix: &str, events: Option<Vec<EventId>>) {
    for (at, id) in events.into_iter().flatten().rev().enumerate() {
        rest.push((prefix.into(), at == 0, id));
    }
}

/// `✅ UserLogin#3f9a [20:22:50.123 (0.004s)] main`
fn show(line: &Line) -> String {
    let mark = match line.kind {
        Kind::Accepted { .. } => "⏳",
        _ => "✅",
    };
    let took = line.duration().map(|took| format!(" ({})", seconds(took))).unwrap_or_default();
    let path = line.path.join(" > ");
    format!("{mark} {}#{} [{}{took}] {path}", line.event_type, short(line), clock(line))
}
