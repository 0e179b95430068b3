//! Outcomes of events and invocations: R19–R21.

use busway_core::machine::{BusKey, Cause, EventStatus, HandlerOrder, Outcome, ResultStatus, Row};

use crate::desk::{Desk, at, secs};

/// A bus with two handlers of `e`.
fn two_handlers() -> (Desk, BusKey) {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    desk.on(bus, "e", 2);
    (desk, bus)
}

#[test]
fn r19_an_event_is_pending_then_started_then_completed() {
    let (mut desk, bus) = two_handlers();
    desk.send(bus, "e1");
    assert_eq!(desk.status("e1"), EventStatus::Pending);
    desk.run();
    assert_eq!(desk.status("e1"), EventStatus::Started);
    desk.run_to_end();
    assert_eq!(desk.status("e1"), EventStatus::Completed);
}

#[test]
fn r19_so_is_a_result_or_it_is_an_error() {
    use ResultStatus::{Completed, Error, Pending, Started};
    let (mut desk, bus) = two_handlers();
    let event = desk.send(bus, "e1");
    let statuses = |desk: &Desk| {
        let rows = desk.machine.results(event);
        rows.iter().map(Row::status).collect::<Vec<_>>()
    };
    desk.run();
    assert_eq!(statuses(&desk), [Started, Pending]);
    desk.fails("e1", 1, 13);
    assert_eq!(statuses(&desk), [Error, Pending]);
    desk.run();
    assert_eq!(statuses(&desk), [Error, Started]);
    desk.ends("e1", 2);
    let rows: Vec<_> = desk.done("e1").results.iter().map(Row::status).collect();
    assert_eq!(rows, [Error, Completed]);
    assert!(desk.machine.results(event).is_empty(), "they left with the completion");
}

#[test]
fn r19_outcomes_that_are_errors() {
    let errors = [
        Outcome::Failed(1),
        Outcome::TimedOut { limit: secs(1) },
        Outcome::Aborted(Cause::Stopped),
        Outcome::Cancelled(Cause::First),
        Outcome::TargetGone,
    ];
    assert!(errors.iter().all(Outcome::is_error));
    assert!(![Outcome::Value(1), Outcome::Empty].iter().any(Outcome::is_error));
}

#[test]
fn r19_times_of_events_and_results() {
    let (mut desk, bus) = two_handlers();
    desk.now = at(1);
    desk.send(bus, "e1");
    desk.now = at(2);
    desk.run();
    desk.now = at(3);
    desk.ends("e1", 1);
    desk.now = at(4);
    desk.run();
    desk.now = at(5);
    desk.ends("e1", 2);
    let done = desk.done("e1");
    assert_eq!((done.started_at, done.completed_at), (Some(at(2)), at(5)));
    let times: Vec<_> = done.results.iter().map(|row| (row.started_at, row.completed_at)).collect();
    assert_eq!(times, [(Some(at(2)), Some(at(3))), (Some(at(4)), Some(at(5)))]);
}

#[test]
fn r19_what_did_not_run_to_its_end_carries_a_cause() {
    for cause in [Cause::Stopped, Cause::Deadline, Cause::Cancelled, Cause::Aborted] {
        let (mut desk, bus) = two_handlers();
        let event = desk.send(bus, "e1");
        desk.run();
        let now = desk.now;
        assert!(desk.input(|machine| machine.abort(event, cause, now)));
        assert_eq!(desk.cause("e1"), Some(cause));
        assert_eq!(desk.cancelled(), [("e1", 1)]);
        let rows = [("1", Outcome::Aborted(cause)), ("2", Outcome::Cancelled(cause))];
        assert_eq!(desk.rows("e1"), rows);
    }
}

#[test]
fn r19_what_never_started_has_no_start() {
    let (mut desk, bus) = two_handlers();
    desk.send(bus, "e1");
    let event = desk.send(bus, "e2");
    desk.run();
    let now = desk.now;
    assert!(desk.input(|machine| machine.abort(event, Cause::Aborted, now)));
    let done = desk.done("e2");
    assert_eq!((done.started_at, done.results.len()), (None, 0));
    assert!(!desk.input(|machine| machine.abort(event, Cause::Stopped, now)));
    assert_eq!(desk.cause("e2"), Some(Cause::Aborted), "the first cause is the cause");
    assert_eq!(desk.run_to_end(), [("e1", 2)]);
}

#[test]
fn r20_a_failing_handler_is_recorded_and_stops_no_other() {
    let (mut desk, bus) = two_handlers();
    desk.send(bus, "e1");
    desk.send(bus, "e2");
    desk.run();
    desk.fails("e1", 1, 13);
    assert_eq!(desk.run(), [("e1", 2)]);
    desk.returns("e1", 2, 7);
    assert_eq!(desk.run(), [("e2", 1)]);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Failed(13)), ("2", Outcome::Value(7))]);
    assert_eq!(desk.cause("e1"), None, "it ran to its end");
}

#[test]
fn r20_nor_in_parallel() {
    let (mut desk, bus) = two_handlers();
    desk.send_with(bus, "e1", |own| own.handler_order = Some(HandlerOrder::Parallel));
    desk.run();
    desk.fails("e1", 1, 13);
    assert_eq!(desk.running(), [("e1", 2)]);
    desk.fails("e1", 2, 14);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Failed(13)), ("2", Outcome::Failed(14))]);
}

#[test]
fn r20_a_wait_ends_with_an_event_that_failed() {
    let (mut desk, bus) = two_handlers();
    desk.send(bus, "e1");
    desk.run();
    desk.child("e1", bus, "e2");
    desk.waits("e1", 1, "e2");
    desk.run();
    desk.fails("e2", 1, 13);
    desk.run();
    desk.fails("e2", 2, 14);
    assert_eq!(desk.machine.held().waits, 0);
    desk.returns("e1", 1, 7);
    assert_eq!(desk.run(), [("e1", 2)]);
}

#[test]
fn r21_results_say_whose_they_are() {
    let (mut desk, bus) = two_handlers();
    desk.send(bus, "e1");
    desk.run_to_end();
    for row in desk.done("e1").results.iter() {
        assert_eq!((row.handler.bus, &*row.handler.bus_name), (bus, "a"));
    }
    let names: Vec<_> = desk.rows("e1").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["1", "2"]);
}

#[test]
fn r21_two_handlers_of_one_name_have_a_row_each() {
    let mut desk = Desk::new();
    let bus = desk.bus_of("a", |bus| bus.handler_order = HandlerOrder::Parallel);
    let keys = [desk.on(bus, "e", 1), desk.on(bus, "e", 1)];
    desk.send(bus, "e1");
    desk.run();
    desk.returns("e1", 1, 20);
    desk.returns("e1", 1, 10);
    let rows: Vec<_> = desk.done("e1").results.iter().map(|row| row.handler.key).collect();
    assert_eq!(rows, keys);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Value(10)), ("1", Outcome::Value(20))]);
}

#[test]
fn r21_results_of_many_buses_stand_bus_by_bus() {
    let (mut desk, a) = two_handlers();
    let b = desk.bus("b");
    desk.on(b, "e", 3);
    desk.forward(a, b);
    desk.on_any(a, 4);
    desk.send_with(a, "e1", |own| own.handler_order = Some(HandlerOrder::Parallel));
    desk.run();
    for handler in [3, 4, 2, 1] {
        desk.returns("e1", handler, handler);
    }
    let names: Vec<_> = desk.rows("e1").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["1", "2", "4", "3"]);
}

#[test]
fn peer_an_error_is_reported_as_what_it_is() {
    let (mut desk, bus) = two_handlers();
    desk.send(bus, "e1");
    desk.run();
    desk.fails("e1", 1, 13);
    desk.run();
    desk.pass(secs(60));
    let limit = secs(60);
    assert_eq!(desk.rows("e1"), [("1", Outcome::Failed(13)), ("2", Outcome::TimedOut { limit })]);
}

#[test]
fn r19_an_invocation_is_of_a_handler_while_it_is_in_the_books() {
    let (mut desk, bus) = two_handlers();
    desk.send(bus, "e1");
    let invocations = [1, 2].map(|handler| {
        desk.run();
        let invocation = desk.invocation("e1", handler);
        let of = desk.machine.handler_of(invocation);
        desk.ends("e1", handler);
        assert_eq!(desk.machine.handler_of(invocation), None);
        of
    });
    desk.run();
    let handlers = desk.done("e1").results.iter().map(|row| Some(row.handler.key));
    assert!(handlers.eq(invocations), "{invocations:?}");
}
