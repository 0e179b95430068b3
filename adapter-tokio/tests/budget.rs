//! Tokio's cooperative budget, and its time driver.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use busway_core::{Completion, Event, EventBus, EventHandle, Limit, Reply};
use busway_tokio::Tokio;
use tokio::sync::{mpsc, oneshot};

struct Drain(u32);

impl Event for Drain {
    type Output = u32;
    const NAME: &'static str = "Drain";
}
impl Reply<Drain> for u32 {}

fn bus() -> EventBus {
    EventBus::builder("main").runtime(Tokio::current().unwrap()).build()
}

/// A channel is no longer ready when the budget of its task is used up. The handler is then woken and
/// goes on, as often as needed.
async fn drain(drain: EventHandle<Drain>) -> u32 {
    let (send, mut receive) = mpsc::unbounded_channel();
    (0..drain.0).for_each(|n| send.send(n).unwrap());
    drop(send);
    let mut count = 0;
    while receive.recv().await.is_some() {
        count += 1;
    }
    count
}

#[tokio::test]
async fn a_handler_whose_budget_is_used_up_goes_on() {
    let bus = bus();
    bus.on(drain);
    assert_eq!(bus.run(Drain(10_000)).await.unwrap().result().unwrap(), 10_000);
    let driven = bus.dispatch(Drain(10_000)).unwrap();
    // Nothing helps here: the driver polls it.
    bus.wait_until_idle(None).await.unwrap();
    assert_eq!(driven.result().unwrap(), 10_000);
}

#[tokio::test]
async fn a_handler_whose_budget_is_used_up_starves_nobody() {
    let bus = bus();
    let (stop, mut stopped) = oneshot::channel::<()>();
    let (send, receive) = mpsc::unbounded_channel();
    let receive = std::sync::Mutex::new(Some(receive));
    let again = send.clone();
    bus.handler(move |_: EventHandle<Drain>| {
        let mut receive = receive.lock().unwrap().take().unwrap();
        let again = again.clone();
        async move {
            // Always one message to read, until the other task ends it.
            while receive.recv().await == Some(true) {
                again.send(true).unwrap();
            }
        }
    })
    .limit(Limit::Off)
    .register();
    send.send(true).unwrap();
    let drained = bus.dispatch(Drain(0)).unwrap();
    tokio::spawn(async move {
        drop(stop);
        send.send(false).unwrap();
    });
    drained.await.unwrap();
    assert!(stopped.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_on_time_with_the_budget_used_up() {
    let bus = bus();
    bus.on(drain);
    bus.on(|_: EventHandle<Drain>| std::future::pending::<()>());
    let start = tokio::time::Instant::now();
    let drained = bus.event(Drain(1_000)).limit(Limit::After(Duration::from_secs(5))).run();
    let drained = drained.await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert!(drained.result().is_err());
}

#[test]
fn a_runtime_that_is_shut_down_stops_its_buses() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bus = EventBus::builder("main").runtime(Tokio::new(runtime.handle().clone())).build();
    bus.on(|_: EventHandle<Drain>| std::future::pending::<()>());
    let event = bus.dispatch(Drain(0)).unwrap();
    drop(runtime);
    assert!(bus.is_stopped());
    assert!(event.cause().is_some());
    assert!(bus.dispatch(Drain(1)).is_err());
}

/// Does something many times, and returns the most tasks that there were at a time.
async fn most_tasks(mut once: impl AsyncFnMut()) -> usize {
    let tasks = tokio::runtime::Handle::current().metrics();
    let mut most = 0;
    for _ in 0..500 {
        once().await;
        most = most.max(tasks.num_alive_tasks());
    }
    most
}

/// A bus needs a task as soon as an event is dispatched, even if whoever awaits that does all the work.
/// Tokio polls 61 of them before it polls this one again.
#[tokio::test]
async fn the_tasks_of_buses_that_have_ended_do_not_pile_up() {
    let awaited = async || drop(bus().dispatch(Drain(0)).unwrap().await.unwrap());
    assert!(most_tasks(awaited).await <= 61);
    let cancelled = async || {
        let event = bus().dispatch(Drain(0)).unwrap();
        event.cancel();
        event.await.unwrap();
    };
    assert!(most_tasks(cancelled).await <= 61);
    let stopped = async || {
        let bus = bus();
        bus.dispatch(Drain(0)).unwrap();
        bus.stop(None, true).await;
    };
    assert!(most_tasks(stopped).await <= 61);
}

#[tokio::test]
async fn nor_do_those_of_many_buses_at_a_time() {
    let round = async || {
        let buses: Vec<_> = (0..100).map(|_| bus()).collect();
        let events: Vec<_> = buses.iter().map(|bus| bus.dispatch(Drain(0)).unwrap()).collect();
        for event in events {
            event.await.unwrap();
        }
    };
    assert!(most_tasks(round).await <= 200);
}

#[tokio::test]
async fn nor_do_those_of_handlers_that_lost() {
    let settings = EventBus::builder("main").runtime(Tokio::current().unwrap());
    let settings = settings.parallel_handlers().spawn_parallel();
    let bus = settings.completion(Completion::First).build();
    for _ in 0..20 {
        bus.on(|_: EventHandle<Drain>| std::future::pending::<u32>());
    }
    bus.on(|drain: EventHandle<Drain>| drain.0);
    assert!(most_tasks(async || drop(bus.run(Drain(0)).await.unwrap())).await <= 100);
}

/// A bus with room for one event, and that one, which does not end by itself.
fn full() -> (EventBus, EventHandle<Drain>) {
    let settings = EventBus::builder("main").runtime(Tokio::current().unwrap());
    let bus = settings.max_pending(1).build();
    bus.on(|_: EventHandle<Drain>| std::future::pending::<u32>());
    let event = bus.dispatch(Drain(0)).unwrap();
    (bus, event)
}

/// Repeats what may be ready at once, until another task of this thread has run.
async fn starves_nobody(mut once: impl AsyncFnMut()) {
    let other = tokio::spawn(async {});
    for _ in 0..10_000 {
        once().await;
        if other.is_finished() {
            return;
        }
    }
    panic!("the other task is not polled");
}

#[tokio::test]
async fn what_fails_at_once_starves_nobody() {
    let (bus, event) = full();
    starves_nobody(async || drop(event.wait_for(Duration::ZERO).await.unwrap_err())).await;
    starves_nobody(async || assert!(!bus.wait_until_idle(Duration::ZERO).await.unwrap())).await;
    starves_nobody(async || {
        bus.request::<u32, u32>("nobody", 1).await.unwrap_err();
    })
    .await;
    starves_nobody(async || {
        bus.expect::<Drain>().within(Duration::ZERO).await.unwrap_err();
    })
    .await;
    bus.stop(None, false).await;
    starves_nobody(async || assert!(bus.wait_until_idle(None).await.unwrap())).await;
}

/// Leaves more tasks to the runtime than a wait leaves unpolled.
fn spawn_many() -> Vec<EventHandle<Drain>> {
    (0..20).map(|_| bus().dispatch(Drain(0)).unwrap()).collect()
}

/// Drivers run them, and no task waits for any of them.
#[tokio::test]
async fn many_buses_get_on_by_themselves() {
    let mut events = Vec::new();
    for _ in 0..1_500 {
        let bus = bus();
        bus.on(async |drain: EventHandle<Drain>| match drain.0 {
            0 => Ok(0),
            more => drain.run(Drain(more - 1)).await.unwrap().result(),
        });
        events.push(bus.dispatch(Drain(1)).unwrap());
    }
    for _ in 0..1_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if events.iter().all(|event| event.check().is_ok()) {
            return;
        }
    }
    panic!("they do not get on");
}

#[tokio::test(start_paused = true)]
async fn what_came_in_time_is_not_too_late_because_the_wait_yields() {
    let (_bus, event) = full();
    let mut wait = pin!(event.wait_for(Duration::from_millis(100)));
    assert!(poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await);
    event.cancel();
    let spawned = spawn_many();
    tokio::time::advance(Duration::from_millis(200)).await;
    wait.await.expect("it has completed before");
    drop(spawned);
}

#[tokio::test]
async fn a_handler_that_stops_its_bus_goes_on_to_its_next_await() {
    let bus = bus();
    let (tell, told) = std::sync::mpsc::channel();
    let weak = bus.downgrade();
    bus.on(move |_: EventHandle<Drain>| {
        let (bus, tell) = (weak.upgrade().unwrap(), tell.clone());
        let spawned = spawn_many();
        async move {
            bus.stop(None, false).await;
            tell.send(spawned.len()).unwrap();
            0
        }
    });
    bus.run(Drain(0)).await.unwrap();
    assert_eq!(told.try_recv(), Ok(20));
}

#[tokio::test]
async fn waits_that_hold_an_event_or_stand_in_line_do_not_yield() {
    let (bus, first) = full();
    let spawned = spawn_many();
    for _ in 0..1_000 {
        let mut refused = pin!(bus.run(Drain(0)));
        let refused = poll_fn(|cx| Poll::Ready(refused.as_mut().poll(cx))).await;
        assert!(matches!(refused, Poll::Ready(Err(_))), "the event is lost");
    }
    let mut lines = [Box::pin(bus.reserve()), Box::pin(bus.reserve())];
    for line in &mut lines {
        assert!(poll_fn(|cx| Poll::Ready(line.as_mut().poll(cx).is_pending())).await);
    }
    first.cancel();
    let mut places = Vec::new();
    for line in &mut lines {
        places.push(poll_fn(|cx| Poll::Ready(line.as_mut().poll(cx))).await);
    }
    assert!(matches!(&places[..], [Poll::Ready(Ok(_)), Poll::Pending]));
    drop(spawned);
}
