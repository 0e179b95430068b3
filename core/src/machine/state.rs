//! The state of a bus, and the indices of all records.

use alloc::sync::Arc;

use super::arena::Ix;
use super::config::{BusConfig, Concurrency, HandlerOrder};
use super::history::{History, Stage};
use super::list::{Links, List};
use super::raised::Raised;
use super::registry::Registry;
use super::short_queue::ShortQueue;
use super::timers::Timers;
use super::watch::Watches;
use super::{
    BusKey, BusTag, EventTag, InvocationKey, InvocationTag, ReservationTag, VisitKey, VisitTag,
    WaitTag, WorkTag,
};
use crate::time::{Instant, Nanos};

pub(super) type BusIx = Ix<BusTag>;
pub(super) type EventIx = Ix<EventTag>;
pub(super) type VisitIx = Ix<VisitTag>;
pub(super) type WorkIx = Ix<WorkTag>;
pub(super) type InvocationIx = Ix<InvocationTag>;
pub(super) type WaitIx = Ix<WaitTag>;

pub(super) struct BusState<H> {
    pub(super) config: BusConfig,
    /// From its configuration, in the form in which they are used.
    pub(super) limit: Nanos,
    pub(super) slow_after: Nanos,
    /// By default its events exclude others on this bus, and nothing else.
    pub(super) is_serial: bool,
    pub(super) name: Arc<str>,
    pub(super) handlers: Registry<H>,
    pub(super) phase: Phase,
    /// Nothing outside can dispatch on it any more.
    pub(super) closed: bool,
    /// Its journal failed: it refuses further events.
    pub(super) refuses: bool,

    /// Visits that have not started, in order of arrival.
    pub(super) queue: Stage,
    /// Started visits whose events have not completed, in order of start.
    pub(super) started: Stage,
    /// The queued visits that are awaited: those that take a slot, and those that take none.
    pub(super) raised: Raised,
    pub(super) raised_parallel: Raised,
    /// Started visits with a handler to start now.
    pub(super) continuing: ShortQueue<VisitKey>,
    /// Invocations that have rested and are to be retried.
    pub(super) resuming: ShortQueue<InvocationKey>,
    pub(super) slot: Slot,
    /// `Output::Ready` was given, and `next` has not been idle since.
    pub(super) ready: bool,
    /// Whether it stands in each [`Line`].
    pub(super) in_line: [bool; 2],
    /// It was told that the hub's slot is free, and passes that on if it does not use it.
    pub(super) called_to_hub: bool,

    pub(super) roots: usize,
    pub(super) children: usize,
    pub(super) incomplete: usize,
    /// `Output::Idle` is given when no more than this many are incomplete.
    pub(super) idle_at: Option<usize>,
    /// Places that were granted and not yet used.
    pub(super) granted: usize,
    pub(super) reservations: List<ReservationTag>,
    pub(super) watches: Watches,
    pub(super) history: History,
    /// Events in memory that came to this bus, and their bytes.
    pub(super) in_memory: usize,
    pub(super) bytes: u64,
    pub(super) timers: Timers<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Accepts only what incomplete events dispatch.
    Draining,
    /// The same with all buses of the hub: it accepts what they send on too.
    DrainingTogether,
    Stopped,
}

/// A serial slot: of a bus, or of the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Started visits that hold it, lent or not. A queued visit starts when there are none.
    pub(super) occupied: usize,
    /// Those of them that are not waiting. A raised visit starts when there are none.
    pub(super) busy: usize,
}

/// The lines of buses waiting for the hub's slot: with a raised visit, which may borrow it, or with a
/// queued one, which needs it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Raised,
    Queued,
}

#[derive(Clone, Copy)]
pub(super) enum Timer {
    Invocation(InvocationIx),
    Event(EventIx),
}

#[derive(Clone, Copy)]
pub(super) struct Reservation {
    pub(super) bus: BusKey,
    pub(super) granted: bool,
    pub(super) links: Links<ReservationTag>,
}

impl<H> BusState<H> {
    pub(super) fn new(config: BusConfig, name: Arc<str>) -> Self {
        Self {
            limit: config.limit.nanos(),
            slow_after: config.slow_after.map_or(Nanos::FOR_EVER, Nanos::of),
            is_serial: config.concurrency == Concurrency::BusSerial
                && config.handler_order == HandlerOrder::Serial,
            history: History::new(config.max_history),
            config,
            name,
            handlers: Registry::new(),
            phase: Phase::Open,
            closed: false,
            refuses: false,
            queue: Stage::default(),
            started: Stage::default(),
            raised: Raised::default(),
            raised_parallel: Raised::default(),
            continuing: ShortQueue::new(),
            resuming: ShortQueue::new(),
            slot: Slot::default(),
            ready: false,
            in_line: [false; 2],
            called_to_hub: false,
            roots: 0,
            children: 0,
            incomplete: 0,
            idle_at: None,
            granted: 0,
            reservations: List::default(),
            watches: Watches::default(),
            in_memory: 0,
            bytes: 0,
            timers: Timers::new(),
        }
    }

    /// Returns whether it accepts events now: any, or only those of incomplete ones.
    #[inline]
    pub(super) const fn is_open_to(&self, is_of_work: bool) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Draining | Phase::DrainingTogether => is_of_work,
            Phase::Stopped => false,
        }
    }

    /// Returns whether a handler that started then has run for so long that somebody has to be told.
    #[inline]
    pub(super) fn is_slow(&self, started_at: Instant, now: Instant) -> bool {
        started_at + self.slow_after < now
    }

    /// Returns whether a visit whose handler in flight has ended starts its next one: no other visit is
    /// before it, and nothing is over its limit.
    #[inline]
    pub(super) fn follows_at_once(&self, now: Instant) -> bool {
        // What rests is woken by an input that has flights land.
        debug_assert!(self.resuming.is_empty());
        self.continuing.is_empty() && self.timers.due(now).is_none()
    }

    /// Returns whether it accepts an event that another bus sends on.
    pub(super) const fn is_open_to_forwards(&self, is_attached: bool) -> bool {
        matches!(self.phase, Phase::DrainingTogether) || self.is_open_to(is_attached)
    }
}

impl Reservation {
    pub(super) fn links(&mut self) -> &mut Links<ReservationTag> {
        &mut self.links
    }
}
