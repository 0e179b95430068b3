//! No runtime at all: first a bus whose driver is polled by hand, then the bare state machine.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use busway::machine::{
    Action, BusConfig, Dispatch, HubConfig, Machine, Next, Outcome, Output, Pattern,
};
use busway::{
    BoxError, Driver, Event, EventBus, EventHandle, Instant, Limit, ResultError, Runtime, Task,
    Timer,
};

fn main() -> Result<(), BoxError> {
    bus_by_hand()?;
    machine_by_hand()
}

/// A clock that is moved by hand. Clones share the time.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<AtomicU64>);

#[derive(Debug)]
struct Alarm(Clock, Instant);

impl Clock {
    fn tick(&self) {
        self.0.fetch_add(Duration::from_millis(1).as_nanos() as u64, Ordering::SeqCst);
    }
}

impl Runtime for Clock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(Alarm(self.clone(), Instant::FAR))
    }

    fn spawn(&self, _: Task) {
        unreachable!("the one driver there is was handed out by `with_driver`");
    }

    fn is_current(&self) -> bool {
        false
    }
}

impl Timer for Alarm {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.1 = at;
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        // No wake-up is needed: the loop below polls again after each tick.
        if self.0.now() >= self.1 { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[derive(Event)]
#[event(output = usize)]
struct Text(&'static str);

#[derive(Event)]
#[event(output = usize)]
struct Word(&'static str);

fn bus_by_hand() -> Result<(), BoxError> {
    let clock = Clock::default();
    let (bus, mut driver) = EventBus::builder("main").runtime(clock.clone()).with_driver();
    bus.on(|text: EventHandle<Text>| async move {
        let mut letters = 0;
        for word in text.0.split(' ') {
            letters += text.run(Word(word)).await?.result()?;
        }
        busway::ok(letters)
    });
    bus.on(|word: EventHandle<Word>| word.0.len());
    let text = poll_by_hand(&clock, &mut driver, bus.run(Text("no runtime at all")))?;
    println!("bus: {} letters", text.result()?);

    // We control the time too.
    bus.on(|_: EventHandle<Text>| std::future::pending::<()>());
    let late = bus.event(Text("")).limit(Limit::After(Duration::from_secs(1))).run();
    let late = poll_by_hand(&clock, &mut driver, late)?;
    let Err(ResultError::Failed { error, .. }) = late.result() else { unreachable!() };
    println!("bus: {error}, at {:?}", clock.now());
    Ok(())
}

/// The whole run loop: polls the driver and the waiting future, and lets time pass.
fn poll_by_hand<F: Future>(clock: &Clock, driver: &mut Driver, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let _: Poll<()> = Pin::new(&mut *driver).poll(&mut cx);
        clock.tick();
    }
}

/// The machine keeps the books; payloads, handlers and results are up to us.
fn machine_by_hand() -> Result<(), BoxError> {
    let mut machine: Machine<&str, usize, fn(&str) -> usize> = Machine::new(HubConfig::default());
    let bus = machine.add_bus(BusConfig::new("main"), 0);
    let length = Action::Call(str::len as fn(&str) -> usize);
    let _ = machine.on(bus, Pattern::Name("Text"), "length", Limit::Inherit, length);
    let text = machine.kind("Text", None);
    for payload in ["the", "bare", "machine"] {
        let taken = machine.dispatch(bus, payload, Dispatch::new(text), Instant::EPOCH);
        taken.map_err(|refused| format!("{:?} is refused: {}", refused.payload, refused.reason))?;
    }
    // Input, drain the outputs, next input.
    let mut ready = Vec::new();
    loop {
        for output in machine.outputs() {
            match output {
                Output::Ready { bus } => ready.push(bus),
                Output::Completed(done) => {
                    let outcomes = done.results.iter().map(|row| &row.outcome);
                    println!("machine: {} is {:?}", done.payload, outcomes.collect::<Vec<_>>());
                }
                _ => {}
            }
        }
        let Some(bus) = ready.last().copied() else { return Ok(()) };
        match machine.next(bus, Instant::EPOCH) {
            Next::Run(run) => {
                let Action::Call(handler) = run.handler.action else { continue };
                machine.finished(
                    run.invocation,
                    Outcome::Value(handler(run.payload)),
                    Instant::EPOCH,
                );
            }
            Next::Again => {}
            Next::Idle => drop(ready.pop()),
        }
    }
}
