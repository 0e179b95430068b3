//! Events come in: R5–R7.

use busway_core::machine::{Cause, EventStatus, HandlerOrder, Refusal};

use crate::desk::{Desk, at, secs};

const FULL_AT_2: Result<(), Refusal> = Err(Refusal::Full { limit: 2 });

/// A bus that takes two roots and one child at a time, with a handler of `e` and one of `c`.
fn small(desk: &mut Desk) -> busway_core::machine::BusKey {
    let bus = desk.bus_of("a", |bus| {
        bus.max_pending = Some(2);
        bus.max_pending_children = Some(1);
    });
    desk.on(bus, "e", 1);
    desk.on(bus, "c", 2);
    bus
}

#[test]
fn r05_dispatch_returns_at_once_and_runs_nothing() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    let event = desk.send(bus, "e1");
    assert_eq!(desk.status("e1"), EventStatus::Pending);
    assert_eq!(desk.running(), []);
    assert_eq!(desk.machine.payload(event), Some(&"e1"));
    assert_eq!(desk.machine.event_type(event).map(|name| &**name), Some("e"));
    assert_eq!(desk.run(), [("e1", 1)], "and the work goes on with no handle kept");
}

#[test]
fn r05_a_bus_that_is_gone_refuses_and_hands_back() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.remove_bus(bus);
    assert_eq!(desk.try_send(bus, "e1"), Err(Refusal::Stopped));
}

#[test]
fn r06_n_are_taken_and_one_more_is_refused() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    assert_eq!(desk.try_send(bus, "e3").map(drop), FULL_AT_2);
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e2", 1)], "what was refused left nothing behind");
}

#[test]
fn r06_the_default_is_a_hundred() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    for _ in 0..100 {
        desk.send(bus, "e");
    }
    assert_eq!(desk.try_send(bus, "e"), Err(Refusal::Full { limit: 100 }));
}

#[test]
fn r06_there_is_room_as_soon_as_one_completes_and_not_before() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    desk.run();
    assert_eq!(desk.try_send(bus, "e3").map(drop), FULL_AT_2, "started is not completed");
    desk.child("e1", bus, "c1");
    desk.ends("e1", 1);
    assert_eq!(desk.try_send(bus, "e3").map(drop), FULL_AT_2, "it has a child to wait for");
    desk.run();
    desk.ends("e2", 1);
    desk.send(bus, "e3");
}

#[test]
fn r06_none_is_unlimited() {
    let mut desk = Desk::big();
    let bus = desk.bus_of("a", |bus| bus.max_pending = None);
    for _ in 0..10_000 {
        desk.send(bus, "e");
    }
    assert_eq!(desk.machine.incomplete(bus), 10_000);
}

#[test]
fn r06_children_of_what_runs_may_exceed_it_up_to_their_own_limit() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    desk.run();
    desk.child("e1", bus, "c1");
    assert_eq!(desk.try_child("e1", bus, "c2"), Err(Refusal::Full { limit: 1 }));
    desk.waits("e1", 1, "c1");
    desk.run();
    desk.ends("c1", 2);
    desk.child("e1", bus, "c2");
}

#[test]
fn r06_a_child_of_a_completed_event_counts_as_a_root() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    desk.send(bus, "e1");
    desk.run_to_end();
    desk.child("e1", bus, "c1");
    desk.child("e1", bus, "c2");
    assert_eq!(desk.try_child("e1", bus, "c3").map(drop), FULL_AT_2);
}

#[test]
fn r06_a_forwarded_event_takes_room_where_it_was_dispatched() {
    let mut desk = Desk::new();
    let (a, b) = (desk.bus("a"), small(&mut desk));
    desk.forward(a, b);
    desk.send(a, "e1");
    desk.send(a, "e2");
    desk.send(a, "e3");
    desk.run();
    assert_eq!(desk.machine.incomplete(b), 3, "forwarding is not refused");
    desk.send(b, "e4");
    desk.send(b, "e5");
    assert_eq!(desk.try_send(b, "e6").map(drop), FULL_AT_2);
}

#[test]
fn r06_a_reserved_place_is_kept_for_its_owner() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    let place = desk.input(|machine| machine.reserve(bus)).expect("open");
    assert_eq!(desk.granted, [place], "there is room");
    desk.send(bus, "e1");
    assert_eq!(desk.try_send(bus, "e2").map(drop), FULL_AT_2);
    let mut spec = desk.spec("e2");
    spec.permit = Some(place);
    desk.dispatch(bus, "e2", spec.clone()).expect("the place was reserved");
    assert!(!desk.machine.is_granted(place, bus), "a place is used once");
    assert_eq!(desk.dispatch(bus, "e3", spec).map(drop), FULL_AT_2);
    desk.run_to_end();
    assert_eq!(desk.machine.held().reservations, 0);
}

#[test]
fn r06_places_are_given_first_come_first_served() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    let [first, second] = [(); 2].map(|()| desk.input(|machine| machine.reserve(bus)).unwrap());
    assert_eq!(desk.granted, []);
    desk.run();
    desk.ends("e1", 1);
    assert_eq!(desk.granted, [first]);
    assert_eq!(desk.try_send(bus, "e3").map(drop), FULL_AT_2, "nobody passes those who wait");
    desk.run();
    desk.ends("e2", 1);
    assert_eq!(desk.granted, [first, second]);
}

#[test]
fn r06_a_place_given_back_goes_to_the_next() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    let places = [(); 5].map(|()| desk.input(|machine| machine.reserve(bus)).unwrap());
    assert_eq!(desk.granted, places[..2]);
    desk.input(|machine| machine.release(places[2]));
    assert_eq!(desk.granted, places[..2], "who stops waiting frees nothing");
    desk.input(|machine| machine.release(places[0]));
    assert_eq!(desk.granted[2..], [places[3]], "and is not served");
    desk.input(|machine| machine.release(places[0]));
    assert_eq!(desk.granted.len(), 3, "a place is given back once");
}

#[test]
fn r06_a_place_is_for_its_bus() {
    let mut desk = Desk::new();
    let (a, b) = (small(&mut desk), desk.bus_of("b", |bus| bus.max_pending = Some(0)));
    let place = desk.input(|machine| machine.reserve(a)).expect("open");
    let mut spec = desk.spec("e1");
    spec.permit = Some(place);
    assert_eq!(desk.dispatch(b, "e1", spec), Err(Refusal::Full { limit: 0 }));
    assert!(desk.machine.is_granted(place, a), "what is refused keeps its place");
}

#[test]
fn r06_nobody_waits_for_a_place_where_there_are_none() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.max_pending = Some(0));
    let refused = desk.input(|machine| machine.reserve(bus));
    assert_eq!(refused, Err(Refusal::Full { limit: 0 }));
    assert_eq!(desk.machine.held().reservations, 0);
}

#[test]
fn r06_draining_and_stopping_answer_those_who_wait() {
    for stop in [false, true] {
        let mut desk = Desk::new();
        let bus = small(&mut desk);
        desk.send(bus, "e1");
        desk.send(bus, "e2");
        let place = desk.input(|machine| machine.reserve(bus)).expect("open");
        let now = desk.now;
        desk.input(|machine| if stop { machine.stop(bus, now) } else { machine.drain(bus) });
        assert_eq!(desk.granted, [place], "it is woken");
        assert!(!desk.machine.is_granted(place, bus), "and refused");
        assert_eq!(desk.input(|machine| machine.reserve(bus)), Err(Refusal::Stopped));
        assert_eq!(desk.machine.held().reservations, 0);
    }
}

#[test]
fn r06_a_place_outlives_its_bus_without_harm() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    let place = desk.input(|machine| machine.reserve(bus)).expect("open");
    desk.remove_bus(bus);
    let mut spec = desk.spec("e1");
    spec.permit = Some(place);
    assert_eq!(desk.dispatch(bus, "e1", spec), Err(Refusal::Stopped));
    desk.input(|machine| machine.release(place));
    assert_eq!(desk.machine.held().reservations, 0);
}

#[test]
fn r07_an_event_nobody_handles_completes_at_once() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.now = at(3);
    desk.send(bus, "e1");
    assert_eq!(desk.run(), []);
    let done = desk.done("e1");
    assert_eq!((done.started_at, done.completed_at), (Some(at(3)), at(3)));
    assert!(done.results.is_empty());
    assert_eq!((done.cause, desk.machine.is_idle(bus)), (None, true));
}

#[test]
fn r07_it_keeps_its_place_in_the_queue() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    desk.send(bus, "e1");
    desk.send(bus, "nobody1");
    desk.send(bus, "e2");
    desk.run();
    assert_eq!(desk.completed(), [""; 0]);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e2", 1)]);
    assert_eq!(desk.completed(), ["e1", "nobody1"]);
}

#[test]
fn r07_any_number_of_them_completes_without_another_input() {
    let mut desk = Desk::big();
    let bus = desk.bus_of("a", |bus| bus.max_pending = None);
    desk.on(bus, "e", 1);
    for _ in 0..1_000 {
        desk.send(bus, "nobody");
    }
    desk.send(bus, "e1");
    assert_eq!(desk.run(), [("e1", 1)]);
    assert_eq!(desk.completed().len(), 1_000);
}

#[test]
fn peer_a_hundred_pending_are_a_hundred() {
    let mut desk = Desk::new();
    let (a, b) = (desk.bus("a"), desk.bus("b"));
    desk.forward(a, b);
    desk.on(b, "e", 1);
    for _ in 0..100 {
        desk.send(a, "e");
    }
    desk.run();
    assert!(desk.try_send(a, "e").is_err());
    assert_eq!(desk.run_to_end().len(), 99);
    assert_eq!(desk.completed().len(), 100);
}

#[test]
fn peer_a_queue_of_children_is_bounded() {
    let mut desk = Desk::big();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    desk.send(bus, "e1");
    desk.run();
    for _ in 0..10_000 {
        desk.child("e1", bus, "c");
    }
    assert_eq!(desk.try_child("e1", bus, "c"), Err(Refusal::Full { limit: 10_000 }));
}

#[test]
fn peer_a_full_history_refuses_nothing() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.max_history = Some(1));
    desk.on(bus, "e", 1);
    for label in ["e1", "e2", "e3"] {
        desk.send(bus, label);
    }
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e2", 1), ("e3", 1)]);
    assert_eq!(desk.completed(), ["e1", "e2", "e3"]);
}

#[test]
fn r06_what_a_deadline_ends_gives_its_room_back() {
    let mut desk = Desk::new();
    let bus = small(&mut desk);
    desk.send_with(bus, "e1", |own| own.handler_order = Some(HandlerOrder::Parallel));
    desk.send_with(bus, "e2", |own| own.deadline = Some(at(1)));
    desk.pass(secs(1));
    assert_eq!(desk.cause("e2"), Some(Cause::Deadline));
    desk.send(bus, "e3");
}
