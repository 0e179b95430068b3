//! The seam between a bus and a journal: what is noted when, and what waits for it (R41–R44).
//!
//! A [`Sink`] takes the lines; the crate `busway-journal` is one that writes them to files. It is
//! never called under the hub's lock, and gets the lines of a hub one at a time in the order in which
//! the machine decided them, so that an awaited child comes before its parent.

mod durable;
mod lines;
mod receipt;
mod ticket;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

pub use self::durable::DurableError;
pub(crate) use self::lines::Lines;
pub use self::lines::{Feed, hands_on_here};
pub use self::receipt::Receipt;
pub(crate) use self::ticket::Ticket;

use super::shared::BusShared;
use super::value::BoxError;
use crate::id::EventId;
use crate::machine::Limit;
use crate::time::Timestamp;

/// Why a journal takes nothing, shared by everybody who waits for it.
pub type SinkError = Arc<dyn Error + Send + Sync>;

/// Takes the lines of buses. Give one to [`EventBusBuilder::journal`](crate::EventBusBuilder::journal).
///
/// `accepted` and `completed` are called by whoever dispatches or polls handlers, so they must not
/// block: they hand the line on, and settle its [`Receipt`] later, from any thread, without holding a
/// lock that they need themselves.
pub trait Sink: Send + Sync + 'static {
    /// Whether an acceptance is noted too, and an event's handlers wait for that to be written.
    /// Asked once, when a bus is made.
    fn is_write_ahead(&self) -> bool;

    /// Why nothing can be written any more. A write-ahead bus refuses events then.
    fn failure(&self) -> Option<SinkError> {
        None
    }

    /// Looks at the JSON of a payload before the event is dispatched.
    ///
    /// # Errors
    /// It cannot be noted; the dispatch is refused with this.
    fn check(&self, payload: &str) -> Result<(), BoxError> {
        let _ = payload;
        Ok(())
    }

    /// A bus has accepted an event. Called for write-ahead sinks only.
    fn accepted(&self, entry: &Entry<'_>, receipt: Receipt);

    /// An event has completed that was on the bus.
    fn completed(&self, entry: &Entry<'_>, receipt: Receipt);

    /// Somebody waits for what was noted so far to be on disk.
    fn hurry(&self) {}

    /// A bus has taken it as its journal; the lines of that bus's hub come by this way.
    fn joined(&self, feed: Feed) {
        drop(feed);
    }
}

/// What a line says.
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
    /// The names of the buses it has reached, in order of arrival.
    pub path: Vec<String>,
    /// The event whose handler dispatched it.
    pub parent_id: Option<EventId>,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it and all its descendants were done; `None` for an acceptance.
    pub completed_at: Option<Timestamp>,
    /// Which delivery of the event this is, from 1.
    pub attempt: u32,
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
        link.sink.joined(Feed::of(&self.hub));
        {
            let mut hub = self.hub.lock();
            if let Some(name) = hub.books.bus_name(self.key).cloned() {
                hub.lines.add(&name, self);
            }
        }
        // It is new: nobody has set one before.
        let _ = self.journal.set(link);
    }
}

impl fmt::Debug for dyn Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}
