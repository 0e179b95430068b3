//! R26–R28: expectations, searches and streams.

use std::sync::{Mutex, mpsc};
use std::thread;

use busway::{AnyEvent, Event, EventBus, EventHandle, EventStatus, ExpectError, Overflow};
use futures_util::{FutureExt, StreamExt};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Alive, Gate, Log};

scenarios!(
    r26_it_resolves_before_any_handler_ends_and_adds_no_result,
    r26_a_panicking_predicate_fails_that_waiter_alone,
    r26_a_stopped_bus_ends_it,
    r26_two_waiters_get_the_same_event,
    r26_the_first_match_even_if_a_predicate_dispatches,
    r26_the_first_match_even_if_two_threads_dispatch,
    r26_a_match_before_the_end,
    r27_history_and_future_without_a_gap,
    r27_all_filters_together,
    r27_with_no_history_what_is_in_flight_is_found,
    r28_wait_holds_back_the_next_start,
    r28_wait_lets_go_when_the_reader_is_dropped,
    r28_drop_oldest_keeps_the_newest,
    r28_drop_newest_keeps_the_oldest,
    r28_a_stream_is_in_order_and_ends_with_the_bus,
    r28_of_one_type_only,
);

#[derive(Event)]
struct Tick(u32);

#[derive(Event)]
struct Noise;

fn holds_back(
    gate: &Gate,
) -> impl Fn(EventHandle<Tick>) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync + 'static
{
    let gate = gate.clone();
    move |_| {
        let gate = gate.clone();
        Box::pin(async move { gate.pass().await })
    }
}

async fn r26_it_resolves_before_any_handler_ends_and_adds_no_result<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(holds_back(&gate));
    bus.dispatch(Tick(0))?;
    let expected = bus.expect::<Tick>();
    let sent = bus.dispatch(Tick(1))?;
    // It is there at once: the dispatcher runs the predicate and sends the answer.
    let came = expected.now_or_never().ok_or("ready at dispatch")??;
    assert_eq!((came.id(), came.status()), (sent.id(), EventStatus::Pending));
    gate.open();
    assert_eq!(sent.await?.results().len(), 1);
    Ok(())
}

async fn r26_a_panicking_predicate_fails_that_waiter_alone<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let bad = bus.expect_where(|_: &EventHandle<Tick>| panic!("no idea"));
    let good = bus.expect_where(|tick: &EventHandle<Tick>| tick.0 == 2);
    run(&bus, Tick(1)).await?;
    let error = bad.await.unwrap_err();
    assert_eq!(error, ExpectError::PredicatePanicked { message: "no idea".into() });
    run(&bus, Tick(2)).await?;
    assert_eq!(good.await?.0, 2);
    Ok(())
}

async fn r26_a_stopped_bus_ends_it<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let waiting = env.task(bus.expect::<Tick>());
    bus.stop(None, false).await;
    assert_eq!(waiting.await.err(), Some(ExpectError::Stopped));
    assert_eq!(bus.expect::<Tick>().await.err(), Some(ExpectError::Stopped), "nor later");
    Ok(())
}

async fn r26_two_waiters_get_the_same_event<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (one, two) = (bus.expect::<Tick>(), bus.expect_name("Tick"));
    let sent = bus.dispatch(Tick(1))?;
    assert_eq!((one.await?.id(), two.await?.id()), (sent.id(), sent.id()));
    Ok(())
}

/// An expectation gets the first match, whatever the predicate of an earlier one does to the bus first.
async fn gets_the_first<E: Env>(env: E, does: fn(&EventBus)) -> Outcome {
    let bus = env.bus("main");
    let weak = bus.downgrade();
    let _does = bus.expect_where(move |tick: &EventHandle<Tick>| {
        weak.upgrade().iter().filter(|_| tick.0 == 1).for_each(does);
        false
    });
    let expected = bus.expect::<Tick>();
    bus.dispatch(Tick(1))?;
    assert_eq!(expected.await?.0, 1);
    Ok(())
}

async fn r26_the_first_match_even_if_a_predicate_dispatches<E: Env>(env: E) -> Outcome {
    gets_the_first(env, |bus| drop(bus.dispatch(Tick(2)))).await
}

async fn r26_the_first_match_even_if_two_threads_dispatch<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let _holds = bus.expect_where(move |tick: &EventHandle<Tick>| {
        if tick.0 == 1 {
            let _ = tell.send(());
            let _ = released.lock().unwrap().recv();
        }
        false
    });
    let expected = bus.expect::<Tick>();
    // The bus has its runtime from here on.
    run(&bus, Noise).await?;
    let other = bus.clone();
    let dispatches = thread::spawn(move || other.dispatch(Tick(1)).is_ok());
    told.recv()?;
    bus.dispatch(Tick(2))?;
    release.send(())?;
    assert!(dispatches.join().unwrap());
    assert_eq!(expected.await?.0, 1);
    Ok(())
}

async fn r26_a_match_before_the_end<E: Env>(env: E) -> Outcome {
    gets_the_first(env, EventBus::stop_now).await
}

async fn r27_history_and_future_without_a_gap<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let search = || bus.find::<Tick>().matching(|tick| tick.0 % 2 == 0);
    let coming = search().newest_or_next();
    run(&bus, Tick(1)).await?;
    run(&bus, Tick(2)).await?;
    run(&bus, Tick(4)).await?;
    assert_eq!(coming.await?.0, 2, "the first that came");
    assert_eq!(search().newest_or_next().await?.0, 4, "the newest that is there");
    let next = search().next();
    run(&bus, Tick(6)).await?;
    assert_eq!(next.await?.0, 6, "what was there does not count");
    Ok(())
}

async fn r27_all_filters_together<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Noise>| {});
    bus.on(|tick: EventHandle<Tick>| {
        (tick.0 > 0).then(|| tick.dispatch(Tick(tick.0 - 1)).map(drop))
    });
    let root = run(&bus, Tick(3)).await?;
    run(&bus, Tick(1)).await?;
    let below = bus
        .find::<Tick>()
        .child_of(&root)
        .status(EventStatus::Completed)
        .newer_than(env.ticks(100_000))
        .matching(|tick| tick.0 < 2)
        .all(10);
    assert_eq!(below.iter().map(|tick| tick.0).collect::<Vec<_>>(), [0, 1]);
    let any: Vec<AnyEvent> = bus.find_name("*").all(2);
    assert_eq!(any.len(), 2);
    assert!(bus.find_name("Noise").newest().is_none());
    Ok(())
}

async fn r27_with_no_history_what_is_in_flight_is_found<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").max_history(Some(0)).build();
    let gate = Gate::closed();
    bus.on(holds_back(&gate));
    let sent = bus.dispatch(Tick(1))?;
    assert_eq!(bus.find::<Tick>().newest().map(|tick| tick.id()), Some(sent.id()));
    gate.open();
    sent.await?;
    assert!(bus.find::<Tick>().newest().is_none());
    assert!(bus.history().is_empty());
    Ok(())
}

fn logging(log: &Log<u32>) -> impl Fn(EventHandle<Tick>) + Send + Sync + 'static {
    let log = log.clone();
    move |tick| log.push(tick.0)
}

async fn r28_wait_holds_back_the_next_start<E: Env>(env: E) -> Outcome {
    // The driver starts later, so that all events are there before it looks.
    let (bus, driver) = env.builder("main").with_driver();
    let log = Log::new();
    bus.on(logging(&log));
    let mut arrivals = bus.events_of::<Tick>(1, Overflow::Wait);
    for number in 1..=3 {
        bus.dispatch(Tick(number))?;
    }
    env.spawn(driver);
    env.sleep(5).await;
    assert_eq!((log.len(), arrivals.unread()), (0, 3), "the reader is behind");
    assert_eq!(arrivals.next().await.map(|tick| tick.0), Some(1));
    env.sleep(5).await;
    assert_eq!(log.len(), 0, "still");
    assert_eq!(arrivals.next().await.map(|tick| tick.0), Some(2));
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(log.items(), [1, 2, 3]);
    assert_eq!(arrivals.next().await.map(|tick| tick.0), Some(3));
    assert_eq!(arrivals.dropped(), 0);
    Ok(())
}

async fn r28_wait_lets_go_when_the_reader_is_dropped<E: Env>(env: E) -> Outcome {
    let (bus, driver) = env.builder("main").with_driver();
    let (log, alive) = (Log::new(), Alive::default());
    bus.on(logging(&log));
    let arrivals = bus.events(1, Overflow::Wait);
    for number in 1..=3 {
        bus.dispatch(Tick(number))?;
    }
    env.spawn(driver);
    env.sleep(5).await;
    assert_eq!((log.len(), alive.others()), (0, 0));
    drop(arrivals);
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(log.items(), [1, 2, 3]);
    Ok(())
}

/// Returns what a late reader finds of six events in a stream of two, and how many it missed.
async fn late<E: Env>(env: E, overflow: Overflow) -> Result<(Vec<u32>, u64), busway::BoxError> {
    let bus = env.bus("main");
    let log = Log::new();
    bus.on(logging(&log));
    let mut arrivals = bus.events_of::<Tick>(2, overflow);
    for number in 1..=6 {
        run(&bus, Tick(number)).await?;
    }
    assert_eq!(log.len(), 6, "nobody waits for this reader");
    let dropped = arrivals.dropped();
    let mut found = Vec::new();
    while arrivals.unread() > 0 {
        found.extend(arrivals.next().await.map(|tick| tick.0));
    }
    run(&bus, Tick(7)).await?;
    assert_eq!(arrivals.next().await.map(|tick| tick.0), Some(7), "there is room again");
    assert_eq!(arrivals.dropped(), dropped);
    Ok((found, dropped))
}

async fn r28_drop_oldest_keeps_the_newest<E: Env>(env: E) -> Outcome {
    assert_eq!(late(env, Overflow::DropOldest).await?, (vec![5, 6], 4));
    Ok(())
}

async fn r28_drop_newest_keeps_the_oldest<E: Env>(env: E) -> Outcome {
    assert_eq!(late(env, Overflow::DropNewest).await?, (vec![1, 2], 4));
    Ok(())
}

async fn r28_a_stream_is_in_order_and_ends_with_the_bus<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let arrivals = bus.events(100, Overflow::DropNewest);
    let reader = env.task(arrivals.map(|event| event.id()).collect::<Vec<_>>());
    let mut sent = Vec::new();
    for number in 0..50 {
        sent.push(bus.dispatch(Tick(number))?.id());
    }
    sent.push(bus.dispatch(Noise)?.id());
    bus.stop(None, false).await;
    assert_eq!(reader.await, sent);
    Ok(())
}

async fn r28_of_one_type_only<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let mut ticks = bus.events_of::<Tick>(1, Overflow::DropNewest);
    for _ in 0..5 {
        run(&bus, Noise).await?;
    }
    run(&bus, Tick(9)).await?;
    assert_eq!((ticks.unread(), ticks.dropped()), (1, 0));
    assert_eq!(ticks.next().await.map(|tick| tick.0), Some(9));
    Ok(())
}
