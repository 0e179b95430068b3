//! The seam between a bus and a journal: what is recorded when, and what waits for it (R41–R44).
//!
//! A [`Sink`] takes the lines; the crate `busway-journal` has one that writes them to files. It is
//! never called under the hub's lock. Several threads make the texts of lines at once, and then it gets
//! the lines of a hub one at a time, in the order in which the machine decided them, so an awaited child
//! comes before its parent.

mod durable;
mod lines;
mod order;
mod receipt;
mod settings;
mod ticket;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

pub use self::durable::DurableError;
pub(crate) use self::durable::durable;
pub(crate) use self::lines::Lines;
pub use self::lines::{Feed, hands_on_here};
pub use self::receipt::Receipt;
pub use self::settings::Settings;
pub(crate) use self::ticket::Ticket;

use super::shared::BusShared;
use super::value::BoxError;
use crate::id::EventId;
use crate::machine::Limit;
use crate::time::Timestamp;

/// Why a journal accepts nothing, shared by everything that waits for it.
pub type SinkError = Arc<dyn Error + Send + Sync>;

/// Takes the lines of buses. Give one to [`EventBusBuilder::journal`](crate::EventBusBuilder::journal).
///
/// `text` and `write` are called from the code that dispatches or polls handlers, so they must not
/// block. `write` hands the line on and settles its [`Receipt`] later, from any thread, without holding
/// a lock that it needs itself.
pub trait Sink: Send + Sync + 'static {
    /// Returns whether acceptances are recorded too, and an event's handlers wait until its
    /// acceptance is written. Asked once, when a bus is made.
    fn is_write_ahead(&self) -> bool;

    /// Returns why nothing can be written any more. A write-ahead bus then refuses events.
    fn failure(&self) -> Option<SinkError> {
        None
    }

    /// Checks the JSON of a payload before the event is dispatched.
    ///
    /// # Errors
    /// The payload cannot be recorded; the dispatch is refused with this.
    fn check(&self, payload: &str) -> Result<(), BoxError> {
        let _ = payload;
        Ok(())
    }

    /// Returns the text of a line: the completion of an event that was on the bus; or, if it has no
    /// `completed_at`, an acceptance, which only write-ahead sinks get. Called by several threads at
    /// once, in any order.
    fn text(&self, entry: &Entry<'_>) -> String;

    /// Takes the next line.
    fn write(&self, text: String, receipt: Receipt);

    /// Called when somebody waits for the lines so far to be on disk.
    fn hurry(&self) {}

    /// Called when a bus takes this as its journal. The lines of that bus's hub come through `feed`.
    fn joined(&self, feed: Feed) {
        drop(feed);
    }
}

/// The content of a line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The name of the event's type.
    pub event_type: &'a str,
    /// `module.Type@version`.
    pub schema: &'a str,
    /// The limit of each invocation; `None` for none.
    pub timeout: Option<Duration>,
    /// The event's id.
    pub id: EventId,
    /// The names of the buses it has reached, in order of arrival. In an acceptance, the bus that
    /// accepted it is the last one.
    pub path: Vec<String>,
    /// The event whose handler dispatched it, or the nearest one above that has a line: requests,
    /// publications and the events of buses without a journal have none.
    pub parent_id: Option<EventId>,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it and all its descendants were done; `None` for an acceptance.
    pub completed_at: Option<Timestamp>,
    /// Which delivery of the event this is, from 1.
    pub attempt: u32,
    /// What the event decided for itself.
    pub settings: Settings,
    /// It has a parent and was dispatched outside of its handlers, or what is between them was. When
    /// these run again, they do not make it again.
    pub is_outside: bool,
    /// The payload as JSON text, in the order of its fields.
    pub payload: &'a str,
}

/// The journal of a bus.
pub(crate) struct Link {
    pub(crate) sink: Arc<dyn Sink>,
    /// The limit of invocations whose event leaves it open.
    pub(crate) limit: Limit,
}

impl BusShared {
    /// Gives a new bus its journal.
    pub(crate) fn set_journal(self: &Arc<Self>, link: Link) {
        {
            let mut hub = self.hub.lock();
            if let Some(name) = hub.books.bus_name(self.key).cloned() {
                hub.lines.add(&name, self, &link.sink);
            }
        }
        // The bus is new: nobody has set one before.
        let _ = self.journal.set(link);
    }
}

impl fmt::Debug for dyn Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}
