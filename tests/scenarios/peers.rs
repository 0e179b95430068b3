//! Common complaints about such buses, which ours avoids. Those about addresses are tested with
//! addresses.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use busway::{
    AnyEvent, Cause, DispatchError, Event, EventBus, EventHandle, EventStatus, HandlerError, Limit,
    Overflow, ResultError, RunError, WaitError,
};
use futures_util::future::poll_immediate;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Barrier;

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Alive, Gate, Log, all, collecting};

scenarios!(
    peer_awaiting_a_child_runs_nothing_else_on_any_bus,
    peer_awaiting_a_forwarded_event_waits_for_the_target,
    peer_a_hundred_pending_are_a_hundred,
    peer_the_recursion_guard_leaves_nothing_pending,
    peer_a_parents_timeout_ends_the_awaited_child,
    peer_what_stop_drops_wakes_its_waiters,
    peer_stopping_one_bus_leaves_cancellation_to_the_other,
    peer_awaiting_ones_own_event_fails_at_once,
    peer_expect_resolves_at_dispatch,
    peer_buses_overlap_and_idle_needs_no_polling,
    peer_a_full_history_refuses_nothing,
    peer_a_bus_that_is_gone_is_an_error_not_a_panic,
    peer_timers_work_in_handlers_and_nested_awaits_starve_nobody,
    peer_a_panic_is_a_panic_and_a_timeout_ends_the_handler,
    peer_no_payload_is_copied_or_serialised,
    peer_a_slow_receiver_loses_nothing_in_silence,
    peer_a_request_to_oneself_works,
    peer_queues_are_bounded,
    peer_every_event_has_an_id_of_its_own,
    peer_unsubscribing_leaks_nothing,
    peer_a_deadlock_says_what_waits_for_what,
);

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

#[derive(Event)]
#[event(output = u32)]
struct Parent(u32);

fn logging(log: &Log<u32>) -> impl Fn(EventHandle<Work>) -> u32 + Send + Sync + 'static {
    let log = log.clone();
    move |work| {
        log.push(work.0);
        work.0
    }
}

fn timed_out(event: &EventHandle<Parent>) -> bool {
    matches!(event.results()[0].error(), Some(HandlerError::TimedOut { .. }))
}

async fn peer_awaiting_a_child_runs_nothing_else_on_any_bus<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").build());
    let (log, gate) = (Log::new(), Gate::closed());
    one.on(logging(&log));
    two.on(logging(&log));
    let waits = Gate::closed();
    let (other, queued, seen, raised) = (two.clone(), gate.clone(), log.clone(), waits.clone());
    one.on(move |parent: EventHandle<Parent>| {
        let (other, queued, seen, raised) =
            (other.clone(), queued.clone(), seen.clone(), raised.clone());
        async move {
            queued.pass().await;
            parent.run(Work(1)).await?;
            let second = other.dispatch(Work(2))?;
            let mut second = pin!(second.wait());
            // Its first poll raises the event. Its bus is busy until then.
            assert!(poll_immediate(second.as_mut()).await.is_none());
            raised.open();
            second.await?;
            seen.push(3u32);
            busway::ok(())
        }
    });
    // The other bus is busy, and has something queued.
    let busy = Gate::closed();
    let free = busy.clone();
    two.on(move |_: EventHandle<Parent>| {
        let free = free.clone();
        async move { free.pass().await }
    });
    let (parent, blocks) = (one.dispatch(Parent(0))?, two.dispatch(Parent(0))?);
    let queue = [one.dispatch(Work(8))?, two.dispatch(Work(9))?];
    env.until(|| blocks.status() == EventStatus::Started).await;
    gate.open();
    waits.pass().await;
    assert_eq!(log.items(), [1]);
    busy.open();
    parent.await?.result_opt()?;
    all(queue).await?;
    blocks.await?;
    let order = log.items();
    let at = |number| order.iter().position(|seen| *seen == number).expect("it ran");
    assert_eq!(order[..2], [1, 2], "{order:?}");
    assert!(at(3) < at(8), "{order:?}");
    Ok(())
}

async fn peer_awaiting_a_forwarded_event_waits_for_the_target<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").build());
    one.forward("*", &two)?;
    two.on(move |work: EventHandle<Work>| async move {
        env.sleep(2).await;
        work.0
    });
    let event = run(&one, Work(5)).await?;
    assert_eq!(event.result()?, 5);
    assert_eq!(event.parent_id(), None);
    assert!(one.wait_until_idle(None).await? && two.wait_until_idle(None).await?);
    Ok(())
}

async fn peer_a_hundred_pending_are_a_hundred<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(gate.holds::<Work>());
    let events: Vec<_> = (0..100).map(|n| bus.dispatch(Work(n))).collect::<Result<_, _>>()?;
    let refused = bus.dispatch(Work(100)).unwrap_err();
    assert!(matches!(refused, DispatchError::Full { event: Work(100), limit: 100 }));
    gate.open();
    all(events).await?;
    bus.dispatch(Work(100))?;
    Ok(())
}

async fn peer_the_recursion_guard_leaves_nothing_pending<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").max_depth(Some(5)).build();
    bus.on(|parent: EventHandle<Parent>| async move {
        match parent.run(Parent(parent.0 + 1)).await {
            Ok(below) => busway::ok(below.result()?),
            Err(RunError::Dispatch(DispatchError::TooDeep { depth, limit, .. })) => {
                assert_eq!((depth, limit), (6, 5));
                Ok(parent.0)
            }
            Err(other) => Err(other.to_string().into()),
        }
    });
    assert_eq!(run(&bus, Parent(0)).await?.result()?, 5);
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(bus.history().len(), 6);
    Ok(())
}

async fn peer_a_parents_timeout_ends_the_awaited_child<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    let waits = |parent: EventHandle<Parent>| async move {
        busway::ok(parent.run(Work(1)).await?.result()?)
    };
    bus.handler(waits).limit(Limit::After(env.ticks(2))).register();
    let watch = env.watch();
    let parent = run(&bus, Parent(0)).await?;
    watch.took(env.ticks(2));
    assert!(timed_out(&parent));
    let child = bus.find::<Work>().newest().ok_or("the child")?;
    assert_eq!((child.status(), child.cause()), (EventStatus::Completed, Some(Cause::Aborted)));
    assert!(bus.wait_until_idle(None).await?);
    Ok(())
}

async fn peer_what_stop_drops_wakes_its_waiters<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    let waits = [1, 2, 3].map(|n| bus.dispatch(Work(n)).map(|event| env.task(event.wait())));
    env.sleep(1).await;
    bus.stop(None, false).await;
    for wait in waits {
        assert!(matches!(
            wait?.await?.result(),
            Err(ResultError::Ended { .. } | ResultError::Failed { .. })
        ));
    }
    Ok(())
}

async fn peer_stopping_one_bus_leaves_cancellation_to_the_other<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").build());
    let waits = |_: EventHandle<Parent>| std::future::pending::<u32>();
    two.handler(waits).limit(Limit::After(env.ticks(3))).register();
    let event = two.dispatch(Parent(0))?;
    run(&one, Work(1)).await?;
    one.stop(None, true).await;
    drop(one);
    assert!(timed_out(&event.await?));
    Ok(())
}

async fn peer_awaiting_ones_own_event_fails_at_once<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let polls = Log::<u32>::new();
    let seen = polls.clone();
    bus.on(move |work: EventHandle<Work>| {
        let seen = seen.clone();
        async move {
            let mut wait = work.wait();
            std::future::poll_fn(|cx| {
                seen.push(1u32);
                wait.poll_unpin(cx)
                    .map(|waited| assert!(matches!(waited, Err(WaitError::Deadlock { .. }))))
            })
            .await;
        }
    });
    let watch = env.watch();
    let event = run(&bus, Work(1)).await?;
    if E::HAS_PAUSED_CLOCK {
        watch.took(Duration::ZERO);
    }
    event.result_opt()?;
    assert_eq!(polls.len(), 1);
    Ok(())
}

async fn peer_expect_resolves_at_dispatch<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(gate.holds::<Work>());
    let expected = bus.expect::<Work>();
    let sent = bus.dispatch(Work(1))?;
    assert_eq!(expected.now_or_never().ok_or("at dispatch")??.id(), sent.id());
    gate.open();
    assert_eq!(sent.await?.results().len(), 1);
    Ok(())
}

async fn peer_buses_overlap_and_idle_needs_no_polling<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let both = Arc::new(Barrier::new(2));
    let buses = ["one", "two"].map(|name| hub.bus(name).build());
    for bus in &buses {
        let both = both.clone();
        bus.on(move |_: EventHandle<Work>| {
            let both = both.clone();
            async move {
                both.wait().await;
                env.sleep_for(Duration::from_millis(7)).await;
            }
        });
    }
    let watch = env.watch();
    let _events = [buses[0].dispatch(Work(1))?, buses[1].dispatch(Work(2))?];
    for bus in &buses {
        assert!(bus.wait_until_idle(None).await?);
    }
    // Seven milliseconds on a clock that only moves when everything sleeps: nothing polled later.
    watch.took(Duration::from_millis(7));
    Ok(())
}

async fn peer_a_full_history_refuses_nothing<E: Env>(env: E) -> Outcome {
    for limit in [0, 1] {
        let bus = env.builder("main").max_history(Some(limit)).build();
        bus.on(|work: EventHandle<Work>| work.0);
        let events: Vec<_> = (0..100).map(|n| bus.dispatch(Work(n))).collect::<Result<_, _>>()?;
        for (number, event) in (0..).zip(all(events).await?) {
            assert_eq!(event.result()?, number);
        }
        assert_eq!(bus.history().len(), limit);
    }
    Ok(())
}

async fn peer_a_bus_that_is_gone_is_an_error_not_a_panic<E: Env>(env: E) -> Outcome {
    let (bus, driver) = env.builder("main").with_driver();
    let event = bus.dispatch(Work(1))?;
    drop(driver);
    let refused: DispatchError<Work> = bus.dispatch(Work(2)).unwrap_err();
    assert!(matches!(refused, DispatchError::Stopped { event: Work(2) }));
    let late = bus.on(|work: EventHandle<Work>| work.0);
    drop(bus);
    late.off();
    // The remaining handles still answer.
    let event = event.await?;
    assert_eq!(event.cause(), Some(Cause::Stopped));
    assert!(matches!(event.dispatch(Work(3)), Err(DispatchError::Stopped { .. })));
    assert!(event.children().is_empty());
    assert_eq!(event.path(), ["main"]);
    Ok(())
}

async fn peer_timers_work_in_handlers_and_nested_awaits_starve_nobody<E: Env>(env: E) -> Outcome {
    // Two buses wait for each other's events, two hundred levels deep, on two threads at most.
    let hub = env.hub();
    let buses = ["one", "two"].map(|name| hub.bus(name).limit(Limit::Off).build());
    for (bus, other) in [(&buses[0], &buses[1]), (&buses[1], &buses[0])] {
        let other = other.downgrade();
        bus.on(move |parent: EventHandle<Parent>| {
            let other = other.upgrade().expect("the test holds it");
            async move {
                env.sleep_for(Duration::from_micros(10)).await;
                match parent.0 {
                    0 => Ok(0),
                    left => busway::ok(other.run(Parent(left - 1)).await?.result()? + 1),
                }
            }
        });
    }
    assert_eq!(run(&buses[0], Parent(200)).await?.result()?, 200);
    Ok(())
}

async fn peer_a_panic_is_a_panic_and_a_timeout_ends_the_handler<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let alive = Alive::default();
    let held = alive.clone();
    bus.on(|_: EventHandle<Work>| -> u32 { panic!("out of cheese") });
    let runs = move |_: EventHandle<Parent>| {
        let held = held.clone();
        async move {
            let _held = held;
            std::future::pending::<u32>().await
        }
    };
    bus.handler(runs).limit(Limit::After(env.ticks(1))).register();
    let Err(ResultError::Failed { error, .. }) = run(&bus, Work(1)).await?.result() else {
        panic!("all is well?");
    };
    assert!(matches!(&error, HandlerError::Panicked { message } if &**message == "out of cheese"));
    assert!(timed_out(&run(&bus, Parent(1)).await?));
    env.until(|| alive.others() == 1).await;
    Ok(())
}

/// Neither `Clone` nor `Debug` nor anything of serde.
#[derive(Event)]
struct Opaque {
    callback: Box<dyn Fn() -> u32 + Send + Sync>,
}

async fn peer_no_payload_is_copied_or_serialised<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let seen = Log::<usize>::new();
    for _ in 0..2 {
        let seen = seen.clone();
        bus.on(move |opaque: EventHandle<Opaque>| {
            assert_eq!((opaque.callback)(), 42);
            seen.push(std::ptr::from_ref(opaque.payload()).addr());
        });
    }
    let event = run(&bus, Opaque { callback: Box::new(|| 42) }).await?;
    event.result_opt()?;
    assert_eq!(seen.items(), [std::ptr::from_ref(event.payload()).addr(); 2]);
    Ok(())
}

async fn peer_a_slow_receiver_loses_nothing_in_silence<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let mut loses = bus.events(3, Overflow::DropOldest);
    for number in 0..10 {
        run(&bus, Work(number)).await?;
    }
    assert_eq!((loses.unread(), loses.dropped()), (3, 7));
    let first: AnyEvent = loses.next().await.ok_or("open")?;
    assert_eq!(first.downcast::<Work>().map(|work| work.0), Some(7));
    drop(loses);
    // A reader that loses nothing holds the bus back instead.
    let keeps = bus.events_of::<Work>(1, Overflow::Wait);
    for number in 0..10 {
        bus.dispatch(Work(number))?;
    }
    let numbers: Vec<_> = keeps.take(10).map(|work| work.0).collect().await;
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert!(bus.wait_until_idle(None).await?);
    Ok(())
}

async fn peer_a_request_to_oneself_works<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|parent: EventHandle<Parent>| async move {
        match parent.0 {
            0 => Ok(0),
            left => {
                // Without naming the parent.
                let bus: EventBus = parent.bus().ok_or("in a handler")?;
                busway::ok(bus.run(Parent(left - 1)).await?.result()? + 10)
            }
        }
    });
    assert_eq!(run(&bus, Parent(3)).await?.result()?, 30);
    Ok(())
}

async fn peer_queues_are_bounded<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").max_pending(Some(2)).max_pending_children(Some(3)).build();
    bus.on(|_: EventHandle<Work>| {});
    bus.on(|parent: EventHandle<Parent>| async move {
        for number in 0..3 {
            parent.dispatch(Work(number))?;
        }
        match parent.dispatch(Work(3)) {
            Err(DispatchError::Full { event, limit }) => busway::ok(event.0 + limit as u32),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(run(&bus, Parent(0)).await?.result()?, 6);
    // A sender that waits instead of being refused.
    for number in 0..20 {
        bus.dispatch_wait(Work(number)).await?;
        assert!(bus.pending() <= 2);
    }
    assert!(bus.wait_until_idle(None).await?);
    Ok(())
}

async fn peer_every_event_has_an_id_of_its_own<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").max_pending(None).build();
    let ids: Vec<_> = (0..1_000)
        .map(|n| Ok(bus.dispatch(Work(n))?.id()))
        .collect::<Result<_, busway::BoxError>>()?;
    assert!(ids.is_sorted());
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
    Ok(())
}

async fn peer_unsubscribing_leaks_nothing<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let alive = Alive::default();
    let subscribe = || {
        let held = alive.clone();
        bus.on(move |work: EventHandle<Work>| {
            let _held = &held;
            work.0
        })
    };
    let (kept, ended, guarded) = (subscribe(), subscribe(), subscribe().guard());
    assert_eq!(run(&bus, Work(1)).await?.results().len(), 3);
    ended.off();
    ended.off();
    assert_eq!((alive.others(), run(&bus, Work(1)).await?.results().len()), (2, 2));
    drop((guarded, kept));
    // Dropping a subscription keeps it; dropping its guard does not.
    assert_eq!((alive.others(), bus.handler_count()), (1, 1));
    assert_eq!(run(&bus, Work(1)).await?.results().len(), 1);
    Ok(())
}

async fn peer_a_deadlock_says_what_waits_for_what<E: Env>(env: E) -> Outcome {
    let (builder, warnings) = collecting(env.builder("main"));
    let bus = builder.build();
    let parents = Log::<EventHandle<Parent>>::new();
    let known = parents.clone();
    bus.on(move |_: EventHandle<Work>| {
        let parent = known.items().remove(0);
        async move {
            let Err(error) = parent.await else { panic!("it waits for this one") };
            let text = error.to_string();
            assert!(text.starts_with("deadlock: ") && text.ends_with("Work <- Parent"), "{text}");
        }
    });
    let known = parents.clone();
    bus.on(move |parent: EventHandle<Parent>| {
        known.push(parent.clone());
        async move {
            let child = parent.run(Work(1)).await?;
            busway::ok(child.result_opt()?)
        }
    });
    run(&bus, Parent(0)).await?.result_opt()?;
    assert_eq!(warnings.items(), [""; 0], "only what is one is called one");
    Ok(())
}
