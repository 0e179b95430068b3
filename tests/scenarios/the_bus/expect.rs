//! S27–S35: waiting for an event dispatched elsewhere.

use busway::{Event, EventHandle, EventStatus, ExpectError};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Alive, Gate};

scenarios!(
    s27_it_resolves_with_that_very_event,
    s28_a_predicate_picks,
    s29_nothing_comes,
    s30_only_the_right_type_and_typed,
    s32_the_listener_is_gone_afterwards,
    s33_it_does_not_wait_for_handlers,
    s35_it_is_registered_when_it_is_made,
);

#[derive(Event)]
struct Answer(u32);

#[derive(Event)]
struct Noise;

async fn s27_it_resolves_with_that_very_event<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let waiting = env.task(bus.expect::<Answer>());
    env.sleep(1).await;
    let sent = bus.dispatch(Answer(27))?;
    let came = waiting.await?;
    assert_eq!(came.id(), sent.id());
    assert!(std::ptr::eq(came.payload(), sent.payload()));
    Ok(())
}

async fn s28_a_predicate_picks<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let expected = bus.expect_where(|answer: &EventHandle<Answer>| answer.0 == 42);
    for number in [1, 41, 42, 43] {
        bus.dispatch(Answer(number))?;
    }
    assert_eq!(expected.await?.0, 42);
    Ok(())
}

async fn s29_nothing_comes<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let limit = env.ticks(1);
    let watch = env.watch();
    // Nothing was ever dispatched on this bus.
    let answer = bus.expect::<Answer>().within(limit).await;
    watch.took(limit);
    assert_eq!(answer.err(), Some(ExpectError::TimedOut { limit }));
    // Earlier events and events of another type do not count either.
    run(&bus, Answer(1)).await?;
    let expected = bus.expect::<Answer>().within(limit);
    bus.dispatch(Noise)?;
    assert_eq!(expected.await.err(), Some(ExpectError::TimedOut { limit }));
    Ok(())
}

async fn s30_only_the_right_type_and_typed<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let expected = bus.expect::<Answer>();
    bus.dispatch(Noise)?;
    bus.dispatch(Noise)?;
    let sent = bus.dispatch(Answer(30))?;
    let came: EventHandle<Answer> = expected.await?;
    assert_eq!((came.0, came.id()), (30, sent.id()));
    Ok(())
}

async fn s32_the_listener_is_gone_afterwards<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let alive = Alive::default();
    let expect = |wanted| {
        let alive = alive.clone();
        bus.expect_where(move |answer: &EventHandle<Answer>| {
            let _held = &alive;
            answer.0 == wanted
        })
    };
    let (resolves, times_out) = (expect(1), expect(2));
    assert_eq!((alive.others(), bus.handler_count()), (2, 0));
    bus.dispatch(Answer(1))?;
    resolves.await?;
    assert_eq!(alive.others(), 1);
    assert!(times_out.within(env.ticks(1)).await.is_err());
    assert_eq!(alive.others(), 0);
    drop(expect(3));
    assert_eq!(alive.others(), 0);
    Ok(())
}

async fn s33_it_does_not_wait_for_handlers<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(gate.holds::<Answer>());
    let expected = bus.expect::<Answer>();
    bus.dispatch(Answer(33))?;
    let came = expected.await?;
    assert_ne!(came.status(), EventStatus::Completed);
    gate.open();
    assert_eq!(came.await?.status(), EventStatus::Completed);
    Ok(())
}

async fn s35_it_is_registered_when_it_is_made<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let expected = bus.expect::<Answer>();
    let sent = run(&bus, Answer(35)).await?;
    run(&bus, Answer(36)).await?;
    // Polled for the first time long after the event has completed.
    assert_eq!(expected.await?.id(), sent.id());
    Ok(())
}
