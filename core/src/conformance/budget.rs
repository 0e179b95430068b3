//! A busy task gives way to others.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::Poll;

use super::tools::{Gate, Job, Rt, builder, bus, give_way, task};
use crate::{EventBus, EventHandle, Limit};

/// Keeps a handler of this bus always ready, until the gate is open.
fn keep_busy(bus: &EventBus) -> Gate {
    let gate = Gate::default();
    let seen = gate.clone();
    bus.handler(move |_: EventHandle<Job>| {
        let gate = seen.clone();
        async move {
            while !gate.is_open() {
                give_way().await;
            }
        }
    })
    .limit(Limit::Off)
    .register();
    gate
}

pub(super) async fn a_handler_that_is_always_ready_starves_no_bus(rt: Rt) {
    let (busy, other) = (bus(&rt), builder(&rt, "other").build());
    let gate = keep_busy(&busy);
    let event = busy.dispatch(Job(0)).unwrap();
    other.on(move |_: EventHandle<Job>| gate.open());
    other.dispatch(Job(1)).unwrap();
    event.await.unwrap().result_opt().unwrap();
}

pub(super) async fn a_handler_that_is_always_ready_starves_no_task(rt: Rt) {
    let bus = bus(&rt);
    let gate = keep_busy(&bus);
    let event = bus.dispatch(Job(0)).unwrap();
    let opens = task(&rt, async move {
        for _ in 0..10 {
            give_way().await;
        }
        gate.open();
    });
    event.await.unwrap().result_opt().unwrap();
    opens.await;
}

pub(super) async fn a_task_that_runs_events_starves_no_other(rt: Rt) {
    let bus = bus(&rt);
    run_until_another_runs(&rt, || bus.clone()).await;
    bus.on(|job: EventHandle<Job>| job.0);
    run_until_another_runs(&rt, || bus.clone()).await;
}

pub(super) async fn a_task_that_runs_events_on_many_buses_starves_no_other(rt: Rt) {
    let hub = bus(&rt).hub();
    let buses: Vec<_> = (0..1_000).map(|n| hub.bus(format!("bus{n}")).build()).collect();
    let mut next = buses.iter().cycle().cloned();
    run_until_another_runs(&rt, || next.next().unwrap()).await;
    run_until_another_runs(&rt, || builder(&rt, "anew").build()).await;
}

pub(super) async fn a_task_that_polls_a_driver_and_runs_events_starves_no_other(rt: Rt) {
    let (bus, driver) = builder(&rt, "main").with_driver();
    let mut driver = Box::pin(driver);
    let (gate, other) = another_task(&rt);
    while !gate.is_open() {
        let mut run = pin!(bus.run(Job(0)));
        poll_fn(|cx| match driver.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => run.as_mut().poll(cx).map(|ran| drop(ran.unwrap())),
        })
        .await;
    }
    other.await;
}

pub(super) async fn a_task_that_waits_for_one_of_two_starves_no_other(rt: Rt) {
    let (jobs, stops) = (bus(&rt), builder(&rt, "stops").build());
    stops.on(|_: EventHandle<Job>| pending::<()>());
    let stop = stops.dispatch(Job(0)).unwrap();
    let (gate, other) = another_task(&rt);
    let mut stopped = pin!(stop.wait());
    while !gate.is_open() {
        let mut job = pin!(jobs.dispatch(Job(0)).unwrap().wait());
        poll_fn(|cx| match stopped.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => job.as_mut().poll(cx).map(|done| drop(done.unwrap())),
        })
        .await;
    }
    other.await;
}

/// Returns a task that opens a gate.
fn another_task(rt: &Rt) -> (Gate, impl Future<Output = ()> + Send) {
    let gate = Gate::default();
    let opens = gate.clone();
    (gate, task(rt, async move { opens.open() }))
}

async fn run_until_another_runs(rt: &Rt, mut bus: impl FnMut() -> EventBus) {
    let (gate, other) = another_task(rt);
    while !gate.is_open() {
        bus().run(Job(0)).await.unwrap();
    }
    other.await;
}

pub(super) async fn a_long_queue_starves_no_task(rt: Rt) {
    let bus = bus(&rt);
    let has_run = Gate::default();
    let seen = has_run.clone();
    let is_spawned = Gate::default();
    let starts = is_spawned.clone();
    let weak = bus.downgrade();
    // The queue does not get shorter until the other task has run.
    bus.on(move |job: EventHandle<Job>| {
        let (starts, seen, weak) = (starts.clone(), seen.clone(), weak.clone());
        async move {
            starts.pass().await;
            if !seen.is_open() {
                let bus = weak.upgrade().unwrap();
                bus.event(Job(job.0)).detached().dispatch().unwrap();
            }
        }
    });
    let all: Vec<_> = (0..5_000).map(|n| bus.dispatch(Job(n)).unwrap()).collect();
    let runtime = rt.clone();
    let awaits = task(&rt, async move {
        // Queued while the awaiting task gives way.
        let other = task(&runtime, async move { has_run.open() });
        is_spawned.open();
        for event in all {
            event.await.unwrap();
        }
        other.await;
    });
    awaits.await;
    assert!(bus.wait_until_idle(None).await.unwrap());
}
