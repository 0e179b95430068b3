//! Limits, deadlines, cascades and reports: R22–R25.

mod cascades;
mod limits;
mod reports;
mod tries;
mod waits;

use busway_core::Instant;
use busway_core::machine::{
    BusKey, Cause, EventStatus, HandlerOrder, Limit, Outcome, Pattern, Retries, Warning,
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

/// The handler of `p1` has dispatched `c2` and `c1`, and waits for `c1`, which has not started.
fn parent_of_two() -> (Desk, BusKey) {
    let mut desk = Desk::new();
    let a = bus(&mut desk, "a");
    desk.send(a, "p1");
    desk.run();
    desk.child("p1", a, "c2");
    desk.child("p1", a, "c1");
    desk.waits("p1", 1, "c1");
    (desk, a)
}

/// When the handler of `e1` exceeds its limit, if it ever does.
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
