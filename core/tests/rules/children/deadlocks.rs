//! Waits that can never end: R15.

use super::*;

#[test]
fn r15_a_handler_cannot_await_its_own_event() {
    let (mut desk, _) = parent_and_others();
    let answer = desk.try_wait("p1", 1, "p1");
    assert_eq!(cycle(answer), [desk.event("p1")]);
    assert_eq!(desk.machine.held().waits, 0);
    assert_eq!(desk.run(), [], "and has lent nothing");
}

#[test]
fn r15_nor_an_ancestor() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.child("c1", a, "g1");
    desk.waits("c1", 2, "g1");
    desk.run();
    let answer = desk.try_wait("g1", 3, "p1");
    assert_eq!(cycle(answer), ["g1", "c1", "p1"].map(|label| desk.event(label)));
    desk.ends("g1", 3);
    assert_eq!(desk.completed(), ["g1"], "the refused wait is forgotten");
}

#[test]
fn r15_an_ancestor_that_does_not_wait_cannot_complete_either() {
    let (mut desk, _) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("p1", b, "c1");
    desk.run();
    desk.ends("p1", 1);
    let answer = desk.try_wait("c1", 2, "p1");
    assert_eq!(cycle(answer), ["c1", "p1"].map(|label| desk.event(label)));
}

#[test]
fn r15_a_cycle_over_two_buses() {
    let (mut desk, _) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.send(b, "p2");
    desk.run();
    desk.waits("p1", 1, "p2");
    let answer = desk.try_wait("p2", 1, "p1");
    assert_eq!(cycle(answer), ["p2", "p1"].map(|label| desk.event(label)));
}

#[test]
fn r15_a_longer_cycle_through_waits_and_parents() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    for (bus, label) in [(a, "p1"), (b, "p2"), (c, "x1")] {
        desk.send(bus, label);
    }
    desk.run();
    desk.child("p2", c, "c1");
    desk.waits("p1", 1, "p2");
    desk.waits("x1", 4, "p1");
    desk.ends("p2", 1);
    assert_eq!(desk.run(), [("c1", 2)]);
    let answer = desk.try_wait("c1", 2, "x1");
    assert_eq!(cycle(answer), ["c1", "p2", "p1", "x1"].map(|label| desk.event(label)));
}

#[test]
fn r15_a_pending_event_that_has_the_waiter_below_it() {
    let (mut desk, _) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("x2", b, "c1");
    desk.run();
    assert_eq!(desk.status("x2"), EventStatus::Pending);
    assert_eq!(cycle(desk.try_wait("c1", 2, "x2")), ["c1", "x2"].map(|l| desk.event(l)));
}

#[test]
fn r15_a_cycle_that_closes_after_the_awaited_event_was_pending() {
    let (mut desk, _) = parent_and_others();
    desk.waits("p1", 1, "x1");
    desk.run();
    assert_eq!(cycle(desk.try_wait("x1", 4, "p1")), ["x1", "p1"].map(|l| desk.event(l)));
    desk.ends("x1", 4);
    assert_eq!(desk.run(), []);
}

#[test]
fn r15_waits_that_can_end_are_not_refused() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.send(b, "p2");
    desk.child("p1", b, "c1");
    desk.child("p1", a, "c2");
    desk.run();
    desk.waits("p1", 1, "c2");
    desk.run();
    desk.waits("c2", 2, "c1");
    desk.waits("p2", 1, "p1");
    assert_eq!(desk.run(), [("c1", 2)], "a sibling, and a stranger");
    for (label, handler) in [("c1", 2), ("c2", 2), ("p1", 1), ("p2", 1)] {
        desk.ends(label, handler);
    }
    assert_eq!(desk.completed(), ["c1", "c2", "p1", "p2"]);
}

#[test]
fn r15_a_detached_event_may_await_who_dispatched_it() {
    let (mut desk, _) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.send(b, "c1");
    desk.run();
    desk.waits("c1", 2, "p1");
    let answer = desk.try_wait("p1", 1, "c1");
    assert_eq!(cycle(answer), ["p1", "c1"].map(|label| desk.event(label)), "but not both");
}

#[test]
fn r15_a_late_child_may_await_its_parent() {
    let (mut desk, a) = parent_and_others();
    desk.run_to_end();
    desk.child("p1", a, "c1");
    desk.run();
    assert_eq!(desk.try_wait("c1", 2, "p1"), Ok(Waiting::Over));
}

#[test]
fn r15_nobody_waits_for_its_own_bus_to_be_idle() {
    let (mut desk, a) = parent_and_others();
    let [b, c] = ["b", "c"].map(|name| bus(&mut desk, name));
    desk.child("p1", b, "c1");
    desk.run();
    let invocation = desk.invocation("c1", 2);
    let idle = |desk: &mut Desk, bus| desk.machine.check_idle_wait(invocation, bus);
    assert_eq!(cycle(idle(&mut desk, b)), [desk.event("c1")]);
    assert_eq!(cycle(idle(&mut desk, a)), ["c1", "p1"].map(|l| desk.event(l)), "nor its parent's");
    assert_eq!(idle(&mut desk, c), Ok(()));
    desk.send(c, "p2");
    desk.run();
    assert_eq!(idle(&mut desk, c), Ok(()), "what runs there does not depend on it");
    desk.waits("p2", 1, "c1");
    assert_eq!(cycle(idle(&mut desk, c)), ["c1", "p2"].map(|label| desk.event(label)));
}

#[test]
fn r15_nor_for_a_bus_its_event_was_forwarded_to_or_from() {
    let mut desk = Desk::new();
    let (a, b) = (desk.bus("a"), bus(&mut desk, "b"));
    desk.forward(a, b);
    desk.send(a, "p1");
    assert_eq!(desk.run(), [("p1", 1)]);
    let invocation = desk.invocation("p1", 1);
    for bus in [a, b] {
        assert!(desk.machine.check_idle_wait(invocation, bus).is_err());
    }
}

#[test]
fn peer_awaiting_itself_neither_spins_nor_hangs() {
    let (mut desk, _) = parent_and_others();
    assert!(desk.try_wait("p1", 1, "p1").is_err());
    desk.returns("p1", 1, 1);
    assert_eq!(desk.completed(), ["p1"]);
}

#[test]
fn peer_a_deadlock_says_what_waits_for_what() {
    let (mut desk, _) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.send(b, "p2");
    desk.run();
    desk.waits("p1", 1, "p2");
    let cycle = cycle(desk.try_wait("p2", 1, "p1"));
    assert_eq!(desk.labels(cycle), ["p2", "p1"]);
}
