//! What belongs together and what does not: events of other hubs, waits and tasks that leave their
//! handler, readers on other threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::{DispatchError, Event, EventBus, EventHandle, Overflow, RequestError, ReserveError};
use tokio::time::{Instant, sleep};

#[derive(Event)]
#[event(output = u32)]
struct First(u32);

#[derive(Event)]
#[event(output = u32)]
struct Second;

#[derive(Event)]
#[event(output = u32)]
struct Third;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn r12_a_parent_in_another_hub_is_named_and_does_not_wait() {
    let (one, other) = (busway::bus("one"), busway::builder("other").max_pending(Some(2)).build());
    other.on(|_: EventHandle<Second>| sleep(SECOND));
    other.on(|_: EventHandle<Third>| sleep(30 * SECOND));
    let far = one.dispatch(First(1)).unwrap();
    let near = other.dispatch(Second).unwrap();
    let child = other.event(Third).parent(&far).dispatch().unwrap();
    assert_eq!((child.parent_id(), child.depth()), (Some(far.id()), 1));
    assert!(near.children().is_empty());
    assert!(other.event(Third).parent(&far).dispatch().is_err(), "it takes a place of the roots");
    assert!(other.find::<Third>().child_of(&far).all(9).is_empty());
    let began = Instant::now();
    near.await.unwrap();
    assert_eq!(began.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn r6_a_child_of_what_is_in_progress_waits_for_no_place() {
    let bus = busway::builder("main").max_pending(Some(1)).build();
    bus.on(|first: EventHandle<First>| async move {
        let child = tokio::spawn(async move { first.event(Second).dispatch_wait().await.is_ok() });
        child.await.map(u32::from)
    });
    assert_eq!(bus.run(First(1)).await.unwrap().result().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn r6_nobody_waits_for_a_place_where_there_are_none() {
    let bus = busway::builder("main").max_pending(Some(0)).build();
    assert_eq!(bus.reserve().await.unwrap_err(), ReserveError::NoCapacity);
    let refused = bus.dispatch_wait(First(1)).await.unwrap_err();
    assert!(matches!(refused, DispatchError::Full { event: First(1), limit: 0 }));
    let refused = bus.event(First(2)).dispatch_wait().await.unwrap_err();
    assert!(matches!(refused, DispatchError::Full { event: First(2), limit: 0 }));
}

#[tokio::test(start_paused = true)]
async fn r14_a_wait_that_leaves_its_handler_is_its_own_no_more() {
    let bus = busway::bus("main");
    let place: Arc<Mutex<Option<EventHandle<First>>>> = Arc::default();
    let (puts, takes) = (place.clone(), place);
    bus.on(move |first: EventHandle<First>| {
        *puts.lock().unwrap() = Some(first.clone());
        async move {
            let child = first.event(Second).detached().parallel().dispatch().unwrap();
            let mut wait = child.wait();
            assert!(futures_util::poll!(&mut wait).is_pending());
            tokio::spawn(wait);
            sleep(SECOND).await;
        }
    });
    bus.on(move |_: EventHandle<Second>| {
        let first = takes.lock().unwrap().clone().unwrap();
        async move {
            sleep(SECOND / 10).await;
            first.await.map(|_| 1)
        }
    });
    bus.run(First(1)).await.unwrap();
    bus.wait_until_idle(None).await.unwrap();
    let second = bus.find::<Second>().newest().unwrap();
    assert_eq!(second.result().unwrap(), 1, "no deadlock: the first does not wait for it");
}

#[tokio::test(start_paused = true)]
async fn r12_a_scope_makes_children_whatever_is_ambient() {
    let bus = busway::builder("main").ambient_parent(false).build();
    let weak = bus.downgrade();
    bus.on(move |first: EventHandle<First>| {
        let (bus, id) = (weak.upgrade().unwrap(), first.id());
        async move {
            assert_eq!(bus.dispatch(Second).unwrap().parent_id(), None);
            let scope = first.scope(async move { bus.dispatch(Second).unwrap().parent_id() });
            assert_eq!(tokio::spawn(scope).await.unwrap(), Some(id));
        }
    });
    let first = bus.run(First(1)).await.unwrap();
    assert!(first.results()[0].error().is_none(), "{:?}", first.results());
}

#[tokio::test(start_paused = true)]
async fn r12_a_child_from_a_handlers_task_is_that_handlers() {
    let bus = busway::bus("main");
    bus.handler(|first: EventHandle<First>| async move {
        let child = tokio::spawn(async move { first.dispatch(Second).map(drop).is_ok() });
        assert!(child.await.unwrap());
    })
    .named("maker")
    .register();
    bus.handler(|_: EventHandle<First>| {}).named("other").register();
    let first = bus.run(First(1)).await.unwrap();
    let tree = first.log_tree().to_string();
    let [maker, child, other] = ["maker", "Second", "other"]
        .map(|name| tree.find(name).unwrap_or_else(|| panic!("{tree}")));
    assert!(maker < child && child < other, "{tree}");
}

#[tokio::test(start_paused = true)]
async fn r22_a_deadline_that_is_over_starts_nothing() {
    let bus = busway::bus("main");
    bus.on(|first: EventHandle<First>| first.0);
    let ran = bus.event(First(1)).deadline(Duration::ZERO).run().await.unwrap();
    assert!(ran.result().is_err(), "{:?}", ran.results());
}

#[tokio::test(start_paused = true)]
async fn r36_a_stopped_bus_says_so_to_requests() {
    let bus = busway::bus("main");
    bus.stop(None, true).await;
    let answer: Result<u32, _> = bus.request("nobody", 1u32).await;
    assert!(matches!(answer, Err(RequestError::Stopped { .. })), "{answer:?}");
}

#[test]
fn r28_what_a_reader_on_another_thread_gets_and_what_is_dropped_is_all() {
    let runtime = busway_smol::Smol::global();
    let bus = EventBus::builder("main").max_pending(None).runtime(runtime).build();
    let mut stream = bus.events(1, Overflow::DropOldest);
    let writer = std::thread::spawn(move || {
        (0..5_000).for_each(|number| drop(bus.dispatch(First(number)).unwrap()));
        smol::block_on(bus.wait_until_idle(None)).unwrap();
        bus.stop_now();
    });
    let (mut got, mut most) = (0, 0);
    smol::block_on(async {
        while stream.next().await.is_some() {
            got += 1;
            most = most.max(stream.unread());
        }
    });
    writer.join().unwrap();
    assert_eq!(got + stream.dropped(), 5_000);
    assert!(most <= 1, "{most}");
}

#[tokio::test(start_paused = true)]
async fn r14_a_scope_of_another_hub_hides_no_handler() {
    let (far, bus) = (busway::bus("far"), busway::bus("main"));
    far.on(|_: EventHandle<Third>| sleep(30 * SECOND));
    let event = far.dispatch(Third).unwrap();
    bus.on(|_: EventHandle<Second>| sleep(SECOND));
    let (far, id) = (far.downgrade(), event.id());
    bus.on(move |first: EventHandle<First>| {
        let (event, far) = (event.clone(), far.upgrade().unwrap());
        async move {
            let child = first.dispatch(Second).unwrap();
            let there = event.scope(async {
                child.wait().await.unwrap();
                far.dispatch(First(2)).unwrap().parent_id()
            });
            assert_eq!(there.await, Some(id), "a child of the scope's event");
            assert_eq!(first.dispatch(Second).unwrap().parent_id(), Some(first.id()));
        }
    });
    let began = Instant::now();
    let first = bus.run(First(1)).await.unwrap();
    assert!(first.results()[0].error().is_none(), "{:?}", first.results());
    assert_eq!(began.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn r28_an_expectation_that_has_its_event_is_offered_no_others() {
    let bus = busway::bus("main");
    let expected = [bus.expect::<First>(), bus.expect::<First>()];
    let other = bus.expect_where(|first: &EventHandle<First>| first.0 == 2);
    assert_eq!(bus.hub().held().watches, 3);
    let first = bus.dispatch(First(1)).unwrap();
    assert_eq!(bus.hub().held().watches, 1, "also before they are polled");
    bus.dispatch(First(2)).unwrap();
    assert_eq!(bus.hub().held().watches, 0);
    for expected in expected {
        assert_eq!(expected.await.unwrap().id(), first.id());
    }
    assert_eq!(other.await.unwrap().0, 2);
}
