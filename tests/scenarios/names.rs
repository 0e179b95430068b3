//! "Names and lifetimes".

use busway::{Event, EventBus, Hub};

use crate::runtimes::{Env, Outcome, run};
use crate::support::Log;

scenarios!(
    s92_a_name_that_is_taken,
    s93_a_name_is_free_after_drop,
    s96_only_live_buses_conflict,
    s97_a_name_is_free_after_stop_and_clear,
    s98_the_hub_counts_live_buses,
    r40_a_hub_lists_the_buses_that_are_held,
);

#[derive(Event)]
struct Tick;

// Names are per hub (R40): there is no process-wide registry.

fn names(hub: &Hub) -> Vec<String> {
    let mut names: Vec<_> = hub.memory().iter().map(|bus| bus.name.to_string()).collect();
    names.sort();
    names
}

/// A bus that has run an event, so that its driver runs too.
async fn used(hub: &Hub, name: &str) -> EventBus {
    let bus = hub.bus(name).build();
    run(&bus, Tick).await.expect("accepted");
    bus
}

async fn s92_a_name_that_is_taken<E: Env>(env: E) -> Outcome {
    let warnings = Log::<String>::new();
    let heard = warnings.clone();
    let hub = Hub::builder()
        .runtime(env.runtime())
        .on_warning(move |warning| heard.push(warning.to_string()))
        .build();
    let (one, two, other) = (used(&hub, "main").await, used(&hub, "main").await, env.bus("main"));
    assert_eq!(one.name(), "main");
    assert_eq!(other.name(), "main", "of another hub");
    let suffix = two.name().strip_prefix("main_").map(str::to_owned).unwrap_or_default();
    assert!(suffix.len() == 8 && suffix.chars().all(|c| c.is_ascii_hexdigit()), "{}", two.name());
    let [warning] = &warnings.items()[..] else { panic!("{:?}", warnings.items()) };
    assert!(warning.contains("main is taken") && warning.contains(&two.name()), "{warning}");
    Ok(())
}

async fn s93_a_name_is_free_after_drop<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    drop(hub.bus("main").build());
    let bus = used(&hub, "main").await;
    assert_eq!(bus.name(), "main", "nobody used the first one");
    drop(bus);
    env.until(|| names(&hub).is_empty()).await;
    assert_eq!(used(&hub, "main").await.name(), "main");
    Ok(())
}

async fn s96_only_live_buses_conflict<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let _one = used(&hub, "one").await;
    let two = used(&hub, "two").await;
    let _three = used(&hub, "three").await;
    drop(two);
    env.until(|| names(&hub).len() == 2).await;
    assert_eq!(used(&hub, "two").await.name(), "two");
    assert_ne!(used(&hub, "one").await.name(), "one");
    assert_ne!(used(&hub, "three").await.name(), "three");
    Ok(())
}

async fn s97_a_name_is_free_after_stop_and_clear<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let bus = used(&hub, "main").await;
    bus.stop(None, false).await;
    assert_ne!(used(&hub, "main").await.name(), "main", "it was stopped, not cleared");
    bus.stop(None, true).await;
    assert!(bus.history().is_empty());
    assert_eq!(used(&hub, "main").await.name(), "main");
    assert_eq!(bus.handler_count(), 0);
    Ok(())
}

async fn s98_the_hub_counts_live_buses<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    assert!(names(&hub).is_empty());
    let (one, two) = (used(&hub, "one").await, used(&hub, "two").await);
    assert_eq!(names(&hub), ["one", "two"]);
    drop(one);
    env.until(|| names(&hub) == ["two"]).await;
    drop(two);
    env.until(|| names(&hub).is_empty()).await;
    Ok(())
}

async fn r40_a_hub_lists_the_buses_that_are_held<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    assert!(hub.buses().is_empty());
    let (one, other) = (hub.bus("one").build(), used(&hub, "other").await);
    let buses = hub.buses();
    assert!(buses.len() == 2 && buses.contains(&one) && buses.contains(&other));
    drop(buses);
    drop(one);
    assert_eq!(hub.buses(), std::slice::from_ref(&other));
    // What is listed is held, and keeps the bus alive.
    let listed = hub.buses();
    drop(other);
    run(&listed[0], Tick).await?;
    drop(listed);
    assert!(hub.buses().is_empty());
    Ok(())
}
