//! Requests to addresses and values on topics, as a user sees them, on tokio.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::{
    Address as _, BoxError, Concurrency, ConsumerError, DeliveryOptions, Event, EventHandle,
    Message, RequestError,
};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

busway::address! {
    /// Doubles a number.
    Double: "math.double", u32 => u32;
}

#[derive(Event)]
#[event(output = u32)]
struct Ask(u32);

/// A reply that cannot be cloned.
#[derive(Debug, PartialEq)]
struct Ticket(u32);

async fn double(message: Message<u32>) -> u32 {
    *message * 2
}

#[tokio::test]
async fn s145_one_consumer_for_an_address() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let first = bus.serve(Double, double)?;
    assert_eq!(bus.consumers(), [Double::NAME]);
    let Err(ConsumerError::AlreadyRegistered { address }) = bus.serve(Double, double) else {
        panic!("a second consumer");
    };
    assert_eq!(address, "math.double");
    first.off();
    assert!(bus.consumers().is_empty());
    bus.serve(Double, double)?;
    assert!(bus.unregister(Double::NAME));
    assert!(!bus.unregister(Double::NAME), "s148: removing what is not there is harmless");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn s146_a_reply_or_a_reason() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.serve(Double, double)?;
    assert_eq!(bus.call(Double, 21).await?, 42);
    bus.consumer("ticket", |number: Message<u32>| async move { busway::ok(Ticket(*number)) })?;
    let ticket: Ticket = bus.request("ticket", 7u32).await?;
    assert_eq!(ticket, Ticket(7));

    let missing = bus.request::<_, ()>("nowhere", ()).await.unwrap_err();
    assert!(matches!(&missing, RequestError::NotFound { address } if address == "nowhere"));

    bus.consumer("slow", |_: Message<()>| async move {
        sleep(Duration::from_secs(3600)).await;
        busway::ok(())
    })?;
    let start = Instant::now();
    let late =
        bus.request::<_, ()>("slow", ()).timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_millis(100));
    assert_eq!(late.to_string(), "request to slow timed out after 100ms");

    bus.consumer("broken", |_: Message<()>| async move {
        Err::<(), _>(std::io::Error::other("no disk"))
    })?;
    let broken = bus.request::<_, ()>("broken", ()).await.unwrap_err();
    assert_eq!(broken.to_string(), "request to broken failed: no disk");
    let cause = broken.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(cause.map(std::io::Error::kind), Some(std::io::ErrorKind::Other));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn peer_a_consumer_that_panics_answers_at_once() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.consumer("panics", |_: Message<()>| async move {
        if true {
            panic!("on fire");
        }
        busway::ok(())
    })?;
    let start = Instant::now();
    let error = bus.request::<_, ()>("panics", ()).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(error.to_string(), "request to panics failed: the handler panicked: on fire");
    Ok(())
}

#[tokio::test]
async fn s153_types_are_checked_at_the_call() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.serve(Double, double)?;
    let error = bus.request::<_, u32>(Double::NAME, "text").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("takes u32") && text.contains("sends &str"), "{text}");
    let error = bus.request::<_, String>(Double::NAME, 1u32).await.unwrap_err();
    assert!(error.to_string().contains("expects alloc::string::String"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn r36_retries_are_tries_of_one_child() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let tries = Arc::new(Mutex::new(Vec::new()));
    let (seen, start) = (tries.clone(), Instant::now());
    bus.consumer("flaky", move |message: Message<()>| {
        let (seen, id) = (seen.clone(), message.id());
        async move {
            let mut seen = seen.lock().unwrap();
            seen.push((start.elapsed().as_millis(), id));
            if seen.len() < 3 { Err("not yet") } else { Ok(seen.len()) }
        }
    })?;
    let reply: usize = bus.request("flaky", ()).retries(5, Duration::from_millis(40)).await?;
    assert_eq!(reply, 3);
    let tries = tries.lock().unwrap();
    assert_eq!(tries.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 40, 80]);
    assert_eq!(tries.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(), 1);
    assert_eq!(bus.history().len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn r36_a_slow_consumer_is_tried_again() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    bus.consumer("slow", move |_: Message<()>| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if first {
                sleep(Duration::from_secs(9)).await;
            }
            busway::ok(())
        }
    })?;
    let start = Instant::now();
    let mut options = DeliveryOptions::default();
    options.timeout = Some(Duration::from_secs(1));
    (options.retries, options.wait) = (1, Duration::from_secs(2));
    let () = bus.request("slow", ()).options(options).await?;
    assert_eq!((start.elapsed(), tries.load(Ordering::Relaxed)), (Duration::from_secs(3), 2));
    Ok(())
}

#[tokio::test]
async fn s147_listeners_get_the_value_in_order() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listener = |name: &'static str| {
        let seen = seen.clone();
        bus.subscribe("user.created", move |user: Message<String>| {
            seen.lock().unwrap().push((
                name,
                user.body().clone(),
                std::ptr::from_ref(user.body()).addr(),
            ));
            async { Ok::<_, BoxError>(()) }
        })
    };
    let (first, _second) = (listener("first"), listener("second"));
    assert_eq!(bus.publish("user.created", String::from("ada")).await?.listeners, 2);
    {
        let seen = seen.lock().unwrap();
        assert_eq!((seen[0].0, seen[1].0), ("first", "second"));
        assert_eq!(seen[0].2, seen[1].2, "the value is shared, not copied");
    }
    first.off();
    assert_eq!(bus.listeners("user.created").len(), 1);
    assert_eq!(bus.publish("user.created", String::from("bob")).await?.listeners, 1);
    assert_eq!(seen.lock().unwrap()[2].0, "second");
    assert_eq!(bus.publish("nobody.listens", 1).await?.listeners, 0);
    Ok(())
}

#[tokio::test]
async fn s149_a_null_body_and_distinct_ids() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.consumer("id", |message: Message<()>| async move { busway::ok(message.id()) })?;
    let ids = join_all((0..100).map(|_| bus.request::<_, busway::EventId>("id", ()).send())).await;
    let ids: Result<HashSet<_>, _> = ids.into_iter().collect();
    assert_eq!(ids?.len(), 100);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn s150_a_failing_listener_stops_no_other() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let count = Arc::new(AtomicUsize::new(0));
    bus.subscribe("t", |_: Message<u32>| async { Err::<(), _>("one listener fails") });
    let counted = count.clone();
    bus.subscribe("t", move |_: Message<u32>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let published = bus.publish("t", 1u32).await?;
    assert_eq!((published.listeners, published.failures.len()), (2, 1));
    assert_eq!(published.failures[0].1.to_string(), "one listener fails");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let published = bus.publish("t", "one").await?;
    let error = published.failures[1].1.to_string();
    assert_eq!(error, "the listener takes values of type u32, not &str");

    bus.consumer("slow", |_: Message<()>| async move {
        sleep(Duration::from_secs(60)).await;
        busway::ok(())
    })?;
    let request = || bus.request::<_, ()>("slow", ()).timeout(Duration::from_millis(50)).send();
    let start = Instant::now();
    let answers = join_all([request(), request(), request()]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(RequestError::TimedOut { .. }))));
    assert_eq!(start.elapsed(), Duration::from_millis(50), "concurrently");
    let none_left = bus.request::<_, ()>("slow", ()).timeout(Duration::ZERO).await;
    let Err(RequestError::TimedOut { limit: Duration::ZERO, .. }) = none_left else {
        panic!("{none_left:?}");
    };
    Ok(())
}

#[tokio::test]
async fn r37_headers_come_with_the_message() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let trace = |message: &Message<u32>| message.headers().get("trace").cloned();
    bus.consumer("ask", move |number: Message<u32>| {
        let trace = trace(&number);
        async move { busway::ok((trace, number.address().to_owned(), *number.body())) }
    })?;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    bus.subscribe("topic", move |number: Message<u32>| {
        hears.lock().unwrap().push((trace(&number), *number));
        async {}
    });
    type Answer = (Option<String>, String, u32);
    let asked: Answer = bus.request("ask", 7u32).header("trace", "a").await?;
    assert_eq!(asked, (Some("a".into()), "ask".into(), 7));
    let asked: Answer = bus.request("ask", 8u32).await?;
    assert_eq!(asked.0, None);
    let headers = [("trace".to_owned(), "b".to_owned())].into_iter().collect();
    bus.publish_with("topic", 1u32, headers).await?;
    bus.publish("topic", 2u32).await?;
    assert_eq!(*heard.lock().unwrap(), [(Some("b".into()), 1), (None, 2)]);
    Ok(())
}

#[tokio::test]
async fn r38_a_handler_publishes_as_its_event() -> Result<(), BoxError> {
    #[derive(Event)]
    struct Created(u32);

    let bus = busway::bus("main");
    bus.subscribe("topic", |number: Message<u32>| async move {
        assert_eq!(number.event().depth(), 1);
    });
    bus.on(|created: EventHandle<Created>| async move {
        created.publish("topic", created.0).await.map(drop)
    });
    let created = bus.run(Created(7)).await?;
    created.check()?;
    assert_eq!(created.children().len(), 1);
    Ok(())
}

#[tokio::test]
async fn s151_a_hundred_listeners_and_a_hundred_values() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let count = count.clone();
        bus.subscribe("t", move |_: Message<u32>| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, BoxError>(()) }
        });
    }
    for published in join_all((0..100u32).map(|value| bus.publish("t", value))).await {
        assert_eq!(published?.listeners, 100);
    }
    assert_eq!(count.load(Ordering::Relaxed), 10_000);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn s154_a_thousand_requests_to_one_slow_consumer() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.consumer("slow", |number: Message<u32>| async move {
        sleep(Duration::from_millis(10)).await;
        busway::ok(*number)
    })?;
    let start = Instant::now();
    let answers = join_all((0..1_000u32).map(|n| bus.request::<_, u32>("slow", n).send())).await;
    let answers: Result<Vec<_>, _> = answers.into_iter().collect();
    assert_eq!(answers?, (0..1_000).collect::<Vec<_>>());
    assert_eq!(start.elapsed(), Duration::from_millis(10));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn peer_unregistering_loses_no_request_in_flight() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let consumer = bus.consumer("slow", |number: Message<u32>| async move {
        sleep(Duration::from_millis(10)).await;
        busway::ok(*number)
    })?;
    let requests = (0..50u32).map(|n| bus.request::<_, u32>("slow", n).send());
    let in_flight = tokio::spawn(join_all(requests.map(Box::pin).collect::<Vec<_>>()));
    sleep(Duration::from_millis(1)).await;
    consumer.off();
    assert!(in_flight.await?.into_iter().all(|answer| answer.is_ok()));
    let late = bus.request::<_, u32>("slow", 1u32).await;
    assert!(matches!(late, Err(RequestError::NotFound { .. })));
    Ok(())
}

#[tokio::test]
async fn r36_a_request_in_a_handler_is_a_child_in_every_mode() -> Result<(), BoxError> {
    for mode in [Concurrency::BusSerial, Concurrency::HubSerial, Concurrency::Parallel] {
        let bus = busway::builder("main").concurrency(mode).build();
        let weak = bus.downgrade();
        bus.serve(Double, double)?;
        bus.consumer("quadruple", move |number: Message<u32>| {
            let bus = weak.upgrade();
            async move {
                let bus = bus.ok_or("the bus is gone")?;
                let twice = bus.call(Double, *number).await?;
                busway::ok(bus.call(Double, twice).await?)
            }
        })?;
        bus.on(|ask: EventHandle<Ask>| async move {
            let reply: u32 = ask.request("quadruple", ask.0).await?;
            busway::ok(reply)
        });
        let event = bus.run(Ask(3)).await?;
        assert_eq!(event.result()?, 12, "{mode:?}");
        let children = event.children();
        assert_eq!((children.len(), children[0].children().len()), (1, 2));
    }
    Ok(())
}

#[tokio::test]
async fn r36_a_consumer_that_asks_for_what_asks_it_is_refused() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let weak = bus.downgrade();
    bus.consumer("self", move |depth: Message<u32>| {
        let bus = weak.upgrade();
        async move {
            let bus = bus.ok_or("the bus is gone")?;
            if *depth > 3 {
                return busway::ok(*depth);
            }
            busway::ok(bus.request::<_, u32>("self", *depth + 1).await?)
        }
    })?;
    // Each request is an event of its own: recursion ends by itself, or at `max_depth`.
    assert_eq!(bus.request::<_, u32>("self", 0u32).await?, 4);
    Ok(())
}

#[tokio::test]
async fn r29_many_requests_do_not_push_events_out_of_the_history() -> Result<(), BoxError> {
    let bus = busway::builder("main").max_history(Some(3)).build();
    bus.serve(Double, double)?;
    let asked = bus.run(Ask(1)).await?;
    for number in 0..100 {
        bus.call(Double, number).await?;
        bus.publish("topic", number).await?;
    }
    assert_eq!(bus.find::<Ask>().newest().map(|found| found.id()), Some(asked.id()));
    assert_eq!(
        bus.history().len(),
        4,
        "the last three of what was sent to addresses, and the event"
    );
    Ok(())
}

/// A cycle names messages by their addresses.
#[tokio::test]
async fn r15_a_request_that_waits_for_itself_names_its_address() {
    let bus = busway::bus("main");
    let waits = |number: Message<u64>| async move {
        number.event().wait().await?;
        busway::ok(1u64)
    };
    bus.consumer("math.self", waits).unwrap();
    let error = bus.request::<_, u64>("math.self", 1u64).await.unwrap_err();
    let expected = "request to math.self failed: deadlock: math.self waits for what it keeps from completing: math.self";
    assert_eq!(error.to_string(), expected);
}
