//! What starts when: R8–R11.

use busway_core::Instant;
use busway_core::machine::{
    Address, BusConfig, BusKey, Cause, Completion, Concurrency, Dispatch, HandlerOrder, HubConfig,
    Machine, Next, Outcome, Output, Overflow, Pattern,
};

use crate::desk::Desk;

/// A bus with handler 1 of `e` and handler 2 of `c`.
fn bus(desk: &mut Desk, name: &str) -> BusKey {
    let bus = desk.bus(name);
    desk.on(bus, "e", 1);
    desk.on(bus, "c", 2);
    bus
}

fn send_as(desk: &mut Desk, bus: BusKey, label: &'static str, concurrency: Concurrency) {
    desk.send_with(bus, label, |own| own.concurrency = Some(concurrency));
}

/// Three buses, each with an event that needs the slot of the hub.
fn three_for_the_hub() -> (Desk, [BusKey; 3]) {
    let mut desk = Desk::new();
    let buses @ [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    for (bus, label) in [(a, "e1"), (b, "e2"), (c, "e3")] {
        send_as(&mut desk, bus, label, Concurrency::HubSerial);
    }
    (desk, buses)
}

#[test]
fn r08_events_start_in_dispatch_order_one_at_a_time() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    for label in ["e1", "e2", "e3"] {
        desk.send(bus, label);
    }
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e2", 1)]);
    desk.ends("e2", 1);
    assert_eq!(desk.run(), [("e3", 1)]);
}

#[test]
fn r08_who_attends_a_bus_is_not_told_that_it_is_ready() {
    let mut machine = Machine::<&str, (), ()>::new(HubConfig::default());
    let bus = machine.add_bus(BusConfig::new("main"), 0);
    let kind = machine.kind("E", None);
    let mut dispatched = |attended| {
        if attended {
            machine.attend(bus);
        }
        machine.dispatch(bus, "e", Dispatch::new(kind), Instant::EPOCH).unwrap();
        let ready = machine.outputs().filter(|output| matches!(output, Output::Ready { .. }));
        let told = ready.count();
        let next = machine.next(bus, Instant::EPOCH);
        (told, matches!(next, Next::Idle))
    };
    assert_eq!([false, true, false].map(&mut dispatched), [(1, true), (0, true), (1, true)]);
}

#[test]
fn r08_the_next_starts_before_the_descendants_of_the_last() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    desk.run();
    desk.child("e1", bus, "c1");
    desk.ends("e1", 1);
    assert_eq!(desk.run_to_end(), [("e2", 1), ("c1", 2)]);
    assert_eq!(desk.completed(), ["e2", "c1", "e1"], "a parent after its child");
}

#[test]
fn r08_all_handlers_of_an_event_come_before_the_next_event() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    desk.on_any(bus, 3);
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e1", 3), ("e2", 1), ("e2", 3)]);
}

#[test]
fn r08_a_hundred_thousand_queued_events() {
    let mut desk = Desk::big();
    let bus = desk.bus_of("a", |bus| bus.max_pending = None);
    desk.on(bus, "e", 1);
    for label in ["e1", "e2"].into_iter().cycle().take(100_000) {
        desk.send(bus, label);
    }
    let starts = desk.run_to_end();
    assert_eq!(starts.len(), 100_000);
    assert!(starts.chunks(2).all(|two| two == [("e1", 1), ("e2", 1)]), "in order");
    assert_eq!(desk.completed().len(), 100_000);
    assert_eq!(desk.machine.held().events, 50, "what history keeps");
    desk.audit();
}

#[test]
fn r09_handlers_run_one_after_the_other() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    desk.on(bus, "e", 3);
    desk.send(bus, "e1");
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e1", 3)]);
}

#[test]
fn r09_or_together() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.handler_order = HandlerOrder::Parallel);
    for handler in 1..=3 {
        desk.on(bus, "e", handler);
    }
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    assert_eq!(desk.run(), [("e1", 1), ("e1", 2), ("e1", 3)]);
    desk.ends("e1", 2);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [], "the next event waits for all of them");
    desk.ends("e1", 3);
    assert_eq!(desk.run().len(), 3);
}

#[test]
fn r09_an_event_may_override_it_either_way() {
    for (of_bus, own, at_once) in [
        (HandlerOrder::Serial, HandlerOrder::Parallel, 2),
        (HandlerOrder::Parallel, HandlerOrder::Serial, 1),
    ] {
        let mut desk = Desk::new();
        let bus = desk.bus_of("a", |bus| bus.handler_order = of_bus);
        desk.on(bus, "e", 1);
        desk.on(bus, "e", 2);
        desk.send_with(bus, "e1", |event| event.handler_order = Some(own));
        assert_eq!(desk.run().len(), at_once, "{own:?} on a bus that is {of_bus:?}");
    }
}

#[test]
fn r10_buses_do_not_wait_for_each_other() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.send(a, "e1");
    desk.send(b, "e2");
    assert_eq!(desk.run(), [("e1", 1), ("e2", 1)]);
}

#[test]
fn r10_parallel_takes_no_slot() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    send_as(&mut desk, bus, "e1", Concurrency::Parallel);
    desk.send(bus, "e2");
    send_as(&mut desk, bus, "e3", Concurrency::Parallel);
    assert_eq!(desk.run(), [("e1", 1), ("e2", 1), ("e3", 1)]);
}

#[test]
fn r10_parallel_never_overtakes_the_head_of_the_queue() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    send_as(&mut desk, bus, "e3", Concurrency::Parallel);
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e2", 1), ("e3", 1)]);
}

#[test]
fn r10_an_event_may_be_serial_on_a_parallel_bus() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.concurrency = Concurrency::Parallel);
    desk.on(bus, "e", 1);
    for label in ["e1", "e2"] {
        send_as(&mut desk, bus, label, Concurrency::BusSerial);
    }
    desk.send(bus, "e3");
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e2", 1), ("e3", 1)]);
}

#[test]
fn r10_hub_serial_events_exclude_each_other_over_the_hub() {
    let (mut desk, _) = three_for_the_hub();
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e2", 1)], "who waited longest is next");
    desk.ends("e2", 1);
    assert_eq!(desk.run(), [("e3", 1)]);
}

#[test]
fn r10_one_at_a_time_also_where_a_bus_has_more_of_them() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    for (bus, label) in [(a, "e1"), (b, "e2"), (a, "e3"), (b, "e4")] {
        send_as(&mut desk, bus, label, Concurrency::HubSerial);
    }
    for _ in 0..4 {
        let [(label, handler)] = desk.run()[..] else {
            panic!("one of them runs, and nobody is forgotten: {:?}", desk.running());
        };
        desk.ends(label, handler);
    }
    assert_eq!(desk.completed().len(), 4);
}

#[test]
fn r10_a_stopped_bus_that_nobody_asks_any_more_holds_up_no_other() {
    let (mut desk, [a, b, c]) = three_for_the_hub();
    let topic = Address::Topic("t");
    desk.input(|machine| machine.on_address(b, topic, "named", 7)).expect("it is free");
    assert_eq!(desk.run(), [("e1", 1)]);
    // Before it is stopped it is ready for something else, and nobody looks.
    let spec = desk.spec("m1");
    desk.dispatch_to(b, topic, "m1", spec).expect("accepted");
    desk.stop(b);
    let (first, now) = (desk.invocation("e1", 1), desk.now);
    assert_eq!(desk.machine.finished(first, Outcome::Empty, now), None);
    let said: Vec<_> = desk.machine.outputs().collect();
    let is_called =
        |bus| said.iter().any(|it| matches!(it, Output::Ready { bus: of } if *of == bus));
    assert!(is_called(c) && !is_called(a), "{said:?}");
}

#[test]
fn r10_hub_serial_does_not_exclude_bus_serial_elsewhere() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    send_as(&mut desk, a, "e1", Concurrency::HubSerial);
    desk.send(b, "e2");
    send_as(&mut desk, b, "e3", Concurrency::HubSerial);
    desk.send(b, "e4");
    assert_eq!(desk.run(), [("e1", 1), ("e2", 1)]);
    desk.ends("e2", 1);
    assert_eq!(desk.run(), [], "the head waits for the hub, and the queue for its head");
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e3", 1)]);
    desk.ends("e3", 1);
    assert_eq!(desk.run(), [("e4", 1)]);
}

#[test]
fn r10_hub_serial_holds_the_bus_too() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    send_as(&mut desk, bus, "e1", Concurrency::HubSerial);
    desk.send(bus, "e2");
    assert_eq!(desk.run(), [("e1", 1)]);
}

#[test]
fn r10_a_stopped_bus_keeps_nobody_from_the_hub() {
    let (mut desk, [a, b, _]) = three_for_the_hub();
    desk.run();
    desk.stop(b);
    desk.stop(a);
    assert_eq!(desk.run(), [("e3", 1)]);
}

#[test]
fn r10_a_bus_that_is_called_and_held_up_calls_the_next() {
    let (mut desk, [_, b, _]) = three_for_the_hub();
    desk.run();
    desk.input(|machine| machine.watch(b, Pattern::Any, 1, Overflow::Wait));
    desk.ends("e1", 1);
    desk.send(b, "e4");
    desk.send(b, "e5");
    assert_eq!(desk.run(), [("e3", 1)], "b waits for its reader, not for the hub");
}

#[test]
fn r10_nor_does_one_that_is_called_and_starts_what_needs_no_hub() {
    let (mut desk, [_, b, c]) = three_for_the_hub();
    desk.run();
    for label in ["e4", "e5"] {
        desk.send(b, label);
    }
    desk.ends("e1", 1);
    assert_eq!((desk.is_ready(b), desk.is_ready(c)), (true, false), "it has waited longest");
    let (gone, now) = (desk.event("e2"), desk.now);
    desk.input(|machine| machine.abort(gone, Cause::Aborted, now));
    assert_eq!(desk.take_off(b), ("e4", 1));
    assert!(desk.is_ready(c), "also while that has just started");
}

#[test]
fn r10_what_an_event_leaves_open_its_bus_resolves() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    let b = desk.bus_of("b", |bus| {
        bus.concurrency = Concurrency::Parallel;
        bus.handler_order = HandlerOrder::Parallel;
    });
    desk.on(b, "e", 3);
    desk.on(b, "e", 4);
    desk.forward(a, b);
    desk.send(a, "e1");
    desk.send(a, "e2");
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e2", 1), ("e1", 3), ("e1", 4)]);
    desk.ends("e2", 1);
    assert_eq!(desk.run(), [("e2", 3), ("e2", 4)], "beside the first, which has not ended");
}

#[test]
fn r11_first_cancels_what_has_not_started() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.completion = Completion::First);
    for handler in 1..=3 {
        desk.on(bus, "e", handler);
    }
    desk.send(bus, "e1");
    desk.run();
    desk.returns("e1", 1, 7);
    assert_eq!(desk.run(), []);
    let cancelled = Outcome::Cancelled(Cause::First);
    let expected = [("1", Outcome::Value(7)), ("2", cancelled.clone()), ("3", cancelled)];
    assert_eq!(desk.rows("e1"), expected);
    assert_eq!(desk.cause("e1"), None, "it ran to its end");
}

#[test]
fn r11_none_and_errors_are_not_first() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.completion = Completion::First);
    for handler in 1..=4 {
        desk.on(bus, "e", handler);
    }
    desk.send(bus, "e1");
    desk.run();
    desk.ends("e1", 1);
    assert_eq!(desk.run(), [("e1", 2)]);
    desk.fails("e1", 2, 13);
    assert_eq!(desk.run(), [("e1", 3)]);
    desk.returns("e1", 3, 7);
    assert_eq!(desk.run(), []);
    assert_eq!(desk.completed(), ["e1"]);
}

#[test]
fn r11_without_a_value_all_of_them_run() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.completion = Completion::First);
    desk.on(bus, "e", 1);
    desk.on(bus, "e", 2);
    desk.send(bus, "e1");
    assert_eq!(desk.run_to_end(), [("e1", 1), ("e1", 2)]);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Empty), ("2", Outcome::Empty)]);
}

#[test]
fn r11_first_aborts_what_runs_beside_it_and_what_that_awaits() {
    let mut desk = Desk::new();
    let bus = bus(&mut desk, "a");
    desk.on(bus, "e", 3);
    desk.send_with(bus, "e1", |own| {
        own.completion = Some(Completion::First);
        own.handler_order = Some(HandlerOrder::Parallel);
    });
    desk.run();
    desk.child("e1", bus, "c1");
    desk.child("e1", bus, "c2");
    desk.waits("e1", 3, "c1");
    assert_eq!(desk.run(), [], "the other handler does not wait");
    desk.returns("e1", 1, 7);
    assert_eq!(desk.cancelled(), [("e1", 3)]);
    assert_eq!(desk.completed(), ["c1"], "c2 was not awaited: the event waits for it (R16)");
    assert_eq!(desk.cause("c1"), Some(Cause::Aborted));
    assert_eq!(desk.run_to_end(), [("c2", 2)]);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Value(7)), ("3", Outcome::Aborted(Cause::First))]);
    assert_eq!(desk.cause("e1"), None);
}

#[test]
fn r11_an_event_may_ask_for_all_on_a_bus_of_first() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.completion = Completion::First);
    desk.on(bus, "e", 1);
    desk.on(bus, "e", 2);
    desk.send_with(bus, "e1", |own| own.completion = Some(Completion::All));
    desk.run();
    desk.returns("e1", 1, 7);
    assert_eq!(desk.run(), [("e1", 2)]);
}

#[test]
fn peer_buses_overlap_without_a_global_lock() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.send(a, "e1");
    desk.run();
    desk.child("e1", b, "c1");
    desk.send(b, "e2");
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.ends("c1", 2);
    assert_eq!(desk.run(), [("e2", 1)]);
    assert_eq!(desk.running(), [("e1", 1), ("e2", 1)]);
}

#[test]
fn r10_who_asks_without_being_told_is_not_told_either_until_the_bus_is_idle() {
    let (mut desk, [.., c]) = three_for_the_hub();
    assert_eq!(desk.run(), [("e1", 1)]);
    desk.ends("e1", 1);
    let Next::Run(run) = desk.machine.next(c, desk.now) else { panic!("the slot is free") };
    assert_eq!(run.payload, "e3");
    send_as(&mut desk, c, "e4", Concurrency::Parallel);
    assert_eq!(desk.run(), [], "nobody is told of what will be asked for");
    let Next::Run(run) = desk.machine.next(c, desk.now) else { panic!("it takes no slot") };
    assert_eq!(run.payload, "e4");
}
