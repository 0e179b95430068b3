//! The settings of a hub, a bus, a handler and an event.

use alloc::string::String;
use core::time::Duration;

use super::state::Slot;
use crate::time::{Instant, Nanos};

/// How long one invocation may take (R22).
///
/// The smaller limit of the handler and the event applies, and the bus's only where both inherit. So a
/// limit longer than the bus's holds, and `Off` leaves the decision to the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Leaves the decision to the next level out: for a handler or an event, the bus.
    #[default]
    Inherit,
    /// No limit.
    Off,
    /// This long, counted from the start of the handler; a zero duration is no limit.
    After(Duration),
}

impl From<Duration> for Limit {
    fn from(limit: Duration) -> Self {
        Self::After(limit)
    }
}

/// `None` is [`Limit::Off`], as it is no limit elsewhere.
impl From<Option<Duration>> for Limit {
    fn from(limit: Option<Duration>) -> Self {
        limit.map_or(Self::Off, Self::After)
    }
}

impl Limit {
    /// Returns the smaller limit of the handler and the event, or the bus's where both inherit.
    #[inline]
    pub(super) fn resolve(handler: Self, event: Self, bus: Nanos) -> Nanos {
        match (handler, event) {
            (Self::Inherit, Self::Inherit) => bus,
            _ => handler.nanos().min(event.nanos()),
        }
    }

    pub(super) const fn nanos(self) -> Nanos {
        match self {
            Self::After(duration) if !duration.is_zero() => Nanos::of(duration),
            Self::After(_) | Self::Off | Self::Inherit => Nanos::FOR_EVER,
        }
    }
}

/// Which events may start while others have not ended (R10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Concurrency {
    /// One after the other on each bus.
    #[default]
    BusSerial,
    /// As `BusSerial`, and such events exclude each other over the whole hub. The first bus that asks has
    /// the slot: one that always has such events queued may keep others waiting.
    HubSerial,
    /// Takes no slot: starts as soon as it is at the head of its queue.
    Parallel,
}

impl Concurrency {
    /// Changes the slots it takes, of the bus and the hub.
    #[inline]
    pub(super) fn change_slots(self, bus: &mut Slot, hub: &mut Slot, change: impl Fn(&mut Slot)) {
        if self != Self::Parallel {
            change(bus);
        }
        if self == Self::HubSerial {
            change(hub);
        }
    }
}

/// Whether the handlers of one event run one after the other or together (R9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandlerOrder {
    /// Each starts when the previous one ended.
    #[default]
    Serial,
    /// All start at once, in order of registration.
    Parallel,
}

/// When the handlers of an event are done (R11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Completion {
    /// When all of them ended.
    #[default]
    All,
    /// At the first value that is neither none nor an error; the other handlers are ended.
    First,
}

/// The settings of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubConfig {
    /// The deepest level at which a child may be dispatched (R18); `None` switches the check off.
    pub max_depth: Option<u32>,
    /// One warning is given when remembered events exceed this many bytes (R30); `None` for no warning.
    pub memory_warning: Option<u64>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self { max_depth: Some(1_000), memory_warning: Some(50_000_000) }
    }
}

/// The settings of a bus. They do not change while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusConfig {
    /// The name; characters not allowed in an identifier become `_`.
    pub name: String,
    /// The most root events that may be incomplete at a time (R6); `None` for any number.
    pub max_pending: Option<usize>,
    /// The most children that may be incomplete at a time (R6); `None` for any number.
    pub max_pending_children: Option<usize>,
    /// How many events are remembered (R29): `None` for all, 0 for those in flight only. As many
    /// completed requests and published values are remembered apart.
    pub max_history: Option<usize>,
    /// The limit of an invocation whose handler and event leave it open (R22).
    pub limit: Limit,
    /// An invocation that runs longer is reported once (R25); `None` switches this off.
    pub slow_after: Option<Duration>,
    /// How events of this bus exclude each other, unless an event says otherwise.
    pub concurrency: Concurrency,
    /// How the handlers of an event follow each other, unless an event says otherwise.
    pub handler_order: HandlerOrder,
    /// When an event's handlers are done, unless the event says otherwise.
    pub completion: Completion,
    /// Whether an event starts only once its acceptance is [written](super::Machine::written) (R42).
    pub write_ahead: bool,
}

impl BusConfig {
    /// Returns the default settings under this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            max_pending: Some(100),
            max_pending_children: Some(10_000),
            max_history: Some(50),
            limit: Limit::After(Duration::from_secs(60)),
            slow_after: Some(Duration::from_secs(15)),
            concurrency: Concurrency::default(),
            handler_order: HandlerOrder::default(),
            completion: Completion::default(),
            write_ahead: false,
        }
    }
}

/// The settings that one event chooses for itself. The bus that processes it decides those left `None`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Overrides {
    /// The limit of each of its invocations.
    pub limit: Limit,
    /// When the whole event is ended (R22).
    pub deadline: Option<Instant>,
    /// How it excludes other events.
    pub concurrency: Option<Concurrency>,
    /// How its handlers follow each other.
    pub handler_order: Option<HandlerOrder>,
    /// When its handlers are done.
    pub completion: Option<Completion>,
    /// Whether a handler of it that failed or timed out is retried.
    pub retries: Option<Retries>,
}

/// How often, and after which delay, a handler is retried (R45).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retries {
    /// Tries after the first.
    pub retries: u32,
    /// The delay before the second try.
    pub wait: Duration,
    /// The delay is multiplied by this before each further try.
    pub backoff_factor: f64,
}

impl Retries {
    /// Retries this many times after the first try, each after this delay.
    #[must_use]
    pub const fn new(retries: u32, wait: Duration) -> Self {
        Self { retries, wait, backoff_factor: 1.0 }
    }

    /// The delay before try `n + 2`: `wait * backoff_factor^n`.
    pub(super) fn delay(&self, n: u32) -> Duration {
        crate::retry::delay(self.wait, self.backoff_factor, n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r22_the_smaller_of_handler_and_event_else_the_bus() {
        let after = |s| Limit::After(Duration::from_secs(s));
        let resolve = |h, e, b: Limit| {
            let limit = Limit::resolve(h, e, b.nanos()).duration();
            limit.map(|limit| limit.as_secs())
        };
        assert_eq!(resolve(Limit::Inherit, Limit::Inherit, after(60)), Some(60));
        assert_eq!(resolve(Limit::Inherit, Limit::Inherit, Limit::Off), None);
        assert_eq!(resolve(after(5), after(9), after(1)), Some(5));
        assert_eq!(resolve(Limit::Inherit, after(90), after(60)), Some(90));
        assert_eq!(resolve(Limit::Off, Limit::Inherit, after(60)), None);
        assert_eq!(resolve(Limit::Off, after(7), after(60)), Some(7));
        assert_eq!(resolve(after(0), Limit::Inherit, after(60)), None);
        assert_eq!(resolve(Limit::After(Duration::MAX), Limit::Inherit, after(60)), None);
    }
}
