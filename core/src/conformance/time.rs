//! Limits and deadlines, which the driver keeps with the runtime's timer.

use super::tools::{Gate, HOUR, Job, Rt, bus, ms, sleep, took, until};
use crate::{EventBus, EventHandle, EventStatus, HandlerError, Limit, ResultError, WaitError};

/// Makes the handlers of a bus wait at this gate.
fn gated(bus: &EventBus) -> Gate {
    let gate = Gate::default();
    let waits_at = gate.clone();
    bus.on(move |job: EventHandle<Job>| {
        let gate = waits_at.clone();
        async move {
            gate.pass().await;
            job.0
        }
    });
    gate
}

fn is_timed_out(event: &EventHandle<Job>) -> bool {
    let error = event.result().err();
    matches!(error, Some(ResultError::Failed { error: HandlerError::TimedOut { .. }, .. }))
}

pub(super) async fn a_limit_ends_a_handler(rt: Rt) {
    let bus = bus(&rt);
    gated(&bus);
    let start = rt.now();
    let event = bus.event(Job(1)).limit(Limit::After(ms(20))).run().await.unwrap();
    took(&rt, start, ms(20));
    assert!(is_timed_out(&event));
}

pub(super) async fn a_limit_that_is_earlier_comes_first(rt: Rt) {
    let bus = bus(&rt);
    let gate = gated(&bus);
    let long = bus.event(Job(1)).parallel().limit(Limit::After(HOUR)).dispatch().unwrap();
    until(&rt, || long.status() == EventStatus::Started).await;
    // The driver's timer is set to an hour from now.
    sleep(&rt, ms(2)).await;
    let start = rt.now();
    let short = bus.event(Job(2)).parallel().limit(Limit::After(ms(10))).run().await.unwrap();
    took(&rt, start, ms(10));
    assert!(is_timed_out(&short));
    assert_eq!(long.status(), EventStatus::Started);
    gate.open();
    assert_eq!(long.await.unwrap().result().unwrap(), 1);
}

pub(super) async fn a_limit_that_is_later_comes_later(rt: Rt) {
    let bus = bus(&rt);
    let gate = gated(&bus);
    let short = bus.event(Job(1)).limit(Limit::After(HOUR)).dispatch().unwrap();
    until(&rt, || short.status() == EventStatus::Started).await;
    gate.open();
    assert_eq!(short.await.unwrap().result().unwrap(), 1);

    let start = rt.now();
    bus.on(|_: EventHandle<Job>| core::future::pending::<()>());
    let long = bus.event(Job(2)).limit(Limit::After(ms(40))).run().await.unwrap();
    took(&rt, start, ms(40));
    assert!(is_timed_out(&long));
}

pub(super) async fn a_wait_ends_without_the_work(rt: Rt) {
    let bus = bus(&rt);
    let gate = gated(&bus);
    let event = bus.event(Job(1)).limit(Limit::Off).dispatch().unwrap();
    let start = rt.now();
    let waited = event.wait_for(ms(10)).await;
    assert!(matches!(waited, Err(WaitError::TimedOut { .. })));
    took(&rt, start, ms(10));
    gate.open();
    assert_eq!(event.await.unwrap().result().unwrap(), 1);
}

pub(super) async fn a_deadline_ends_an_event(rt: Rt) {
    let bus = bus(&rt);
    gated(&bus);
    let start = rt.now();
    let running = bus.event(Job(1)).deadline(ms(20)).dispatch().unwrap();
    let queued = bus.event(Job(2)).deadline(ms(10)).dispatch().unwrap();
    let queued = queued.await.unwrap();
    took(&rt, start, ms(10));
    let running = running.await.unwrap();
    took(&rt, start, ms(20));
    assert!(queued.result().is_err() && queued.cause().is_some());
    assert!(running.result().is_err() && running.cause().is_some());
}

pub(super) async fn nobody_waits_and_time_is_over(rt: Rt) {
    let bus = bus(&rt);
    gated(&bus);
    let event = bus.event(Job(1)).limit(Limit::After(ms(5))).dispatch().unwrap();
    // The driver's own timer ends it: only the driver polls the bus.
    until(&rt, || event.status() == EventStatus::Completed).await;
    assert!(is_timed_out(&event));
}
