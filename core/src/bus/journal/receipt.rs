//! What a sink answers to a line.

use alloc::string::{String, ToString};
use alloc::sync::{Arc, Weak};
use core::error::Error;
use core::fmt::{self, Write};

use super::{DurableError, SinkError, Ticket};
use crate::bus::shared::BusShared;
use crate::machine::{EventKey, Warning};

/// Reports what became of a line.
///
/// A sink may use it from any thread, but not under a lock that the sink needs. Dropping it reports
/// that the journal was closed.
#[must_use = "an event waits for what became of its line"]
pub struct Receipt {
    bus: Weak<BusShared>,
    event: EventKey,
    event_type: &'static str,
    /// The event's handlers wait for this line.
    holds: bool,
    /// The ticket to settle with this line.
    ticket: Option<Arc<Ticket>>,
}

impl Receipt {
    pub(super) fn new(
        bus: &Arc<BusShared>,
        (event, event_type): (EventKey, &'static str),
        holds: bool,
        ticket: Option<Arc<Ticket>>,
    ) -> Self {
        Self { bus: Arc::downgrade(bus), event, event_type, holds, ticket }
    }

    /// Reports that the line is written, if not on disk: it survives the end of the process.
    /// Handlers that wait for it may start.
    pub fn written(&mut self) {
        if core::mem::take(&mut self.holds)
            && let Some(bus) = self.bus.upgrade()
        {
            bus.hub.input(|hub| hub.books.written(bus.key, self.event));
        }
    }

    /// Reports that the line is on disk: it survives the end of the machine.
    pub fn durable(mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.settle(Ok(()));
        }
        self.written();
        self.bus = Weak::new();
    }

    /// Reports that the line is not written, or that nobody knows.
    pub fn failed(mut self, error: SinkError) {
        self.fail(DurableError::Failed(error));
    }

    fn fail(&mut self, error: DurableError) {
        let Some(bus) = core::mem::take(&mut self.bus).upgrade() else {
            return self.settle(error);
        };
        let text = match &error {
            DurableError::Failed(source) => chain(&**source),
            other => other.to_string(),
        };
        let bus_name = bus.name().into();
        let event_type = self.event_type.into();
        let warning = Warning::NotWritten { bus_name, event_type, error: text.into() };
        bus.hub.warnings.tell(&warning);
        // Settled before the event completes, so that its waiters find out why.
        self.settle(error);
        let holds = core::mem::take(&mut self.holds);
        let sink = bus.journal.get().map(|link| &link.sink);
        let has_failed = sink.is_some_and(|sink| sink.is_write_ahead() && sink.failure().is_some());
        let now = bus.hub.now();
        bus.hub.input(|hub| {
            if has_failed {
                hub.books.refuse(bus.key);
            }
            if holds {
                hub.books.not_written(bus.key, self.event, now);
            }
        });
    }

    fn settle(&mut self, error: DurableError) {
        if let Some(ticket) = self.ticket.take() {
            ticket.settle(Err(error));
        }
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let _ = write!(text, ": {below}");
        cause = below.source();
    }
    text
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.holds || self.ticket.is_some() {
            self.fail(DurableError::Closed);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("event_type", &self.event_type).finish_non_exhaustive()
    }
}
