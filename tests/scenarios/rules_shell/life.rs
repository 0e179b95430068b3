//! R31–R34 and R40: idle, stop, the end of a bus, and its name.

use std::sync::{Arc, Mutex};

use busway::{
    AnyEvent, BoxError, Cause, DispatchError, Event, EventBus, EventHandle, EventStatus,
    HandlerError, WaitError,
};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Alive, Gate, Log};

scenarios!(
    r31_idle_says_whether_it_got_idle,
    r31_idle_inside_its_own_handler_is_a_deadlock,
    r32_stop_drains_up_to_its_timeout,
    r32_what_is_left_after_the_timeout_is_ended,
    r32_stop_from_inside_a_handler_without_a_timeout,
    r32_stop_from_inside_a_handler_with_a_timeout,
    r32_stopping_wakes_every_waiter,
    r32_clear_drops_handlers_and_history,
    r33_what_was_dispatched_still_runs_after_the_last_bus_is_dropped,
    r33_nothing_leaks,
    r33_a_weak_bus_keeps_nothing_alive,
    r33_a_handler_with_a_weak_bus_lets_it_end,
    r33_a_dropped_driver_stops_the_bus,
    r33_a_bus_whose_driver_never_ran_is_freed,
    r40_names_are_identifiers,
);

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

/// Holds on to what it is given.
#[derive(Event)]
#[event(output = Alive)]
struct Holds {
    _alive: Alive,
}

fn holds(alive: &Alive) -> Holds {
    Holds { _alive: alive.clone() }
}

#[derive(Event)]
struct Stop;

fn slowly<E: Env>(env: E, bus: &EventBus, log: &Log<u32>) {
    let log = log.clone();
    bus.on(move |work: EventHandle<Work>| {
        let log = log.clone();
        async move {
            env.sleep(2).await;
            log.push(work.0);
            work.0
        }
    });
}

async fn r31_idle_says_whether_it_got_idle<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    assert!(bus.wait_until_idle(env.ticks(1)).await?, "nothing was ever dispatched");
    let gate = Gate::closed();
    let closed = gate.clone();
    bus.on(|_: EventHandle<Stop>| {});
    bus.on(move |work: EventHandle<Work>| {
        let closed = closed.clone();
        async move {
            closed.pass().await;
            work.dispatch(Stop).map(drop).map_err(|error| error.to_string())
        }
    });
    bus.dispatch(Work(1))?;
    let watch = env.watch();
    assert!(!bus.wait_until_idle(env.ticks(2)).await?);
    watch.took(env.ticks(2));
    gate.open();
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(bus.pending(), 0);
    assert_eq!(bus.find::<Stop>().all(9).len(), 1, "children included");
    Ok(())
}

async fn r31_idle_inside_its_own_handler_is_a_deadlock<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|work: EventHandle<Work>| async move {
        let bus = work.bus().ok_or("in a handler")?;
        match bus.wait_until_idle(None).await {
            Err(WaitError::Deadlock { cycle }) => busway::ok(cycle.len() as u32),
            other => panic!("{other:?}"),
        }
    });
    assert!(run(&bus, Work(1)).await?.result()? > 0);
    Ok(())
}

async fn r32_stop_drains_up_to_its_timeout<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let log = Log::new();
    slowly(env, &bus, &log);
    let events = [bus.dispatch(Work(1))?, bus.dispatch(Work(2))?];
    let watch = env.watch();
    bus.stop(env.ticks(10_000), false).await;
    watch.took(env.ticks(4));
    assert_eq!(log.items(), [1, 2]);
    for event in events {
        assert_eq!((event.status(), event.cause()), (EventStatus::Completed, None));
    }
    assert!(matches!(bus.dispatch(Work(3)), Err(DispatchError::Stopped { event: Work(3) })));
    Ok(())
}

async fn r32_what_is_left_after_the_timeout_is_ended<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    let (running, queued) = (bus.dispatch(Work(1))?, bus.dispatch(Work(2))?);
    env.until(|| running.status() == EventStatus::Started).await;
    let watch = env.watch();
    bus.stop(env.ticks(3), false).await;
    watch.took(env.ticks(3));
    assert!(matches!(
        running.await?.results()[0].error(),
        Some(HandlerError::Aborted { cause: Cause::Stopped })
    ));
    assert_eq!(queued.await?.cause(), Some(Cause::Stopped));
    Ok(())
}

/// Stops the bus from a handler, with one event that runs beside it and one queued behind it. Returns
/// whether the one beside it ran to its end.
async fn stops_itself<E: Env>(env: E, timeout: Option<u32>) -> Result<bool, BoxError> {
    let bus = env.bus("main");
    let (queued, beside, after) = (Gate::closed(), Gate::closed(), Log::<u32>::new());
    let closed = beside.clone();
    bus.on(move |work: EventHandle<Work>| {
        let closed = closed.clone();
        async move {
            closed.pass().await;
            work.0
        }
    });
    let (weak, ready, passed) = (bus.downgrade(), queued.clone(), after.clone());
    bus.on(move |_: EventHandle<Stop>| {
        let (ready, passed) = (ready.clone(), passed.clone());
        let (bus, beside) = (weak.upgrade().expect("the test holds it"), beside.clone());
        async move {
            ready.pass().await;
            env.spawn(async move {
                env.sleep(1).await;
                beside.open();
            });
            bus.stop(timeout.map(|ticks| env.ticks(ticks)), false).await;
            env.sleep(1).await;
            passed.push(1u32);
        }
    });
    let parallel = bus.event(Work(7)).parallel().dispatch()?;
    let (stops, behind) = (bus.dispatch(Stop)?, bus.dispatch(Work(8))?);
    queued.open();
    let (stops, parallel, behind) = (stops.await?, parallel.await?, behind.await?);
    // The handler that stops its own bus is ended with it.
    let error = stops.results()[0].error();
    assert!(matches!(error, Some(HandlerError::Aborted { cause: Cause::Stopped })), "{error:?}");
    assert_eq!(after.len(), 0);
    assert!(bus.is_stopped());
    assert_eq!(behind.cause(), Some(Cause::Stopped), "it could not start before that handler ends");
    Ok(parallel.result().is_ok())
}

async fn r32_stop_from_inside_a_handler_without_a_timeout<E: Env>(env: E) -> Outcome {
    assert!(!stops_itself(env, None).await?, "what ran beside it was aborted");
    Ok(())
}

async fn r32_stop_from_inside_a_handler_with_a_timeout<E: Env>(env: E) -> Outcome {
    assert!(stops_itself(env, Some(10_000)).await?, "what ran beside it was waited for");
    Ok(())
}

async fn r32_stopping_wakes_every_waiter<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").max_pending(Some(1)).build();
    bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    let event = bus.dispatch(Work(1))?;
    let (one, two) = (env.task(event.wait()), env.task(event.wait()));
    let (expects, idles, places) = (bus.clone(), bus.clone(), bus.clone());
    let expecting = env.task(async move { expects.expect::<Stop>().await.err() });
    let idle = env.task(async move { idles.wait_until_idle(None).await });
    let place = env.task(async move { places.reserve().await.err() });
    let waiting = bus.clone();
    let refused = env.task(async move { waiting.dispatch_wait(Work(2)).await.err() });
    env.sleep(2).await;
    bus.stop(None, false).await;
    bus.stop(env.ticks(1), false).await;
    assert_eq!(one.await?.status(), EventStatus::Completed);
    assert_eq!(two.await?.status(), EventStatus::Completed);
    assert_eq!(expecting.await, Some(busway::ExpectError::Stopped));
    assert!(idle.await?);
    assert!(place.await.is_some());
    assert!(matches!(refused.await, Some(DispatchError::Stopped { event: Work(2) })));
    Ok(())
}

async fn r32_clear_drops_handlers_and_history<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (payload, handler) = (Alive::default(), Alive::default());
    let held = handler.clone();
    bus.on_any(move |_: AnyEvent| drop(held.clone()));
    run(&bus, holds(&payload)).await?;
    bus.stop(None, false).await;
    assert_eq!((payload.others(), handler.others()), (1, 1), "it can still be looked at");
    bus.stop(None, true).await;
    env.until(|| (payload.others(), handler.others()) == (0, 0)).await;
    assert_eq!((bus.history().len(), bus.handler_count()), (0, 0));
    Ok(())
}

async fn r33_what_was_dispatched_still_runs_after_the_last_bus_is_dropped<E: Env>(
    env: E,
) -> Outcome {
    let bus = env.bus("main");
    let log = Log::new();
    slowly(env, &bus, &log);
    let kept = bus.dispatch(Work(1))?;
    drop(bus.dispatch(Work(2))?);
    drop(bus);
    assert_eq!(kept.await?.result()?, 1);
    env.until(|| log.len() == 2).await;
    assert_eq!(log.items(), [1, 2]);
    Ok(())
}

async fn r33_nothing_leaks<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let bus = hub.bus("main").build();
    let (payload, handler, output) = (Alive::default(), Alive::default(), Alive::default());
    let (held, answer) = (handler.clone(), output.clone());
    bus.on(move |holds: EventHandle<Holds>| {
        let (held, answer) = (held.clone(), answer.clone());
        async move {
            env.sleep(1).await;
            let _both = (held, &holds);
            answer
        }
    });
    let held = handler.clone();
    bus.on(move |work: EventHandle<Work>| {
        let _held = &held;
        work.0
    });
    let held = handler.clone();
    let expected = bus.expect_where(move |_: &EventHandle<Work>| {
        let _held = &held;
        false
    });
    // One event completes, one runs, one is queued.
    let event = run(&bus, holds(&payload)).await?;
    bus.dispatch(holds(&payload))?;
    bus.dispatch(holds(&payload))?;
    assert_eq!(payload.others(), 3);
    drop((event, bus));
    assert!(expected.await.is_err(), "the end of the bus");
    let all = || payload.others() + handler.others() + output.others();
    // The two of `held` and `answer` above are the handlers' own.
    env.until(|| all() == 0).await;
    assert!(hub.memory().is_empty());
    Ok(())
}

async fn r33_a_weak_bus_keeps_nothing_alive<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let weak = bus.downgrade();
    let again = weak.upgrade().ok_or("it is held")?;
    drop(bus);
    run(&again, Work(1)).await?;
    assert_eq!(weak.upgrade().map(|bus| bus.name()), Some("main".into()));
    drop(again);
    assert!(weak.upgrade().is_none());
    assert!(weak.clone().upgrade().is_none());
    Ok(())
}

async fn r33_a_handler_with_a_weak_bus_lets_it_end<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let alive = Alive::default();
    let (weak, held) = (bus.downgrade(), alive.clone());
    bus.on(move |_: EventHandle<Work>| {
        let _held = &held;
        weak.upgrade().map(|bus| bus.handler_count() as u32)
    });
    assert_eq!(run(&bus, Work(1)).await?.result()?, 1);
    drop(bus);
    env.until(|| alive.others() == 0).await;
    Ok(())
}

async fn r33_a_dropped_driver_stops_the_bus<E: Env>(env: E) -> Outcome {
    let (bus, driver) = env.builder("main").with_driver();
    let alive = Alive::default();
    let held = alive.clone();
    bus.on(move |_: EventHandle<Work>| {
        let held = held.clone();
        async move {
            let _held = held;
            std::future::pending::<u32>().await
        }
    });
    let (running, queued) = (bus.dispatch(Work(1))?, bus.dispatch(Work(2))?);
    let driver = Arc::new(Mutex::new(Some(Box::pin(driver))));
    let polled = driver.clone();
    env.spawn(std::future::poll_fn(move |cx| match polled.lock().unwrap().as_mut() {
        Some(driver) => driver.as_mut().poll(cx),
        None => std::task::Poll::Ready(()),
    }));
    env.until(|| running.status() == EventStatus::Started).await;
    let driver = driver.lock().unwrap().take();
    drop(driver);
    assert!(bus.is_stopped());
    let (running, queued) = (running.await?, queued.await?);
    let error = running.results()[0].error();
    assert!(matches!(error, Some(HandlerError::Aborted { cause: Cause::Stopped })), "{error:?}");
    assert_eq!(queued.cause(), Some(Cause::Stopped));
    assert!(matches!(bus.dispatch(Work(3)), Err(DispatchError::Stopped { .. })));
    assert_eq!(alive.others(), 1, "the handler's future was dropped, the handler is there");
    Ok(())
}

async fn r33_a_bus_whose_driver_never_ran_is_freed<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let alive = Alive::default();
    let held = alive.clone();
    let bus = hub.bus("main").build();
    bus.on_any(move |_: AnyEvent| drop(held.clone()));
    drop(bus);
    assert_eq!(alive.others(), 0);
    assert!(hub.memory().is_empty());
    Ok(())
}

/// On tokio only: the others have no runtime that ends.
#[test]
fn r33_a_runtime_that_is_shut_down_stops_the_bus() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bus = runtime.block_on(async { busway::bus("main") });
    bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    let event = runtime.block_on(async { bus.dispatch(Work(1)) }).unwrap();
    drop(runtime);
    assert!(bus.is_stopped());
    assert_eq!(event.status(), EventStatus::Completed);
    assert!(event.result().is_err());
    assert!(matches!(bus.dispatch(Work(2)), Err(DispatchError::Stopped { .. })));
}

async fn r40_names_are_identifiers<E: Env>(env: E) -> Outcome {
    for (wanted, name) in
        [("main", "main"), ("my bus-1", "my_bus_1"), ("7up", "_7up"), ("", "_"), ("Größe", "Größe")]
    {
        assert_eq!(env.bus(wanted).name(), name);
    }
    let hub = env.hub();
    let (one, two) = (hub.bus("a b").build(), hub.bus("a-b").build());
    assert_eq!(one.name(), "a_b");
    assert!(two.name().starts_with("a_b_"), "it is the identifier that is taken");
    Ok(())
}
