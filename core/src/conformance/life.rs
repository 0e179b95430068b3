//! Panics, stopping, dropping.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::pending;

use super::tools::{Alive, Child, Gate, HOUR, Job, Rt, builder, bus, give_way, ms, task, until};
use crate::{Event, EventHandle, EventStatus, HandlerError, Limit, ResultError};

pub(super) async fn a_panic_is_a_result(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|_: EventHandle<Job>| async {
        give_way().await;
        panic!("on purpose");
        #[allow(unreachable_code)]
        0u32
    });
    bus.on(|job: EventHandle<Job>| job.0);
    let event = bus.run(Job(3)).await.unwrap();
    let error = event.result().unwrap_err();
    assert!(matches!(error, ResultError::Failed { error: HandlerError::Panicked { .. }, .. }));
    assert_eq!(event.results()[1].value(), Some(&3u32));
    assert!(bus.run(Job(4)).await.is_ok());
}

pub(super) async fn a_stop_ends_what_runs(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|_: EventHandle<Job>| pending::<()>());
    let running = bus.dispatch(Job(1)).unwrap();
    let queued = bus.dispatch(Job(2)).unwrap();
    until(&rt, || running.status() == EventStatus::Started).await;
    bus.stop(None, false).await;
    assert!(running.await.unwrap().cause().is_some());
    assert!(queued.await.unwrap().cause().is_some());
    assert!(bus.dispatch(Job(3)).is_err());
}

pub(super) async fn a_stop_waits_for_what_is_there(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|job: EventHandle<Job>| async move {
        give_way().await;
        job.0
    });
    let all: Vec<_> = (0..10).map(|n| bus.dispatch(Job(n)).unwrap()).collect();
    bus.stop(HOUR, true).await;
    for (n, event) in (0..10).zip(all) {
        assert_eq!(event.result().unwrap(), n);
    }
    let stubborn = builder(&rt, "stubborn").build();
    stubborn.on(|_: EventHandle<Job>| pending::<()>());
    let event = stubborn.event(Job(0)).limit(Limit::Off).dispatch().unwrap();
    stubborn.stop(ms(10), false).await;
    assert!(event.await.unwrap().cause().is_some());
}

pub(super) async fn the_handles_of_a_bus_go_first(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|job: EventHandle<Job>| async move {
        give_way().await;
        job.0
    });
    let all: Vec<_> = (0..10).map(|n| bus.dispatch(Job(n)).unwrap()).collect();
    drop(bus);
    for (n, event) in (0..10).zip(all) {
        assert_eq!(event.await.unwrap().result().unwrap(), n);
    }
}

pub(super) async fn a_dropped_driver_stops_the_bus(rt: Rt) {
    let (bus, driver) = builder(&rt, "main").with_driver();
    bus.on(|_: EventHandle<Job>| pending::<()>());
    let event = bus.dispatch(Job(1)).unwrap();
    let waits = task(&rt, event.wait());
    drop(driver);
    assert!(waits.await.unwrap().cause().is_some());
    assert!(bus.is_stopped() && bus.dispatch(Job(2)).is_err());
}

pub(super) async fn a_driver_is_polled_by_hand(rt: Rt) {
    let (bus, driver) = builder(&rt, "main").with_driver();
    bus.on(|job: EventHandle<Job>| async move { job.run(Child(1)).await.unwrap().result() });
    bus.on(|child: EventHandle<Child>| child.0);
    let event = bus.dispatch(Job(0)).unwrap();
    drop(bus);
    // The driver ends with the bus.
    driver.await;
    assert_eq!(event.result().unwrap(), 1);
}

/// An event that counts.
struct Counted(#[expect(dead_code, reason = "it is there to be dropped")] Alive);

impl Event for Counted {
    type Output = ();
    const NAME: &'static str = "Counted";
}

pub(super) async fn nothing_is_left(rt: Rt) {
    let alive = Alive::default();
    for spawns in [false, true] {
        let mut builder = builder(&rt, "main").parallel_handlers();
        if spawns {
            builder = builder.spawn_parallel();
        }
        let bus = builder.build();
        let gate = Gate::default();
        for _ in 0..2 {
            let (held, gate) = (alive.clone(), gate.clone());
            bus.on(move |event: EventHandle<Counted>| {
                let (held, gate) = (held.clone(), gate.clone());
                async move {
                    gate.pass().await;
                    drop((event, held));
                }
            });
        }
        let event = bus.dispatch(Counted(alive.clone())).unwrap();
        let never = bus.event(Counted(alive.clone())).deadline(ms(5)).dispatch().unwrap();
        never.await.unwrap();
        gate.open();
        event.await.unwrap();
        bus.dispatch(Counted(alive.clone())).unwrap();
        drop(bus);
        until(&rt, || alive.others() == 0).await;
    }
    until(&rt, || Arc::strong_count(&rt) == 1).await;
}
