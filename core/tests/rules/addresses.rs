//! Requests and topics, and retries of handlers: R35–R39, R45.

use busway_core::machine::{
    Address, BusKey, Concurrency, Limit, Outcome, Overrides, Refusal, Retries,
};

use crate::desk::{Desk, at, secs};

const CONSUMER: Address<'_> = Address::Consumer("a");
const TOPIC: Address<'_> = Address::Topic("t");

fn desk() -> (Desk, BusKey) {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    (desk, bus)
}

fn listen(desk: &mut Desk, bus: BusKey, address: Address<'_>, handler: u32) {
    desk.input(|machine| machine.on_address(bus, address, "named", handler)).expect("it is free");
}

fn send_to(desk: &mut Desk, bus: BusKey, address: Address<'_>, label: &'static str) {
    let spec = desk.spec(label);
    desk.dispatch_to(bus, address, label, spec).expect("accepted");
}

fn retrying(retries: Retries, limit: Limit) -> impl FnOnce(&mut Overrides) {
    move |own| (own.retries, own.limit) = (Some(retries), limit)
}

#[test]
fn r36_requests_run_next_to_the_queue_and_to_each_other() {
    let (mut desk, bus) = desk();
    listen(&mut desk, bus, CONSUMER, 7);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    assert_eq!(desk.run(), [("e1", 1)]);
    send_to(&mut desk, bus, CONSUMER, "r1");
    send_to(&mut desk, bus, CONSUMER, "r2");
    assert_eq!(desk.run(), [("r1", 7), ("r2", 7)]);
}

#[test]
fn r36_a_request_takes_no_slot() {
    for concurrency in [Concurrency::BusSerial, Concurrency::HubSerial] {
        let mut desk = Desk::new();
        let bus = desk.bus_of("a", |bus| bus.concurrency = concurrency);
        desk.on(bus, "e", 1);
        listen(&mut desk, bus, CONSUMER, 7);
        desk.send(bus, "e1");
        desk.send(bus, "e2");
        desk.run();
        send_to(&mut desk, bus, CONSUMER, "r1");
        assert_eq!(desk.run(), [("r1", 7)]);
        desk.ends("e1", 1);
        assert_eq!(desk.run(), [("e2", 1)], "the queue goes on while the request runs");
    }
}

#[test]
fn r36_nobody_at_the_address() {
    let (mut desk, bus) = desk();
    let spec = desk.spec("r1");
    assert_eq!(desk.dispatch_to(bus, CONSUMER, "r1", spec), Err(Refusal::NotFound));
}

#[test]
fn r36_requests_take_no_capacity() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.max_pending = Some(1));
    listen(&mut desk, bus, CONSUMER, 7);
    for label in ["r1", "r2", "r3"] {
        send_to(&mut desk, bus, CONSUMER, label);
    }
    desk.send(bus, "e1");
    desk.run_to_end();
    assert_eq!(desk.completed().len(), 4);
}

#[test]
fn r36_a_request_that_is_awaited_lends_like_an_event() {
    let (mut desk, bus) = desk();
    listen(&mut desk, bus, CONSUMER, 7);
    desk.send(bus, "e1");
    desk.run();
    let spec = desk.spec("r1").child_of(desk.event("e1"), 0);
    desk.dispatch_to(bus, CONSUMER, "r1", spec).expect("accepted");
    desk.waits("e1", 1, "r1");
    assert_eq!(desk.run(), [("r1", 7)]);
    // The event that the consumer awaits is raised past the queued one.
    desk.send(bus, "e2");
    desk.child("r1", bus, "e3");
    desk.waits("r1", 7, "e3");
    assert_eq!(desk.run(), [("e3", 1)]);
}

#[test]
fn r38_listeners_start_in_order_together_and_nobody_is_fine() {
    let (mut desk, bus) = desk();
    send_to(&mut desk, bus, TOPIC, "v0");
    desk.run();
    assert_eq!(desk.completed(), ["v0"]);
    for handler in [7, 8, 9] {
        listen(&mut desk, bus, TOPIC, handler);
    }
    send_to(&mut desk, bus, TOPIC, "v1");
    assert_eq!(desk.run(), [("v1", 7), ("v1", 8), ("v1", 9)]);
    desk.fails("v1", 8, 1);
    desk.ends("v1", 7);
    assert!(desk.completed().is_empty(), "it ends when all have");
    desk.ends("v1", 9);
    assert_eq!(desk.completed(), ["v1"]);
}

#[test]
fn r39_what_is_registered_is_listed_and_removed_without_trace() {
    let (mut desk, bus) = desk();
    let handlers = desk.machine.handler_count(bus);
    listen(&mut desk, bus, CONSUMER, 7);
    listen(&mut desk, bus, TOPIC, 8);
    assert_eq!(desk.machine.consumers(bus).len(), 1);
    assert_eq!(desk.machine.at_address(bus, TOPIC).len(), 1);
    for address in [CONSUMER, TOPIC] {
        let key = desk.machine.at_address(bus, address)[0].info.key;
        assert!(desk.input(|machine| machine.off(key)).is_some());
        assert!(desk.input(|machine| machine.off(key)).is_none(), "harmless");
        assert!(desk.machine.at_address(bus, address).is_empty());
    }
    assert_eq!(desk.machine.handler_count(bus), handlers);
}

#[test]
fn r45_a_failed_handler_rests_and_is_tried_again_in_its_row() {
    let (mut desk, bus) = desk();
    let mut retries = Retries::new(2, secs(3));
    retries.backoff_factor = 2.0;
    desk.send_with(bus, "e1", retrying(retries, Limit::Inherit));
    desk.send(bus, "e2");
    desk.run();
    desk.fails("e1", 1, 11);
    assert!(desk.run().is_empty(), "it rests, and holds its place");
    assert_eq!(desk.machine.next_deadline(bus), Some(at(3)));
    desk.pass(secs(3));
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.fails("e1", 1, 12);
    assert_eq!(desk.machine.next_deadline(bus), Some(at(9)), "twice the rest");
    desk.pass(secs(6));
    desk.run();
    desk.fails("e1", 1, 13);
    assert_eq!(desk.retried, [11, 12], "errors of tries that were not the last");
    assert_eq!(desk.rows("e1"), [("1", Outcome::Failed(13))]);
    let tries: Vec<_> = desk.done("e1").results.iter().map(|row| row.tries).collect();
    assert_eq!(tries, [3]);
    assert_eq!(desk.run(), [("e2", 1)]);
}

#[test]
fn r45_each_try_has_its_own_limit() {
    let (mut desk, bus) = desk();
    desk.send_with(bus, "e1", retrying(Retries::new(1, secs(1)), Limit::After(secs(5))));
    desk.run();
    desk.pass(secs(5));
    assert_eq!(desk.cancelled(), [("e1", 1)], "the first try is dropped");
    desk.pass(secs(1));
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.pass(secs(4));
    desk.returns("e1", 1, 3);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Value(3))]);
}

#[test]
fn r45_a_rest_ends_with_the_bus() {
    let (mut desk, bus) = desk();
    desk.send_with(bus, "e1", retrying(Retries::new(5, secs(60)), Limit::Inherit));
    desk.run();
    desk.fails("e1", 1, 11);
    desk.input(|machine| machine.stop(bus, at(1)));
    assert_eq!(desk.completed(), ["e1"]);
    assert_eq!(desk.done("e1").results.as_slice()[0].tries, 1, "the next was not made");
    assert_eq!(desk.machine.held().timers, 0);
}
