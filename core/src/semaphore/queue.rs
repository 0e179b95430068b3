//! Who has a slot and who is next: a pure state machine, first come first served.
//!
//! Not a semaphore of a library: async-lock's is not first come first served, tokio's brings tokio
//! into the core, and others are no longer kept.
//!
//! Every caller names its own limit, so that nothing has to be agreed on beforehand: it goes in
//! when fewer than its limit are inside, and nobody overtakes it until then. A slot that is given
//! back goes to the first in line in the same step; it is never free for somebody who just came.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The slots of one semaphore.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Slots taken, those granted and not collected included.
    taken: usize,
    tickets: u64,
    /// Who waits, in order, and their limits.
    waiting: BTreeMap<Ticket, usize>,
    /// Whose slot is there and waits for them.
    granted: BTreeSet<Ticket>,
    /// Those among them who have not been told.
    untold: Vec<Ticket>,
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What becomes of somebody who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// In at once.
    Taken,
    /// In line, until the ticket is granted.
    Queued(Ticket),
}

impl Slots {
    /// Somebody comes, who goes in when fewer than `limit` are inside.
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

    /// Takes the slot that was granted to a ticket; false while it was not.
    pub(crate) fn collect(&mut self, ticket: Ticket) -> bool {
        self.granted.remove(&ticket)
    }

    /// Somebody goes away before the slot was collected, be it granted or not.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) {
        if self.granted.remove(&ticket) {
            self.leave();
        } else if self.waiting.remove(&ticket).is_some() {
            // The next one's limit may be larger.
            self.admit();
        }
    }

    /// A slot is given back.
    pub(crate) fn leave(&mut self) {
        self.taken = self.taken.saturating_sub(1);
        self.admit();
    }

    /// The tickets that were granted since this was asked last, in order: to be told.
    pub(crate) fn grants(&mut self) -> Vec<Ticket> {
        core::mem::take(&mut self.untold)
    }

    /// Slots taken.
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
