//! What a wait raises, and what it does not: R13.

use super::*;

#[test]
fn r13_a_child_that_is_not_awaited_waits_its_turn() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    assert_eq!(desk.run(), []);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("c1", 2)]);
}

#[test]
fn r13_await_raises_only_its_own() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [], "the parent has the bus again");
    desk.ends("p1", 1);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4)]);
}

#[test]
fn r13_on_other_buses_too() {
    let (mut desk, _) = parent_and_others();
    let b = bus(&mut desk, "b");
    for label in ["x3", "x4"] {
        desk.send(b, label);
    }
    desk.run();
    desk.child("p1", b, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), [], "what runs there does not wait");
    desk.ends("x3", 4);
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [("x4", 4)]);
}

#[test]
fn r13_a_raised_event_starts_when_what_runs_there_begins_to_wait() {
    let (mut desk, _) = parent_and_others();
    let (b, c) = (bus(&mut desk, "b"), bus(&mut desk, "c"));
    desk.send(b, "p2");
    desk.send(c, "x3");
    desk.run();
    desk.child("p1", b, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), []);
    desk.waits("p2", 1, "x3");
    assert_eq!(desk.run(), [("c1", 2)]);
}

#[test]
fn r13_siblings_stay_where_they_are() {
    let (mut desk, a) = parent_and_others();
    for label in ["c1", "c2", "c3"] {
        desk.child("p1", a, label);
    }
    desk.waits("p1", 1, "c2");
    assert_eq!(desk.run(), [("c2", 2)]);
    desk.ends("c2", 2);
    desk.ends("p1", 1);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("c1", 2), ("c3", 2)]);
}

#[test]
fn r13_several_are_raised_in_dispatch_order() {
    let (mut desk, a) = parent_and_others();
    for label in ["c1", "c2", "c3"] {
        desk.child("p1", a, label);
    }
    for label in ["c3", "c1", "c2"] {
        desk.waits("p1", 1, label);
    }
    let mut starts = Vec::new();
    for label in ["c1", "c2", "c3"] {
        starts.extend(desk.run());
        desk.ends(label, 2);
    }
    assert_eq!(starts, [("c1", 2), ("c2", 2), ("c3", 2)]);
    assert_eq!(desk.run(), []);
}

#[test]
fn r13_an_event_that_is_no_child_is_raised_as_well() {
    let (mut desk, _) = parent_and_others();
    desk.waits("p1", 1, "x2");
    assert_eq!(desk.run(), [("x2", 4)]);
}

#[test]
fn r13_descendants_are_raised_with_it_in_dispatch_order() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.send(a, "p1");
    desk.send(a, "x1");
    desk.send(b, "p2");
    desk.run();
    desk.child("p2", a, "g1");
    desk.send(a, "x2");
    desk.child("p2", a, "g2");
    desk.waits("p1", 1, "p2");
    assert_eq!(desk.run(), [("g1", 3)]);
    desk.ends("g1", 3);
    assert_eq!(desk.run(), [("g2", 3)]);
    desk.ends("g2", 3);
    assert_eq!(desk.run(), [], "p2 still runs, and x1 is nobody's");
    desk.ends("p2", 1);
    assert_eq!(desk.completed(), ["g1", "g2", "p2"]);
}

#[test]
fn r13_so_are_those_dispatched_later() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.child("c1", a, "g1");
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [("g1", 3)], "c1 has not completed without it");
    desk.child("g1", a, "g2");
    desk.ends("g1", 3);
    assert_eq!(desk.run(), [("g2", 3)]);
    desk.ends("g2", 3);
    assert_eq!(desk.completed(), ["g2", "g1", "c1"]);
    assert_eq!(desk.run(), [], "p1 has the bus again");
}

#[test]
fn r13_detached_events_are_not() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.send(a, "g1");
    desk.ends("c1", 2);
    assert_eq!(desk.run(), []);
    desk.ends("p1", 1);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("g1", 3)]);
}

#[test]
fn r13_late_children_on_an_idle_bus_start_at_once() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.child("c1", b, "g1");
    assert_eq!(desk.run(), [("g1", 3)]);
}

#[test]
fn peer_awaiting_a_child_runs_nothing_unrelated_on_any_bus() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    for label in ["x3", "x4"] {
        desk.send(b, label);
    }
    desk.run();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    assert_eq!(desk.run(), [("c1", 2)]);
    assert_eq!(desk.running(), [("p1", 1), ("x3", 4), ("c1", 2)]);
}
