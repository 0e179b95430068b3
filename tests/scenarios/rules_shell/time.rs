//! R24 and R25: a waiter's own timeout, and the warning of slow handlers.

use busway::{Event, EventHandle, EventStatus, HandlerError, Limit, WaitError};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, collecting};

scenarios!(
    r24_a_waiters_timeout_ends_the_wait_not_the_work,
    r24_inside_a_handler_too,
    r22_a_limit_drops_the_future_and_the_next_handler_runs,
    r25_a_slow_handler_is_told_of_once,
    r25_a_fast_one_is_not,
);

#[derive(Event)]
#[event(output = u32)]
struct Slow;

#[derive(Event)]
#[event(output = u32)]
struct Outer;

fn held_back(
    gate: &Gate,
) -> impl Fn(EventHandle<Slow>) -> futures_util::future::BoxFuture<'static, u32> + Send + Sync + 'static
{
    let gate = gate.clone();
    move |_| {
        let gate = gate.clone();
        Box::pin(async move {
            gate.pass().await;
            24
        })
    }
}

async fn r24_a_waiters_timeout_ends_the_wait_not_the_work<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(held_back(&gate));
    let event = bus.dispatch(Slow)?;
    env.until(|| event.status() == EventStatus::Started).await;
    let (watch, limit) = (env.watch(), env.ticks(2));
    assert_eq!(event.wait_for(limit).await.err(), Some(WaitError::TimedOut { limit }));
    watch.took(limit);
    assert_eq!(event.status(), EventStatus::Started);
    gate.open();
    assert_eq!(event.wait_for(env.ticks(1_000)).await?.result()?, 24);
    Ok(())
}

async fn r24_inside_a_handler_too<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(held_back(&gate));
    let opens = gate.clone();
    bus.on(move |outer: EventHandle<Outer>| {
        let gate = opens.clone();
        async move {
            let child = outer.dispatch(Slow)?;
            let limit = env.ticks(2);
            assert_eq!(child.wait_for(limit).await.err(), Some(WaitError::TimedOut { limit }));
            gate.open();
            busway::ok(child.await?.result()?)
        }
    });
    assert_eq!(run(&bus, Outer).await?.result()?, 24);
    Ok(())
}

async fn r22_a_limit_drops_the_future_and_the_next_handler_runs<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.handler(held_back(&gate)).limit(Limit::After(env.ticks(2))).register();
    bus.on(|_: EventHandle<Slow>| 2);
    let watch = env.watch();
    let event = run(&bus, Slow).await?;
    watch.took(env.ticks(2));
    let wanted = env.ticks(2);
    let error = event.results()[0].error();
    assert!(matches!(error, Some(HandlerError::TimedOut { limit }) if limit == wanted));
    assert_eq!(event.results()[1].value(), Some(&2u32));
    Ok(())
}

async fn r25_a_slow_handler_is_told_of_once<E: Env>(env: E) -> Outcome {
    let (builder, warnings) = collecting(env.builder("main"));
    let bus = builder.slow_after(env.ticks(2)).build();
    let gate = Gate::closed();
    bus.handler(held_back(&gate)).named("inner").register();
    let waits =
        |outer: EventHandle<Outer>| async move { busway::ok(outer.run(Slow).await?.result()?) };
    bus.handler(waits).named("outer").register();
    let outer = bus.dispatch(Outer)?;
    env.until(|| warnings.len() == 2).await;
    env.sleep(10).await;
    gate.open();
    assert_eq!(outer.await?.result()?, 24);
    let mut warnings = warnings.items();
    warnings.sort();
    let [inner, outer] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(inner.starts_with("bus main: inner of Slow is running for "), "{inner}");
    assert!(!inner.contains("waiting"), "{inner}");
    assert!(outer.starts_with("bus main: outer of Outer is running for "), "{outer}");
    assert!(outer.ends_with("waiting for Slow"), "{outer}");
    if E::HAS_PAUSED_CLOCK {
        assert!(outer.contains("running for 2s,"), "{outer}");
    }
    Ok(())
}

async fn r25_a_fast_one_is_not<E: Env>(env: E) -> Outcome {
    let (builder, warnings) = collecting(env.builder("main"));
    let bus = builder.slow_after(env.ticks(1_000)).build();
    bus.on(move |_: EventHandle<Slow>| async move {
        env.sleep(1).await;
        1
    });
    run(&bus, Slow).await?;
    env.sleep(1).await;
    assert_eq!(warnings.len(), 0);
    Ok(())
}
