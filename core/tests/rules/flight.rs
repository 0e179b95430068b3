//! An invocation that has just started is not in the machine's books yet, which must not be visible.

use busway_core::Instant;
use busway_core::machine::{
    Action, BusKey, EventKey, EventStatus, HandlerKey, Held, InvocationKey, Machine, Next, Outcome,
    Output, Rows,
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

#[test]
fn r9_a_handler_that_ends_is_followed_by_the_next_one_in_the_same_step() {
    let mut desk = Desk::new();
    let (bus, other) = (desk.bus("a"), desk.bus("b"));
    for handler in 1..=3 {
        desk.on(bus, "e", handler);
    }
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    assert_eq!(desk.take_off(bus), ("e1", 1));
    assert_eq!(desk.ends_then_next(("e1", 1), bus), Some(("e1", 2)));
    assert_eq!(desk.ends_then_next(("e1", 2), bus), Some(("e1", 3)));
    assert_eq!(desk.ends_then_next(("e1", 3), bus), Some(("e2", 1)));
    assert_eq!(desk.ends_then_next(("e2", 1), other), None, "nobody has asked this bus");
    assert_eq!(desk.take_off(bus), ("e2", 2));
    desk.now = desk.now + secs(60);
    desk.timed_out(bus);
    assert_eq!(desk.machine.status(desk.event("e2")), EventStatus::Started);
    assert_eq!(desk.take_off(bus), ("e2", 3), "the one before it was out of time");
    assert_eq!(desk.ends_then_next(("e2", 3), bus), None);
    assert!(desk.machine.is_idle(bus));
}

#[test]
fn r15_what_goes_on_comes_before_the_next_handler() {
    let mut desk = Desk::new();
    let [parents, children, bus] = ["a", "b", "c"].map(|name| desk.bus(name));
    desk.on(parents, "p", 1);
    desk.on(children, "x", 1);
    desk.on(bus, "e", 1);
    desk.on(bus, "e", 2);
    desk.send(parents, "p1");
    assert_eq!(desk.take_off(parents), ("p1", 1));
    desk.child("p1", children, "x1");
    desk.waits("p1", 1, "x1");
    assert_eq!(desk.take_off(children), ("x1", 1));
    desk.send(bus, "e1");
    // Nobody takes what this says: the parent goes on.
    let (child, now) = (desk.invocation("x1", 1), desk.now);
    assert_eq!(desk.machine.finished(child, Outcome::Empty, now), None);
    let Next::Run(first) = desk.machine.next(bus, now) else { panic!("e1 starts") };
    let (_, next) = desk.machine.finished_then_next(bus, first.invocation, Outcome::Empty, now);
    assert!(matches!(next, Next::Again), "{next:?}");
    let said: Vec<_> = desk.machine.outputs().collect();
    assert!(said.iter().any(|output| matches!(output, Output::Resumed { .. })), "{said:?}");
    let Next::Run(second) = desk.machine.next(bus, now) else { panic!("its other handler starts") };
    assert!(matches!(second.handler.action, Action::Call(2)));
}
