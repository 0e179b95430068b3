//! R14 with R46: a handler that waits for a slot lends its bus, so that the holder of the slot gets what
//! it awaits from that bus.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::{BoxError, Event, EventBus, EventBusBuilder, EventHandle, Retry};
use futures_util::future::{BoxFuture, pending};
use futures_util::{FutureExt, join};

use super::name;
use crate::runtimes::{Env, Outcome, run};

scenarios!(
    r46_two_handlers_of_one_event_that_each_ask_their_bus,
    r46_two_handlers_in_tasks_of_their_own,
    r46_two_handlers_with_what_a_policy_is_unless_set,
    r46_a_holder_asks_the_bus_of_the_one_that_waits,
    r46_functions_in_handlers_that_each_ask_their_bus,
    r46_functions_side_by_side_in_a_handler,
    r46_who_goes_on_without_a_slot_has_its_bus_again,
    r46_a_wait_for_a_slot_that_is_dropped_lends_no_more,
    r46_a_wait_for_a_slot_that_leaves_its_handler_lends_no_more,
);

#[derive(Event)]
#[event(output = u32)]
struct Job;

#[derive(Event)]
#[event(output = u32)]
struct Part(u32);

/// One slot, waited for as long as it takes.
fn patient<E: Env>(test: &str) -> Retry {
    let policy = Retry::new().retries(0).timeout(None).semaphore_timeout(None);
    policy.semaphore_limit(1).semaphore_name(name::<E>(test))
}

async fn ask(job: &EventHandle<Job>, part: u32) -> Result<u32, BoxError> {
    Ok(job.run(Part(part)).await?.result()?)
}

/// Two handlers with this policy, each of which asks for a part.
async fn two_that_ask<E: Env>(env: E, bus: EventBusBuilder, policy: Retry) -> Outcome {
    let bus = bus.build();
    for part in 1..=2 {
        let asks = move |job: EventHandle<Job>| async move { ask(&job, part).await };
        bus.handler(asks).named(format!("asks for {part}")).retry(policy.clone()).register();
    }
    bus.on(|part: EventHandle<Part>| async move { part.0 });
    both_are_there_at_once(env, &bus).await
}

async fn both_are_there_at_once<E: Env>(env: E, bus: &EventBus) -> Outcome {
    let watch = env.watch();
    let job = run(bus, Job).await?;
    if E::HAS_PAUSED_CLOCK {
        watch.took(env.ticks(0));
    }
    assert_eq!(job.results_list()?, [1, 2]);
    assert!(job.results().iter().all(|result| result.tries() == 1));
    Ok(())
}

async fn r46_two_handlers_of_one_event_that_each_ask_their_bus<E: Env>(env: E) -> Outcome {
    two_that_ask(env, env.builder("main").parallel_handlers(), patient::<E>("ask")).await
}

async fn r46_two_handlers_in_tasks_of_their_own<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").parallel_handlers().spawn_parallel();
    two_that_ask(env, bus, patient::<E>("ask in tasks")).await
}

async fn r46_two_handlers_with_what_a_policy_is_unless_set<E: Env>(env: E) -> Outcome {
    let policy = Retry::new().semaphore_limit(1).semaphore_name(name::<E>("ask by default"));
    two_that_ask(env, env.builder("main").parallel_handlers(), policy).await
}

async fn r46_a_holder_asks_the_bus_of_the_one_that_waits<E: Env>(env: E) -> Outcome {
    let policy = patient::<E>("asks the other bus");
    let hub = env.hub();
    let (near, far) = (hub.bus("near").build(), hub.bus("far").build());
    let there = far.downgrade();
    let asks = move |_: EventHandle<Job>| {
        let far = there.upgrade();
        async move {
            env.sleep(2).await;
            let far = far.ok_or("it is there")?;
            busway::ok(far.run(Part(1)).await?.result()?)
        }
    };
    near.handler(asks).retry(policy.clone()).register();
    far.handler(|_: EventHandle<Job>| async { 2 }).retry(policy).register();
    far.on(|part: EventHandle<Part>| async move { part.0 });
    let watch = env.watch();
    let holder = near.dispatch(Job)?;
    env.sleep(1).await;
    let waiting = far.dispatch(Job)?;
    assert_eq!(holder.await?.result()?, 1);
    assert_eq!(waiting.await?.result()?, 2);
    watch.took(env.ticks(2));
    Ok(())
}

async fn r46_functions_in_handlers_that_each_ask_their_bus<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").parallel_handlers().build();
    for part in 1..=2 {
        let policy = patient::<E>("ask in functions");
        let asks = move |job: EventHandle<Job>| {
            let policy = policy.clone();
            async move { busway::ok(policy.run(async || ask(&job, part).await).await?) }
        };
        bus.handler(asks).named(format!("asks for {part}")).register();
    }
    bus.on(|part: EventHandle<Part>| async move { part.0 });
    both_are_there_at_once(env, &bus).await
}

async fn r46_functions_side_by_side_in_a_handler<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|job: EventHandle<Job>| async move {
        let policy = patient::<E>("lent side by side");
        let part = async |part| policy.run(async || ask(&job, part).await).await;
        let (one, two, three) = join!(part(1), part(2), part(3));
        busway::ok(one? + two? + three?)
    });
    bus.on(|part: EventHandle<Part>| async move { part.0 });
    assert_eq!(run(&bus, Job).await?.result()?, 6);
    Ok(())
}

/// Returns when two parts, asked for at ticks 1 and 3, ran on a bus whose handler is busy with `waits`
/// and then for 4 more ticks.
async fn when_parts_ran<E: Env, W>(
    env: E,
    waits: impl Fn() -> W + Send + Sync + 'static,
) -> Result<[u32; 2], BoxError>
where
    W: Future<Output = ()> + Send,
{
    let watch = env.watch();
    let ran: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let hub = env.hub();
    let (near, far) = (hub.bus("near").build(), hub.bus("far").build());
    let waits = Arc::new(waits);
    far.on(move |_: EventHandle<Job>| {
        let waits = waits.clone();
        async move {
            waits().await;
            env.sleep(4).await;
            busway::ok(0)
        }
    });
    let (note, there) = (ran.clone(), far.downgrade());
    far.on(move |part: EventHandle<Part>| {
        note.lock().unwrap().push(watch.elapsed());
        async move { part.0 }
    });
    near.on(move |_: EventHandle<Job>| {
        let far = there.upgrade();
        async move {
            let far = far.ok_or("it is there")?;
            env.sleep(1).await;
            far.run(Part(1)).await?;
            env.sleep(2).await;
            far.run(Part(2)).await?;
            busway::ok(0)
        }
    });
    let (far, near) = (far.dispatch(Job)?, near.dispatch(Job)?);
    far.await?.result()?;
    near.await?.result()?;
    let ran = ran.lock().unwrap();
    let ticks = |at: usize| (ran[at].as_millis() / env.ticks(1).as_millis()) as u32;
    Ok([ticks(0), ticks(1)])
}

/// Returns a future, polled once, that waits for the slot of a policy and then keeps it.
fn in_line(policy: &Retry) -> BoxFuture<'static, ()> {
    let policy = policy.clone();
    let mut waits = Box::pin(async move {
        policy.run(pending::<Result<(), BoxError>>).await.expect("it waits for ever");
    });
    assert!(waits.as_mut().now_or_never().is_none());
    waits
}

async fn r46_who_goes_on_without_a_slot_has_its_bus_again<E: Env>(env: E) -> Outcome {
    let policy = patient::<E>("goes on without").semaphore_timeout(env.ticks(2));
    let _holder = in_line(&policy);
    let parts = when_parts_ran(env, move || {
        let policy = policy.clone();
        async move { policy.run(async || busway::ok(())).await.expect("it goes on") }
    });
    only_the_first_overtakes::<E>(parts.await?);
    Ok(())
}

/// A handler polls a wait once, and at tick 2 calls `ends` with it.
async fn one_in_line_that<E: Env>(
    env: E,
    test: &str,
    ends: fn(E, BoxFuture<'static, ()>),
) -> Outcome {
    let policy = patient::<E>(test);
    let _holder = in_line(&policy);
    let parts = when_parts_ran(env, move || {
        let waits = in_line(&policy);
        async move {
            env.sleep(2).await;
            ends(env, waits);
        }
    });
    only_the_first_overtakes::<E>(parts.await?);
    Ok(())
}

async fn r46_a_wait_for_a_slot_that_is_dropped_lends_no_more<E: Env>(env: E) -> Outcome {
    one_in_line_that(env, "is dropped", |_, waits| drop(waits)).await
}

async fn r46_a_wait_for_a_slot_that_leaves_its_handler_lends_no_more<E: Env>(env: E) -> Outcome {
    one_in_line_that(env, "leaves", |env, waits| env.spawn(waits)).await
}

fn only_the_first_overtakes<E: Env>(parts: [u32; 2]) {
    if E::HAS_PAUSED_CLOCK {
        assert_eq!(parts, [1, 6]);
    }
}
