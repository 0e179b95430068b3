//! One event over many buses, and the buses' names: R17, R40.

use busway_core::machine::{BusKey, Cause, Completion, EventStatus, NotSentOn, Outcome, Warning};

use crate::desk::Desk;

/// Buses of these names, with handlers 1, 2, … of `e`.
fn buses<const N: usize>(desk: &mut Desk, names: [&str; N]) -> [BusKey; N] {
    let mut handler = 0;
    names.map(|name| {
        handler += 1;
        let bus = desk.bus(name);
        desk.on(bus, "e", handler);
        bus
    })
}

mod r17 {
    use super::*;

    #[test]
    fn r17_a_chain_is_one_event_with_one_list_of_results() {
        let mut desk = Desk::new();
        let [a, b, c] = buses(&mut desk, ["a", "b", "c"]);
        desk.forward(a, b);
        desk.forward(b, c);
        let event = desk.send(a, "e1");
        for (handler, path) in [(1, 1), (2, 2), (3, 3)] {
            assert_eq!(desk.run(), [("e1", handler)]);
            assert_eq!(desk.machine.path(event).len(), path);
            assert_eq!(desk.completed(), [""; 0]);
            desk.returns("e1", handler, handler * 10);
        }
        desk.run();
        let values =
            [("1", Outcome::Value(10)), ("2", Outcome::Value(20)), ("3", Outcome::Value(30))];
        assert_eq!(desk.rows("e1"), values);
        assert_eq!(desk.path("e1"), ["a", "b", "c"]);
        assert_eq!(desk.done("e1").event, event, "the same id on its whole way");
        assert_eq!(desk.completed(), ["e1"]);
    }

    #[test]
    fn r17_an_event_is_sent_on_by_its_only_handler() {
        for handled in [true, false] {
            let mut desk = Desk::new();
            let [a] = buses(&mut desk, ["a"]);
            let b = desk.bus("b");
            if handled {
                desk.on(b, "e", 2);
            }
            let event = desk.send(a, "e1");
            let now = desk.now;
            let send_on = |desk: &mut Desk| desk.input(|machine| machine.send_on(event, b, now));
            assert_eq!(send_on(&mut desk), Err(NotSentOn::NotStarted));
            assert_eq!(desk.run(), [("e1", 1)]);
            assert_eq!(send_on(&mut desk), Ok(()));
            assert_eq!(send_on(&mut desk), Ok(()), "it is there");
            assert_eq!(desk.run().len(), usize::from(handled));
            desk.returns("e1", 1, 10);
            if handled {
                assert_eq!(desk.completed(), [""; 0]);
                desk.returns("e1", 2, 20);
            }
            assert_eq!(desk.path("e1"), ["a", "b"]);
            assert_eq!(desk.rows("e1").len(), 1 + usize::from(handled));
            assert_eq!([a, b].map(|bus| desk.machine.incomplete(bus)), [0; 2]);
            assert_eq!(send_on(&mut desk), Err(NotSentOn::Ended));
            assert_eq!(desk.machine.audit(), Ok(()));
        }
    }

    #[test]
    fn r17_an_event_that_was_ended_is_not_sent_on() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        let event = desk.send(a, "e1");
        desk.run();
        desk.child("e1", a, "c1");
        let now = desk.now;
        desk.input(|machine| {
            assert!(machine.abort(event, Cause::Cancelled, now));
            assert_eq!(machine.status(event), EventStatus::Started, "its child has not ended");
            assert_eq!(machine.send_on(event, b, now), Err(NotSentOn::Ended));
        });
    }

    #[test]
    fn r17_the_path_begins_where_it_was_dispatched() {
        let mut desk = Desk::new();
        let [a, b, c] = buses(&mut desk, ["a", "b", "c"]);
        desk.forward(a, b);
        desk.forward(b, c);
        desk.send(b, "e1");
        assert_eq!(desk.run_to_end(), [("e1", 2), ("e1", 3)]);
        assert_eq!(desk.path("e1"), ["b", "c"]);
    }

    #[test]
    fn r17_it_is_no_child_and_keeps_its_parent() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        desk.on(a, "p", 9);
        desk.send(a, "p1");
        desk.run();
        let event = desk.child("p1", a, "e1");
        desk.waits("p1", 9, "e1");
        desk.run_to_end();
        assert_eq!(desk.machine.parent(event), Some(desk.event("p1")));
        assert_eq!(desk.machine.children(event), []);
        assert_eq!(desk.machine.children(desk.event("p1")), [event], "once");
    }

    #[test]
    fn r17_rings_run_each_bus_once() {
        let mut desk = Desk::new();
        let [a, b, c] = buses(&mut desk, ["a", "b", "c"]);
        for (from, to) in [(a, b), (b, c), (c, a), (a, a)] {
            desk.forward(from, to);
        }
        desk.send(a, "e1");
        desk.send(c, "e2");
        let mut starts = desk.run_to_end();
        starts.sort_unstable();
        assert_eq!(starts, [("e1", 1), ("e1", 2), ("e1", 3), ("e2", 1), ("e2", 2), ("e2", 3)]);
        assert_eq!(desk.path("e1"), ["a", "b", "c"]);
        assert_eq!(desk.path("e2"), ["c", "a", "b"]);
        assert_eq!(desk.rows("e1").len(), 3, "no result of forwarding");
    }

    #[test]
    fn r17_diamonds_run_each_bus_once() {
        let mut desk = Desk::new();
        let [a, b, c, d] = buses(&mut desk, ["a", "b", "c", "d"]);
        for (from, to) in [(a, b), (a, c), (b, d), (c, d)] {
            desk.forward(from, to);
        }
        desk.send(a, "e1");
        let mut starts = desk.run_to_end();
        starts.sort_unstable();
        assert_eq!(starts, [("e1", 1), ("e1", 2), ("e1", 3), ("e1", 4)]);
        assert_eq!(desk.path("e1").len(), 4);
    }

    #[test]
    fn r17_two_forwards_to_one_bus_are_one() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        desk.forward(a, b);
        desk.send(a, "e1");
        assert_eq!(desk.run_to_end(), [("e1", 1), ("e1", 2)]);
    }

    #[test]
    fn r17_buses_are_told_apart_by_identity_not_by_name() {
        let mut desk = Desk::new();
        let [a, same] = buses(&mut desk, ["a", "a"]);
        desk.forward(a, same);
        desk.send(a, "e1");
        assert_eq!(desk.run_to_end(), [("e1", 1), ("e1", 2)]);
    }

    #[test]
    fn r17_a_slot_can_be_used_again_by_another_bus() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        desk.send(a, "e1");
        desk.run_to_end();
        desk.remove_bus(b);
        let c = desk.bus("c");
        desk.on(c, "e", 3);
        desk.forward(a, c);
        desk.send(a, "e2");
        assert_eq!(desk.run_to_end(), [("e2", 1), ("e2", 3)]);
        let rows = [("1", Outcome::Empty), ("to b", Outcome::TargetGone), ("3", Outcome::Empty)];
        assert_eq!(desk.rows("e2"), rows);
    }

    #[test]
    fn r17_it_holds_the_first_bus_no_longer_than_its_own_handlers() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        desk.send(a, "e1");
        desk.send(a, "e2");
        desk.run();
        desk.ends("e1", 1);
        assert_eq!(desk.run(), [("e2", 1), ("e1", 2)]);
        assert_eq!(desk.status("e1"), EventStatus::Started);
    }

    #[test]
    fn r17_it_is_never_refused_for_capacity() {
        let mut desk = Desk::new();
        let a = desk.bus("a");
        let b = desk.bus_of("b", |bus| bus.max_pending = Some(0));
        desk.on(b, "e", 2);
        desk.forward(a, b);
        desk.send(a, "e1");
        assert_eq!(desk.run_to_end(), [("e1", 2)]);
        assert_eq!(desk.rows("e1"), [("2", Outcome::Empty)]);
    }

    #[test]
    fn r17_a_stopped_target_is_an_error_row_and_stops_nothing_else() {
        let mut desk = Desk::new();
        let [a, b, c] = buses(&mut desk, ["a", "b", "c"]);
        desk.forward(a, b);
        desk.forward(a, c);
        desk.stop(b);
        desk.send(a, "e1");
        desk.run_to_end();
        let rows = [("1", Outcome::Empty), ("to b", Outcome::TargetGone), ("3", Outcome::Empty)];
        assert_eq!(desk.rows("e1"), rows);
        assert_eq!((desk.path("e1"), desk.cause("e1")), (vec!["a", "c"], None));
        let row = desk.done("e1").results.iter().nth(1).expect("the row of the forward");
        assert!(row.started_at.is_some() && row.completed_at.is_some());
    }

    #[test]
    fn r17_so_is_one_that_is_gone_or_has_lost_its_last_handle() {
        let mut desk = Desk::new();
        let [a, b, c] = buses(&mut desk, ["a", "b", "c"]);
        desk.forward(a, b);
        desk.forward(a, c);
        desk.remove_bus(b);
        desk.input(|machine| machine.close(c));
        desk.send(a, "e1");
        assert_eq!(desk.run_to_end(), [("e1", 1)]);
        assert_eq!(desk.rows("e1")[1..], ["to b", "to c"].map(|to| (to, Outcome::TargetGone)));
    }

    #[test]
    fn r17_a_ring_is_no_error_while_its_first_bus_drains_or_is_closed() {
        for close in [false, true] {
            let mut desk = Desk::new();
            let [a, b] = buses(&mut desk, ["a", "b"]);
            desk.forward(a, b);
            desk.forward(b, a);
            desk.send(a, "e1");
            desk.input(|machine| if close { machine.close(a) } else { machine.drain(a) });
            desk.run_to_end();
            assert_eq!(desk.rows("e1"), [("1", Outcome::Empty), ("2", Outcome::Empty)]);
        }
    }

    #[test]
    fn r17_a_forward_that_is_cancelled_is_no_row() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        let event = desk.send_with(a, "e1", |own| own.completion = Some(Completion::First));
        desk.run();
        assert_eq!(desk.machine.results(event).len(), 1, "nor is one to come");
        desk.returns("e1", 1, 7);
        desk.run_to_end();
        assert_eq!(desk.rows("e1"), [("1", Outcome::Value(7))]);
    }

    #[test]
    fn r17_forwarding_passes_the_raise_on() {
        let mut desk = Desk::new();
        let [a, b, c] = buses(&mut desk, ["a", "b", "c"]);
        desk.forward(a, b);
        desk.on(b, "x", 8);
        desk.on(c, "p", 9);
        for label in ["x1", "x2"] {
            desk.send(b, label);
        }
        desk.send(c, "p1");
        desk.run();
        desk.child("p1", a, "e1");
        desk.waits("p1", 9, "e1");
        desk.run();
        desk.ends("e1", 1);
        assert_eq!(desk.run(), [], "x1 runs on b");
        desk.ends("x1", 8);
        assert_eq!(desk.run(), [("e1", 2)], "before x2");
    }

    #[test]
    fn r17_what_was_forwarded_already_is_raised_where_it_is() {
        let mut desk = Desk::new();
        let [a, b, c] = buses(&mut desk, ["a", "b", "c"]);
        desk.forward(a, b);
        desk.on(b, "x", 8);
        desk.on(c, "p", 9);
        for label in ["x1", "x2"] {
            desk.send(b, label);
        }
        desk.send(a, "e1");
        desk.send(c, "p1");
        desk.run();
        desk.ends("e1", 1);
        desk.run();
        let wait = desk.waits("p1", 9, "e1");
        desk.end_wait(wait);
        desk.waits("p1", 9, "e1");
        desk.ends("x1", 8);
        assert_eq!(desk.run(), [("e1", 2)]);
    }

    #[test]
    fn r17_an_event_is_raised_on_a_bus_that_waits_for_its_own_forward() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        desk.on(b, "p", 9);
        desk.send(b, "p1");
        desk.run();
        desk.child("p1", a, "e1");
        desk.waits("p1", 9, "e1");
        assert_eq!(desk.run(), [("e1", 1)]);
        desk.ends("e1", 1);
        assert_eq!(desk.run(), [("e1", 2)], "p1 lends it the slot");
    }

    #[test]
    fn r17_stopping_a_target_ends_only_the_stay_there() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.on(a, "e", 3);
        desk.forward(a, b);
        desk.send(b, "e1");
        desk.send(a, "e2");
        desk.run();
        desk.returns("e2", 1, 7);
        desk.run();
        desk.ends("e2", 3);
        desk.run();
        desk.stop(b);
        assert_eq!(desk.completed(), ["e2", "e1"]);
        assert_eq!(desk.cause("e2"), Some(Cause::Stopped));
        assert_eq!(desk.rows("e2"), [("1", Outcome::Value(7)), ("3", Outcome::Empty)]);
    }

    #[test]
    fn r17_a_draining_target_takes_what_it_takes_directly() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        desk.send(b, "e1");
        desk.run();
        desk.input(|machine| machine.drain(b));
        desk.child("e1", a, "e2");
        desk.send(a, "e3");
        desk.waits("e1", 2, "e2");
        desk.run_to_end();
        assert_eq!((desk.path("e2"), desk.path("e3")), (vec!["a", "b"], vec!["a"]));
        let gone = [("1", Outcome::Empty), ("to b", Outcome::TargetGone)];
        assert_eq!(desk.rows("e3"), gone, "a root is no part of what is in progress");
    }

    #[test]
    fn peer_a_forwarded_event_completes_after_the_handlers_of_every_bus() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        desk.on(b, "p", 9);
        desk.send(b, "p1");
        desk.run();
        desk.child("p1", a, "e1");
        desk.waits("p1", 9, "e1");
        desk.run();
        desk.ends("e1", 1);
        desk.run();
        assert_eq!(desk.machine.held().waits, 1, "p1 still waits");
        desk.ends("e1", 2);
        assert_eq!(desk.machine.held().waits, 0);
    }

    #[test]
    fn peer_a_forwarded_event_is_not_its_own_parent() {
        let mut desk = Desk::new();
        let [a, b] = buses(&mut desk, ["a", "b"]);
        desk.forward(a, b);
        let event = desk.send(a, "e1");
        desk.run_to_end();
        assert_eq!(desk.machine.parent(event), None);
        assert_eq!(desk.machine.children(event), []);
    }
}

mod r40 {
    use super::*;

    fn name(desk: &Desk, bus: BusKey) -> String {
        desk.machine.bus_name(bus).expect("the bus is there").to_string()
    }

    #[test]
    fn r40_a_name_is_an_identifier() {
        let mut desk = Desk::new();
        for (wanted, expected) in [
            ("main", "main"),
            ("a-b c.d", "a_b_c_d"),
            ("9lives", "_9lives"),
            ("", "_"),
            ("größe7", "größe7"),
            ("x²①", "x__"),
        ] {
            let bus = desk.bus(wanted);
            assert_eq!(name(&desk, bus), expected);
        }
    }

    #[test]
    fn r40_a_name_that_is_taken_gets_a_suffix_and_a_warning() {
        let mut desk = Desk::new();
        let [first, second, third] = ["main"; 3].map(|wanted| desk.bus(wanted));
        assert_eq!(name(&desk, first), "main");
        assert_eq!(name(&desk, second), "main_000000ab");
        assert_ne!(name(&desk, third), name(&desk, second));
        let warned = desk.warnings.iter().map(|warning| match warning {
            Warning::BusNameTaken { wanted, name } => (wanted.clone(), name.to_string()),
            other => panic!("{other:?}"),
        });
        let expected = [second, third].map(|bus| ("main".to_owned(), name(&desk, bus)));
        assert_eq!(warned.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn r40_it_is_free_again_when_its_bus_is_gone() {
        let mut desk = Desk::new();
        let first = desk.bus("main");
        desk.remove_bus(first);
        assert_eq!(desk.machine.bus_name(first), None);
        let second = desk.bus("main");
        assert_eq!(name(&desk, second), "main");
        assert_eq!(desk.warnings, []);
    }

    #[test]
    fn r40_or_cleared_and_the_old_bus_does_not_take_it_along() {
        let mut desk = Desk::new();
        let first = desk.bus("main");
        desk.stop(first);
        desk.input(|machine| machine.clear(first));
        desk.bus("main");
        desk.remove_bus(first);
        let third = desk.bus("main");
        assert_ne!(name(&desk, third), "main", "the second bus has it");
    }

    #[test]
    fn r40_two_names_that_become_one_identifier() {
        let mut desk = Desk::new();
        let [_, second] = ["a b", "a-b"].map(|wanted| desk.bus(wanted));
        assert_eq!(name(&desk, second), "a_b_000000ab");
    }

    #[test]
    fn r40_paths_show_names() {
        let mut desk = Desk::new();
        let [a, same] = buses(&mut desk, ["a", "a"]);
        desk.forward(a, same);
        desk.send(a, "e1");
        desk.run_to_end();
        assert_eq!(desk.path("e1"), ["a", "a_000000ab"]);
    }
}
