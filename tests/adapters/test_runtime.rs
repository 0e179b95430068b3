//! The runtime for tests: conformance, order, time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::testing::{self, TestHandle, TestRuntime, run_seeds};
use busway::{BoxError, Event, EventBus, EventHandle, Limit, Retry, Runtime};

#[derive(Event)]
struct Nap(u64);

mod seed_0 {
    use busway::testing::TestRuntime;

    busway::conformance_tests!(|case| {
        let runtime = TestRuntime::new(0).with_threads();
        runtime.block_on(case.play(runtime.handle()));
    });
}

mod seed_1 {
    use busway::testing::TestRuntime;

    busway::conformance_tests!(|case| {
        let runtime = TestRuntime::new(1).with_threads();
        runtime.block_on(case.play(runtime.handle()));
    });
}

/// Sleeps for the event's seconds.
fn napping(runtime: &TestHandle) -> EventBus {
    let bus = EventBus::builder("main").runtime(runtime.clone()).build();
    let time = runtime.clone();
    bus.on(move |nap: EventHandle<Nap>| {
        let time = time.clone();
        async move { time.sleep(Duration::from_secs(nap.0)).await }
    });
    bus
}

/// The order in which ten tasks run that are all ready.
fn order(seed: u64) -> Vec<u32> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let runtime = TestRuntime::new(seed);
    for n in 0..10 {
        let order = order.clone();
        drop(runtime.handle().spawn(async move { order.lock().unwrap().push(n) }));
    }
    runtime.run_until_stalled();
    let order = order.lock().unwrap();
    order.clone()
}

#[test]
fn a_seed_gives_one_order_and_seeds_give_many() {
    assert_eq!(order(3), order(3));
    let mut orders: Vec<_> = (0..20).map(order).collect();
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 15, "{orders:?}");
}

/// The order in which two tasks run this many events each, giving way to each other now and then.
fn order_of_events(events: usize) -> Vec<u64> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let runtime = TestRuntime::new(3);
    let bus = EventBus::builder("main").runtime(runtime.handle()).build();
    let seen = order.clone();
    bus.on(move |nap: EventHandle<Nap>| seen.lock().unwrap().push(nap.0));
    for task in 0..2 {
        let bus = bus.clone();
        drop(runtime.handle().spawn(async move {
            for _ in 0..events {
                bus.run(Nap(task)).await.unwrap();
            }
        }));
    }
    runtime.run_until_stalled();
    let order = order.lock().unwrap();
    order.clone()
}

#[test]
fn a_seed_gives_one_order_whatever_its_thread_has_done() {
    let first = order_of_events(4_000);
    assert_eq!(order_of_events(20).len(), 40);
    assert_eq!((first.len(), order_of_events(4_000)), (8_000, first));
}

#[test]
fn time_passes_only_while_all_sleep() {
    testing::run(|runtime| async move {
        let bus = napping(&runtime);
        bus.run(Nap(40)).await?.result_opt()?;
        assert_eq!(runtime.elapsed(), Duration::from_secs(40));
        let naps = [bus.dispatch(Nap(1))?, bus.dispatch(Nap(2))?];
        for nap in naps {
            nap.await?;
        }
        assert_eq!(runtime.elapsed(), Duration::from_secs(43));
        Ok::<(), BoxError>(())
    });
}

#[test]
fn advancing_stops_at_what_falls_due_on_the_way() {
    let runtime = TestRuntime::new(0).manual_time();
    let time = runtime.handle();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (ticks, clock) = (seen.clone(), time.clone());
    let ticking = time.spawn(async move {
        for _ in 0..3 {
            clock.sleep(Duration::from_secs(2)).await;
            ticks.lock().unwrap().push(clock.elapsed().as_secs());
        }
    });
    runtime.run_until_stalled();
    assert_eq!(time.elapsed(), Duration::ZERO);
    runtime.block_on(time.advance(Duration::from_secs(5)));
    assert_eq!(*seen.lock().unwrap(), [2, 4]);
    assert!(!ticking.is_done());
    runtime.block_on(time.advance(Duration::from_secs(1)));
    runtime.block_on(ticking);
    assert_eq!(*seen.lock().unwrap(), [2, 4, 6]);
}

#[test]
#[should_panic(expected = "nothing can happen any more")]
fn a_test_that_cannot_end_says_so() {
    TestRuntime::new(0).block_on(std::future::pending::<()>());
}

#[test]
#[should_panic(expected = "running on this thread already")]
fn it_does_not_run_inside_itself() {
    let runtime = TestRuntime::new(0);
    runtime.block_on(async { runtime.run_until_stalled() });
}

#[test]
fn dropping_it_stops_its_buses_and_frees_them() {
    let runtime = TestRuntime::new(0);
    let bus = napping(&runtime.handle());
    let nap = bus.dispatch(Nap(1)).unwrap();
    let weak = bus.downgrade();
    runtime.run_until_stalled();
    drop(runtime);
    assert!(nap.cause().is_some() && bus.is_stopped());
    drop((bus, nap));
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_failing_seed_fails_the_test() {
    let runs = std::sync::atomic::AtomicU64::new(0);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run_seeds(0..10, |_| {
            let run = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move { if run == 4 { Err("the fifth") } else { Ok(()) } }
        });
    }));
    assert!(failed.is_err());
    assert_eq!(runs.into_inner(), 5);
}

/// A policy in a handler measures its time as the handler's bus does.
#[test]
fn a_retry_in_a_handler_is_on_the_bus_s_own_time() {
    testing::run(|runtime| async move {
        let bus = EventBus::builder("main").runtime(runtime.clone()).build();
        bus.on(|_: EventHandle<Nap>| async {
            let policy = Retry::new().retries(2).wait(Duration::from_secs(10));
            let fails = async || Err::<(), _>("down");
            policy.run(fails).await.map_err(|error| error.tries()).unwrap_err();
        });
        bus.run(Nap(1)).await?.result_opt()?;
        assert_eq!(runtime.elapsed(), Duration::from_secs(20));
        busway::ok(())
    });
}

/// What a hub shares is a runtime too.
#[test]
fn a_shared_runtime_of_any_type() {
    let runtime = TestRuntime::new(3);
    let shared: Arc<dyn Runtime> = Arc::new(runtime.handle());
    let bus = EventBus::builder("main").runtime(shared).build();
    bus.on(|_: EventHandle<Nap>| {});
    runtime.block_on(async { bus.run(Nap(0)).await }).unwrap();
}

#[derive(Event)]
struct Remind;

#[test]
fn handlers_sleep_by_the_time_of_their_bus() {
    let day = Duration::from_secs(86_400);
    run_seeds(0..5, move |runtime: TestHandle| async move {
        let bus = EventBus::builder("main").runtime(runtime.clone()).build();
        let handler = move |_: EventHandle<Remind>| async move {
            busway::sleep(3 * day)?.await;
            busway::ok(())
        };
        bus.handler(handler).limit(Limit::Off).register();
        bus.run(Remind).await?.check()?;
        assert_eq!(runtime.elapsed(), 3 * day);
        Ok::<(), BoxError>(())
    });
}

#[test]
fn r46_test_runtimes_share_no_slots() {
    let (one, other) = (TestRuntime::new(1), TestRuntime::new(2));
    let stay = |time: TestHandle| async move {
        let policy = Retry::new().timeout(None).semaphore_limit(1).semaphore_name("worlds");
        let policy = policy.runtime(time.clone()).semaphore_lax(false);
        let hour = async || {
            time.sleep(Duration::from_secs(3_600)).await;
            Ok::<(), BoxError>(())
        };
        policy.run(hour).await
    };
    let inside = one.handle().spawn(stay(one.handle()));
    one.run_until_stalled();
    assert!(!inside.is_done(), "it holds the slot of the first runtime");
    other.block_on(stay(other.handle())).unwrap();
    assert_eq!(other.handle().elapsed(), Duration::from_secs(3_600));
    one.block_on(stay(one.handle())).unwrap();
    assert!(inside.is_done());
    assert_eq!(one.handle().elapsed(), Duration::from_secs(7_200), "one after the other");
}
