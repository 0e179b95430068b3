//! S36–S49: what handlers return.

use std::collections::BTreeMap;

use busway::{
    AnyEvent, AnyValue, Event, EventHandle, EventResult, HandlerError, ResultError, Subscription,
};

use crate::runtimes::{Env, Outcome, run};
use crate::support::collecting;

scenarios!(
    s36_maps_are_merged_and_no_handler_gives_none,
    s37_results_are_found_by_handler_name,
    s38_fast_and_slow_are_both_there,
    s39_two_handlers_of_one_name,
    r2_closures_of_one_function_have_names_of_their_own,
    s40_by_id_there_are_two,
    s41_the_later_of_two_values_wins,
    s42_lists_are_concatenated_in_order_of_registration,
    s43_two_results_by_name,
    s44_a_name_that_is_not_there,
    s48_what_is_not_the_declared_map_is_an_error,
    s49_what_is_not_the_declared_list_is_an_error,
);

type Map = BTreeMap<&'static str, u32>;

#[derive(Event)]
#[event(output = Map)]
struct Config;

#[derive(Event)]
#[event(output = Vec<u32>)]
struct Collect;

#[derive(Event)]
#[event(output = &'static str)]
struct Ask;

fn is_good(result: &EventResult) -> bool {
    result.error().is_none()
}

fn is_of_another_type(result: &EventResult) -> bool {
    matches!(result.error(), Some(HandlerError::ResultType { .. }))
}

async fn s36_maps_are_merged_and_no_handler_gives_none<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let empty = run(&bus, Config).await?;
    assert!(empty.results().is_empty());
    assert_eq!(empty.results_flat_dict()?, Map::new());
    bus.on(|_: EventHandle<Config>| Map::from([("a", 1), ("b", 2)]));
    bus.on(|_: EventHandle<Config>| async { Map::from([("c", 3)]) });
    let merged = run(&bus, Config).await?.results_flat_dict()?;
    assert_eq!(merged, Map::from([("a", 1), ("b", 2), ("c", 3)]));
    Ok(())
}

async fn s37_results_are_found_by_handler_name<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    for name in ["early", "late", "second"] {
        bus.handler(move |_: EventHandle<Ask>| name).named(name).register();
    }
    let by_name = run(&bus, Ask).await?.results_by_handler_name();
    assert_eq!(by_name.len(), 3);
    assert!(by_name.iter().all(|(name, row)| row.value::<&str>() == Some(&name.as_str())));
    Ok(())
}

async fn s38_fast_and_slow_are_both_there<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    assert_eq!(run(&bus, Ask).await?.results_list()?, Vec::<&str>::new());
    bus.on(move |_: EventHandle<Ask>| async move {
        env.sleep(1).await;
        "slow"
    });
    bus.on(|_: EventHandle<Ask>| "fast");
    assert_eq!(run(&bus, Ask).await?.results_list()?, ["slow", "fast"]);
    Ok(())
}

async fn s39_two_handlers_of_one_name<E: Env>(env: E) -> Outcome {
    let (builder, warnings) = collecting(env.builder("main"));
    let bus = builder.build();
    bus.handler(|_: EventHandle<Ask>| "one").named("process").register();
    assert_eq!(warnings.len(), 0);
    bus.handler(|_: EventHandle<Ask>| "two").named("process").register();
    let [warning] = &warnings.items()[..] else { panic!("{:?}", warnings.items()) };
    assert!(warning.contains("process") && warning.contains("Ask"), "{warning}");
    assert_eq!(run(&bus, Ask).await?.results_list()?, ["one", "two"]);
    Ok(())
}

async fn r2_closures_of_one_function_have_names_of_their_own<E: Env>(env: E) -> Outcome {
    let (builder, warnings) = collecting(env.builder("main"));
    let bus = builder.build();
    let one = bus.on(|_: EventHandle<Ask>| "one");
    let two = bus.handler(|_: EventHandle<Ask>| "two").register();
    assert_eq!(warnings.len(), 0);
    for closure in [&one, &two] {
        let line =
            closure.name().strip_prefix("r2_closures_of_one_function_have_names_of_their_own:");
        assert!(line.is_some_and(|line| line.parse::<u32>().is_ok()), "{closure:?}");
    }
    let event = run(&bus, Ask).await?;
    let by_name = event.results_by_handler_name();
    let of = |closure: &Subscription| by_name[closure.name()].value::<&str>().copied();
    assert_eq!((of(&one), of(&two)), (Some("one"), Some("two")));
    let shown = format!("{:?}", event.results()[0]);
    assert!(shown.contains(one.name()) && shown.contains("value: \"one\""), "{shown}");
    Ok(())
}

async fn s40_by_id_there_are_two<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let one = bus.handler(|_: EventHandle<Ask>| "one").named("process").register();
    let two = bus.handler(|_: EventHandle<Ask>| "two").named("process").register();
    let event = run(&bus, Ask).await?;
    let by_id = event.results_by_handler_id();
    assert_eq!(by_id.len(), 2);
    assert_eq!(by_id[&one.id()].value(), Some(&"one"));
    assert_eq!(by_id[&two.id()].value(), Some(&"two"));
    // By name, it is the later one's.
    let by_name = event.results_by_handler_name();
    assert_eq!((by_name.len(), by_name["process"].value()), (1, Some(&"two")));
    Ok(())
}

async fn s41_the_later_of_two_values_wins<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Config>| Map::from([("shared", 1), ("first", 1)]));
    bus.on(|_: EventHandle<Config>| Map::from([("shared", 2), ("second", 2)]));
    let event = run(&bus, Config).await?;
    let merged = event.results_flat_dict()?;
    assert_eq!(merged, Map::from([("first", 1), ("second", 2), ("shared", 2)]));
    let refused = event.select(|_| true)?.flat_dict_strict();
    assert!(matches!(refused, Err(ResultError::Conflict { key }) if key.contains("shared")));

    // On a typed bus a result that is not a map is an error (R21); the filter skips it.
    let bus = env.bus("main");
    bus.on_any(|_: AnyEvent| "no map");
    let event = run(&bus, Config).await?;
    assert!(event.results_flat_dict().is_err());
    assert_eq!(event.select(is_good)?.flat_dict()?, Map::new());
    Ok(())
}

async fn s42_lists_are_concatenated_in_order_of_registration<E: Env>(env: E) -> Outcome {
    // Parallel, and the first one ends last: the order is that of registration (R1).
    let bus = env.builder("main").parallel_handlers().build();
    bus.on(move |_: EventHandle<Collect>| async move {
        env.sleep(2).await;
        vec![1, 2]
    });
    bus.on(|_: EventHandle<Collect>| vec![3]);
    bus.on(|_: EventHandle<Collect>| None::<Vec<u32>>);
    bus.on(|_: EventHandle<Collect>| vec![4, 5]);
    assert_eq!(run(&bus, Collect).await?.results_flat_list()?, [1, 2, 3, 4, 5]);
    bus.on_any(|_: AnyEvent| "no list");
    let event = run(&bus, Collect).await?;
    assert_eq!(event.select(is_good)?.flat_list()?, [1, 2, 3, 4, 5]);
    Ok(())
}

async fn s43_two_results_by_name<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.handler(|_: EventHandle<Ask>| "a").named("handler_a").register();
    bus.handler(|_: EventHandle<Ask>| async { "b" }).named("handler_b").register();
    let by_name = run(&bus, Ask).await?.results_by_handler_name();
    assert_eq!(by_name["handler_a"].value(), Some(&"a"));
    assert_eq!(by_name["handler_b"].value(), Some(&"b"));
    Ok(())
}

async fn s44_a_name_that_is_not_there<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Ask>| "a");
    assert!(!run(&bus, Ask).await?.results_by_handler_name().contains_key("missing"));
    Ok(())
}

async fn s48_what_is_not_the_declared_map_is_an_error<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Config>| Map::from([("a", 1)]));
    bus.on(|_: EventHandle<Config>| Map::from([("b", 2)]));
    bus.on_any(|_: AnyEvent| String::from("text"));
    bus.on_any(|_: AnyEvent| 7i32);
    bus.on_any(|_: AnyEvent| vec![1u32]);
    let event = run(&bus, Config).await?;
    let rows = event.results();
    assert_eq!(rows.iter().filter(|row| is_good(row)).count(), 2);
    assert_eq!(rows.iter().filter(|row| is_of_another_type(row)).count(), 3);
    assert_eq!(event.select(is_good)?.flat_dict()?, Map::from([("a", 1), ("b", 2)]));
    assert!(
        matches!(event.result(), Err(ResultError::Several { failures }) if failures.len() == 3)
    );
    Ok(())
}

async fn s49_what_is_not_the_declared_list_is_an_error<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|_: EventHandle<Collect>| vec![1, 2]);
    bus.on(|_: EventHandle<Collect>| vec![3]);
    bus.on_any(|_: AnyEvent| "text");
    bus.on_any(|_: AnyEvent| AnyValue::new(Map::new()));
    // A list of something else is another type.
    bus.on_any(|_: AnyEvent| vec!["text"]);
    let event = run(&bus, Collect).await?;
    let rows = event.results();
    assert_eq!(rows.iter().filter(|row| is_of_another_type(row)).count(), 3);
    assert_eq!(event.select(is_good)?.flat_list()?, [1, 2, 3]);
    Ok(())
}
