//! Depth and numbers: no recursion on the stack, nothing that grows with the queue.

use busway::{BoxError, Event, EventHandle};

#[derive(Event)]
#[event(output = u32)]
struct Nest(u32);

#[derive(Event)]
struct Tick;

async fn nest(event: EventHandle<Nest>) -> Result<u32, BoxError> {
    match event.0 {
        0 => Ok(0),
        left => Ok(event.run(Nest(left - 1)).await?.result()? + 1),
    }
}

#[tokio::test]
async fn r14_ten_thousand_nested_awaited_children() -> Result<(), BoxError> {
    let bus = busway::builder("main").max_depth(None).max_pending_children(None).build();
    bus.on(nest);
    assert_eq!(bus.run(Nest(10_000)).await?.result()?, 10_000);
    Ok(())
}

#[tokio::test]
async fn r8_a_hundred_thousand_queued_events() -> Result<(), BoxError> {
    let bus = busway::builder("main").max_pending(None).build();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = count.clone();
    bus.on(move |_: EventHandle<Tick>| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    let mut last = None;
    for _ in 0..100_000 {
        last = Some(bus.dispatch(Tick)?);
    }
    last.expect("dispatched").await?;
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 100_000);
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(bus.history().len(), 50);
    Ok(())
}
