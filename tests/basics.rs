//! The bus as a user sees it, on tokio.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::{
    BoxError, Event, EventHandle, EventStatus, HandlerError, Limit, ResultError, WaitError,
};

#[derive(Debug, Event)]
#[event(output = u32)]
struct Add(u32, u32);

#[derive(Event)]
struct Told;

#[derive(Event)]
#[event(output = Vec<u32>)]
struct Outer;

async fn add(event: EventHandle<Add>) -> u32 {
    event.0 + event.1
}

#[tokio::test]
async fn a_result_comes_back() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.on(add);
    let event = bus.dispatch(Add(1, 2))?;
    assert_eq!(event.status(), EventStatus::Pending);
    assert_eq!(event.await?.result()?, 3);
    assert_eq!(bus.run(Add(3, 4)).await?.result()?, 7);
    Ok(())
}

#[tokio::test]
async fn s3_no_handlers() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    let event = bus.dispatch(Told)?;
    assert_eq!(
        (event.status(), event.started_at(), event.completed_at()),
        (EventStatus::Pending, None, None)
    );
    let event = event.await?;
    assert_eq!(event.status(), EventStatus::Completed);
    assert!(event.started_at().is_some() && event.completed_at().is_some());
    assert!(event.results().is_empty());
    assert_eq!(bus.history().len(), 1);
    Ok(())
}

#[tokio::test]
async fn every_form_of_handler_and_reply() -> Result<(), BoxError> {
    struct Service(u32);
    impl Service {
        async fn add(self: Arc<Self>, event: EventHandle<Add>) -> Result<u32, BoxError> {
            Ok(event.0 + self.0)
        }
    }
    let bus = busway::bus("main");
    bus.on(|e: EventHandle<Add>| e.0);
    bus.on(|_: EventHandle<Add>| ());
    bus.on(|e: EventHandle<Add>| async move { Some(e.1) });
    bus.on(|_: EventHandle<Add>| async move { None::<u32> });
    bus.on(|_: EventHandle<Add>| async move { Ok::<_, std::io::Error>(Some(30)) });
    bus.on(|_: EventHandle<Add>| async move { busway::ok("40".parse::<u32>()?) });
    bus.on(|_: EventHandle<Add>| async move { busway::ok(()) });
    bus.on((Arc::new(Service(50)), Service::add));
    bus.on_any(|_: busway::AnyEvent| async {});
    bus.on_any(|_: busway::AnyEvent| async { 60u32 });
    bus.on_name("Add", |e: busway::AnyEvent| e.downcast::<Add>().map(|e| e.0 + 70));
    bus.on(|_: EventHandle<Told>| {});
    bus.on(|_: EventHandle<Told>| async { Ok::<(), String>(()) });
    let event = bus.run(Add(1, 2)).await?;
    assert_eq!(event.results_list()?, [1, 2, 30, 40, 51, 71, 60]);
    bus.on_any(|_: busway::AnyEvent| async { "text" });
    let event = bus.run(Add(1, 2)).await?;
    let Err(ResultError::Failed {
        error: HandlerError::ResultType { expected: "u32", .. }, ..
    }) = event.result()
    else {
        panic!("{:?}", event.result());
    };
    Ok(())
}

#[tokio::test]
async fn children_are_awaited_ahead_of_the_queue() -> Result<(), BoxError> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let bus = busway::bus("main");
    let seen = order.clone();
    bus.on(move |e: EventHandle<Add>| {
        seen.lock().unwrap().push(e.0);
        e.0
    });
    bus.on(|outer: EventHandle<Outer>| async move {
        let one = outer.dispatch(Add(1, 0))?;
        let two = outer.dispatch(Add(2, 0))?;
        let two = two.await?.result()?;
        let one = one.await?.result()?;
        busway::ok(vec![one, two])
    });
    let outer = bus.dispatch(Outer)?;
    let queued = bus.dispatch(Add(9, 0))?;
    assert_eq!(outer.await?.result()?, [1, 2]);
    queued.await?;
    assert_eq!(*order.lock().unwrap(), [2, 1, 9]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_over_its_limit_is_dropped() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.handler(|_: EventHandle<Add>| async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        1
    })
    .limit(Limit::After(Duration::from_secs(5)))
    .register();
    let start = tokio::time::Instant::now();
    let event = bus.run(Add(1, 2)).await?;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    let Err(ResultError::Failed { error: HandlerError::TimedOut { .. }, .. }) = event.result()
    else {
        panic!("{:?}", event.result());
    };
    Ok(())
}

#[tokio::test]
async fn r15_a_handler_that_awaits_its_own_event() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.on(|e: EventHandle<Add>| async move {
        match (&e).await {
            Err(WaitError::Deadlock { cycle }) => busway::ok(cycle.len() as u32),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(bus.run(Add(0, 0)).await?.result()?, 1);
    Ok(())
}

#[test]
fn s4_without_a_runtime_the_event_comes_back() {
    let bus = busway::EventBus::builder("main").runtime_source(busway::tokio::Tokio::latch).build();
    let error = bus.dispatch(Add(4, 5)).unwrap_err();
    assert!(error.to_string().starts_with("no async runtime"), "{error}");
    assert_eq!(error.into_event().1, 5);
    assert!(bus.history().is_empty());
}

#[tokio::test]
async fn r20_a_panic_is_a_result() -> Result<(), BoxError> {
    let bus = busway::bus("main");
    bus.on(|_: EventHandle<Add>| -> u32 { panic!("no {}", 1) });
    bus.on(|_: EventHandle<Add>| async {
        panic!("async");
        #[allow(unreachable_code)]
        0u32
    });
    bus.on(add);
    let event = bus.run(Add(1, 1)).await?;
    assert_eq!(event.results()[2].value(), Some(&2u32));
    let Err(ResultError::Several { failures }) = event.result() else { panic!() };
    assert_eq!(failures[0].1.to_string(), "the handler panicked: no 1");
    Ok(())
}

#[tokio::test]
async fn r12_the_ambient_parent_can_be_switched_off() -> Result<(), BoxError> {
    for ambient in [true, false] {
        let bus = busway::builder("main").ambient_parent(ambient).build();
        let weak = bus.downgrade();
        bus.on(move |_: EventHandle<Outer>| {
            let bus = weak.upgrade();
            async move {
                let told = bus.ok_or("the bus is gone")?.dispatch(Told)?;
                busway::ok(vec![u32::from(told.parent_id().is_some())])
            }
        });
        assert_eq!(bus.run(Outer).await?.result()?, [u32::from(ambient)]);
    }
    Ok(())
}
