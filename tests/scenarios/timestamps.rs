//! "Timestamps".

use std::time::SystemTime;

use busway::{Event, EventHandle, EventStatus, ResultStatus};
use serde::{Deserialize, Serialize};

use crate::runtimes::{Env, Outcome, run};
use crate::support::Gate;

scenarios!(
    s139_a_payload_that_was_read_starts_from_nothing,
    s140_the_same_from_json,
    s141_both_times_after_processing,
    s142_without_handlers,
    s143_a_result_that_is_pending_keeps_it_open,
    s144_a_copy_starts_without_runtime_state,
);

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
struct Note {
    text: String,
}

fn note() -> Note {
    Note { text: "hello".into() }
}

/// Times belong to the handle, not to the payload: a payload read from elsewhere has none.
#[track_caller]
fn has_no_times(event: &EventHandle<Note>) {
    assert_eq!(event.status(), EventStatus::Pending);
    assert_eq!((event.started_at(), event.completed_at()), (None, None));
}

async fn s139_a_payload_that_was_read_starts_from_nothing<E: Env>(env: E) -> Outcome {
    let (bus, driver) = env.builder("main").with_driver();
    let read: Note = serde_json::from_value(serde_json::json!({"text": "hello"}))?;
    let event = bus.dispatch(read)?;
    has_no_times(&event);
    env.spawn(driver);
    assert_eq!(*event.await?.payload(), note());
    Ok(())
}

async fn s140_the_same_from_json<E: Env>(env: E) -> Outcome {
    let (bus, driver) = env.builder("main").with_driver();
    let first = bus.dispatch(note())?;
    env.spawn(driver);
    let first = first.await?;
    let json = serde_json::to_string(first.payload())?;

    let (bus, _driver) = env.builder("main").with_driver();
    let second = bus.dispatch(serde_json::from_str::<Note>(&json)?)?;
    has_no_times(&second);
    assert_ne!(second.id(), first.id());
    Ok(())
}

async fn s141_both_times_after_processing<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(move |_: EventHandle<Note>| async move { env.sleep(1).await });
    let event = run(&bus, note()).await?;
    let (started, completed) = (event.started_at(), event.completed_at());
    let (Some(started), Some(completed)) = (started, completed) else { panic!("both are set") };
    assert!(event.created_at() <= started);
    assert!(completed.since(started) >= env.ticks(1));
    if E::HAS_PAUSED_CLOCK {
        assert_eq!(completed.since(started), env.ticks(1));
    }
    assert!(SystemTime::from(completed) > SystemTime::UNIX_EPOCH + env.ticks(1));
    Ok(())
}

async fn s142_without_handlers<E: Env>(env: E) -> Outcome {
    let (bus, driver) = env.builder("main").with_driver();
    let event = bus.dispatch(note())?;
    has_no_times(&event);
    env.spawn(driver);
    let event = event.await?;
    assert!(event.started_at().is_some() && event.completed_at().is_some());
    Ok(())
}

async fn s143_a_result_that_is_pending_keeps_it_open<E: Env>(env: E) -> Outcome {
    // Times are not set by hand here. What upstream shows with that is that a single missing result
    // keeps the event open, whatever the others are.
    let bus = env.bus("main");
    let (gate, reached) = (Gate::closed(), Gate::closed());
    bus.on(|_: EventHandle<Note>| {});
    let (closed, tell) = (gate.clone(), reached.clone());
    bus.on(move |_: EventHandle<Note>| {
        let (closed, tell) = (closed.clone(), tell.clone());
        async move {
            tell.open();
            closed.pass().await;
        }
    });
    let event = bus.dispatch(note())?;
    reached.pass().await;
    let of = |row: usize| event.results()[row].status();
    assert_eq!((of(0), of(1)), (ResultStatus::Completed, ResultStatus::Started));
    assert!(event.results()[0].completed_at().is_some());
    assert!(event.started_at().is_some());
    assert_eq!(event.completed_at(), None);
    gate.open();
    assert!(event.await?.completed_at().is_some());
    Ok(())
}

async fn s144_a_copy_starts_without_runtime_state<E: Env>(env: E) -> Outcome {
    let (bus, driver) = env.builder("main").with_driver();
    bus.on(|_: EventHandle<Note>| {});
    let first = bus.dispatch(note())?;
    env.spawn(driver);
    let first = first.await?;

    let (bus, _driver) = env.builder("other").with_driver();
    let copy = bus.dispatch(first.payload().clone())?;
    has_no_times(&copy);
    assert!(copy.results().is_empty());
    assert_eq!(copy.path(), ["other"]);
    assert_ne!(copy.id(), first.id());
    // A clone of the handle is the same event.
    assert_eq!(first.clone().id(), first.id());
    assert_eq!(first.clone().completed_at(), first.completed_at());
    Ok(())
}
