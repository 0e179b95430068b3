//! What a bus can do without `std`, above all awaiting inside handlers.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::pending;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use busway_core::{
    AnyEvent, EventBus, EventHandle, HandlerError, Limit, ResultError, Retry, WaitError,
};

use crate::events::{Inner, Outer};
use crate::hand::Hand;

type Scenario = fn(helps: bool);

pub const ALL: [(&str, Scenario); 10] = [
    ("an awaited child goes ahead of the queue", awaited_child),
    ("children are awaited at any depth", any_depth),
    ("several children are awaited at once", several_children),
    ("a child on another bus", another_bus),
    ("a handler of every event", every_event),
    ("a detached event, awaited", detached),
    ("an event that is not a child, awaited", not_a_child),
    ("a wait for a slot of a semaphore", slot),
    ("a wait that could never end", deadlock),
    ("a limit", limit),
];

/// Counts the events, and answers each with the count so far, which shows the order.
fn counting(bus: &EventBus) -> Arc<AtomicU32> {
    let counter = Arc::new(AtomicU32::new(0));
    let inner = counter.clone();
    bus.on(move |_: EventHandle<Inner>| inner.fetch_add(1, Ordering::SeqCst));
    counter
}

fn awaited_child(helps: bool) {
    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    counting(&bus);
    bus.on(|outer: EventHandle<Outer>| async move {
        let not_awaited = outer.dispatch(Inner(0))?;
        let awaited = outer.run(Inner(1)).await?;
        assert_eq!(awaited.parent_id(), Some(outer.id()));
        assert!(not_awaited.results().is_empty());
        busway_core::ok(awaited.result()?)
    });
    let outer = bus.dispatch(Outer(0)).unwrap();
    let queued = bus.dispatch(Inner(2)).unwrap();
    let done = async { (outer.await.unwrap(), queued.await.unwrap()) };
    let (outer, queued) = hand.run(&mut [&mut driver], done);
    assert_eq!(outer.result().unwrap(), 0, "the awaited child was first");
    assert_eq!(queued.result().unwrap(), 1, "then what was queued");
    assert_eq!(outer.children()[0].results()[0].value(), Some(&2u32), "then the other child");
}

fn any_depth(helps: bool) {
    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    bus.on(|outer: EventHandle<Outer>| async move {
        match outer.0 {
            0 => 0,
            n => outer.run(Outer(n - 1)).await.unwrap().result().unwrap() + 1,
        }
    });
    let outer = hand.run(&mut [&mut driver], bus.run(Outer(100))).unwrap();
    assert_eq!(outer.result().unwrap(), 100);
}

fn several_children(helps: bool) {
    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    counting(&bus);
    bus.on(|outer: EventHandle<Outer>| async move {
        let children: Vec<_> = (0..3).map(|n| outer.dispatch(Inner(n)).unwrap()).collect();
        let waits = children.iter().map(EventHandle::wait).map(|wait| Some(Box::pin(wait)));
        All(waits.collect()).await;
        children.iter().map(|child| child.result().unwrap()).sum::<u32>()
    });
    let outer = hand.run(&mut [&mut driver], bus.run(Outer(0))).unwrap();
    assert_eq!(outer.result().unwrap(), 3);
}

/// Waits for all these futures, polled together.
struct All<F>(Vec<Option<Pin<Box<F>>>>);

impl<F: Future> Future for All<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for slot in &mut self.0 {
            if slot.as_mut().is_some_and(|future| future.as_mut().poll(cx).is_ready()) {
                *slot = None;
            }
        }
        if self.0.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn another_bus(helps: bool) {
    let hand = Hand::new(helps);
    let hub = hand.hub();
    let (front, mut front_driver) = hub.bus("front").with_driver();
    let (back, mut back_driver) = hub.bus("back").with_driver();
    counting(&back);
    let target = back.downgrade();
    front.on(move |outer: EventHandle<Outer>| {
        let back = target.upgrade().unwrap();
        async move {
            let child = back.event(Inner(0)).parent(&outer).run().await.unwrap();
            assert_eq!(child.parent_id(), Some(outer.id()));
            child.result().unwrap() + 1
        }
    });
    let outer = hand.run(&mut [&mut front_driver, &mut back_driver], front.run(Outer(0)));
    assert_eq!(outer.unwrap().result().unwrap(), 1);
}

fn every_event(helps: bool) {
    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    counting(&bus);
    bus.on_name("Outer", |event: AnyEvent| async move {
        event.run(Inner(0)).await.unwrap().result().unwrap() + 5
    });
    let outer = hand.run(&mut [&mut driver], bus.run(Outer(0))).unwrap();
    assert_eq!(outer.result().unwrap(), 5);
}

fn detached(helps: bool) {
    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    counting(&bus);
    bus.on(|outer: EventHandle<Outer>| async move {
        let root = outer.event(Inner(0)).detached().run().await.unwrap();
        assert_eq!(root.parent_id(), None);
        root.result().unwrap()
    });
    let outer = hand.run(&mut [&mut driver], bus.run(Outer(0))).unwrap();
    assert_eq!(outer.result().unwrap(), 0);
}

/// A handler awaits an event that is not its child, and says so.
fn not_a_child(helps: bool) {
    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    counting(&bus);
    let weak = bus.downgrade();
    bus.on(move |outer: EventHandle<Outer>| {
        let bus = weak.upgrade().unwrap();
        async move {
            let other = bus.dispatch(Inner(0)).unwrap();
            assert_eq!(other.parent_id(), None, "there is no ambient parent");
            other.wait_within(&outer).await.unwrap().result().unwrap()
        }
    });
    let outer = hand.run(&mut [&mut driver], bus.run(Outer(0))).unwrap();
    assert_eq!(outer.result().unwrap(), 0);
}

fn slot(helps: bool) {
    let hand = Hand::new(helps);
    let bus = EventBus::builder("main").runtime(hand.clone()).parallel_handlers();
    let (bus, mut driver) = bus.with_driver();
    counting(&bus);
    // The holder of the slot awaits an event of the bus that the other handler runs on and waits on.
    let policy = Retry::new().timeout(None).semaphore_limit(1).semaphore_name("slot");
    for name in ["one", "other"] {
        let asks = |outer: EventHandle<Outer>| async move {
            busway_core::ok(outer.run(Inner(0)).await?.result()?)
        };
        bus.handler(asks).named(name).retry(policy.clone()).register();
    }
    let outer = hand.run(&mut [&mut driver], bus.run(Outer(0))).unwrap();
    assert_eq!(outer.results_list().unwrap(), [0, 1]);
}

fn deadlock(helps: bool) {
    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    bus.on(|outer: EventHandle<Outer>| async move {
        match (&outer).await {
            Err(WaitError::Deadlock { cycle }) => cycle.len() as u32,
            _ => panic!("a handler awaits its own event"),
        }
    });
    let outer = hand.run(&mut [&mut driver], bus.run(Outer(0))).unwrap();
    assert_eq!(outer.result().unwrap(), 1);
}

fn limit(helps: bool) {
    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let hand = Hand::new(helps);
    let (bus, mut driver) = hand.bus();
    let is_dropped = Arc::new(AtomicBool::new(false));
    let seen = is_dropped.clone();
    bus.on(move |_: EventHandle<Outer>| {
        let dropped = Dropped(seen.clone());
        async move {
            pending::<()>().await;
            drop(dropped);
        }
    });
    let late = bus.event(Outer(0)).limit(Limit::After(Duration::from_millis(50))).run();
    let late = hand.run(&mut [&mut driver], late).unwrap();
    let error = late.result().unwrap_err();
    assert!(matches!(error, ResultError::Failed { error: HandlerError::TimedOut { .. }, .. }));
    assert!(is_dropped.load(Ordering::SeqCst));
}
