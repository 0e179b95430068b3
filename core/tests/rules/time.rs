//! Limits, deadlines, cascades and reports: R22–R25.

use busway_core::Instant;
use busway_core::machine::{
    BusKey, Cause, EventStatus, HandlerOrder, Limit, Outcome, Pattern, Warning,
};

use crate::desk::{Desk, at, secs};

const TIMED_OUT_AT_60: Outcome<u32> = Outcome::TimedOut { limit: secs(60) };
const ABORTED: Outcome<u32> = Outcome::Aborted(Cause::Aborted);

/// A bus without reports that handles `p` with 1, `c` with 2 and `g` with 3.
fn bus(desk: &mut Desk, name: &str) -> BusKey {
    let bus = desk.bus_of(name, |bus| bus.slow_after = None);
    for (event_type, handler) in [("p", 1), ("c", 2), ("g", 3)] {
        desk.on(bus, event_type, handler);
    }
    bus
}

/// When the handler of `e1` is over its limit, if it ever is.
fn deadline(handler: Limit, event: Limit, of_bus: Limit) -> Option<Instant> {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| {
        bus.limit = of_bus;
        bus.slow_after = None;
    });
    desk.on_limited(bus, "e", handler, 1);
    desk.send_with(bus, "e1", |own| own.limit = event);
    desk.run();
    let deadline = desk.machine.deadline(desk.invocation("e1", 1));
    assert_eq!(desk.machine.next_deadline(bus), deadline);
    deadline
}

mod r22 {
    use super::*;

    #[test]
    fn r22_the_smaller_of_handler_and_event_and_the_bus_where_both_inherit() {
        use Limit::{Inherit, Off};
        let after = |limit| Limit::After(secs(limit));
        for (handler, event, bus, expected) in [
            (Inherit, Inherit, after(60), Some(at(60))),
            (Inherit, Inherit, Off, None),
            (after(5), Inherit, after(1), Some(at(5))),
            (Inherit, after(90), after(60), Some(at(90))),
            (after(5), after(3), after(1), Some(at(3))),
            (after(3), after(5), Off, Some(at(3))),
            (Off, Inherit, after(60), None),
            (Inherit, Off, after(60), None),
            (Off, after(7), after(60), Some(at(7))),
            (after(7), Off, after(60), Some(at(7))),
        ] {
            let what = (handler, event, bus);
            assert_eq!(deadline(handler, event, bus), expected, "{what:?}");
        }
    }

    #[test]
    fn r22_the_default_is_sixty_seconds() {
        let mut desk = Desk::new();
        let a = desk.bus("a");
        desk.on(a, "e", 1);
        desk.send(a, "e1");
        desk.run();
        desk.pass(secs(59));
        assert_eq!(desk.running(), [("e1", 1)]);
        desk.pass(secs(1));
        assert_eq!(desk.rows("e1"), [("1", TIMED_OUT_AT_60)]);
    }

    #[test]
    fn r22_the_future_is_dropped_and_the_next_handler_runs() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.on(a, "p", 4);
        desk.send(a, "p1");
        desk.run();
        desk.pass(secs(60));
        assert_eq!(desk.cancelled(), [("p1", 1)]);
        assert_eq!(desk.run(), [("p1", 4)], "with a limit of its own");
        assert_eq!(desk.machine.next_deadline(a), Some(at(120)));
        desk.returns("p1", 4, 7);
        assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60), ("4", Outcome::Value(7))]);
        assert_eq!(desk.cause("p1"), None, "the event ran to its end");
        assert_eq!(desk.machine.next_deadline(a), None);
    }

    #[test]
    fn r22_time_in_the_queue_does_not_count() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.send(a, "p2");
        desk.run();
        desk.pass(secs(40));
        desk.ends("p1", 1);
        desk.run();
        desk.pass(secs(40));
        assert_eq!(desk.running(), [("p2", 1)]);
    }

    #[test]
    fn r22_time_spent_waiting_for_children_does() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.run();
        desk.child("p1", a, "c1");
        desk.waits("p1", 1, "c1");
        desk.run();
        desk.pass(secs(40));
        desk.ends("c1", 2);
        desk.pass(secs(20));
        assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60)]);
        assert_eq!(desk.rows("c1"), [("2", Outcome::Empty)]);
    }

    #[test]
    fn r22_each_parallel_handler_has_its_own() {
        let mut desk = Desk::new();
        let a = desk.bus_of("a", |bus| bus.handler_order = HandlerOrder::Parallel);
        for (handler, limit) in [(1, 5), (2, 3), (3, 9)] {
            desk.on_limited(a, "e", Limit::After(secs(limit)), handler);
        }
        desk.send(a, "e1");
        desk.run();
        desk.pass(secs(3));
        assert_eq!(desk.cancelled(), [("e1", 2)]);
        desk.pass(secs(6));
        assert_eq!(desk.cancelled(), [("e1", 1), ("e1", 3)]);
        let limits: Vec<_> = desk.rows("e1").into_iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(limits, [5, 3, 9].map(|limit| Outcome::TimedOut { limit: secs(limit) }));
    }

    #[test]
    fn r22_a_forwarded_event_has_the_limit_of_the_bus_it_is_on() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        let b = desk.bus_of("b", |bus| bus.limit = Limit::After(secs(2)));
        desk.on(b, "p", 5);
        desk.forward(a, b);
        desk.send(a, "p1");
        desk.run();
        desk.ends("p1", 1);
        desk.run();
        assert_eq!(
            (desk.machine.next_deadline(a), desk.machine.next_deadline(b)),
            (None, Some(at(2)))
        );
        desk.pass(secs(2));
        let rows = [("1", Outcome::Empty), ("5", Outcome::TimedOut { limit: secs(2) })];
        assert_eq!(desk.rows("p1"), rows);
    }

    #[test]
    fn r22_a_deadline_ends_the_whole_event() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.on(a, "p", 4);
        desk.send_with(a, "p1", |own| own.deadline = Some(at(10)));
        desk.send(a, "p2");
        desk.run();
        assert_eq!(desk.machine.next_deadline(a), Some(at(10)));
        desk.pass(secs(10));
        let (aborted, cancelled) =
            (Outcome::Aborted(Cause::Deadline), Outcome::Cancelled(Cause::Deadline));
        assert_eq!(desk.rows("p1"), [("1", aborted), ("4", cancelled)]);
        assert_eq!(desk.cause("p1"), Some(Cause::Deadline));
        assert_eq!(desk.run(), [("p2", 1)]);
    }

    #[test]
    fn r22_also_in_the_queue_and_on_every_bus() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.on(b, "x", 9);
        desk.forward(a, b);
        desk.send(b, "x1");
        desk.send_with(a, "p1", |own| own.deadline = Some(at(10)));
        desk.run();
        desk.send_with(a, "p2", |own| own.deadline = Some(at(10)));
        desk.returns("p1", 1, 7);
        desk.run();
        desk.pass(secs(10));
        assert_eq!(desk.completed(), ["p1", "p2"]);
        assert_eq!(desk.rows("p1"), [("1", Outcome::Value(7))]);
        assert_eq!(desk.cause("p1"), Some(Cause::Deadline));
        assert_eq!(desk.cause("p2"), Some(Cause::Deadline));
        assert_eq!(desk.running(), [("x1", 9)], "the other event is left alone");
    }

    #[test]
    fn r22_a_deadline_that_is_met_is_forgotten() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send_with(a, "p1", |own| own.deadline = Some(at(10)));
        desk.run_to_end();
        assert_eq!(desk.cause("p1"), None);
        assert_eq!((desk.machine.next_deadline(a), desk.machine.held().timers), (None, 0));
    }

    #[test]
    fn r22_what_is_ended_late_says_nothing() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.run();
        let late = desk.invocation("p1", 1);
        desk.pass(secs(60));
        let now = desk.now;
        let back = desk.input(|machine| machine.finished(late, Outcome::Value(7), now));
        assert_eq!(back, Some(Outcome::Value(7)), "its value is handed back");
        assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60)]);
    }

    #[test]
    fn r22_spurious_timeouts_do_nothing() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.timed_out(a);
        desk.send(a, "p1");
        desk.run();
        desk.now = at(59);
        desk.timed_out(a);
        desk.now = at(60);
        desk.timed_out(b);
        assert_eq!(desk.running(), [("p1", 1)]);
        desk.remove_bus(b);
        desk.timed_out(b);
        desk.timed_out(a);
        assert_eq!(desk.running(), []);
        desk.timed_out(a);
        assert_eq!(desk.completed(), ["p1"]);
    }

    #[test]
    fn r22_a_clock_that_goes_back_is_clamped() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.now = at(100);
        desk.send(a, "p1");
        desk.now = at(50);
        desk.run();
        assert_eq!(desk.machine.next_deadline(a), Some(at(160)));
        desk.now = at(20);
        desk.ends("p1", 1);
        let done = desk.done("p1");
        assert_eq!((done.started_at, done.completed_at), (Some(at(100)), at(100)));
    }

    #[test]
    fn r22_deadlines_far_away_do_not_overflow() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.register(a, Pattern::Any, Limit::After(core::time::Duration::MAX), 9);
        desk.now = at(100);
        desk.send(a, "e1");
        assert_eq!(desk.run(), [("e1", 9)]);
        desk.pass(secs(1_000_000));
        assert_eq!(desk.running(), [("e1", 9)]);
    }
}

mod r23 {
    use super::*;

    /// `p1` waits for `c1`, which waits for `g1`; `c2` and `g2` are their children too, not awaited.
    fn family() -> (Desk, BusKey) {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.run();
        desk.child("p1", a, "c2");
        desk.child("p1", a, "c1");
        desk.waits("p1", 1, "c1");
        desk.run();
        desk.pass(secs(1));
        desk.child("c1", a, "g1");
        desk.waits("c1", 2, "g1");
        assert_eq!(desk.run(), [("g1", 3)]);
        desk.child("c1", a, "g2");
        (desk, a)
    }

    #[test]
    fn r23_what_was_awaited_is_aborted_down_the_tree() {
        let (mut desk, a) = family();
        desk.pass(secs(59));
        let mut cancelled = desk.cancelled();
        cancelled.sort_unstable();
        assert_eq!(cancelled, [("c1", 2), ("g1", 3), ("p1", 1)]);
        assert_eq!(desk.completed(), ["g1"]);
        assert_eq!(desk.cause("g1"), Some(Cause::Aborted));
        let mut starts = desk.run_to_end();
        starts.sort_unstable();
        assert_eq!(starts, [("c2", 2), ("g2", 3)], "what was not awaited goes on");
        assert_eq!(desk.rows("p1"), [("1", TIMED_OUT_AT_60)]);
        assert_eq!(desk.rows("c1"), [("2", ABORTED)]);
        assert_eq!(desk.rows("g1"), [("3", ABORTED)]);
        let causes = ["p1", "c1", "c2", "g2"].map(|label| desk.cause(label));
        assert_eq!(causes, [None, Some(Cause::Aborted), None, None]);
        assert!(desk.machine.is_idle(a));
        assert_eq!(desk.machine.held().timers, 0);
    }

    #[test]
    fn r23_a_timeout_of_the_child_is_not_the_parents() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.run();
        let mut spec = desk.spec("c1").child_of(desk.event("p1"), 0);
        spec.overrides.insert(Box::default()).limit = Limit::After(secs(5));
        desk.dispatch(a, "c1", spec).expect("accepted");
        desk.waits("p1", 1, "c1");
        desk.run();
        desk.pass(secs(5));
        assert_eq!(desk.completed(), ["c1"]);
        assert_eq!(desk.running(), [("p1", 1)], "its wait ended, and it goes on");
        desk.returns("p1", 1, 7);
        assert_eq!(desk.rows("p1"), [("1", Outcome::Value(7))]);
        assert_eq!(desk.cause("p1"), None);
    }

    #[test]
    fn r23_what_was_awaited_and_had_not_started_is_cancelled() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.on_limited(b, "x", Limit::Off, 9);
        desk.send(b, "x1");
        desk.send(a, "p1");
        desk.run();
        desk.child("p1", b, "c1");
        desk.waits("p1", 1, "c1");
        desk.pass(secs(60));
        assert_eq!(desk.completed(), ["c1", "p1"]);
        assert_eq!((desk.done("c1").started_at, desk.cause("c1")), (None, Some(Cause::Aborted)));
        assert_eq!(desk.running(), [("x1", 9)]);
    }

    #[test]
    fn r23_waits_for_others_merely_end() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.send(a, "p1");
        desk.send(b, "c1");
        desk.send(a, "g1");
        desk.run();
        desk.pass(secs(1));
        desk.waits("p1", 1, "c1");
        desk.waits("p1", 1, "g1");
        assert_eq!(desk.run(), [("g1", 3)]);
        let event = desk.event("p1");
        let now = desk.now;
        desk.input(|machine| machine.abort(event, Cause::Aborted, now));
        assert_eq!(desk.running(), [("c1", 2), ("g1", 3)]);
        assert_eq!((desk.completed(), desk.machine.held().waits), (vec!["p1"], 0));
    }

    #[test]
    fn r23_a_grandchild_that_is_awaited_is_a_descendant() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        desk.send(a, "p1");
        desk.run();
        desk.child("p1", b, "c1");
        desk.run();
        desk.pass(secs(1));
        desk.child("c1", a, "g1");
        desk.waits("p1", 1, "g1");
        desk.run();
        desk.pass(secs(59));
        assert_eq!(desk.cancelled(), [("p1", 1), ("g1", 3)]);
        assert_eq!(desk.running(), [("c1", 2)], "nobody awaited the child between");
    }

    #[test]
    fn r23_the_awaited_child_may_be_on_another_bus_and_forwarded() {
        let mut desk = Desk::new();
        let (a, b) = (bus(&mut desk, "a"), bus(&mut desk, "b"));
        let c = desk.bus("c");
        desk.forward(c, a);
        desk.forward(c, b);
        desk.on_limited(a, "x", Limit::Off, 9);
        desk.send(a, "p1");
        desk.run();
        desk.pass(secs(1));
        desk.child("p1", c, "c1");
        desk.waits("p1", 1, "c1");
        assert_eq!(desk.run(), [("c1", 2), ("c1", 2)]);
        desk.pass(secs(59));
        assert_eq!(desk.running(), []);
        assert_eq!(desk.rows("c1"), [("2", ABORTED), ("2", ABORTED)]);
        assert_eq!(desk.completed(), ["c1", "p1"]);
    }

    #[test]
    fn r23_the_next_handler_does_not_wait_for_what_goes_on() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.on(a, "p", 4);
        desk.send(a, "p1");
        desk.run();
        desk.child("p1", a, "c1");
        desk.pass(secs(60));
        assert_eq!(desk.run(), [("p1", 4)]);
        desk.ends("p1", 4);
        assert_eq!(desk.run(), [("c1", 2)]);
    }

    #[test]
    fn r23_a_dropped_wait_takes_nothing_down_later() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.run();
        desk.child("p1", a, "c1");
        let wait = desk.waits("p1", 1, "c1");
        desk.run();
        desk.end_wait(wait);
        let (invocation, now) = (desk.event("p1"), desk.now);
        desk.input(|machine| machine.abort(invocation, Cause::Aborted, now));
        assert_eq!(desk.running(), [("c1", 2)]);
        assert_eq!(desk.status("p1"), EventStatus::Started, "until its child has ended");
        desk.ends("c1", 2);
        assert_eq!(desk.cause("p1"), Some(Cause::Aborted));
    }

    #[test]
    fn peer_a_parents_timeout_leaves_no_child_started_for_ever() {
        let (mut desk, a) = family();
        desk.pass(secs(59));
        desk.run_to_end();
        let mut completed = desk.completed();
        completed.sort_unstable();
        assert_eq!(completed, ["c1", "c2", "g1", "g2", "p1"]);
        assert_eq!(desk.machine.incomplete(a), 0);
    }

    #[test]
    fn peer_a_handler_that_timed_out_does_not_keep_running() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.run();
        desk.pass(secs(60));
        assert_eq!(desk.cancelled(), [("p1", 1)]);
        assert_eq!(desk.machine.held().invocations, 0);
    }
}

mod r24 {
    use super::*;

    #[test]
    fn r24_a_waiters_own_timeout_ends_the_wait_not_the_work() {
        let mut desk = Desk::new();
        let a = bus(&mut desk, "a");
        desk.send(a, "p1");
        desk.run();
        desk.child("p1", a, "c1");
        let wait = desk.waits("p1", 1, "c1");
        desk.run();
        desk.pass(secs(5));
        desk.end_wait(wait);
        assert_eq!((desk.running(), desk.cancelled()), (vec![("p1", 1), ("c1", 2)], vec![]));
        desk.returns("c1", 2, 7);
        assert_eq!(desk.rows("c1"), [("2", Outcome::Value(7))]);
    }
}

mod r25 {
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
        let [Warning::Slow { handler, event: of, event_type, running, waits_for }] =
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
}
