//! Events that are written before they start: R42, R44.

use busway_core::machine::{BusKey, Cause, Concurrency, EventStatus, Outcome, Refusal};

use crate::desk::{Desk, at, secs};

/// A write-ahead bus with handler 1 of `e` and handler 2 of `c`.
fn ahead(desk: &mut Desk) -> BusKey {
    let bus = desk.bus_of("a", |bus| bus.write_ahead = true);
    desk.on(bus, "e", 1);
    desk.on(bus, "c", 2);
    bus
}

fn written(desk: &mut Desk, bus: BusKey, label: &str) {
    let event = desk.event(label);
    desk.input(|machine| machine.written(bus, event));
}

fn not_written(desk: &mut Desk, bus: BusKey, label: &str) {
    let (event, now) = (desk.event(label), desk.now);
    desk.input(|machine| machine.not_written(bus, event, now));
}

#[test]
fn r42_handlers_start_once_the_acceptance_is_written() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    let event = desk.send(bus, "e1");
    assert_eq!(desk.accepted, ["e1"]);
    assert!(desk.machine.is_held(bus, event));
    assert_eq!(desk.run(), []);
    assert_eq!(desk.status("e1"), EventStatus::Pending);
    written(&mut desk, bus, "e1");
    assert!(!desk.machine.is_held(bus, event));
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    assert_eq!(desk.completed(), ["e1"]);
}

#[test]
fn r42_a_bus_without_a_journal_says_nothing_and_holds_nothing() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    desk.send(bus, "e1");
    assert!(desk.accepted.is_empty());
    assert_eq!(desk.run(), [("e1", 1)]);
}

#[test]
fn r42_what_is_written_later_is_not_overtaken() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    written(&mut desk, bus, "e2");
    assert_eq!(desk.run(), [], "strictly in order");
    written(&mut desk, bus, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e2", 1)]);
    assert_eq!(desk.accepted, ["e1", "e2"]);
}

#[test]
fn r42_a_parallel_event_is_held_too() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    desk.send_with(bus, "e1", |own| own.concurrency = Some(Concurrency::Parallel));
    assert_eq!(desk.run(), []);
    written(&mut desk, bus, "e1");
    assert_eq!(desk.run(), [("e1", 1)]);
}

#[test]
fn r42_a_raised_event_is_held_too_and_nothing_goes_before_it() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    desk.send(bus, "e1");
    written(&mut desk, bus, "e1");
    desk.run();
    desk.send(bus, "e2");
    written(&mut desk, bus, "e2");
    desk.child("e1", bus, "c1");
    let wait = desk.waits("e1", 1, "c1");
    assert_eq!(desk.run(), [], "raised, and not written");
    written(&mut desk, bus, "c1");
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.ends("c1", 2);
    assert_eq!(desk.completed(), ["c1"]);
    desk.end_wait(wait);
    desk.ends("e1", 1);
    assert_eq!(desk.run_to_end(), [("e2", 1)]);
}

#[test]
fn r42_a_hub_serial_event_that_is_held_keeps_nobody_from_the_hub() {
    let mut desk = Desk::new();
    let held = desk.bus_of("a", |bus| {
        bus.write_ahead = true;
        bus.concurrency = Concurrency::HubSerial;
    });
    let other = desk.bus_of("b", |bus| bus.concurrency = Concurrency::HubSerial);
    desk.on(held, "e", 1);
    desk.on(other, "e", 2);
    desk.send(held, "e1");
    desk.send(other, "e2");
    assert_eq!(desk.run(), [("e2", 2)]);
    written(&mut desk, held, "e1");
    assert_eq!(desk.run(), [], "the hub is taken");
    desk.ends("e2", 2);
    assert_eq!(desk.run(), [("e1", 1)]);
}

#[test]
fn r42_an_event_that_is_forwarded_is_held_where_it_is_written() {
    let mut desk = Desk::new();
    let from = desk.bus("from");
    let bus = ahead(&mut desk);
    desk.on(from, "e", 3);
    desk.forward(from, bus);
    desk.send(from, "e1");
    assert_eq!(desk.run(), [("e1", 3)]);
    desk.ends("e1", 3);
    assert_eq!(desk.run(), []);
    assert_eq!(desk.accepted, ["e1"], "by the bus that writes");
    written(&mut desk, bus, "e1");
    assert_eq!(desk.run(), [("e1", 1)]);
}

#[test]
fn r42_requests_are_not_written() {
    use busway_core::machine::Address;
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.write_ahead = true);
    let made = desk.input(|machine| {
        machine.on_address(bus, Address::Consumer("double"), "double", 4).map(drop)
    });
    made.expect("the address is free");
    let spec = desk.spec("m1");
    desk.dispatch_to(bus, Address::Consumer("double"), "m1", spec).expect("a consumer");
    assert_eq!(desk.run(), [("m1", 4)]);
    assert!(desk.accepted.is_empty());
}

#[test]
fn r44_what_cannot_be_written_ends_with_a_cause() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    not_written(&mut desk, bus, "e1");
    assert_eq!(desk.completed(), ["e1"]);
    assert_eq!(desk.cause("e1"), Some(Cause::NotWritten));
    assert_eq!(desk.rows("e1"), []);
    written(&mut desk, bus, "e2");
    assert_eq!(desk.run_to_end(), [("e2", 1)], "what is behind it goes on");
    assert!(desk.machine.is_idle(bus));
}

#[test]
fn r44_a_handler_that_waits_for_it_is_told() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    desk.send(bus, "e1");
    written(&mut desk, bus, "e1");
    desk.run();
    desk.child("e1", bus, "c1");
    desk.waits("e1", 1, "c1");
    not_written(&mut desk, bus, "c1");
    assert_eq!(desk.completed(), ["c1"]);
    desk.returns("e1", 1, 7);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Value(7))]);
    assert_eq!(desk.cause("e1"), None);
}

#[test]
fn r44_a_bus_whose_journal_failed_refuses_and_goes_on_with_what_it_has() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    let from = desk.bus("from");
    desk.forward(from, bus);
    desk.send(bus, "e1");
    written(&mut desk, bus, "e1");
    desk.input(|machine| machine.refuse(bus));
    assert_eq!(desk.try_send(bus, "e2"), Err(Refusal::NotWritten));
    assert_eq!(desk.run(), [("e1", 1)]);
    assert_eq!(desk.try_child("e1", bus, "c1"), Err(Refusal::NotWritten));
    desk.send(from, "e3");
    desk.run_to_end();
    assert_eq!(desk.rows("e3"), [("to a", Outcome::TargetGone)]);
    desk.audit();
}

#[test]
fn r42_spurious_answers_do_nothing() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    let other = desk.bus("b");
    desk.send(bus, "e1");
    written(&mut desk, other, "e1");
    assert_eq!(desk.run(), []);
    written(&mut desk, bus, "e1");
    written(&mut desk, bus, "e1");
    not_written(&mut desk, bus, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 1)]);
    not_written(&mut desk, bus, "e1");
    assert_eq!(desk.cause("e1"), None);
}

#[test]
fn r32_a_held_event_is_cancelled_by_a_stop() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    desk.send(bus, "e1");
    desk.stop(bus);
    assert_eq!(desk.cause("e1"), Some(Cause::Stopped));
    written(&mut desk, bus, "e1");
    assert_eq!(desk.run(), []);
    assert!(desk.machine.is_idle(bus));
}

#[test]
fn r22_a_deadline_ends_a_held_event() {
    let mut desk = Desk::new();
    let bus = ahead(&mut desk);
    desk.send_with(bus, "e1", |own| own.deadline = Some(at(1)));
    desk.pass(secs(1));
    assert_eq!(desk.cause("e1"), Some(Cause::Deadline));
    written(&mut desk, bus, "e1");
    assert_eq!(desk.run(), []);
}
