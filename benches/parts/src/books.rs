//! The state machine alone: no lock, no future, and only a trivial payload.

use std::time::Duration;

use busway::Instant;
use busway::machine::{
    Action, BusConfig, BusKey, Dispatch, EventKey, HubConfig, InvocationKey, Kind, Limit, Machine,
    Next, Outcome, Pattern, Waiting,
};

use crate::clock::Rounds;

/// A machine whose time advances by a microsecond with each input.
struct Books {
    machine: Machine<u64, u64>,
    kind: Kind,
    now: Instant,
}

impl Books {
    fn new() -> Self {
        let mut config = HubConfig::default();
        config.memory_warning = None;
        let mut machine = Machine::new(config);
        let kind = machine.kind("Add", None);
        Self { machine, kind, now: Instant::EPOCH }
    }

    fn bus(&mut self, name: &str, set: impl FnOnce(&mut BusConfig)) -> BusKey {
        let mut config = BusConfig::new(name);
        config.max_pending = None;
        config.max_pending_children = None;
        set(&mut config);
        self.machine.add_bus(config, 0)
    }

    fn on(&mut self, bus: BusKey, action: Action<()>) {
        let added = self.machine.on(bus, Pattern::Name("Add"), "add", Limit::Inherit, action);
        assert!(added.is_ok(), "the bus is there");
    }

    fn adding_bus(&mut self, name: &str) -> BusKey {
        let bus = self.bus(name, |_| {});
        self.on(bus, Action::Call(()));
        bus
    }

    fn tick(&mut self) -> Instant {
        self.now = self.now + Duration::from_micros(1);
        self.now
    }

    fn dispatch(&mut self, bus: BusKey, spec: Dispatch) -> EventKey {
        let now = self.tick();
        self.machine.dispatch(bus, 1, spec, now).expect("the bus takes it")
    }

    fn dispatch_root(&mut self, bus: BusKey) -> EventKey {
        self.dispatch(bus, Dispatch::new(self.kind))
    }

    fn fill(&mut self, bus: BusKey, count: usize) {
        for _ in 0..count {
            self.dispatch_root(bus);
        }
        self.act();
    }

    fn start(&mut self, bus: BusKey) -> (InvocationKey, EventKey) {
        loop {
            let now = self.tick();
            match self.machine.next(bus, now) {
                Next::Run(run) => return (run.invocation, run.event),
                Next::Again => {}
                Next::Idle => panic!("there is something to run"),
            }
        }
    }

    fn finish(&mut self, invocation: InvocationKey) {
        let now = self.tick();
        self.machine.finished(invocation, Outcome::Value(2), now);
        self.act();
    }

    /// Does what a driver does with an event: run it, without asking for more.
    fn run_one(&mut self, bus: BusKey) {
        let (invocation, _) = self.start(bus);
        self.finish(invocation);
    }

    fn act(&mut self) {
        self.machine.outputs().for_each(drop);
    }
}

/// Dispatch, start and end of an event, with `n - 1` queued behind it.
pub fn step(n: usize, rounds: Rounds) -> f64 {
    let mut books = Books::new();
    let bus = books.adding_bus("main");
    books.fill(bus, n - 1);
    rounds.median(|operations| {
        for _ in 0..operations {
            books.dispatch_root(bus);
            books.run_one(bus);
        }
    })
}

/// Dispatch alone, onto `n - 1` queued; they are removed again between the timed runs.
pub fn dispatch(n: usize, rounds: Rounds) -> f64 {
    let mut books = Books::new();
    let bus = books.adding_bus("main");
    books.fill(bus, n - 1);
    let mut nanos = Vec::with_capacity(rounds.runs);
    for _ in 0..rounds.runs {
        nanos.push(Rounds::once(rounds.operations).median(|operations| {
            for _ in 0..operations {
                books.dispatch_root(bus);
                books.act();
            }
        }));
        for _ in 0..rounds.operations {
            books.run_one(bus);
        }
    }
    nanos.sort_by(f64::total_cmp);
    nanos[nanos.len() / 2]
}

/// A child that a running handler dispatches and awaits, ahead of `n - 1` queued.
pub fn jump(n: usize, rounds: Rounds) -> f64 {
    let mut books = Books::new();
    let bus = books.adding_bus("main");
    books.dispatch_root(bus);
    let (parent, event) = books.start(bus);
    books.fill(bus, n - 1);
    rounds.median(|operations| {
        for _ in 0..operations {
            let child = books.dispatch(bus, Dispatch::new(books.kind).child_of(event, 0));
            let waiting = books.machine.wait(parent, child);
            assert!(matches!(waiting, Ok(Waiting::Begun(_))), "the child has not run");
            books.act();
            books.run_one(bus);
        }
    })
}

/// An event that a bus forwards to another, with `n - 1` queued on that one.
pub fn forward(n: usize, rounds: Rounds) -> f64 {
    let mut books = Books::new();
    let target = books.adding_bus("target");
    let source = books.bus("source", |_| {});
    books.on(source, Action::Forward(target));
    books.fill(target, n - 1);
    rounds.median(|operations| {
        for _ in 0..operations {
            books.dispatch_root(source);
            while !matches!(books.next(source), Next::Idle) {}
            books.run_one(target);
        }
    })
}

impl Books {
    fn next(&mut self, bus: BusKey) -> Next<u64, ()> {
        let now = self.tick();
        self.machine.next(bus, now)
    }
}

/// An event whose handler's limit is set and cancelled, among `n - 1` running handlers.
pub fn timeout(n: usize, rounds: Rounds) -> f64 {
    let mut books = Books::new();
    let bus = books.bus("main", |config| {
        config.concurrency = busway::Concurrency::Parallel;
        config.limit = Limit::After(Duration::from_secs(1_000_000));
    });
    books.on(bus, Action::Call(()));
    for _ in 1..n {
        books.dispatch_root(bus);
        books.start(bus);
    }
    rounds.median(|operations| {
        for _ in 0..operations {
            books.dispatch_root(bus);
            books.run_one(bus);
            std::hint::black_box(books.machine.next_deadline(bus));
        }
    })
}

/// Like [`step`] with one queued, with a full history of `n`.
pub fn history(n: usize, rounds: Rounds) -> f64 {
    let mut books = Books::new();
    let bus = books.bus("main", |config| config.max_history = Some(n));
    books.on(bus, Action::Call(()));
    for _ in 0..n {
        books.dispatch_root(bus);
        books.run_one(bus);
    }
    rounds.median(|operations| {
        for _ in 0..operations {
            books.dispatch_root(bus);
            books.run_one(bus);
        }
    })
}

/// Like [`step`], on each of `n` buses of a hub in turn.
pub fn buses(n: usize, rounds: Rounds) -> f64 {
    let mut books = Books::new();
    let buses: Vec<_> = (0..n).map(|at| books.adding_bus(&format!("bus{at}"))).collect();
    let mut turn = buses.iter().cycle();
    let mut one = move |books: &mut Books| {
        let bus = *turn.next().expect("there is a bus");
        books.dispatch_root(bus);
        books.run_one(bus);
    };
    // All histories are full before the clock runs.
    (0..n * 50).for_each(|_| one(&mut books));
    rounds.median(|operations| (0..operations).for_each(|_| one(&mut books)))
}
