//! Forwarded events: on a target bus the current handler is known just as at home, and a bus that only
//! forwarded events have reached lives until they are done.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::{AnyEvent, BoxError, Concurrency, Event, EventBus, EventHandle, Hub, Retry};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::ledger::{Alive, Token};
use crate::manual::{Manual, drive, driven};

#[derive(Event)]
#[event(output = u32)]
struct First;

#[derive(Event)]
#[event(output = u32)]
struct Second;

/// Its handlers return the names of the buses they know of.
#[derive(Event)]
#[event(output = Vec<String>)]
struct Where;

#[derive(Event)]
#[event(output = u32)]
struct Job(#[allow(dead_code)] Token);

/// Holds the hub's slot for a while.
#[derive(Event)]
struct Hold;

const SHORT: Duration = Duration::from_millis(10);
const MINUTE: Duration = Duration::from_secs(60);

/// Two buses of one hub: the first forwards everything to the second.
fn forwards() -> (EventBus, EventBus) {
    let hub = busway::hub();
    let (home, target) = (hub.bus("home").build(), hub.bus("target").build());
    home.forward("*", &target).unwrap();
    (home, target)
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Asserts that the log of the event names these, one below the other.
#[track_caller]
fn assert_logged(event: &EventHandle<First>, names: [&str; 3]) {
    let tree = event.log_tree().to_string();
    let at = names.map(|name| tree.find(name).unwrap_or_else(|| panic!("no {name}:\n{tree}")));
    assert!(at.is_sorted(), "{names:?}:\n{tree}");
}

#[tokio::test(start_paused = true)]
async fn r12_what_a_handler_dispatches_in_a_task_is_its_own_child() {
    let (home, target) = forwards();
    let maker = target.handler(|first: EventHandle<First>| async move {
        let child = tokio::spawn(async move { first.dispatch(Second).map(drop).is_ok() });
        child.await.map(u32::from)
    });
    maker.named("maker").register();
    target.handler(|_: EventHandle<First>| 2).named("other").register();
    target.on(|_: EventHandle<Second>| 3);
    let first = home.run(First).await.unwrap();
    assert_eq!(first.results_list().unwrap(), [1, 2]);
    assert_logged(&first, ["maker", "Second", "other"]);
}

#[tokio::test(start_paused = true)]
async fn r12_what_a_handler_dispatches_in_a_scope_is_its_own_child() {
    let (home, target) = forwards();
    let maker = target.handler(|first: EventHandle<First>| async move {
        let within = first.clone();
        let child = first.scope(async move { within.dispatch(Second).map(drop) }).await;
        u32::from(child.is_ok())
    });
    maker.named("maker").register();
    target.handler(|_: EventHandle<First>| 2).named("other").register();
    let first = home.run(First).await.unwrap();
    assert_eq!(first.results_list().unwrap(), [1, 2]);
    assert_logged(&first, ["maker", "Second", "other"]);
}

/// Each handler of an event has its own handle, whichever handler uses it.
#[tokio::test(start_paused = true)]
async fn r12_what_is_dispatched_with_the_handle_of_another_handler_is_the_others_child() {
    for is_forwarded in [false, true] {
        let hub = busway::hub();
        let home = hub.bus("home").build();
        let target = hub.bus("target").parallel_handlers().build();
        home.forward("*", &target).unwrap();
        let lent: Arc<Mutex<Option<EventHandle<First>>>> = Arc::default();
        let place = lent.clone();
        let lender = target.handler(move |first: EventHandle<First>| {
            *place.lock().unwrap() = Some(first);
            async {
                yield_now().await;
                yield_now().await;
                1
            }
        });
        lender.named("lender").register();
        let user = target.handler(move |_: EventHandle<First>| {
            let first = lent.lock().unwrap().take().unwrap();
            first.dispatch(Second).map(|_| 2)
        });
        user.named("user").register();
        let bus = if is_forwarded { home } else { target };
        let first = bus.run(First).await.unwrap();
        assert_eq!(first.results_list().unwrap(), [1, 2]);
        assert_logged(&first, ["lender", "Second", "user"]);
    }
}

/// A handler that holds a slot waits in a task for its child, whose handler wants the same slot.
#[tokio::test(start_paused = true)]
async fn r46_a_child_does_not_wait_for_the_slot_of_its_parent() {
    for is_forwarded in [false, true] {
        let (home, target) = forwards();
        let limited = Retry::new().retries(0).timeout(None).semaphore_timeout(None);
        let limited = limited.semaphore_limit(1).semaphore_name(format!("slot {is_forwarded}"));
        let holder = target.handler(|first: EventHandle<First>| async move {
            let child = async move {
                let child = first.event(Second).parallel().dispatch()?;
                Ok::<u32, BoxError>(child.await?.result()?)
            };
            tokio::spawn(child).await?
        });
        holder.retry(limited.clone()).register();
        target.handler(|_: EventHandle<Second>| 7).retry(limited).register();
        let began = Instant::now();
        let bus = if is_forwarded { home } else { target };
        let first = bus.run(First).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(first.result().unwrap(), 7);
    }
}

/// Returns the bus as told by every handle to the event, and the path of a child.
async fn buses_known(event: EventHandle<Where>) -> Result<Vec<String>, BoxError> {
    let any = event.as_any();
    let typed: EventHandle<Where> = any.downcast().unwrap();
    let child = event.dispatch(Second)?;
    assert!(child.bus().is_none());
    let child = child.await?;
    assert!(event.children().iter().all(|child| child.bus().is_none()));
    let buses = [event.bus(), any.bus(), typed.bus()];
    let in_a_task = tokio::spawn(async move { event.bus() }).await?;
    let names = buses.into_iter().chain([in_a_task]).map(|bus| bus.unwrap().name());
    Ok(names.chain(child.path()).collect())
}

#[tokio::test(start_paused = true)]
async fn r17_a_handler_knows_which_bus_it_is_on() {
    let (home, target) = forwards();
    let came: Arc<Mutex<Vec<(&str, String)>>> = Arc::default();
    for bus in [&home, &target] {
        bus.on(buses_known);
        let came = came.clone();
        bus.on_any(move |any: AnyEvent| {
            let name = any.bus().unwrap().name();
            came.lock().unwrap().push((any.event_type(), name));
        });
    }
    let event = home.run(Where).await.unwrap();
    let at_home = ["home", "home", "home", "home", "home", "target"];
    let at_target = ["target", "target", "target", "target", "target"];
    assert_eq!(event.results_list().unwrap(), [at_home.to_vec(), at_target.to_vec()]);
    let mut came = came.lock().unwrap().clone();
    came.sort();
    let all = ["home", "target", "target"].map(|name| ("Second", name.to_owned()));
    assert_eq!(came[..3], all);
    assert_eq!(came[3..], ["home", "target"].map(|name| ("Where", name.to_owned())));
}

/// A child's path starts at the bus where its parent was found.
#[tokio::test(start_paused = true)]
async fn r17_outside_of_handlers_an_event_is_where_it_was_found() {
    let (home, target) = forwards();
    let arrives = target.expect::<First>();
    let event = home.dispatch(First).unwrap();
    let arrived = arrives.await.unwrap();
    assert!(event.bus().is_none() && arrived.bus().is_none());
    arrived.await.unwrap();
    let event = event.await.unwrap();
    let found = target.find::<First>().newest().unwrap();
    assert_eq!(found.run(Second).await.unwrap().path(), ["target"]);
    assert_eq!(event.run(Second).await.unwrap().path(), ["home", "target"]);
}

/// The event has come from home to a bus that needed no driver yet and waits there for the hub's slot.
/// The bus has no handle any more.
async fn waits_on_a_dropped_bus(job: Job) -> (Hub, [EventBus; 2], EventHandle<Job>) {
    let hub = busway::hub();
    let other = hub.bus("other").concurrency(Concurrency::HubSerial).build();
    let home = hub.bus("home").build();
    let target = hub.bus("target").concurrency(Concurrency::HubSerial).build();
    other.on(|_: EventHandle<Hold>| sleep(10 * SHORT));
    target.on(|_: EventHandle<Job>| 7);
    home.forward("*", &target).unwrap();
    other.dispatch(Hold).unwrap();
    sleep(SHORT).await;
    let event = home.dispatch(job).unwrap();
    sleep(SHORT).await;
    (hub, [other, home], event)
}

#[tokio::test(start_paused = true)]
async fn r33_what_came_to_a_dropped_bus_still_runs() {
    let job = Job(Alive::default().token());
    let (_hub, _buses, event) = waits_on_a_dropped_bus(job).await;
    let done = event.wait_for(10 * MINUTE).await.expect("it runs");
    assert_eq!(done.result().unwrap(), 7);
}

#[test]
fn r33_what_came_to_a_dropped_bus_is_freed() {
    let (alive, runtime) = (Alive::default(), paused());
    runtime.block_on(async {
        let (_hub, _buses, event) = waits_on_a_dropped_bus(Job(alive.token())).await;
        drop(event);
        sleep(MINUTE).await;
    });
    drop(runtime);
    assert_eq!(alive.count(), 0);
}

/// It makes no difference which bus is home, or which bus and which driver are dropped first.
#[test]
fn r33_buses_and_then_their_drivers_are_dropped_while_it_is_handled() {
    for order in 0..8 {
        let [home, bus, driver] = [0, 1, 2].map(|bit| order >> bit & 1);
        let (alive, hub) = (Alive::default(), Manual::helping(false).hub());
        let (first, second) = (driven(hub.bus("first")), driven(hub.bus("second")));
        let (mut buses, mut drivers) = (vec![first.0, second.0], vec![first.1, second.1]);
        buses[home].forward("*", &buses[1 - home]).unwrap();
        buses[home].on_any(|_: AnyEvent| pending::<()>());
        buses[home].dispatch(Job(alive.token())).unwrap();
        assert!(drive(&mut drivers));
        drop(buses.swap_remove(bus));
        drop(buses);
        drop(drivers.swap_remove(driver));
        drop(drivers);
        drop(hub);
        assert_eq!(alive.count(), 0, "home, bus and driver: {:?}", (home, bus, driver));
    }
}

/// Tokio drops its tasks in an order that depends on their number.
#[test]
fn r33_buses_and_then_their_runtime_are_dropped_while_it_is_handled() {
    for round in 0..8 {
        let (home, tasks_before) = (round % 2, round / 2);
        let (alive, runtime) = (Alive::default(), paused());
        runtime.block_on(async {
            for _ in 0..tasks_before {
                tokio::spawn(async {}).await.unwrap();
            }
            let hub = busway::hub();
            let [first, second] =
                ["first", "second"].map(|name| hub.bus(name).max_history(Some(1)).build());
            for bus in [&first, &second] {
                bus.run(Job(alive.token())).await.unwrap();
            }
            let (home, target) = if home == 0 { (&first, &second) } else { (&second, &first) };
            home.forward("*", target).unwrap();
            home.on_any(|_: AnyEvent| pending::<()>());
            home.dispatch(Job(alive.token())).unwrap();
            sleep(SHORT).await;
        });
        drop(runtime);
        assert_eq!(alive.count(), 0, "home is {home}, after {tasks_before} tasks");
    }
}

/// The bus is closed, but not done while the event is handled at home.
#[tokio::test(start_paused = true)]
async fn r33_a_bus_and_its_driver_are_dropped_while_it_is_handled_elsewhere() {
    let (alive, hub) = (Alive::default(), busway::hub());
    let home = hub.bus("home").build();
    let (target, driver) = hub.bus("target").with_driver();
    home.forward("*", &target).unwrap();
    let (open, door) = oneshot::channel::<()>();
    let door = Mutex::new(Some(door));
    home.on_any(move |_: AnyEvent| {
        let door = door.lock().unwrap().take().unwrap();
        async move { drop(door.await) }
    });
    let event = home.dispatch(Job(alive.token())).unwrap();
    sleep(SHORT).await;
    drop(target);
    drop(driver);
    open.send(()).unwrap();
    event.await.unwrap();
    drop(home);
    sleep(SHORT).await;
    drop(hub);
    assert_eq!(alive.count(), 0);
}
