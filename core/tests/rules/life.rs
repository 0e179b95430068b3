//! Buses come and go: R31–R34.

use busway_core::Instant;
use busway_core::machine::{
    BusConfig, BusKey, Cause, Concurrency, Dispatch, EventStatus, HandlerOrder, Held, HubConfig,
    InvocationKey, Machine, Next, Outcome, Output, Refusal,
};

use crate::desk::{Desk, secs};

const STOPPED: Outcome<u32> = Outcome::Aborted(Cause::Stopped);
const CANCELLED: Outcome<u32> = Outcome::Cancelled(Cause::Stopped);

/// A bus that handles `e` with 1 and `c` with 2.
fn bus(desk: &mut Desk, name: &str) -> BusKey {
    let bus = desk.bus(name);
    desk.on(bus, "e", 1);
    desk.on(bus, "c", 2);
    bus
}

mod r31 {
    use super::*;

    #[test]
    fn r31_idle_is_nothing_queued_running_or_incomplete() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        assert!(desk.machine.is_idle(a), "a fresh bus is");
        desk.send(a, "e1");
        assert!(!desk.machine.is_idle(a), "queued");
        desk.run();
        assert!(!desk.machine.is_idle(a), "running");
        desk.child("e1", b, "c1");
        desk.ends("e1", 1);
        assert!(!desk.machine.is_idle(a), "incomplete: its child is on the other bus");
        assert_eq!(desk.idle, []);
        desk.run_to_end();
        assert!(desk.machine.is_idle(a) && desk.machine.is_idle(b));
        assert_eq!(desk.idle, [b, a]);
    }

    #[test]
    fn r31_a_forwarded_event_keeps_both_buses_from_being_idle() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.forward(a, b);
        desk.send(a, "e1");
        desk.run();
        desk.ends("e1", 1);
        desk.run();
        assert!(!desk.machine.is_idle(a) && !desk.machine.is_idle(b));
        desk.ends("e1", 1);
        assert_eq!(desk.idle, [a, b]);
    }

    #[test]
    fn r31_it_is_said_each_time() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        for label in ["e1", "e2"] {
            desk.send(a, label);
            desk.run_to_end();
        }
        assert_eq!(desk.idle, [a, a]);
    }

    #[test]
    fn r31_it_is_said_of_those_that_somebody_asked_about() {
        let mut machine = Machine::<&str, (), ()>::new(HubConfig::default());
        let bus = machine.add_bus(BusConfig::new("main"), 0);
        let kind = machine.kind("E", None);
        let mut unhandled = || {
            machine.dispatch(bus, "e", Dispatch::new(kind), Instant::EPOCH).unwrap();
            assert!(matches!(machine.next(bus, Instant::EPOCH), Next::Idle));
            let idle = machine.outputs().filter(|output| matches!(output, Output::Idle { .. }));
            let said = idle.count();
            if said == 0 {
                machine.tell_idle(bus, 0);
            }
            said
        };
        assert_eq!([(); 4].map(|()| unhandled()), [0, 1, 0, 1], "once for each time");
    }

    #[test]
    fn r31_a_bus_that_is_gone_is_idle() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.remove_bus(a);
        assert!(desk.machine.is_idle(a));
    }
}

mod r32 {
    use super::*;

    #[test]
    fn r32_what_runs_is_aborted_and_what_is_queued_cancelled() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.on_any(a, 3);
        for label in ["e1", "e2", "e3"] {
            desk.send(a, label);
        }
        desk.run();
        desk.stop(a);
        assert_eq!(desk.cancelled(), [("e1", 1)]);
        assert_eq!(desk.rows("e1"), [("1", STOPPED), ("3", CANCELLED)]);
        let mut completed = desk.completed();
        completed.sort_unstable();
        assert_eq!(completed, ["e1", "e2", "e3"], "every waiter has its answer");
        for label in completed {
            assert_eq!(desk.cause(label), Some(Cause::Stopped), "{label}");
        }
        assert_eq!((desk.machine.is_idle(a), desk.idle.len()), (true, 1));
        assert_eq!(desk.run(), []);
    }

    #[test]
    fn r32_dispatch_afterwards_is_stopped() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.run();
        desk.stop(a);
        assert!(desk.machine.is_stopped(a));
        assert_eq!(desk.try_send(a, "e2"), Err(Refusal::Stopped));
        assert_eq!(desk.try_child("e1", a, "c1"), Err(Refusal::Stopped));
    }

    #[test]
    fn r32_it_is_idempotent() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.run();
        for _ in 0..2 {
            desk.stop(a);
        }
        desk.input(|machine| machine.drain(a));
        assert_eq!(desk.try_send(a, "e2"), Err(Refusal::Stopped), "drain opens nothing");
        assert_eq!(desk.completed(), ["e1"]);
    }

    #[test]
    fn r32_draining_ends_what_is_there_and_takes_only_its_children() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.send(a, "e2");
        desk.run();
        desk.input(|machine| machine.drain(a));
        assert!(desk.machine.is_stopped(a));
        assert_eq!(desk.try_send(a, "e3"), Err(Refusal::Stopped));
        desk.child("e1", a, "c1");
        desk.waits("e1", 1, "c1");
        assert_eq!(desk.run_to_end().len(), 2);
        assert_eq!(desk.completed().len(), 3);
        assert_eq!(desk.try_child("e1", a, "c2"), Err(Refusal::Stopped), "e1 is done");
        assert_eq!(desk.idle, [a]);
    }

    #[test]
    fn r32_it_takes_roots_that_their_handlers_dispatch_too() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.send(a, "e1");
        desk.run();
        desk.input(|machine| machine.drain(b));
        let by = Some(desk.event("e1"));
        let send = |desk: &mut Desk, label| {
            let mut spec = desk.spec(label);
            spec.by = by;
            desk.dispatch(b, label, spec)
        };
        let root = send(&mut desk, "e2").expect("e1 runs");
        assert!(desk.machine.parent(root).is_none(), "nothing waits for it");
        desk.ends("e1", 1);
        assert_eq!(desk.completed(), ["e1"]);
        assert_eq!(send(&mut desk, "e3"), Err(Refusal::Stopped), "e1 is done");
        desk.run_to_end();
        assert_eq!(desk.completed(), ["e2"]);
    }

    #[test]
    fn r32_buses_that_drain_together_take_what_they_send_on() {
        for together in [false, true] {
            let mut desk = Desk::new();
            let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
            desk.forward(a, b);
            desk.send(a, "e1");
            desk.run();
            let drained = desk.input(|machine| match together {
                true => machine.drain_hub(),
                false => {
                    [a, b].into_iter().for_each(|bus| machine.drain(bus));
                    vec![a, b]
                }
            });
            assert_eq!(drained, [a, b]);
            assert_eq!([a, b].map(|bus| desk.try_send(bus, "e2")), [Err(Refusal::Stopped); 2]);
            desk.ends("e1", 1);
            desk.run_to_end();
            let path: &[&str] = if together { &["a", "b"] } else { &["a"] };
            assert_eq!(desk.path("e1"), path);
            assert_eq!(desk.completed(), ["e1"]);
        }
    }

    #[test]
    fn r32_a_drain_that_takes_too_long_is_ended() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.send(a, "e2");
        desk.run();
        desk.input(|machine| machine.drain(a));
        desk.pass(secs(5));
        desk.stop(a);
        assert_eq!(desk.completed().len(), 2);
        assert_eq!(desk.cause("e2"), Some(Cause::Stopped));
    }

    #[test]
    fn r32_parallel_handlers_are_all_aborted() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.on(a, "e", 3);
        desk.send_with(a, "e1", |own| own.handler_order = Some(HandlerOrder::Parallel));
        desk.run();
        desk.returns("e1", 1, 7);
        desk.stop(a);
        assert_eq!(desk.rows("e1"), [("1", Outcome::Value(7)), ("3", STOPPED)]);
        assert_eq!(desk.cause("e1"), Some(Cause::Stopped));
    }

    #[test]
    fn r32_stopped_between_two_handlers() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.on(a, "e", 3);
        desk.send(a, "e1");
        desk.run();
        desk.returns("e1", 1, 7);
        desk.stop(a);
        assert_eq!(desk.rows("e1"), [("1", Outcome::Value(7)), ("3", CANCELLED)]);
        assert_eq!((desk.cause("e1"), desk.run()), (Some(Cause::Stopped), vec![]));
    }

    #[test]
    fn r32_stopped_when_it_was_ready_to_start() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.stop(a);
        assert_eq!(desk.run(), []);
        let done = desk.done("e1");
        assert_eq!((done.started_at, done.results.len()), (None, 0));
    }

    #[test]
    fn r32_nested_waits_are_all_ended() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.run();
        for (parent, child) in [("e1", "c1"), ("c1", "c2"), ("c2", "c3")] {
            desk.child(parent, a, child);
            desk.waits(parent, if parent == "e1" { 1 } else { 2 }, child);
            desk.run();
        }
        desk.child("c3", a, "c4");
        desk.stop(a);
        assert_eq!((desk.running(), desk.completed().len()), (vec![], 5));
        for label in ["e1", "c1", "c2", "c3", "c4"] {
            assert!(desk.cause(label).is_some(), "{label} has a cause");
        }
        assert_eq!((desk.machine.held().waits, desk.machine.held().timers), (0, 0));
    }

    #[test]
    fn r32_clear_drops_handlers_and_history() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.run_to_end();
        desk.stop(a);
        desk.input(|machine| machine.clear(a));
        assert_eq!((desk.machine.handler_count(a), desk.machine.history_len(a)), (0, 0));
        desk.handlers.sort_unstable();
        assert_eq!((&desk.handlers[..], &desk.payloads[..]), (&[1, 2][..], &["e1"][..]));
    }

    #[test]
    fn r32_a_handler_that_awaits_elsewhere_is_freed_by_that_bus_being_stopped() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.send(a, "e1");
        desk.run();
        desk.child("e1", b, "c1");
        desk.waits("e1", 1, "c1");
        desk.run();
        desk.stop(b);
        assert_eq!(desk.machine.held().waits, 0);
        assert_eq!(desk.running(), [("e1", 1)]);
        desk.returns("e1", 1, 7);
        assert_eq!(desk.rows("e1"), [("1", Outcome::Value(7))]);
        assert_eq!(desk.cause("e1"), None);
    }

    #[test]
    fn peer_stop_leaves_no_waiter_hanging() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        for label in ["e1", "e2"] {
            desk.send(a, label);
        }
        desk.send(b, "e3");
        desk.run();
        desk.waits("e3", 1, "e2");
        desk.stop(a);
        assert_eq!(desk.machine.held().waits, 0);
        assert_eq!(desk.completed(), ["e2", "e1"]);
        desk.ends("e3", 1);
        assert_eq!(desk.completed(), ["e3"]);
    }
}

mod r33 {
    use super::*;

    #[test]
    fn r33_what_was_dispatched_still_runs_and_then_the_bus_is_closed() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.send(a, "e2");
        desk.input(|machine| machine.close(a));
        assert_eq!(desk.closed, []);
        desk.run();
        desk.child("e1", a, "c1");
        desk.ends("e1", 1);
        assert_eq!(desk.run_to_end(), [("e2", 1), ("c1", 2)]);
        assert_eq!(desk.closed, [a]);
    }

    #[test]
    fn r33_an_idle_bus_is_closed_at_once() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.input(|machine| machine.close(a));
        assert_eq!(desk.closed, [a]);
    }

    #[test]
    fn r33_a_bus_that_somebody_got_hold_of_again_is_open() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "e1");
        desk.input(|machine| machine.close(a));
        desk.input(|machine| machine.reopen(a)).expect("it is there");
        desk.run_to_end();
        assert_eq!(desk.closed, []);
        desk.send(a, "e2");
        desk.remove_bus(a);
        assert!(desk.input(|machine| machine.reopen(a)).is_err());
    }

    #[test]
    fn r33_a_removed_bus_leaves_nothing_behind() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.forward(a, b);
        desk.forward(b, a);
        for label in ["e1", "e2"] {
            desk.send_with(a, label, |own| own.concurrency = Some(Concurrency::HubSerial));
        }
        desk.send(b, "e3");
        desk.run();
        desk.child("e1", b, "c1");
        desk.waits("e1", 1, "c1");
        desk.run();
        desk.remove_bus(a);
        desk.run_to_end();
        desk.remove_bus(b);
        assert_eq!(desk.machine.held(), Held::default());
        desk.payloads.sort_unstable();
        assert_eq!(desk.payloads, ["c1", "e1", "e2", "e3"], "each is handed out once");
    }

    #[test]
    fn r33_a_bus_whose_events_are_open_elsewhere_goes_when_they_are_done() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.forward(a, b);
        desk.send(a, "e1");
        desk.run();
        desk.ends("e1", 1);
        desk.run();
        desk.remove_bus(a);
        assert_eq!(desk.running(), [("e1", 1)], "it goes on where it is (R34)");
        assert_eq!((desk.machine.held().buses, desk.closed.len()), (2, 0));
        desk.ends("e1", 1);
        assert_eq!(desk.closed, [a], "now it can be removed");
        desk.remove_bus(a);
        assert_eq!(desk.machine.held().buses, 1);
        assert_eq!(desk.path("e1"), ["a", "b"]);
    }

    #[test]
    fn peer_a_bus_that_is_gone_answers_and_does_not_panic() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        let event = desk.send(a, "e1");
        desk.run();
        let invocation = desk.invocation("e1", 1);
        desk.remove_bus(a);
        let now = desk.now;
        desk.stop(a);
        desk.remove_bus(a);
        desk.timed_out(a);
        desk.input(|machine| {
            machine.drain(a);
            machine.close(a);
            machine.clear(a);
            machine.abort(event, Cause::Aborted, now);
            assert_eq!(machine.finished(invocation, Outcome::Empty, now), Some(Outcome::Empty));
            assert_eq!(machine.check_idle_wait(invocation, a), Ok(()));
            assert_eq!(machine.reserve(a), Err(Refusal::Stopped));
            assert_eq!((machine.history(a).count(), machine.incomplete(a)), (0, 0));
            assert!(machine.bus_config(a).is_none() && machine.next_deadline(a).is_none());
        });
        assert!(matches!(desk.machine.next(a, now), Next::Idle));
    }
}

mod r34 {
    use super::*;

    #[test]
    fn r34_stopping_one_bus_leaves_the_others_alone() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        for (bus, label) in [(a, "e1"), (b, "e2"), (b, "e3")] {
            desk.send(bus, label);
        }
        desk.run();
        desk.child("e1", b, "c1");
        desk.stop(a);
        assert_eq!(desk.running(), [("e2", 1)]);
        assert_eq!(desk.run_to_end(), [("e3", 1), ("c1", 2)], "a child that was not awaited too");
        assert_eq!(desk.cause("c1"), None);
        assert_eq!(desk.cause("e1"), Some(Cause::Stopped), "after its child");
        assert_eq!(desk.completed(), ["e2", "e3", "c1", "e1"]);
    }

    #[test]
    fn r34_but_what_its_handlers_awaited_ends_with_them() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.send(a, "e1");
        desk.run();
        desk.child("e1", b, "c1");
        desk.waits("e1", 1, "c1");
        desk.run();
        desk.stop(a);
        assert_eq!(desk.cancelled(), [("e1", 1), ("c1", 2)]);
        assert_eq!(desk.cause("c1"), Some(Cause::Aborted));
    }

    #[test]
    fn r34_a_full_bus_is_no_others_concern() {
        let mut desk = Desk::new();
        let (a, b) = (desk.bus_of("a", |bus| bus.max_pending = Some(0)), bus(&mut desk, "b"));
        assert_eq!(desk.try_send(a, "e1"), Err(Refusal::Full { limit: 0 }));
        desk.send(b, "e2");
    }

    #[test]
    fn r34_a_stopped_bus_leaves_the_hubs_slot() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        for (bus, label) in [(a, "e1"), (b, "e2")] {
            desk.send_with(bus, label, |own| own.concurrency = Some(Concurrency::HubSerial));
        }
        assert_eq!(desk.run(), [("e1", 1)]);
        desk.stop(a);
        assert_eq!(desk.run(), [("e2", 1)]);
    }

    #[test]
    fn peer_stopping_one_bus_does_not_break_the_timeouts_of_another() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.send(a, "e1");
        desk.send(b, "e2");
        desk.run();
        desk.stop(a);
        desk.pass(secs(60));
        assert_eq!(desk.rows("e2"), [("1", Outcome::TimedOut { limit: secs(60) })]);
    }
}

#[test]
fn r32_a_handler_that_stops_its_bus_waits_for_nothing_behind_it() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    for label in ["e1", "e2", "e3"] {
        desk.send(bus, label);
    }
    desk.run();
    let child = desk.child("e1", bus, "e4");
    desk.waits("e1", 1, "e4");
    let by = desk.invocation("e1", 1);
    desk.input(|machine| machine.drain(bus));
    desk.run();
    assert!(!desk.input(|machine| machine.is_idle_but(&[bus], by)), "the child runs");
    desk.ends("e4", 1);
    assert_eq!((desk.machine.status(child), desk.idle.len()), (EventStatus::Completed, 1));
    assert!(desk.input(|machine| machine.is_idle_but(&[bus], by)));
    assert_eq!(desk.machine.incomplete(bus), 3, "its own event, and two behind it");
}

#[test]
fn r32_nor_does_one_that_has_just_started() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    for label in ["e1", "e2"] {
        desk.send(bus, label);
    }
    assert_eq!(desk.take_off(bus), ("e1", 1));
    let by = desk.invocation("e1", 1);
    assert!(desk.input(|machine| machine.is_idle_but(&[bus], by)));
    assert!(!desk.machine.is_idle(bus));
}

#[test]
fn r32_a_handler_that_stops_another_bus_waits_for_nothing_behind_who_awaits_it() {
    let mut desk = Desk::new();
    let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
    desk.send(a, "e1");
    desk.run();
    desk.send(a, "e2");
    desk.child("e1", b, "c1");
    desk.waits("e1", 1, "c1");
    desk.run();
    let by = desk.invocation("c1", 2);
    assert_eq!([a, b].map(|bus| desk.machine.incomplete(bus)), [2, 1]);
    assert!(
        desk.input(|machine| machine.is_idle_but(&[a, b], by)),
        "who awaits it and what is behind that one; its own event"
    );
}

/// Two buses, of which one sends everything on to the other, with a handler of the first event there.
fn stopped_by_the_second() -> (Desk, [BusKey; 2], InvocationKey) {
    let mut desk = Desk::new();
    let [a, b] = ["a", "b"].map(|name| bus(&mut desk, name));
    desk.forward(a, b);
    desk.send(a, "e1");
    desk.send(a, "e2");
    desk.run();
    desk.ends("e1", 1);
    desk.run();
    let by = desk.invocation("e1", 1);
    desk.input(|machine| machine.drain_hub());
    (desk, [a, b], by)
}

#[test]
fn r32_a_handler_that_stops_its_hub_does_not_wait_for_what_is_queued_behind_it() {
    let (mut desk, buses, by) = stopped_by_the_second();
    assert!(!desk.input(|machine| machine.is_idle_but(&buses, by)), "e2 runs on the first");
    desk.idle.clear();
    desk.ends("e2", 1);
    desk.run();
    assert_eq!(desk.idle, [buses[0]], "it has come behind the handler");
    assert!(desk.input(|machine| machine.is_idle_but(&buses, by)));
    assert!(desk.machine.incomplete(buses[0]) > 0 && desk.machine.incomplete(buses[1]) == 2);
}

#[test]
fn r32_nor_for_handlers_that_begin_to_wait_for_that() {
    let (mut desk, [a, b], by) = stopped_by_the_second();
    let c = bus(&mut desk, "c");
    desk.send(c, "e3");
    desk.run();
    desk.child("e2", b, "c1");
    assert!(desk.input(|machine| machine.is_idle_but(&[a, b], by)), "c1 is behind it");
    assert!(!desk.input(|machine| machine.is_idle_but(&[a, b, c], by)));
    desk.idle.clear();
    desk.waits("e3", 1, "c1");
    assert_eq!(desk.idle, [c]);
    assert!(desk.input(|machine| machine.is_idle_but(&[a, b, c], by)));
}

#[test]
fn r32_two_handlers_that_stop_do_not_wait_for_each_other() {
    let mut desk = Desk::new();
    let [a, b] = ["a", "b"].map(|name| bus(&mut desk, name));
    desk.send(a, "e1");
    desk.send(b, "e2");
    desk.run();
    let [one, other] = ["e1", "e2"].map(|event| desk.invocation(event, 1));
    let mut asks = |by| desk.input(|machine| machine.is_idle_but(&[a, b], by));
    assert!(!asks(one), "the other one runs");
    assert!(asks(other), "the first one waits for it");
    desk.input(|machine| machine.asks_no_more(one));
    assert!(!desk.input(|machine| machine.is_idle_but(&[a, b], other)), "not any more");
    assert!(desk.input(|machine| machine.is_idle_but(&[a, b], one)), "the other way round");
    // For its own bus it does not wait for the other one.
    desk.input(|machine| machine.asks_no_more(other));
    assert!(desk.input(|machine| machine.is_idle_but(&[b], other)));
    assert!(!desk.input(|machine| machine.is_idle_but(&[a, b], one)));
}

#[test]
fn r32_nor_for_what_goes_back_behind_an_event_that_it_holds_up() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    for (bus, label) in [(b, "e1"), (c, "e3")] {
        desk.send_with(bus, label, |own| own.concurrency = Some(Concurrency::HubSerial));
    }
    desk.send(a, "e2");
    desk.run();
    let by = desk.invocation("e1", 1);
    desk.child("e2", c, "c2");
    let wait = desk.waits("e2", 1, "c2");
    assert!(!desk.input(|machine| machine.is_idle_but(&[a, b, c], by)), "c2 is raised");
    desk.idle.clear();
    desk.end_wait(wait);
    assert!(!desk.idle.is_empty());
    assert!(desk.input(|machine| machine.is_idle_but(&[a, b, c], by)), "behind e3");
}

#[test]
fn r32_a_handler_that_has_stopped_one_bus_is_still_told_of_another() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    for (bus, label) in [(a, "e1"), (b, "e2"), (c, "e3")] {
        desk.send(bus, label);
    }
    desk.run();
    let by = desk.invocation("e1", 1);
    for bus in [c, b] {
        assert!(!desk.input(|machine| machine.is_idle_but(&[bus], by)));
    }
    desk.ends("e2", 1);
    desk.run();
    desk.idle.clear();
    desk.input(|machine| machine.asks_no_more(by));
    // Who waits for a bus asks again when it is told.
    if desk.idle.contains(&c) {
        assert!(!desk.input(|machine| machine.is_idle_but(&[c], by)));
    }
    desk.idle.clear();
    desk.waits("e3", 1, "e1");
    assert_eq!(desk.idle, [c]);
    assert!(desk.input(|machine| machine.is_idle_but(&[c], by)));
}

#[test]
fn r32_each_of_two_handlers_that_stop_one_bus_waits_for_it() {
    let mut desk = Desk::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bus(&mut desk, name));
    for (bus, label) in [(a, "e1"), (b, "e2"), (c, "e3")] {
        desk.send(bus, label);
    }
    desk.run();
    let [one, other, third] = ["e1", "e2", "e3"].map(|event| desk.invocation(event, 1));
    for by in [one, other] {
        assert!(!desk.input(|machine| machine.is_idle_but(&[c], by)), "e3 runs");
    }
    for bus in [a, b] {
        let is_idle = desk.input(|machine| machine.is_idle_but(&[bus], third));
        assert!(is_idle, "its handler waits for e3's");
    }
}

#[test]
fn r40_a_bus_shows_the_settings_it_was_made_with() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.max_history = Some(7));
    assert_eq!(desk.machine.bus_config(bus).map(|config| config.max_history), Some(Some(7)));
}
