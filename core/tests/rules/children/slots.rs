//! A handler that waits for a slot of a semaphore lends like one that waits for an event: R14, R46.

use busway_core::machine::{Cause, Completion, Outcome, Retries, Warning};

use super::*;

impl Desk {
    fn lends(&mut self, event: &'static str, handler: u32) {
        let invocation = self.invocation(event, handler);
        self.input(|machine| machine.lend(invocation));
    }

    fn retakes(&mut self, event: &'static str, handler: u32) {
        let invocation = self.invocation(event, handler);
        self.input(|machine| machine.retake(invocation));
    }
}

/// `p1` runs on bus `a`, with `x1` and `x2` behind it, and `p2` on bus `b`.
fn two_parents() -> (Desk, BusKey, BusKey) {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.send(b, "p2");
    assert_eq!(desk.run(), [("p2", 1)]);
    (desk, a, b)
}

#[test]
fn r14_who_waits_for_a_slot_lends_to_raised_events_only() {
    let (mut desk, a, _) = two_parents();
    desk.lends("p1", 1);
    assert_eq!(desk.run(), [], "what is queued stays");
    desk.child("p2", a, "c1");
    desk.waits("p2", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.retakes("p1", 1);
    desk.ends("c1", 2);
    assert_eq!(desk.resumed().len(), 1, "p2; the slot is not the machine's to give");
    desk.ends("p2", 1);
    assert_eq!(desk.run(), []);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4)]);
}

#[test]
fn r14_two_handlers_of_one_event_and_one_slot() {
    let mut desk = Desk::new();
    let a = desk.bus_of("a", |bus| bus.handler_order = HandlerOrder::Parallel);
    for (event_type, handler) in [("p", 1), ("p", 2), ("c", 3)] {
        desk.on(a, event_type, handler);
    }
    desk.send(a, "p1");
    assert_eq!(desk.run(), [("p1", 1), ("p1", 2)]);
    desk.lends("p1", 2);
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), [("c1", 3)], "the one that has the slot is not held up by the other");
    desk.ends("c1", 3);
    desk.ends("p1", 1);
    desk.retakes("p1", 2);
    desk.ends("p1", 2);
    assert_eq!(desk.completed(), ["c1", "p1"]);
}

#[test]
fn r14_the_bus_is_taken_back_when_the_slot_is_there() {
    let (mut desk, a, _) = two_parents();
    desk.lends("p1", 1);
    desk.retakes("p1", 1);
    desk.child("p2", a, "c1");
    desk.waits("p2", 1, "c1");
    assert_eq!(desk.run(), []);
    desk.retakes("p1", 1);
    desk.lends("p1", 1);
    assert_eq!(desk.run(), [("c1", 2)], "one too many counts for nothing");
    desk.retakes("p1", 1);
    assert_eq!(desk.running(), [("p1", 1), ("p2", 1), ("c1", 2)], "then both run");
}

#[test]
fn r14_several_waits_for_slots_are_counted() {
    let (mut desk, a, _) = two_parents();
    desk.lends("p1", 1);
    desk.lends("p1", 1);
    desk.retakes("p1", 1);
    desk.child("p2", a, "c1");
    desk.waits("p2", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2)], "it still waits for one");
    desk.ends("c1", 2);
    desk.retakes("p1", 1);
    desk.child("p2", a, "c2");
    desk.waits("p2", 1, "c2");
    assert_eq!(desk.run(), []);
}

#[test]
fn r14_a_wait_for_a_slot_and_one_for_an_event_lend_until_both_are_over() {
    for slot_first in [true, false] {
        let (mut desk, a, b) = two_parents();
        desk.lends("p1", 1);
        desk.child("p1", b, "c1");
        let wait = desk.waits("p1", 1, "c1");
        if slot_first {
            desk.retakes("p1", 1);
        } else {
            desk.end_wait(wait);
        }
        desk.child("p2", a, "c2");
        desk.waits("p2", 1, "c2");
        let started = desk.run();
        assert!(started.contains(&("c2", 2)), "slot first {slot_first}: {started:?}");
        desk.ends("c2", 2);
        if slot_first {
            desk.end_wait(wait);
        } else {
            desk.retakes("p1", 1);
        }
        desk.child("p2", a, "c3");
        desk.waits("p2", 1, "c3");
        assert_eq!(desk.run(), [], "slot first {slot_first}");
    }
}

#[test]
fn r13_a_wait_for_a_slot_raises_nothing_and_dates_no_wait() {
    let (mut desk, a, _) = two_parents();
    desk.lends("p1", 1);
    desk.waits("p2", 1, "x2");
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2)], "c1 is the newer wait, and raised at all");
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [("x2", 4)], "p1 still waits for its slot");
}

#[test]
fn r15_a_wait_for_a_slot_is_part_of_no_cycle() {
    let (mut desk, a, b) = two_parents();
    desk.lends("p1", 1);
    desk.waits("p2", 1, "p1");
    desk.lends("p2", 1);
    let two = cycle(desk.try_wait("p1", 1, "p2"));
    assert_eq!(desk.labels(two), ["p1", "p2"], "one by events is still found");
    let p1 = desk.invocation("p1", 1);
    assert!(desk.machine.check_idle_wait(p1, a).is_err(), "its own bus");
    desk.retakes("p2", 1);
    desk.ends("p1", 1);
    desk.ends("p2", 1);
    assert!(desk.machine.is_idle(b));
}

#[test]
fn r14_a_hub_serial_event_that_waits_for_a_slot_lends_the_hub_too() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    let hub_serial = Some(Concurrency::HubSerial);
    desk.send_with(a, "p1", |own| own.concurrency = hub_serial);
    desk.send(b, "p2");
    desk.run();
    desk.send_with(c, "x1", |own| own.concurrency = hub_serial);
    desk.waits("p2", 1, "x1");
    assert_eq!(desk.run(), []);
    desk.lends("p1", 1);
    assert_eq!(desk.run(), [("x1", 4)]);
}

#[test]
fn r14_one_that_ends_while_it_waits_for_a_slot_is_out_of_the_books() {
    let ends: [fn(&mut Desk, BusKey); 4] = [
        |desk, _| desk.ends("p1", 1),
        |desk, _| desk.pass(secs(60)),
        |desk, _| {
            let (event, now) = (desk.event("p1"), desk.now);
            desk.input(|machine| machine.abort(event, Cause::Aborted, now));
        },
        Desk::stop,
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let (mut desk, a) = parent_and_others();
        let invocation = desk.invocation("p1", 1);
        desk.lends("p1", 1);
        desk.lends("p1", 1);
        end(&mut desk, a);
        assert_eq!(desk.status("p1"), EventStatus::Completed, "end {number}");
        desk.input(|machine| machine.retake(invocation));
        desk.input(|machine| machine.lend(invocation));
        desk.run_to_end();
        let mut completed = desk.completed();
        completed.sort_unstable();
        assert_eq!(completed, ["p1", "x1", "x2"], "end {number}");
    }
}

#[test]
fn r11_those_in_line_end_when_another_is_first() {
    let mut desk = Desk::new();
    let a = desk.bus_of("a", |bus| {
        bus.handler_order = HandlerOrder::Parallel;
        bus.completion = Completion::First;
    });
    for (event_type, handler) in [("p", 1), ("p", 2), ("x", 4)] {
        desk.on(a, event_type, handler);
    }
    desk.send(a, "p1");
    desk.send(a, "x1");
    desk.run();
    desk.lends("p1", 2);
    desk.returns("p1", 1, 7);
    assert_eq!(desk.cancelled(), [("p1", 2)]);
    assert_eq!(desk.run(), [("x1", 4)]);
}

#[test]
fn r45_a_rest_does_not_lend_even_after_a_wait_for_a_slot() {
    let (mut desk, a, b) = two_parents();
    desk.ends("p1", 1);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4)]);
    desk.send(b, "p2");
    desk.send_with(a, "p1", |own| own.retries = Some(Retries::new(1, secs(1))));
    desk.run();
    desk.lends("p1", 1);
    desk.fails("p1", 1, 9);
    desk.child("p2", a, "c1");
    desk.waits("p2", 1, "c1");
    assert_eq!(desk.run(), [], "it holds its place on the bus");
    desk.pass(secs(1));
    assert_eq!(desk.run(), [("p1", 1)]);
    desk.retakes("p1", 1);
    assert_eq!(desk.run(), [], "the next try has nothing to retake");
    desk.lends("p1", 1);
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.retakes("p1", 1);
    desk.returns("p1", 1, 7);
    assert_eq!(desk.rows("p1"), [("1", Outcome::Value(7))]);
}

#[test]
fn r25_the_report_of_a_slow_handler_names_the_slot() {
    let (mut desk, _, b) = two_parents();
    desk.lends("p1", 1);
    desk.child("p2", b, "c1");
    desk.waits("p2", 1, "c1");
    desk.lends("p2", 1);
    desk.pass(secs(15));
    let texts: Vec<_> = desk.warnings.iter().map(ToString::to_string).collect();
    let ends = |text: &str| texts.iter().any(|slow| slow.ends_with(text));
    assert!(ends("p is running for 15s, waiting for a slot of a semaphore"), "{texts:?}");
    assert!(ends("15s, waiting for c and a slot of a semaphore"), "{texts:?}");
    let slots = |slow: &Warning| matches!(slow, Warning::Slow { waits_for_slot: true, .. });
    assert!(desk.warnings.iter().all(slots));
}
