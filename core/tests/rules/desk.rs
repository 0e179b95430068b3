//! A test bench for the machine: labels instead of keys, virtual time, every output kept.
//!
//! A label names one event and, without its digits, the event's type: `job1` and `job2` are of type
//! `job`. Handlers are numbers. A label that is used again means the newest event of that label.

mod views;

use core::mem::take;
use core::time::Duration;
use std::collections::{HashMap, HashSet};

use busway_core::Instant;
use busway_core::machine::{
    Action, Address, BusConfig, BusKey, Cause, Completed, Deadlock, Dispatch, Dropped, EventKey,
    EventStatus, HandlerKey, HubConfig, InvocationKey, Limit, Machine, Next, Outcome, Output,
    Overrides, Pattern, Refusal, Refused, ReservationKey, Run, WaitKey, Waiting, Warning, WatchKey,
};

/// An event and a handler of it.
pub(crate) type Start = (&'static str, u32);

pub(crate) struct Desk {
    pub(crate) machine: Machine<&'static str, u32, u32>,
    pub(crate) now: Instant,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) granted: Vec<ReservationKey>,
    pub(crate) idle: Vec<BusKey>,
    pub(crate) closed: Vec<BusKey>,
    /// Payloads and handlers that were handed out to be dropped.
    pub(crate) payloads: Vec<&'static str>,
    pub(crate) handlers: Vec<u32>,
    /// The events given to watches, and whether the oldest unread one makes room.
    pub(crate) arrived: Vec<(WatchKey, &'static str, bool)>,
    pub(crate) ended_watches: Vec<WatchKey>,
    /// Events to be written before they start.
    pub(crate) accepted: Vec<&'static str>,
    /// Errors of tries that were not the last one.
    pub(crate) retried: Vec<u32>,
    audited: bool,
    buses: Vec<BusKey>,
    ready: Vec<BusKey>,
    events: HashMap<&'static str, (EventKey, u32)>,
    running: Vec<(Start, InvocationKey)>,
    cancelled: Vec<Start>,
    resumed: Vec<(BusKey, Start)>,
    completed: Vec<&'static str>,
    ended: HashSet<EventKey>,
    done: HashMap<&'static str, Completed<&'static str, u32>>,
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn at(secs: u64) -> Instant {
    Instant::from_nanos(secs * 1_000_000_000)
}

/// Setup.
impl Desk {
    pub(crate) fn new() -> Self {
        Self::of(|_| {})
    }

    pub(crate) fn of(set: impl FnOnce(&mut HubConfig)) -> Self {
        let mut config = HubConfig::default();
        set(&mut config);
        Self {
            machine: Machine::new(config),
            now: Instant::EPOCH,
            warnings: Vec::new(),
            granted: Vec::new(),
            idle: Vec::new(),
            closed: Vec::new(),
            payloads: Vec::new(),
            handlers: Vec::new(),
            arrived: Vec::new(),
            ended_watches: Vec::new(),
            accepted: Vec::new(),
            retried: Vec::new(),
            audited: true,
            buses: Vec::new(),
            ready: Vec::new(),
            events: HashMap::new(),
            running: Vec::new(),
            cancelled: Vec::new(),
            resumed: Vec::new(),
            completed: Vec::new(),
            ended: HashSet::new(),
            done: HashMap::new(),
        }
    }

    /// Does not audit the machine after every input: for many events.
    pub(crate) fn unaudited() -> Self {
        Self { audited: false, ..Self::new() }
    }

    /// Does not audit either, and allows any depth.
    pub(crate) fn big() -> Self {
        Self { audited: false, ..Self::of(|hub| hub.max_depth = None) }
    }

    pub(crate) fn bus(&mut self, name: &str) -> BusKey {
        self.bus_of(name, |_| {})
    }

    pub(crate) fn bus_of(&mut self, name: &str, set: impl FnOnce(&mut BusConfig)) -> BusKey {
        let mut config = BusConfig::new(name);
        set(&mut config);
        let bus = self.machine.add_bus(config, 0xab);
        self.machine.tell_idle(bus, 0);
        self.buses.push(bus);
        self.drain();
        bus
    }

    pub(crate) fn on(&mut self, bus: BusKey, event_type: &str, handler: u32) -> HandlerKey {
        self.register(bus, Pattern::Name(event_type), Limit::Inherit, handler)
    }

    pub(crate) fn on_any(&mut self, bus: BusKey, handler: u32) -> HandlerKey {
        self.register(bus, Pattern::Any, Limit::Inherit, handler)
    }

    pub(crate) fn on_limited(&mut self, bus: BusKey, event_type: &str, limit: Limit, handler: u32) {
        self.register(bus, Pattern::Name(event_type), limit, handler);
    }

    pub(crate) fn register(
        &mut self,
        bus: BusKey,
        pattern: Pattern<'_>,
        limit: Limit,
        handler: u32,
    ) -> HandlerKey {
        let name = handler.to_string();
        let info = self.machine.on(bus, pattern, &name, limit, Action::Call(handler));
        self.drain();
        info.expect("the bus is there").key
    }

    /// Forwards everything on `from` to `to`, under the name `to <bus>`.
    pub(crate) fn forward(&mut self, from: BusKey, to: BusKey) {
        let name = format!("to {}", self.machine.bus_name(to).expect("the target is there"));
        let action = Action::Forward(to);
        let done = self.machine.on(from, Pattern::Any, &name, Limit::Inherit, action);
        done.expect("the bus is there");
        self.drain();
    }
}

/// Inputs.
impl Desk {
    pub(crate) fn send(&mut self, bus: BusKey, label: &'static str) -> EventKey {
        self.try_send(bus, label).unwrap_or_else(|refusal| panic!("{label}: {refusal}"))
    }

    pub(crate) fn try_send(
        &mut self,
        bus: BusKey,
        label: &'static str,
    ) -> Result<EventKey, Refusal> {
        let spec = self.spec(label);
        self.dispatch(bus, label, spec)
    }

    pub(crate) fn send_with(
        &mut self,
        bus: BusKey,
        label: &'static str,
        set: impl FnOnce(&mut Overrides),
    ) -> EventKey {
        let mut spec = self.spec(label);
        set(spec.overrides.insert(Box::default()));
        self.dispatch(bus, label, spec).unwrap_or_else(|refusal| panic!("{label}: {refusal}"))
    }

    pub(crate) fn child(&mut self, parent: &str, bus: BusKey, label: &'static str) -> EventKey {
        self.try_child(parent, bus, label).unwrap_or_else(|refusal| panic!("{label}: {refusal}"))
    }

    pub(crate) fn try_child(
        &mut self,
        parent: &str,
        bus: BusKey,
        label: &'static str,
    ) -> Result<EventKey, Refusal> {
        let (parent, depth) = self.events[parent];
        let spec = self.spec(label).child_of(parent, depth);
        self.dispatch(bus, label, spec)
    }

    /// The dispatch of an event under a label, as a root.
    pub(crate) fn spec(&mut self, label: &str) -> Dispatch {
        let event_type = label.trim_end_matches(|c: char| c.is_ascii_digit());
        Dispatch::new(self.machine.kind(event_type, None))
    }

    pub(crate) fn dispatch(
        &mut self,
        bus: BusKey,
        label: &'static str,
        spec: Dispatch,
    ) -> Result<EventKey, Refusal> {
        let depth = spec.parent.map_or(0, |parent| parent.depth + 1);
        let answer = self.machine.dispatch(bus, label, spec, self.now);
        self.accepted(label, depth, answer)
    }

    /// Does the same for an address.
    pub(crate) fn dispatch_to(
        &mut self,
        bus: BusKey,
        address: Address<'_>,
        label: &'static str,
        spec: Dispatch,
    ) -> Result<EventKey, Refusal> {
        let depth = spec.parent.map_or(0, |parent| parent.depth + 1);
        let answer = self.machine.dispatch_to(bus, address, label, spec, self.now);
        self.accepted(label, depth, answer)
    }

    fn accepted(
        &mut self,
        label: &'static str,
        depth: u32,
        answer: Result<EventKey, Refused<&'static str>>,
    ) -> Result<EventKey, Refusal> {
        self.drain();
        let event = answer.map_err(|refused| {
            assert_eq!(refused.payload, label, "the payload comes back");
            refused.reason
        })?;
        self.events.insert(label, (event, depth));
        Ok(event)
    }

    /// Lets every bus that gave `Ready` start what it can, and returns what started.
    pub(crate) fn run(&mut self) -> Vec<Start> {
        let mut starts = Vec::new();
        while let Some(bus) = self.ready.first().copied() {
            match self.machine.next(bus, self.now) {
                Next::Run(run) => starts.push(self.begin(&run)),
                Next::Again => {}
                Next::Idle => drop(self.ready.remove(0)),
            }
            self.drain();
        }
        starts
    }

    /// Starts what is next on a bus and asks no further, so that the invocation is in flight.
    pub(crate) fn take_off(&mut self, bus: BusKey) -> Start {
        let Next::Run(run) = self.machine.next(bus, self.now) else {
            panic!("nothing starts on {bus:?}");
        };
        let start = self.begin(&run);
        self.drain();
        start
    }

    /// Ends running invocations, oldest first, until none is left. Returns what started meanwhile.
    pub(crate) fn run_to_end(&mut self) -> Vec<Start> {
        let mut starts = self.run();
        while let Some(((event, handler), _)) = self.running.first().copied() {
            self.ends(event, handler);
            starts.extend(self.run());
        }
        starts
    }

    pub(crate) fn ends(&mut self, event: &'static str, handler: u32) {
        self.finish(event, handler, Outcome::Empty);
    }

    pub(crate) fn returns(&mut self, event: &'static str, handler: u32, value: u32) {
        self.finish(event, handler, Outcome::Value(value));
    }

    pub(crate) fn fails(&mut self, event: &'static str, handler: u32, error: u32) {
        self.finish(event, handler, Outcome::Failed(error));
    }

    fn finish(&mut self, event: &'static str, handler: u32, outcome: Outcome<u32>) {
        let place = self.place(event, handler);
        let (_, invocation) = self.running.remove(place);
        let back = self.machine.finished(invocation, outcome, self.now);
        assert_eq!(back, None, "{event}:{handler} had ended before");
        self.drain();
    }

    /// Ends a handler and asks a bus what is next, in one step. `None` when nothing starts now.
    pub(crate) fn ends_then_next(&mut self, (event, handler): Start, bus: BusKey) -> Option<Start> {
        let place = self.place(event, handler);
        let (_, invocation) = self.running.remove(place);
        let (back, next) =
            self.machine.finished_then_next(bus, invocation, Outcome::Empty, self.now);
        assert_eq!(back, None, "{event}:{handler} had ended before");
        let start = match next {
            Next::Run(run) => Some(self.begin(&run)),
            Next::Again | Next::Idle => None,
        };
        self.drain();
        start
    }

    pub(crate) fn try_wait(
        &mut self,
        event: &'static str,
        handler: u32,
        awaited: &str,
    ) -> Result<Waiting, Deadlock> {
        let (invocation, awaited) = (self.invocation(event, handler), self.event(awaited));
        let answer = self.machine.wait_to_resume(invocation, awaited);
        self.drain();
        answer
    }

    pub(crate) fn waits(&mut self, event: &'static str, handler: u32, awaited: &str) -> WaitKey {
        match self.try_wait(event, handler, awaited) {
            Ok(Waiting::Begun(wait)) => wait,
            other => panic!("{event}:{handler} should wait for {awaited}: {other:?}"),
        }
    }

    pub(crate) fn end_wait(&mut self, wait: WaitKey) {
        self.machine.end_wait(wait);
        self.drain();
    }

    /// Lets time pass, and tells the buses that have a deadline by then.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for bus in self.buses.clone() {
            if self.machine.next_deadline(bus).is_some_and(|at| at <= self.now) {
                self.timed_out(bus);
            }
        }
    }

    pub(crate) fn timed_out(&mut self, bus: BusKey) {
        self.machine.timed_out(bus, self.now);
        self.drain();
    }

    pub(crate) fn stop(&mut self, bus: BusKey) {
        self.machine.stop(bus, self.now);
        self.drain();
    }

    pub(crate) fn remove_bus(&mut self, bus: BusKey) {
        self.machine.remove_bus(bus, self.now);
        self.drain();
    }

    /// Any other input.
    pub(crate) fn input<T>(
        &mut self,
        input: impl FnOnce(&mut Machine<&'static str, u32, u32>) -> T,
    ) -> T {
        let answer = input(&mut self.machine);
        self.drain();
        answer
    }
}

impl Desk {
    fn place(&self, event: &str, handler: u32) -> usize {
        let place = self.running.iter().rposition(|(start, _)| *start == (event, handler));
        place.unwrap_or_else(|| {
            panic!("{event}:{handler} does not run; what does: {:?}", self.running())
        })
    }

    fn begin(&mut self, run: &Run<&'static str, u32>) -> Start {
        let Action::Call(handler) = run.handler.action else {
            panic!("a forward is not run");
        };
        let start = (run.payload, handler);
        self.running.push((start, run.invocation));
        start
    }

    fn drain(&mut self) {
        let outputs: Vec<_> = self.machine.outputs().collect();
        outputs.into_iter().for_each(|output| self.see(output));
        if self.audited {
            self.audit();
        }
    }

    fn see(&mut self, output: Output<&'static str, u32, u32>) {
        match output {
            Output::Ready { bus } => {
                assert!(!self.ready.contains(&bus), "{bus:?} is ready twice");
                self.ready.push(bus);
            }
            Output::Cancel { invocation, .. } => {
                let place = self.running.iter().position(|(_, key)| *key == invocation);
                let (start, _) = self.running.remove(place.expect("what is cancelled runs"));
                self.cancelled.push(start);
            }
            Output::Resumed { bus, invocation } => {
                let started = self.running.iter().find(|(_, key)| *key == invocation);
                let (start, _) = *started.expect("what is resumed runs");
                self.resumed.push((bus, start));
            }
            Output::Completed(done) => {
                let label = done.payload;
                assert!(self.ended.insert(done.event), "{label} completes twice");
                self.completed.push(label);
                self.done.insert(label, done);
            }
            Output::Accepted { payload, .. } => self.accepted.push(payload),
            Output::Granted { reservation } => self.granted.push(reservation),
            Output::Idle { bus } => {
                self.idle.push(bus);
                self.machine.tell_idle(bus, 0);
            }
            Output::Closed { bus } => self.closed.push(bus),
            Output::Warning(warning) => self.warnings.push(*warning),
            Output::Dropped(Dropped::Payload(payload)) => self.payloads.push(payload),
            Output::Dropped(Dropped::Handlers(list)) => {
                let calls = list.iter().filter_map(|handler| match handler.action {
                    Action::Call(number) => Some(number),
                    Action::Forward(_) => None,
                });
                self.handlers.extend(calls);
            }
            Output::Dropped(Dropped::Result(error)) => self.retried.push(error),
            Output::Arrived { watch, payload, instead_of_oldest, .. } => {
                self.arrived.push((watch, payload, instead_of_oldest));
            }
            Output::WatchEnded { watch, .. } => self.ended_watches.push(watch),
            other => panic!("an output the desk does not know: {other:?}"),
        }
    }
}
