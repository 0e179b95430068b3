//! Parents complete after their descendants: R16.

use super::*;

#[test]
fn r16_a_parent_completes_after_all_its_descendants() {
    let (mut desk, a) = parent_and_others();
    let b = bus(&mut desk, "b");
    desk.child("p1", a, "c1");
    desk.child("p1", b, "c2");
    desk.run();
    desk.child("c2", a, "g1");
    desk.ends("c2", 2);
    desk.now = at(5);
    desk.ends("p1", 1);
    assert_eq!(desk.completed(), [""; 0]);
    assert_eq!(desk.status("p1"), EventStatus::Started);
    desk.now = at(9);
    desk.run_to_end();
    assert_eq!(desk.completed(), ["x1", "x2", "c1", "g1", "c2", "p1"]);
    let done = desk.done("p1");
    let last = done.results.iter().next().and_then(|row| row.completed_at);
    assert_eq!((last, done.completed_at), (Some(at(5)), at(9)));
}

#[test]
fn r16_detached_events_aside() {
    let (mut desk, a) = parent_and_others();
    desk.send(a, "c1");
    desk.ends("p1", 1);
    assert_eq!(desk.completed(), ["p1"]);
}

#[test]
fn r16_a_failing_child_completes_its_parent_all_the_same() {
    let (mut desk, a) = parent_and_others();
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    desk.run();
    desk.fails("c1", 2, 13);
    desk.ends("p1", 1);
    assert_eq!(desk.completed(), ["c1", "p1"]);
    assert_eq!(desk.cause("p1"), None);
}

#[test]
fn r16_parallel_handlers_have_children_of_one_parent() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.on(a, "p", 5);
    desk.send_with(a, "p1", |own| own.handler_order = Some(HandlerOrder::Parallel));
    desk.run();
    desk.child("p1", a, "c1");
    desk.child("p1", a, "c2");
    desk.waits("p1", 1, "c1");
    desk.waits("p1", 5, "c2");
    assert_eq!(desk.run(), [("c2", 2)], "the newest wait first");
    desk.ends("c2", 2);
    assert_eq!(desk.run(), [], "the handler that waited for it goes on");
    desk.ends("p1", 5);
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.ends("c1", 2);
    desk.ends("p1", 1);
    assert_eq!(desk.completed(), ["c2", "c1", "p1"]);
}
