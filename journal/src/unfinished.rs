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
    /// Whether a handler of an event that is unfinished too dispatched it. When that one is dispatched
    /// again, its handlers make this event anew.
    pub is_below: bool,
}

/// Finds the events that were accepted and not completed, line by line, as
/// [`Journal::recover`](crate::Journal::recover) does.
#[derive(Debug, Default)]
pub struct Ledger {
    events: HashMap<EventId, Open>,
    /// The children that are not completed and that the handlers of their parent make anew, by their
    /// parent, while that is not completed either.
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
        if let Some(parent) = self.open_maker(&line) {
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
                let is_open = |open: &Open| maker(&open.line) == Some(parent);
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
        let made_anew = self.made_anew();
        let mut open: Vec<_> = self.events.into_values().collect();
        open.sort_by_key(|open| open.place);
        let unfinished = open.into_iter().map(|Open { line, attempts, .. }| {
            let is_below = made_anew.contains(&line.id);
            Unfinished { line, attempts, is_below }
        });
        unfinished.collect()
    }

    /// The events that handlers of others make anew, down from those that nobody does. Events in a
    /// circle (which are their own parents in the end) are not below any of those.
    fn made_anew(&self) -> HashSet<EventId> {
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        let mut above = Vec::new();
        for (id, open) in &self.events {
            match self.open_maker(&open.line) {
                Some(parent) => children.entry(parent).or_default().push(*id),
                None => above.push(*id),
            }
        }
        let mut made = HashSet::new();
        while let Some(parent) = above.pop() {
            let below = children.remove(&parent).unwrap_or_default();
            made.extend(&below);
            above.extend(below);
        }
        made
    }

    /// The parent, if it is unfinished and one of its handlers dispatched the event.
    fn open_maker(&self, line: &Line) -> Option<EventId> {
        maker(line).filter(|parent| self.events.contains_key(parent))
    }
}

/// The parent, if one of its handlers dispatched the event.
fn maker(line: &Line) -> Option<EventId> {
    line.parent_id.filter(|_| !line.is_outside)
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

    fn is_below(lines: impl IntoIterator<Item = Line>) -> Vec<bool> {
        let mut ledger = Ledger::new();
        lines.into_iter().for_each(|line| ledger.note(line));
        ledger.into_unfinished().iter().map(|event| event.is_below).collect()
    }

    #[test]
    fn r42_what_a_handler_made_is_below_and_what_was_made_outside_is_not() {
        let outside = |mut line: Line| {
            line.is_outside = true;
            line
        };
        let family = [
            line(0, None, true),
            line(1, Some(0), true),
            outside(line(2, Some(0), true)),
            line(3, Some(2), true),
        ];
        assert_eq!(is_below(family), [false, true, false, true]);
    }

    #[test]
    fn r42_nothing_in_a_circle_is_below_another() {
        let circle = [line(0, Some(0), true), line(1, Some(2), true), line(2, Some(1), true)];
        assert_eq!(is_below(circle), [false; 3]);
        // Nor what is below it: then nobody would make that.
        assert_eq!(is_below([line(0, Some(0), true), line(1, Some(0), true)]), [false, false]);
    }
}
