//! "Beyond the seeds".

use std::sync::Arc;
use std::time::Duration;

use busway::{
    AnyEvent, BoxError, Cause, Concurrency, Event, EventBus, EventHandle, EventId, EventStatus,
    HandlerError, HandlerOrder, Hub, Limit,
};
use futures_util::future::BoxFuture;
use tokio::sync::Barrier;

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Alive, Gate, Log, all};

scenarios!(
    s157_a_deadline_caps_serial_handlers,
    s157_a_deadline_caps_parallel_handlers,
    s161_zero_disables_and_none_inherits,
    s163_hub_serial_events_exclude_each_other_over_buses,
    s163_bus_serial_events_overlap_over_buses,
    s163_parallel_events_overlap_on_one_bus,
    s163_an_event_overrides_its_bus,
    s164_the_most_recent_wins,
    s164_in_progress_counts,
    s164_a_window_of_time,
    s164_children_and_grandchildren,
    s164_each_bus_has_its_own,
    s164_the_waiter_is_gone_afterwards,
    s164_the_future_is_not_what_is_in_flight,
    s166_a_recent_one_is_used_again_a_stale_one_is_not,
    s167_the_parent_reaches_handlers_and_what_they_call,
    s167_parallel_handlers_are_isolated,
    s167_it_follows_a_forwarded_event,
    s167_nothing_leaks_out_of_a_handler,
    s169_hooks_run_last_and_statuses_only_go_forward,
);

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

#[derive(Event)]
struct Sub;

fn error_of(event: &EventHandle<Work>, row: usize) -> Option<HandlerError> {
    event.results()[row].error()
}

/// The limit of an event applies to each invocation (R22); its deadline caps the whole event.
async fn capped<E: Env>(env: E, order: HandlerOrder) -> Result<EventHandle<Work>, BoxError> {
    let bus = env.builder("main").handler_order(order).build();
    bus.on(|_: EventHandle<Work>| 2);
    for _ in 0..2 {
        bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    }
    let watch = env.watch();
    let event = bus.event(Work(157)).deadline(env.ticks(50)).dispatch()?.await?;
    watch.took(env.ticks(50));
    assert_eq!(event.cause(), Some(Cause::Deadline));
    assert!(event.result().is_err());
    Ok(event)
}

async fn s157_a_deadline_caps_serial_handlers<E: Env>(env: E) -> Outcome {
    let event = capped(env, HandlerOrder::Serial).await?;
    assert_eq!(event.results()[0].value(), Some(&2u32));
    assert!(matches!(error_of(&event, 1), Some(HandlerError::Aborted { cause: Cause::Deadline })));
    assert!(matches!(
        error_of(&event, 2),
        Some(HandlerError::Cancelled { cause: Cause::Deadline })
    ));
    Ok(())
}

async fn s157_a_deadline_caps_parallel_handlers<E: Env>(env: E) -> Outcome {
    let event = capped(env, HandlerOrder::Parallel).await?;
    assert_eq!(event.results()[0].value(), Some(&2u32));
    for row in [1, 2] {
        let error = error_of(&event, row);
        assert!(
            matches!(error, Some(HandlerError::Aborted { cause: Cause::Deadline })),
            "{error:?}"
        );
    }
    Ok(())
}

async fn s161_zero_disables_and_none_inherits<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").limit(Limit::After(env.ticks(2))).build();
    let slow = move |_: EventHandle<Work>| async move {
        env.sleep(4).await;
        161
    };
    let stuck = |work: EventHandle<Work>| async move {
        match work.0 {
            0 => std::future::pending().await,
            value => value,
        }
    };
    bus.handler(slow).named("zero").limit(Limit::After(Duration::ZERO)).register();
    bus.handler(slow).named("off").limit(Limit::Off).register();
    bus.handler(stuck).named("inherits").register();
    let event = run(&bus, Work(0)).await?;
    assert_eq!(event.results()[0].value(), Some(&161u32));
    assert_eq!(event.results()[1].value(), Some(&161u32));
    let limit = env.ticks(2);
    assert!(matches!(error_of(&event, 2), Some(HandlerError::TimedOut { limit: l }) if l == limit));
    // The event says "off" too, so nothing is inherited.
    let event = bus.event(Work(162)).limit(Limit::Off).dispatch()?.await?;
    assert_eq!(event.results_list()?, [161, 161, 162]);
    Ok(())
}

/// Logs when handlers begin and end, with enough ticks in between to overlap.
fn overlapping<E: Env>(
    env: E,
    log: &Log,
) -> impl Fn(EventHandle<Work>) -> BoxFuture<'static, ()> + Send + Sync + 'static {
    let log = log.clone();
    move |work| {
        let log = log.clone();
        Box::pin(async move {
            log.push(format!("{} in", work.0));
            env.sleep(2).await;
            log.push(format!("{} out", work.0));
        })
    }
}

const ONE_BY_ONE: [&str; 4] = ["1 in", "1 out", "2 in", "2 out"];

async fn on_two_buses<E: Env>(env: E, concurrency: Concurrency) -> Result<Vec<String>, BoxError> {
    let (hub, log) = (env.hub(), Log::new());
    let buses = ["one", "two"].map(|name| hub.bus(name).concurrency(concurrency).build());
    for bus in &buses {
        bus.on(overlapping(env, &log));
    }
    let events = [buses[0].dispatch(Work(1))?, buses[1].dispatch(Work(2))?];
    all(events).await?;
    Ok(log.items())
}

async fn s163_hub_serial_events_exclude_each_other_over_buses<E: Env>(env: E) -> Outcome {
    let mut log = on_two_buses(env, Concurrency::HubSerial).await?;
    // Each bus has a driver of its own: on threads, the second may be there first.
    if !E::HAS_PAUSED_CLOCK && log[0] == "2 in" {
        log.rotate_left(2);
    }
    assert_eq!(log, ONE_BY_ONE);
    Ok(())
}

/// A handler that does not end until another event's handler is inside too.
fn meeting() -> impl Fn(EventHandle<Work>) -> BoxFuture<'static, ()> + Clone + Send + Sync + 'static
{
    let both = Arc::new(Barrier::new(2));
    move |_| {
        let both = both.clone();
        Box::pin(async move {
            both.wait().await;
        })
    }
}

async fn s163_bus_serial_events_overlap_over_buses<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").build());
    let meets = meeting();
    one.on(meets.clone());
    two.on(meets);
    all([one.dispatch(Work(1))?, two.dispatch(Work(2))?]).await?;
    Ok(())
}

async fn s163_parallel_events_overlap_on_one_bus<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").concurrency(Concurrency::Parallel).build();
    bus.on(meeting());
    all([bus.dispatch(Work(1))?, bus.dispatch(Work(2))?]).await?;
    Ok(())
}

async fn s163_an_event_overrides_its_bus<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(meeting());
    all([bus.event(Work(1)).parallel().dispatch()?, bus.event(Work(2)).parallel().dispatch()?])
        .await?;
    let bus = env.builder("main").concurrency(Concurrency::Parallel).build();
    let log = Log::new();
    bus.on(overlapping(env, &log));
    let serial = |number| bus.event(Work(number)).concurrency(Concurrency::BusSerial).dispatch();
    all([serial(1)?, serial(2)?]).await?;
    assert_eq!(log.items(), ONE_BY_ONE);
    Ok(())
}

async fn s164_the_most_recent_wins<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    assert!(bus.find::<Work>().newest().is_none());
    for number in [1, 2, 3] {
        run(&bus, Work(number)).await?;
    }
    assert_eq!(bus.find::<Work>().newest().map(|work| work.0), Some(3));
    assert_eq!(bus.find::<Work>().matching(|work| work.0 < 3).newest().map(|work| work.0), Some(2));
    let numbers: Vec<_> = bus.find::<Work>().all(2).iter().map(|work| work.0).collect();
    assert_eq!(numbers, [3, 2]);
    assert!(bus.find::<Sub>().newest().is_none());
    Ok(())
}

async fn s164_in_progress_counts<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (gate, started) = (Gate::closed(), Gate::closed());
    let (closed, tell) = (gate.clone(), started.clone());
    bus.on(move |_: EventHandle<Work>| {
        let (closed, tell) = (closed.clone(), tell.clone());
        async move {
            tell.open();
            closed.pass().await;
        }
    });
    let sent = bus.dispatch(Work(1))?;
    started.pass().await;
    let found = bus.find::<Work>().status(EventStatus::Started).newest().expect("in progress");
    assert_eq!(found.id(), sent.id());
    assert!(bus.find::<Work>().status(EventStatus::Completed).newest().is_none());
    gate.open();
    sent.await?;
    assert!(bus.find::<Work>().status(EventStatus::Completed).newest().is_some());
    assert!(bus.find::<Work>().status(EventStatus::Started).newest().is_none());
    Ok(())
}

async fn s164_a_window_of_time<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    run(&bus, Work(1)).await?;
    env.sleep(5).await;
    assert!(bus.find::<Work>().newer_than(env.ticks(5)).newest().is_none());
    let far = Duration::from_secs(3_600);
    assert_eq!(bus.find::<Work>().newer_than(far).newest().map(|work| work.0), Some(1));
    run(&bus, Work(2)).await?;
    assert_eq!(bus.find::<Work>().newer_than(far).all(9).len(), 2);
    if E::HAS_PAUSED_CLOCK {
        let recent = bus.find::<Work>().newer_than(env.ticks(5)).all(9);
        assert_eq!(recent.iter().map(|work| work.0).collect::<Vec<_>>(), [2]);
    }
    Ok(())
}

async fn s164_children_and_grandchildren<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|work: EventHandle<Work>| match work.0 {
        0 => work.dispatch(Sub).map(drop).map_err(|error| error.to_string()),
        left => work.dispatch(Work(left - 1)).map(drop).map_err(|error| error.to_string()),
    });
    let one = run(&bus, Work(1)).await?;
    let other = run(&bus, Work(0)).await?;
    let below = bus.find::<Sub>().child_of(&one).newest().expect("a grandchild");
    let child = bus.find::<Work>().child_of(&one).newest().expect("a child");
    assert_eq!((child.0, child.parent_id()), (0, Some(one.id())));
    assert_eq!(below.parent_id(), Some(child.id()));
    assert_ne!(bus.find::<Sub>().child_of(&other).newest().map(|sub| sub.id()), Some(below.id()));
    assert_eq!(bus.find_name("*").child_of(&one).all(9).len(), 2);
    assert!(bus.find::<Work>().child_of(&other).newest().is_none());
    Ok(())
}

async fn s164_each_bus_has_its_own<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two, three) =
        (hub.bus("one").build(), hub.bus("two").build(), hub.bus("three").build());
    one.forward("*", &two)?;
    let event = run(&one, Work(1)).await?;
    let found = |bus: &EventBus| bus.find::<Work>().newest().map(|work| work.id());
    assert_eq!([&one, &two, &three].map(found), [Some(event.id()), Some(event.id()), None]);
    Ok(())
}

async fn s164_the_waiter_is_gone_afterwards<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let alive = Alive::default();
    let waiting = || {
        let held = alive.clone();
        let test = move |work: &EventHandle<Work>| {
            let _held = &held;
            work.0 == 1
        };
        bus.find::<Work>().matching(test).newest_or_next()
    };
    let (resolves, times_out, dropped) = (waiting(), waiting(), waiting());
    assert_eq!(alive.others(), 3);
    drop(dropped);
    assert!(times_out.within(env.ticks(1)).await.is_err());
    bus.dispatch(Work(1))?;
    resolves.await?;
    assert_eq!(alive.others(), 0);
    // Found at once, it never waits.
    waiting().await?;
    assert_eq!(alive.others(), 0);
    Ok(())
}

async fn s164_the_future_is_not_what_is_in_flight<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(gate.holds::<Work>());
    bus.dispatch(Work(1))?;
    let (next, either) = (bus.find::<Work>().next(), bus.find::<Work>().newest_or_next());
    bus.dispatch(Work(2))?;
    assert_eq!(next.await?.0, 2);
    assert_eq!(either.await?.0, 1);
    gate.open();
    Ok(())
}

// S167: the context carried along here is the parent (R12). Any other context is up to the user.

/// Dispatches with the bus alone, so that the caller determines the parent.
async fn called_by_a_handler(bus: EventBus) -> Option<EventId> {
    let sub = bus.dispatch(Sub).expect("room");
    sub.parent_id()
}

async fn s167_the_parent_reaches_handlers_and_what_they_call<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|work: EventHandle<Work>| async move {
        let bus = work.bus().ok_or("in a handler")?;
        if work.0 > 0 {
            work.run(Work(work.0 - 1)).await?.result_opt()?;
        }
        assert_eq!(called_by_a_handler(bus).await, Some(work.id()), "also after a nested one");
        busway::ok(())
    });
    run(&bus, Work(3)).await?.result_opt()?;
    assert_eq!(bus.find::<Sub>().all(9).len(), 4);
    Ok(())
}

async fn s167_parallel_handlers_are_isolated<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").concurrency(Concurrency::Parallel).build();
    bus.on(move |work: EventHandle<Work>| async move {
        let bus = work.bus().ok_or("in a handler")?;
        for _ in 0..3 {
            env.sleep(1).await;
            assert_eq!(called_by_a_handler(bus.clone()).await, Some(work.id()));
        }
        busway::ok(())
    });
    let events: Vec<_> = (0..4).map(|n| bus.dispatch(Work(n))).collect::<Result<_, _>>()?;
    for event in all(events).await? {
        event.result_opt()?;
        assert_eq!(event.children().len(), 3);
    }
    Ok(())
}

async fn s167_it_follows_a_forwarded_event<E: Env>(env: E) -> Outcome {
    let hub: Hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").build());
    one.forward("Work", &two)?;
    two.on(|work: EventHandle<Work>| async move {
        let bus = work.bus().ok_or("in a handler")?;
        assert_eq!((bus.name().as_str(), called_by_a_handler(bus).await), ("two", Some(work.id())));
        busway::ok(())
    });
    run(&one, Work(1)).await?.result_opt()?;
    assert_eq!(two.find::<Sub>().newest().map(|sub| sub.path()), Some(vec!["two".into()]));
    Ok(())
}

async fn s167_nothing_leaks_out_of_a_handler<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let weak = bus.downgrade();
    bus.on_any(move |event: AnyEvent| {
        // Two handlers in a row on one task: the second does not run inside the first.
        let bus = weak.upgrade().expect("the test holds it");
        (event.event_type() == "Work").then(|| bus.dispatch(Sub).expect("room").depth())
    });
    for number in 0..3 {
        let event = run(&bus, Work(number)).await?;
        assert_eq!((event.parent_id(), event.depth()), (None, 0));
        assert_eq!(called_by_a_handler(bus.clone()).await, None);
    }
    Ok(())
}

/// Debounce is `find` with an age, and a dispatch when there is none.
async fn s166_a_recent_one_is_used_again_a_stale_one_is_not<E: Env>(env: E) -> Outcome {
    async fn fresh(bus: &EventBus, age: Duration) -> Result<EventHandle<Work>, BoxError> {
        match bus.find::<Work>().newer_than(age).newest() {
            Some(recent) => Ok(recent),
            None => Ok(bus.dispatch(Work(166))?),
        }
    }
    let bus = env.builder("main").build();
    bus.on(|_: EventHandle<Work>| 1);
    let far = Duration::from_secs(3_600);
    let first = fresh(&bus, far).await?.await?;
    assert_eq!(fresh(&bus, far).await?.id(), first.id(), "it is recent");
    env.sleep(10).await;
    let second = fresh(&bus, env.ticks(5)).await?;
    assert_ne!(second.id(), first.id(), "it is stale");
    assert_eq!(fresh(&bus, far).await?.id(), second.id(), "one in flight is recent, too");
    Ok(())
}

/// There is no middleware: `*` handlers, registered last, and streams see what it would.
async fn s169_hooks_run_last_and_statuses_only_go_forward<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").build();
    let log: Log<&str> = Log::new();
    let before = log.clone();
    bus.on_any(move |_: AnyEvent| before.push("hook"));
    let handled = log.clone();
    bus.handler(move |event: EventHandle<Work>| {
        let handled = handled.clone();
        async move {
            assert_eq!(event.status(), EventStatus::Started);
            handled.push("handler");
            std::future::pending::<u32>().await
        }
    })
    .limit(Limit::After(env.ticks(20)))
    .register();
    let event = bus.dispatch(Work(169))?;
    let mut seen = vec![event.status()];
    while seen.last() != Some(&EventStatus::Completed) {
        env.sleep(5).await;
        seen.push(event.status());
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(matches!(error_of(&event, 0), Some(HandlerError::TimedOut { .. })));
    assert_eq!(log.items(), ["handler", "hook"]);
    Ok(())
}
