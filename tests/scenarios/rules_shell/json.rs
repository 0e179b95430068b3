//! R21 with the feature `serde`: JSON objects and arrays are maps and lists.

use busway::{Event, EventHandle, ResultError};
use serde_json::{Map, Value, json};

use crate::runtimes::{Env, Outcome, run};

scenarios!(r21_json_objects_are_merged, r21_json_maps_are_merged, r21_json_arrays_are_concatenated,);

#[derive(Event)]
#[event(output = Value)]
struct Collect;

async fn r21_json_objects_are_merged<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Collect>| json!({"a": {"deep": 1}, "b": 1}));
    bus.on(|_: EventHandle<Collect>| json!([1, 2]));
    bus.on(|_: EventHandle<Collect>| async { json!({"a": {"other": 2}, "c": null}) });
    let event = run(&bus, Collect).await?;
    let merged = event.results_flat_dict()?;
    assert_eq!(merged, json!({"a": {"other": 2}, "b": 1, "c": null}), "the first level only");
    let refused = event.select(|_| true)?.flat_dict_strict();
    assert!(matches!(refused, Err(ResultError::Conflict { key }) if key == "a"));
    Ok(())
}

#[derive(Event)]
#[event(output = Map<String, Value>)]
struct Settings;

async fn r21_json_maps_are_merged<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let map = |value: Value| value.as_object().cloned();
    bus.on(move |_: EventHandle<Settings>| map(json!({"a": 1, "b": 1})));
    bus.on(move |_: EventHandle<Settings>| map(json!({"b": 2})));
    let event = run(&bus, Settings).await?;
    assert_eq!(Value::from(event.results_flat_dict()?), json!({"a": 1, "b": 2}));
    let refused = event.select(|_| true)?.flat_dict_strict();
    assert!(matches!(refused, Err(ResultError::Conflict { key }) if key == "b"));
    Ok(())
}

async fn r21_json_arrays_are_concatenated<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Collect>| json!([1, "two"]));
    bus.on(|_: EventHandle<Collect>| json!({"no": "list"}));
    bus.on(|_: EventHandle<Collect>| json!([[3]]));
    assert_eq!(run(&bus, Collect).await?.results_flat_list()?, json!([1, "two", [3]]));
    Ok(())
}
