//! Decides who has a slot and who is next: a pure state machine, first come first served.
//!
//! No library's semaphore fits: async-lock's is not first come first served, tokio's brings tokio into
//! the core, and others are no longer maintained.
//!
//! Every caller names its own limit, so that nothing has to be agreed on beforehand. It goes in when
//! fewer than its limit are inside, and is not overtaken until then. A slot that is given back goes to
//! the first in line in the same step; it is never free for a newcomer.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The slots of one semaphore.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Slots taken, including those granted and not collected.
    taken: usize,
    tickets: u64,
    /// The waiting tickets, in order, and their limits.
    waiting: BTreeMap<Ticket, usize>,
    /// Tickets whose slot waits to be collected.
    granted: BTreeSet<Ticket>,
    /// Granted tickets that have not been told.
    untold: Vec<Ticket>,
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The outcome of entering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// In at once.
    Taken,
    /// In line, until the ticket is granted.
    Queued(Ticket),
}

impl Slots {
    /// Enters a caller, who gets in when fewer than `limit` are inside.
    pub(crate) fn enter(&mut self, limit: usize) -> Entry {
        if self.waiting.is_empty() && self.taken < limit {
            self.taken += 1;
            return Entry::Taken;
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, limit);
        Entry::Queued(ticket)
    }

    /// Takes the slot granted to a ticket. Returns false if it was not granted.
    pub(crate) fn collect(&mut self, ticket: Ticket) -> bool {
        self.granted.remove(&ticket)
    }

    /// Withdraws a ticket before its slot was collected, granted or not.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) {
        if self.granted.remove(&ticket) {
            self.leave();
        } else if self.waiting.remove(&ticket).is_some() {
            // The next one's limit may be larger.
            self.admit();
        }
    }

    /// Gives a slot back.
    pub(crate) fn leave(&mut self) {
        self.taken = self.taken.saturating_sub(1);
        self.admit();
    }

    /// Returns the tickets granted since the last call, in order, to be told.
    pub(crate) fn grants(&mut self) -> Vec<Ticket> {
        core::mem::take(&mut self.untold)
    }

    /// Returns the number of slots taken.
    #[cfg(test)]
    pub(crate) const fn taken(&self) -> usize {
        self.taken
    }

    fn admit(&mut self) {
        while let Some(first) = self.waiting.first_entry() {
            if self.taken >= *first.get() {
                return;
            }
            let ticket = first.remove_entry().0;
            self.taken += 1;
            self.granted.insert(ticket);
            self.untold.push(ticket);
        }
    }
}

#[cfg(test)]
mod tests;
