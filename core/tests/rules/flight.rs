//! An invocation that has just started is not in the machine's books yet, which must not be visible.

use busway_core::Instant;
use busway_core::machine::{
    BusKey, EventKey, EventStatus, HandlerKey, Held, InvocationKey, Machine, Next, Rows,
};

use crate::desk::{Desk, secs};

/// Everything the machine tells about a bus and the event it runs.
#[derive(Debug, PartialEq)]
struct Told {
    status: EventStatus,
    started_at: Option<Instant>,
    rows: Rows<u32>,
    handler: Option<HandlerKey>,
    ends_at: Option<Instant>,
    looked_at: Option<Instant>,
    queued: Vec<EventKey>,
    incomplete: usize,
    is_idle: bool,
    in_memory: Vec<(usize, usize, usize)>,
    history: Vec<EventKey>,
    held: Held,
}

impl Told {
    fn of(
        machine: &Machine<&'static str, u32, u32>,
        bus: BusKey,
        event: EventKey,
        by: InvocationKey,
    ) -> Self {
        let memory = machine.memory();
        Self {
            status: machine.status(event),
            started_at: machine.started_at(event),
            rows: machine.results(event),
            handler: machine.handler_of(by),
            ends_at: machine.deadline(by),
            looked_at: machine.next_deadline(bus),
            queued: machine.queued(bus).collect(),
            incomplete: machine.incomplete(bus),
            is_idle: machine.is_idle(bus),
            in_memory: memory.iter().map(|bus| (bus.events, bus.incomplete, bus.queued)).collect(),
            history: machine.history(bus).collect(),
            held: machine.held(),
        }
    }
}

/// Checks this handler out of this many on the bus, just started, with an event queued behind it.
fn told_of(handlers: u32, started: u32) {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    for handler in 1..=handlers {
        desk.on(bus, "e", handler);
    }
    let event = desk.send(bus, "e1");
    desk.send(bus, "e2");
    for handler in 1..started {
        assert_eq!(desk.take_off(bus), ("e1", handler));
        desk.now = desk.now + secs(1);
        desk.returns("e1", handler, handler);
    }
    assert_eq!(desk.take_off(bus), ("e1", started));
    desk.now = desk.now + secs(1);
    let by = desk.invocation("e1", started);
    let in_flight = Told::of(&desk.machine, bus, event, by);
    assert_eq!(in_flight.rows.len(), handlers as usize);
    assert_eq!((in_flight.queued.len(), in_flight.held.invocations), (1, 1));
    let now = desk.now;
    let asked = desk.input(|machine| matches!(machine.next(bus, now), Next::Idle));
    assert!(asked, "who runs excludes the next");
    assert_eq!(in_flight, Told::of(&desk.machine, bus, event, by), "{started} of {handlers}");
}

#[test]
fn r19_what_has_just_started_is_told_of_as_what_has_run_for_long() {
    for (handlers, started) in [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)] {
        told_of(handlers, started);
    }
}
