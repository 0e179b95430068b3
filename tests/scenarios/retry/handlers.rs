//! R45 as an option of handlers.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use busway::{
    BoxError, Cause, Event, EventHandle, EventStatus, HandlerError, Limit, ResultStatus, Retry,
    SemaphoreError, SemaphoreScope,
};

use super::{Room, name};
use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, Log, collecting};

scenarios!(
    s110_a_handler_is_tried_three_times_and_answers,
    s112_a_try_over_its_time_is_a_result_of_that_kind,
    r45_a_handler_that_is_given_up_says_how_often_and_how_long_it_was_tried,
    r45_only_errors_that_are_worth_it,
    r45_a_panic_is_not_tried_again,
    r45_plain_functions_too,
    r22_the_limit_covers_all_tries,
    r23_what_a_try_was_awaiting_is_aborted_with_it,
    r32_a_rest_ends_with_the_bus,
    r46_a_handler_without_a_slot_fails_untried,
    r46_or_goes_on_with_a_warning,
    r46_handlers_of_many_buses_share_a_semaphore,
    s109_a_service_has_slots_of_its_own,
);

#[derive(Event)]
#[event(output = u32)]
struct Fetch;

#[derive(Event)]
#[event(output = u32)]
struct Part;

/// Fails this many times, and notes when it is called.
fn flaky<E: Env>(
    env: E,
    failures: u32,
    calls: &Log<u64>,
) -> impl Fn(EventHandle<Fetch>) -> futures_util::future::BoxFuture<'static, io::Result<u32>>
+ Send
+ Sync
+ 'static {
    let calls = calls.clone();
    let watch = Arc::new(env.watch());
    move |_| {
        calls.push(u64::try_from(watch.elapsed().as_millis()).unwrap());
        let made = u32::try_from(calls.len()).unwrap();
        Box::pin(async move {
            match made <= failures {
                true => Err(io::Error::new(io::ErrorKind::NotFound, format!("down {made}"))),
                false => Ok(made),
            }
        })
    }
}

async fn s110_a_handler_is_tried_three_times_and_answers<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let calls = Log::new();
    let policy = Retry::new().retries(2).wait(env.ticks(2)).backoff_factor(1.0);
    bus.handler(flaky(env, 2, &calls)).retry(policy).register();
    let event = run(&bus, Fetch).await?;
    assert_eq!(event.result()?, 3);
    let result = &event.results()[0];
    assert_eq!((result.tries(), result.status()), (3, ResultStatus::Completed));
    let wait = u64::try_from(env.ticks(2).as_millis())?;
    let calls = calls.items();
    assert!(calls.windows(2).all(|pair| pair[1] - pair[0] >= wait), "{calls:?}");
    if E::HAS_PAUSED_CLOCK {
        assert_eq!(calls, [0, wait, 2 * wait]);
    }
    Ok(())
}

async fn s112_a_try_over_its_time_is_a_result_of_that_kind<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let limit = env.ticks(1);
    let hangs = move |_: EventHandle<Fetch>| async move {
        env.sleep(1_000_000).await;
        1
    };
    bus.handler(hangs).retry(Retry::new().retries(0).timeout(limit)).register();
    let watch = env.watch();
    let event = run(&bus, Fetch).await?;
    watch.took(limit);
    let result = &event.results()[0];
    assert_eq!((result.tries(), result.status()), (1, ResultStatus::Error));
    assert!(matches!(result.error(), Some(HandlerError::TimedOut { limit: of }) if of == limit));
    Ok(())
}

async fn r45_a_handler_that_is_given_up_says_how_often_and_how_long_it_was_tried<E: Env>(
    env: E,
) -> Outcome {
    let bus = env.bus("main");
    bus.handler(flaky(env, 9, &Log::new())).retry(Retry::new().wait(env.ticks(1))).register();
    let event = run(&bus, Fetch).await?;
    assert_eq!(event.results()[0].tries(), 4);
    let error = event.results()[0].error().ok_or("it failed")?;
    let HandlerError::GaveUp { tries: 4, elapsed, .. } = &error else { panic!("{error:?}") };
    assert!(*elapsed >= env.ticks(3));
    assert!(matches!(error.last(), HandlerError::Failed(_)));
    for found in [error.downcast_ref::<io::Error>(), error.source().unwrap().downcast_ref()] {
        assert_eq!(found.unwrap().kind(), io::ErrorKind::NotFound);
    }
    if E::HAS_PAUSED_CLOCK {
        assert_eq!(error.to_string(), "gave up after 4 tries over 3s: down 4");
    }
    Ok(())
}

async fn r45_only_errors_that_are_worth_it<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let is_found = |error: &HandlerError| {
        error
            .downcast_ref::<io::Error>()
            .is_none_or(|error| error.kind() != io::ErrorKind::NotFound)
    };
    bus.handler(flaky(env, 9, &Log::new())).retry(Retry::new().retry_on(is_found)).register();
    let event = run(&bus, Fetch).await?;
    assert_eq!(event.results()[0].tries(), 1);
    assert!(matches!(event.results()[0].error(), Some(HandlerError::Failed(_))));
    Ok(())
}

async fn r45_a_panic_is_not_tried_again<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let calls = Arc::new(AtomicU32::new(0));
    let called = calls.clone();
    let handler = move |_: EventHandle<Fetch>| {
        let number = called.fetch_add(1, Ordering::SeqCst);
        async move {
            if number == 1 {
                panic!("the second time");
            }
            Err::<u32, BoxError>("the first time".into())
        }
    };
    let policy =
        Retry::new().wait(env.ticks(1)).semaphore_limit(1).semaphore_name(name::<E>("panic"));
    bus.handler(handler).retry(policy.clone()).register();
    let event = run(&bus, Fetch).await?;
    let error = event.results()[0].error().ok_or("it failed")?;
    assert!(matches!(error.last(), HandlerError::Panicked { .. }), "{error:?}");
    assert_eq!((event.results()[0].tries(), calls.load(Ordering::SeqCst)), (2, 2));
    // The slot is free again.
    policy
        .semaphore_lax(false)
        .semaphore_timeout(env.ticks(0))
        .run(async || busway::ok(()))
        .await?;
    Ok(())
}

async fn r45_plain_functions_too<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let calls = AtomicU32::new(0);
    let plain = move |_: EventHandle<Fetch>| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Err("the first time"),
        made => Ok(made),
    };
    bus.handler(plain).retry(Retry::new().wait(env.ticks(1))).register();
    assert_eq!(run(&bus, Fetch).await?.result()?, 1);
    Ok(())
}

async fn r22_the_limit_covers_all_tries<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let limit = env.ticks(5);
    let policy = Retry::new().retries(100).wait(env.ticks(2));
    bus.handler(flaky(env, 100, &Log::new())).limit(Limit::After(limit)).retry(policy).register();
    let watch = env.watch();
    let event = run(&bus, Fetch).await?;
    watch.took(limit);
    let result = &event.results()[0];
    let error = result.error().ok_or("it failed")?;
    assert!(matches!(error.last(), HandlerError::TimedOut { limit: of } if *of == limit));
    assert!(!E::HAS_PAUSED_CLOCK || result.tries() == 3, "at 0, 2 and 4");
    Ok(())
}

async fn r23_what_a_try_was_awaiting_is_aborted_with_it<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    let opened = gate.clone();
    bus.on(move |_: EventHandle<Part>| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            7
        }
    });
    let awaited = Log::<EventHandle<Part>>::new();
    let children = awaited.clone();
    let waits = move |fetch: EventHandle<Fetch>| {
        let children = children.clone();
        async move {
            // Only the first one is awaited in time.
            let child = fetch.dispatch(Part)?;
            children.push(child.clone());
            busway::ok(child.await?.result()?)
        }
    };
    let policy = Retry::new().retries(1).wait(env.ticks(1)).timeout(env.ticks(50));
    bus.handler(waits).retry(policy).register();
    let fetch = bus.dispatch(Fetch)?;
    env.until(|| awaited.len() == 2).await;
    let children = awaited.items();
    assert_eq!(children[0].status(), EventStatus::Completed);
    let error = children[0].results()[0].error();
    assert!(matches!(error, Some(HandlerError::Aborted { cause: Cause::Aborted })), "{error:?}");
    opened.open();
    assert_eq!(fetch.await?.result()?, 7);
    Ok(())
}

async fn r32_a_rest_ends_with_the_bus<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let calls = Log::new();
    let policy = Retry::new().wait(env.ticks(1_000_000));
    bus.handler(flaky(env, 9, &calls)).retry(policy).register();
    let event = bus.dispatch(Fetch)?;
    env.until(|| calls.len() == 1).await;
    bus.stop_now();
    let error = event.await?.results()[0].error().ok_or("it was ended")?;
    assert!(matches!(error, HandlerError::Aborted { cause: Cause::Stopped }), "{error:?}");
    Ok(())
}

/// A semaphore whose only slot is taken while the gate is closed.
async fn taken<E: Env>(env: E, test: &str) -> (Gate, Retry) {
    let policy = Retry::new().timeout(None).semaphore_limit(1).semaphore_name(name::<E>(test));
    let (gate, entered) = (Gate::closed(), Gate::closed());
    let (holds, holder, enters) = (policy.clone(), gate.clone(), entered.clone());
    env.spawn(async move {
        let hold = async || {
            enters.open();
            holder.pass().await;
            busway::ok(())
        };
        holds.run(hold).await.expect("it holds the slot");
    });
    entered.pass().await;
    (gate, policy.semaphore_timeout(env.ticks(2)))
}

async fn r46_a_handler_without_a_slot_fails_untried<E: Env>(env: E) -> Outcome {
    let (_gate, policy) = taken(env, "strict").await;
    let bus = env.bus("main");
    let calls = Log::new();
    bus.handler(flaky(env, 0, &calls)).retry(policy.semaphore_lax(false)).register();
    let watch = env.watch();
    let event = run(&bus, Fetch).await?;
    watch.took(env.ticks(2));
    let result = &event.results()[0];
    assert_eq!((result.tries(), calls.len()), (0, 0));
    let error = result.error().ok_or("it failed")?;
    let error = error.downcast_ref::<SemaphoreError>().ok_or("no slot")?;
    let waited = env.ticks(2);
    assert!(
        matches!(error, SemaphoreError::TimedOut { limit: 1, waited: of, .. } if *of == waited)
    );
    Ok(())
}

async fn r46_or_goes_on_with_a_warning<E: Env>(env: E) -> Outcome {
    let (_gate, policy) = taken(env, "lax").await;
    let (builder, warnings) = collecting(env.builder("main"));
    let bus = builder.build();
    let told = Log::<String>::new();
    let tells = told.clone();
    let policy = policy.on_lax(move |error| tells.push(error.to_string()));
    bus.handler(flaky(env, 0, &Log::new())).named("fetching").retry(policy).register();
    let watch = env.watch();
    assert_eq!(run(&bus, Fetch).await?.result()?, 1);
    watch.took(env.ticks(2));
    assert_eq!(told.len(), 1);
    let warnings = warnings.items();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    let start = "bus main: fetching goes on without a slot: no slot of the semaphore lax on ";
    assert!(warning.starts_with(start), "{warning}");
    Ok(())
}

async fn r46_handlers_of_many_buses_share_a_semaphore<E: Env>(env: E) -> Outcome {
    let room = Room::default();
    let policy = Retry::new().semaphore_limit(2).semaphore_name(name::<E>("shared by buses"));
    let buses: Vec<_> = (0..5).map(|number| env.bus(&format!("bus{number}"))).collect();
    let mut events = Vec::new();
    for bus in &buses {
        let room = room.clone();
        let handler = move |_: EventHandle<Fetch>| {
            let room = room.clone();
            async move {
                let _guest = room.enter();
                env.sleep(1).await;
                1
            }
        };
        bus.handler(handler).retry(policy.clone()).register();
        events.push(bus.dispatch(Fetch)?);
    }
    crate::support::all(events).await?;
    assert_eq!((room.ever(), room.most(), room.now()), (5, 2, 0));
    Ok(())
}

struct Service<E>(Room, E);

impl<E: Env> Service<E> {
    async fn fetch(self: Arc<Self>, _: EventHandle<Fetch>) -> u32 {
        let _guest = self.0.enter();
        self.1.sleep(1).await;
        1
    }
}

async fn s109_a_service_has_slots_of_its_own<E: Env>(env: E) -> Outcome {
    let services: Vec<_> = (0..2).map(|_| Arc::new(Service(Room::default(), env))).collect();
    let mut events = Vec::new();
    let watch = env.watch();
    for number in 0..4 {
        let service = &services[number % 2];
        let bus = env.bus(&format!("bus{number}"));
        let policy = Retry::new()
            .semaphore_limit(1)
            .semaphore_name(name::<E>("service"))
            .semaphore_scope(SemaphoreScope::instance(service));
        bus.handler((service.clone(), Service::fetch)).retry(policy).register();
        events.push(bus.dispatch(Fetch)?);
    }
    crate::support::all(events).await?;
    watch.took(env.ticks(2));
    for service in services {
        assert_eq!((service.0.ever(), service.0.most()), (2, 1));
    }
    Ok(())
}
