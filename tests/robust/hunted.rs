//! Bugs found in a hunt: drops of user values that wait for others, that panic two at a time, or that
//! come with the end of a registration.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::slice::from_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use busway::{
    Concurrency, Event, EventBus, EventBusBuilder, EventHandle, EventStatus, Hub, Overflow, Retry,
    RetryError, WeakEventBus,
};
use busway_smol::Smol;

use crate::hygiene::watched;
use crate::ledger::Door;
use crate::manual::{Counter, Manual, Polled, drive, driven};
use crate::panics::Mined;

#[derive(Event)]
struct Ask;

#[derive(Event)]
#[event(output = Arc<Bomb>)]
struct Make;

#[derive(Event)]
#[event(output = u32)]
struct Count;

#[derive(Event)]
struct Holds(#[allow(dead_code)] Mutex<Worker>);

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

/// A thread that works on a bus. Its drop releases the bus, tells the thread to end, and joins it.
struct Worker {
    bus: Option<EventBus>,
    tell: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn new(bus: Option<EventBus>, work: impl FnOnce(Receiver<()>) + Send + 'static) -> Self {
        let (tell, told) = channel();
        Self { bus, tell: Some(tell), thread: Some(spawn(move || work(told))) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop((self.bus.take(), self.tell.take()));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn builder() -> EventBusBuilder {
    EventBus::builder("main").runtime(Smol::global())
}

fn by_hand() -> EventBusBuilder<Hub> {
    Manual::helping(false).hub().bus("main").max_history(Some(0))
}

#[test]
fn r33_a_bus_that_a_handler_holds_ends_while_that_is_dropped() {
    let (outer, log) = (builder().build(), builder().build());
    let mut events = log.events(9, Overflow::DropOldest);
    let reader = Worker::new(Some(log), move |_| while smol::block_on(events.next()).is_some() {});
    outer.on(move |_: EventHandle<Ask>| {
        let dispatched = reader.bus.as_ref().map(|bus| bus.dispatch(Ask));
        drop(dispatched);
    });
    watched(move || drop(outer));
}

/// A bus that remembers one event, whose drop waits for another event of the bus.
fn with_last_words() -> (tokio::runtime::Runtime, EventBus) {
    let tokio = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let runtime = busway::tokio::Tokio::new(tokio.handle().clone());
    let bus = EventBus::builder("main").runtime(runtime).max_history(Some(1)).build();
    let asks = bus.clone();
    let last_words = Worker::new(None, move |told| {
        let _ = told.recv();
        smol::block_on(asks.run(Ask)).unwrap();
    });
    smol::block_on(bus.run(Holds(Mutex::new(last_words)))).unwrap();
    (tokio, bus)
}

#[test]
fn r5_dispatch_tells_the_bus_before_it_drops_what_is_forgotten() {
    let (tokio, bus) = with_last_words();
    watched(move || drop(bus.dispatch(Ask).unwrap()));
    tokio.shutdown_background();
}

#[test]
fn r5_nor_does_a_run_hold_the_bus_up_while_it_drops_what_is_forgotten() {
    let (tokio, bus) = with_last_words();
    watched(move || {
        tokio.block_on(bus.run(Ask)).unwrap();
        tokio.shutdown_background();
    });
}

/// Its drop is told to the bus.
#[derive(Event)]
struct Lock(WeakEventBus);

#[derive(Event)]
struct Unlocked;

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(bus) = self.0.upgrade() {
            bus.dispatch(Unlocked).unwrap();
        }
    }
}

#[test]
fn r12_what_a_drop_dispatches_is_no_child_of_a_handler_that_happens_to_cause_it() {
    for history in [1, 2] {
        let (bus, driver) = driven(Manual::helping(false).hub().bus("main").max_history(history));
        let mut all = [driver];
        drop(bus.dispatch(Lock(bus.downgrade())).unwrap());
        assert!(drive(&mut all));
        bus.on(|ask: EventHandle<Ask>| ask.dispatch(Count).map(drop));
        let depths: Arc<Mutex<Vec<u32>>> = Arc::default();
        let seen = depths.clone();
        bus.on(move |unlocked: EventHandle<Unlocked>| seen.lock().unwrap().push(unlocked.depth()));
        bus.dispatch(Ask).unwrap();
        assert!(drive(&mut all));
        assert_eq!(*depths.lock().unwrap(), [0], "history {history}");
    }
}

#[test]
fn r32_stop_wakes_before_it_drops_what_is_forgotten() {
    let bus = builder().build();
    bus.on(|_: EventHandle<Ask>| pending::<()>());
    let stuck = bus.event(Ask).parallel().dispatch().unwrap();
    let waits = Worker::new(None, move |_| drop(smol::block_on(stuck.wait())));
    smol::block_on(bus.event(Holds(Mutex::new(waits))).parallel().run()).unwrap();
    sleep(Duration::from_millis(50));
    watched(move || smol::block_on(bus.stop(None, true)));
}

#[test]
fn r20_two_handlers_that_panic_as_they_are_dropped() {
    let (bus, _driver) = driven(by_hand());
    for bomb in [Bomb, Bomb] {
        bus.on(move |_: EventHandle<Ask>| {
            let _ = &bomb;
        });
    }
    let _ = catch_unwind(AssertUnwindSafe(|| smol::block_on(bus.stop(None, true))));
    assert_eq!(bus.handler_count(), 0);
}

#[derive(Event)]
struct Loaded(#[allow(dead_code)] Bomb);

#[test]
fn r20_two_unread_events_of_a_stream_that_panic_as_they_are_dropped() {
    let (bus, driver) = driven(by_hand());
    let stream = bus.events(2, Overflow::DropOldest);
    for _ in 0..2 {
        bus.dispatch(Loaded(Bomb)).unwrap();
    }
    assert!(drive(&mut [driver]));
    assert_eq!(stream.unread(), 2);
    drop(stream);
}

#[test]
fn r20_two_outputs_that_panic_as_they_are_dropped() {
    let (bus, driver) = driven(by_hand());
    for _ in 0..2 {
        bus.on(|_: EventHandle<Make>| Arc::new(Bomb));
    }
    drop(bus.dispatch(Make).unwrap());
    assert!(drive(&mut [driver]));
    assert_eq!(bus.pending(), 0);
}

#[test]
fn r20_a_future_and_its_output_that_panic_as_they_are_dropped() {
    let (bus, driver) = driven(by_hand().max_history(None));
    bus.on(|_: EventHandle<Make>| Mined(Box::pin(async { Arc::new(Bomb) }), Bomb));
    let make = bus.dispatch(Make).unwrap();
    assert!(drive(&mut [driver]));
    let error = make.results()[0].error().expect("it panicked");
    assert_eq!(error.to_string(), "the handler panicked: dropped");
}

struct MinedWaker(#[allow(dead_code)] Bomb);

impl Wake for MinedWaker {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn r28_a_waker_that_panics_as_it_is_replaced_loses_no_wake_up() {
    let (bus, _driver) = driven(by_hand());
    let mut events = bus.events(4, Overflow::DropNewest);
    let mined = Waker::from(Arc::new(MinedWaker(Bomb)));
    assert!(pin!(events.next()).poll(&mut Context::from_waker(&mined)).is_pending());
    drop(mined);
    let good = Counter::new();
    let replaced = catch_unwind(AssertUnwindSafe(|| good.poll(pin!(events.next())).is_ready()));
    assert!(replaced.is_err());
    assert!(good.poll(pin!(events.next())).is_pending());
    bus.dispatch(Ask).unwrap();
    assert_eq!((events.unread(), good.wakes()), (1, 1));
}

#[test]
fn r45_a_retried_handler_that_is_off_has_its_value() {
    let (bus, driver) = driven(by_hand());
    let (bomb, door) = (Bomb, Door::default());
    let at = door.clone();
    let counts = move |_: EventHandle<Count>| {
        let _ = &bomb;
        let pass = at.pass();
        async {
            pass.await;
            7
        }
    };
    let subscription = bus.handler(counts).retry(Retry::new()).register();
    let (count, mut all) = (bus.dispatch(Count).unwrap(), [driver]);
    all[0].step();
    subscription.off();
    door.open();
    assert!(drive(&mut all));
    assert_eq!(count.result().map_err(|error| error.to_string()), Ok(7));
}

#[test]
fn r32_a_handlers_own_task_does_not_go_on_once_the_bus_is_stopped() {
    let runtime = Manual::helping(false);
    let builder = EventBus::builder("main").runtime(runtime.clone()).parallel_handlers();
    let (bus, mut driver) = driven(builder.spawn_parallel());
    let (door, passed) = (Door::default(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..2 {
        let (pass, passes) = (door.clone(), passed.clone());
        bus.on(move |_: EventHandle<Ask>| {
            let (pass, passes) = (pass.pass(), passes.clone());
            async move {
                pass.await;
                passes.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    bus.dispatch(Ask).unwrap();
    assert!(drive(from_mut(&mut driver)));
    let mut handlers: Vec<_> = runtime.spawned().into_iter().map(Polled::new).collect();
    assert!(handlers.len() == 2 && drive(&mut handlers));
    door.open();
    bus.stop_now();
    // Before the driver has a look.
    assert!(drive(&mut handlers));
    assert_eq!(passed.load(Ordering::SeqCst), 0);
    assert!(handlers.iter().all(Polled::is_done));
}

/// The first event's handler holds the slot. What the second one's makes is not below it, though both
/// events have one id.
#[test]
fn r46_a_slot_is_not_shared_with_what_is_below_another_event_of_the_same_id() {
    for is_one_hub in [true, false] {
        let runtime = Manual::helping(false);
        let policy = Retry::new().timeout(None).semaphore_limit(1).semaphore_timeout(None);
        let policy =
            policy.semaphore_name(format!("of one id: {is_one_hub}")).runtime(runtime.clone());
        let calls = Arc::new(AtomicUsize::new(0));
        let make = || {
            let settings = runtime.hub().bus("main").concurrency(Concurrency::Parallel);
            let (bus, driver) = driven(settings);
            let (holds, calls) = (policy.clone(), calls.clone());
            bus.on(move |ask: EventHandle<Ask>| {
                let (holds, is_first) = (holds.clone(), calls.fetch_add(1, Ordering::SeqCst) == 0);
                async move {
                    if is_first {
                        return holds.run(pending::<Result<(), RetryError>>).await;
                    }
                    drop(ask.dispatch(Count));
                    Ok(())
                }
            });
            bus.handler(|_: EventHandle<Count>| 7).retry(policy.clone()).register();
            (bus, driver)
        };
        let (here, driver) = make();
        let mut all = vec![driver];
        let first = here.dispatch(Ask).unwrap();
        assert!(drive(&mut all));
        let there = if is_one_hub {
            here
        } else {
            let (there, driver) = make();
            all.push(driver);
            there
        };
        let second = there.event(Ask).id(first.id()).dispatch().unwrap();
        assert!(drive(&mut all));
        assert_eq!(second.children()[0].status(), EventStatus::Started, "one hub: {is_one_hub}");
    }
}

#[test]
fn r33_a_weak_bus_gives_none_that_has_ended() {
    let (bus, driver) = driven(by_hand());
    let kept: Arc<Mutex<Option<EventHandle<Ask>>>> = Arc::default();
    let keeps = kept.clone();
    bus.on(move |ask: EventHandle<Ask>| drop(keeps.lock().unwrap().replace(ask)));
    bus.dispatch(Ask).unwrap();
    let mut all = [driver];
    assert!(drive(&mut all));
    let weak = bus.downgrade();
    drop(bus);
    assert!(drive(&mut all) && all[0].is_done());
    let handle = kept.lock().unwrap().take().expect("the handler has kept it");
    assert!(handle.bus().is_none());
    assert!(weak.upgrade().is_none());
}
