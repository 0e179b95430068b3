//! Slots are lent and retaken: R14.

use super::*;

#[test]
fn r14_the_newest_wait_comes_first() {
    let (mut desk, a) = parent_and_others();
    for label in ["c1", "c2"] {
        desk.child("p1", a, label);
        desk.waits("p1", 1, label);
    }
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.child("c1", a, "g1");
    desk.waits("c1", 2, "g1");
    assert_eq!(desk.run(), [("g1", 3)], "before c2, which was raised earlier");
    desk.ends("g1", 3);
    assert_eq!(desk.run(), [], "c1 goes on");
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [("c2", 2)]);
}

#[test]
fn r14_the_slot_is_retaken_in_the_step_the_wait_ends() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.send(b, "p2");
    assert_eq!(desk.run(), [("c1", 2), ("p2", 1)]);
    desk.waits("p2", 1, "x2");
    assert_eq!(desk.run(), [], "c1 has the slot");
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [], "p1 has it again before x2 can take it");
    desk.ends("p1", 1);
    assert_eq!(desk.run(), [("x2", 4)]);
}

#[test]
fn r14_if_another_holds_it_then_both_run() {
    let (mut desk, _) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("p1", b, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    let wait = desk.waits("c1", 2, "x2");
    assert_eq!(desk.run(), [("x2", 4)]);
    desk.end_wait(wait);
    desk.ends("c1", 2);
    assert_eq!(desk.running(), [("p1", 1), ("x2", 4)]);
    assert_eq!(desk.run(), []);
    desk.ends("p1", 1);
    assert_eq!(desk.run(), [], "x2 still has the slot");
    desk.ends("x2", 4);
    assert_eq!(desk.run(), [("x1", 4)]);
}

#[test]
fn r14_a_dropped_wait_gives_what_has_not_started_its_place_back() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.send(a, "x3");
    let wait = desk.waits("p1", 1, "c1");
    desk.end_wait(wait);
    assert_eq!(desk.run(), []);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("c1", 2), ("x3", 4)]);
}

#[test]
fn r14_after_a_dropped_wait_what_has_started_goes_on() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    let wait = desk.waits("p1", 1, "c1");
    desk.run();
    desk.end_wait(wait);
    assert_eq!(desk.running(), [("p1", 1), ("c1", 2)]);
    assert_eq!(desk.cancelled(), []);
    desk.ends("p1", 1);
    assert_eq!(desk.run(), [], "c1 has the slot");
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [("x1", 4)]);
}

#[test]
fn r14_late_children_of_what_is_no_longer_awaited_wait_their_turn() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    let wait = desk.waits("p1", 1, "c1");
    desk.run();
    desk.end_wait(wait);
    desk.child("c1", a, "g1");
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("g1", 3)]);
}

#[test]
fn r14_a_dropped_wait_leaves_the_other_one_its_claim() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    for (bus, label) in [(a, "p1"), (b, "p2"), (c, "x1"), (c, "x2"), (c, "x3")] {
        desk.send(bus, label);
    }
    desk.run();
    desk.waits("p1", 1, "x3");
    let newer = desk.waits("p2", 1, "x3");
    desk.end_wait(newer);
    desk.end_wait(newer);
    desk.ends("x1", 4);
    assert_eq!(desk.run(), [("x3", 4)]);
}

#[test]
fn r14_a_completed_event_is_not_waited_for() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.ends("c1", 2);
    assert_eq!(desk.try_wait("p1", 1, "c1"), Ok(Waiting::Over));
    assert_eq!(desk.run(), [], "no slot is lent for it");
}

#[test]
fn r14_nor_is_one_that_is_forgotten() {
    let mut desk = Desk::new();
    let a = desk.bus_of("a", |bus| bus.max_history = Some(0));
    let b = bus(&mut desk, "b");
    desk.send(a, "c1");
    desk.send(b, "p1");
    desk.run();
    assert_eq!(desk.machine.payload(desk.event("c1")), None);
    assert_eq!(desk.try_wait("p1", 1, "c1"), Ok(Waiting::Over));
}

#[test]
fn r14_two_waiters_both_resolve_and_handlers_run_once() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    for (bus, label) in [(a, "p1"), (b, "p2"), (a, "x1"), (b, "x2")] {
        desk.send(bus, label);
    }
    desk.run();
    desk.send(c, "c1");
    desk.waits("p1", 1, "c1");
    desk.waits("p2", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.ends("c1", 2);
    assert_eq!(desk.machine.held().waits, 0);
    assert_eq!(desk.run(), []);
    assert_eq!(desk.completed(), ["c1"]);
}

#[test]
fn r14_two_waits_of_one_handler_for_one_event() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    let first = desk.waits("p1", 1, "c1");
    desk.waits("p1", 1, "c1");
    desk.end_wait(first);
    assert_eq!(desk.run(), [("c1", 2)], "the other wait holds");
    desk.ends("c1", 2);
    assert_eq!((desk.machine.held().waits, desk.run().len()), (0, 0));
}

#[test]
fn r14_a_handler_that_still_waits_for_another_has_not_retaken() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("p1", b, "c1");
    desk.child("p1", a, "c2");
    desk.child("p1", a, "c3");
    desk.waits("p1", 1, "c1");
    desk.waits("p1", 1, "c2");
    assert_eq!(desk.run().len(), 2);
    desk.ends("c2", 2);
    assert_eq!(desk.run(), [], "no wait for c3, and p1 waits for c1");
    desk.waits("p1", 1, "c3");
    assert_eq!(desk.run(), [("c3", 2)]);
}

#[test]
fn r14_the_wait_of_an_invocation_that_ended_is_nobodys() {
    let (mut desk, _) = parent_and_others();
    let ended = desk.invocation("p1", 1);
    desk.ends("p1", 1);
    let x2 = desk.event("x2");
    assert_eq!(desk.input(|machine| machine.wait(ended, x2)), Ok(Waiting::Nobodys));
    assert_eq!(desk.run(), [("x1", 4)], "it raises nothing");
}

#[test]
fn r14_a_handler_beside_the_one_that_waits_keeps_the_slot() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.on(a, "p", 5);
    desk.send_with(a, "p1", |own| own.handler_order = Some(HandlerOrder::Parallel));
    desk.run();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), []);
    desk.ends("p1", 5);
    assert_eq!(desk.run(), [("c1", 2)]);
}

#[test]
fn r14_a_parallel_event_has_no_slot_to_lend() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.send_with(a, "x3", |own| own.concurrency = Some(Concurrency::Parallel));
    assert_eq!(desk.run(), [], "it does not overtake x1");
    desk.waits("c1", 2, "x3");
    assert_eq!(desk.run(), [("x3", 4)], "raised, it needs nobody's");
}

#[test]
fn r14_hub_serial_events_lend_the_hub_to_raised_ones_only() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| {
        let bus = desk.bus_of(name, |bus| bus.concurrency = Concurrency::HubSerial);
        for (event_type, handler) in [("p", 1), ("c", 2), ("x", 4)] {
            desk.on(bus, event_type, handler);
        }
        bus
    });
    desk.send(a, "p1");
    desk.send(c, "x1");
    assert_eq!(desk.run(), [("p1", 1)]);
    desk.child("p1", b, "c1");
    assert_eq!(desk.run(), []);
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2)], "not x1, which waited longer");
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [], "p1 has the hub again");
    desk.ends("p1", 1);
    assert_eq!(desk.run(), [("x1", 4)]);
}

#[test]
fn r14_a_lent_hub_is_not_there_for_queued_events() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    let hub_serial = Some(Concurrency::HubSerial);
    desk.send_with(a, "p1", |own| own.concurrency = hub_serial);
    desk.send(b, "c1");
    desk.run();
    desk.waits("p1", 1, "c1");
    desk.send_with(c, "x1", |own| own.concurrency = hub_serial);
    assert_eq!(desk.run(), []);
    desk.ends("c1", 2);
    desk.ends("p1", 1);
    assert_eq!(desk.run(), [("x1", 4)]);
}

#[test]
fn r14_a_raised_hub_serial_event_waits_for_who_holds_the_hub() {
    let mut desk = Desk::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| bus(&mut desk, name));
    let hub_serial = Some(Concurrency::HubSerial);
    desk.send_with(c, "x1", |own| own.concurrency = hub_serial);
    desk.send(a, "p1");
    desk.run();
    desk.send_with(d, "x3", |own| own.concurrency = hub_serial);
    desk.send_with(b, "x2", |own| own.concurrency = hub_serial);
    desk.waits("p1", 1, "x2");
    assert_eq!(desk.run(), []);
    desk.ends("x1", 4);
    assert_eq!(desk.run(), [("x2", 4)]);
    desk.ends("x2", 4);
    assert_eq!(desk.run(), [("x3", 4)]);
}

/// Each handler dispatches what it handles and waits for it.
fn nested(depth: usize) -> (Desk, BusKey) {
    let mut desk = Desk::big();
    let a = desk.bus_of("a", |bus| bus.max_pending_children = None);
    desk.on(a, "p", 1);
    desk.send(a, "p");
    desk.run();
    for _ in 1..depth {
        desk.child("p", a, "p");
        desk.waits("p", 1, "p");
        assert_eq!(desk.run(), [("p", 1)]);
    }
    assert_eq!(desk.machine.held().waits, depth - 1);
    (desk, a)
}

#[test]
fn r14_ten_thousand_nested_waits_end_from_the_inside() {
    let (mut desk, a) = nested(10_000);
    desk.send(a, "p");
    for _ in 0..10_000 {
        assert_eq!(desk.run(), []);
        desk.ends("p", 1);
    }
    assert_eq!(desk.completed().len(), 10_000);
    assert_eq!(desk.run(), [("p", 1)], "what was queued comes last");
    desk.audit();
}

#[test]
fn r14_ten_thousand_nested_waits_end_with_their_root() {
    let (mut desk, a) = nested(10_000);
    desk.pass(secs(60));
    assert_eq!(desk.cancelled().len(), 10_000);
    assert_eq!(desk.completed().len(), 10_000);
    assert!(desk.machine.is_idle(a));
    desk.audit();
}

#[test]
fn r14_ten_thousand_generations_are_raised_and_lowered() {
    let mut desk = Desk::big();
    let (a, b) = (desk.bus_of("a", |bus| bus.max_pending_children = None), desk.bus("b"));
    desk.on(a, "x", 1);
    desk.on(b, "p", 2);
    desk.send(a, "x1");
    desk.send(b, "p1");
    desk.run();
    let root = desk.send(a, "x");
    for _ in 0..10_000 {
        desk.child("x", a, "x");
    }
    let waiter = desk.invocation("p1", 2);
    let Ok(Waiting::Begun(wait)) = desk.input(|machine| machine.wait(waiter, root)) else {
        panic!("p1 may wait");
    };
    desk.end_wait(wait);
    assert_eq!(desk.run_to_end().len(), 10_001);
    assert_eq!(desk.completed().len(), 10_003);
}

#[test]
fn r13_who_waited_is_resumed_when_the_event_is_done() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.send(b, "p2");
    desk.run();
    desk.waits("p2", 1, "c1");
    desk.ends("c1", 2);
    assert_eq!(desk.resumed(), [(a, ("p1", 1)), (b, ("p2", 1))], "each on its bus");
    desk.ends("p1", 1);
    desk.ends("p2", 1);
    assert_eq!(desk.resumed(), [], "an end that nobody waits for");
}

#[test]
fn r13_a_wait_that_was_given_up_resumes_nobody() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    let wait = desk.waits("p1", 1, "c1");
    desk.run();
    desk.end_wait(wait);
    desk.ends("c1", 2);
    assert_eq!(desk.resumed(), []);
}

#[test]
fn r13_nor_is_an_invocation_resumed_that_has_ended() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.ends("p1", 1);
    desk.ends("c1", 2);
    assert_eq!(desk.resumed(), []);
}

#[test]
fn r13_nor_is_one_that_is_woken_otherwise() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    let (waiter, event) = (desk.invocation("p1", 1), desk.event("c1"));
    assert!(desk.input(|machine| machine.wait(waiter, event)).is_ok());
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.ends("c1", 2);
    assert_eq!(desk.resumed(), []);
}
