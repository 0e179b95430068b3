//! Finds the events that were accepted and not completed, from the lines of a journal.

use std::collections::HashMap;

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
    /// The children that were accepted, by their parent.
    below: HashMap<EventId, Vec<EventId>>,
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
            self.events.remove(&line.id);
            return;
        };
        self.count += 1;
        if let Some(parent) = line.parent_id {
            self.below.entry(parent).or_default().push(line.id);
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

    fn forget_below(&mut self, parent: EventId) {
        let mut above = vec![parent];
        while let Some(parent) = above.pop() {
            for child in self.below.remove(&parent).into_iter().flatten() {
                // A completed child makes nothing anew. A child that came back on its own is not made
                // anew.
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
