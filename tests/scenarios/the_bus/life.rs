//! S1–S21: from registration to completion.

use std::sync::Arc;
use std::time::SystemTime;

use busway::{
    AnyEvent, DispatchError, Event, EventHandle, EventStatus, HandlerError, ResultStatus,
};
use futures_util::future::join_all;
use tokio::sync::Barrier;

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, Log, all};

scenarios!(
    s1_a_fresh_bus,
    s2_the_first_event_starts_it_and_a_second_stop_is_harmless,
    s3_no_handlers,
    s5_handlers_by_name_by_type_and_of_everything,
    s6_parallel_handlers_overlap,
    s7_a_plain_and_an_async_handler,
    s8_methods_and_associated_functions,
    s9_twenty_events_of_uneven_length_stay_in_order,
    s10_one_fails_and_the_next_runs,
    s11_three_events_are_joined,
    s12_idle_and_all_in_history,
    s13_dispatch_then_handler_then_await,
    s14_stop_with_five_queued,
    s15_a_nested_payload_comes_through_unchanged,
    s16_a_hundred_in_two_batches,
    s17_alternating_delays_stay_in_order,
    s18_the_type_name_is_kept,
    s19_the_schema_survives_dispatch,
    s20_the_name_is_the_type_unless_told_otherwise,
    s21_an_overridden_name_decides_who_handles,
);

#[derive(Event)]
#[event(output = u32)]
struct Job(u32);

#[derive(Event)]
struct Other;

async fn s1_a_fresh_bus<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    // There is no "running" to ask for: a bus that got no events has nothing pending.
    assert_eq!((bus.pending(), bus.history().len(), bus.handler_count()), (0, 0, 0));
    assert!(!bus.is_stopped());
    assert!(bus.wait_until_idle(None).await?);
    Ok(())
}

async fn s2_the_first_event_starts_it_and_a_second_stop_is_harmless<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|job: EventHandle<Job>| job.0);
    assert_eq!(run(&bus, Job(2)).await?.result()?, 2);
    bus.stop(None, false).await;
    assert!(bus.is_stopped());
    bus.stop(None, false).await;
    bus.stop_now();
    assert!(bus.is_stopped());
    assert!(matches!(bus.dispatch(Job(3)), Err(DispatchError::Stopped { event: Job(3) })));
    Ok(())
}

async fn s3_no_handlers<E: Env>(env: E) -> Outcome {
    // Polled by hand, so that the event can be checked before it is handled.
    let (bus, driver) = env.builder("main").with_driver();
    let event = bus.dispatch(Other)?;
    assert_eq!(event.status(), EventStatus::Pending);
    assert_eq!((event.started_at(), event.completed_at()), (None, None));
    env.spawn(driver);
    let event = event.await?;
    assert_eq!(event.status(), EventStatus::Completed);
    assert!(event.started_at().is_some() && event.completed_at().is_some());
    assert!(event.results().is_empty());
    assert_eq!(bus.history().len(), 1);
    Ok(())
}

/// Not one of the `scenarios!`, as there is no runtime.
#[test]
fn s4_without_a_runtime_the_event_comes_back() {
    let bus = busway::EventBus::builder("main").runtime_source(busway::tokio::Tokio::latch).build();
    let refused = bus.dispatch(Job(4)).unwrap_err();
    assert!(matches!(refused, DispatchError::NoRuntime { .. }), "{refused:?}");
    assert!(refused.to_string().starts_with("no async runtime"), "{refused}");
    assert_eq!(refused.into_event().0, 4);
    assert!(bus.history().is_empty());
}

async fn s5_handlers_by_name_by_type_and_of_everything<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (by_name, by_type, any) = (Log::<&str>::new(), Log::<&str>::new(), Log::<&str>::new());
    let (names, types, all) = (by_name.clone(), by_type.clone(), any.clone());
    bus.on_name("Other", move |event: AnyEvent| names.push(event.event_type()));
    bus.on(move |job: EventHandle<Job>| types.push(job.event_type()));
    bus.on_any(move |event: AnyEvent| all.push(event.event_type()));
    run(&bus, Job(1)).await?;
    run(&bus, Other).await?;
    assert_eq!(by_name.items(), ["Other"]);
    assert_eq!(by_type.items(), ["Job"]);
    assert_eq!(any.items(), ["Job", "Other"]);
    Ok(())
}

async fn s6_parallel_handlers_overlap<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").parallel_handlers().build();
    let both = Arc::new(Barrier::new(2));
    for number in [1, 2] {
        let both = both.clone();
        bus.on(move |_: EventHandle<Job>| {
            let both = both.clone();
            async move {
                // Neither passes before the other has come.
                both.wait().await;
                env.sleep(1).await;
                number
            }
        });
    }
    let watch = env.watch();
    let event = run(&bus, Job(0)).await?;
    watch.took(env.ticks(1));
    assert_eq!(event.results_list()?, [1, 2]);
    Ok(())
}

async fn s7_a_plain_and_an_async_handler<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|job: EventHandle<Job>| job.0 + 1);
    bus.on(|job: EventHandle<Job>| async move { job.0 + 2 });
    assert_eq!(run(&bus, Job(10)).await?.results_list()?, [11, 12]);
    Ok(())
}

struct Service {
    base: u32,
}

impl Service {
    async fn add(self: Arc<Self>, job: EventHandle<Job>) -> u32 {
        self.base + job.0
    }

    fn add_plainly(self: Arc<Self>, job: EventHandle<Job>) -> Option<u32> {
        Some(self.base + job.0)
    }

    async fn of_the_type(job: EventHandle<Job>) -> u32 {
        size_of::<Self>() as u32 + job.0
    }
}

fn free(job: EventHandle<Job>) -> u32 {
    job.0
}

async fn s8_methods_and_associated_functions<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (one, two) = (Arc::new(Service { base: 100 }), Arc::new(Service { base: 200 }));
    bus.on((one.clone(), Service::add));
    bus.on((two, Service::add));
    bus.on((one, Service::add_plainly));
    bus.on(Service::of_the_type);
    bus.on(free);
    let event = run(&bus, Job(7)).await?;
    assert_eq!(event.results_list()?, [107, 207, 107, 11, 7]);
    let names: Vec<_> = event.results().iter().map(|row| row.handler_name().to_owned()).collect();
    assert_eq!(names[3..], ["Service::of_the_type", "free"]);
    Ok(())
}

async fn processed_in_order<E: Env>(env: E, delay: impl Fn(u32) -> u32) -> Outcome {
    let bus = env.bus("main");
    let order = Log::<u32>::new();
    let seen = order.clone();
    bus.on(move |job: EventHandle<Job>| {
        let seen = seen.clone();
        async move {
            env.sleep(job.0 % 10).await;
            seen.push(job.0 / 10);
        }
    });
    let events: Vec<_> =
        (0..20).map(|n| bus.dispatch(Job(n * 10 + delay(n)))).collect::<Result<_, _>>()?;
    let events = all(events).await?;
    assert_eq!(order.items(), (0..20).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(EventHandle::started_at));
    assert!(events.iter().all(|event| event.started_at().is_some()));
    Ok(())
}

async fn s9_twenty_events_of_uneven_length_stay_in_order<E: Env>(env: E) -> Outcome {
    processed_in_order(env, |n| [2, 0, 1][n as usize % 3]).await
}

async fn s17_alternating_delays_stay_in_order<E: Env>(env: E) -> Outcome {
    processed_in_order(env, |n| (n + 1) % 2).await
}

async fn s10_one_fails_and_the_next_runs<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Job>| async { Err::<u32, _>("expected to fail") });
    bus.on(|_: EventHandle<Job>| async { 2 });
    let event = run(&bus, Job(1)).await?;
    let [failed, worked] = &event.results()[..] else { panic!("two results") };
    assert_eq!(failed.status(), ResultStatus::Error);
    assert!(
        matches!(failed.error(), Some(HandlerError::Failed(e)) if e.to_string() == "expected to fail")
    );
    assert_eq!((worked.status(), worked.value()), (ResultStatus::Completed, Some(&2u32)));
    Ok(())
}

async fn s11_three_events_are_joined<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|job: EventHandle<Job>| job.0);
    let events = [bus.dispatch(Job(1))?, bus.dispatch(Job(2))?, bus.dispatch(Job(3))?];
    for event in join_all(events.iter().map(EventHandle::wait)).await {
        assert_eq!(event?.status(), EventStatus::Completed);
    }
    Ok(())
}

async fn s12_idle_and_all_in_history<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(move |_: EventHandle<Job>| async move { env.sleep(1).await });
    for number in 0..5 {
        bus.dispatch(Job(number))?;
    }
    assert!(bus.wait_until_idle(None).await?);
    let history = bus.history();
    let numbers: Vec<_> = history.iter().filter_map(|e| Some(e.downcast::<Job>()?.0)).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let of = |status| history.iter().filter(|event| event.status() == status).count();
    let counts = [EventStatus::Pending, EventStatus::Started, EventStatus::Completed].map(of);
    assert_eq!(counts, [0, 0, 5]);
    Ok(())
}

async fn s13_dispatch_then_handler_then_await<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (log, gate) = (Log::<&str>::new(), Gate::closed());
    let (seen, waiting) = (log.clone(), gate.clone());
    bus.on(move |_: EventHandle<Job>| {
        let (seen, waiting) = (seen.clone(), waiting.clone());
        async move {
            waiting.pass().await;
            seen.push("handled");
        }
    });
    let event = bus.dispatch(Job(1))?;
    log.push("dispatched");
    gate.open();
    event.await?;
    log.push("awaited");
    assert_eq!(log.items(), ["dispatched", "handled", "awaited"]);
    Ok(())
}

async fn s14_stop_with_five_queued<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
    let events: Vec<_> = (0..5).map(|n| bus.dispatch(Job(n))).collect::<Result<_, _>>()?;
    bus.stop(None, false).await;
    assert!(bus.is_stopped());
    for event in events {
        let ended = event.await?;
        assert!(ended.cause().is_some());
        assert!(ended.result().is_err());
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Null,
    At(SystemTime),
    List(Vec<Self>),
}

#[derive(Event)]
#[event(output = Tree)]
struct Carries(Tree);

async fn s15_a_nested_payload_comes_through_unchanged<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|event: EventHandle<Carries>| event.payload().0.clone());
    let sent = Tree::List(vec![Tree::Null, Tree::At(SystemTime::now()), Tree::List(vec![])]);
    let event = run(&bus, Carries(sent.clone())).await?;
    assert_eq!(event.0, sent);
    assert_eq!(event.result()?, sent);
    let remembered = bus.history().pop().and_then(|event| event.downcast::<Carries>());
    assert_eq!(remembered.map(|event| event.0.clone()), Some(sent));
    Ok(())
}

async fn s16_a_hundred_in_two_batches<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").max_history(Some(100)).build();
    bus.on(|job: EventHandle<Job>| job.0);
    for batch in [0..50, 50..100] {
        let events: Vec<_> = batch.map(|n| bus.dispatch(Job(n))).collect::<Result<_, _>>()?;
        all(events).await?;
    }
    assert_eq!(bus.history().len(), 100);
    Ok(())
}

async fn s18_the_type_name_is_kept<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let event = bus.dispatch(Job(1))?;
    assert_eq!(event.event_type(), "Job");
    assert_eq!(event.await?.event_type(), "Job");
    assert_eq!(bus.history()[0].event_type(), "Job");
    assert!(bus.history()[0].type_name().ends_with("::Job"));
    Ok(())
}

#[derive(Event)]
#[event(version = "7")]
struct Versioned;

async fn s19_the_schema_survives_dispatch<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let crate_version = concat!("scenarios::the_bus::life.Job@", env!("CARGO_PKG_VERSION"));
    assert_eq!(Job::SCHEMA, crate_version);
    assert_eq!(Versioned::SCHEMA, "scenarios::the_bus::life.Versioned@7");
    assert_eq!(run(&bus, Job(1)).await?.as_any().schema(), crate_version);
    assert_eq!(run(&bus, Versioned).await?.as_any().schema(), Versioned::SCHEMA);
    Ok(())
}

async fn s20_the_name_is_the_type_unless_told_otherwise<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    assert_eq!(Job::NAME, "Job");
    bus.on_name("Job", |event: AnyEvent| event.downcast::<Job>().map(|job| job.0));
    assert_eq!(run(&bus, Job(20)).await?.result()?, 20);
    Ok(())
}

#[derive(Event)]
#[event(name = "CustomEventType", output = &'static str)]
struct Overridden;

async fn s21_an_overridden_name_decides_who_handles<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on_name("Overridden", |_: AnyEvent| "by the type's name");
    bus.on_name("CustomEventType", |_: AnyEvent| "by the event's name");
    bus.on(|_: EventHandle<Overridden>| "by type");
    let event = run(&bus, Overridden).await?;
    assert_eq!(event.event_type(), "CustomEventType");
    assert_eq!(event.results_list()?, ["by the event's name", "by type"]);
    Ok(())
}
