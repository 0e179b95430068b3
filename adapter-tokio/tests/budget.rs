//! Tokio's cooperative budget, and its time driver.

use std::time::Duration;

use busway_core::{Event, EventBus, EventHandle, Limit, Reply};
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

/// A bus needs a task as soon as an event is dispatched, even if whoever awaits that does all the work.
#[tokio::test]
async fn the_tasks_of_buses_that_have_ended_do_not_pile_up() {
    let tasks = tokio::runtime::Handle::current().metrics();
    let mut most = 0;
    for _ in 0..5_000 {
        bus().dispatch(Drain(0)).unwrap().await.unwrap();
        most = most.max(tasks.num_alive_tasks());
    }
    // As many as tokio polls before it polls this one again.
    assert!(most <= 61, "{most}");
}
