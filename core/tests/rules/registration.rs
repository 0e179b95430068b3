//! Which handlers get an event: R1–R4.

use core::any::TypeId;
use std::sync::Arc;

use busway_core::machine::{
    Action, Cause, Completion, EventKey, HandlerOrder, Limit, Outcome, Pattern, Warning,
};

use crate::desk::Desk;

struct Ours;
struct Theirs;

/// Dispatches an event of type name `e` and Rust type `T`.
fn send_typed<T: 'static>(
    desk: &mut Desk,
    bus: busway_core::machine::BusKey,
    label: &'static str,
) -> EventKey {
    let mut spec = desk.spec(label);
    spec.kind = desk.machine.kind("e", Some(TypeId::of::<T>()));
    desk.dispatch(bus, label, spec).expect("accepted")
}

fn only<T>(name: &str) -> Pattern<'_>
where
    T: 'static,
{
    Pattern::Type(name, TypeId::of::<T>())
}

#[test]
fn r01_exact_handlers_first_then_any_in_order_of_registration() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on_any(bus, 1);
    desk.on(bus, "e", 2);
    desk.on_any(bus, 3);
    desk.on(bus, "e", 4);
    desk.send(bus, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 2), ("e1", 4), ("e1", 1), ("e1", 3)]);
    let names: Vec<_> = desk.rows("e1").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["2", "4", "1", "3"]);
}

#[test]
fn r01_results_keep_the_order_in_parallel_mode() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.handler_order = HandlerOrder::Parallel);
    desk.on_any(bus, 1);
    desk.on(bus, "e", 2);
    desk.on(bus, "e", 3);
    desk.send(bus, "e1");
    assert_eq!(desk.run(), [("e1", 2), ("e1", 3), ("e1", 1)]);
    desk.returns("e1", 1, 10);
    desk.returns("e1", 3, 30);
    desk.returns("e1", 2, 20);
    let expected =
        [("2", Outcome::Value(20)), ("3", Outcome::Value(30)), ("1", Outcome::Value(10))];
    assert_eq!(desk.rows("e1"), expected);
}

#[test]
fn r01_type_and_name_share_one_list() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    desk.register(bus, only::<Ours>("e"), Limit::Inherit, 2);
    desk.on(bus, "e", 3);
    send_typed::<Ours>(&mut desk, bus, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e1", 2), ("e1", 3)]);
}

#[test]
fn r01_another_type_of_the_same_name_is_skipped_with_one_warning() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.register(bus, only::<Ours>("e"), Limit::Inherit, 1);
    desk.on(bus, "e", 2);
    send_typed::<Theirs>(&mut desk, bus, "e1");
    send_typed::<Theirs>(&mut desk, bus, "e2");
    desk.send(bus, "e3");
    assert_eq!(desk.run_to_end(), [("e1", 2), ("e2", 2), ("e3", 2)]);
    assert_eq!(desk.rows("e1"), [("2", Outcome::Empty)], "what is skipped has no row");
    let [Warning::OtherTypeOfSameName { handler, event_type }] = &desk.warnings[..] else {
        panic!("one warning: {:?}", desk.warnings);
    };
    assert_eq!((&*handler.name, &**event_type), ("1", "e"));
}

#[test]
fn r01_types_that_share_a_name_on_purpose_are_not_warned_of() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    for (handler, pattern) in [(1, only::<Ours>("e")), (2, only::<Theirs>("e"))] {
        let key = desk.register(bus, pattern, Limit::Inherit, handler);
        desk.input(|machine| machine.expect_other_types(key));
    }
    send_typed::<Theirs>(&mut desk, bus, "e1");
    send_typed::<Ours>(&mut desk, bus, "e2");
    assert_eq!(desk.run_to_end(), [("e1", 2), ("e2", 1)]);
    assert!(desk.warnings.is_empty(), "{:?}", desk.warnings);
}

#[test]
fn r01_an_event_that_all_skip_completes() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.register(bus, only::<Ours>("e"), Limit::Inherit, 1);
    send_typed::<Theirs>(&mut desk, bus, "e1");
    assert_eq!(desk.run(), []);
    assert_eq!(desk.completed(), ["e1"]);
    assert!(desk.machine.is_idle(bus));
}

#[test]
fn r01_what_is_skipped_has_no_row_while_pending_or_when_cancelled() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.completion = Completion::First);
    desk.on(bus, "e", 1);
    desk.register(bus, only::<Ours>("e"), Limit::Inherit, 2);
    desk.on(bus, "e", 3);
    let event = send_typed::<Theirs>(&mut desk, bus, "e1");
    desk.run();
    assert_eq!(desk.machine.results(event).len(), 2);
    desk.returns("e1", 1, 7);
    let expected = [("1", Outcome::Value(7)), ("3", Outcome::Cancelled(Cause::First))];
    assert_eq!(desk.rows("e1"), expected);
}

#[test]
fn r01_other_names_and_other_buses_see_nothing() {
    let mut desk = Desk::new();
    let (a, b) = (desk.bus("a"), desk.bus("b"));
    desk.on(a, "e", 1);
    desk.on(a, "other", 2);
    desk.on_any(b, 3);
    desk.send(a, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 1)]);
}

#[test]
fn r02_the_same_function_registered_twice_runs_twice() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    let first = desk.on(bus, "e", 1);
    let second = desk.on(bus, "e", 1);
    assert_ne!(first, second);
    desk.send(bus, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e1", 1)]);
    let keys: Vec<_> = desk.done("e1").results.iter().map(|row| row.handler.key).collect();
    assert_eq!(keys, [first, second]);
}

#[test]
fn r02_a_second_handler_of_one_name_on_one_pattern_warns() {
    let mut desk = Desk::new();
    let (a, b) = (desk.bus("a"), desk.bus("b"));
    desk.on(a, "e", 1);
    desk.on(a, "f", 1);
    desk.on_any(a, 1);
    desk.on(b, "e", 1);
    desk.on(a, "e", 2);
    assert_eq!(desk.warnings, [], "other patterns, buses and names are no reason to warn");
    desk.on(a, "e", 1);
    desk.on_any(a, 1);
    let patterns = desk.warnings.iter().map(|warning| match warning {
        Warning::SameHandlerName { handler, pattern } => (&*handler.name, &**pattern),
        other => panic!("{other:?}"),
    });
    assert_eq!(patterns.collect::<Vec<_>>(), [("1", "e"), ("1", "*")]);
}

#[test]
fn r03_the_handlers_of_an_event_are_fixed_when_it_starts() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    let second = desk.on(bus, "e", 2);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.input(|machine| machine.off(second)).expect("it was registered");
    desk.on(bus, "e", 3);
    desk.on_any(bus, 4);
    let rest = [("e1", 2), ("e2", 1), ("e2", 3), ("e2", 4)];
    assert_eq!(desk.run_to_end(), rest, "the first as it started, the second as it is now");
}

#[test]
fn r03_a_replaced_list_is_handed_out_when_its_last_event_ends() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    let first = desk.on(bus, "e", 1);
    let second = desk.on(bus, "e", 2);
    desk.send(bus, "e1");
    desk.run();
    for handler in [first, second] {
        desk.input(|machine| machine.off(handler));
    }
    assert_eq!(desk.handlers, [0; 0], "the running event holds them");
    desk.ends("e1", 1);
    desk.run();
    desk.ends("e1", 2);
    assert_eq!(desk.handlers, [1, 2]);
}

#[test]
fn r03_a_single_handler_is_whose_it_runs() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    let only = desk.on(bus, "e", 1);
    desk.send(bus, "e1");
    desk.run();
    let handler = desk.input(|machine| machine.off(only)).expect("it was registered");
    assert_eq!(Arc::strong_count(&handler), 1, "the books keep none of what was given out");
    desk.ends("e1", 1);
    assert_eq!(desk.handlers, [0; 0]);
}

#[test]
fn r04_off_ends_a_registration_once_and_gives_the_handler_out() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    let first = desk.on(bus, "e", 1);
    desk.on(bus, "e", 2);
    assert_eq!(desk.machine.handler_count(bus), 2);
    let handler = desk.input(|machine| machine.off(first)).expect("it was registered");
    assert!(matches!(handler.action, Action::Call(1)));
    assert!(desk.input(|machine| machine.off(first)).is_none(), "the second time is harmless");
    assert_eq!(desk.machine.handler_count(bus), 1);
    desk.send(bus, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 2)]);
}

#[test]
fn r04_off_does_not_touch_what_runs() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    let first = desk.on(bus, "e", 1);
    desk.send(bus, "e1");
    desk.run();
    desk.input(|machine| machine.off(first));
    assert_eq!(desk.cancelled(), []);
    desk.returns("e1", 1, 5);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Value(5))]);
}

#[test]
fn r04_a_bus_that_is_gone_registers_nothing() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    let first = desk.on(bus, "e", 1);
    desk.remove_bus(bus);
    let refused = desk.machine.on(bus, Pattern::Any, "late", Limit::Inherit, Action::Call(9));
    assert!(matches!(refused, Err(Action::Call(9))), "the action comes back");
    assert!(desk.machine.off(first).is_none());
    assert_eq!(desk.machine.handler_count(bus), 0);
}

#[test]
fn peer_unsubscribing_leaves_nothing_behind() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    for number in 0..100 {
        let handler = desk.on(bus, "e", number);
        desk.input(|machine| machine.off(handler)).expect("it was registered");
    }
    assert_eq!(desk.machine.handler_count(bus), 0);
    desk.send(bus, "e1");
    assert_eq!(desk.run(), []);
    assert_eq!(desk.completed(), ["e1"]);
}

#[test]
fn peer_unsubscribing_lets_what_is_in_flight_finish() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.handler_order = HandlerOrder::Parallel);
    let keys = [desk.on(bus, "e", 1), desk.on(bus, "e", 2)];
    desk.send(bus, "e1");
    desk.run();
    for key in keys {
        desk.input(|machine| machine.off(key)).expect("it was registered");
    }
    desk.returns("e1", 1, 1);
    desk.returns("e1", 2, 2);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Value(1)), ("2", Outcome::Value(2))]);
}
