//! Parents and children know each other: R12.

use super::*;

#[test]
fn r12_a_child_knows_its_parent_and_the_parent_its_children() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    let children = [(a, "c1"), (b, "c2"), (a, "c3")].map(|(bus, c)| desk.child("p1", bus, c));
    let parent = desk.event("p1");
    assert_eq!(desk.machine.children(parent), children, "in order of dispatch");
    for child in children {
        assert_eq!(desk.machine.parent(child), Some(parent));
    }
    assert_eq!(desk.machine.parent(parent), None);
    desk.run_to_end();
    assert_eq!(desk.machine.children(parent), children, "whichever completed first");
}

#[test]
fn r12_a_child_of_a_completed_event_is_linked_and_does_not_reopen_it() {
    let (mut desk, a) = parent_and_others();
    desk.run_to_end();
    desk.completed();
    let late = desk.child("p1", a, "c1");
    assert_eq!(desk.machine.children(desk.event("p1")), [late]);
    assert_eq!(desk.machine.depth(late), Some(1));
    assert_eq!(desk.status("p1"), EventStatus::Completed);
    desk.run_to_end();
    assert_eq!(desk.completed(), ["c1"]);
}

#[test]
fn r12_an_explicit_parent_need_not_run() {
    let (mut desk, a) = parent_and_others();
    desk.child("x2", a, "c1");
    desk.ends("p1", 1);
    assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("c1", 2)]);
    assert_eq!(desk.completed(), ["p1", "x1", "c1", "x2"]);
}

#[test]
fn r12_a_parent_that_is_forgotten_links_nothing() {
    let mut desk = Desk::new();
    let a = desk.bus_of("a", |bus| bus.max_history = Some(0));
    let parent = desk.send(a, "p1");
    desk.run();
    let spec = Dispatch::new(desk.machine.kind("c", None)).child_of(parent, 4);
    let child = desk.dispatch(a, "c1", spec).expect("accepted");
    assert_eq!(desk.machine.depth(child), Some(5), "the level outlives the parent");
    desk.run_to_end();
    assert_eq!(desk.completed(), ["p1", "c1"]);
}
