//! Handlers that retry within one invocation: R45.

use super::*;

#[test]
fn r45_tries_within_an_invocation_stand_in_its_row() {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    let invocation = desk.invocation("p1", 1);
    desk.input(|machine| machine.tried(invocation, 3));
    desk.returns("p1", 1, 7);
    let tries = |desk: &Desk| desk.done("p1").results.iter().next().unwrap().tries;
    assert_eq!(tries(&desk), 3);
    desk.input(|machine| machine.tried(invocation, 4));
    assert_eq!(tries(&desk), 3, "it has ended");
}

#[test]
fn r23_what_a_try_was_awaiting_is_aborted_and_the_invocation_goes_on() {
    let (mut desk, a) = parent_of_two();
    assert_eq!(desk.run(), [("c1", 2)]);
    desk.child("c1", a, "g1");
    desk.waits("c1", 2, "g1");
    assert_eq!(desk.run(), [("g1", 3)]);
    let (invocation, now) = (desk.invocation("p1", 1), desk.now);
    desk.input(|machine| machine.try_timed_out(invocation, now));
    let mut cancelled = desk.cancelled();
    cancelled.sort_unstable();
    assert_eq!(cancelled, [("c1", 2), ("g1", 3)], "down the tree, and not itself");
    assert_eq!(desk.completed(), ["g1", "c1"]);
    assert_eq!(desk.cause("c1"), Some(Cause::Aborted));
    assert!(desk.run().is_empty(), "it has its slot again, and c2 is not raised");
    desk.returns("p1", 1, 7);
    assert_eq!(desk.run_to_end(), [("c2", 2)], "what was not awaited goes on");
    assert_eq!(desk.rows("p1"), [("1", Outcome::Value(7))]);
    assert_eq!(desk.cause("p1"), None);
    desk.input(|machine| machine.try_timed_out(invocation, now));
    assert!(desk.cancelled().is_empty(), "a spurious one does nothing");
}

#[test]
fn r45_a_handlers_own_tries_are_not_those_of_its_event() {
    let mut desk = Desk::new();
    let bus = desk.bus("a");
    desk.on(bus, "e", 1);
    desk.send_with(bus, "e1", |own| own.retries = Some(Retries::new(2, secs(1))));
    for (number, tries) in [0, 3, 1].into_iter().enumerate() {
        assert_eq!(desk.run(), [("e1", 1)], "invocation {number}");
        let invocation = desk.invocation("e1", 1);
        desk.input(|machine| machine.tried(invocation, tries));
        desk.fails("e1", 1, 7);
        desk.pass(secs(1));
    }
    assert!(desk.run().is_empty(), "it was tried again twice");
    assert_eq!(desk.done("e1").results.as_slice()[0].tries, 4, "all that were made");
}
