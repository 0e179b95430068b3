//! "Nested and forwarded": handlers that wait for events they dispatch.

use busway::{Event, EventHandle, EventStatus};
use futures_util::future::try_join_all;

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, Log, all};

scenarios!(
    s52_an_awaited_child_drags_nothing_along,
    s53_awaiting_one_of_several_skips_the_rest,
    s55_a_completed_event_returns_at_once,
    s56_one_event_is_awaited_many_times,
    s57_deeply_nested_awaits,
);

#[derive(Event)]
struct Outer;

#[derive(Event)]
#[event(output = u32)]
struct Step(u32);

#[derive(Event)]
#[event(output = u32)]
struct Down(u32);

fn logging(log: &Log<u32>) -> impl Fn(EventHandle<Step>) -> u32 + Send + Sync + 'static {
    let log = log.clone();
    move |step| {
        log.push(step.0);
        step.0
    }
}

async fn s52_an_awaited_child_drags_nothing_along<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (log, gate) = (Log::new(), Gate::closed());
    bus.on(logging(&log));
    let (seen, queued) = (log.clone(), gate.clone());
    bus.on(move |outer: EventHandle<Outer>| {
        let (seen, queued) = (seen.clone(), queued.clone());
        async move {
            queued.pass().await;
            outer.run(Step(1)).await?;
            seen.push(100u32);
            busway::ok(())
        }
    });
    let outer = bus.dispatch(Outer)?;
    let siblings = [bus.dispatch(Step(8))?, bus.dispatch(Step(9))?];
    gate.open();
    outer.await?.result_opt()?;
    all(siblings).await?;
    assert_eq!(log.items(), [1, 100, 8, 9]);
    Ok(())
}

async fn s53_awaiting_one_of_several_skips_the_rest<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let log = Log::new();
    bus.on(logging(&log));
    let seen = log.clone();
    bus.on(move |outer: EventHandle<Outer>| {
        let seen = seen.clone();
        async move {
            let [_one, two, _three] =
                [outer.dispatch(Step(1))?, outer.dispatch(Step(2))?, outer.dispatch(Step(3))?];
            two.await?;
            seen.push(100u32);
            busway::ok(())
        }
    });
    run(&bus, Outer).await?.result_opt()?;
    assert_eq!(log.items(), [2, 100, 1, 3]);
    Ok(())
}

async fn s55_a_completed_event_returns_at_once<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let log = Log::new();
    bus.on(logging(&log));
    let done = run(&bus, Step(5)).await?;
    let inside = done.clone();
    bus.on(move |_: EventHandle<Outer>| {
        let inside = inside.clone();
        async move {
            assert_eq!(inside.await?.result()?, 5);
            busway::ok(())
        }
    });
    run(&bus, Outer).await?.result_opt()?;
    let watch = env.watch();
    assert_eq!((&done).await?.result()?, 5);
    if E::HAS_PAUSED_CLOCK {
        watch.took(env.ticks(0));
    }
    assert_eq!(log.items(), [5]);
    Ok(())
}

async fn s56_one_event_is_awaited_many_times<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let log = Log::new();
    bus.on(logging(&log));
    bus.on(|outer: EventHandle<Outer>| async move {
        let step = outer.dispatch(Step(6))?;
        let together = try_join_all([step.wait(), step.wait(), step.wait()]).await?;
        assert!(together.iter().all(|event| event.id() == step.id()));
        (&step).await?;
        assert_eq!(step.await?.result()?, 6);
        busway::ok(())
    });
    let outer = bus.dispatch(Outer)?;
    let waits = [outer.wait(), outer.wait(), outer.wait()];
    for waited in try_join_all(waits).await? {
        assert_eq!(waited.status(), EventStatus::Completed);
        waited.result_opt()?;
    }
    assert_eq!(log.items(), [6]);
    Ok(())
}

async fn s57_deeply_nested_awaits<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let log = Log::<u32>::new();
    let seen = log.clone();
    bus.on(move |down: EventHandle<Down>| {
        let seen = seen.clone();
        async move {
            env.sleep(1).await;
            let below = match down.0 {
                0 => 0,
                left => down.run(Down(left - 1)).await?.result()? + 1,
            };
            seen.push(down.0);
            busway::ok(below)
        }
    });
    assert_eq!(run(&bus, Down(20)).await?.result()?, 20);
    assert_eq!(log.items(), (0..=20).collect::<Vec<_>>());
    Ok(())
}
