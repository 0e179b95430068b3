//! "Typed results".

use std::sync::Arc;
use std::sync::Mutex;

use busway::{AnyEvent, AnyValue, Event, EventHandle, HandlerError, ResultError};
use serde::Deserialize;
use serde_json::json;

use crate::runtimes::{Env, Outcome, run};

scenarios!(
    s114_a_map_becomes_the_declared_type,
    s115_texts_and_numbers_stay_typed,
    s116_a_wrong_type_is_an_error_that_names_the_right_one,
    s117_without_a_declared_type_any_value,
    s118_a_result_knows_its_type,
    s119_expect_by_type_and_by_name,
    s120_the_same_object_everywhere,
    s121_a_typed_event_from_end_to_end,
);

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Profile {
    name: String,
    age: u8,
}

#[derive(Event)]
#[event(output = Profile)]
struct GetProfile {
    raw: serde_json::Value,
}

#[derive(Event)]
#[event(output = String)]
struct GetText;

#[derive(Event)]
#[event(output = i64)]
struct GetNumber;

#[derive(Event)]
struct Untyped;

/// Where upstream validates a handler's return value, a handler here parses it, and returns the declared
/// type.
async fn s114_a_map_becomes_the_declared_type<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|event: EventHandle<GetProfile>| serde_json::from_value::<Profile>(event.raw.clone()));
    let good = run(&bus, GetProfile { raw: json!({"name": "Ada", "age": 36}) }).await?;
    assert_eq!(good.result()?, Profile { name: "Ada".into(), age: 36 });
    let bad = run(&bus, GetProfile { raw: json!({"name": "Ada", "age": 1_000}) }).await?;
    let Err(ResultError::Failed { error: HandlerError::Failed(source), .. }) = bad.result() else {
        panic!("{:?}", bad.result());
    };
    assert!(source.downcast_ref::<serde_json::Error>().is_some());
    Ok(())
}

async fn s115_texts_and_numbers_stay_typed<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<GetText>| String::from("42"));
    bus.on(|_: EventHandle<GetNumber>| async { 42 });
    let text: String = run(&bus, GetText).await?.result()?;
    let number: i64 = run(&bus, GetNumber).await?.result()?;
    assert_eq!((text.as_str(), number), ("42", 42));
    Ok(())
}

async fn s116_a_wrong_type_is_an_error_that_names_the_right_one<E: Env>(env: E) -> Outcome {
    // A typed handler that returns another type does not compile; one registered by name is checked.
    let bus = env.bus("main");
    bus.on_name("GetNumber", |_: AnyEvent| "not a number");
    let event = run(&bus, GetNumber).await?;
    let Some(error) = event.results()[0].error() else { panic!("an error") };
    assert_eq!(error.to_string(), "the handler returned an invalid type: expected i64, got &str");
    assert!(matches!(error, HandlerError::ResultType { expected: "i64", found: "&str", .. }));
    assert!(event.results()[0].value::<&str>().is_none());
    Ok(())
}

async fn s117_without_a_declared_type_any_value<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on_any(|_: AnyEvent| "text");
    bus.on_any(|_: AnyEvent| 7u32);
    bus.on_any(|_: AnyEvent| async { json!({"a": 1}).to_string() });
    bus.on_any(|_: AnyEvent| AnyValue::new(Profile { name: "Ada".into(), age: 36 }));
    let event = run(&bus, Untyped).await?;
    let rows = event.results();
    assert!(rows.iter().all(|row| row.error().is_none()));
    assert_eq!(rows[0].value(), Some(&"text"));
    assert_eq!(rows[1].value(), Some(&7u32));
    assert_eq!(rows[2].value(), Some(&String::from("{\"a\":1}")));
    assert_eq!(rows[3].value::<Profile>().map(|profile| profile.age), Some(36));
    Ok(())
}

async fn s118_a_result_knows_its_type<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<GetNumber>| 118);
    bus.on_name("GetNumber", |_: AnyEvent| 118u8);
    let event = run(&bus, GetNumber).await?;
    let value = event.results()[0].any_value().expect("a value");
    assert_eq!((value.type_name(), value.downcast_ref::<i64>()), ("i64", Some(&118)));
    assert!(matches!(
        event.results()[1].error(),
        Some(HandlerError::ResultType { expected: "i64", found: "u8", .. })
    ));
    Ok(())
}

async fn s119_expect_by_type_and_by_name<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let typed = bus.expect::<GetProfile>();
    let named = bus.expect_name("GetProfile");
    let any = bus.expect_name("*");
    bus.dispatch(GetProfile { raw: json!(119) })?;
    let typed: EventHandle<GetProfile> = typed.await?;
    let named: AnyEvent = named.await?;
    assert_eq!(typed.raw, 119);
    assert_eq!(named.downcast::<GetProfile>().map(|event| event.id()), Some(typed.id()));
    assert!(named.downcast::<GetNumber>().is_none());
    assert_eq!(any.await?.id(), typed.id());
    Ok(())
}

async fn s120_the_same_object_everywhere<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let handled = Arc::new(Mutex::new(None));
    let note = handled.clone();
    bus.on(move |event: EventHandle<GetProfile>| {
        *note.lock().unwrap() = Some(event.clone());
    });
    let sent = bus.dispatch(GetProfile { raw: json!([]) })?;
    let done = (&sent).await?;
    let handled = handled.lock().unwrap().take().expect("handled");
    let remembered = bus.history()[0].downcast::<GetProfile>().expect("remembered");
    for same in [&done, &handled, &remembered] {
        assert!(std::ptr::eq(same.payload(), sent.payload()));
    }
    Ok(())
}

async fn s121_a_typed_event_from_end_to_end<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|event: EventHandle<GetProfile>| async move {
        let age = event.raw["age"].as_u64().ok_or("no age")?;
        busway::ok(Profile { name: "Ada".into(), age: u8::try_from(age)? })
    });
    let event = run(&bus, GetProfile { raw: json!({"age": 36}) }).await?;
    assert_eq!(event.result_ref()?.age, 36);
    assert_eq!(event.result_opt()?.map(|profile| profile.name), Some("Ada".into()));
    Ok(())
}
