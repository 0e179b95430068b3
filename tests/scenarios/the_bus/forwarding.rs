//! S25 and S45–S47: one event on several buses.

use std::collections::BTreeMap;

use busway::{Event, EventBus, EventHandle};

use crate::runtimes::{Env, Outcome, run};
use crate::support::Log;

scenarios!(
    s25_each_bus_of_a_chain_sees_it_once,
    s45_one_event_carries_the_results_of_three_buses,
    s46_a_bus_with_a_plugin,
    s47_maps_and_lists_merge_over_buses,
);

#[derive(Event)]
#[event(output = u32)]
struct Order(u32);

#[derive(Event)]
#[event(output = BTreeMap<&'static str, u32>)]
struct Validate;

#[derive(Event)]
#[event(output = Vec<u32>)]
struct Process;

/// Three buses of one hub, each forwarding everything to the next.
fn chain<E: Env>(env: E, names: [&str; 3]) -> [EventBus; 3] {
    let hub = env.hub();
    let buses = names.map(|name| hub.bus(name).build());
    for pair in buses.windows(2) {
        pair[0].forward("*", &pair[1]).expect("of one hub");
    }
    buses
}

async fn s25_each_bus_of_a_chain_sees_it_once<E: Env>(env: E) -> Outcome {
    let buses = chain(env, ["sub", "child", "parent"]);
    let seen = Log::<(String, busway::EventId)>::new();
    for bus in &buses {
        let seen = seen.clone();
        // By type, so that it runs before the event is forwarded (R1).
        bus.on(move |event: EventHandle<Order>| {
            seen.push((event.bus().expect("in a handler").name(), event.id()));
        });
    }
    let event = run(&buses[0], Order(1)).await?;
    let id = event.id();
    assert_eq!(event.path(), ["sub", "child", "parent"]);
    assert_eq!(seen.items(), ["sub", "child", "parent"].map(|name| (name.to_owned(), id)));

    let event = run(&buses[1], Order(2)).await?;
    assert_eq!(event.path(), ["child", "parent"]);
    assert_eq!(seen.len(), 5);
    assert_eq!(buses.map(|bus| bus.history().len()), [1, 2, 2]);
    Ok(())
}

async fn s45_one_event_carries_the_results_of_three_buses<E: Env>(env: E) -> Outcome {
    let buses = chain(env, ["bus1", "bus2", "bus3"]);
    let order = Log::<u32>::new();
    for (number, bus) in (1..).zip(&buses) {
        let order = order.clone();
        bus.on(move |event: EventHandle<Order>| {
            order.push(number);
            event.0 + number
        });
    }
    let event = run(&buses[0], Order(10)).await?;
    assert_eq!(event.results_list()?, [11, 12, 13]);
    assert_eq!(order.items(), [1, 2, 3]);
    assert!(event.results().iter().map(|row| row.bus_name().to_owned()).eq(event.path()));
    Ok(())
}

async fn s46_a_bus_with_a_plugin<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (main, plugin) = (hub.bus("Main").build(), hub.bus("Plugin").build());
    main.on(|_: EventHandle<Order>| 1);
    plugin.on(|_: EventHandle<Order>| 2);
    plugin.on(|_: EventHandle<Order>| async { 3 });
    main.forward("Order", &plugin)?;
    let event = run(&main, Order(0)).await?;
    assert_eq!(event.results_list()?, [1, 2, 3]);
    assert_eq!(event.path(), ["Main", "Plugin"]);
    Ok(())
}

async fn s47_maps_and_lists_merge_over_buses<E: Env>(env: E) -> Outcome {
    let buses = chain(env, ["auth", "data", "audit"]);
    for (number, (key, bus)) in (1..).zip(["a", "b", "c"].into_iter().zip(&buses)) {
        let validate = move |_: EventHandle<Validate>| BTreeMap::from([(key, number)]);
        bus.handler(validate).named("validate").register();
        bus.handler(move |_: EventHandle<Process>| vec![number, number])
            .named("process")
            .register();
    }
    let validated = run(&buses[0], Validate).await?;
    assert_eq!(validated.results_flat_dict()?, BTreeMap::from([("a", 1), ("b", 2), ("c", 3)]));
    assert!(validated.results().iter().all(|row| row.handler_name() == "validate"));
    let processed = run(&buses[0], Process).await?;
    assert_eq!(processed.results_flat_list()?, [1, 1, 2, 2, 3, 3]);
    Ok(())
}
