//! Shows events as a tree of text: below each event, those that its handlers dispatched.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use busway_core::EventId;
use busway_journal::{Kind, Ledger, Line};

use crate::{Failure, Outcome, clock, read, seconds, short};

struct Events {
    /// The last line of each event.
    lines: HashMap<EventId, Line>,
    /// In order of dispatch.
    order: Vec<EventId>,
    open: HashSet<EventId>,
}

pub(crate) fn run(out: &mut impl Write, files: &[PathBuf]) -> Outcome {
    let (events, end) = collect(files);
    let mut below: HashMap<Option<EventId>, Vec<EventId>> = HashMap::new();
    let circular = events.circular();
    for id in &events.order {
        // What is its own ancestor is shown as a root, as bubus makes a forwarded event its own parent.
        let parent = events.parent(id).filter(|_| !circular.contains(id));
        below.entry(parent).or_default().push(*id);
    }
    // What remains to be shown. Trees can be deep, so this is a stack instead of recursion.
    let mut rest = Vec::new();
    push(&mut rest, "", below.remove(&None));
    while let Some((prefix, is_last, id)) = rest.pop() {
        let branch = if is_last { "└── " } else { "├── " };
        writeln!(out, "{prefix}{branch}{}", show(&events.lines[&id], events.open.contains(&id)))?;
        let indent = format!("{prefix}{}", if is_last { "    " } else { "│   " });
        push(&mut rest, &indent, below.remove(&Some(id)));
    }
    end.map(|()| ExitCode::SUCCESS)
}

impl Events {
    /// The parent of an event, if it is in the journal too.
    fn parent(&self, id: &EventId) -> Option<EventId> {
        self.lines[id].parent_id.filter(|parent| self.lines.contains_key(parent))
    }

    /// The events that are their own ancestors.
    fn circular(&self) -> HashSet<EventId> {
        let mut circular = HashSet::new();
        // The events whose ancestors were looked at, and with which event.
        let mut seen = HashMap::new();
        for first in &self.order {
            let mut above = Some(*first);
            while let Some(id) = above.filter(|id| !seen.contains_key(id)) {
                seen.insert(id, first);
                above = self.parent(&id);
            }
            // It was met again on the same way up.
            while let Some(id) = above.filter(|id| seen[id] == first && circular.insert(*id)) {
                above = self.parent(&id);
            }
        }
        circular
    }
}

/// The events, and why reading stopped.
fn collect(files: &[PathBuf]) -> (Events, Result<(), Failure>) {
    let (mut lines, mut order) = (HashMap::new(), Vec::new());
    let mut ledger = Ledger::new();
    let end = read(files, |line: Line| {
        ledger.note(line.clone());
        let id = line.id;
        if lines.insert(id, line).is_none() {
            order.push(id);
        }
    });
    // Completions come before those of their parents; readers want order of dispatch.
    order.sort_by_key(|id| lines[id].created_at);
    let open = ledger.into_unfinished().into_iter().map(|open| open.line.id).collect();
    (Events { lines, order, open }, end)
}

fn push(rest: &mut Vec<(String, bool, EventId)>, prefix: &str, events: Option<Vec<EventId>>) {
    for (at, id) in events.into_iter().flatten().rev().enumerate() {
        rest.push((prefix.into(), at == 0, id));
    }
}

/// `● UserLogin#3f9a [20:22:50.123 (0.004s)] main`: the event has completed. No line says whether its
/// handlers succeeded.
fn show(line: &Line, is_open: bool) -> String {
    let mark = match line.kind {
        Kind::Accepted { .. } if is_open => "⏳",
        // Its parent was dispatched again, and has made another child in its place.
        Kind::Accepted { .. } => "↺",
        Kind::Discarded => "✗",
        _ => "●",
    };
    let took = line.duration().map(|took| format!(" ({})", seconds(took))).unwrap_or_default();
    let path = line.path.join(" > ");
    format!("{mark} {}#{} [{}{took}] {path}", line.event_type, short(line), clock(line))
}
