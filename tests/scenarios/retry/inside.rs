//! R46: a call inside another call that holds a slot does not wait for itself.

use busway::{BoxError, Event, EventHandle, Retry, RetryError};
use futures_util::FutureExt;

use super::{Room, name};
use crate::runtimes::{Env, Outcome, run};

scenarios!(
    r46_a_call_in_a_call,
    r46_calls_side_by_side_are_not_inside_of_each_other,
    r46_calls_side_by_side_inside_of_one_go_along_with_it,
    r46_a_spawned_task_is_not_inside,
    r46_a_handler_below_one_that_holds_the_slot,
    r46_far_below_and_on_another_bus,
    r46_a_function_in_a_handler_below_one,
    r46_a_handler_below_a_call_that_is_not_a_handlers_waits,
    r46_brothers_wait_for_each_other,
    r46_a_slot_is_back_when_the_last_of_those_who_share_it_has_ended,
    r46_a_call_in_a_call_across_a_scope,
);

#[derive(Event)]
#[event(output = u32)]
struct Outer;

#[derive(Event)]
#[event(output = u32)]
struct Middle;

#[derive(Event)]
#[event(output = u32)]
struct Inner;

/// One slot, waited for only a little.
fn strict<E: Env>(env: E, test: &str) -> Retry {
    Retry::new()
        .retries(0)
        .timeout(None)
        .semaphore_limit(1)
        .semaphore_name(name::<E>(test))
        .semaphore_lax(false)
        .semaphore_timeout(env.ticks(3))
}

async fn r46_a_call_in_a_call<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "call in call");
    let inner = async || {
        env.sleep(1).await;
        // And once more, after a sleep and another poll.
        policy.run(async || busway::ok(7)).await
    };
    let outer = async || Ok::<u32, BoxError>(policy.run(inner).await?);
    assert_eq!(policy.run(outer).await?, 7);
    // No call gave back a slot that it did not have.
    let mut holder = Box::pin(policy.run(std::future::pending::<Result<(), BoxError>>));
    assert!(holder.as_mut().now_or_never().is_none());
    policy.run(async || busway::ok(())).await.unwrap_err();
    Ok(())
}

async fn r46_calls_side_by_side_are_not_inside_of_each_other<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "side by side").semaphore_timeout(None);
    let bus = env.bus("main");
    let room = Room::default();
    let counted = room.clone();
    bus.on(move |_: EventHandle<Outer>| {
        let (policy, room) = (policy.clone(), room.clone());
        async move {
            let stay = async || {
                let _guest = room.enter();
                env.sleep(1).await;
                busway::ok(1)
            };
            let (a, b, c) =
                futures_util::join!(policy.run(stay), policy.run(stay), policy.run(stay));
            busway::ok(a? + b? + c?)
        }
    });
    assert_eq!(run(&bus, Outer).await?.result()?, 3);
    assert_eq!((counted.ever(), counted.most()), (3, 1));
    Ok(())
}

async fn r46_calls_side_by_side_inside_of_one_go_along_with_it<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "side by side inside");
    let room = Room::default();
    let stay = async || {
        let _guest = room.enter();
        env.sleep(1).await;
        busway::ok(1)
    };
    let outer = async || {
        let (a, b) = futures_util::join!(policy.run(stay), policy.run(stay));
        busway::ok(a? + b?)
    };
    assert_eq!(policy.run(outer).await?, 2);
    assert_eq!((room.ever(), room.most()), (2, 2));
    Ok(())
}

async fn r46_a_spawned_task_is_not_inside<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "spawned");
    let outer = async || {
        let inner = policy.clone();
        let spawned = async move { inner.run(async || busway::ok(())).await };
        busway::ok(env.task(spawned).await)
    };
    let error = policy.run(outer).await?.unwrap_err();
    assert!(matches!(error, RetryError::Semaphore(_)), "it waited for the slot: {error}");
    Ok(())
}

async fn r46_a_handler_below_one_that_holds_the_slot<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "below");
    let bus = env.bus("main");
    let asks =
        |outer: EventHandle<Outer>| async move { busway::ok(outer.run(Inner).await?.result()?) };
    bus.handler(asks).retry(policy.clone()).register();
    bus.handler(|_: EventHandle<Inner>| async { 7 }).retry(policy.clone()).register();
    let watch = env.watch();
    assert_eq!(run(&bus, Outer).await?.result()?, 7);
    if E::HAS_PAUSED_CLOCK {
        watch.took(env.ticks(0));
    }
    assert_eq!(run(&bus, Inner).await?.result()?, 7, "the slot is back");
    Ok(())
}

async fn r46_far_below_and_on_another_bus<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "far below");
    let hub = env.hub();
    let (near, far) = (hub.bus("near").build(), hub.bus("far").build());
    let asks =
        |outer: EventHandle<Outer>| async move { busway::ok(outer.run(Middle).await?.result()?) };
    near.handler(asks).retry(policy.clone()).register();
    let there = far.downgrade();
    near.on(move |_: EventHandle<Middle>| {
        let far = there.upgrade();
        async move {
            let far = far.ok_or("it is there")?;
            busway::ok(far.run(Inner).await?.result()?)
        }
    });
    far.handler(|_: EventHandle<Inner>| async { 7 }).retry(policy).register();
    assert_eq!(run(&near, Outer).await?.result()?, 7);
    Ok(())
}

async fn r46_a_function_in_a_handler_below_one<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "function below");
    let bus = env.bus("main");
    // Neither of the handlers has the policy: functions in them do.
    let (outer_policy, inner_policy) = (policy.clone(), policy);
    bus.on(move |outer: EventHandle<Outer>| {
        let policy = outer_policy.clone();
        async move {
            let ask = async || busway::ok(outer.run(Inner).await?.result()?);
            busway::ok(policy.run(ask).await?)
        }
    });
    bus.on(move |_: EventHandle<Inner>| {
        let policy = inner_policy.clone();
        async move { busway::ok(policy.run(async || busway::ok(7)).await?) }
    });
    assert_eq!(run(&bus, Outer).await?.result()?, 7);
    Ok(())
}

async fn r46_a_handler_below_a_call_that_is_not_a_handlers_waits<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "no handler's");
    let bus = env.bus("main");
    bus.handler(|_: EventHandle<Inner>| async { 7 }).retry(policy.clone()).register();
    // An event that a root task dispatches is below no call, whichever task runs its handlers.
    let asks = async || busway::ok(bus.run(Inner).await?);
    let event = policy.run(asks).await?;
    assert!(event.result().is_err());
    Ok(())
}

async fn r46_brothers_wait_for_each_other<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "brothers").semaphore_timeout(None);
    let room = Room::default();
    let counted = room.clone();
    let bus = env.builder("main").parallel_handlers().build();
    bus.on(|outer: EventHandle<Outer>| async move {
        let a = outer.event(Inner).parallel().dispatch()?;
        let b = outer.event(Inner).parallel().dispatch()?;
        busway::ok(a.await?.result()? + b.await?.result()?)
    });
    let stays = move |_: EventHandle<Inner>| {
        let room = room.clone();
        async move {
            let _guest = room.enter();
            env.sleep(1).await;
            1
        }
    };
    bus.handler(stays).retry(policy).register();
    assert_eq!(run(&bus, Outer).await?.result()?, 2);
    assert_eq!((counted.ever(), counted.most()), (2, 1));
    Ok(())
}

async fn r46_a_slot_is_back_when_the_last_of_those_who_share_it_has_ended<E: Env>(
    env: E,
) -> Outcome {
    let policy = strict(env, "shared inside").semaphore_timeout(None);
    let room = Room::default();
    let bus = env.bus("main");
    bus.handler(move |outer: EventHandle<Outer>| async move {
        outer.event(Middle).parallel().dispatch()?;
        env.sleep(2).await;
        busway::ok(1)
    })
    .retry(policy.clone())
    .register();
    // It shares the slot of the handler above, which does not wait for it. So does the handler below.
    let counted = room.clone();
    bus.handler(move |middle: EventHandle<Middle>| {
        let room = counted.clone();
        async move {
            let _guest = room.enter();
            env.sleep(4).await;
            busway::ok(middle.run(Inner).await?.result()?)
        }
    })
    .retry(policy.clone())
    .register();
    bus.handler(|_: EventHandle<Inner>| async { 7 }).retry(policy.clone()).register();
    let outer = bus.dispatch(Outer)?;
    env.sleep(1).await;
    let other = policy.run(async || {
        let _guest = room.enter();
        busway::ok(())
    });
    other.await?;
    assert_eq!(room.most(), 1, "the slot was given away while it was used");
    assert_eq!(outer.await?.result()?, 1);
    Ok(())
}

async fn r46_a_call_in_a_call_across_a_scope<E: Env>(env: E) -> Outcome {
    let policy = strict(env, "across a scope");
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Outer>| async { 1 });
    let event = run(&bus, Outer).await?;
    let inner = async || Ok::<u32, BoxError>(policy.run(async || busway::ok(7)).await?);
    let outer = async || event.scope(inner()).await;
    assert_eq!(policy.run(outer).await?, 7);
    Ok(())
}
