//! Watches for events to come, finding events, and their memory: R26–R28, R30.

use std::any::TypeId;

use busway_core::machine::{BusKey, Overflow, Pattern, Warning, WatchKey};

use crate::desk::Desk;

struct Typed;

fn desk() -> (Desk, BusKey) {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    (desk, bus)
}

fn expect(desk: &mut Desk, bus: BusKey, name: &str) -> WatchKey {
    watch(desk, bus, Pattern::Name(name), usize::MAX, Overflow::DropNewest)
}

fn watch(
    desk: &mut Desk,
    bus: BusKey,
    pattern: Pattern<'_>,
    capacity: usize,
    overflow: Overflow,
) -> WatchKey {
    let watch = desk.input(|machine| machine.watch(bus, pattern, capacity, overflow));
    watch.expect("the bus takes events")
}

fn seen(desk: &Desk, watch: WatchKey) -> Vec<&'static str> {
    let told = desk.arrived.iter().filter(|(key, ..)| *key == watch);
    told.map(|(_, label, _)| *label).collect()
}

#[test]
fn r26_a_match_is_told_at_dispatch_before_any_handler_runs() {
    let (mut desk, bus) = desk();
    desk.send(bus, "e1");
    let watch = expect(&mut desk, bus, "e");
    assert!(seen(&desk, watch).is_empty(), "earlier events never match");
    desk.send(bus, "x1");
    desk.send(bus, "e2");
    assert_eq!(seen(&desk, watch), ["e2"]);
    assert_eq!(desk.running().len(), 0);
}

#[test]
fn r26_a_watch_that_ended_leaves_nothing_behind() {
    let (mut desk, bus) = desk();
    let watch = expect(&mut desk, bus, "e");
    desk.input(|machine| machine.unwatch(watch));
    desk.input(|machine| machine.unwatch(watch));
    desk.send(bus, "e1");
    assert!(desk.arrived.is_empty());
    assert_eq!(desk.machine.held().watches, 0);
}

#[test]
fn r26_it_adds_no_result() {
    let (mut desk, bus) = desk();
    expect(&mut desk, bus, "e");
    desk.send(bus, "e1");
    desk.run_to_end();
    assert_eq!(desk.rows("e1").len(), 1);
}

#[test]
fn r26_a_typed_watch_asks_for_the_type_and_any_for_none() {
    let (mut desk, bus) = desk();
    let typed = Pattern::Type("e", TypeId::of::<Typed>());
    let typed = watch(&mut desk, bus, typed, usize::MAX, Overflow::DropNewest);
    let any = watch(&mut desk, bus, Pattern::Any, usize::MAX, Overflow::DropNewest);
    desk.send(bus, "e1");
    let kind = desk.input(|machine| machine.kind("e", Some(TypeId::of::<Typed>())));
    let mut spec = desk.spec("e2");
    spec.kind = kind;
    desk.dispatch(bus, "e2", spec).expect("accepted");
    assert_eq!(seen(&desk, typed), ["e2"]);
    assert_eq!(seen(&desk, any), ["e1", "e2"]);
}

#[test]
fn r26_arrival_by_forward_counts_on_the_target() {
    let (mut desk, a) = desk();
    let b = desk.bus("b");
    desk.forward(a, b);
    let watch = expect(&mut desk, b, "e");
    desk.send(a, "e1");
    assert!(seen(&desk, watch).is_empty(), "it is not there yet");
    desk.run_to_end();
    assert_eq!(seen(&desk, watch), ["e1"]);
}

#[test]
fn r32_who_watches_a_bus_that_is_stopped_is_told() {
    let (mut desk, bus) = desk();
    let watch = expect(&mut desk, bus, "e");
    desk.stop(bus);
    assert_eq!(desk.ended_watches, [watch]);
    let late = desk.input(|machine| machine.watch(bus, Pattern::Any, 1, Overflow::Wait));
    assert_eq!(late, None);
    assert_eq!(desk.machine.held().watches, 0);
}

#[test]
fn r27_descendants_are_found_by_the_links_that_are_there() {
    let (mut desk, bus) = desk();
    let root = desk.send(bus, "e1");
    desk.run();
    let child = desk.child("e1", bus, "c1");
    desk.run();
    let grandchild = desk.child("c1", bus, "g1");
    let other = desk.send(bus, "x1");
    assert!(desk.machine.is_below(child, root) && desk.machine.is_below(grandchild, root));
    assert!(!desk.machine.is_below(root, root) && !desk.machine.is_below(other, root));
}

#[test]
fn r28_waiting_for_a_slow_reader_holds_the_next_start() {
    let (mut desk, bus) = desk();
    let watch = watch(&mut desk, bus, Pattern::Any, 2, Overflow::Wait);
    for label in ["e1", "e2", "e3", "e4"] {
        desk.send(bus, label);
    }
    assert_eq!(seen(&desk, watch), ["e1", "e2", "e3", "e4"], "nothing is lost");
    assert!(desk.run().is_empty(), "four unread, room for two");
    desk.input(|machine| machine.read(watch));
    assert!(desk.run().is_empty());
    desk.input(|machine| machine.read(watch));
    assert_eq!(desk.run(), [("e1", 1)]);
    assert_eq!(desk.machine.dropped(watch), 0);
}

#[test]
fn r28_a_reader_that_goes_away_holds_nothing() {
    let (mut desk, bus) = desk();
    let watch = watch(&mut desk, bus, Pattern::Any, 1, Overflow::Wait);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    assert!(desk.run().is_empty());
    desk.input(|machine| machine.unwatch(watch));
    assert_eq!(desk.run(), [("e1", 1)]);
}

#[test]
fn r28_a_running_event_goes_on_while_starts_are_held() {
    let (mut desk, bus) = desk();
    desk.on(bus, "e", 2);
    desk.send(bus, "e1");
    assert_eq!(desk.run(), [("e1", 1)]);
    watch(&mut desk, bus, Pattern::Any, 1, Overflow::Wait);
    desk.send(bus, "x1");
    desk.send(bus, "x2");
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e1", 2)], "its next handler is no start of an event");
}

#[test]
fn r28_dropped_events_are_counted() {
    let (mut desk, bus) = desk();
    let newest = watch(&mut desk, bus, Pattern::Any, 2, Overflow::DropNewest);
    let oldest = watch(&mut desk, bus, Pattern::Any, 2, Overflow::DropOldest);
    for label in ["e1", "e2", "e3"] {
        desk.send(bus, label);
    }
    assert_eq!(seen(&desk, newest), ["e1", "e2"]);
    assert_eq!(seen(&desk, oldest), ["e1", "e2", "e3"]);
    assert!(desk.arrived.contains(&(oldest, "e3", true)), "in the place of the oldest");
    assert_eq!((desk.machine.dropped(newest), desk.machine.dropped(oldest)), (1, 1));
    desk.input(|machine| machine.read(newest));
    desk.send(bus, "e4");
    assert_eq!(seen(&desk, newest), ["e1", "e2", "e4"]);
}

#[test]
fn r30_memory_is_told_by_bus_and_warned_of_once() {
    let mut desk = Desk::of(|hub| hub.memory_warning = Some(100));
    let bus = desk.bus_of("a", |bus| bus.max_history = Some(0));
    desk.on(bus, "e", 1);
    for label in ["e1", "e2", "e3"] {
        let mut spec = desk.spec(label);
        spec.bytes = 60;
        desk.dispatch(bus, label, spec).expect("accepted");
    }
    let memory = desk.machine.memory();
    assert_eq!((&*memory[0].name, memory[0].events, memory[0].bytes), ("a", 3, 180));
    assert_eq!((memory[0].incomplete, memory[0].queued), (3, 3));
    desk.run();
    let memory = desk.machine.memory();
    assert_eq!((memory[0].incomplete, memory[0].queued), (3, 2), "one has started");
    let warned = |desk: &Desk| {
        desk.warnings.iter().filter(|warning| matches!(warning, Warning::Memory { .. })).count()
    };
    assert_eq!(warned(&desk), 1);
    desk.run_to_end();
    assert_eq!((desk.machine.memory()[0].events, desk.machine.memory()[0].bytes), (0, 0));
    for label in ["e4", "e5"] {
        let mut spec = desk.spec(label);
        spec.bytes = 60;
        desk.dispatch(bus, label, spec).expect("accepted");
    }
    assert_eq!(warned(&desk), 2, "again after it was less than half");
}
