//! Children, waits, raising and lending: R12–R16, R18.

use busway_core::machine::{
    BusKey, Concurrency, Deadlock, Dispatch, EventKey, EventStatus, HandlerOrder, Refusal, Waiting,
};

use crate::desk::{Desk, at, secs};

/// A bus that handles `p`arents with 1, `c`hildren with 2, `g`randchildren with 3, `x` with 4.
fn bus(desk: &mut Desk, name: &str) -> BusKey {
    let bus = desk.bus(name);
    for (event_type, handler) in [("p", 1), ("c", 2), ("g", 3), ("x", 4)] {
        desk.on(bus, event_type, handler);
    }
    bus
}

/// `p1` runs on bus `a`, with `x1` and `x2` queued behind it.
fn parent_and_others() -> (Desk, BusKey) {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    for label in ["p1", "x1", "x2"] {
        desk.send(a, label);
    }
    assert_eq!(desk.run(), [("p1", 1)]);
    (desk, a)
}

fn cycle(answer: Result<impl core::fmt::Debug, Deadlock>) -> Vec<EventKey> {
    answer.expect_err("a deadlock").cycle
}

mod r12 {
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
}

mod r13 {
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
}

mod r14 {
    use super::*;

    #[test]
    fn r14_the_newest_wait_comes_first() {
        let (mut desk, a) = parent_and_others();
        for label in ["c1", "c2"] {
            desk.child("p1", a, label);
            desk.waits("p1", 1, label);
        }
        assert_eq!(desk.run(), [("c1", 2)]);
        desk.child("c1", a, "g1");
        desk.waits("c1", 2, "g1");
        assert_eq!(desk.run(), [("g1", 3)], "before c2, which was raised earlier");
        desk.ends("g1", 3);
        assert_eq!(desk.run(), [], "c1 goes on");
        desk.ends("c1", 2);
        assert_eq!(desk.run(), [("c2", 2)]);
    }

    #[test]
    fn r14_the_slot_is_retaken_in_the_step_the_wait_ends() {
        let (mut desk, a) = parent_and_others();
        let b = bus(&mut desk, "b");
        desk.child("p1", a, "c1");
        desk.waits("p1", 1, "c1");
        desk.send(b, "p2");
        assert_eq!(desk.run(), [("c1", 2), ("p2", 1)]);
        desk.waits("p2", 1, "x2");
        assert_eq!(desk.run(), [], "c1 has the slot");
        desk.ends("c1", 2);
        assert_eq!(desk.run(), [], "p1 has it again before x2 can take it");
        desk.ends("p1", 1);
        assert_eq!(desk.run(), [("x2", 4)]);
    }

    #[test]
    fn r14_if_another_holds_it_then_both_run() {
        let (mut desk, _) = parent_and_others();
        let b = bus(&mut desk, "b");
        desk.child("p1", b, "c1");
        desk.waits("p1", 1, "c1");
        desk.run();
        let wait = desk.waits("c1", 2, "x2");
        assert_eq!(desk.run(), [("x2", 4)]);
        desk.end_wait(wait);
        desk.ends("c1", 2);
        assert_eq!(desk.running(), [("p1", 1), ("x2", 4)]);
        assert_eq!(desk.run(), []);
        desk.ends("p1", 1);
        assert_eq!(desk.run(), [], "x2 still has the slot");
        desk.ends("x2", 4);
        assert_eq!(desk.run(), [("x1", 4)]);
    }

    #[test]
    fn r14_a_dropped_wait_gives_what_has_not_started_its_place_back() {
        let (mut desk, a) = parent_and_others();
        desk.child("p1", a, "c1");
        desk.send(a, "x3");
        let wait = desk.waits("p1", 1, "c1");
        desk.end_wait(wait);
        assert_eq!(desk.run(), []);
        assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("c1", 2), ("x3", 4)]);
    }

    #[test]
    fn r14_after_a_dropped_wait_what_has_started_goes_on() {
        let (mut desk, a) = parent_and_others();
        desk.child("p1", a, "c1");
        let wait = desk.waits("p1", 1, "c1");
        desk.run();
        desk.end_wait(wait);
        assert_eq!(desk.running(), [("p1", 1), ("c1", 2)]);
        assert_eq!(desk.cancelled(), []);
        desk.ends("p1", 1);
        assert_eq!(desk.run(), [], "c1 has the slot");
        desk.ends("c1", 2);
        assert_eq!(desk.run(), [("x1", 4)]);
    }

    #[test]
    fn r14_late_children_of_what_is_no_longer_awaited_wait_their_turn() {
        let (mut desk, a) = parent_and_others();
        desk.child("p1", a, "c1");
        let wait = desk.waits("p1", 1, "c1");
        desk.run();
        desk.end_wait(wait);
        desk.child("c1", a, "g1");
        assert_eq!(desk.run_to_end(), [("x1", 4), ("x2", 4), ("g1", 3)]);
    }

    #[test]
    fn r14_a_dropped_wait_leaves_the_other_one_its_claim() {
        let mut desk = Desk::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
        for (bus, label) in [(a, "p1"), (b, "p2"), (c, "x1"), (c, "x2"), (c, "x3")] {
            desk.send(bus, label);
        }
        desk.run();
        desk.waits("p1", 1, "x3");
        let newer = desk.waits("p2", 1, "x3");
        desk.end_wait(newer);
        desk.end_wait(newer);
        desk.ends("x1", 4);
        assert_eq!(desk.run(), [("x3", 4)]);
    }

    #[test]
    fn r14_a_completed_event_is_not_waited_for() {
        let (mut desk, a) = parent_and_others();
        desk.child("p1", a, "c1");
        desk.waits("p1", 1, "c1");
        desk.run();
        desk.ends("c1", 2);
        assert_eq!(desk.try_wait("p1", 1, "c1"), Ok(Waiting::Over));
        assert_eq!(desk.run(), [], "no slot is lent for it");
    }

    #[test]
    fn r14_nor_is_one_that_is_forgotten() {
        let mut desk = Desk::new();
        let a = desk.bus_of("a", |bus| bus.max_history = Some(0));
        let b = bus(&mut desk, "b");
        desk.send(a, "c1");
        desk.send(b, "p1");
        desk.run();
        assert_eq!(desk.machine.payload(desk.event("c1")), None);
        assert_eq!(desk.try_wait("p1", 1, "c1"), Ok(Waiting::Over));
    }

    #[test]
    fn r14_two_waiters_both_resolve_and_handlers_run_once() {
        let mut desk = Desk::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
        for (bus, label) in [(a, "p1"), (b, "p2"), (a, "x1"), (b, "x2")] {
            desk.send(bus, label);
        }
        desk.run();
        desk.send(c, "c1");
        desk.waits("p1", 1, "c1");
        desk.waits("p2", 1, "c1");
        assert_eq!(desk.run(), [("c1", 2)]);
        desk.ends("c1", 2);
        assert_eq!(desk.machine.held().waits, 0);
        assert_eq!(desk.run(), []);
        assert_eq!(desk.completed(), ["c1"]);
    }

    #[test]
    fn r14_two_waits_of_one_handler_for_one_event() {
        let (mut desk, a) = parent_and_others();
        desk.child("p1", a, "c1");
        let first = desk.waits("p1", 1, "c1");
        desk.waits("p1", 1, "c1");
        desk.end_wait(first);
        assert_eq!(desk.run(), [("c1", 2)], "the other wait holds");
        desk.ends("c1", 2);
        assert_eq!((desk.machine.held().waits, desk.run().len()), (0, 0));
    }

    #[test]
    fn r14_a_handler_that_still_waits_for_another_has_not_retaken() {
        let (mut desk, a) = parent_and_others();
        let b = bus(&mut desk, "b");
        desk.child("p1", b, "c1");
        desk.child("p1", a, "c2");
        desk.child("p1", a, "c3");
        desk.waits("p1", 1, "c1");
        desk.waits("p1", 1, "c2");
        assert_eq!(desk.run().len(), 2);
        desk.ends("c2", 2);
        assert_eq!(desk.run(), [], "no wait for c3, and p1 waits for c1");
        desk.waits("p1", 1, "c3");
        assert_eq!(desk.run(), [("c3", 2)]);
    }

    #[test]
    fn r14_the_wait_of_an_invocation_that_ended_is_nobodys() {
        let (mut desk, _) = parent_and_others();
        let ended = desk.invocation("p1", 1);
        desk.ends("p1", 1);
        let x2 = desk.event("x2");
        assert_eq!(desk.input(|machine| machine.wait(ended, x2)), Ok(Waiting::Nobodys));
        assert_eq!(desk.run(), [("x1", 4)], "it raises nothing");
    }

    #[test]
    fn r14_a_handler_beside_the_one_that_waits_keeps_the_slot() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.on(a, "p", 5);
        desk.send_with(a, "p1", |own| own.handler_order = Some(HandlerOrder::Parallel));
        desk.run();
        desk.child("p1", a, "c1");
        desk.waits("p1", 1, "c1");
        assert_eq!(desk.run(), []);
        desk.ends("p1", 5);
        assert_eq!(desk.run(), [("c1", 2)]);
    }

    #[test]
    fn r14_a_parallel_event_has_no_slot_to_lend() {
        let (mut desk, a) = parent_and_others();
        desk.child("p1", a, "c1");
        desk.waits("p1", 1, "c1");
        desk.run();
        desk.send_with(a, "x3", |own| own.concurrency = Some(Concurrency::Parallel));
        assert_eq!(desk.run(), [], "it does not overtake x1");
        desk.waits("c1", 2, "x3");
        assert_eq!(desk.run(), [("x3", 4)], "raised, it needs nobody's");
    }

    #[test]
    fn r14_hub_serial_events_lend_the_hub_to_raised_ones_only() {
        let mut desk = Desk::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| {
            let bus = desk.bus_of(name, |bus| bus.concurrency = Concurrency::HubSerial);
            [("p", 1), ("c", 2), ("x", 4)].map(|(name, handler)| desk.on(bus, name, handler));
            bus
        });
        desk.send(a, "p1");
        desk.send(c, "x1");
        assert_eq!(desk.run(), [("p1", 1)]);
        desk.child("p1", b, "c1");
        assert_eq!(desk.run(), []);
        desk.waits("p1", 1, "c1");
        assert_eq!(desk.run(), [("c1", 2)], "not x1, which waited longer");
        desk.ends("c1", 2);
        assert_eq!(desk.run(), [], "p1 has the hub again");
        desk.ends("p1", 1);
        assert_eq!(desk.run(), [("x1", 4)]);
    }

    #[test]
    fn r14_a_raised_hub_serial_event_waits_for_who_holds_the_hub() {
        let mut desk = Desk::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
        let hub_serial = Some(Concurrency::HubSerial);
        desk.send_with(c, "x1", |own| own.concurrency = hub_serial);
        desk.send(a, "p1");
        desk.run();
        desk.send_with(b, "x2", |own| own.concurrency = hub_serial);
        desk.send_with(c, "x3", |own| own.concurrency = hub_serial);
        desk.waits("p1", 1, "x2");
        assert_eq!(desk.run(), []);
        desk.ends("x1", 4);
        assert_eq!(desk.run(), [("x2", 4)]);
        desk.ends("x2", 4);
        assert_eq!(desk.run(), [("x3", 4)]);
    }

    /// Each handler dispatches what it handles and waits for it.
    fn nested(depth: usize) -> (Desk, BusKey) {
        let mut desk = Desk::big();
        let a = desk.bus_of("a", |bus| bus.max_pending_children = None);
        desk.on(a, "p", 1);
        desk.send(a, "p");
        desk.run();
        for _ in 1..depth {
            desk.child("p", a, "p");
            desk.waits("p", 1, "p");
            assert_eq!(desk.run(), [("p", 1)]);
        }
        assert_eq!(desk.machine.held().waits, depth - 1);
        (desk, a)
    }

    #[test]
    fn r14_ten_thousand_nested_waits_end_from_the_inside() {
        let (mut desk, a) = nested(10_000);
        desk.send(a, "p");
        for _ in 0..10_000 {
            assert_eq!(desk.run(), []);
            desk.ends("p", 1);
        }
        assert_eq!(desk.completed().len(), 10_000);
        assert_eq!(desk.run(), [("p", 1)], "what was queued comes last");
        desk.audit();
    }

    #[test]
    fn r14_ten_thousand_nested_waits_end_with_their_root() {
        let (mut desk, a) = nested(10_000);
        desk.pass(secs(60));
        assert_eq!(desk.cancelled().len(), 10_000);
        assert_eq!(desk.completed().len(), 10_000);
        assert!(desk.machine.is_idle(a));
        desk.audit();
    }

    #[test]
    fn r14_ten_thousand_generations_are_raised_and_lowered() {
        let mut desk = Desk::big();
        let (a, b) = (desk.bus_of("a", |bus| bus.max_pending_children = None), desk.bus("b"));
        desk.on(a, "x", 1);
        desk.on(b, "p", 2);
        desk.send(a, "x1");
        desk.send(b, "p1");
        desk.run();
        let root = desk.send(a, "x");
        for _ in 0..10_000 {
            desk.child("x", a, "x");
        }
        let waiter = desk.invocation("p1", 2);
        let Ok(Waiting::Begun(wait)) = desk.input(|machine| machine.wait(waiter, root)) else {
            panic!("p1 may wait");
        };
        desk.audit();
        desk.end_wait(wait);
        desk.audit();
        assert_eq!(desk.run_to_end().len(), 10_001);
        assert_eq!(desk.completed().len(), 10_003);
    }
}

mod r15 {
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
        let idle = |desk: &Desk, bus| desk.machine.check_idle_wait(invocation, bus);
        assert_eq!(cycle(idle(&desk, b)), [desk.event("c1")]);
        assert_eq!(cycle(idle(&desk, a)), ["c1", "p1"].map(|l| desk.event(l)), "nor its parent's");
        assert_eq!(idle(&desk, c), Ok(()));
        desk.send(c, "p2");
        desk.run();
        assert_eq!(idle(&desk, c), Ok(()), "what runs there does not depend on it");
        desk.waits("p2", 1, "c1");
        assert_eq!(cycle(idle(&desk, c)), ["c1", "p2"].map(|label| desk.event(label)));
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
}

mod r16 {
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
}

mod r18 {
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
        let mut desk = Desk::new();
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
}

#[test]
fn peer_many_nested_waits_starve_nobody() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.send(a, "p");
    desk.run();
    for _ in 0..100 {
        desk.child("p", a, "p");
        desk.waits("p", 1, "p");
        desk.run();
    }
    desk.send(b, "x1");
    assert_eq!(desk.run(), [("x1", 4)], "other buses go on meanwhile");
}
