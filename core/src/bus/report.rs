//! Reports handlers that failed: an event that nobody awaits would otherwise fail silently.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::any::AnyEvent;
use super::guard;
use super::record::{Erased, Head};
use super::results::EventResult;
use super::value::Answer;
use super::vantage::Vantage;
use crate::machine::{Outcome, Row};

/// Where failures go.
pub(crate) struct FailureSink(Box<Tell>);

type Tell = dyn Fn(&AnyEvent, &EventResult) + Send + Sync;

impl FailureSink {
    pub(crate) fn new(tell: impl Fn(&AnyEvent, &EventResult) + Send + Sync + 'static) -> Self {
        Self(Box::new(tell))
    }

    /// Reports to `tracing`, with that feature; otherwise nowhere.
    pub(crate) fn unless_told() -> Option<Self> {
        #[cfg(feature = "tracing")]
        return Some(Self::new(log));
        #[cfg(not(feature = "tracing"))]
        None
    }
}

/// Whether a handler of this completed event failed, and the failure has to be reported.
#[inline]
pub(crate) fn is_due(head: &Head) -> bool {
    head.bus.hub.failures.is_some()
        && head.frozen().is_some_and(|frozen| frozen.rows.iter().any(has_failed))
}

/// Reports each failure, after all tries. The sink is user code, so the hub's lock must not be held.
pub(crate) fn report(record: &Arc<dyn Erased>) {
    let head = record.head();
    let Some((FailureSink(tell), frozen)) = head.bus.hub.failures.as_ref().zip(head.frozen())
    else {
        return;
    };
    for row in frozen.rows.iter().filter(|row| has_failed(row)) {
        let event = AnyEvent::new(record.clone(), Vantage::HOME);
        let result = EventResult::new(row.clone(), &head.bus.hub);
        // A panic in the user's hook is ignored.
        let _ = guard::catch(|| tell(&event, &result));
    }
}

/// A handler that was ended with its event, or by its bus, has not failed.
fn has_failed(row: &Row<Answer>) -> bool {
    let outcome = row.outcome.as_ref();
    outcome.is_some_and(|outcome| {
        matches!(outcome, Outcome::Failed(_) | Outcome::TimedOut { .. } | Outcome::TargetGone)
    })
}

#[cfg(feature = "tracing")]
fn log(event: &AnyEvent, result: &EventResult) {
    let Some(error) = result.error() else { return };
    let (bus, handler) = (result.bus_name(), result.handler_name());
    let (id, event) = (event.id(), event.record.label());
    // In no span: the failure is not that of the task that helps.
    tracing::warn!(
        target: "busway", parent: None, %id, bus, handler, event,
        "a handler failed: {error}"
    );
}
