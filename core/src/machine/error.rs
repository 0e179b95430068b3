//! Refusals: a request could not be fulfilled, and the books are unchanged.

use alloc::vec::Vec;
use core::fmt;

use super::EventKey;

/// A refused dispatch, with its payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused<P> {
    /// Why.
    pub reason: Refusal,
    /// The payload, handed back.
    pub payload: P,
}

/// Why a dispatch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bus holds as many incomplete events as it takes (R6).
    #[error("the bus is full: {limit} events are pending")]
    Full {
        /// The capacity, in events.
        limit: usize,
    },
    /// The bus is stopped, or is gone (R32).
    #[error("the bus is stopped")]
    Stopped,
    /// The address has no consumer (R36).
    #[error("the address has no consumer")]
    NotFound,
    /// The event would be deeper than children may be (R18).
    #[error("too deep: level {depth}, at most {limit}")]
    TooDeep {
        /// The level it would have had; a root has level 0.
        depth: u32,
        /// The deepest level allowed.
        limit: u32,
    },
    /// The bus's journal failed, so accepted events could not be written (R44).
    #[error("the journal of the bus failed")]
    NotWritten,
}

/// Why an event is not sent on to another bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NotSentOn {
    /// None of its handlers has started.
    #[error("the event has not started")]
    NotStarted,
    /// All its handlers have ended, or it was ended.
    #[error("the event has ended")]
    Ended,
    /// It was sent to an address or a topic.
    #[error("a message stays at its address")]
    Addressed,
    /// The bus is stopped or gone, or its journal failed.
    #[error("the bus takes no events")]
    TargetGone,
}

// The payload is the user's and may have no `Debug`.
impl<P> fmt::Debug for Refused<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// A wait that could never end (R15).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wait would never end: the awaited event depends on the handler that waits")]
#[non_exhaustive]
pub struct Deadlock {
    /// The events of the cycle, from the one whose handler waits to the awaited one. Each keeps the
    /// next from completing.
    pub cycle: Vec<EventKey>,
}

/// The bus that a key names no longer exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bus is gone")]
#[non_exhaustive]
pub struct BusGone;
