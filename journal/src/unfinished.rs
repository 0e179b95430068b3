//! Finds the events that were accepted and not completed, from the lines of a journal.

use std::collections::{HashMap, HashSet};

use busway_core::EventId;

use crate::line::{Kind, Line};

/// An event that was accepted and had not completed when its journal was last written.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Its last acceptance.
    pub line: Line,
    /// How often it was dispatched, from 1.
    pub attempts: u32,
    /// Whether its parent is unfinished too. When the parent is dispatched again, its handler makes
    /// this event anew.
    pub is_below: bool,
}

/// Finds the events that were accepted and not completed, line by line, as
/// [`Journal::recover`](crate::Journal::recover) does.
#[derive(Debug, Default)]
pub struct Ledger {
    events: HashMap<EventId, Open>,
    /// The children that are not completed, by their parent, while that is not completed either.
    below: HashMap<EventId, HashSet<EventId>>,
    count: u64,
}

#[derive(Debug)]
struct Open {
    line: Line,
    attempts: u32,
    /// Its place in order of acceptance.
    place: u64,
}

impl Ledger {
    /// Creates a ledger without lines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next line.
    pub fn note(&mut self, line: Line) {
        let Kind::Accepted { attempt } = line.kind else {
            return self.complete(&line);
        };
        self.count += 1;
        if let Some(parent) = line.parent_id.filter(|parent| self.events.contains_key(parent)) {
            self.below.entry(parent).or_default().insert(line.id);
        }
        match self.events.get_mut(&line.id) {
            // Another bus on its way has accepted it. It is dispatched again on the first one.
            Some(open) if attempt <= open.attempts => {}
            Some(_) => {
                // It was dispatched again: its handlers make their children anew.
                self.forget_below(line.id);
                let open = Open { line, attempts: attempt, place: self.count };
                self.events.insert(open.line.id, open);
            }
            None => {
                let open = Open { line, attempts: attempt, place: self.count };
                self.events.insert(open.line.id, open);
            }
        }
    }

    fn complete(&mut self, line: &Line) {
        self.events.remove(&line.id);
        self.below.remove(&line.id);
        if let Some(siblings) = line.parent_id.and_then(|parent| self.below.get_mut(&parent)) {
            siblings.remove(&line.id);
        }
    }

    fn forget_below(&mut self, parent: EventId) {
        let mut above = vec![parent];
        while let Some(parent) = above.pop() {
            for child in self.below.remove(&parent).into_iter().flatten() {
                // A child that came back on its own is not made anew.
                let is_open = |open: &Open| open.line.parent_id == Some(parent);
                if self.events.get(&child).is_some_and(is_open) {
                    self.events.remove(&child);
                    above.push(child);
                }
            }
        }
    }

    /// Returns the unfinished events, in order of acceptance.
    #[must_use]
    pub fn into_unfinished(self) -> Vec<Unfinished> {
        let mut open: Vec<_> = self.events.values().collect();
        open.sort_by_key(|open| open.place);
        let unfinished = open.into_iter().map(|open| Unfinished {
            line: open.line.clone(),
            attempts: open.attempts,
            is_below: open.line.parent_id.is_some_and(|parent| self.events.contains_key(&parent)),
        });
        unfinished.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Line};

    fn line(number: u32, parent: Option<u32>, accepted: bool) -> Line {
        let id = |number| format!("\"06b0229c-2b16-71ae-8000-{number:012x}\"");
        let parent = parent.map_or_else(|| "null".into(), id);
        let accepted = if accepted { r#","busway_accepted":1"# } else { "" };
        let id = id(number);
        let text =
            format!(r#"{{"event_type":"A","event_id":{id},"event_parent_id":{parent}{accepted}}}"#);
        Line::parse(text.as_bytes()).expect("it is a line")
    }

    #[test]
    fn keeps_nothing_of_what_is_completed() {
        let mut ledger = Ledger::new();
        ledger.note(line(0, None, true));
        for child in 1..=1_000 {
            ledger.note(line(child, Some(0), true));
            ledger.note(line(child + 5_000, Some(child), true));
            ledger.note(line(child + 5_000, Some(child), false));
            ledger.note(line(child, Some(0), false));
        }
        assert_eq!((ledger.events.len(), ledger.below.len()), (1, 1));
        assert!(ledger.below.values().all(|below| below.is_empty()));

        ledger.note(line(0, None, false));
        assert!(ledger.events.is_empty() && ledger.below.is_empty());

        // The parent is not in this journal.
        ledger.note(line(2, Some(1), true));
        assert_eq!((ledger.events.len(), ledger.below.len()), (1, 0));
    }
}
