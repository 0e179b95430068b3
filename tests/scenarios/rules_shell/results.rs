//! R20 and R21: failures and values.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::num::ParseIntError;

use busway::{
    AnyValue, Cause, Event, EventHandle, EventResult, HandlerError, ResultError, ResultStatus,
};

use crate::runtimes::{Env, Outcome, run};
use crate::support::Gate;

scenarios!(
    r20_a_panic_anywhere_is_recorded_and_stops_no_other,
    r20_the_original_error_comes_back,
    r20_awaiting_never_fails_for_a_handlers_error,
    r21_the_first_value_that_is_not_none,
    r21_nothing_is_empty,
    r21_one_failure_and_several,
    r21_a_failure_is_found_among_several_by_its_type,
    r21_what_was_ended_says_why,
    r21_before_completion_there_is_no_result,
    r21_a_filter_picks_results,
    r21_a_filter_that_is_left_with_nothing_says_why,
    r11_one_that_another_was_faster_than_says_so,
    r20_an_error_is_found_below_those_that_pass_it_on,
    r21_values_are_reached_by_type,
    r21_maps_with_and_without_conflicts,
);

#[derive(Event)]
#[event(output = u32)]
struct Work;

#[derive(Event)]
#[event(output = BTreeMap<String, u32>)]
struct Merge;

/// Panics when it is dropped.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

fn makes_no_future(_: EventHandle<Work>) -> Ready<u32> {
    panic!("making it")
}

async fn r20_a_panic_anywhere_is_recorded_and_stops_no_other<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| -> u32 { panic!("plain {}", 1) });
    bus.on(move |_: EventHandle<Work>| async move {
        env.sleep(1).await;
        if env.ticks(1).is_zero() { 0 } else { panic!("async") }
    });
    bus.on(makes_no_future);
    bus.on(|_: EventHandle<Work>| {
        let held = Explosive;
        // The values that the closure holds are dropped with its future, after the value is there.
        let value = ready(1u32);
        PanicsInDrop { value, _held: held }
    });
    bus.on(|_: EventHandle<Work>| -> u32 { std::panic::panic_any(42u8) });
    bus.on(|_: EventHandle<Work>| 7);
    let event = run(&bus, Work).await?;
    let rows = event.results();
    let messages = ["plain 1", "async", "making it", "in drop", "a panic without a message"];
    for (row, wanted) in rows.iter().zip(messages) {
        let Some(HandlerError::Panicked { message }) = row.error() else {
            panic!("{:?} instead of {wanted}", row.error());
        };
        assert_eq!(&*message, wanted);
        assert_eq!(row.status(), ResultStatus::Error);
    }
    assert_eq!(rows[5].value(), Some(&7u32));
    // The bus goes on.
    assert_eq!(run(&bus, Work).await?.results()[5].value(), Some(&7u32));
    Ok(())
}

struct PanicsInDrop {
    value: Ready<u32>,
    _held: Explosive,
}

impl Future for PanicsInDrop {
    type Output = u32;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<u32> {
        std::pin::Pin::new(&mut self.value).poll(cx)
    }
}

#[derive(Debug, PartialEq)]
struct Refusal {
    code: u16,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}", self.code)
    }
}

impl Error for Refusal {}

async fn r20_the_original_error_comes_back<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let refuses = |_: EventHandle<Work>| async { Err::<u32, _>(Refusal { code: 403 }) };
    bus.handler(refuses).named("refuses").register();
    let event = run(&bus, Work).await?;
    let Err(error) = event.result() else { panic!("it failed") };
    assert_eq!(error.to_string(), "handler refuses failed: refused with 403");
    let ResultError::Failed { error: HandlerError::Failed(source), .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(source.downcast_ref(), Some(&Refusal { code: 403 }));
    // The same through the sources.
    let source = Error::source(&error).and_then(|source| source.downcast_ref());
    assert_eq!(source, Some(&Refusal { code: 403 }));
    Ok(())
}

async fn r20_awaiting_never_fails_for_a_handlers_error<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| Err::<u32, _>("one"));
    bus.on(|_: EventHandle<Work>| -> u32 { panic!("two") });
    bus.on(|_: EventHandle<Merge>| async {});
    bus.on(|merge: EventHandle<Merge>| async move {
        let child = merge.run(Work).await?;
        busway::ok(BTreeMap::from([("failures".to_owned(), child.results().len() as u32)]))
    });
    assert_eq!(run(&bus, Merge).await?.result()?["failures"], 2);
    Ok(())
}

async fn r21_the_first_value_that_is_not_none<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").parallel_handlers().build();
    bus.on(|_: EventHandle<Work>| ());
    bus.on(|_: EventHandle<Work>| None::<u32>);
    bus.on(move |_: EventHandle<Work>| async move {
        // The last to end, the first in order of registration.
        env.sleep(1).await;
        3
    });
    bus.on(|_: EventHandle<Work>| 4);
    let event = run(&bus, Work).await?;
    assert_eq!(event.result()?, 3);
    assert_eq!(event.result_opt()?, Some(3));
    assert_eq!(event.result_ref()?, &3);
    assert_eq!(event.results_list()?, [3, 4]);
    assert!(std::ptr::eq(event.result_ref()?, event.result_ref()?), "borrowed, not cloned");
    Ok(())
}

async fn r21_nothing_is_empty<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    for handlers in 0..2 {
        let event = run(&bus, Work).await?;
        assert!(matches!(event.result(), Err(ResultError::Empty)));
        assert!(matches!(event.result_ref(), Err(ResultError::Empty)));
        assert_eq!(event.result_opt()?, None);
        assert!(event.results_list()?.is_empty());
        assert_eq!(event.results().len(), handlers);
        bus.on(|_: EventHandle<Work>| None::<u32>);
    }
    Ok(())
}

async fn r21_one_failure_and_several<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| 1);
    bus.handler(|_: EventHandle<Work>| Err::<u32, _>("first")).named("a").register();
    let event = run(&bus, Work).await?;
    assert!(matches!(event.result(), Err(ResultError::Failed { handler, .. }) if &*handler == "a"));
    assert!(event.result_opt().is_err() && event.results_list().is_err());
    bus.handler(|_: EventHandle<Work>| Err::<u32, _>("second")).named("b").register();
    let event = run(&bus, Work).await?;
    let Err(error) = event.result() else { panic!("two failed") };
    assert_eq!(error.to_string(), "2 handlers failed, the first of them a: first");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("first"));
    let ResultError::Several { failures } = error else { panic!("{error:?}") };
    let texts: Vec<_> = failures.iter().map(|(name, error)| format!("{name}: {error}")).collect();
    assert_eq!(texts, ["a: first", "b: second"]);
    Ok(())
}

async fn r21_a_failure_is_found_among_several_by_its_type<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| Err::<u32, _>("text"));
    bus.on(|_: EventHandle<Work>| "x".parse::<u32>());
    let error = run(&bus, Work).await?.result().unwrap_err();
    assert_eq!(error.downcast_ref::<ParseIntError>(), "x".parse::<u32>().as_ref().err());
    assert!(error.downcast_ref::<fmt::Error>().is_none());
    Ok(())
}

async fn r21_what_was_ended_says_why<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    let (running, queued) = (bus.dispatch(Work)?, bus.dispatch(Merge)?);
    env.until(|| running.started_at().is_some()).await;
    bus.stop(None, false).await;
    let (running, queued) = (running.await?, queued.await?);
    let Err(ResultError::Failed { error: HandlerError::Aborted { .. }, .. }) = running.result()
    else {
        panic!("{:?}", running.result());
    };
    // No handler ran, so only the event itself has the reason.
    let error = queued.result_opt().unwrap_err();
    assert_eq!(error.to_string(), "the event was ended: the bus was stopped");
    Ok(())
}

async fn r21_before_completion_there_is_no_result<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(|_: EventHandle<Work>| 1);
    bus.on(gate.holds::<Work>());
    let event = bus.dispatch(Work)?;
    env.until(|| event.results().iter().any(|row| row.value() == Some(&1u32))).await;
    assert!(matches!(event.result(), Err(ResultError::NotCompleted)));
    assert!(matches!(event.select(|_| true), Err(ResultError::NotCompleted)));
    gate.open();
    assert_eq!(event.await?.result()?, 1);
    Ok(())
}

async fn r21_a_filter_picks_results<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let two = bus.handler(|_: EventHandle<Work>| 2).named("two").register();
    bus.handler(|_: EventHandle<Work>| Err::<u32, _>("no")).named("bad").register();
    bus.handler(|_: EventHandle<Work>| 3).named("three").register();
    let event = run(&bus, Work).await?;
    let good = |row: &EventResult| row.error().is_none();
    assert_eq!(event.select(good)?.list()?, [2, 3]);
    assert_eq!(event.select(|row| row.handler_id() > two.id() && good(row))?.first()?, 3);
    assert!(event.select(|row| row.handler_name() == "bad")?.first().is_err());
    assert!(matches!(event.select(|_| false)?.first(), Err(ResultError::Empty)));
    assert_eq!(event.results_by_handler_id().len(), 3);
    assert!(event.results_by_handler_name()["bad"].error().is_some());
    Ok(())
}

async fn r21_a_filter_that_is_left_with_nothing_says_why<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(gate.holds::<Work>());
    bus.on(|_: EventHandle<Merge>| BTreeMap::from([("a".to_owned(), 1)]));
    bus.dispatch(Work)?;
    let (work, merge) = (bus.dispatch(Work)?, bus.dispatch(Merge)?);
    bus.stop_now();
    let (work, merge) = (work.await?, merge.await?);
    let why = |error: ResultError| matches!(error, ResultError::Ended { cause: Cause::Stopped });
    assert!(why(work.select(|_| true)?.list().unwrap_err()));
    assert!(why(work.select(|_| false)?.first().unwrap_err()));
    assert!(why(merge.select(|_| true)?.flat_dict_strict().unwrap_err()));
    Ok(())
}

async fn r11_one_that_another_was_faster_than_says_so<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| 1);
    bus.on(|_: EventHandle<Work>| 2);
    let event = bus.event(Work).first().run().await?;
    assert_eq!(event.result()?, 1);
    let [won, beaten] = &event.results()[..] else { panic!("{:?}", event.results()) };
    assert!(won.error().is_none());
    assert_eq!(beaten.status(), ResultStatus::Error);
    let error = beaten.error().ok_or("it did not run")?;
    assert!(matches!(error, HandlerError::Cancelled { cause: Cause::First }), "{error}");
    assert!(event.select(|_| true)?.list().is_ok(), "the event has not failed");
    let tree = event.log_tree().to_string();
    assert!(tree.contains("✅ Work") && tree.contains("another handler was first"), "{tree}");
    Ok(())
}

async fn r20_an_error_is_found_below_those_that_pass_it_on<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| "many".parse::<u32>());
    bus.on(|event: EventHandle<Merge>| async move {
        let work = event.run(Work).await?;
        busway::ok(BTreeMap::from([("work".to_owned(), work.result()?)]))
    });
    let event = run(&bus, Merge).await?;
    let error = event.results()[0].error().ok_or("it fails")?;
    assert!(error.downcast_ref::<ParseIntError>().is_some(), "{error}");
    assert!(error.downcast_ref::<ResultError>().is_some(), "what it returned itself");
    assert!(error.downcast_ref::<fmt::Error>().is_none());
    Ok(())
}

async fn r21_values_are_reached_by_type<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Work>| 9);
    let event = run(&bus, Work).await?;
    let row = event.results().remove(0);
    assert_eq!((row.value::<u32>(), row.value::<u64>()), (Some(&9), None));
    let any: AnyValue = row.any_value().ok_or("a value")?;
    assert_eq!(any.downcast_ref::<u32>(), Some(&9));
    assert_eq!((row.bus_name(), row.status()), ("main", ResultStatus::Completed));
    assert!(row.started_at().is_some() && row.started_at() <= row.completed_at());
    assert!(event.started_at() <= row.started_at() && row.completed_at() == event.completed_at());
    Ok(())
}

async fn r21_maps_with_and_without_conflicts<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let map = |key: &str, value| BTreeMap::from([(key.to_owned(), value)]);
    bus.on(move |_: EventHandle<Merge>| map("a", 1));
    bus.on(move |_: EventHandle<Merge>| map("b", 2));
    let event = run(&bus, Merge).await?;
    assert_eq!(event.select(|_| true)?.flat_dict_strict()?, event.results_flat_dict()?);
    bus.on(move |_: EventHandle<Merge>| map("a", 3));
    let event = run(&bus, Merge).await?;
    assert_eq!(event.results_flat_dict()?["a"], 3);
    let error = event.select(|_| true)?.flat_dict_strict().unwrap_err();
    assert_eq!(error.to_string(), "two handlers returned values for the key \"a\"");
    Ok(())
}
