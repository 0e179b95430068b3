//! The turn of a bus: which task polls its invocations, and which one learns that there is more to do.

use crate::sync::atomic::{AtomicU8, Ordering};

const FREE: u8 = 0;
const HELD: u8 = 1;
/// There is something to do that the holder, or the next one, must look at.
const MORE: u8 = 2;

/// Held by one task at a time, and only inside one poll.
///
/// All orderings are `SeqCst`: a mark and the driver's "I was told" flag are written and read
/// crosswise, which acquire and release do not order. Every write also reads, so that loom, which
/// knows only these two, can follow.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU8);

/// What [`Gate::mark`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marked {
    /// The turn is free and nobody was told yet: the caller has to tell somebody.
    NobodyKnows,
    /// The holder will look, or the driver has been told.
    SomebodyLooks,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(FREE))
    }

    /// Notes that there is something to do.
    #[inline]
    pub(crate) fn mark(&self) -> Marked {
        match self.0.fetch_or(MORE, Ordering::SeqCst) {
            FREE => Marked::NobodyKnows,
            _ => Marked::SomebodyLooks,
        }
    }

    /// Whether there is something to do and the turn is free.
    #[inline]
    pub(crate) fn is_marked(&self) -> bool {
        self.0.load(Ordering::SeqCst) == MORE
    }

    /// Takes the turn, unless it is held.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        self.0.fetch_or(HELD, Ordering::SeqCst) & HELD == 0
    }

    /// Whether there is more to do since the last look. Only the holder asks.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.0.load(Ordering::SeqCst) & MORE != 0
    }

    /// Begins a look: what is marked from now on is more again.
    #[inline]
    pub(crate) fn take_more(&self) {
        self.0.fetch_and(!MORE, Ordering::SeqCst);
    }

    /// Gives the turn back. False if there is more to do: then the turn is kept.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        self.0.compare_exchange(HELD, FREE, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Gives the turn back with something left to do. The caller has to tell somebody.
    #[inline]
    pub(crate) fn leave_with_more(&self) {
        self.0.swap(MORE, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_mark_of_a_free_turn_has_to_tell() {
        let gate = Gate::new();
        assert_eq!(gate.mark(), Marked::NobodyKnows);
        assert_eq!(gate.mark(), Marked::SomebodyLooks);
        assert!(gate.enter());
        assert!(!gate.enter());
        assert!(gate.has_more());
        gate.take_more();
        assert!(!gate.has_more());
        assert_eq!(gate.mark(), Marked::SomebodyLooks);
        assert!(!gate.leave(), "there is more to do");
        gate.take_more();
        assert!(gate.leave());
        assert_eq!(gate.mark(), Marked::NobodyKnows);
    }
}
