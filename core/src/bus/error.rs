//! The errors of the bus, one enum for each operation.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use super::shared::Books;
use super::value::BoxError;
use crate::event::Event;
use crate::machine::{Cause, Deadlock, EventKey, NotSentOn};
use crate::retry::TriesText;
use crate::runtime::NoRuntime;

/// An event was not accepted. The error hands it back, and implements `Debug` whether or not the event does.
#[non_exhaustive]
pub enum DispatchError<E> {
    /// The bus holds as many incomplete events as it accepts (R6).
    Full {
        /// The event.
        event: E,
        /// The capacity, in events.
        limit: usize,
    },
    /// The bus is stopped (R32).
    Stopped {
        /// The event.
        event: E,
    },
    /// The event would be too deep (R18): a handler seems to keep dispatching what it handles.
    TooDeep {
        /// The event.
        event: E,
        /// The level it would have had; a root has level 0.
        depth: u32,
        /// The deepest level allowed.
        limit: u32,
    },
    /// There is no async runtime yet to drive the bus.
    NoRuntime {
        /// The event.
        event: E,
        /// What is missing.
        source: NoRuntime,
    },
    /// The bus has a journal, and the event cannot be written as JSON (R44).
    NotSerializable {
        /// The event.
        event: E,
        /// Why.
        source: BoxError,
    },
    /// The bus writes its events ahead to a journal, and the journal failed (R44).
    Journal {
        /// The event.
        event: E,
        /// What the journal failed with.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl<E> DispatchError<E> {
    /// Returns the event that was not accepted.
    pub fn into_event(self) -> E {
        match self {
            Self::Full { event, .. }
            | Self::Stopped { event }
            | Self::TooDeep { event, .. }
            | Self::NoRuntime { event, .. }
            | Self::NotSerializable { event, .. }
            | Self::Journal { event, .. } => event,
        }
    }
}

impl<E> fmt::Display for DispatchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit, .. } => {
                write!(f, "the bus is full: {limit} events have not completed")
            }
            Self::Stopped { .. } => f.write_str("the bus is stopped"),
            Self::TooDeep { depth, limit, .. } => {
                write!(
                    f,
                    "too deep: the event would be at level {depth}, at most {limit} is allowed"
                )
            }
            Self::NoRuntime { source, .. } => source.fmt(f),
            Self::NotSerializable { source, .. } => {
                write!(f, "the event cannot be written as JSON: {source}")
            }
            Self::Journal { source, .. } => write!(f, "the journal of the bus failed: {source}"),
        }
    }
}

impl<E> fmt::Debug for DispatchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full { .. } => "Full",
            Self::Stopped { .. } => "Stopped",
            Self::TooDeep { .. } => "TooDeep",
            Self::NoRuntime { .. } => "NoRuntime",
            Self::NotSerializable { .. } => "NotSerializable",
            Self::Journal { .. } => "Journal",
        };
        write!(f, "{name}({self})")
    }
}

impl<E> Error for DispatchError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotSerializable { source, .. } => Some(&**source),
            Self::Journal { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// A wait that ended without the event's completion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The wait could never end: the awaited event depends on the handler that awaits it (R15).
    #[error("deadlock: {} waits for what it keeps from completing: {}", cycle.first().map_or("", String::as_str), cycle.join(" <- "))]
    Deadlock {
        /// The names of the events in the cycle. The first is the one whose handler waits, the last
        /// is the awaited one, and each is needed by the next.
        cycle: Vec<String>,
    },
    /// The waiter's own timeout passed (R24). The work goes on.
    #[error("not completed within {limit:?}")]
    TimedOut {
        /// How long the wait lasted.
        limit: Duration,
    },
}

impl WaitError {
    pub(crate) fn deadlock(books: &Books, deadlock: &Deadlock) -> Self {
        // A message is named by its address. The labels of other events are the user's code.
        let name = |event: &EventKey| match books.payload(*event) {
            Some(record) if record.is_message() => record.label().into(),
            _ => books.event_type(*event).map_or_else(String::new, |name| name.to_string()),
        };
        Self::Deadlock { cycle: deadlock.cycle.iter().map(name).collect() }
    }
}

/// [`run`](super::EventBus::run) could not dispatch, or could not wait.
#[non_exhaustive]
pub enum RunError<E> {
    /// The event was not accepted.
    Dispatch(DispatchError<E>),
    /// The event was accepted and is on its way, but cannot be waited for.
    Wait(WaitError),
}

impl<E> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dispatch(error) => error.fmt(f),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl<E> fmt::Debug for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dispatch(error) => f.debug_tuple("Dispatch").field(error).finish(),
            Self::Wait(error) => f.debug_tuple("Wait").field(error).finish(),
        }
    }
}

impl<E> Error for RunError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dispatch(error) => error.source(),
            Self::Wait(error) => error.source(),
        }
    }
}

impl<E> From<DispatchError<E>> for RunError<E> {
    fn from(error: DispatchError<E>) -> Self {
        Self::Dispatch(error)
    }
}

impl<E> From<WaitError> for RunError<E> {
    fn from(error: WaitError) -> Self {
        Self::Wait(error)
    }
}

/// How an invocation failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandlerError {
    /// The handler returned this error; the source downcasts to it.
    Failed(Arc<dyn Error + Send + Sync>),
    /// The handler panicked.
    Panicked {
        /// What the panic said.
        message: Arc<str>,
    },
    /// The handler exceeded its limit (R22) and was dropped.
    TimedOut {
        /// The limit that applied to it.
        limit: Duration,
    },
    /// The handler was dropped while it was running.
    Aborted {
        /// Why.
        cause: Cause,
    },
    /// The handler had not started and never will.
    Cancelled {
        /// Why.
        cause: Cause,
    },
    /// The handler returned a value that the event's handlers cannot answer with.
    ResultType {
        /// The event's output type.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// The event was to be forwarded to a bus that is stopped or gone, or whose write-ahead journal
    /// failed.
    TargetGone,
    /// The handler was tried more than once and did not succeed: the last try failed, timed out or was
    /// ended (R45).
    GaveUp {
        /// Tries made.
        tries: u32,
        /// From the start of the handler to the end of the last try.
        elapsed: Duration,
        /// How the last one failed.
        last: Box<Self>,
    },
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked { message } => write!(f, "the handler panicked: {message}"),
            Self::TimedOut { limit } => write!(f, "timed out after {limit:?}"),
            Self::Aborted { cause } => write!(f, "aborted: {cause}"),
            Self::Cancelled { cause } => write!(f, "cancelled: {cause}"),
            Self::ResultType { expected, found } => {
                write!(f, "the handler returned an invalid type: expected {expected}, got {found}")
            }
            Self::TargetGone => {
                f.write_str("the bus to forward to is stopped or gone, or cannot write its journal")
            }
            Self::GaveUp { tries, elapsed, last } => {
                write!(f, "gave up after {} over {elapsed:?}: {last}", TriesText(*tries))
            }
        }
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The error itself, not the `Arc` around it: that would not downcast.
            Self::Failed(error) => Some(&**error),
            // Of several tries, the last one's own error, which downcasts.
            Self::GaveUp { last, .. } => last.source(),
            _ => None,
        }
    }
}

impl HandlerError {
    /// Returns the handler's own error, or the first of its sources, that is an `E`. Of several
    /// tries, the last one is searched. This also finds an error that a handler passed on from a
    /// child with `?`.
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::io;
    ///
    /// #[derive(Event)]
    /// struct Save;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Save>| Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull)));
    /// let save = bus.run(Save).await?;
    /// let error = save.results()[0].error().expect("the handler failed");
    /// let error = error.downcast_ref::<io::Error>().expect("with an io::Error");
    /// assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        let mut next = self.source();
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Returns how the last try failed; with only one try, the error itself.
    #[must_use]
    pub fn last(&self) -> &Self {
        match self {
            Self::GaveUp { last, .. } => last.last(),
            error => error,
        }
    }

    /// The kind of failure, in a word.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Failed(_) => "Failed:",
            Self::Panicked { .. } => "Panicked:",
            Self::TimedOut { .. } => "TimedOut:",
            Self::Aborted { .. } => "Aborted:",
            Self::Cancelled { .. } => "Cancelled:",
            Self::ResultType { .. } => "ResultType:",
            Self::TargetGone => "TargetGone:",
            Self::GaveUp { last, .. } => last.kind(),
        }
    }
}

/// Why an event has no result. The source is the handler's own error, if it returned one; the text
/// includes it, so that a log without sources still says what went wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ResultError {
    /// A handler failed.
    Failed {
        /// The handler's name.
        handler: Arc<str>,
        /// How it failed.
        error: HandlerError,
    },
    /// Several handlers failed: all of them, in handler order. The source is the first one's own error,
    /// if it returned one.
    Several {
        /// The handlers' names and how they failed.
        failures: Vec<(Arc<str>, HandlerError)>,
    },
    /// The event was ended and none of its handlers failed: it had not started, say. A handler that was
    /// ended with it has failed, and is reported as that; `cause()` of the event tells in either case.
    Ended {
        /// Why.
        cause: Cause,
    },
    /// No handler returned a value.
    Empty,
    /// The event has not completed: await it first.
    NotCompleted,
    /// Two handlers returned values for one key. Only keys are compared: the values may be equal.
    Conflict {
        /// The key, as its `Debug` writes it.
        key: String,
    },
}

impl fmt::Display for ResultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { handler, error } => write!(f, "handler {handler} failed: {error}"),
            Self::Several { failures } => {
                write!(f, "{} handlers failed", failures.len())?;
                let first = failures.first();
                first.map_or(Ok(()), |(handler, error)| {
                    write!(f, ", the first of them {handler}: {error}")
                })
            }
            Self::Ended { cause } => write!(f, "the event was ended: {cause}"),
            Self::Empty => f.write_str(
                "no handler returned a value: is one registered on this bus? (`check` is for \
                     events without an output)",
            ),
            Self::NotCompleted => f.write_str("the event has not completed"),
            Self::Conflict { key } => write!(f, "two handlers returned values for the key {key}"),
        }
    }
}

impl Error for ResultError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures().next()?.source()
    }
}

impl ResultError {
    /// Returns the first of the handlers' own errors that is an `E`.
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// #[event(output = u16)]
    /// struct Port(&'static str);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|port: EventHandle<Port>| port.0.parse::<u16>());
    /// let error = bus.run(Port("eighty")).await?.result().unwrap_err();
    /// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.failures().find_map(HandlerError::downcast_ref)
    }

    fn failures(&self) -> impl Iterator<Item = &HandlerError> {
        let (one, several) = match self {
            Self::Failed { error, .. } => (Some(error), &[][..]),
            Self::Several { failures } => (None, &failures[..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(several.iter().map(|(_, error)| error))
    }
}

/// Buses cannot forward to each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// They belong to different hubs.
    #[error("{from} and {to} are of different hubs: make both with `Hub::bus` of one hub")]
    DifferentHubs {
        /// The name of the forwarding bus.
        from: String,
        /// The name of the target.
        to: String,
    },
    /// The event is not sent on.
    #[error("not sent on to {to}: {source}")]
    NotSentOn {
        /// The name of the target.
        to: String,
        /// Why.
        source: NotSentOn,
    },
}

const _: fn() = || {
    fn is_error<T: Error + Send + Sync + 'static>() {}
    #[allow(dead_code)]
    fn all<E: Event>() {
        is_error::<DispatchError<E>>();
        is_error::<RunError<E>>();
        is_error::<WaitError>();
        is_error::<HandlerError>();
        is_error::<ResultError>();
    }
};
