//! A naive model of a hub, written from the rules and not from the machine.
//!
//! It keeps plain lists and recounts everything from its definition on every query. Where the rules
//! leave a choice (which of several cancelled events completes first), it takes the machine's choice as
//! a [hint](Model::expect_order) and only checks that it was allowed.

mod addresses;
mod capacity;
mod endings;
mod held;
mod memory;
mod order;
mod retries;
mod time;
mod waits;
mod watches;

use core::any::TypeId;
use core::time::Duration;

use busway_core::Instant;
use busway_core::machine::{
    BusConfig, Cause, Completion, Concurrency, HandlerOrder, Limit, Outcome, Overrides,
};

pub(crate) use self::addresses::Address;
pub(crate) use self::capacity::Order;
pub(crate) use self::order::Possible;
pub(crate) use self::retries::Rest;
pub(crate) use self::watches::Watch;

use self::watches::Arrived;

pub(crate) type BusId = usize;
pub(crate) type EventId = usize;
pub(crate) type VisitId = usize;
pub(crate) type HandlerId = usize;
pub(crate) type InvocationId = usize;
pub(crate) type WaitId = usize;
pub(crate) type ReservationId = usize;
pub(crate) type WatchId = usize;

/// The name and type of an event, or of the events that a handler wants.
pub(crate) type Kind = (&'static str, Option<TypeId>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Draining,
    /// With all other buses.
    DrainingTogether,
    Stopped,
}

pub(crate) struct Bus {
    pub(crate) config: BusConfig,
    pub(crate) phase: Phase,
    pub(crate) closed: bool,
    /// Its journal has failed.
    pub(crate) refuses: bool,
    pub(crate) gone: bool,
    pub(crate) handlers: Vec<HandlerId>,
    pub(crate) history: Vec<VisitId>,
    /// Reservations that wait for a place, first come, first served.
    pub(crate) line: Vec<ReservationId>,
}

#[derive(Clone, Copy)]
pub(crate) enum Action {
    Call,
    Forward(BusId),
}

pub(crate) struct Handler {
    pub(crate) bus: BusId,
    /// The address it is registered for; `None` for events of the queue.
    pub(crate) address: Option<Address>,
    /// The event name it is for; `None` for every event.
    pub(crate) name: Option<&'static str>,
    pub(crate) wanted: Option<TypeId>,
    pub(crate) label: &'static str,
    pub(crate) limit: Limit,
    pub(crate) action: Action,
    told_other_type: bool,
}

pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) parent: Option<EventId>,
    /// Whether its parent completes after it.
    pub(crate) attached: bool,
    /// Whether it bypassed the queue.
    pub(crate) past_queue: bool,
    pub(crate) depth: u32,
    pub(crate) overrides: Overrides,
    pub(crate) visits: Vec<VisitId>,
    pub(crate) started_at: Option<Instant>,
    pub(crate) completed: bool,
    pub(crate) completed_order: u64,
    pub(crate) cause: Option<Cause>,
    /// Its bus and the event that awaited it ended it in one step: either is its cause.
    pub(crate) either: bool,
    pub(crate) deadline_passed: bool,
    /// It has completed, and no history remembers it.
    pub(crate) left: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Running,
    Done,
}

/// An event on one bus.
pub(crate) struct Visit {
    pub(crate) event: EventId,
    pub(crate) bus: BusId,
    pub(crate) state: State,
    /// Its acceptance is not written yet.
    pub(crate) held: bool,
    pub(crate) start_order: Option<u64>,
    pub(crate) handlers: Vec<HandlerId>,
    /// How many of them were started, skipped or cancelled.
    pub(crate) next: usize,
    pub(crate) rows: Vec<Row>,
    /// Since when it has had a handler to start, as a number in the order of such moments.
    waiting_since: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) handler: HandlerId,
    pub(crate) started_at: Option<Instant>,
    pub(crate) ended_at: Option<Instant>,
    pub(crate) tries: u32,
    pub(crate) outcome: Option<Outcome<u32>>,
}

/// A handler that runs, or rests until it is tried again.
#[derive(Clone, Copy)]
pub(crate) struct Invocation {
    pub(crate) id: InvocationId,
    pub(crate) visit: VisitId,
    pub(crate) event: EventId,
    pub(crate) bus: BusId,
    row: usize,
    started_at: Instant,
    limit: Option<Duration>,
    slow_told: bool,
    /// Its number among the invocations of its row, from 1.
    number: u32,
    /// The tries within this invocation.
    tries: u32,
    pub(crate) rest: Option<Rest>,
    /// How many of its waits are not for an event.
    pub(crate) lends: u32,
    /// When its present waiting began, as a number in the order of such moments.
    group: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) id: WaitId,
    pub(crate) by: InvocationId,
    pub(crate) event: EventId,
    /// Whether its end gives an output.
    resumes: bool,
}

pub(crate) struct Reservation {
    pub(crate) bus: BusId,
    pub(crate) granted: bool,
    /// It was used, given back or refused.
    pub(crate) over: bool,
}

/// The outputs that one input should cause, in order where order is fixed.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) completed: Vec<EventId>,
    pub(crate) cancelled: Vec<InvocationId>,
    pub(crate) resumed: Vec<InvocationId>,
    pub(crate) granted: Vec<ReservationId>,
    /// Acceptances to be written.
    pub(crate) accepted: Vec<(BusId, EventId)>,
    pub(crate) idle: Vec<BusId>,
    pub(crate) closed: Vec<BusId>,
    pub(crate) arrived: Vec<Arrived>,
    /// With the number of events that had no room.
    pub(crate) ended_watches: Vec<(WatchId, u64)>,
    /// With what the invocation waits for: events, and whether for anything else.
    pub(crate) slow: Vec<(EventId, Vec<EventId>, bool)>,
    pub(crate) same_name: usize,
    pub(crate) other_type: usize,
    pub(crate) payloads_dropped: usize,
    /// Errors of tries that were not the last one.
    pub(crate) retried: Vec<u32>,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) now: Instant,
    pub(crate) max_depth: Option<u32>,
    pub(crate) buses: Vec<Bus>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) events: Vec<Event>,
    pub(crate) visits: Vec<Visit>,
    /// Invocations that run or rest, in order of their start.
    pub(crate) invocations: Vec<Invocation>,
    /// Waits that have not ended, in order of their start.
    pub(crate) waits: Vec<Wait>,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) watches: Vec<Watch>,
    pub(crate) said: Said,
    invocation_count: usize,
    wait_count: usize,
    moments: u64,
    hint: Vec<EventId>,
}

impl Model {
    pub(crate) fn new(max_depth: Option<u32>) -> Self {
        Self { max_depth, ..Self::default() }
    }

    /// Sets the order in which the machine completed events in the input that the model gets next.
    pub(crate) fn expect_order(&mut self, order: &[EventId]) {
        self.hint.clear();
        self.hint.extend(order.iter().rev());
        self.said.clear();
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn add_bus(&mut self, config: BusConfig) -> BusId {
        self.buses.push(Bus {
            config,
            phase: Phase::Open,
            closed: false,
            refuses: false,
            gone: false,
            handlers: Vec::new(),
            history: Vec::new(),
            line: Vec::new(),
        });
        self.buses.len() - 1
    }

    pub(crate) fn on(
        &mut self,
        bus: BusId,
        pattern: Option<Kind>,
        label: &'static str,
        limit: Limit,
        action: Action,
    ) -> HandlerId {
        let name = pattern.map(|(name, _)| name);
        let wanted = pattern.and_then(|(_, of_type)| of_type);
        let twin = |other: &HandlerId| {
            let other = &self.handlers[*other];
            other.address.is_none() && other.name == name && other.label == label
        };
        self.said.same_name += usize::from(self.buses[bus].handlers.iter().any(twin));
        let (address, told_other_type) = (None, false);
        let handler = Handler { bus, address, name, wanted, label, limit, action, told_other_type };
        self.add_handler(handler)
    }

    fn add_handler(&mut self, handler: Handler) -> HandlerId {
        let (bus, id) = (handler.bus, self.handlers.len());
        self.handlers.push(handler);
        self.buses[bus].handlers.push(id);
        id
    }

    /// Whether it was there.
    pub(crate) fn off(&mut self, handler: HandlerId) -> bool {
        let on_bus = &mut self.buses[self.handlers[handler].bus].handlers;
        let before = on_bus.len();
        on_bus.retain(|other| *other != handler);
        on_bus.len() < before
    }

    pub(crate) fn invocation(&self, id: InvocationId) -> Option<&Invocation> {
        self.invocations.iter().find(|invocation| invocation.id == id)
    }

    fn invocation_mut(&mut self, id: InvocationId) -> Option<&mut Invocation> {
        self.invocations.iter_mut().find(|invocation| invocation.id == id)
    }

    /// Invocations that do not rest.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Invocation> {
        self.invocations.iter().filter(|invocation| invocation.rest.is_none())
    }

    /// The event's own setting, else the bus's.
    pub(crate) fn concurrency(&self, visit: VisitId) -> Concurrency {
        let Visit { event, bus, .. } = self.visits[visit];
        self.events[event].overrides.concurrency.unwrap_or(self.buses[bus].config.concurrency)
    }

    fn is_parallel(&self, visit: VisitId) -> bool {
        let Visit { event, bus, .. } = self.visits[visit];
        let own = self.events[event].overrides.handler_order;
        own.unwrap_or(self.buses[bus].config.handler_order) == HandlerOrder::Parallel
    }

    fn ends_at_first(&self, visit: VisitId) -> bool {
        let Visit { event, bus, .. } = self.visits[visit];
        let own = self.events[event].overrides.completion;
        own.unwrap_or(self.buses[bus].config.completion) == Completion::First
    }

    /// Children whose completion the event waits for.
    fn open_children(&self, event: EventId) -> impl Iterator<Item = EventId> {
        let of = move |child: &Event| child.attached && !child.completed;
        let later = self.events.iter().enumerate().skip(event + 1);
        later.filter(move |(_, child)| child.parent == Some(event) && of(child)).map(|(id, _)| id)
    }

    /// Events of a bus that have not completed.
    pub(crate) fn incomplete(&self, bus: BusId) -> usize {
        let on_bus =
            |event: &Event| event.visits.iter().any(|visit| self.visits[*visit].bus == bus);
        self.events.iter().filter(|event| !event.completed && on_bus(event)).count()
    }

    fn moment(&mut self) -> u64 {
        self.moments += 1;
        self.moments
    }
}

impl Visit {
    /// The visit of an event that has just come to a bus.
    fn new(event: EventId, bus: BusId) -> Self {
        Self {
            event,
            bus,
            state: State::Queued,
            held: false,
            start_order: None,
            handlers: Vec::new(),
            next: 0,
            rows: Vec::new(),
            waiting_since: None,
        }
    }
}

impl Event {
    /// The visit to the bus that it was dispatched on.
    pub(crate) fn first_visit(&self) -> VisitId {
        self.visits[0]
    }
}

impl Said {
    fn clear(&mut self) {
        self.completed.clear();
        self.cancelled.clear();
        self.resumed.clear();
        self.granted.clear();
        self.accepted.clear();
        self.idle.clear();
        self.closed.clear();
        self.arrived.clear();
        self.ended_watches.clear();
        self.retried.clear();
        self.slow.clear();
        (self.same_name, self.other_type, self.payloads_dropped) = (0, 0, 0);
    }
}
