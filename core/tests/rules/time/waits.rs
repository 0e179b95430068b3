//! A waiter with its own timeout: R24.

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
