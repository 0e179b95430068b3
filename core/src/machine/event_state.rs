//! An event, and its visit to a bus.

use alloc::boxed::Box;

use super::VisitTag;
use super::config::{BusConfig, Concurrency, Overrides};
use super::dispatch::Offer;
use super::kin::KinIx;
use super::kinds::Kind;
use super::list::Links;
use super::results::{Cause, EventStatus};
use super::state::{BusIx, EventIx, VisitIx, WorkIx};
use super::timers::NOWHERE;
use crate::time::Instant;

pub(super) struct EventState<P> {
    /// Present as long as the event is; an entry for a further visit has none.
    pub(super) payload: Option<P>,
    pub(super) kind: Kind,
    pub(super) status: EventStatus,
    pub(super) cause: Option<Cause>,
    /// Whether its parent waits for its completion.
    pub(super) attached: bool,
    pub(super) counted: Counted,
    /// Its parent, children and waits, if there are any.
    pub(super) kin: Option<KinIx>,
    /// The number of visits that are not done and attached children that are not complete.
    pub(super) open: u32,
    /// The number of histories that remember it.
    pub(super) remembered: u32,
    pub(super) started_at: Instant,
    pub(super) completed_at: Instant,
    pub(super) timer: u32,
    pub(super) bytes: u32,
    pub(super) overrides: Option<Box<Overrides>>,
}

/// The capacity that an incomplete event takes on the bus it was dispatched on.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    Root,
    Child,
    Nothing,
}

/// An event's visit to one bus, kept as long as the event is in memory.
#[derive(Clone, Copy)]
pub(super) struct Visit {
    pub(super) event: EventIx,
    pub(super) bus: BusIx,
    pub(super) next: Option<VisitIx>,
    pub(super) seq: u64,
    /// In its current stage: queued, started or completed.
    pub(super) links: Links<VisitTag>,
    /// Among the visits that its bus remembers.
    pub(super) arrival: Links<VisitTag>,
    pub(super) remembered: bool,
    /// It was sent to an address, past the queue.
    pub(super) addressed: bool,
    pub(super) state: VisitState,
    pub(super) started: bool,
    /// Its acceptance is not written yet, so it does not start.
    pub(super) held: bool,
    /// The bus's work for it, from its start to the completion of the event.
    pub(super) work: Option<WorkIx>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum VisitState {
    #[default]
    Queued,
    Running,
    Done,
}

impl<P> EventState<P> {
    pub(super) const BLANK: Self = Self {
        payload: None,
        kind: Kind::UNKNOWN,
        status: EventStatus::Completed,
        cause: None,
        attached: false,
        counted: Counted::Nothing,
        kin: None,
        open: 0,
        remembered: 0,
        started_at: Instant::FAR,
        completed_at: Instant::FAR,
        timer: NOWHERE,
        bytes: 0,
        overrides: None,
    };

    /// Starts a new event in this place. Nothing is left of the previous one.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        Offer { payload, spec }: &mut Offer<P>,
        attached: bool,
        counted: Counted,
    ) {
        debug_assert!(self.payload.is_none() && self.overrides.is_none());
        self.payload = payload.take();
        self.kind = spec.kind;
        self.status = EventStatus::Pending;
        self.cause = None;
        self.attached = attached;
        self.counted = counted;
        self.kin = None;
        self.open = 1;
        self.remembered = 1;
        self.started_at = Instant::FAR;
        self.timer = NOWHERE;
        self.bytes = spec.bytes;
        self.overrides = spec.overrides.take();
    }

    /// Its first handler starts, on any bus.
    #[inline(always)]
    pub(super) fn begin_to_run(&mut self, now: Instant) {
        if self.status == EventStatus::Pending {
            self.status = EventStatus::Started;
            self.started_at = now;
        }
    }

    pub(super) fn payload(&self) -> &P {
        self.payload.as_ref().expect("it is there as long as the event")
    }

    pub(super) fn is_complete(&self) -> bool {
        self.status == EventStatus::Completed
    }

    /// How it excludes other events: its own setting, else its bus's.
    #[inline]
    pub(super) fn concurrency(&self, bus: &BusConfig) -> Concurrency {
        let own = self.overrides.as_ref().and_then(|own| own.concurrency);
        own.unwrap_or(bus.concurrency)
    }
}

impl Visit {
    /// A constant is copied as a whole. What `default` returned was built on the stack, and read from
    /// there in pieces other than those it was written in, for which a processor has to wait.
    pub(super) const BLANK: Self = Self {
        event: EventIx::NOWHERE,
        bus: BusIx::NOWHERE,
        next: None,
        seq: 0,
        links: Links::NONE,
        arrival: Links::NONE,
        remembered: false,
        addressed: false,
        state: VisitState::Queued,
        started: false,
        held: false,
        work: None,
    };

    /// An event has arrived at a bus, which remembers it.
    #[inline(always)]
    pub(super) fn begin(&mut self, event: EventIx, bus: BusIx, seq: u64) {
        *self = Self { event, bus, seq, remembered: true, ..Self::BLANK };
    }

    /// The bus starts it.
    #[inline(always)]
    pub(super) fn begin_to_run(&mut self) {
        self.state = VisitState::Running;
        self.started = true;
    }

    pub(super) fn links(&mut self) -> &mut Links<VisitTag> {
        &mut self.links
    }

    pub(super) fn arrival(&mut self) -> &mut Links<VisitTag> {
        &mut self.arrival
    }
}
