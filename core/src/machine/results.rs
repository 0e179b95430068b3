//! The outcome of an event and of each of its invocations.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::iter;
use core::slice;
use core::time::Duration;

use super::{BusKey, HandlerKey};
use crate::time::Instant;

/// The stage of an event's life (R19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventStatus {
    /// Accepted and queued.
    Pending,
    /// A bus has started it.
    Started,
    /// It and all its descendants are done.
    Completed,
}

impl fmt::Display for EventStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Completed => "completed",
        })
    }
}

/// The stage of an invocation's life (R19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResultStatus {
    /// It waits for its turn.
    Pending,
    /// It runs.
    Started,
    /// It ended without an error.
    Completed,
    /// It failed, or was ended.
    Error,
}

/// Why an event, or one of its invocations, was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The bus was stopped.
    Stopped,
    /// The event's own deadline passed.
    Deadline,
    /// It was cancelled through a handle.
    Cancelled,
    /// The invocation that was awaiting it was ended (R23).
    Aborted,
    /// Another handler of the event had a value first (R11).
    First,
    /// Its acceptance could not be written (R44).
    NotWritten,
}

impl fmt::Display for ResultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the bus was stopped",
            Self::Deadline => "the event's deadline passed",
            Self::Cancelled => "the event was cancelled",
            Self::Aborted => "the handler that awaited it was ended",
            Self::First => "another handler was first",
            Self::NotWritten => "its acceptance could not be written",
        })
    }
}

/// How an invocation ended.
// The tag is word-sized for the same reason as in `Beside`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u64)]
pub enum Outcome<R> {
    /// With a value.
    Value(R),
    /// Without a value.
    Empty,
    /// With an error of its own.
    Failed(R),
    /// Its limit passed (R22).
    TimedOut {
        /// The limit that applied to it.
        limit: Duration,
    },
    /// It was ended while running.
    Aborted(Cause),
    /// It was ended before it started.
    Cancelled(Cause),
    /// It was to forward the event to a bus that is stopped or gone, or that takes no events because
    /// what it writes ahead could not be written (R17).
    TargetGone,
}

impl<R> Outcome<R> {
    /// Returns whether this counts as an error.
    #[must_use]
    #[inline]
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::Value(_) | Self::Empty)
    }
}

/// What the results keep of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerInfo {
    /// The id of the registration.
    pub key: HandlerKey,
    /// The handler's name.
    pub name: Arc<str>,
    /// The name of the bus it is registered on.
    pub bus_name: Arc<str>,
    /// That bus.
    pub bus: BusKey,
}

impl HandlerInfo {
    /// Info for a handler that could not be registered because its bus is gone.
    pub(crate) fn of_nobody(name: &str, bus: BusKey) -> Self {
        Self { key: HandlerKey::new(0), name: name.into(), bus_name: "".into(), bus }
    }
}

/// One invocation: the result of one handler for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row<R> {
    /// Whose result this is.
    pub handler: Arc<HandlerInfo>,
    /// When it started; `None` while it waits for its turn, or when it never started.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub completed_at: Option<Instant>,
    /// How many of its tries are over. Those of an invocation count once it has ended.
    pub tries: u32,
    /// How it ended.
    pub outcome: Option<Outcome<R>>,
}

impl<R> Row<R> {
    /// Returns the status of this row.
    #[must_use]
    pub fn status(&self) -> ResultStatus {
        match (&self.outcome, self.started_at) {
            (Some(outcome), _) if outcome.is_error() => ResultStatus::Error,
            (Some(_), _) => ResultStatus::Completed,
            (None, Some(_)) => ResultStatus::Started,
            (None, None) => ResultStatus::Pending,
        }
    }

    #[inline]
    pub(super) fn add_tries(&mut self, tries: u32) {
        self.tries = self.tries.saturating_add(tries);
    }

    #[inline]
    pub(super) fn pending(handler: Arc<HandlerInfo>) -> Self {
        Self { handler, started_at: None, completed_at: None, tries: 0, outcome: None }
    }
}

/// The rows of one event, in R1 order, bus by bus. A single row needs no allocation.
#[derive(Clone, Debug)]
pub struct Rows<R>(Few<R>);

#[derive(Clone, Debug)]
enum Few<R> {
    One(Row<R>),
    Any(Vec<Row<R>>),
}

impl<R> Rows<R> {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(Few::Any(Vec::new()))
    }

    /// Creates a list of one row.
    #[inline(always)]
    pub(super) const fn of(row: Row<R>) -> Self {
        Self(Few::One(row))
    }

    /// Reserves room for this many rows, if there are none yet.
    #[inline]
    pub(super) fn reserve(&mut self, rows: usize) {
        if let Few::Any(empty) = &mut self.0
            && rows > 1
        {
            empty.reserve_exact(rows);
        }
    }

    pub(crate) fn take(&mut self) -> Self {
        core::mem::take(self)
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The name of the first row's bus. For an event that was on one bus alone, this is that bus.
    #[inline]
    pub(crate) fn bus_name(&self) -> Option<&Arc<str>> {
        self.as_slice().first().map(|row| &row.handler.bus_name)
    }

    /// Returns the rows in order.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[Row<R>] {
        match &self.0 {
            Few::One(row) => slice::from_ref(row),
            Few::Any(rows) => rows,
        }
    }

    /// Returns the rows in order.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, Row<R>> {
        self.as_slice().iter()
    }

    #[inline]
    pub(super) fn push(&mut self, row: Row<R>) {
        match &mut self.0 {
            // This forgets an empty vector, which owns nothing.
            Few::Any(rows) if rows.capacity() == 0 => {
                core::mem::forget(core::mem::replace(&mut self.0, Few::One(row)));
            }
            Few::Any(rows) => rows.push(row),
            Few::One(_) => self.push_second(row),
        }
    }

    #[cold]
    fn push_second(&mut self, row: Row<R>) {
        let first = core::mem::take(self);
        self.0 = Few::Any(first.into_iter().chain([row]).collect());
    }

    /// Takes the first row, and drops the others.
    #[inline(always)]
    pub(super) fn take_first(&mut self) -> Option<Row<R>> {
        match core::mem::take(&mut self.0) {
            Few::One(row) => Some(row),
            Few::Any(rows) => rows.into_iter().next(),
        }
    }

    #[inline]
    pub(super) fn row_mut(&mut self, index: usize) -> &mut Row<R> {
        match &mut self.0 {
            Few::One(row) => row,
            Few::Any(rows) => &mut rows[index],
        }
    }

    #[inline]
    pub(super) fn append(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            other.into_iter().for_each(|row| self.push(row));
        }
    }
}

impl<R> Default for Few<R> {
    fn default() -> Self {
        Self::Any(Vec::new())
    }
}

impl<R: PartialEq> PartialEq for Rows<R> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<R: Eq> Eq for Rows<R> {}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> IntoIterator for Rows<R> {
    type Item = Row<R>;
    type IntoIter = iter::Chain<core::option::IntoIter<Row<R>>, alloc::vec::IntoIter<Row<R>>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, rest) = match self.0 {
            Few::One(row) => (Some(row), Vec::new()),
            Few::Any(rows) => (None, rows),
        };
        one.into_iter().chain(rest)
    }
}

impl<'a, R> IntoIterator for &'a Rows<R> {
    type Item = &'a Row<R>;
    type IntoIter = slice::Iter<'a, Row<R>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
