//! The results of an event: rows, the first value, all values, merged values (R21).

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::{HandlerError, ResultError};
use super::record::Frozen;
use super::value::{Answer, AnyValue};
use crate::event::Event;
use crate::machine::{HandlerKey, Outcome, ResultStatus, Row};
use crate::time::Instant;

/// The result of one handler for one event.
#[derive(Clone, Debug)]
pub struct EventResult {
    row: Row<Answer>,
}

impl EventResult {
    pub(crate) const fn new(row: Row<Answer>) -> Self {
        Self { row }
    }

    /// The id of the registration.
    #[must_use]
    pub fn handler_id(&self) -> HandlerKey {
        self.row.handler.key
    }

    /// The handler's name.
    #[must_use]
    pub fn handler_name(&self) -> &str {
        &self.row.handler.name
    }

    /// The name of the bus it is registered on.
    #[must_use]
    pub fn bus_name(&self) -> &str {
        &self.row.handler.bus_name
    }

    /// Where it is in its life.
    #[must_use]
    pub fn status(&self) -> ResultStatus {
        self.row.status()
    }

    /// When it started, by the runtime's clock; `None` when it has not, or never did.
    #[must_use]
    pub fn started_at(&self) -> Option<Instant> {
        self.row.started_at
    }

    /// When it ended, by the runtime's clock.
    #[must_use]
    pub fn completed_at(&self) -> Option<Instant> {
        self.row.completed_at
    }

    /// The value, when there is one and it is a `T`.
    #[must_use]
    pub fn value<T: 'static>(&self) -> Option<&T> {
        value_of(&self.row)
    }

    /// The value, of whatever type it is.
    #[must_use]
    pub fn any_value(&self) -> Option<AnyValue> {
        match &self.row.outcome {
            Some(Outcome::Value(Answer::Value(value))) => Some(AnyValue::from_value(value.clone())),
            _ => None,
        }
    }

    /// How it failed, when it did.
    #[must_use]
    pub fn error(&self) -> Option<HandlerError> {
        error_of(&self.row)
    }
}

/// Which results count.
pub type Filter<'a> = &'a dyn Fn(&EventResult) -> bool;

/// The results of a completed event, typed by the event.
#[derive(Debug)]
pub(crate) struct Results<'a> {
    frozen: &'a Frozen,
}

impl<'a> Results<'a> {
    pub(crate) const fn new(frozen: &'a Frozen) -> Self {
        Self { frozen }
    }

    /// The first value that is not none, unless a handler failed.
    pub(crate) fn first<E: Event>(&self) -> Result<Option<&'a E::Output>, ResultError> {
        self.check()?;
        Ok(self.values::<E>().next())
    }

    pub(crate) fn values<E: Event>(&self) -> impl Iterator<Item = &'a E::Output> + use<'a, E> {
        self.frozen.rows.iter().filter_map(value_of)
    }

    /// An error when a handler failed or the event was ended.
    pub(crate) fn check(&self) -> Result<(), ResultError> {
        let failure = |row: &Row<Answer>| Some((row.handler.name.clone(), error_of(row)?));
        let mut failures = self.frozen.rows.iter().filter_map(failure);
        let Some((handler, error)) = failures.next() else {
            return self.frozen.cause.map_or(Ok(()), |cause| Err(ResultError::Ended { cause }));
        };
        let rest: Vec<_> = failures.collect();
        if rest.is_empty() {
            return Err(ResultError::Failed { handler, error });
        }
        let failures = [(handler, error)].into_iter().chain(rest).collect();
        Err(ResultError::Several { failures })
    }
}

fn value_of<T: 'static>(row: &Row<Answer>) -> Option<&T> {
    match &row.outcome {
        Some(Outcome::Value(Answer::Value(value))) => value.value.downcast_ref(),
        _ => None,
    }
}

fn error_of(row: &Row<Answer>) -> Option<HandlerError> {
    Some(match row.outcome.as_ref()? {
        Outcome::Value(_) | Outcome::Empty => return None,
        Outcome::Failed(Answer::Failed(error)) => HandlerError::Failed(error.clone()),
        Outcome::Failed(Answer::Panicked(message)) => {
            HandlerError::Panicked { message: message.clone() }
        }
        Outcome::Failed(Answer::OtherType { expected, found }) => {
            HandlerError::ResultType { expected, found }
        }
        Outcome::Failed(Answer::Value(value)) => {
            HandlerError::ResultType { expected: "an error", found: value.name }
        }
        Outcome::TimedOut { limit } => HandlerError::TimedOut { limit: *limit },
        Outcome::Aborted(crate::machine::Cause::First)
        | Outcome::Cancelled(crate::machine::Cause::First) => return None,
        Outcome::Aborted(cause) => HandlerError::Aborted { cause: *cause },
        Outcome::Cancelled(cause) => HandlerError::Cancelled { cause: *cause },
        Outcome::TargetGone => HandlerError::TargetGone,
    })
}

impl core::fmt::Debug for Frozen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Frozen").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Answer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Value(value) => write!(f, "Value({})", value.name),
            Self::Failed(error) => write!(f, "Failed({error})"),
            Self::Panicked(message) => write!(f, "Panicked({message})"),
            Self::OtherType { found, .. } => write!(f, "OtherType({found})"),
        }
    }
}

/// The names of the buses an event was on.
pub(crate) fn names<'a>(path: impl IntoIterator<Item = &'a Arc<str>>) -> Vec<String> {
    path.into_iter().map(|name| String::from(&**name)).collect()
}
