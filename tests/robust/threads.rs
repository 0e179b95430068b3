//! Real threads: nothing lost, strict order, no starvation.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use busway::tokio::Tokio;
use busway::{
    BoxError, Cause, Concurrency, DispatchError, Event, EventBus, EventHandle, EventStatus,
    HandlerOrder, Limit,
};
use tokio::runtime::{Builder, Runtime};

#[derive(Event)]
#[event(output = u32)]
struct Numbered(u32, u32);

#[derive(Event)]
#[event(output = u32)]
struct Chained(u32);

#[derive(Event)]
struct Forever;

/// Long enough for anything that ends at all.
const LONG: Duration = Duration::from_secs(20);

fn threads(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

fn unlimited(runtime: &Runtime) -> EventBus {
    let settings = EventBus::builder("main").runtime(Tokio::new(runtime.handle().clone()));
    settings.max_pending(None).max_history(Some(10)).build()
}

/// A minimal executor, which parks its thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(LONG),
        }
    }
}

/// Fails instead of hanging.
async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(LONG, future).await else { panic!("{what}: stuck") };
    output
}

/// The order in which handlers of one bus ran, by sender.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u32, u32)>>>);

impl Log {
    fn on(&self, bus: &EventBus) {
        let (log, running) = (self.clone(), Arc::new(AtomicBool::new(false)));
        bus.on(move |event: EventHandle<Numbered>| {
            let (log, running) = (log.clone(), running.clone());
            async move {
                assert!(!running.swap(true, Ordering::SeqCst), "two run at once on a serial bus");
                log.0.lock().unwrap().push((event.0, event.1));
                if event.1.is_multiple_of(3) {
                    tokio::task::yield_now().await;
                }
                running.store(false, Ordering::SeqCst);
                event.1
            }
        });
    }

    /// Asserts that each sender's events ran once, in its order.
    fn assert_complete(&self, senders: u32, events: u32) {
        let log = self.0.lock().unwrap();
        assert_eq!(log.len(), (senders * events) as usize);
        for sender in 0..senders {
            let own = log.iter().filter(|(of, _)| *of == sender).map(|(_, number)| *number);
            assert!(own.eq(0..events), "the events of sender {sender} are out of order");
        }
    }
}

#[test]
fn r8_tasks_and_foreign_threads_on_one_bus() {
    const EVENTS: u32 = 300;
    let runtime = threads(2);
    let (bus, log) = (unlimited(&runtime), Log::default());
    log.on(&bus);
    let foreign: Vec<_> = (0..3)
        .map(|sender| {
            let bus = bus.clone();
            thread::spawn(move || {
                for number in 0..EVENTS {
                    let event = bus.dispatch(Numbered(sender, number)).unwrap();
                    if number % 2 == 0 {
                        assert_eq!(block_on(event.wait()).unwrap().result().unwrap(), number);
                    }
                }
            })
        })
        .collect();
    runtime.block_on(in_time("tasks", async {
        let tasks: Vec<_> = (3..6)
            .map(|sender| {
                let bus = bus.clone();
                tokio::spawn(async move {
                    for number in 0..EVENTS {
                        let done = bus.run(Numbered(sender, number)).await.unwrap();
                        assert_eq!(done.result().unwrap(), number);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }));
    foreign.into_iter().for_each(|thread| thread.join().unwrap());
    runtime.block_on(in_time("idle", bus.wait_until_idle(None))).unwrap();
    log.assert_complete(6, EVENTS);
}

/// Events run in the order in which they were dispatched, whichever thread dispatched them.
#[test]
fn r8_strict_order_over_all_senders() {
    let runtime = threads(2);
    let (bus, log) = (unlimited(&runtime), Log::default());
    log.on(&bus);
    let order = Arc::new(Mutex::new(Vec::new()));
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let (bus, order) = (bus.clone(), order.clone());
            thread::spawn(move || {
                for number in 0..300 {
                    let mut order = order.lock().unwrap();
                    drop(bus.dispatch(Numbered(sender, number)).unwrap());
                    order.push((sender, number));
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|thread| thread.join().unwrap());
    runtime.block_on(in_time("idle", bus.wait_until_idle(None))).unwrap();
    assert_eq!(*order.lock().unwrap(), *log.0.lock().unwrap());
}

/// The ids of events are in the order in which they start, whichever thread dispatched them.
#[test]
fn r8_ids_are_in_the_order_of_the_queue() {
    let runtime = threads(2);
    let bus = unlimited(&runtime);
    let ids = Arc::new(Mutex::new(Vec::new()));
    let seen = ids.clone();
    bus.on(move |event: EventHandle<Numbered>| seen.lock().unwrap().push(event.id()));
    let start = Arc::new(Barrier::new(3));
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let (bus, start) = (bus.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                (0..2_000).for_each(|n| drop(bus.dispatch(Numbered(sender, n)).unwrap()));
            })
        })
        .collect();
    senders.into_iter().for_each(|thread| thread.join().unwrap());
    runtime.block_on(in_time("idle", bus.wait_until_idle(None))).unwrap();
    let ids = ids.lock().unwrap();
    assert_eq!(ids.len(), 6_000);
    assert!(ids.is_sorted_by(|earlier, later| earlier < later));
}

/// Once an event is seen to be done, nobody holds its handler but the registration.
#[test]
fn r4_a_removed_handler_is_dropped_whichever_thread_ran_it() {
    let runtime = threads(2);
    let bus = unlimited(&runtime);
    let remote = runtime.handle().clone();
    for number in 0..3_000 {
        let token = Arc::new(());
        let held = token.clone();
        let handler = bus.on(move |event: EventHandle<Numbered>| {
            let _held = &held;
            event.1
        });
        let event = bus.dispatch(Numbered(0, number)).unwrap();
        let waited = remote.spawn(in_time("done", event.wait()));
        if number.is_multiple_of(2) {
            block_on(waited).unwrap().unwrap();
        } else {
            while event.status() != EventStatus::Completed {
                std::hint::spin_loop();
            }
        }
        handler.off();
        assert_eq!(Arc::strong_count(&token), 1, "run {number}");
    }
}

/// A predicate runs on the thread that dispatches, and may take its time: its bus goes on meanwhile.
#[test]
fn r26_a_predicate_that_waits_for_its_bus() {
    let runtime = threads(2);
    let bus = unlimited(&runtime);
    let other = bus.hub().bus("other").max_pending(None).build();
    bus.forward("Numbered", &other).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for on in [&bus, &other] {
        let tell = tell.clone();
        on.on(move |event: EventHandle<Chained>| tell.send(event.0).unwrap());
    }
    let told = Mutex::new(told);
    let (first, second) = (bus.downgrade(), other.downgrade());
    let expected = bus.expect_where(move |event: &EventHandle<Numbered>| {
        for (number, bus) in [&first, &second].into_iter().enumerate() {
            let number = 10 * event.1 + number as u32;
            drop(bus.upgrade().unwrap().dispatch(Chained(number)).unwrap());
            assert_eq!(told.lock().unwrap().recv_timeout(LONG), Ok(number));
        }
        event.1 == 2
    });
    for number in 0..3 {
        drop(bus.dispatch(Numbered(0, number)).unwrap());
    }
    assert_eq!(runtime.block_on(in_time("an answer", expected)).unwrap().1, 2);
}

/// The main task of a multi-thread runtime helps, and is woken again after it has done enough.
#[test]
fn the_main_task_helps() {
    let runtime = threads(2);
    let bus = unlimited(&runtime);
    bus.on(|event: EventHandle<Numbered>| async move {
        tokio::task::yield_now().await;
        if event.1.is_multiple_of(50) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        event.1
    });
    runtime.block_on(in_time("runs", async {
        for number in 0..500 {
            assert_eq!(bus.run(Numbered(0, number)).await.unwrap().result().unwrap(), number);
        }
    }));
}

/// Buses that wait for each other across a hub, from many tasks.
#[test]
fn r13_fifty_buses_of_one_hub() -> Result<(), BoxError> {
    const BUSES: usize = 50;
    let runtime = threads(2);
    let hub = busway::Hub::builder().runtime(Tokio::new(runtime.handle().clone())).build();
    let buses: Arc<Vec<_>> = Arc::new(
        (0..BUSES).map(|n| hub.bus(format!("bus{n}")).max_pending(None).build()).collect(),
    );
    let ran = Arc::new(AtomicU32::new(0));
    for (n, bus) in buses.iter().enumerate() {
        let next: Vec<_> = (1..4).map(|step| buses[(n + step * 7) % BUSES].downgrade()).collect();
        let ran = ran.clone();
        bus.on(move |event: EventHandle<Chained>| {
            let (next, ran) = (next.clone(), ran.clone());
            async move {
                ran.fetch_add(1, Ordering::SeqCst);
                if event.0 == 0 {
                    return busway::ok(1);
                }
                let mut sum = 1;
                // One child is awaited, one is run, one is left to itself.
                let bus = |n: usize| next[n].upgrade().ok_or("the bus is gone");
                let left = event.0 - 1;
                let awaited = bus(0)?.dispatch(Chained(left))?;
                drop(bus(1)?.dispatch(Chained(0))?);
                sum += bus(2)?.run(Chained(left)).await?.result()?;
                sum += awaited.await?.result()?;
                tokio::task::yield_now().await;
                busway::ok(sum)
            }
        });
    }
    // A chain of depth n runs f(n) = 2 + 2 f(n - 1) handlers, of which 1 is not counted by it.
    let handlers = |depth: u32| (0..depth).fold(1, |below, _| 2 + 2 * below);
    runtime.block_on(in_time("chains", async {
        let tasks: Vec<_> = (0..BUSES)
            .map(|n| {
                let buses = buses.clone();
                tokio::spawn(async move {
                    for depth in 0..4 {
                        let chain = buses[n].run(Chained(depth)).await.unwrap();
                        assert_eq!(chain.result().unwrap(), (1 << (depth + 1)) - 1);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }));
    let wanted: u32 = (0..4).map(handlers).sum::<u32>() * BUSES as u32;
    assert_eq!(ran.load(Ordering::SeqCst), wanted);
    Ok(())
}

/// All events accepted before the bus was stopped complete, and their waiters are told.
#[test]
fn r32_stop_races_with_dispatch() {
    let runtime = threads(2);
    for round in 0..40 {
        let bus = unlimited(&runtime);
        bus.on(|event: EventHandle<Numbered>| async move {
            tokio::task::yield_now().await;
            event.1
        });
        let start = Arc::new(Barrier::new(4));
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let (bus, start) = (bus.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    let mut accepted = Vec::new();
                    loop {
                        match bus.dispatch(Numbered(sender, 0)) {
                            Ok(event) => accepted.push(event),
                            Err(DispatchError::Stopped { .. }) => return accepted,
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        start.wait();
        if round % 2 == 0 {
            thread::yield_now();
            bus.stop_now();
        } else {
            runtime.block_on(bus.stop(Duration::from_millis(1), true));
        }
        for sender in senders {
            for event in sender.join().unwrap() {
                let done = runtime.block_on(in_time("a waiter", event.wait())).unwrap();
                assert!(matches!(done.cause(), None | Some(Cause::Stopped)));
            }
        }
        assert_eq!(bus.pending(), 0);
    }
}

/// Dispatched events run, even when the last handle of the bus goes at that moment.
#[test]
fn r33_the_last_bus_is_dropped_while_events_come() {
    let runtime = threads(2);
    for _ in 0..100 {
        let bus = unlimited(&runtime);
        let ran = Arc::new(AtomicUsize::new(0));
        let (count, alive) = (ran.clone(), Arc::new(()));
        let kept = alive.clone();
        bus.on(move |event: EventHandle<Numbered>| {
            let (count, kept) = (count.clone(), kept.clone());
            async move {
                if event.1 > 0 {
                    drop(event.dispatch(Numbered(event.0, event.1 - 1)));
                    tokio::task::yield_now().await;
                }
                count.fetch_add(1, Ordering::SeqCst);
                drop(kept);
                event.1
            }
        });
        let start = Arc::new(Barrier::new(2));
        let (other, at) = (bus.clone(), start.clone());
        let sender = thread::spawn(move || {
            at.wait();
            (0..5).map(|n| other.dispatch(Numbered(n, 2)).unwrap()).collect::<Vec<_>>()
        });
        start.wait();
        let weak = bus.downgrade();
        drop(bus);
        let events = sender.join().unwrap();
        for event in events {
            let done = runtime.block_on(in_time("an event", event.wait())).unwrap();
            assert_eq!(done.cause(), None);
        }
        assert_eq!(ran.load(Ordering::SeqCst), 15);
        // The driver has ended, and the handlers with it.
        runtime.block_on(in_time("the end", async {
            while Arc::strong_count(&alive) > 1 {
                tokio::task::yield_now().await;
            }
        }));
        assert!(weak.upgrade().is_none());
    }
}

/// A handler that wakes itself without end starves neither the other handlers nor the other tasks,
/// not even on one thread.
#[test]
fn a_handler_that_wakes_itself_forever() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let settings = EventBus::builder("main").runtime(Tokio::new(runtime.handle().clone()));
    let bus = settings.concurrency(Concurrency::Parallel).limit(Limit::Off).build();
    bus.on(|_: EventHandle<Forever>| {
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    });
    bus.on(|event: EventHandle<Numbered>| async move {
        crate::manual::yields(10).await;
        event.1
    });
    runtime.block_on(in_time("beside it", async {
        let storms: Vec<_> = (0..3).map(|_| bus.dispatch(Forever).unwrap()).collect();
        let ticks = tokio::spawn(async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        });
        for number in 0..50 {
            assert_eq!(bus.run(Numbered(0, number)).await.unwrap().result().unwrap(), number);
        }
        ticks.await.unwrap();
        assert!(storms.iter().all(|storm| storm.status() == EventStatus::Started));
        bus.stop(None, false).await;
        for storm in storms {
            assert_eq!(storm.await.unwrap().cause(), Some(Cause::Stopped));
        }
    }));
}

/// Handlers that are woken by many threads at once lose no wake-up.
#[test]
fn wakes_from_all_sides() {
    const TASKS: u32 = 40;
    let runtime = threads(2);
    let settings = EventBus::builder("main").runtime(Tokio::new(runtime.handle().clone()));
    let bus = settings.concurrency(Concurrency::Parallel).max_pending(None).build();
    let (send, receive) = std::sync::mpsc::channel::<tokio::sync::oneshot::Sender<u32>>();
    let receive = Arc::new(Mutex::new(receive));
    bus.on(move |event: EventHandle<Numbered>| {
        let send = send.clone();
        async move {
            let mut sum = 0;
            for _ in 0..event.1 {
                let (answer, answered) = tokio::sync::oneshot::channel();
                send.send(answer)?;
                sum += answered.await?;
            }
            busway::ok(sum)
        }
    });
    for _ in 0..2 {
        let receive = receive.clone();
        thread::spawn(move || {
            loop {
                let next = receive.lock().unwrap().recv();
                let Ok(answer) = next else { return };
                let _ = answer.send(1);
            }
        });
    }
    runtime.block_on(in_time("all of them", async {
        let events: Vec<_> = (0..TASKS).map(|n| bus.dispatch(Numbered(n, 50)).unwrap()).collect();
        for event in events {
            assert_eq!(event.await.unwrap().result().unwrap(), 50);
        }
    }));
}

/// A handler that is a task of its own is not polled again after its event was cancelled, even while the
/// holder of the turn drops others.
#[test]
fn r22_a_task_that_cancels_its_own_event_is_not_polled_again() {
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let runtime = threads(3);
    let polled = Arc::new(AtomicUsize::new(0));
    let tokio = Tokio::new(runtime.handle().clone());
    let bus = EventBus::builder("main").runtime(tokio).spawn_parallel().build();
    // Its poll has the turn while the event is cancelled, and its drop takes long.
    bus.on(|_: EventHandle<Forever>| async {
        let _slow = Slow;
        tokio::time::sleep(Duration::from_millis(3)).await;
        thread::sleep(Duration::from_millis(6));
        std::future::pending::<()>().await;
    });
    bus.on(|event: EventHandle<Chained>| async move {
        let _ = event.run(Forever).await;
    });
    let counts = polled.clone();
    bus.on(move |event: EventHandle<Chained>| {
        let polled = counts.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(event.cancel());
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                polled.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    for _ in 0..3 {
        let event = bus.event(Chained(0)).parallel().handler_order(HandlerOrder::Parallel);
        runtime.block_on(in_time("cancelled", event.run())).unwrap();
        thread::sleep(Duration::from_millis(80));
    }
    assert_eq!(polled.load(Ordering::SeqCst), 0);
}
