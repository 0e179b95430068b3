//! The pure state machine of a hub: what happens when, as inputs and outputs.
//!
//! It has no lock, no clock, no thread and no future, and calls no function of the user's. Whatever
//! embeds it (this crate's shell, a test, your own code) keeps to this contract:
//!
//! 1. **Inputs** are methods with `&mut self`: [`on`](Machine::on), [`dispatch`](Machine::dispatch),
//!    [`wait`](Machine::wait), [`finished`](Machine::finished), [`timed_out`](Machine::timed_out), …
//!    Inputs about time take `now`; a `now` that goes back is clamped.
//! 2. **Outputs** are data: after every input, or after several that nothing comes between, call
//!    [`outputs`](Machine::outputs) and act on all of them. Spurious inputs (an invocation that has
//!    ended, a timeout that is not due, a stale key) do nothing.
//! 3. **Work** is pulled: when [`Output::Ready`] names a bus, call [`next`](Machine::next) for it until
//!    it returns [`Next::Idle`], run what it returns, and report [`finished`](Machine::finished); or do
//!    both in one step, with [`finished_then_next`](Machine::finished_then_next). A caller that is
//!    going to do so anyway [`attend`](Machine::attend)s the bus. A waiting invocation
//!    goes on when [`Output::Resumed`] names it, if it asked to be resumed
//!    ([`wait_to_resume`](Machine::wait_to_resume)).
//! 4. **Time**: each bus has at most one [`next_deadline`](Machine::next_deadline); call
//!    [`timed_out`](Machine::timed_out) then.
//!
//! ```text
//!            dispatch            next                 finished
//!  caller ───────────▶ queue ───────────▶ invocation ───────────▶ results
//!                        ▲                  │ wait                  │
//!                        └──── raised ◀─────┘                       ▼
//!                                                    Output::Completed, up the tree
//! ```
//!
//! A complete run loop:
//!
//! ```
//! use busway_core::machine::{
//!     Action, BusConfig, Dispatch, HubConfig, Limit, Machine, Next, Outcome, Output, Pattern,
//! };
//! use busway_core::Instant;
//!
//! let mut machine: Machine<&str, usize, fn(&str) -> usize> = Machine::new(HubConfig::default());
//! let bus = machine.add_bus(BusConfig::new("main"), 0);
//! let _ = machine.on(bus, Pattern::Name("Greet"), "length", Limit::Inherit, Action::Call(str::len));
//!
//! let greet = machine.kind("Greet", None);
//! machine.dispatch(bus, "hello", Dispatch::new(greet), Instant::EPOCH)?;
//!
//! let mut lengths = Vec::new();
//! let mut ready = Vec::new();
//! loop {
//!     for output in machine.outputs() {
//!         match output {
//!             Output::Ready { bus } => ready.push(bus),
//!             Output::Completed(done) => lengths.extend(done.results),
//!             _ => {}
//!         }
//!     }
//!     let Some(bus) = ready.last().copied() else { break };
//!     match machine.next(bus, Instant::EPOCH) {
//!         Next::Run(run) => {
//!             let Action::Call(handler) = &run.handler.action else { unreachable!() };
//!             let outcome = Outcome::Value(handler(run.payload));
//!             machine.finished(run.invocation, outcome, Instant::EPOCH);
//!         }
//!         Next::Again => {}
//!         Next::Idle => drop(ready.pop()),
//!     }
//! }
//! assert_eq!(lengths[0].outcome, Some(Outcome::Value(5)));
//! # Ok::<(), busway_core::machine::Refused<&str>>(())
//! ```
//!
//! Every input is O(1) or O(log n) in queued events, history and buses, with these exceptions: the events
//! an input itself moves (a raise touches what it raises, a stop what it stops); the search for a wait
//! cycle, which runs only when the awaited event has begun or has children; what depends on a handler,
//! when it asks whether all else is idle, which it is told to ask again when events come or handlers begin
//! to wait; the waiters for an event, when a handler that already waits joins them; the watches that an
//! event arrives at; the buses that a forwarded event is on; and the handlers of a name, when one of them
//! is removed, or one is added while an event runs.
//!
//! Code on the path of every event is force-inlined where the compiler left calls: that is 4 % of the
//! instructions an event takes. Large code that few events reach is kept out of line, since all the
//! code that an event runs through is about as large as a processor's first-level cache.
//!
//! The machine is **not** a task scheduler, a message broker or a store: it keeps the books of one
//! process, in memory.

mod addresses;
mod arena;
mod audit;
mod buses;
mod completion;
mod config;
mod dependents;
mod dispatch;
mod entries;
mod error;
mod event_state;
mod flight;
mod forward;
mod hand;
mod held;
mod history;
mod hub_slot;
mod invocations;
mod kin;
mod kinds;
mod lending;
mod list;
mod memory;
mod names;
mod output;
mod raised;
mod registry;
mod results;
mod retries;
mod said;
mod schedule;
mod short_queue;
mod state;
mod step;
mod timeouts;
mod timers;
mod tries;
mod waits;
mod warning;
mod watch;
mod work;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU64;

use hashbrown::{HashMap, HashSet};

pub use self::addresses::{Address, AddressRefused};
pub use self::arena::Key;
pub use self::config::{
    BusConfig, Completion, Concurrency, HandlerOrder, HubConfig, Limit, Overrides, Retries,
};
pub use self::dispatch::{Dispatch, Parent};
pub use self::error::{BusGone, Deadlock, NotSentOn, Refusal, Refused};
pub use self::kinds::Kind;
pub use self::memory::BusMemory;
pub use self::output::{Beside, Completed, Dropped, Next, Output, Path, Run};
pub use self::registry::{Action, Handler, HandlerList, Pattern};
pub use self::results::{Cause, EventStatus, HandlerInfo, Outcome, ResultStatus, Row, Rows};
pub use self::waits::Waiting;
pub use self::warning::Warning;
pub use self::watch::Overflow;

use self::arena::Arena;
pub(crate) use self::dispatch::Offer;
use self::entries::Entries;
use self::event_state::EventState;
use self::flight::Flight;
pub(crate) use self::hand::Hand;
use self::kin::Kin;
use self::kinds::Kinds;
pub(crate) use self::output::Done;
use self::registry::Place;
use self::said::Said;
pub(crate) use self::schedule::Asked;
use self::state::{BusIx, BusState, EventIx, Reservation, Slot, VisitIx};
use self::watch::Watch;
use self::work::{Invocation, Wait, Work};
use crate::time::Instant;

macro_rules! tags {
    ($($(#[$doc:meta])* $tag:ident = $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        type $tag = $name;
    )*};
}

tags! {
    /// What a [`BusKey`] names.
    BusTag = Bus;
    /// What an [`EventKey`] names.
    EventTag = Event;
    /// What an [`InvocationKey`] names.
    InvocationTag = InvocationOf;
    /// What a [`WaitKey`] names.
    WaitTag = WaitFor;
    /// What a [`WatchKey`] names.
    WatchTag = WatchOf;
    /// What a [`ReservationKey`] names.
    ReservationTag = ReservationOf;
}
enum VisitTag {}
enum KinTag {}
enum WorkTag {}

/// A bus of the hub.
pub type BusKey = Key<Bus>;
/// An event, while the machine remembers it.
pub type EventKey = Key<Event>;
/// One run of a handler for one event, while it runs.
pub type InvocationKey = Key<InvocationOf>;
/// A wait of an invocation for an event, while it lasts.
pub type WaitKey = Key<WaitFor>;
/// A place in a full bus that is waited for, or granted and not yet used.
pub type ReservationKey = Key<ReservationOf>;
/// A watch for events to come, while it lasts.
pub type WatchKey = Key<WatchOf>;
type VisitKey = Key<VisitTag>;

/// A registration, counted over the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerKey(NonZeroU64);

impl HandlerKey {
    /// The number of the registration, from 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The number `count` as a key. 0, which no registration has, becomes the last key.
    const fn new(count: u64) -> Self {
        match NonZeroU64::new(count) {
            Some(count) => Self(count),
            None => Self(NonZeroU64::MAX),
        }
    }
}

/// The state machine of one hub. It is generic over the payload `P` of events, the result `R` of
/// invocations and a handler's action `H`. See the [module](self) for the contract.
pub struct Machine<P, R, H = ()> {
    config: HubConfig,
    now: Instant,
    kinds: Kinds,
    buses: Arena<BusState<H>, BusTag>,
    bus_names: HashMap<Arc<str>, BusKey>,
    entries: Entries<P>,
    kins: Arena<Kin, KinTag>,
    works: Arena<Work<R, H>, WorkTag>,
    invocations: Arena<Invocation, InvocationTag>,
    flight: Option<Flight>,
    waits: Arena<Wait, WaitTag>,
    /// The buses an event was forwarded to, and its visit to the last of them.
    forwarded: HashSet<(EventIx, BusIx)>,
    last_visits: HashMap<EventIx, VisitIx>,
    /// Of all events in memory; the flag says whether its warning was given.
    bytes: u64,
    told_memory: bool,
    watches: Arena<Watch, WatchTag>,
    reservations: Arena<Reservation, ReservationTag>,
    /// The invocations that wait for buses, apart from what depends on them.
    asks: Vec<(InvocationKey, BusKey)>,
    handler_places: HashMap<HandlerKey, (BusKey, Place)>,
    said: Said<P, R, H>,
    hub_slot: Slot,
    hub_lines: [VecDeque<BusKey>; 2],
    handler_count: u64,
    event_count: u64,
    wait_count: u64,
    /// The handlers for which it is known that their names are those of other types too.
    told_other_type: HashSet<HandlerKey>,
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Creates a hub without buses.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self {
            config,
            now: Instant::EPOCH,
            kinds: Kinds::default(),
            buses: Arena::new(),
            bus_names: HashMap::new(),
            entries: Entries::new(),
            kins: Arena::new(),
            works: Arena::new(),
            invocations: Arena::new(),
            flight: None,
            waits: Arena::new(),
            forwarded: HashSet::new(),
            last_visits: HashMap::new(),
            bytes: 0,
            told_memory: false,
            watches: Arena::new(),
            reservations: Arena::new(),
            asks: Vec::new(),
            handler_places: HashMap::new(),
            said: Said::default(),
            hub_slot: Slot::default(),
            hub_lines: [VecDeque::new(), VecDeque::new()],
            handler_count: 0,
            event_count: 0,
            wait_count: 0,
            told_other_type: HashSet::new(),
        }
    }

    /// Returns an event's status. An event that is no longer remembered has completed.
    #[must_use]
    pub fn status(&self, event: EventKey) -> EventStatus {
        self.entries.get(event).map_or(EventStatus::Completed, |event| event.status)
    }

    /// Returns when an event started; `None` while it is pending, or when it is not remembered.
    #[must_use]
    pub fn started_at(&self, event: EventKey) -> Option<Instant> {
        self.entries.get(event)?.started_at.known()
    }

    /// Returns an event's payload, while the event is remembered.
    #[must_use]
    pub fn payload(&self, event: EventKey) -> Option<&P> {
        self.entries.get(event).map(EventState::payload)
    }

    /// Returns the settings that an event was given, while it is remembered.
    #[must_use]
    pub fn overrides(&self, event: EventKey) -> Option<&Overrides> {
        self.entries.get(event)?.overrides.as_deref()
    }

    /// Returns the name of an event's type, while the event is remembered.
    #[must_use]
    pub fn event_type(&self, event: EventKey) -> Option<&Arc<str>> {
        self.entries.get(event).map(|event| self.kinds.name_of(event.kind))
    }

    /// Returns the level of an event: 0 for a root, one more than the parent's for a child (R18).
    #[must_use]
    pub fn depth(&self, event: EventKey) -> Option<u32> {
        self.entries.find(event).map(|event| self.depth_of(event))
    }

    /// Returns the results of an event that has not completed, including pending ones. They leave the
    /// machine with [`Output::Completed`].
    #[must_use]
    pub fn results(&self, event: EventKey) -> Rows<R>
    where
        R: Clone,
    {
        let mut rows = Rows::new();
        let Some(event) = self.entries.find(event) else { return rows };
        let mut in_flight = self.flight_for(event).map(Flight::row);
        let kind = self.entries[event].kind;
        for work in self.visits_of(event).filter_map(|visit| self.entries[visit].work) {
            let work = &self.works[work];
            rows.append(work.rows.clone());
            // If the event has several visits, this row belongs to the home bus, whose rows come first.
            in_flight.take().into_iter().for_each(|row| rows.push(row));
            let waiting = work.handlers.iter().flatten().skip(work.next as usize);
            let waiting = waiting.filter(|handler| handler.has_row(kind));
            waiting.for_each(|handler| rows.push(Row::pending(handler.info.clone())));
        }
        in_flight.into_iter().for_each(|row| rows.push(row));
        rows
    }

    /// Returns the names of the buses that an event has reached, in order of arrival, until it
    /// completes. They leave the machine with [`Output::Completed`], and then the buses may go.
    #[must_use]
    pub fn path(&self, event: EventKey) -> Vec<Arc<str>> {
        match self.entries.find(event) {
            Some(event) if !self.entries[event].is_complete() => {
                self.path_of(event).iter().cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Counts the events, invocations and waits that the machine holds: all zero when it was cleared
    /// and nothing leaked.
    #[must_use]
    pub fn held(&self) -> Held {
        let in_flight = self.flight.iter().count();
        let without_work = self.flight.iter().filter(|flight| flight.is_in_queue()).count();
        let alarm = self.flight.as_ref().and_then(|flight| self.alarm(flight));
        Held {
            buses: self.buses.len(),
            events: self.events_len(),
            visits: self.entries.len() + self.works.len() + self.kins.len() + without_work,
            invocations: self.invocations.len() + in_flight,
            waits: self.waits.len(),
            watches: self.watches.len(),
            reservations: self.reservations.len(),
            timers: self.buses.iter().map(|(_, bus)| bus.timers.len()).sum::<usize>()
                + alarm.iter().count(),
        }
    }

    /// The event's visits to buses, in order of arrival.
    #[inline]
    fn visits_of(&self, event: EventIx) -> impl Iterator<Item = VisitIx> {
        let first = Some(event.home());
        core::iter::successors(first, |visit| self.entries[*visit].next)
    }

    /// Takes a new time, which never goes back.
    #[inline]
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    #[inline]
    fn bus(&self, bus: BusKey) -> Option<BusIx> {
        self.buses.find(bus)
    }
}

/// The number of things a machine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Buses.
    pub buses: usize,
    /// Events, in flight or remembered.
    pub events: usize,
    /// Their visits to buses, and the state of those that run, wait or have relatives.
    pub visits: usize,
    /// Running invocations.
    pub invocations: usize,
    /// Waits of invocations.
    pub waits: usize,
    /// Watchers for events to come.
    pub watches: usize,
    /// Places waited for, or granted and not used.
    pub reservations: usize,
    /// Timers that have not fired.
    pub timers: usize,
}

impl<P, R, H> Machine<P, R, H> {
    /// Each forward adds one visit to an event that has one already.
    fn events_len(&self) -> usize {
        self.entries.len() - self.forwarded.len()
    }
}

impl<P, R, H> fmt::Debug for Machine<P, R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("buses", &self.buses.len())
            .field("events", &self.events_len())
            .field("invocations", &(self.invocations.len() + self.flight.iter().count()))
            .finish_non_exhaustive()
    }
}
