//! Queries of untyped events, handles, buses and streams.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use busway::{
    AnyEvent, BoxError, Completion, Event, EventHandle, EventId, EventStatus, HandlerError,
    Message, Overflow, ResultError, Retry, WaitError,
};

use futures_util::future::FusedFuture;
use futures_util::stream::FusedStream;
use futures_util::{FutureExt, select};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, Log};

scenarios!(
    r1_a_method_of_a_trait_object,
    r12_an_event_without_a_type_is_a_parent,
    an_event_without_a_type_answers_as_its_handle,
    r24_an_event_without_a_type_is_waited_for_in_time,
    r10_an_event_has_all_handlers_where_the_bus_has_the_first,
    an_event_without_an_output_is_checked,
    r40_a_bus_is_known_by_its_identity,
    r22_a_limit_is_a_duration,
    r28_a_stream_is_read_without_further_crates,
    r20_failures_of_events_that_nobody_awaits_are_told,
    futures_are_selected_until_they_end,
    strings_are_given_in_any_form,
);

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

#[derive(Event)]
struct Note;

async fn r12_an_event_without_a_type_is_a_parent<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let root: AnyEvent = bus.dispatch(Note)?.into();
    let child = bus.event(Work(1)).parent(&root).run().await?;
    assert_eq!(child.parent_id(), Some(root.id()));
    let found = bus.find::<Work>().child_of(&root).newest().ok_or("a child")?;
    assert_eq!(found.id(), child.id());
    assert!(bus.find::<Work>().child_of(&child).newest().is_none());
    Ok(())
}

async fn an_event_without_a_type_answers_as_its_handle<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.consumer("double", |message: Message<u32>| async move { busway::ok(*message * 2) })?;
    let asks = |event: AnyEvent| async move {
        let doubled: u32 = event.request("double", 4u32).await?;
        let below = event.scope(async { event.bus().map(|bus| bus.dispatch(Note)) }).await;
        assert_eq!(below.ok_or("a bus")??.parent_id(), Some(event.id()));
        Ok::<_, BoxError>(doubled)
    };
    bus.handler_of("Work", asks).named("asks").register();
    let event = run(&bus, Work(1)).await?;
    let any = event.as_any();
    assert_eq!(event.result()?, 8);
    assert_eq!((any.duration(), any.status()), (event.duration(), EventStatus::Completed));
    assert_eq!(any.log_tree().to_string(), event.log_tree().to_string());
    assert_eq!(any.results_by_handler_name()["asks"].value(), Some(&8u32));
    assert!(any.results_by_handler_id().keys().eq(event.results_by_handler_id().keys()));
    assert_eq!(any.children().len(), 2);
    Ok(())
}

async fn r24_an_event_without_a_type_is_waited_for_in_time<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(gate.holds::<Note>());
    let event = bus.dispatch(Note)?.as_any();
    let late = event.wait_for(env.ticks(1)).await;
    assert!(matches!(late, Err(WaitError::TimedOut { .. })), "{late:?}");
    gate.open();
    assert_eq!(event.wait_for(env.ticks(1_000)).await?.status(), EventStatus::Completed);
    Ok(())
}

async fn r10_an_event_has_all_handlers_where_the_bus_has_the_first<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").completion(Completion::First).build();
    bus.on(|work: EventHandle<Work>| work.0);
    bus.on(|work: EventHandle<Work>| work.0 + 1);
    assert_eq!(run(&bus, Work(1)).await?.results_list()?, [1]);
    let all = bus.event(Work(1)).completion(Completion::All).run().await?;
    assert_eq!(all.results_list()?, [1, 2]);
    Ok(())
}

async fn an_event_without_an_output_is_checked<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let note = run(&bus, Note).await?;
    assert!(matches!(note.result(), Err(ResultError::Empty)));
    note.check()?;
    note.as_any().check()?;
    bus.on(|_: EventHandle<Note>| Err::<(), _>("no luck"));
    let failed = run(&bus, Note).await?;
    assert!(matches!(failed.check(), Err(ResultError::Failed { .. })));
    assert!(matches!(failed.as_any().check(), Err(ResultError::Failed { .. })));
    Ok(())
}

// What is hashed of a bus never changes.
#[allow(clippy::mutable_key_type)]
async fn r40_a_bus_is_known_by_its_identity<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let [one, other] = ["main", "main"].map(|name| hub.bus(name).build());
    assert!(one == one.clone() && one != other);
    assert_ne!(one.id(), other.id());
    assert!(env.bus("main") != env.bus("main"));
    let known = HashSet::from([one.clone(), other.clone(), one.clone()]);
    assert!(known.len() == 2 && known.contains(&other));
    Ok(())
}

async fn r22_a_limit_is_a_duration<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").limit(Duration::from_secs(60)).build();
    bus.handler(|_: EventHandle<Note>| std::future::pending::<()>()).limit(None).register();
    let event = bus.event(Note).limit(env.ticks(1)).run().await?;
    let error = event.results()[0].error();
    assert!(matches!(error, Some(HandlerError::TimedOut { limit }) if limit == env.ticks(1)));
    Ok(())
}

async fn r20_failures_of_events_that_nobody_awaits_are_told<E: Env>(env: E) -> Outcome {
    let failures = Log::<String>::new();
    let told = failures.clone();
    let bus = env.builder("main").on_failure(move |event, result| {
        let error = result.error().map(|error| error.to_string()).unwrap_or_default();
        let completed = event.status() == EventStatus::Completed;
        told.push(format!(
            "{} of {}: {error} {completed}",
            result.handler_name(),
            event.event_type()
        ));
        panic!("the hook's own affair");
    });
    let bus = bus.build();
    bus.handler(|_: EventHandle<Work>| Err::<u32, _>("no luck"))
        .retry(Retry::new().retries(1).wait(Duration::ZERO))
        .named("fails")
        .register();
    bus.handler(|_: EventHandle<Work>| std::future::pending::<u32>())
        .limit(env.ticks(1))
        .named("hangs")
        .register();
    bus.handler(|work: EventHandle<Work>| work.0).named("works").register();
    drop(bus.dispatch(Work(1))?);
    // Reported by the task that did the work, and not before the event is done.
    env.until(|| failures.len() == 2).await;
    let (limit, expected) = (env.ticks(1), failures.items());
    assert!(expected[0].starts_with("fails of Work: gave up after 2 tries over "), "{expected:?}");
    assert_eq!(expected[1..], [format!("hangs of Work: timed out after {limit:?} true")]);
    bus.on(|_: EventHandle<Note>| std::future::pending::<()>());
    let note = bus.dispatch(Note)?;
    bus.stop_now();
    note.await?;
    assert_eq!(failures.len(), 2, "what was ended has not failed");
    Ok(())
}

async fn r28_a_stream_is_read_without_further_crates<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let mut works = bus.events_of::<Work>(8, Overflow::DropNewest);
    bus.dispatch(Work(1))?;
    bus.dispatch(Work(2))?;
    assert_eq!(works.next().await.map(|work| work.0), Some(1));
    assert_eq!(works.next().await.map(|work| work.0), Some(2));
    bus.stop_now();
    assert!(works.next().await.is_none());
    let id: EventId = bus.history()[0].id().to_string().parse()?;
    assert_eq!(id, bus.history()[0].id());
    Ok(())
}

trait Doubles: Send + Sync {
    fn double(self: Arc<Self>, work: EventHandle<Work>) -> u32;
}

struct Doubler;

impl Doubles for Doubler {
    fn double(self: Arc<Self>, work: EventHandle<Work>) -> u32 {
        work.0 * 2
    }
}

async fn r1_a_method_of_a_trait_object<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let doubler: Arc<dyn Doubles> = Arc::new(Doubler);
    bus.on((doubler, <dyn Doubles>::double));
    let event = run(&bus, Work(4)).await?;
    assert_eq!((event.result()?, event.results()[0].handler_name()), (8, "Doubles::double"));
    Ok(())
}

/// `select!` in a loop asks for futures and streams that say when they have ended.
async fn futures_are_selected_until_they_end<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let mut events = bus.events(8, Overflow::DropNewest);
    let mut note = bus.expect::<Note>();
    let mut work = bus.dispatch(Work(1))?.wait();
    let mut own = bus.dispatch(Note)?.as_any().wait();
    let mut nothing = bus.expect::<Work>();
    let mut seen = Vec::new();
    loop {
        select! {
            expected = note => seen.push(format!("expected {}", expected?.event_type())),
            done = work => seen.push(format!("done {}", done?.event_type())),
            done = own => seen.push(format!("done {}", done?.event_type())),
            event = events.next() => seen.push(format!("came {}", event.ok_or("two")?.event_type())),
            none = nothing => return Err(format!("{none:?}").into()),
            complete => break,
            default => {
                if seen.len() == 5 {
                    break;
                }
                env.sleep(1).await;
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, ["came Note", "came Work", "done Note", "done Work", "expected Note"]);
    assert!(note.is_terminated() && work.is_terminated() && own.is_terminated());
    assert!(!nothing.is_terminated() && !events.is_terminated());
    bus.stop_now();
    // A stream has ended once it has said so, and not before: `select!` asks it no more then.
    select! {
        event = events.next() => assert!(event.is_none()),
        complete => return Err("it was not asked".into()),
    }
    assert!(events.is_terminated() && nothing.now_or_never().is_some());
    Ok(())
}

async fn strings_are_given_in_any_form<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (owned, shared): (String, Arc<str>) = ("double".into(), "double".into());
    let double = |message: Message<u32>| async move { busway::ok(*message * 2) };
    bus.consumer(&owned, double)?.off();
    bus.consumer(shared.clone(), double)?;
    for reply in [bus.request(&owned, 1u32), bus.request(&*shared, 1), bus.request(shared, 1)] {
        let doubled: u32 = reply.await?;
        assert_eq!(doubled, 2);
    }
    let heard: Log = Log::new();
    bus.subscribe(&owned, {
        let heard = heard.clone();
        move |message: Message<u32>| {
            heard.push(message.headers().get("from").cloned().unwrap_or_default());
            async {}
        }
    });
    let event = bus.dispatch(Note)?.as_any();
    event.publish_with(&owned, 1u32, [("from".into(), "an event".into())].into()).await?;
    event.publish(owned, 1u32).await?;
    assert_eq!(heard.items(), ["an event", ""]);
    Ok(())
}

#[test]
fn futures_go_to_other_threads() {
    fn is_send<T: Send>(_: T) {}
    let bus = busway::bus("main");
    is_send((bus.run(Note), bus.dispatch_wait(Note), bus.reserve(), bus.stop(None, false)));
    is_send((bus.wait_until_idle(None), bus.expect::<Note>(), bus.events(1, Overflow::Wait)));
    is_send((bus.request::<_, ()>("a", ()).send(), bus.publish("a", ())));
    let event = |event: EventHandle<Note>| {
        is_send((event.wait(), event.wait_for(Duration::ZERO), event.run(Note)));
        is_send((event.event(Note).run(), event.publish("a", ()), event.scope(async {})));
        is_send((event.as_any().wait(), event.as_any()));
    };
    let _ = event;
    is_send(Retry::new().run(|| async { Ok::<_, BoxError>(()) }));
}
