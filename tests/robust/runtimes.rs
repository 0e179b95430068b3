//! Two runtimes in one process, runtimes that are shut down, threads without a runtime.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use busway::tokio::Tokio;
use busway::{
    Cause, DispatchError, Event, EventBus, EventHandle, EventStatus, ExpectError, Hub, Limit,
    WaitError,
};
use tokio::runtime::{Builder, Handle, Runtime};

#[derive(Event)]
#[event(output = u32)]
struct Ask(u32);

#[derive(Event)]
struct Stuck;

const LONG: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn bus_of(runtime: &Runtime) -> EventBus {
    let settings = EventBus::builder("main").runtime(Tokio::new(runtime.handle().clone()));
    settings.max_pending(None).build()
}

/// Handlers are polled by their own runtime, whose timers and tasks they find, whatever awaits them.
#[test]
fn handlers_find_their_own_reactor() {
    let (near, far) = (runtime(), runtime());
    let (bus, other) = (bus_of(&near), bus_of(&far));
    for (bus, of) in [(&bus, &near), (&other, &far)] {
        let home = of.handle().id();
        bus.on(move |ask: EventHandle<Ask>| async move {
            assert_eq!(Handle::current().id(), home);
            tokio::time::sleep(Duration::from_micros(10)).await;
            let spawned = tokio::spawn(async move { (Handle::current().id(), 1) });
            let (at, one) = spawned.await?;
            assert_eq!(at, home);
            tokio::task::yield_now().await;
            assert_eq!(Handle::current().id(), home);
            busway::ok(ask.0 + one)
        });
    }
    let runs = |bus: EventBus| async move {
        for number in 0..50 {
            assert_eq!(bus.run(Ask(number)).await.unwrap().result().unwrap(), number + 1);
        }
    };
    // Each is awaited from the other's tasks, and from its own.
    let tasks = [
        near.spawn(runs(other.clone())),
        far.spawn(runs(bus.clone())),
        near.spawn(runs(bus)),
        far.spawn(runs(other)),
    ];
    for task in tasks {
        near.block_on(in_time(task)).unwrap();
    }
}

/// Fails instead of hanging.
async fn in_time<F: Future>(future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(LONG, future).await else { panic!("stuck") };
    output
}

/// A bus of one runtime whose handler awaits a bus of the other.
#[test]
fn a_handler_awaits_a_bus_of_another_runtime() {
    let (near, far) = (runtime(), runtime());
    let (bus, other) = (bus_of(&near), bus_of(&far));
    other.on(|ask: EventHandle<Ask>| async move {
        tokio::time::sleep(Duration::from_micros(10)).await;
        ask.0
    });
    let asked = other.clone();
    bus.on(move |ask: EventHandle<Ask>| {
        let asked = asked.clone();
        async move { busway::ok(asked.run(Ask(ask.0)).await?.result()? + 1) }
    });
    near.block_on(in_time(async {
        for number in 0..50 {
            assert_eq!(bus.run(Ask(number)).await.unwrap().result().unwrap(), number + 1);
        }
    }));
}

/// A runtime is shut down with work in all states: waiters elsewhere are told.
#[test]
fn r33_a_runtime_that_is_shut_down() {
    let (near, home) = (runtime(), runtime());
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let bus = bus_of(&home);
    let count = dropped.clone();
    bus.handler(move |_: EventHandle<Stuck>| {
        let count = Count(count.clone());
        async move {
            tokio::time::sleep(LONG * 100).await;
            drop(count);
        }
    })
    .limit(Limit::Off)
    .register();
    let running = bus.dispatch(Stuck).unwrap();
    let queued = bus.dispatch(Stuck).unwrap();
    let waits: Vec<_> = [&running, &queued]
        .into_iter()
        .map(|event| near.spawn(event.wait()))
        .chain([near.spawn({
            let bus = bus.clone();
            async move {
                bus.wait_until_idle(None).await?;
                let stopped = bus.dispatch(Stuck);
                assert!(matches!(stopped, Err(DispatchError::Stopped { .. })));
                Err(WaitError::TimedOut { limit: LONG })
            }
        })])
        .collect();
    while running.status() == EventStatus::Pending {
        thread::yield_now();
    }
    home.shutdown_background();
    for (n, wait) in waits.into_iter().enumerate() {
        let answer = near.block_on(in_time(wait)).unwrap();
        assert_eq!(answer.is_ok(), n < 2);
    }
    assert_eq!((running.cause(), queued.cause()), (Some(Cause::Stopped), Some(Cause::Stopped)));
    drop(bus);
    near.block_on(in_time(async {
        while dropped.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }));
}

/// A current-thread runtime that is no longer driven, and one that was gone before it was used.
#[test]
fn r33_a_runtime_that_is_gone() {
    let gone = Builder::new_current_thread().enable_all().build().unwrap();
    let bus = bus_of(&gone);
    let late = bus_of(&gone);
    bus.on(|_: EventHandle<Stuck>| pending::<()>());
    let event = bus.dispatch(Stuck).unwrap();
    drop(gone);
    assert_eq!(event.cause(), Some(Cause::Stopped));
    let event = late.dispatch(Stuck).unwrap();
    assert_eq!(event.cause(), Some(Cause::Stopped), "accepted, and nobody will ever run it");
}

/// A wait with a limit for a bus whose runtime is gone ends, wherever it is polled: by the clock of the
/// runtime it is in, or at once where there is none.
#[test]
fn r24_a_wait_outlives_the_runtime_of_the_bus() {
    let (near, gone) = (runtime(), runtime());
    let hub = Hub::builder().runtime(Tokio::new(gone.handle().clone())).build();
    let (used, unused) = (hub.bus("used").build(), hub.bus("unused").build());
    used.on(|ask: EventHandle<Ask>| ask.0);
    near.block_on(used.run(Ask(1))).unwrap();
    let limit = Duration::from_millis(20);
    let begun = near.spawn(unused.expect::<Ask>().within(LONG));
    drop(gone);
    assert!(used.is_stopped() && !unused.is_stopped());
    let began = std::time::Instant::now();
    let waited = near.block_on(unused.expect::<Ask>().within(limit));
    assert!(matches!(waited, Err(ExpectError::TimedOut { .. })), "{waited:?}");
    assert!(began.elapsed() >= limit);
    let outside = futures_util::FutureExt::now_or_never(unused.expect::<Ask>().within(LONG));
    assert!(matches!(outside, Some(Err(ExpectError::TimedOut { .. }))), "{outside:?}");
    // One that was under way goes on by the other clock, and hears of the end of its bus.
    unused.stop_now();
    let begun = near.block_on(in_time(begun)).unwrap();
    assert!(matches!(begun, Err(ExpectError::Stopped)), "{begun:?}");
}

fn paused_an_hour_ahead(run: impl Future<Output = ()>) {
    let paused = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    paused.block_on(async {
        tokio::time::advance(Duration::from_secs(3_600)).await;
        run.await;
    });
}

/// Each runtime has its own clock, and a paused one affects no other.
#[test]
fn r22_a_dispatch_from_a_paused_runtime_moves_no_other_clock() {
    let home = runtime();
    let runtime = Tokio::new(home.handle().clone());
    let limit = Limit::After(Duration::from_millis(50));
    let bus = EventBus::builder("main").runtime(runtime).limit(limit).build();
    bus.on(|_: EventHandle<Stuck>| pending::<()>());
    paused_an_hour_ahead(async { drop(bus.dispatch(Ask(1)).unwrap()) });
    let stuck = bus.dispatch(Stuck).unwrap();
    home.block_on(async { stuck.wait_for(LONG).await }).expect("it is over at its limit");
    assert!(stuck.duration().unwrap() < LONG, "{:?}", stuck.duration());
}

#[test]
fn r24_a_wait_from_a_paused_runtime_ends_by_the_clock_of_the_bus() {
    let home = runtime();
    let bus = bus_of(&home);
    bus.on(|_: EventHandle<Stuck>| pending::<()>());
    let stuck = bus.dispatch(Stuck).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        paused_an_hour_ahead(async {
            let waited = stuck.wait_for(Duration::from_millis(10)).await;
            tell.send(waited.map(drop)).unwrap();
        });
    });
    assert!(matches!(told.recv_timeout(LONG), Ok(Err(WaitError::TimedOut { .. }))));
}

/// A wait alone does not choose the bus's runtime.
#[test]
fn r5_the_runtime_is_that_of_the_first_dispatch() {
    let bus = EventBus::builder("main").runtime_source(Tokio::latch).build();
    bus.on(|ask: EventHandle<Ask>| ask.0);
    let (one, other) = (runtime(), runtime());
    assert_eq!(one.block_on(bus.wait_until_idle(LONG)), Ok(true));
    let nothing = one.block_on(bus.expect::<Ask>().within(Duration::from_millis(1)));
    assert!(matches!(nothing, Err(ExpectError::TimedOut { .. })));
    drop(one);
    assert_eq!(other.block_on(bus.run(Ask(3))).unwrap().result().unwrap(), 3);
}
