//! Slow handlers: R25.

use busway_core::machine::Address;

use super::*;

#[test]
fn r25_a_slow_handler_is_reported_once_with_all_there_is_to_know() {
    let mut desk = Desk::new();
    let (a, b) = (desk.bus("a"), bus(&mut desk, "b"));
    desk.on(a, "p", 1);
    let event = desk.send(a, "p1");
    desk.run();
    let awaited = [desk.child("p1", b, "c1"), desk.child("p1", b, "g1")];
    for label in ["c1", "g1"] {
        desk.waits("p1", 1, label);
    }
    assert_eq!(desk.machine.next_deadline(a), Some(at(15)));
    desk.pass(secs(16));
    desk.pass(secs(20));
    let [Warning::Slow { handler, event: of, event_type, running, waits_for, .. }] =
        &desk.warnings[..]
    else {
        panic!("one report: {:?}", desk.warnings);
    };
    assert_eq!((&*handler.name, &*handler.bus_name, &**event_type), ("1", "a", "p"));
    assert_eq!((*of, *running), (event, secs(16)));
    let waits: Vec<_> = waits_for.iter().map(|(event, name)| (*event, &**name)).collect();
    assert_eq!(waits, [(awaited[0], "c"), (awaited[1], "g")]);
    assert_eq!(desk.machine.next_deadline(a), Some(at(60)), "its limit is next");
}

/// A handler that blocks its thread may be the only one who could have looked.
#[test]
fn r25_one_that_nobody_looked_at_is_reported_when_it_ends() {
    for takes_off in [true, false] {
        let mut desk = Desk::new();
        let a = desk.bus("a");
        desk.on(a, "p", 1);
        for (label, takes, reports) in [("p1", 15, 0), ("p2", 16, 1), ("p3", 70, 2)] {
            desk.send(a, label);
            match takes_off {
                true => assert_eq!(desk.take_off(a), (label, 1)),
                false => drop(desk.run()),
            }
            desk.now = desk.now + secs(takes);
            desk.ends(label, 1);
            assert_eq!(desk.warnings.len(), reports, "after {takes} s: {:?}", desk.warnings);
            assert_eq!(desk.rows(label).len(), 1);
        }
    }
}

#[test]
fn r25_and_of_several_that_run_in_turn_each_one() {
    let mut desk = Desk::new();
    let a = desk.bus("a");
    for handler in 1..=3 {
        desk.on(a, "p", handler);
    }
    desk.send(a, "p1");
    assert_eq!(desk.take_off(a), ("p1", 1));
    for (handler, takes) in [(1, 20), (2, 1), (3, 20)] {
        desk.now = desk.now + secs(takes);
        let next = desk.ends_then_next(("p1", handler), a);
        assert_eq!(next, (handler < 3).then_some(("p1", handler + 1)));
    }
    let slow = desk.warnings.iter().filter_map(|warning| match warning {
        Warning::Slow { handler, running, .. } => Some((&*handler.name, running.as_secs())),
        _ => None,
    });
    assert_eq!(slow.collect::<Vec<_>>(), [("1", 20), ("3", 20)]);
}

#[test]
fn r25_a_slow_consumer_is_reported_with_its_address() {
    let mut desk = Desk::new();
    let a = desk.bus("a");
    let addresses = [Address::Consumer("books.count"), Address::Topic("books")];
    for (address, (label, handler)) in addresses.into_iter().zip([("r1", 7), ("t1", 8)]) {
        desk.input(|machine| machine.on_address(a, address, "named", handler)).expect("it is free");
        let spec = desk.spec(label);
        desk.dispatch_to(a, address, label, spec).expect("accepted");
    }
    desk.run();
    desk.pass(secs(16));
    let said: Vec<_> = desk.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(said[0], "bus a: named of books.count is running for 16s");
    assert_eq!(said[1], "bus a: named of books is running for 16s");
}

#[test]
fn r25_one_that_waits_for_nothing_says_so() {
    let mut desk = Desk::new();
    let a = desk.bus("a");
    desk.on(a, "p", 1);
    desk.send(a, "p1");
    desk.run();
    desk.pass(secs(15));
    let [Warning::Slow { waits_for, .. }] = &desk.warnings[..] else {
        panic!("one report: {:?}", desk.warnings);
    };
    assert_eq!(waits_for[..], []);
    assert_eq!(desk.running(), [("p1", 1)], "it changes nothing");
}

#[test]
fn r25_each_invocation_has_its_own() {
    let mut desk = Desk::new();
    let a = desk.bus_of("a", |bus| bus.limit = Limit::Off);
    desk.on(a, "p", 1);
    desk.send(a, "p1");
    desk.send(a, "p2");
    desk.run();
    desk.pass(secs(15));
    assert_eq!(desk.machine.next_deadline(a), None, "nothing is left to tell");
    desk.ends("p1", 1);
    desk.run();
    desk.pass(secs(14));
    assert_eq!(desk.warnings.len(), 1);
    desk.pass(secs(1));
    assert_eq!(desk.warnings.len(), 2);
}

#[test]
fn r25_what_ends_in_time_or_with_its_limit_is_not_reported() {
    let mut desk = Desk::new();
    let a = desk.bus("a");
    desk.on_limited(a, "p", Limit::After(secs(10)), 1);
    desk.on(a, "c", 2);
    desk.send(a, "p1");
    desk.send(a, "c1");
    desk.run();
    desk.pass(secs(20));
    desk.run();
    desk.ends("c1", 2);
    desk.pass(secs(20));
    assert_eq!(desk.warnings, []);
}

#[test]
fn r25_it_can_be_switched_off() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    desk.pass(secs(59));
    assert_eq!(desk.warnings, []);
}
