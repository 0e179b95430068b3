//! Warnings: what looks like a mistake, and changes nothing.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::EventKey;
use super::results::HandlerInfo;

/// A warning for the user. No warning changes what the machine does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A second handler has the same name on the same pattern (R2).
    SameHandlerName {
        /// The new registration, which was made all the same.
        handler: Arc<HandlerInfo>,
        /// The pattern: an event name, or `*`.
        pattern: Arc<str>,
    },
    /// The bus got a suffix because its name is taken (R40).
    BusNameTaken {
        /// The name asked for.
        wanted: String,
        /// The name it has.
        name: Arc<str>,
    },
    /// A typed handler skipped an event of its name but of another type (R1).
    OtherTypeOfSameName {
        /// The handler that was skipped.
        handler: Arc<HandlerInfo>,
        /// The name both types have.
        event_type: Arc<str>,
    },
    /// The events in memory take more than the limit (R30). Given again only after they took less than
    /// half of it.
    Memory {
        /// The bytes they take.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A line of an event is missing from the journal of its bus (R44).
    NotWritten {
        /// The name of the bus.
        bus_name: Arc<str>,
        /// The event's name.
        event_type: Arc<str>,
        /// The journal's error.
        error: Arc<str>,
    },
    /// An invocation has run longer than `slow_after` (R25).
    Slow {
        /// The handler.
        handler: Arc<HandlerInfo>,
        /// The event it is for.
        event: EventKey,
        /// The event's name, or the address it was sent to.
        event_type: Arc<str>,
        /// How long it has been running.
        running: Duration,
        /// The events it waits for, by name; empty when it waits for nothing in the hub.
        waits_for: Vec<(EventKey, Arc<str>)>,
        /// Whether it waits for a slot of a semaphore ([`lend`](super::Machine::lend)).
        waits_for_slot: bool,
    },
    /// A handler goes on without a slot of its semaphore, because it got none in time (R45).
    WithoutSlot {
        /// The name of its bus.
        bus: String,
        /// Its name.
        handler: String,
        /// What it did not get, and within what time.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameHandlerName { handler, pattern } => write!(
                f,
                "bus {}: a second handler named {} is registered for {pattern}; both run",
                handler.bus_name, handler.name
            ),
            Self::BusNameTaken { wanted, name } => {
                write!(f, "the bus name {wanted} is taken; this bus is {name}")
            }
            Self::OtherTypeOfSameName { handler, event_type } => write!(
                f,
                "bus {}: handler {} is for another type named {event_type} and was skipped",
                handler.bus_name, handler.name
            ),
            Self::Memory { bytes, limit } => {
                write!(f, "the events in memory take {bytes} bytes, more than {limit}")
            }
            Self::NotWritten { bus_name, event_type, error } => {
                write!(f, "bus {bus_name}: {event_type} is not in the journal: {error}")
            }
            Self::Slow { handler, event_type, running, waits_for, waits_for_slot, .. } => {
                let HandlerInfo { bus_name, name, .. } = &**handler;
                write!(f, "bus {bus_name}: {name} of {event_type} is running for {running:?}")?;
                let slot = waits_for_slot.then_some("a slot of a semaphore");
                let mut names = waits_for.iter().map(|(_, name)| &**name).chain(slot);
                if let Some(first) = names.next() {
                    write!(f, ", waiting for {first}")?;
                }
                names.try_for_each(|name| write!(f, " and {name}"))
            }
            Self::WithoutSlot { bus, handler, reason } => {
                write!(f, "bus {bus}: {handler} goes on without a slot: {reason}")
            }
        }
    }
}
