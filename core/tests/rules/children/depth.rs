//! The limit on the depth of children: R18.

use super::*;

#[test]
fn r18_an_event_knows_its_depth() {
    let (mut desk, a) = parent_and_others();
    let events = [desk.event("p1"), desk.child("p1", a, "c1"), desk.child("c1", a, "g1")];
    assert_eq!(events.map(|event| desk.machine.depth(event)), [0, 1, 2].map(Some));
}

#[test]
fn r18_forwarding_is_no_level() {
    let mut desk = Desk::of(|hub| hub.max_depth = Some(0));
    let (a, b) = (desk.bus("a"), bus(&mut desk, "b"));
    desk.forward(a, b);
    let event = desk.send(a, "p1");
    assert_eq!(desk.run(), [("p1", 1)]);
    assert_eq!(desk.machine.depth(event), Some(0));
}

#[test]
fn r18_deeper_than_max_depth_is_refused() {
    let mut desk = Desk::of(|hub| hub.max_depth = Some(2));
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.child("p1", a, "c1");
    desk.child("c1", a, "g1");
    let refused = Err(Refusal::TooDeep { depth: 3, limit: 2 });
    assert_eq!(desk.try_child("g1", a, "x1"), refused);
    assert_eq!(desk.run_to_end(), [("p1", 1), ("c1", 2), ("g1", 3)]);
    assert!(desk.machine.is_idle(a));
}

#[test]
fn r18_the_default_is_a_thousand_levels() {
    let mut desk = Desk::unaudited();
    let a = bus(&mut desk, "a");
    desk.send(a, "p");
    for _ in 0..1_000 {
        desk.child("p", a, "p");
    }
    let refused = Err(Refusal::TooDeep { depth: 1_001, limit: 1_000 });
    assert_eq!(desk.try_child("p", a, "p"), refused);
}

#[test]
fn peer_the_recursion_guard_leaves_nothing_pending() {
    let mut desk = Desk::of(|hub| hub.max_depth = Some(5));
    let a = bus(&mut desk, "a");
    desk.send(a, "p");
    desk.run();
    while desk.try_child("p", a, "p").is_ok() {
        desk.waits("p", 1, "p");
        desk.run();
    }
    for _ in 0..6 {
        desk.ends("p", 1);
    }
    assert_eq!((desk.completed().len(), desk.machine.is_idle(a)), (6, true));
}
