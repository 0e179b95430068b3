//! The bus as a user sees it, on tokio's current-thread runtime.

use std::time::Duration;

use busway::{BoxError, Event, EventBus, EventBusBuilder, EventHandle, IntoHub, Limit};
use tokio::runtime::{Builder, Runtime};

use crate::clock::Rounds;

#[derive(Event)]
#[event(output = u64)]
struct Add(u64);

#[derive(Event)]
#[event(output = ())]
struct Jumps(usize);

async fn add(event: EventHandle<Add>) -> u64 {
    event.0 + 1
}

/// Awaits this many children that jump the queue.
async fn jumps(event: EventHandle<Jumps>) -> Result<(), BoxError> {
    for n in 0..event.0 as u64 {
        event.dispatch(Add(n))?.await?.result()?;
    }
    Ok(())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn unbounded(builder: EventBusBuilder<impl IntoHub>) -> EventBus {
    let bus = builder.max_pending(None).build();
    bus.on(add);
    bus
}

fn send(bus: &EventBus, n: u64) -> EventHandle<Add> {
    bus.dispatch(Add(n)).expect("the bus takes it")
}

async fn done(event: EventHandle<Add>) {
    let event = event.await.expect("it completes");
    assert_eq!(event.result().expect("its handler does not fail"), event.0 + 1);
}

/// Dispatches this many of them, then awaits each.
async fn batch(bus: &EventBus, length: usize) {
    let events: Vec<_> = (0..length as u64).map(|n| send(bus, n)).collect();
    for event in events {
        done(event).await;
    }
}

/// Dispatch alone, from an empty queue to `n`; the queued events are run off the clock.
pub fn dispatch(n: usize, rounds: Rounds) -> f64 {
    let runtime = runtime();
    let bus = unbounded(busway::builder("parts"));
    let batches = rounds.operations.div_ceil(n);
    let mut nanos: Vec<_> = (0..rounds.runs)
        .map(|_| {
            let mut total = 0.0;
            for _ in 0..batches {
                runtime.block_on(async {
                    let mut events = Vec::with_capacity(n);
                    total += Rounds::once(n).median(|count| {
                        events.extend((0..count as u64).map(|at| send(&bus, at)));
                    });
                    for event in events {
                        done(event).await;
                    }
                });
            }
            total / batches as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    nanos[nanos.len() / 2]
}

/// The whole of an event, in batches of `n`.
pub fn event(n: usize, rounds: Rounds) -> f64 {
    let runtime = runtime();
    let bus = unbounded(busway::builder("parts"));
    in_batches(&runtime, &bus, n, rounds)
}

fn in_batches(runtime: &Runtime, bus: &EventBus, n: usize, rounds: Rounds) -> f64 {
    let batches = rounds.operations.div_ceil(n);
    let exact = Rounds { operations: batches * n, ..rounds };
    exact.median(|_| {
        runtime.block_on(async {
            for _ in 0..batches {
                batch(bus, n).await;
            }
        });
    })
}

/// A child that a handler dispatches and awaits, ahead of `n - 1` queued.
pub fn jump(n: usize, rounds: Rounds) -> f64 {
    let runtime = runtime();
    let bus = unbounded(busway::builder("parts"));
    bus.on(jumps);
    let mut nanos = Vec::with_capacity(rounds.runs);
    for _ in 0..rounds.runs {
        runtime.block_on(async {
            let parent = bus.dispatch(Jumps(rounds.operations)).expect("the bus takes it");
            let queued: Vec<_> = (1..n as u64).map(|at| send(&bus, at)).collect();
            let start = std::time::Instant::now();
            parent.await.expect("it completes").result_opt().expect("its handler does not fail");
            nanos.push(start.elapsed().as_secs_f64() * 1e9 / rounds.operations as f64);
            for event in queued {
                done(event).await;
            }
        });
    }
    nanos.sort_by(f64::total_cmp);
    nanos[nanos.len() / 2]
}

/// An event that a bus forwards to another of its hub, in batches of `n`.
pub fn forward(n: usize, rounds: Rounds) -> f64 {
    let runtime = runtime();
    let hub = busway::hub();
    let source = hub.bus("source").max_pending(None).build();
    let target = unbounded(hub.bus("target"));
    let _forwarding = source.forward("Add", &target).expect("they are of one hub");
    in_batches(&runtime, &source, n, rounds)
}

/// The whole of an event, in batches of 50, with no time limit (0) or with one (1) to set and cancel.
pub fn timeout(n: usize, rounds: Rounds) -> f64 {
    let runtime = runtime();
    let limit = if n == 0 { Limit::Off } else { Limit::After(Duration::from_secs(60)) };
    let bus = unbounded(busway::builder("parts").limit(limit).slow_after(None));
    in_batches(&runtime, &bus, 50, rounds)
}

/// The whole of an event, in batches of 50, with a full history of `n`.
pub fn history(n: usize, rounds: Rounds) -> f64 {
    let runtime = runtime();
    let bus = unbounded(busway::builder("parts").max_history(Some(n)));
    runtime.block_on(batch(&bus, n));
    in_batches(&runtime, &bus, 50, rounds)
}

/// The whole of an event, in batches of 50 on each of `n` buses of a hub in turn.
pub fn buses(n: usize, rounds: Rounds) -> f64 {
    let runtime = runtime();
    let hub = busway::hub();
    let buses: Vec<_> = (0..n).map(|at| unbounded(hub.bus(format!("bus{at}")))).collect();
    let per_bus = 50;
    let rounds_of_all = rounds.operations.div_ceil(n * per_bus);
    let exact = Rounds { operations: rounds_of_all * n * per_bus, ..rounds };
    let pass = async || {
        for bus in &buses {
            batch(bus, per_bus).await;
        }
    };
    runtime.block_on(pass());
    exact.median(|_| {
        runtime.block_on(async {
            for _ in 0..rounds_of_all {
                pass().await;
            }
        });
    })
}
