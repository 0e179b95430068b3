//! What a bus remembers, and the order in which it forgets: R29.

use busway_core::machine::{Address, BusKey, Concurrency, EventStatus, Waiting};

use crate::desk::Desk;

/// A bus that remembers this many events and handles `e` with 1 and `c` with 2.
fn bus(desk: &mut Desk, name: &str, max_history: Option<usize>) -> BusKey {
    let bus = desk.bus_of(name, |bus| bus.max_history = max_history);
    desk.on(bus, "e", 1);
    desk.on(bus, "c", 2);
    bus
}

fn remembering(max_history: Option<usize>) -> (Desk, BusKey) {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a", max_history);
    (desk, bus)
}

#[test]
fn r29_the_default_is_fifty() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    for _ in 0..60 {
        desk.send(bus, "e");
    }
    desk.run();
    assert_eq!((desk.machine.history_len(bus), desk.machine.held().events), (50, 50));
    assert_eq!(desk.payloads.len(), 10, "what is forgotten is handed out");
}

#[test]
fn r29_history_holds_what_is_in_flight_too_in_order() {
    let (mut desk, bus) = remembering(Some(5));
    for label in ["e1", "e2", "e3"] {
        desk.send(bus, label);
    }
    desk.run();
    assert_eq!(desk.history(bus), ["e1", "e2", "e3"]);
    assert_eq!(desk.labels(desk.machine.newest(bus)), ["e3", "e2", "e1"]);
    desk.run_to_end();
    assert_eq!(desk.history(bus), ["e1", "e2", "e3"]);
}

#[test]
fn r29_completed_events_go_first_in_order_of_completion() {
    let (mut desk, bus) = remembering(Some(3));
    desk.send(bus, "e1");
    desk.run();
    desk.child("e1", bus, "c1");
    desk.send(bus, "x1");
    desk.ends("e1", 1);
    desk.run();
    desk.ends("c1", 2);
    desk.run();
    assert_eq!(desk.completed(), ["c1", "e1", "x1"]);
    desk.send(bus, "e2");
    assert_eq!(desk.history(bus), ["e1", "x1", "e2"], "the child before its parent");
    desk.send(bus, "e3");
    assert_eq!(desk.history(bus), ["x1", "e2", "e3"]);
}

#[test]
fn r29_then_started_ones_then_pending_ones() {
    let (mut desk, bus) = remembering(Some(3));
    for label in ["e1", "e2"] {
        desk.send_with(bus, label, |own| own.concurrency = Some(Concurrency::Parallel));
    }
    desk.run();
    desk.ends("e2", 1);
    for (label, left) in [
        ("e3", ["e1", "e2", "e3"]),
        ("e4", ["e1", "e3", "e4"]),
        ("e5", ["e3", "e4", "e5"]),
        ("e6", ["e4", "e5", "e6"]),
    ] {
        desk.send(bus, label);
        assert_eq!(desk.history(bus), left, "after {label}");
    }
}

#[test]
fn r29_what_has_just_started_before_older_pending_ones() {
    let (mut desk, bus) = remembering(Some(2));
    for label in ["e1", "e2"] {
        desk.send(bus, label);
    }
    desk.run();
    desk.child("e1", bus, "c1");
    assert_eq!(desk.history(bus), ["e2", "c1"]);
    desk.waits("e1", 1, "c1");
    assert_eq!(desk.take_off(bus), ("c1", 2));
    desk.send(bus, "e3");
    assert_eq!(desk.history(bus), ["e2", "e3"]);
}

#[test]
fn r29_leaving_history_does_not_touch_the_work() {
    let (mut desk, bus) = remembering(Some(1));
    for label in ["e1", "e2", "e3"] {
        desk.send(bus, label);
    }
    assert_eq!(desk.history(bus), ["e3"]);
    assert_eq!(desk.status("e1"), EventStatus::Pending);
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e2", 1), ("e3", 1)]);
    assert_eq!(desk.completed(), ["e1", "e2", "e3"]);
    assert_eq!(desk.history(bus), ["e3"]);
    assert_eq!(desk.machine.held().events, 1);
}

#[test]
fn r29_nor_waits_nor_parents_nor_forwarding() {
    let (mut desk, a) = remembering(Some(1));
    let b = bus(&mut desk, "b", Some(0));
    desk.forward(a, b);
    desk.send(a, "e1");
    desk.run();
    desk.child("e1", a, "c1");
    desk.child("e1", a, "c2");
    assert_eq!(desk.history(a), ["c2"]);
    desk.waits("e1", 1, "c1");
    assert_eq!(desk.run_to_end()[..1], [("c1", 2)]);
    assert_eq!(desk.machine.held().waits, 0);
    let mut completed = desk.completed();
    completed.sort_unstable();
    assert_eq!(completed, ["c1", "c2", "e1"]);
    assert_eq!(desk.path("e1"), ["a", "b"]);
}

const CONSUMER: Address<'_> = Address::Consumer("a");

/// The same, with a consumer.
fn serving(max_history: Option<usize>) -> (Desk, BusKey) {
    let (mut desk, bus) = remembering(max_history);
    desk.input(|machine| machine.on_address(bus, CONSUMER, "named", 7)).expect("it is free");
    (desk, bus)
}

fn request(desk: &mut Desk, bus: BusKey, label: &'static str) {
    let spec = desk.spec(label);
    desk.dispatch_to(bus, CONSUMER, label, spec).expect("accepted");
}

#[test]
fn r29_requests_do_not_push_out_events() {
    let (mut desk, bus) = serving(Some(2));
    desk.send(bus, "e1");
    for label in ["r1", "r2", "r3"] {
        request(&mut desk, bus, label);
    }
    desk.send(bus, "e2");
    assert_eq!(desk.history(bus), ["e1", "r1", "r2", "r3", "e2"], "all in flight");
    assert_eq!(desk.machine.history_len(bus), 5);
    desk.run();
    for (label, left) in [
        ("r2", vec!["e1", "r1", "r2", "r3", "e2"]),
        ("r3", vec!["e1", "r1", "r2", "r3", "e2"]),
        ("r1", vec!["e1", "r1", "r3", "e2"]),
    ] {
        desk.ends(label, 7);
        assert_eq!(desk.history(bus), left, "after {label}");
    }
    desk.send(bus, "e3");
    assert_eq!(desk.history(bus), ["r1", "r3", "e2", "e3"], "nor do events push out requests");
    desk.run_to_end();
    assert_eq!(desk.machine.history_len(bus), 4);
    desk.input(|machine| machine.clear(bus));
    assert_eq!(desk.machine.held().events, 0);
}

#[test]
fn r29_without_a_history_requests_in_flight_only() {
    let (mut desk, bus) = serving(Some(0));
    desk.send(bus, "e1");
    request(&mut desk, bus, "r1");
    request(&mut desk, bus, "r2");
    desk.run();
    assert_eq!(desk.history(bus), ["e1", "r1", "r2"]);
    desk.ends("r1", 7);
    assert_eq!(desk.history(bus), ["e1", "r2"]);
    desk.run_to_end();
    assert_eq!(desk.machine.held().events, 0);
}

#[test]
fn r29_zero_is_what_is_in_flight_only() {
    let (mut desk, bus) = remembering(Some(0));
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    desk.run();
    assert_eq!(desk.history(bus), ["e1", "e2"]);
    desk.ends("e1", 1);
    assert_eq!(desk.history(bus), ["e2"]);
    desk.run_to_end();
    assert_eq!(desk.machine.held().events, 0);
    assert_eq!(desk.payloads, ["e1", "e2"]);
}

#[test]
fn r29_none_is_all() {
    let mut desk = Desk::big();
    let bus = bus(&mut desk, "a", None);
    for _ in 0..1_000 {
        desk.send(bus, "nobody");
        desk.run();
    }
    assert_eq!(desk.machine.history_len(bus), 1_000);
    assert_eq!(desk.payloads.len(), 0);
}

#[test]
fn r29_an_event_is_kept_while_one_history_remembers_it() {
    let (mut desk, a) = remembering(Some(1));
    let b = bus(&mut desk, "b", Some(1));
    desk.forward(a, b);
    let event = desk.send(a, "e1");
    desk.run_to_end();
    desk.send(b, "e2");
    desk.run_to_end();
    assert_eq!((desk.history(a), desk.history(b)), (vec!["e1"], vec!["e2"]));
    assert_eq!(desk.machine.payload(event), Some(&"e1"));
    desk.send(a, "c1");
    desk.run_to_end();
    assert_eq!(desk.machine.payload(event), None);
    assert_eq!(desk.payloads.first(), Some(&"e1"));
}

#[test]
fn r29_an_event_may_outlive_the_bus_it_was_dispatched_on() {
    let (mut desk, a) = remembering(Some(5));
    let b = bus(&mut desk, "b", Some(5));
    desk.forward(a, b);
    let event = desk.send(a, "e1");
    desk.run_to_end();
    desk.remove_bus(a);
    assert_eq!(desk.history(b), ["e1"]);
    assert_eq!(desk.machine.path(event).len(), 0, "the path left with the completion");
    assert_eq!(desk.path("e1"), ["a", "b"]);
    bus(&mut desk, "c", Some(5));
    assert_eq!(desk.machine.path(event).len(), 0);
    desk.remove_bus(b);
    assert_eq!(desk.machine.held().events, 0);
}

#[test]
fn r29_child_of_walks_the_links_that_are_left() {
    let (mut desk, bus) = remembering(Some(3));
    desk.send(bus, "e1");
    desk.run();
    let children = ["c1", "c2"].map(|label| desk.child("e1", bus, label));
    desk.run_to_end();
    assert_eq!(desk.machine.children(desk.event("e1")), children);
    desk.send(bus, "e2");
    assert_eq!(desk.machine.children(desk.event("e1")), children[1..]);
    desk.send(bus, "e3");
    assert_eq!(desk.machine.children(desk.event("e1")), []);
}

#[test]
fn r29_a_forgotten_event_reads_as_completed() {
    let (mut desk, bus) = remembering(Some(0));
    let event = desk.send(bus, "e1");
    desk.run_to_end();
    assert_eq!(desk.machine.status(event), EventStatus::Completed);
    assert_eq!((desk.machine.depth(event), desk.machine.event_type(event)), (None, None));
    assert_eq!((desk.machine.path(event).len(), desk.machine.results(event).len()), (0, 0));
    desk.send(bus, "e2");
    desk.run();
    let invocation = desk.invocation("e2", 1);
    assert_eq!(desk.input(|machine| machine.wait(invocation, event)), Ok(Waiting::Over));
}
