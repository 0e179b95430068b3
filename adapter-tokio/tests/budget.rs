//! Tokio's cooperative budget, and its time driver.

use std::time::Duration;

use busway_core::{Completion, Event, EventBus, EventHandle, Limit, Overflow, Reply};
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
    let waited = async || drop(bus().dispatch_wait(Drain(0)).await.unwrap());
    assert!(most_tasks(waited).await <= 61);
    let stopped = async || {
        let bus = bus();
        bus.dispatch(Drain(0)).unwrap();
        bus.stop(None, true).await;
    };
    assert!(most_tasks(stopped).await <= 61);
    let expected = async || {
        let bus = bus();
        let expected = bus.expect::<Drain>();
        bus.dispatch(Drain(0)).unwrap();
        expected.await.unwrap();
    };
    assert!(most_tasks(expected).await <= 61);
    let read = async || {
        let bus = bus();
        let mut events = bus.events(1, Overflow::DropOldest);
        bus.dispatch(Drain(0)).unwrap();
        events.next().await.unwrap();
    };
    assert!(most_tasks(read).await <= 61);
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
    let settings = EventBus::builder("main").runtime(Tokio::current().unwrap());
    let bus = settings.max_pending(1).build();
    bus.on(|_: EventHandle<Drain>| std::future::pending::<u32>());
    let event = bus.dispatch(Drain(0)).unwrap();
    starves_nobody(async || drop(bus.run(Drain(0)).await.unwrap_err())).await;
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
    starves_nobody(async || drop(bus.run(Drain(0)).await.unwrap_err())).await;
    starves_nobody(async || bus.stop(None, false).await).await;
    starves_nobody(async || assert!(bus.wait_until_idle(None).await.unwrap())).await;
}
