//! An event that is cancelled ends as one whose deadline passes (R22, R23).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::{
    Cause, Event, EventHandle, EventStatus, HandlerError, Limit, Message, RequestError, Retry,
};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Alive, Gate, Log};

scenarios!(
    r22_cancelling_ends_what_runs_and_what_has_not_started,
    r22_a_queued_event_that_is_cancelled_never_starts,
    r22_an_event_is_cancelled_on_all_its_buses,
    r22_a_handler_cancels_its_own_event,
    r22_what_the_drop_of_a_handler_cancels_is_not_called,
    r22_a_cancelled_handler_is_not_retried,
    r22_a_cancelled_request_says_so,
    r23_an_awaited_child_ends_with_a_cancelled_event_and_another_goes_on,
);

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

#[derive(Event)]
struct Part(bool);

fn was_aborted(event: &EventHandle<Work>, row: usize) -> bool {
    let error = event.results()[row].error();
    matches!(error, Some(HandlerError::Aborted { cause: Cause::Cancelled }))
}

async fn starts<E: Env>(env: E, event: &EventHandle<Work>) {
    while event.status() == EventStatus::Pending {
        env.sleep(1).await;
    }
}

async fn r22_cancelling_ends_what_runs_and_what_has_not_started<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let alive = Alive::default();
    let holds = alive.clone();
    bus.on(move |work: EventHandle<Work>| {
        let held = holds.clone();
        async move {
            if work.0 == 1 {
                std::future::pending::<()>().await;
            }
            drop(held);
        }
    });
    bus.on(|work: EventHandle<Work>| work.0);
    let (first, second) = (bus.dispatch(Work(1))?, bus.dispatch(Work(2))?);
    starts(env, &first).await;

    assert!(first.cancel());
    if E::HAS_PAUSED_CLOCK {
        // Nobody else polls: its future is gone. The handler has one, from which it clones.
        assert_eq!(alive.others(), 1);
    }
    let first = first.await?;
    assert_eq!(first.cause(), Some(Cause::Cancelled));
    assert!(was_aborted(&first, 0));
    let not_started = first.results()[1].error();
    assert!(matches!(not_started, Some(HandlerError::Cancelled { cause: Cause::Cancelled })));
    assert!(first.result().is_err());
    assert!(!first.cancel(), "it has ended");

    assert_eq!(second.await?.result()?, 2);
    // The handler's own, which it clones from.
    assert_eq!(alive.others(), 1);
    Ok(())
}

async fn r22_a_queued_event_that_is_cancelled_never_starts<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (gate, log) = (Gate::closed(), Log::<u32>::new());
    bus.on(gate.holds::<Part>());
    let ran = log.clone();
    bus.on(move |work: EventHandle<Work>| ran.push(work.0));
    bus.dispatch(Part(true))?;
    let events = [1, 2, 3].map(|number| bus.dispatch(Work(number)));
    let [first, second, third] = events.map(|sent| sent.expect("the bus has room"));

    assert!(second.cancel());
    let second = second.await?;
    assert_eq!((second.cause(), second.started_at()), (Some(Cause::Cancelled), None));
    assert_eq!(first.status(), EventStatus::Pending);
    gate.open();
    first.await?;
    third.await?;
    assert_eq!(log.items(), [1, 3]);
    Ok(())
}

async fn r22_an_event_is_cancelled_on_all_its_buses<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let [shop, audit] = ["shop", "audit"].map(|name| hub.bus(name).build());
    for bus in [&shop, &audit] {
        bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    }
    shop.forward("Work", &audit)?;
    let stuck = audit.dispatch(Work(0))?;
    let event = shop.dispatch(Work(1))?;
    starts(env, &event).await;
    starts(env, &stuck).await;
    assert!(event.cancel());
    let event = event.await?;
    assert_eq!(event.cause(), Some(Cause::Cancelled));
    assert!(was_aborted(&event, 0));
    assert_eq!(stuck.status(), EventStatus::Started, "another event of that bus");
    assert!(stuck.cancel());
    stuck.await?;
    Ok(())
}

async fn r22_a_handler_cancels_its_own_event<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let log = Log::<u32>::new();
    let steps = log.clone();
    bus.on(move |work: EventHandle<Work>| {
        let steps = steps.clone();
        async move {
            assert!(work.cancel());
            steps.push(1u32);
            env.sleep(1).await;
            steps.push(2u32);
        }
    });
    let event = run(&bus, Work(1)).await?;
    assert!(was_aborted(&event, 0));
    env.sleep(3).await;
    assert_eq!(log.items(), [1], "it is dropped when the poll under way returns");
    Ok(())
}

async fn r22_what_the_drop_of_a_handler_cancels_is_not_called<E: Env>(env: E) -> Outcome {
    struct Cancels(Arc<Mutex<Option<EventHandle<Part>>>>);
    impl Drop for Cancels {
        fn drop(&mut self) {
            let next = self.0.lock().unwrap().take();
            assert!(next.is_none_or(|next| next.cancel()));
        }
    }
    let bus = env.bus("main");
    let (next, log) = (Arc::new(Mutex::new(None)), Log::<bool>::new());
    let cancels = next.clone();
    bus.on(move |_: EventHandle<Work>| {
        let cancels = Cancels(cancels.clone());
        async move {
            std::future::pending::<()>().await;
            drop(cancels);
        }
    });
    let called = log.clone();
    bus.on(move |part: EventHandle<Part>| called.push(part.0));
    let work = bus.event(Work(1)).limit(Limit::After(env.ticks(3))).dispatch()?;
    let part = bus.dispatch(Part(true))?;
    *next.lock().unwrap() = Some(part.clone());
    work.await?;
    assert_eq!(part.await?.cause(), Some(Cause::Cancelled));
    bus.wait_until_idle(None).await?;
    assert_eq!(log.len(), 0);
    Ok(())
}

async fn r22_a_cancelled_handler_is_not_retried<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let log = Log::<u32>::new();
    let tries = log.clone();
    let policy = Retry::new().retries(5).wait(Duration::from_secs(3_600));
    let fails = move |work: EventHandle<Work>| {
        tries.push(work.0);
        Err::<u32, _>("not yet")
    };
    bus.handler(fails).retry(policy).register();
    let event = bus.dispatch(Work(7))?;
    while log.len() == 0 {
        env.sleep(1).await;
    }
    assert!(event.cancel());
    assert!(was_aborted(&event.await?, 0));
    assert_eq!(log.items(), [7]);
    Ok(())
}

async fn r22_a_cancelled_request_says_so<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.consumer("stuck", move |number: Message<u32>| async move {
        env.sleep(1).await;
        assert!(number.event().cancel());
        std::future::pending::<Result<u32, busway::BoxError>>().await
    })?;
    let answer = bus.request::<u32, u32>("stuck", 1).await;
    assert!(
        matches!(answer, Err(RequestError::Ended { cause: Cause::Cancelled, .. })),
        "{answer:?}"
    );
    Ok(())
}

async fn r23_an_awaited_child_ends_with_a_cancelled_event_and_another_goes_on<E: Env>(
    env: E,
) -> Outcome {
    let bus = env.bus("main");
    let (gate, waiting) = (Gate::closed(), Log::<u32>::new());
    let passes = gate.clone();
    bus.on(move |part: EventHandle<Part>| {
        let gate = passes.clone();
        async move {
            match part.0 {
                true => std::future::pending().await,
                false => gate.pass().await,
            }
        }
    });
    let waits = waiting.clone();
    bus.on(move |work: EventHandle<Work>| {
        let waits = waits.clone();
        async move {
            work.dispatch(Part(false))?;
            let awaited = work.dispatch(Part(true))?;
            waits.push(1u32);
            awaited.await?;
            busway::ok(0)
        }
    });
    let event = bus.dispatch(Work(1))?;
    while waiting.len() == 0 {
        env.sleep(1).await;
    }
    let [goes_on, awaited] = &event.children()[..] else { panic!("there are two children") };
    while awaited.status() == EventStatus::Pending {
        env.sleep(1).await;
    }
    assert!(event.cancel());
    assert_eq!(awaited.wait().await?.cause(), Some(Cause::Aborted));
    assert_eq!(event.status(), EventStatus::Started, "it waits for the other one");
    assert!(!event.cancel(), "nothing of its own is left");
    gate.open();
    assert_eq!(event.await?.cause(), Some(Cause::Cancelled));
    assert_eq!((goes_on.status(), goes_on.cause()), (EventStatus::Completed, None));
    Ok(())
}
