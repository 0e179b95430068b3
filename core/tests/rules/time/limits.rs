//! Limits and deadlines: R22.

use super::*;

#[test]
fn r22_the_smaller_of_handler_and_event_and_the_bus_where_both_inherit() {
    use Limit::{Inherit, Off};
    let after = |limit| Limit::After(secs(limit));
    for (handler, event, bus, expected) in [
        (Inherit, Inherit, after(60), Some(at(60))),
        (Inherit, Inherit, Off, None),
        (after(5), Inherit, after(1), Some(at(5))),
        (Inherit, after(90), after(60), Some(at(90))),
        (after(5), after(3), after(1), Some(at(3))),
        (after(3), after(5), Off, Some(at(3))),
        (Off, Inherit, after(60), None),
        (Inherit, Off, after(60), None),
        (Off, after(7), after(60), Some(at(7))),
        (after(7), Off, after(60), Some(at(7))),
    ] {
        let what = (handler, event, bus);
        assert_eq!(deadline(handler, event, bus), expected, "{what:?}");
    }
}

#[test]
fn r22_the_default_is_sixty_seconds() {
    let mut desk = Desk::new();
    let a = desk.bus("a");
    desk.on(a, "e", 1);
    desk.send(a, "e1");
    desk.run();
    desk.pass(secs(59));
    assert_eq!(desk.running(), [("e1", 1)]);
    desk.pass(secs(1));
    assert_eq!(desk.rows("e1"), [("1", TIMED_OUT_AT_60)]);
}

#[test]
fn r22_the_future_is_dropped_and_the_next_handler_runs() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.on(a, "p", 4);
    desk.send(a, "p1");
    desk.run();
    desk.pass(secs(60));
    assert_eq!(desk.cancelled(), [("p1", 1)]);
    assert_eq!(desk.run(), [("p1", 4)], "with a limit of its own");
    assert_eq!(desk.machine.next_deadline(a), Some(at(120)));
    desk.returns("p1", 4, 7);
    assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60), ("4", Outcome::Value(7))]);
    assert_eq!(desk.cause("p1"), None, "the event ran to its end");
    assert_eq!(desk.machine.next_deadline(a), None);
}

#[test]
fn r22_time_in_the_queue_does_not_count() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.send(a, "p2");
    desk.run();
    desk.pass(secs(40));
    desk.ends("p1", 1);
    desk.run();
    desk.pass(secs(40));
    assert_eq!(desk.running(), [("p2", 1)]);
}

#[test]
fn r22_time_spent_waiting_for_children_does() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.pass(secs(40));
    desk.ends("c1", 2);
    desk.pass(secs(20));
    assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60)]);
    assert_eq!(desk.rows("c1"), [("2", Outcome::Empty)]);
}

#[test]
fn r22_each_parallel_handler_has_its_own() {
    let mut desk = Desk::new();
    let a = desk.bus_of("a", |bus| bus.handler_order = HandlerOrder::Parallel);
    for (handler, limit) in [(1, 5), (2, 3), (3, 9)] {
        desk.on_limited(a, "e", Limit::After(secs(limit)), handler);
    }
    desk.send(a, "e1");
    desk.run();
    desk.pass(secs(3));
    assert_eq!(desk.cancelled(), [("e1", 2)]);
    desk.pass(secs(6));
    assert_eq!(desk.cancelled(), [("e1", 1), ("e1", 3)]);
    let limits: Vec<_> = desk.rows("e1").into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(limits, [5, 3, 9].map(|limit| Outcome::TimedOut { limit: secs(limit) }));
}

#[test]
fn r22_a_forwarded_event_has_the_limit_of_the_bus_it_is_on() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    let b = desk.bus_of("b", |bus| bus.limit = Limit::After(secs(2)));
    desk.on(b, "p", 5);
    desk.forward(a, b);
    desk.send(a, "p1");
    desk.run();
    desk.ends("p1", 1);
    desk.run();
    assert_eq!((desk.machine.next_deadline(a), desk.machine.next_deadline(b)), (None, Some(at(2))));
    desk.pass(secs(2));
    let rows = [("1", Outcome::Empty), ("5", Outcome::TimedOut { limit: secs(2) })];
    assert_eq!(desk.rows("p1"), rows);
}

#[test]
fn r22_a_deadline_ends_the_whole_event() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.on(a, "p", 4);
    desk.send_with(a, "p1", |own| own.deadline = Some(at(10)));
    desk.send(a, "p2");
    desk.run();
    assert_eq!(desk.machine.next_deadline(a), Some(at(10)));
    desk.pass(secs(10));
    let (aborted, cancelled) =
        (Outcome::Aborted(Cause::Deadline), Outcome::Cancelled(Cause::Deadline));
    assert_eq!(desk.rows("p1"), [("1", aborted), ("4", cancelled)]);
    assert_eq!(desk.cause("p1"), Some(Cause::Deadline));
    assert_eq!(desk.run(), [("p2", 1)]);
}

#[test]
fn r22_also_in_the_queue_and_on_every_bus() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.on(b, "x", 9);
    desk.forward(a, b);
    desk.send(b, "x1");
    desk.send_with(a, "p1", |own| own.deadline = Some(at(10)));
    desk.run();
    desk.send_with(a, "p2", |own| own.deadline = Some(at(10)));
    desk.returns("p1", 1, 7);
    desk.run();
    desk.pass(secs(10));
    assert_eq!(desk.completed(), ["p1", "p2"]);
    assert_eq!(desk.rows("p1"), [("1", Outcome::Value(7))]);
    assert_eq!(desk.cause("p1"), Some(Cause::Deadline));
    assert_eq!(desk.cause("p2"), Some(Cause::Deadline));
    assert_eq!(desk.running(), [("x1", 9)], "the other event is left alone");
}

#[test]
fn r22_a_deadline_ends_nothing_of_what_has_run_to_its_end() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send_with(a, "p1", |own| own.deadline = Some(at(10)));
    desk.run();
    desk.child("p1", a, "c1");
    desk.returns("p1", 1, 7);
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.pass(secs(10));
    assert_eq!(desk.running(), [("c1", 2)], "it was not awaited");
    desk.ends("c1", 2);
    assert_eq!(desk.completed(), ["c1", "p1"]);
    assert_eq!((desk.rows("p1"), desk.cause("p1")), (vec![("1", Outcome::Value(7))], None));
}

#[test]
fn r22_a_deadline_that_is_met_is_forgotten() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send_with(a, "p1", |own| own.deadline = Some(at(10)));
    desk.run_to_end();
    assert_eq!(desk.cause("p1"), None);
    assert_eq!((desk.machine.next_deadline(a), desk.machine.held().timers), (None, 0));
}

#[test]
fn r22_what_is_ended_late_says_nothing() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    let late = desk.invocation("p1", 1);
    desk.pass(secs(60));
    let now = desk.now;
    let back = desk.input(|machine| machine.finished(late, Outcome::Value(7), now));
    assert_eq!(back, Some(Outcome::Value(7)), "its value is handed back");
    assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60)]);
}

#[test]
fn r22_spurious_timeouts_do_nothing() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.timed_out(a);
    desk.send(a, "p1");
    desk.run();
    desk.now = at(59);
    desk.timed_out(a);
    desk.now = at(60);
    desk.timed_out(b);
    assert_eq!(desk.running(), [("p1", 1)]);
    desk.remove_bus(b);
    desk.timed_out(b);
    desk.timed_out(a);
    assert_eq!(desk.running(), []);
    desk.timed_out(a);
    assert_eq!(desk.completed(), ["p1"]);
}

#[test]
fn r22_a_clock_that_goes_back_is_clamped() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.now = at(100);
    desk.send(a, "p1");
    desk.now = at(50);
    desk.run();
    assert_eq!(desk.machine.next_deadline(a), Some(at(160)));
    desk.now = at(20);
    desk.ends("p1", 1);
    let done = desk.done("p1");
    assert_eq!((done.started_at, done.completed_at), (Some(at(100)), at(100)));
}

#[test]
fn r22_equal_ones_end_in_the_order_in_which_they_were_set() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.limit = Limit::After(secs(10)));
    desk.on(bus, "p", 1);
    desk.send(bus, "p1");
    assert_eq!(desk.take_off(bus), ("p1", 1));
    desk.now = at(1);
    desk.send_with(bus, "p2", |own| own.deadline = Some(at(10)));
    desk.pass(secs(9));
    assert_eq!(desk.completed(), ["p1", "p2"]);
}

#[test]
fn r22_deadlines_far_away_do_not_overflow() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.register(a, Pattern::Any, Limit::After(core::time::Duration::MAX), 9);
    desk.now = at(100);
    desk.send(a, "e1");
    assert_eq!(desk.run(), [("e1", 9)]);
    desk.pass(secs(1_000_000));
    assert_eq!(desk.running(), [("e1", 9)]);
}
