//! Tells `tracing` of handlers that failed: an event that nobody awaits fails in silence otherwise.

#[cfg(feature = "tracing")]
mod imp {
    use crate::bus::record::{Erased, Head};
    use crate::bus::results::error_of;
    use crate::bus::value::Answer;
    use crate::machine::{Outcome, Row};

    /// Whether a handler of this event, which has ended, failed.
    pub(crate) fn is_due(head: &Head) -> bool {
        head.frozen().is_some_and(|frozen| frozen.rows.iter().any(has_failed))
    }

    /// Tells each failure, after all tries. A subscriber is user code: not under the hub's lock.
    pub(crate) fn report(record: &dyn Erased) {
        let Some(frozen) = record.head().frozen() else { return };
        let (event, id) = (record.label(), record.head().id);
        for row in frozen.rows.iter().filter(|row| has_failed(row)) {
            let Some(error) = error_of(row) else { continue };
            let (bus, handler) = (&*row.handler.bus_name, &*row.handler.name);
            // In no span: whoever helps is not to blame.
            tracing::warn!(
                target: "busway", parent: None, %id, bus, handler, event,
                "a handler failed: {error}"
            );
        }
    }

    /// One that was ended with its event, or by its bus, has not failed.
    fn has_failed(row: &Row<Answer>) -> bool {
        let outcome = row.outcome.as_ref();
        outcome.is_some_and(|outcome| {
            matches!(outcome, Outcome::Failed(_) | Outcome::TimedOut { .. } | Outcome::TargetGone)
        })
    }
}

#[cfg(not(feature = "tracing"))]
mod imp {
    use crate::bus::record::{Erased, Head};

    pub(crate) const fn is_due(_head: &Head) -> bool {
        false
    }

    pub(crate) const fn report(_record: &dyn Erased) {}
}

pub(crate) use imp::*;
