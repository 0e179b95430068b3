//! "The handler's bus".

use busway::{Event, EventHandle};

use crate::runtimes::{Env, Outcome, run};
use crate::support::Log;

scenarios!(
    s73_a_handler_reads_its_bus_and_dispatches_through_it,
    s74_each_handler_sees_its_own_bus,
    s75_of_a_forwarded_event_the_bus_that_processes_it,
    s76_outside_there_is_none,
    s77_nested_handlers_see_the_same_bus,
);

#[derive(Event)]
#[event(output = String)]
struct WhichBus;

#[derive(Event)]
#[event(output = String)]
struct Nested;

fn its_bus(event: EventHandle<WhichBus>) -> Option<String> {
    Some(event.bus()?.name())
}

async fn s73_a_handler_reads_its_bus_and_dispatches_through_it<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(its_bus);
    bus.on(|event: EventHandle<Nested>| async move {
        let bus = event.bus().ok_or("in a handler")?;
        let child = bus.dispatch(WhichBus)?;
        assert_eq!(child.parent_id(), Some(event.id()));
        busway::ok(child.await?.result()?)
    });
    assert_eq!(run(&bus, Nested).await?.result()?, "main");
    Ok(())
}

async fn s74_each_handler_sees_its_own_bus<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    for name in ["one", "two"] {
        let bus = hub.bus(name).build();
        bus.on(its_bus);
        assert_eq!(run(&bus, WhichBus).await?.result()?, name);
    }
    Ok(())
}

async fn s75_of_a_forwarded_event_the_bus_that_processes_it<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").build());
    one.on(its_bus);
    two.on(its_bus);
    one.forward("*", &two)?;
    assert_eq!(run(&one, WhichBus).await?.results_list()?, ["one", "two"]);
    Ok(())
}

async fn s76_outside_there_is_none<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(its_bus);
    let event = bus.dispatch(WhichBus)?;
    assert!(event.bus().is_none());
    let event = event.await?;
    assert!(event.bus().is_none());
    assert!(bus.history()[0].bus().is_none());
    Ok(())
}

async fn s77_nested_handlers_see_the_same_bus<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let seen = Log::<String>::new();
    bus.on(its_bus);
    let log = seen.clone();
    bus.on(move |event: EventHandle<Nested>| {
        let log = log.clone();
        async move {
            log.push(event.bus().ok_or("in a handler")?.name());
            let inner = event.run(WhichBus).await?.result()?;
            log.push(inner.as_str());
            log.push(event.bus().ok_or("still in a handler")?.name());
            busway::ok(inner)
        }
    });
    run(&bus, Nested).await?.result()?;
    assert_eq!(seen.items(), ["main"; 3]);
    Ok(())
}
