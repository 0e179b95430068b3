//! R29 and R30: which events are remembered, and the memory they take.

use std::sync::{Arc, OnceLock};

use busway::{Event, EventHandle, Hub, Subscription};

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, Log};

scenarios!(
    r29_leaving_history_never_touches_the_work,
    r30_memory_is_told_by_bus,
    r30_one_warning_above_the_limit,
    r30_a_derived_event_tells_what_its_fields_point_to,
    r4_a_removed_handler_is_dropped_before_the_next_event_starts,
    r4_a_removed_handler_is_dropped_when_its_bus_is_idle,
);

#[derive(Event)]
#[event(output = u32)]
struct Small(u32);

struct Heavy(usize);

impl Event for Heavy {
    type Output = ();
    const NAME: &'static str = "Heavy";

    fn bytes(&self) -> usize {
        self.0
    }
}

#[derive(Event)]
#[event(bytes = Self::of_lines)]
struct Lines(Vec<String>);

impl Lines {
    fn of_lines(&self) -> usize {
        self.0.iter().map(String::capacity).sum()
    }
}

async fn r30_a_derived_event_tells_what_its_fields_point_to<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let bytes = || bus.hub().memory()[0].bytes;
    run(&bus, Lines(Vec::new())).await?;
    let empty = bytes();
    run(&bus, Lines(vec!["a".repeat(6_000), "b".repeat(4_000)])).await?;
    assert_eq!(bytes(), 2 * empty + 10_000);
    Ok(())
}

async fn r29_leaving_history_never_touches_the_work<E: Env>(env: E) -> Outcome {
    let bus = env.builder("main").max_history(Some(1)).build();
    bus.on(|small: EventHandle<Small>| small.0);
    let mut kept = Vec::new();
    for number in 0..5 {
        kept.push(run(&bus, Small(number)).await?);
    }
    let newest: Vec<_> = bus.history().iter().map(busway::AnyEvent::id).collect();
    assert_eq!(newest, [kept[4].id()]);
    for (number, event) in (0..).zip(kept) {
        assert_eq!((event.result()?, event.path()), (number, vec!["main".to_owned()]));
        assert!((&event).await?.completed_at().is_some());
    }
    Ok(())
}

async fn r30_memory_is_told_by_bus<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (one, two) = (hub.bus("one").build(), hub.bus("two").max_history(Some(0)).build());
    let gate = Gate::closed();
    two.on(gate.holds::<Small>());
    run(&one, Heavy(10_000)).await?;
    run(&one, Small(1)).await?;
    let waits = two.dispatch(Small(2))?;
    let of = |name: &str| hub.memory().into_iter().find(|bus| &*bus.name == name).expect("there");
    assert_eq!((of("one").events, of("one").incomplete), (2, 0));
    assert!((10_000..12_000).contains(&of("one").bytes), "{}", of("one").bytes);
    assert_eq!((of("two").events, of("two").incomplete), (1, 1));
    gate.open();
    waits.await?;
    assert_eq!((of("two").events, of("two").incomplete, of("two").bytes), (0, 0, 0));
    Ok(())
}

async fn r30_one_warning_above_the_limit<E: Env>(env: E) -> Outcome {
    let warnings = Log::<String>::new();
    let heard = warnings.clone();
    let hub = Hub::builder()
        .runtime(env.runtime())
        .memory_warning(Some(100_000))
        .on_warning(move |warning| heard.push(warning.to_string()))
        .build();
    let bus = hub.bus("main").build();
    run(&bus, Heavy(90_000)).await?;
    assert_eq!(warnings.len(), 0);
    run(&bus, Heavy(90_000)).await?;
    run(&bus, Heavy(90_000)).await?;
    let [warning] = &warnings.items()[..] else { panic!("{:?}", warnings.items()) };
    assert!(warning.contains("180") && warning.ends_with("more than 100000"), "{warning}");
    Ok(())
}

async fn r4_a_removed_handler_is_dropped_before_the_next_event_starts<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let (token, seen) = (Arc::new(()), Log::<usize>::new());
    let own = Arc::new(OnceLock::<Subscription>::new());
    let (held, itself) = (token.clone(), own.clone());
    let _ = own.set(bus.on(move |small: EventHandle<Small>| {
        let _held = &held;
        if small.0 == 2 {
            itself.get().unwrap().off();
        }
        small.0
    }));
    let (kept, log) = (token.clone(), seen.clone());
    bus.on(move |_: EventHandle<Lines>| log.push(Arc::strong_count(&kept)));

    // It runs twice in a row, and removes itself in the last run.
    bus.dispatch(Small(1))?;
    bus.dispatch(Small(2))?;
    run(&bus, Lines(Vec::new())).await?;
    // This test's and the second handler's.
    assert_eq!(seen.items(), [2]);
    drop(own);
    Ok(())
}

async fn r4_a_removed_handler_is_dropped_when_its_bus_is_idle<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let token = Arc::new(());
    let held = token.clone();
    let handler = bus.on(move |small: EventHandle<Small>| {
        let _held = &held;
        small.0
    });
    for number in 0..3 {
        run(&bus, Small(number)).await?;
    }
    bus.wait_until_idle(None).await?;
    handler.off();
    assert_eq!(Arc::strong_count(&token), 1);
    Ok(())
}
