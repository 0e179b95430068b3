//! Children, waits, raising and lending: R12–R16, R18.

mod completion;
mod deadlocks;
mod depth;
mod lending;
mod links;
mod raising;
mod slots;

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
