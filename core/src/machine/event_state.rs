//! An event, and its stay on a bus.

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
    /// There as long as the event is; of a stay on a further bus there is none here.
    pub(super) payload: Option<P>,
    pub(super) kind: Kind,
    pub(super) status: EventStatus,
    pub(super) cause: Option<Cause>,
    /// Its completion is one its parent waits for.
    pub(super) attached: bool,
    pub(super) counted: Counted,
    /// Its parent, its children and who waits for it, when there is any of it.
    pub(super) kin: Option<KinIx>,
    /// Visits that are not done, and children that are attached and not complete.
    pub(super) open: u32,
    /// Histories that remember it.
    pub(super) remembered: u32,
    pub(super) started_at: Instant,
    pub(super) completed_at: Instant,
    pub(super) timer: u32,
    pub(super) bytes: u32,
    pub(super) overrides: Option<Box<Overrides>>,
}

/// Which capacity an incomplete event takes on the bus it was dispatched on.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    Root,
    Child,
    Nothing,
}

/// An event on one bus, for as long as the event is in memory.
#[derive(Clone, Copy, Default)]
pub(super) struct Visit {
    pub(super) event: EventIx,
    pub(super) bus: BusIx,
    pub(super) next: Option<VisitIx>,
    pub(super) seq: u64,
    /// In the stage it is in: queued, started, completed.
    pub(super) links: Links<VisitTag>,
    /// Among those its bus remembers.
    pub(super) arrival: Links<VisitTag>,
    pub(super) remembered: bool,
    pub(super) state: VisitState,
    pub(super) started: bool,
    /// Its acceptance is not written yet: it does not start.
    pub(super) held: bool,
    /// What the bus does for it; there from its start to the completion of the event.
    pub(super) work: Option<WorkIx>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum VisitState {
    #[default]
    Queued,
    Running,
    Done,
}

impl<P> Default for EventState<P> {
    fn default() -> Self {
        Self {
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
        }
    }
}

impl<P> EventState<P> {
    /// An event is accepted. Of the one that was in this place before nothing is left.
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

    /// The first handler of it begins, on whichever bus.
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

    /// How it excludes others: its own word, else its bus's.
    #[inline]
    pub(super) fn concurrency(&self, bus: &BusConfig) -> Concurrency {
        let own = self.overrides.as_ref().and_then(|own| own.concurrency);
        own.unwrap_or(bus.concurrency)
    }
}

impl Visit {
    /// An event has come to a bus, which remembers it.
    #[inline(always)]
    pub(super) fn begin(&mut self, event: EventIx, bus: BusIx, seq: u64) {
        *self = Self { event, bus, seq, remembered: true, ..Self::default() };
    }

    /// The bus begins with it.
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
