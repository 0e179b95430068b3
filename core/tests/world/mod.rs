//! A deterministic random world: it runs a schedule of inputs on the machine and the naive model in
//! lockstep, and stops at the first difference.

mod actions;
mod addresses;
mod check;
mod held;
mod lending;
mod life;
mod rng;
mod setup;
mod watches;

use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use busway_core::Instant;
use busway_core::machine::{
    BusKey, Completed, Dropped, EventKey, HandlerKey, HubConfig, InvocationKey, Machine, Output,
    Refused, ReservationKey, WaitKey, Warning, WatchKey,
};

use self::rng::Rng;
use crate::model::{EventId, Model};

/// Payloads, results and handlers are the numbers that the model gives them.
type Hub = Machine<u32, u32, u32>;

/// The machine's answer to a dispatch.
type Accepted = Result<EventKey, Refused<u32>>;

/// The result of an action: `Ok`, or what differs.
type Checked = Result<(), String>;

/// Limits are whole ticks, and no two inputs fall on the same point within a tick, so no two deadlines
/// are equal.
const TICK: u64 = 1_000_000;

/// A schedule on which machine and model differ.
pub(crate) struct Violation {
    seed: u64,
    step: usize,
    what: String,
}

/// Runs one schedule, and returns the number of its steps.
pub(crate) fn play(seed: u64, trace: bool) -> Result<usize, Violation> {
    let mut world = World::new(seed, trace);
    let played = catch_unwind(AssertUnwindSafe(|| world.play()));
    let step = world.step;
    match played {
        Ok(Ok(())) => Ok(step),
        Ok(Err(what)) => Err(Violation { seed, step, what }),
        Err(_) => Err(Violation { seed, step, what: String::from("a panic (see above)") }),
    }
}

struct World {
    rng: Rng,
    hub: Hub,
    model: Model,
    keys: Keys,
    /// Buses that gave `Ready` and have not been idle since.
    ready: Vec<bool>,
    seen: Seen,
    step: usize,
    trace: bool,
    ticks: u64,
    inputs: u64,
    mood: Mood,
}

/// The machine's keys for the model's numbers.
#[derive(Default)]
struct Keys {
    buses: Vec<BusKey>,
    handlers: Vec<HandlerKey>,
    events: Vec<EventKey>,
    invocations: Vec<InvocationKey>,
    waits: Vec<WaitKey>,
    reservations: Vec<ReservationKey>,
    watches: Vec<WatchKey>,
}

/// The machine's outputs of one step.
#[derive(Default)]
struct Seen {
    completed: Vec<Completed<u32, u32>>,
    order: Vec<EventId>,
    cancelled: Vec<InvocationKey>,
    resumed: Vec<InvocationKey>,
    granted: Vec<ReservationKey>,
    accepted: Vec<(BusKey, EventKey, u32)>,
    idle: Vec<BusKey>,
    closed: Vec<BusKey>,
    arrived: Vec<(WatchKey, EventKey, u32, bool)>,
    ended_watches: Vec<(WatchKey, u64)>,
    slow: Vec<(EventKey, Vec<EventKey>, bool)>,
    same_name: usize,
    other_type: usize,
    payloads_dropped: usize,
    retried: Vec<u32>,
    ready_twice: bool,
}

/// What a schedule does more often than others, in percent, and its length.
struct Mood {
    hub_serial: usize,
    parallel: usize,
    forwards: usize,
    life: usize,
    /// Buses that write ahead.
    ahead: usize,
    watched: usize,
    /// Events sent to addresses.
    addressed: usize,
    retried: usize,
    /// How soon a ready bus is asked what is next.
    eager: usize,
    steps: usize,
}

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let max_depth = rng.one_of([None, Some(2), Some(4), Some(1_000)]);
        let mut config = HubConfig::default();
        config.max_depth = max_depth;
        let mood = Mood {
            hub_serial: rng.one_of([0, 30, 90]),
            parallel: rng.one_of([0, 10, 50]),
            forwards: rng.one_of([0, 20, 60]),
            life: rng.one_of([0, 1, 6]),
            eager: rng.one_of([10, 25, 40]),
            steps: rng.one_of([30, 60, 100]),
            ahead: rng.one_of([0, 0, 60]),
            watched: rng.one_of([0, 0, 10]),
            addressed: rng.one_of([0, 0, 8]),
            retried: rng.one_of([0, 0, 40]),
        };
        Self {
            rng,
            hub: Machine::new(config),
            model: Model::new(max_depth),
            keys: Keys::default(),
            ready: Vec::new(),
            seen: Seen::default(),
            step: 0,
            trace,
            ticks: 0,
            inputs: 0,
            mood,
        }
    }

    fn play(&mut self) -> Checked {
        self.set_up()?;
        for _ in 0..self.mood.steps {
            self.act()?;
        }
        self.run_to_the_end()?;
        self.take_down()
    }

    /// Counts a step, and shows it when asked to.
    fn begin(&mut self, doing: impl FnOnce() -> String) {
        self.step += 1;
        if self.trace {
            println!("{:4} {}", self.step, doing());
        }
    }

    /// A point in time at which nothing else happens.
    fn now(&mut self) -> Instant {
        self.inputs += 1;
        Instant::from_nanos(self.ticks * TICK + self.inputs)
    }

    /// Gives the machine one input, and takes all its outputs. The model's turn is next.
    fn input<A>(&mut self, input: impl FnOnce(&mut Hub) -> A) -> A {
        let answer = input(&mut self.hub);
        self.take_outputs();
        answer
    }

    /// Does the same for an input that makes an event, which may have completed by the time it returns.
    fn dispatch_input(&mut self, input: impl FnOnce(&mut Hub) -> Accepted) -> Accepted {
        let answer = input(&mut self.hub);
        self.keys.events.extend(answer.as_ref().ok());
        self.take_outputs();
        answer
    }

    fn take_outputs(&mut self) {
        self.seen.clear();
        let Self { hub, seen, ready, keys, .. } = self;
        for output in hub.outputs() {
            match output {
                Output::Ready { bus } => {
                    let bus = keys.bus(bus);
                    seen.ready_twice |= core::mem::replace(&mut ready[bus], true);
                }
                Output::Completed(done) => {
                    seen.order.push(keys.event(done.event));
                    seen.completed.push(done);
                }
                other => seen.note(other),
            }
        }
        // `tell_idle` gives one output for each call, so ask again.
        seen.idle.iter().for_each(|bus| hub.tell_idle(*bus, 0));
        self.model.expect_order(&self.seen.order);
    }
}

impl Keys {
    fn bus(&self, key: BusKey) -> usize {
        self.buses.iter().rposition(|bus| *bus == key).expect("a bus of this world")
    }

    fn event(&self, key: EventKey) -> usize {
        self.events.iter().rposition(|event| *event == key).expect("an event of this world")
    }
}

impl Seen {
    fn clear(&mut self) {
        self.completed.clear();
        self.order.clear();
        self.cancelled.clear();
        self.resumed.clear();
        self.granted.clear();
        self.accepted.clear();
        self.idle.clear();
        self.closed.clear();
        self.arrived.clear();
        self.ended_watches.clear();
        self.retried.clear();
        self.slow.clear();
        (self.same_name, self.other_type, self.payloads_dropped) = (0, 0, 0);
        self.ready_twice = false;
    }

    fn note(&mut self, output: Output<u32, u32, u32>) {
        match output {
            Output::Cancel { invocation, .. } => self.cancelled.push(invocation),
            Output::Resumed { invocation, .. } => self.resumed.push(invocation),
            Output::Granted { reservation } => self.granted.push(reservation),
            Output::Accepted { bus, event, payload } => self.accepted.push((bus, event, payload)),
            Output::Idle { bus } => self.idle.push(bus),
            Output::Closed { bus } => self.closed.push(bus),
            Output::Arrived { watch, event, payload, instead_of_oldest } => {
                self.arrived.push((watch, event, payload, instead_of_oldest));
            }
            Output::WatchEnded { watch, dropped } => self.ended_watches.push((watch, dropped)),
            Output::Dropped(Dropped::Payload(_)) => self.payloads_dropped += 1,
            Output::Dropped(Dropped::Result(error)) => self.retried.push(error),
            Output::Warning(warning) => match *warning {
                Warning::SameHandlerName { .. } => self.same_name += 1,
                Warning::OtherTypeOfSameName { .. } => self.other_type += 1,
                Warning::Slow { event, waits_for, waits_for_slot, .. } => {
                    let waits_for = waits_for.into_iter().map(|(event, _)| event).collect();
                    self.slow.push((event, waits_for, waits_for_slot));
                }
                _ => {}
            },
            _ => {}
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, what } = self;
        writeln!(f, "violation with seed {seed} at step {step}: {what}")?;
        writeln!(f, "replay it step by step:")?;
        writeln!(f, "  cargo run --release -p busway-core --example simulate -- --seed {seed}")?;
        write!(
            f,
            "or in the test: BUSWAY_SEED={seed} cargo test -p busway-core --test random_schedules"
        )
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
