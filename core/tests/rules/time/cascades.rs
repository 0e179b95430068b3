//! Cascading ends: R23.

use super::*;

/// `p1` waits for `c1`, which waits for `g1`; `c2` and `g2` are their children too, not awaited.
fn family() -> (Desk, BusKey) {
    let (mut desk, a) = parent_of_two();
    desk.run();
    desk.pass(secs(1));
    desk.child("c1", a, "g1");
    desk.waits("c1", 2, "g1");
    assert_eq!(desk.run(), [("g1", 3)]);
    desk.child("c1", a, "g2");
    (desk, a)
}

#[test]
fn r23_what_was_awaited_is_aborted_down_the_tree() {
    let (mut desk, a) = family();
    desk.pass(secs(59));
    let mut cancelled = desk.cancelled();
    cancelled.sort_unstable();
    assert_eq!(cancelled, [("c1", 2), ("g1", 3), ("p1", 1)]);
    assert_eq!(desk.completed(), ["g1"]);
    assert_eq!(desk.cause("g1"), Some(Cause::Aborted));
    let mut starts = desk.run_to_end();
    starts.sort_unstable();
    assert_eq!(starts, [("c2", 2), ("g2", 3)], "what was not awaited goes on");
    assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60)]);
    assert_eq!(desk.rows("c1"), [("2", ABORTED)]);
    assert_eq!(desk.rows("g1"), [("3", ABORTED)]);
    let causes = ["p1", "c1", "c2", "g2"].map(|label| desk.cause(label));
    assert_eq!(causes, [None, Some(Cause::Aborted), None, None]);
    assert!(desk.machine.is_idle(a));
    assert_eq!(desk.machine.held().timers, 0);
}

#[test]
fn r23_what_was_awaited_and_has_run_to_its_end_is_not_aborted() {
    let (mut desk, _) = family();
    desk.returns("c1", 2, 7);
    assert_eq!(desk.running(), [("p1", 1), ("g1", 3)], "c1 waits for its children alone");
    desk.pass(secs(59));
    desk.run_to_end();
    assert_eq!((desk.rows("c1"), desk.cause("c1")), (vec![("2", Outcome::Value(7))], None));
    assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60)]);
}

#[test]
fn r23_a_timeout_of_the_child_is_not_the_parents() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    let mut spec = desk.spec("c1").child_of(desk.event("p1"), 0);
    spec.overrides.insert(Box::default()).limit = Limit::After(secs(5));
    desk.dispatch(a, "c1", spec).expect("accepted");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.pass(secs(5));
    assert_eq!(desk.completed(), ["c1"]);
    assert_eq!(desk.running(), [("p1", 1)], "its wait ended, and it goes on");
    desk.returns("p1", 1, 7);
    assert_eq!(desk.rows("p1"), [("1", Outcome::Value(7))]);
    assert_eq!(desk.cause("p1"), None);
}

#[test]
fn r23_what_was_awaited_and_had_not_started_is_cancelled() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.on_limited(b, "x", Limit::Off, 9);
    desk.send(b, "x1");
    desk.send(a, "p1");
    desk.run();
    desk.child("p1", b, "c1");
    desk.waits("p1", 1, "c1");
    desk.pass(secs(60));
    assert_eq!(desk.completed(), ["c1", "p1"]);
    assert_eq!((desk.done("c1").started_at, desk.cause("c1")), (None, Some(Cause::Aborted)));
    assert_eq!(desk.running(), [("x1", 9)]);
}

#[test]
fn r23_waits_for_others_merely_end() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.send(a, "p1");
    desk.send(b, "c1");
    desk.send(a, "g1");
    desk.run();
    desk.pass(secs(1));
    desk.waits("p1", 1, "c1");
    desk.waits("p1", 1, "g1");
    assert_eq!(desk.run(), [("g1", 3)]);
    let event = desk.event("p1");
    let now = desk.now;
    desk.input(|machine| machine.abort(event, Cause::Aborted, now));
    assert_eq!(desk.running(), [("c1", 2), ("g1", 3)]);
    assert_eq!((desk.completed(), desk.machine.held().waits), (vec!["p1"], 0));
}

#[test]
fn r23_a_grandchild_that_is_awaited_is_a_descendant() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.send(a, "p1");
    desk.run();
    desk.pass(secs(1));
    desk.child("p1", b, "c1");
    desk.run();
    desk.child("c1", a, "g1");
    desk.waits("p1", 1, "g1");
    desk.run();
    desk.pass(secs(59));
    assert_eq!(desk.cancelled(), [("p1", 1), ("g1", 3)]);
    assert_eq!(desk.running(), [("c1", 2)], "nobody awaited the child between");
}

#[test]
fn r23_the_awaited_child_may_be_on_another_bus_and_forwarded() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    let c = desk.bus("c");
    desk.forward(c, a);
    desk.forward(c, b);
    desk.on_limited(a, "x", Limit::Off, 9);
    desk.send(a, "p1");
    desk.run();
    desk.pass(secs(1));
    desk.child("p1", c, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2), ("c1", 2)]);
    desk.pass(secs(59));
    assert_eq!(desk.running(), []);
    assert_eq!(desk.rows("c1"), [("2", ABORTED), ("2", ABORTED)]);
    assert_eq!(desk.completed(), ["c1", "p1"]);
}

#[test]
fn r23_the_next_handler_does_not_wait_for_what_goes_on() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.on(a, "p", 4);
    desk.send(a, "p1");
    desk.run();
    desk.child("p1", a, "c1");
    desk.pass(secs(60));
    assert_eq!(desk.run(), [("p1", 4)]);
    desk.ends("p1", 4);
    assert_eq!(desk.run(), [("c1", 2)]);
}

#[test]
fn r23_a_dropped_wait_takes_nothing_down_later() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    desk.child("p1", a, "c1");
    let wait = desk.waits("p1", 1, "c1");
    desk.run();
    desk.end_wait(wait);
    let (invocation, now) = (desk.event("p1"), desk.now);
    desk.input(|machine| machine.abort(invocation, Cause::Aborted, now));
    assert_eq!(desk.running(), [("c1", 2)]);
    assert_eq!(desk.status("p1"), EventStatus::Started, "until its child has ended");
    desk.ends("c1", 2);
    assert_eq!(desk.cause("p1"), Some(Cause::Aborted));
}

#[test]
fn peer_a_parents_timeout_leaves_no_child_started_for_ever() {
    let (mut desk, a) = family();
    desk.pass(secs(59));
    desk.run_to_end();
    let mut completed = desk.completed();
    completed.sort_unstable();
    assert_eq!(completed, ["c1", "c2", "g1", "g2", "p1"]);
    assert_eq!(desk.machine.incomplete(a), 0);
}

#[test]
fn peer_a_handler_that_timed_out_does_not_keep_running() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    desk.pass(secs(60));
    assert_eq!(desk.cancelled(), [("p1", 1)]);
    assert_eq!(desk.machine.held().invocations, 0);
}
