//! The records the machine keeps, and how they hang together.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::arena::{Arena, Ix};
use super::config::{BusConfig, Completion, Concurrency, HandlerOrder, Overrides};
use super::dispatch::Offer;
use super::history::{History, Stage};
use super::kin::KinIx;
use super::list::{Links, List};
use super::output::Beside;
use super::raised::Raised;
use super::registry::{Handler, Kind, Registry, Snapshot};
use super::results::{Cause, EventStatus, Rows};
use super::timers::{NOWHERE, Timers};
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
    /// Of its configuration, in the form they are used in.
    pub(super) limit: Nanos,
    pub(super) slow_after: Nanos,
    pub(super) name: Arc<str>,
    pub(super) handlers: Registry<H>,
    pub(super) phase: Phase,
    /// Nobody outside can dispatch on it any more.
    pub(super) closed: bool,
    /// Its journal failed: it takes no further events.
    pub(super) refuses: bool,

    /// Visits that have not started, in order of arrival.
    pub(super) queue: Stage,
    /// Those that have, and whose events have not completed, in order of their start.
    pub(super) started: Stage,
    /// Those of them that are awaited and take a slot, and those that take none.
    pub(super) raised: Raised,
    pub(super) raised_parallel: Raised,
    /// Started visits with a handler to start now.
    pub(super) continuing: VecDeque<VisitKey>,
    /// Invocations that have rested and are to be tried again.
    pub(super) resuming: VecDeque<InvocationKey>,
    pub(super) slot: Slot,
    /// `Output::Ready` was said and `next` has not been idle since.
    pub(super) ready: bool,
    /// Whether it stands in each [`Line`].
    pub(super) in_line: [bool; 2],
    /// It was told that the hub's slot is free, and passes that on if it takes no use of it.
    pub(super) called_to_hub: bool,

    pub(super) roots: usize,
    pub(super) children: usize,
    pub(super) incomplete: usize,
    /// `Output::Idle` is said when no more than this are incomplete, to who has asked.
    pub(super) idle_at: Option<usize>,
    /// Places that were granted and not used yet.
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
    /// Takes children of incomplete events only.
    Draining,
    Stopped,
}

/// A serial slot: of a bus, or of the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Started visits that hold it, lent or not. A queued visit starts when there are none.
    pub(super) occupied: usize,
    /// Those of them that do not wait themselves. A raised visit starts when there are none.
    pub(super) busy: usize,
}

/// The lines of buses that wait for the hub's slot: with a raised visit, which may borrow it, or
/// with a queued one, which needs it whole.
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
#[derive(Clone, Copy)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VisitState {
    Queued,
    Running,
    Done,
}

/// The handlers of one event on one bus, while they run.
pub(super) struct Work<R, H> {
    /// None once the stay is over, and where the only one was handed on as it was started.
    pub(super) handlers: Option<Snapshot<H>>,
    /// The next handler to start, and how many there are.
    pub(super) next: u32,
    pub(super) total: u32,
    /// Running invocations, and those of them that wait.
    pub(super) live: u32,
    pub(super) waiting: u32,
    pub(super) invocations: List<InvocationTag>,
    pub(super) parallel: bool,
    pub(super) concurrency: Concurrency,
    pub(super) completion: Completion,
    /// Counted in the `busy` of its slots.
    pub(super) awake: bool,
    /// In the `continuing` queue of its bus.
    pub(super) continuing: bool,
    pub(super) rows: Rows<R>,
}

#[derive(Clone, Copy)]
pub(super) struct Invocation {
    pub(super) visit: VisitIx,
    /// That of the visit.
    pub(super) work: WorkIx,
    pub(super) event: EventIx,
    pub(super) bus: BusIx,
    pub(super) row: u32,
    /// Which of the event's handlers it is of.
    pub(super) handler: u32,
    pub(super) of_event: Links<InvocationTag>,
    pub(super) waits: List<WaitTag>,
    /// What else it waits for, counted: it raises nothing.
    pub(super) lends: u32,
    /// The number of its present waiting for events: waits begun together raise together.
    pub(super) group: u64,
    pub(super) started_at: Instant,
    pub(super) limit: Nanos,
    pub(super) slow_told: bool,
    /// Which invocation of its row it is, from 1.
    pub(super) number: u32,
    /// The tries it makes itself; none while it rests.
    pub(super) tries: u32,
    /// It waits to be tried again; nothing runs.
    pub(super) rests: bool,
    pub(super) timer: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Wait {
    pub(super) invocation: InvocationIx,
    pub(super) event: EventIx,
    /// Its end is to be said.
    pub(super) resumes: bool,
    pub(super) of_invocation: Links<WaitTag>,
    pub(super) of_event: Links<WaitTag>,
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
            continuing: VecDeque::new(),
            resuming: VecDeque::new(),
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
            history: History::default(),
            in_memory: 0,
            bytes: 0,
            timers: Timers::new(),
        }
    }

    /// Whether it takes events now: any, or those that an incomplete one waits for.
    #[inline]
    pub(super) const fn is_open_to(&self, is_attached: bool) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Draining => is_attached,
            Phase::Stopped => false,
        }
    }
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            event: Ix::NOWHERE,
            bus: Ix::NOWHERE,
            next: None,
            seq: 0,
            links: Links::default(),
            arrival: Links::default(),
            remembered: false,
            state: VisitState::Done,
            started: false,
            held: false,
            work: None,
        }
    }
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
        self.remembered = 0;
        self.started_at = Instant::FAR;
        self.timer = NOWHERE;
        self.bytes = spec.bytes;
        self.overrides = spec.overrides.take();
    }

    pub(super) fn payload(&self) -> &P {
        self.payload.as_ref().expect("it is there as long as the event")
    }

    pub(super) fn is_complete(&self) -> bool {
        self.status == EventStatus::Completed
    }

    /// Whether a handler of it that fails is tried again.
    #[inline]
    pub(super) fn is_retried(&self) -> bool {
        self.overrides.as_ref().is_some_and(|own| own.retries.is_some())
    }

    /// How it excludes others: its own word, else its bus's.
    #[inline]
    pub(super) fn concurrency(&self, bus: &BusConfig) -> Concurrency {
        let own = self.overrides.as_ref().and_then(|own| own.concurrency);
        own.unwrap_or(bus.concurrency)
    }
}

impl Visit {
    /// An event has come to a bus.
    #[inline(always)]
    pub(super) fn begin(&mut self, event: EventIx, bus: BusIx, seq: u64) {
        self.event = event;
        self.bus = bus;
        self.next = None;
        self.seq = seq;
        self.links = Links::default();
        self.arrival = Links::default();
        self.remembered = false;
        self.state = VisitState::Queued;
        self.started = false;
        self.held = false;
        self.work = None;
    }

    pub(super) fn links(&mut self) -> &mut Links<VisitTag> {
        &mut self.links
    }

    pub(super) fn arrival(&mut self) -> &mut Links<VisitTag> {
        &mut self.arrival
    }
}

impl<R, H> Work<R, H> {
    /// What a bus is to do for an event with so many handlers, as the event and the bus say. Of the
    /// work that was done in this place before nothing is left, but that it may have been in a queue.
    #[inline]
    pub(super) fn begin<P>(&mut self, handlers: usize, bus: &BusConfig, event: &EventState<P>) {
        debug_assert!(self.live == 0 && self.waiting == 0 && self.rows.is_empty());
        debug_assert!(self.handlers.is_none());
        self.next = 0;
        self.total = handlers as u32;
        let own = event.overrides.as_deref();
        let order = own.and_then(|own| own.handler_order).unwrap_or(bus.handler_order);
        self.parallel = order == HandlerOrder::Parallel;
        self.concurrency = event.concurrency(bus);
        self.completion = own.and_then(|own| own.completion).unwrap_or(bus.completion);
        self.awake = handlers > 0;
        self.continuing = false;
        self.rows.reserve(handlers);
    }

    /// The next handler to start.
    #[inline]
    pub(super) fn next_handler(&mut self) -> Option<Arc<Handler<H>>> {
        let handler = self.handlers.as_ref()?.get(self.next as usize)?.clone();
        self.next += 1;
        Some(handler)
    }

    /// Puts an invocation into the books.
    #[inline(always)]
    pub(super) fn enter(
        &mut self,
        invocations: &mut Arena<Invocation, InvocationTag>,
        begin: impl FnOnce(&mut Invocation),
    ) -> InvocationKey {
        let key = invocations.renew(|invocation, _| begin(invocation));
        self.invocations.push_back(invocations, key.ix(), Invocation::of_event);
        self.live += 1;
        key
    }

    /// Who may run at the same time as one of its invocations.
    pub(super) fn beside(&self) -> Beside {
        match self.parallel || self.concurrency == Concurrency::Parallel {
            true => Beside::Others,
            false => Beside::Nobody,
        }
    }

    pub(super) fn take_rows(&mut self) -> Rows<R> {
        core::mem::take(&mut self.rows)
    }

    /// Whether it has something running that does not wait, or something to start.
    #[inline]
    pub(super) fn is_awake(&self) -> bool {
        let to_start = self.next < self.total;
        match (self.parallel, self.live) {
            (true, _) => to_start || self.live > self.waiting,
            (false, 0) => to_start,
            (false, _) => self.waiting == 0,
        }
    }

    #[inline]
    pub(super) fn can_continue(&self) -> bool {
        self.next < self.total && (self.parallel || self.live == 0)
    }

    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.next == self.total && self.live == 0
    }
}

// A derived impl would ask `R` and `H` for the same trait.
impl<R, H> Default for Work<R, H> {
    fn default() -> Self {
        Self {
            handlers: None,
            next: 0,
            total: 0,
            live: 0,
            waiting: 0,
            invocations: List::default(),
            parallel: false,
            concurrency: Concurrency::default(),
            completion: Completion::default(),
            awake: false,
            continuing: false,
            rows: Rows::new(),
        }
    }
}

impl Default for Invocation {
    fn default() -> Self {
        Self {
            visit: Ix::NOWHERE,
            work: Ix::NOWHERE,
            event: Ix::NOWHERE,
            bus: Ix::NOWHERE,
            row: 0,
            handler: 0,
            of_event: Links::default(),
            waits: List::default(),
            lends: 0,
            group: 0,
            started_at: Instant::EPOCH,
            limit: Nanos::FOR_EVER,
            slow_told: false,
            number: 0,
            tries: 0,
            rests: false,
            timer: NOWHERE,
        }
    }
}

impl Invocation {
    /// The first try of a handler, which stands in this row and is this one of the event's handlers.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        (visit, work): (VisitIx, WorkIx),
        stay: &Visit,
        (row, handler): (u32, u32),
        limit: Nanos,
        started_at: Instant,
    ) {
        self.visit = visit;
        self.work = work;
        self.event = stay.event;
        self.bus = stay.bus;
        self.row = row;
        self.handler = handler;
        self.of_event = Links::default();
        self.waits = List::default();
        self.lends = 0;
        self.group = 0;
        self.started_at = started_at;
        self.limit = limit;
        self.slow_told = false;
        self.number = 1;
        self.tries = 1;
        self.rests = false;
        self.timer = NOWHERE;
    }

    pub(super) fn of_event(&mut self) -> &mut Links<InvocationTag> {
        &mut self.of_event
    }

    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.lends > 0 || self.waits.first().is_some()
    }

    /// Has its work count it among those that wait, as it does after the change.
    #[inline]
    pub(super) fn change_waiting<R, H>(
        &mut self,
        works: &mut Arena<Work<R, H>, WorkTag>,
        change: impl FnOnce(&mut Self),
    ) {
        let was_waiting = self.is_waiting();
        change(self);
        match (was_waiting, self.is_waiting()) {
            (false, true) => works[self.work].waiting += 1,
            (true, false) => works[self.work].waiting -= 1,
            _ => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.started_at + self.limit).known()
    }

    /// When it has to be looked at: to report it as slow, or at its limit.
    #[inline]
    pub(super) fn alarm(&self, slow_after: Nanos) -> Instant {
        let slow_after = if self.slow_told { Nanos::FOR_EVER } else { slow_after };
        self.started_at + self.limit.min(slow_after)
    }
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            invocation: Ix::NOWHERE,
            event: Ix::NOWHERE,
            resumes: false,
            of_invocation: Links::default(),
            of_event: Links::default(),
        }
    }
}

impl Wait {
    #[inline]
    pub(super) fn begin(&mut self, invocation: InvocationIx, event: EventIx, resumes: bool) {
        self.invocation = invocation;
        self.event = event;
        self.resumes = resumes;
        self.of_invocation = Links::default();
        self.of_event = Links::default();
    }

    pub(super) fn of_invocation(&mut self) -> &mut Links<WaitTag> {
        &mut self.of_invocation
    }

    pub(super) fn of_event(&mut self) -> &mut Links<WaitTag> {
        &mut self.of_event
    }
}

impl Reservation {
    pub(super) fn links(&mut self) -> &mut Links<ReservationTag> {
        &mut self.links
    }
}
