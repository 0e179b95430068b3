//! Requests by address and values by topic.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::collections::HashSet;

use futures_util::future::join_all;

use super::tools::{Alive, Gate, Job, Log, Rt, builder, bus, give_way, ms, sleep, took, until};
use crate::{
    BoxError, Concurrency, ConsumerError, EventBus, EventHandle, EventId, Message, RequestError, ok,
};

crate::address! {
    /// Doubles a number.
    Double: "double", u32 => u32;
}

async fn double(number: Message<u32>) -> u32 {
    give_way().await;
    *number * 2
}

/// Listens to topic `t` and logs each value it hears, with its own number.
fn listen(bus: &EventBus, log: &Log, own: u32) -> crate::Subscription {
    let log = log.clone();
    bus.subscribe("t", move |value: Message<u32>| {
        log.push(own + *value);
        async { ok(()) }
    })
}

/// Registers a consumer at `slow` that passes a gate before it answers with its body.
fn slow(bus: &EventBus, gate: &Gate) -> crate::Subscription {
    let gate = gate.clone();
    let consumer = bus.consumer("slow", move |number: Message<u32>| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            ok(*number)
        }
    });
    consumer.unwrap()
}

pub(super) async fn s145_one_consumer_for_an_address(rt: Rt) {
    let bus = bus(&rt);
    let first = bus.serve(Double, double).unwrap();
    assert_eq!(bus.consumers(), ["double"]);
    let second = bus.serve(Double, double);
    assert!(matches!(second, Err(ConsumerError::AlreadyRegistered { .. })));
    first.off();
    assert!(bus.consumers().is_empty());
    bus.serve(Double, double).unwrap();
}

pub(super) async fn s146_a_reply_or_a_reason(rt: Rt) {
    let bus = bus(&rt);
    bus.serve(Double, double).unwrap();
    assert_eq!(bus.call(Double, 21).await.unwrap(), 42);
    let missing = bus.request::<_, ()>("nowhere", ()).await;
    assert!(matches!(missing, Err(RequestError::NotFound { .. })));
    slow(&bus, &Gate::default());
    let start = rt.now();
    let late = bus.request::<_, u32>("slow", 1u32).timeout(ms(20)).await.unwrap_err();
    took(&rt, start, ms(20));
    assert!(late.to_string().contains("slow timed out"), "{late}");
    bus.consumer("broken", |_: Message<()>| async { Err::<(), _>("no disk") }).unwrap();
    let broken = bus.request::<_, ()>("broken", ()).await.unwrap_err();
    assert_eq!(broken.to_string(), "request to broken failed: no disk");
}

pub(super) async fn s147_listeners_hear_in_order(rt: Rt) {
    let (bus, log) = (bus(&rt), Log::default());
    let (first, _second) = (listen(&bus, &log, 10), listen(&bus, &log, 20));
    assert_eq!(bus.publish("t", 1u32).await.unwrap().listeners, 2);
    assert_eq!(log.items(), [11, 21]);
    first.off();
    assert_eq!(bus.publish("t", 2u32).await.unwrap().listeners, 1);
    assert_eq!(log.items(), [11, 21, 22]);
}

pub(super) async fn s148_lists_reflect_registration(rt: Rt) {
    let (bus, log) = (bus(&rt), Log::default());
    let listener = listen(&bus, &log, 0);
    assert_eq!((bus.listeners("t").len(), bus.listeners("other").len()), (1, 0));
    listener.off();
    listener.off();
    assert!(bus.listeners("t").is_empty());
    assert!(!bus.unregister("nowhere"));
    assert_eq!(bus.publish("t", 1u32).await.unwrap().listeners, 0);
}

pub(super) async fn s149_null_bodies_and_distinct_ids(rt: Rt) {
    let bus = bus(&rt);
    bus.consumer("id", |message: Message<()>| async move { ok(message.id()) }).unwrap();
    let ids = join_all((0..100).map(|_| bus.request::<_, EventId>("id", ()).send())).await;
    let ids: HashSet<_> = ids.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 100);
}

pub(super) async fn s150_failures_stay_with_their_own(rt: Rt) {
    let (bus, log) = (bus(&rt), Log::default());
    bus.subscribe("t", |_: Message<u32>| async { Err::<(), _>("it fails") });
    listen(&bus, &log, 0);
    let published = bus.publish("t", 5u32).await.unwrap();
    assert_eq!((published.listeners, published.failures.len()), (2, 1));
    assert_eq!(log.items(), [5]);
    slow(&bus, &Gate::default());
    let requests = (0..3u32).map(|n| bus.request::<_, u32>("slow", n).timeout(ms(20)).send());
    let answers = join_all(requests).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(RequestError::TimedOut { .. }))));
}

pub(super) async fn s151_a_hundred_listeners_and_values(rt: Rt) {
    let (bus, log) = (bus(&rt), Log::default());
    (0..100).for_each(|_| drop(listen(&bus, &log, 0)));
    for published in join_all((0..100u32).map(|value| bus.publish("t", value))).await {
        assert_eq!(published.unwrap().listeners, 100);
    }
    assert_eq!(log.items().len(), 10_000);
}

pub(super) async fn s153_causes_types_and_cleanup(rt: Rt) {
    let (bus, alive) = (bus(&rt), Alive::default());
    bus.consumer("none", |_: Message<()>| async { ok(None::<u32>) }).unwrap();
    assert_eq!(bus.request::<_, Option<u32>>("none", ()).await.unwrap(), None);
    let other = bus.request::<_, String>("none", ()).await.unwrap_err();
    assert!(matches!(other, RequestError::TypeMismatch { .. }));
    let held = alive.clone();
    bus.consumer("held", move |_: Message<()>| {
        let held = held.clone();
        async move {
            core::future::pending::<()>().await;
            drop(held);
            ok(())
        }
    })
    .unwrap();
    let late = bus.request::<_, ()>("held", ()).timeout(ms(20)).await;
    assert!(matches!(late, Err(RequestError::TimedOut { .. })));
    bus.unregister("held");
    until(&rt, || alive.others() == 0).await;
    bus.consumer("panics", |_: Message<()>| async {
        std::panic::resume_unwind(alloc::boxed::Box::new("on fire"));
        #[allow(unreachable_code)]
        ok(())
    })
    .unwrap();
    let error = bus.request::<_, ()>("panics", ()).await.unwrap_err();
    assert!(error.to_string().ends_with("the handler panicked: on fire"), "{error}");
}

pub(super) async fn s154_a_thousand_requests(rt: Rt) {
    let bus = bus(&rt);
    bus.serve(Double, double).unwrap();
    for hundred in 0..10 {
        let numbers = (0..100u32).map(|n| hundred * 100 + n);
        let answers = join_all(numbers.clone().map(|n| bus.call(Double, n).send())).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, numbers.map(|n| n * 2).collect::<Vec<_>>());
    }
    let gate = Gate::default();
    slow(&bus, &gate);
    let all = join_all((0..1_000u32).map(|n| bus.request::<_, u32>("slow", n).send()));
    let opens = async {
        sleep(&rt, ms(1)).await;
        gate.open();
    };
    let (answers, ()) = futures_util::future::join(all, opens).await;
    assert!(answers.into_iter().enumerate().all(|(n, answer)| answer.unwrap() == n as u32));
}

pub(super) async fn s155_fifty_thousand_deliveries(rt: Rt) {
    let (bus, log) = (bus(&rt), Log::default());
    (0..50).for_each(|_| drop(listen(&bus, &log, 0)));
    for value in 0..1_000u32 {
        assert_eq!(bus.publish("t", value).await.unwrap().listeners, 50);
    }
    assert_eq!(log.items().len(), 50_000);
}

pub(super) async fn a_handler_asks_in_every_mode(rt: Rt) {
    for mode in [Concurrency::BusSerial, Concurrency::HubSerial, Concurrency::Parallel] {
        let bus = builder(&rt, "main").concurrency(mode).build();
        bus.serve(Double, double).unwrap();
        bus.on(|job: EventHandle<Job>| async move {
            let doubled: u32 = job.request("double", job.0).await?;
            Ok::<_, BoxError>(doubled + 1)
        });
        assert_eq!(bus.run(Job(20)).await.unwrap().result().unwrap(), 41);
    }
}

pub(super) async fn a_consumer_that_goes_finishes_what_it_has(rt: Rt) {
    let (bus, gate) = (bus(&rt), Gate::default());
    let consumer = slow(&bus, &gate);
    let all = join_all((0..20u32).map(|n| bus.request::<_, u32>("slow", n).send()));
    let goes = async {
        sleep(&rt, ms(1)).await;
        consumer.off();
        gate.open();
    };
    let (answers, ()) = futures_util::future::join(all, goes).await;
    assert!(answers.iter().all(Result::is_ok));
    let late = bus.request::<_, u32>("slow", 1u32).await;
    assert!(matches!(late, Err(RequestError::NotFound { .. })));
}
