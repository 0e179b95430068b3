//! What was accepted and not completed, as the lines of a journal say it.

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
    /// Its parent is unfinished too: when that is dispatched again, its handler makes it anew.
    pub is_below: bool,
}

/// Finds out what was accepted and not completed, line by line, as
/// [`Journal::recover`](crate::Journal::recover) does.
#[derive(Debug, Default)]
pub struct Ledger {
    events: HashMap<EventId, Open>,
    /// The events that were accepted as children of one.
    below: HashMap<EventId, Vec<EventId>>,
    count: u64,
}

#[derive(Debug)]
struct Open {
    line: Line,
    attempts: u32,
    /// Where it stands in order of acceptance.
    place: u64,
}

impl Ledger {
    /// One without lines.
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
            // Another bus of its way has accepted it: the first is the one it is dispatched on.
            Some(open) if attempt <= open.attempts => {}
            Some(_) => {
                // It was dispatched again: what its handlers had dispatched before is made anew.
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
                // One that has completed makes nothing anew, nor is one made that has come back alone.
                let is_open = |open: &Open| open.line.parent_id == Some(parent);
                if self.events.get(&child).is_some_and(is_open) {
                    self.events.remove(&child);
                    above.push(child);
                }
            }
        }
    }

    /// What there is, in order of acceptance.
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
