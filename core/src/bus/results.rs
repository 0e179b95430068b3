//! The results of an event: rows, the first value, all values, merged values (R21).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use super::error::{HandlerError, ResultError};
use super::merge::{FlatDict, FlatList};
use super::record::{Frozen, Head};
use super::request::reply_type;
use super::shared::HubShared;
use super::stored::Value;
use super::value::{Answer, AnyValue};
use crate::event::Event;
use crate::machine::{Cause, HandlerKey, Outcome, ResultStatus, Row};
use crate::time::{Instant, Timestamp};

/// The result of one handler for one event.
///
/// ```
/// use busway::{Event, EventHandle, ResultStatus};
///
/// #[derive(Event)]
/// #[event(output = u32)]
/// struct Measure;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.handler(|_: EventHandle<Measure>| 21).named("inside").register();
/// bus.handler(|_: EventHandle<Measure>| Err::<u32, _>("offline")).named("outside").register();
/// let results = bus.run(Measure).await?.results();
/// assert_eq!(results[0].handler_name(), "inside");
/// assert_eq!(results[0].value::<u32>(), Some(&21));
/// assert_eq!(results[1].status(), ResultStatus::Error);
/// assert_eq!(results[1].error().unwrap().to_string(), "offline");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EventResult {
    row: Row<Answer>,
    /// The time of day at the runtime's epoch.
    epoch: Timestamp,
}

impl EventResult {
    pub(crate) fn new(row: Row<Answer>, hub: &HubShared) -> Self {
        Self { row, epoch: hub.wall(Instant::EPOCH) }
    }

    /// Returns the id of the registration.
    #[must_use]
    pub fn handler_id(&self) -> HandlerKey {
        self.row.handler.key
    }

    /// Returns the handler's name.
    #[must_use]
    pub fn handler_name(&self) -> &str {
        &self.row.handler.name
    }

    /// Returns the name of the bus the handler is registered on.
    #[must_use]
    pub fn bus_name(&self) -> &str {
        &self.row.handler.bus_name
    }

    /// Returns where the handler is in its life.
    #[must_use]
    pub fn status(&self) -> ResultStatus {
        self.row.status()
    }

    /// Returns when the handler started; `None` if it has not, or never did.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.row.started_at.map(|at| self.epoch.after(at))
    }

    /// Returns when the handler ended; `None` while it has not.
    #[must_use]
    pub fn completed_at(&self) -> Option<Timestamp> {
        self.row.completed_at.map(|at| self.epoch.after(at))
    }

    /// Returns how long the handler took; `None` while it runs, and if it never started.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        Some(self.row.completed_at?.since(self.row.started_at?))
    }

    /// Returns how often the handler was tried. Until it has ended, counts the tries that the bus
    /// knows to be over.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.row.tries
    }

    /// Returns the value, if there is one and it is a `T`.
    #[must_use]
    pub fn value<T: 'static>(&self) -> Option<&T> {
        value_of(&self.row)
    }

    /// Returns the value, whatever its type.
    #[must_use]
    pub fn any_value(&self) -> Option<AnyValue> {
        match &self.row.outcome {
            Some(Outcome::Value(Answer::Value(value))) => Some(AnyValue::from_value(value.clone())),
            _ => None,
        }
    }

    /// The value as text if its type can be shown (strings, numbers and the like), else the name of
    /// its type.
    pub(crate) fn shown(&self) -> Option<String> {
        match &self.row.outcome {
            Some(Outcome::Value(Answer::Value(value))) => Some(show(value)),
            _ => None,
        }
    }

    /// Returns how the handler failed or was ended; `None` if neither.
    ///
    /// If another handler of the event was faster, [`last`](HandlerError::last) of this error is `Aborted`
    /// or `Cancelled` with [`Cause::First`], which is not a failure of the event (R11).
    #[must_use]
    pub fn error(&self) -> Option<HandlerError> {
        error_of(&self.row)
    }

    /// Whether this result makes its event fail.
    pub(crate) fn is_failure(&self) -> bool {
        is_failure(&self.row)
    }
}

impl fmt::Debug for EventResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("EventResult");
        shown.field("bus", &self.bus_name()).field("handler", &self.handler_name());
        shown.field("status", &self.status());
        if let Some(value) = self.shown() {
            shown.field("value", &format_args!("{value}"));
        }
        if let Some(error) = self.error() {
            shown.field("error", &error);
        }
        shown.finish_non_exhaustive()
    }
}

/// The selected results of a completed event: all of them, or those that a filter accepts. Made by
/// [`EventHandle::select`](super::EventHandle::select).
///
/// A failed result in the selection makes every query fail; one that was filtered out is ignored. If
/// the selection is empty and the event was ended, every query fails with that.
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// #[event(output = Vec<u32>)]
/// struct Bids;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.on(|_: EventHandle<Bids>| vec![3]);
/// bus.on(|_: EventHandle<Bids>| Err::<Vec<u32>, _>("not interested"));
/// bus.on(|_: EventHandle<Bids>| vec![5, 4]);
/// let bids = bus.run(Bids).await?;
/// let bids = bids.select(|result| result.error().is_none())?;
/// assert_eq!(bids.first()?, [3]);
/// assert_eq!(bids.list()?, [vec![3], vec![5, 4]]);
/// assert_eq!(bids.flat_list()?, [3, 5, 4]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Selection<'a, E> {
    rows: Vec<&'a Row<Answer>>,
    /// Why the event was ended, if all of its results are selected, or none.
    cause: Option<Cause>,
    of_type: PhantomData<fn() -> E>,
}

impl<'a, E: Event> Selection<'a, E> {
    pub(crate) fn all(frozen: &'a Frozen, cause: Option<Cause>) -> Self {
        let rows = frozen.rows.iter().collect();
        Self { rows, cause, of_type: PhantomData }
    }

    pub(crate) fn filtered(
        head: &'a Head,
        frozen: &'a Frozen,
        filter: impl Fn(&EventResult) -> bool,
    ) -> Self {
        let result = |row: &Row<Answer>| EventResult::new(row.clone(), &head.bus.hub);
        let rows: Vec<_> = frozen.rows.iter().filter(|row| filter(&result(row))).collect();
        let cause = head.cause().filter(|_| rows.is_empty());
        Self { rows, cause, of_type: PhantomData }
    }

    /// Returns the first value that is not none.
    ///
    /// # Errors
    /// All failures; why the event was ended; `Empty` if there is no value.
    pub fn first(&self) -> Result<E::Output, ResultError> {
        self.check()?;
        self.values().next().cloned().ok_or(ResultError::Empty)
    }

    /// Returns all values.
    ///
    /// # Errors
    /// All failures; why the event was ended.
    pub fn list(&self) -> Result<Vec<E::Output>, ResultError> {
        self.check()?;
        Ok(self.values().cloned().collect())
    }

    /// Merges the maps. If a key has two values, the later one wins.
    ///
    /// # Errors
    /// Same as [`list`](Self::list).
    pub fn flat_dict(&self) -> Result<E::Output, ResultError>
    where
        E::Output: FlatDict,
    {
        self.fold(E::Output::empty(), |all, part| {
            all.merge(part);
            Ok(())
        })
    }

    /// Merges the maps, if no key is in two of them.
    ///
    /// # Errors
    /// `Conflict` names the first key that is in two maps. Otherwise same as [`list`](Self::list).
    pub fn flat_dict_strict(&self) -> Result<E::Output, ResultError>
    where
        E::Output: FlatDict,
    {
        self.fold(E::Output::empty(), |all, part| match all.common_key(&part) {
            Some(key) => Err(ResultError::Conflict { key }),
            None => {
                all.merge(part);
                Ok(())
            }
        })
    }

    /// Concatenates the lists.
    ///
    /// # Errors
    /// Same as [`list`](Self::list).
    pub fn flat_list(&self) -> Result<E::Output, ResultError>
    where
        E::Output: FlatList,
    {
        self.fold(E::Output::empty(), |all, part| {
            all.append(part);
            Ok(())
        })
    }

    fn values(&self) -> impl Iterator<Item = &'a E::Output> {
        self.rows.iter().filter_map(|row| value_of(row))
    }

    fn fold(
        &self,
        mut all: E::Output,
        mut add: impl FnMut(&mut E::Output, E::Output) -> Result<(), ResultError>,
    ) -> Result<E::Output, ResultError> {
        self.check()?;
        self.values().cloned().try_for_each(|part| add(&mut all, part))?;
        Ok(all)
    }

    fn check(&self) -> Result<(), ResultError> {
        check_rows(self.rows.iter().copied(), self.cause)
    }
}

/// The first value of an event, without a list of its rows.
#[inline]
pub(crate) fn first_value<E: Event>(
    frozen: &Frozen,
    cause: Option<Cause>,
) -> Result<Option<&E::Output>, ResultError> {
    // Most events have one handler, and are asked for its value.
    if let (None, [only]) = (cause, frozen.rows.as_slice())
        && let Some(value) = value_of(only)
    {
        return Ok(Some(value));
    }
    first_of_all::<E>(frozen, cause)
}

#[inline(never)]
fn first_of_all<E: Event>(
    frozen: &Frozen,
    cause: Option<Cause>,
) -> Result<Option<&E::Output>, ResultError> {
    check_rows(frozen.rows.iter(), cause)?;
    Ok(frozen.rows.iter().find_map(value_of))
}

/// Whether a result makes its event fail. It does not if another handler was first.
fn is_failure(row: &Row<Answer>) -> bool {
    match &row.outcome {
        None | Some(Outcome::Aborted(Cause::First) | Outcome::Cancelled(Cause::First)) => false,
        Some(outcome) => outcome.is_error(),
    }
}

/// Whether a handler ended well.
fn is_well(row: &Row<Answer>) -> bool {
    matches!(&row.outcome, Some(Outcome::Value(Answer::Value(_)) | Outcome::Empty))
}

/// Fails if a handler failed, or the event was ended or has not completed.
pub(crate) fn check(head: &Head) -> Result<(), ResultError> {
    let frozen = head.frozen().ok_or_else(|| ResultError::NotCompleted)?;
    check_rows(frozen.rows.iter(), head.cause())
}

/// Fails if a handler failed or the event was ended.
#[inline]
fn check_rows<'a>(
    rows: impl Iterator<Item = &'a Row<Answer>> + Clone,
    cause: Option<Cause>,
) -> Result<(), ResultError> {
    match cause {
        None if rows.clone().all(is_well) => Ok(()),
        _ => failure(rows, cause),
    }
}

#[cold]
fn failure<'a>(
    rows: impl Iterator<Item = &'a Row<Answer>>,
    cause: Option<Cause>,
) -> Result<(), ResultError> {
    let mut failures = rows.filter(|row| is_failure(row)).filter_map(|row| {
        let error = error_of(row)?;
        Some((row.handler.name.clone(), error))
    });
    let Some((handler, error)) = failures.next() else {
        return cause.map_or(Ok(()), |cause| Err(ResultError::Ended { cause }));
    };
    let rest: Vec<_> = failures.collect();
    if rest.is_empty() {
        return Err(ResultError::Failed { handler, error });
    }
    let failures = [(handler, error)].into_iter().chain(rest).collect();
    Err(ResultError::Several { failures })
}

/// Outputs need not implement `Debug`, so only types known here are shown.
fn show(value: &Value) -> String {
    macro_rules! first_of {
        ($($of_type:ty),*) => {$(
            if let Some(value) = value.get::<$of_type>() {
                return alloc::format!("{value:?}");
            }
        )*};
    }
    first_of!(String, &'static str, bool, char, f32, f64, i8, i16, i32, i64, i128, isize);
    first_of!(u8, u16, u32, u64, u128, usize, Vec<String>, Vec<u8>, Vec<i32>, Vec<u32>, Vec<u64>);
    #[cfg(feature = "serde")]
    if let Some(value) = value.get::<serde_json::Value>() {
        return alloc::format!("{value}");
    }
    let name = value.type_name();
    reply_type(name).unwrap_or(name).into()
}

#[inline]
fn value_of<T: 'static>(row: &Row<Answer>) -> Option<&T> {
    match &row.outcome {
        Some(Outcome::Value(Answer::Value(value))) => value.get(),
        _ => None,
    }
}

pub(crate) fn error_of(row: &Row<Answer>) -> Option<HandlerError> {
    let error = error_of_last_try(row)?;
    if row.tries <= 1 {
        return Some(error);
    }
    let elapsed = row.completed_at.zip(row.started_at).map(|(end, start)| end.since(start));
    let elapsed = elapsed.unwrap_or_default();
    Some(HandlerError::GaveUp { tries: row.tries, elapsed, last: Box::new(error) })
}

fn error_of_last_try(row: &Row<Answer>) -> Option<HandlerError> {
    Some(match row.outcome.as_ref()? {
        Outcome::Value(_) | Outcome::Empty => return None,
        Outcome::Failed(Answer::Failed(error)) => HandlerError::Failed(error.clone()),
        Outcome::Failed(Answer::Panicked(message)) => {
            HandlerError::Panicked { message: message.clone() }
        }
        Outcome::Failed(Answer::OtherType(other)) => {
            HandlerError::ResultType { expected: other.expected, found: other.found }
        }
        Outcome::Failed(Answer::Value(value)) => {
            HandlerError::ResultType { expected: "an error", found: value.type_name() }
        }
        Outcome::TimedOut { limit } => HandlerError::TimedOut { limit: *limit },
        Outcome::Aborted(cause) => HandlerError::Aborted { cause: *cause },
        Outcome::Cancelled(cause) => HandlerError::Cancelled { cause: *cause },
        Outcome::TargetGone => HandlerError::TargetGone,
    })
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "Value({})", value.type_name()),
            Self::Failed(error) => write!(f, "Failed({error})"),
            Self::Panicked(message) => write!(f, "Panicked({message})"),
            Self::OtherType(other) => write!(f, "OtherType({})", other.found),
        }
    }
}
