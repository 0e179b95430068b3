//! Wake-ups, starts and deadlines that must not be lost.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use busway::{
    AnyEvent, Cause, Concurrency, Driver, Event, EventBus, EventHandle, EventStatus, HandlerError,
    Limit, Overflow,
};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use crate::ledger::Door;
use crate::manual::{Counter, Manual, Polled, drive, driven, yields};

#[derive(Event)]
struct First;

#[derive(Event)]
struct Second;

#[derive(Event)]
struct Stuck;

const MINUTE: Duration = Duration::from_secs(60);

/// Asserts that its driver brings an event of the bus to its end.
#[track_caller]
fn assert_completes(bus: &EventBus, driver: Polled<Driver>) {
    let first = bus.dispatch(First).unwrap();
    assert!(drive(&mut [driver]));
    assert_eq!(first.status(), EventStatus::Completed);
}

/// The second of two handlers that are woken together ends the event: all handlers of the next one
/// start, not only its first.
#[test]
fn r9_all_parallel_handlers_start_after_two_ends_in_one_turn() {
    let hub = Manual::helping(false).hub();
    let (bus, driver) = driven(hub.bus("main").parallel_handlers());
    let (end, meet) = (Door::default(), Door::default());
    for _ in 0..2 {
        let end = end.clone();
        bus.on(move |_: EventHandle<First>| end.pass());
    }
    let waits = meet.clone();
    bus.on(move |_: EventHandle<Second>| waits.pass());
    bus.on(move |_: EventHandle<Second>| meet.open());
    bus.dispatch(First).unwrap();
    let second = bus.dispatch(Second).unwrap();
    let mut all = [driver];
    assert!(drive(&mut all));
    end.open();
    assert!(drive(&mut all));
    assert_eq!(second.status(), EventStatus::Completed, "its second handler was not started");
}

/// One handler wakes several others of its bus.
#[test]
fn all_that_one_handler_wakes_go_on() {
    let (bus, driver) = driven(Manual::helping(false).hub().bus("main").parallel_handlers());
    let door = Door::default();
    for _ in 0..5 {
        let door = door.clone();
        bus.on(move |_: EventHandle<First>| door.pass());
    }
    bus.on(move |_: EventHandle<First>| door.open());
    assert_completes(&bus, driver);
}

/// A wake-up from the last step of a turn is there in the next one.
#[test]
fn a_handler_that_wakes_itself_goes_on_turn_after_turn() {
    let (bus, driver) = driven(Manual::helping(false).hub().bus("main"));
    bus.on(|_: EventHandle<First>| yields(1_000));
    assert_completes(&bus, driver);
}

/// A waker takes the turn of another bus while that of its own is held, on the same thread. The handlers
/// that it wakes before, during and after that all go on.
#[test]
fn wakers_that_run_another_bus_lose_no_wake_up() {
    struct RunsAnother {
        bus: EventBus,
        before: Door,
        after: Door,
    }
    impl Wake for RunsAnother {
        fn wake(self: Arc<Self>) {
            self.before.open();
            assert!(Counter::new().poll(pin!(self.bus.run(Second))).is_ready(), "it helps itself");
            self.after.open();
        }
    }
    let hub = Manual::helping(true).hub();
    let (main, driver) = driven(hub.bus("main").parallel_handlers());
    let (other, other_driver) = driven(hub.bus("other"));
    let [start, before, within, after] = [(); 4].map(|()| Door::default());
    for door in [&before, &within, &after] {
        let door = door.clone();
        main.on(move |_: EventHandle<First>| door.pass());
    }
    let starts = start.clone();
    main.on(move |_: EventHandle<Second>| starts.pass());
    other.on(move |_: EventHandle<Second>| within.open());
    let first = main.event(First).parallel().dispatch().unwrap();
    let second = main.dispatch(Second).unwrap();
    let waker = Waker::from(Arc::new(RunsAnother { bus: other, before, after }));
    let mut wait = pin!(second.wait());
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // The driver ends the awaited event, so the waker runs under the driver's turn.
    start.open();
    let mut all = [driver, other_driver];
    assert!(drive(&mut all));
    assert_eq!(first.status(), EventStatus::Completed);
}

/// A helper that has done enough leaves a started handler to the driver. When the bus is stopped
/// meanwhile, the handler is not called any more.
#[test]
fn r32_a_handler_that_was_started_and_not_called_is_not_called_after_stop() {
    // A helper handles a limited number of events: one of these is the last it starts.
    let left = (0..64).filter(|between| stops_with_a_started_handler(*between));
    assert_eq!(left.count(), 1, "one handler is started and not called");
}

/// Returns whether the helper's last step starts the handler that comes after this many others. Then the
/// bus is stopped.
fn stops_with_a_started_handler(between: usize) -> bool {
    let runtime = Manual::helping(true);
    let (bus, mut driver) = driven(runtime.hub().bus("main"));
    let called = Arc::new(AtomicBool::new(false));
    let note = called.clone();
    bus.on(|_: EventHandle<First>| {});
    bus.on(move |_: EventHandle<Second>| {
        note.store(true, Ordering::SeqCst);
        pending::<()>()
    });
    let first = bus.dispatch(First).unwrap();
    let others: Vec<_> = (0..between).map(|_| bus.dispatch(First).unwrap()).collect();
    let second = bus.dispatch(Second).unwrap();
    let waker = Counter::new();
    // The thread's work for other buses counts too, so the helper may give way once first.
    let mut wait = pin!(first.wait());
    let is_done = (0..2).any(|_| waker.poll(wait.as_mut()).is_ready());
    assert!(is_done, "the waiter helps itself");
    if second.status() != EventStatus::Started || called.load(Ordering::SeqCst) {
        return false;
    }
    bus.stop_now();
    assert_eq!(second.cause(), Some(Cause::Stopped));
    driver.step();
    assert!(!called.load(Ordering::SeqCst), "called after the bus was stopped");
    drop(others);
    true
}

/// The driver finds the turn taken, and the holder releases it before the driver has marked it. The next
/// one to mark it must still be heard.
#[test]
fn the_driver_meets_a_helper_that_is_leaving() {
    const ROUNDS: usize = 2_000;
    let runtime = Manual::helping(true);
    let (bus, driver) = runtime.hub().bus("main").max_history(Some(0)).with_driver();
    bus.on(|_: EventHandle<First>| {});
    bus.handler(|_: EventHandle<Stuck>| pending::<()>()).limit(Limit::Off).register();
    let stuck = bus.event(Stuck).parallel().dispatch().unwrap();
    let start = Arc::new(Rounds::default());
    let rounds = start.clone();
    let helper = std::thread::spawn(move || {
        let waker = Counter::new();
        for round in 1..=ROUNDS {
            rounds.meet(round);
            // At a different moment each time, so that the two meet in every way.
            (0..round % 97).for_each(|_| std::hint::spin_loop());
            let _ = waker.poll(pin!(stuck.wait()));
            rounds.done();
        }
    });
    let mut driver = Box::pin(driver);
    let waker = Counter::new();
    for round in 1..=ROUNDS {
        start.meet(round);
        let before = waker.wakes();
        (0..round % 89).for_each(|_| std::hint::spin_loop());
        let _ = waker.poll(driver.as_mut());
        start.wait_for(round);
        // Nothing is polled now: a new event has to wake the driver, unless it was woken already.
        drop(bus.dispatch(First).unwrap());
        assert!(waker.wakes() > before, "round {round}: nobody was told of the event");
        while waker.poll(driver.as_mut()).is_pending() && bus.pending() > 1 {}
    }
    helper.join().unwrap();
}

/// Two threads that start each round together.
#[derive(Default)]
struct Rounds {
    arrived: AtomicUsize,
    done: AtomicUsize,
}

impl Rounds {
    fn meet(&self, round: usize) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        until(|| self.arrived.load(Ordering::SeqCst) >= 2 * round);
    }

    fn done(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    fn wait_for(&self, round: usize) {
        until(|| self.done.load(Ordering::SeqCst) >= round);
    }
}

/// Spins, so that both go on at the same moment, but not for long in case there is only one core.
fn until(is_so: impl Fn() -> bool) {
    for turn in 0.. {
        if is_so() {
            return;
        }
        match turn {
            0..1_000 => std::hint::spin_loop(),
            _ => std::thread::yield_now(),
        }
    }
}

/// The driver's timer fires while a helper has the turn. The helper handles what is due, and has the
/// driver set its timer to the next deadline.
#[test]
fn a_deadline_that_a_helper_finds_is_armed() {
    let runtime = Manual::helping(true);
    let settings = runtime.hub().bus("main").concurrency(Concurrency::Parallel).slow_after(None);
    let (bus, driver) = driven(settings);
    let driver = Arc::new(Mutex::new(driver));
    let meddler = driver.clone();
    let limit = Limit::After(MINUTE);
    bus.handler(|_: EventHandle<First>| pending::<()>()).limit(limit).register();
    // Polls the driver while the turn is held, as another thread may.
    bus.on(move |_: EventHandle<Second>| {
        meddler.lock().unwrap().step();
    });
    let first = bus.dispatch(First).unwrap();
    driver.lock().unwrap().step();
    runtime.advance(MINUTE / 2);
    let later = bus.dispatch(First).unwrap();
    while driver.lock().unwrap().step() {}
    runtime.advance(MINUTE / 2);
    drop(bus.dispatch(Second).unwrap());
    assert!(Counter::new().poll(pin!(later.wait())).is_pending());
    assert_eq!(first.status(), EventStatus::Completed);
    while driver.lock().unwrap().step() {}
    runtime.advance(MINUTE / 2);
    while driver.lock().unwrap().step() {}
    assert_eq!(later.status(), EventStatus::Completed, "nobody watched its limit");
}

/// Handlers that wake themselves without end are polled a bounded number of times in one poll of the
/// driver or of a helper.
#[test]
fn one_poll_does_a_bounded_amount_of_work() {
    let runtime = Manual::helping(true);
    let settings = runtime.hub().bus("main").concurrency(Concurrency::Parallel);
    let (bus, mut driver) = driven(settings);
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    bus.on(move |_: EventHandle<Stuck>| {
        let counted = counted.clone();
        poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::SeqCst);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    });
    let storms = [(); 3].map(|()| bus.dispatch(Stuck).unwrap());
    assert!(driver.step());
    let by_driver = polls.swap(0, Ordering::SeqCst);
    assert!((3..100).contains(&by_driver), "{by_driver} polls in one");
    assert!(Counter::new().poll(pin!(storms[0].wait())).is_pending());
    let by_helper = polls.load(Ordering::SeqCst);
    assert!((3..100).contains(&by_helper), "{by_helper} polls in one");
    assert!(driver.step(), "the helper left the rest to nobody");
}

/// A bus served only by helpers so far, with a handler that has no limit, gets a driver. When the driver
/// ends, the waiters are told.
#[test]
fn r33_a_handler_without_a_limit_has_a_driver() {
    let runtime = Manual::helping(true);
    let bus = runtime.hub().bus("main").limit(Limit::Off).slow_after(None).build();
    bus.on(|_: EventHandle<Stuck>| pending::<()>());
    let mut run = Polled::new(Box::pin(bus.run(Stuck)));
    run.step();
    assert!(!run.is_done());
    drop(runtime.spawned());
    run.step();
    let ended = run.output.expect("the waiter is told").unwrap();
    assert_eq!(ended.cause(), Some(Cause::Stopped));
}

/// A limit on a wait works before anything was dispatched.
#[test]
fn r26_an_expectation_within_a_limit_before_the_first_dispatch() {
    let runtime = Manual::helping(false);
    let bus = runtime.hub().bus("main").build();
    let mut expects = Polled::new(Box::pin(bus.expect::<First>().within(MINUTE)));
    expects.step();
    runtime.advance(MINUTE);
    expects.step();
    assert!(expects.output.expect("the time is over").is_err());
}

/// A wait belongs to the invocation that polls it, even if another one polled it before.
#[test]
fn r14_a_wait_that_goes_from_one_handler_to_another() {
    let (bus, driver) = driven(Manual::helping(false).hub().bus("main"));
    let place: Arc<Mutex<Option<BoxFuture<'static, ()>>>> = Arc::default();
    let take = place.clone();
    bus.on(move |_: EventHandle<First>| {
        let place = take.clone();
        poll_fn(move |cx| {
            assert!(place.lock().unwrap().as_mut().unwrap().poll_unpin(cx).is_pending());
            Poll::Ready(())
        })
    });
    let take = place.clone();
    bus.on(move |_: EventHandle<Second>| take.lock().unwrap().take().unwrap());
    bus.on(|_: EventHandle<Stuck>| {});
    drop(bus.dispatch(First).unwrap());
    let second = bus.dispatch(Second).unwrap();
    let behind = bus.dispatch(Stuck).unwrap();
    *place.lock().unwrap() = Some(async move { drop(behind.wait().await.unwrap()) }.boxed());
    let mut all = [driver];
    assert!(drive(&mut all));
    assert_eq!(second.status(), EventStatus::Completed, "its wait was taken for the first one's");
}

/// A future that polls its parts only when their own wakers fire needs more than to be polled again.
#[test]
fn r13_waits_that_are_polled_with_wakers_of_their_own() {
    let (bus, driver) = driven(Manual::helping(false).hub().bus("main"));
    bus.on(|_: EventHandle<Second>| async { yields(1).await });
    bus.on(|first: EventHandle<First>| async move {
        let [one, other] = [(); 2].map(|()| first.dispatch(Second).unwrap().wait());
        let mut waits = FuturesUnordered::from_iter([one, other]);
        while let Some(done) = waits.next().await {
            done.unwrap();
        }
    });
    assert_completes(&bus, driver);
}

/// The same for a wait that the handler itself has polled before.
#[test]
fn r13_a_wait_that_goes_from_its_handler_into_a_set() {
    let (bus, driver) = driven(Manual::helping(false).hub().bus("main"));
    bus.on(|_: EventHandle<Second>| async { yields(1).await });
    bus.on(|first: EventHandle<First>| async move {
        let mut wait = first.dispatch(Second).unwrap().wait();
        assert!(poll_fn(|cx| Poll::Ready(wait.poll_unpin(cx).is_pending())).await);
        let mut waits = FuturesUnordered::from_iter([wait]);
        waits.next().await.unwrap().unwrap();
    });
    assert_completes(&bus, driver);
}

/// A scope that outlives its hub does not mistake another hub for it.
#[test]
fn r12_a_scope_belongs_to_its_own_hub() {
    for _ in 0..32 {
        let (old, driver) = driven(Manual::helping(false).hub().bus("old"));
        let event = old.dispatch(First).unwrap();
        let new: Arc<Mutex<Option<EventBus>>> = Arc::default();
        let place = new.clone();
        let scope = event.scope(async move {
            let bus = place.lock().unwrap().take().unwrap();
            bus.dispatch(Second).unwrap().parent_id()
        });
        drop((old, event, driver));
        *new.lock().unwrap() = Some(Manual::helping(false).hub().bus("new").build());
        assert_eq!(scope.now_or_never(), Some(None), "a child of an event of another hub");
    }
}

/// A wait in a scope that the handler itself polls is the handler's wait.
#[test]
fn r14_a_scope_that_the_handler_itself_polls() {
    let (bus, driver) = driven(Manual::helping(true).hub().bus("main"));
    bus.on(|_: EventHandle<Second>| {});
    bus.on(|first: EventHandle<First>| async move {
        let child = first.dispatch(Second).unwrap();
        let _ = first.scope(child.wait()).await;
    });
    let first = bus.dispatch(First).unwrap();
    let mut all = [driver];
    assert!(drive(&mut all));
    assert_eq!(first.status(), EventStatus::Completed, "the wait was not noted");
    assert!(
        first
            .results()
            .iter()
            .all(|row| !matches!(row.error(), Some(HandlerError::TimedOut { .. })))
    );
}

/// Events sent before the stop are read, and then the stream ends, however the two race.
#[test]
fn r28_a_stream_that_ends_while_it_is_read() {
    for _ in 0..400 {
        let runtime = Manual::helping(false);
        let bus = runtime.hub().bus("main").build();
        let mut stream = bus.events_of::<First>(8, Overflow::DropNewest);
        let start = Arc::new(Barrier::new(2));
        let (at, sender) = (start.clone(), bus.clone());
        let writer = std::thread::spawn(move || {
            at.wait();
            drop(sender.dispatch(First).unwrap());
            sender.stop_now();
        });
        start.wait();
        let mut read = 0;
        loop {
            match stream.next().now_or_never() {
                Some(Some(_)) => read += 1,
                Some(None) => break,
                None => std::hint::spin_loop(),
            }
        }
        writer.join().unwrap();
        assert_eq!(read, 1, "an event was lost at the end of the stream");
    }
}

/// A stream that is created while the bus is being stopped ends.
#[test]
fn r28_a_stream_that_is_made_while_the_bus_stops() {
    for _ in 0..2_000 {
        let bus = Manual::helping(false).hub().bus("main").build();
        let start = Arc::new(Barrier::new(2));
        let (at, stopper) = (start.clone(), bus.clone());
        let writer = std::thread::spawn(move || {
            at.wait();
            stopper.stop_now();
        });
        start.wait();
        let mut stream = bus.events(1, Overflow::Wait);
        writer.join().unwrap();
        assert!(matches!(stream.next().now_or_never(), Some(None)), "it never ends");
    }
}

/// A driver that has ended keeps no waker.
#[test]
fn a_driver_that_ended_lets_go_of_its_task() {
    let (bus, driver) = driven(Manual::helping(false).hub().bus("main"));
    let waker = driver.waker.clone();
    let mut all = [driver];
    bus.dispatch(First).unwrap();
    assert!(drive(&mut all));
    drop(all);
    assert_eq!(Arc::strong_count(&waker), 1);
    assert!(bus.is_stopped());
}

/// A drop at the end of a turn may wake a handler: that is for the next turn.
#[test]
fn a_wake_up_from_a_drop_at_the_end_of_a_turn() {
    struct OpensOnDrop(Door);
    impl Drop for OpensOnDrop {
        fn drop(&mut self) {
            self.0.open();
        }
    }
    // A turn has a fixed number of steps: with some number of others it ends right at the drop.
    let lost = (0..90usize).filter(|between| {
        let (bus, driver) = driven(Manual::helping(false).hub().bus("main").parallel_handlers());
        let door = Door::default();
        let waits = door.clone();
        bus.on(move |_: EventHandle<First>| waits.pass());
        bus.on(|_: EventHandle<Stuck>| {});
        bus.on(move |_: EventHandle<Second>| {
            let opens = OpensOnDrop(door.clone());
            async move {
                let _opens = opens;
                pending::<()>().await;
            }
        });
        bus.on_name("Second", |_: AnyEvent| 7u32);
        let first = bus.event(First).parallel().dispatch().unwrap();
        let _others: Vec<_> = (0..*between).map(|_| bus.dispatch(Stuck).unwrap()).collect();
        let second = bus.event(Second).first().dispatch().unwrap();
        let mut all = [driver];
        assert!(drive(&mut all));
        assert_eq!(second.status(), EventStatus::Completed);
        first.status() != EventStatus::Completed
    });
    let lost: Vec<_> = lost.collect();
    assert!(lost.is_empty(), "lost at {lost:?}");
}

/// An event that was not accepted causes no work.
#[test]
fn r6_a_refused_event_with_a_deadline_tells_nobody() {
    let runtime = Manual::helping(false);
    let bus = runtime.hub().bus("main").max_pending(Some(0)).build();
    assert!(bus.event(First).deadline(MINUTE).dispatch().is_err());
    assert!(runtime.spawned().is_empty(), "a driver for nothing");
}

/// A handler that checks all its waits each time is not polled once for each wait that is over.
#[test]
fn r13_many_ends_in_one_turn_are_one_wake_up() {
    const CHILDREN: usize = 1_000;
    let hub = Manual::helping(false).hub();
    let (bus, driver) = driven(hub.bus("main").concurrency(Concurrency::Parallel));
    bus.on(|_: EventHandle<Second>| async { yields(1).await });
    let polls = Arc::new(AtomicUsize::new(0));
    let count = polls.clone();
    bus.on(move |first: EventHandle<First>| {
        let count = count.clone();
        async move {
            let child = |_| first.dispatch(Second).unwrap().wait();
            let mut waits: Vec<_> = (0..CHILDREN).map(child).collect();
            poll_fn(|cx| {
                count.fetch_add(1, Ordering::Relaxed);
                waits.retain_mut(|wait| wait.poll_unpin(cx).is_pending());
                if waits.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    });
    assert_completes(&bus, driver);
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < CHILDREN / 10, "{polls} polls for {CHILDREN} children");
}

/// A runtime that is shut down drops its tasks in any order.
#[test]
fn r33_a_handlers_own_task_that_is_dropped_before_the_driver() {
    for driver_first in [true, false] {
        let runtime = Manual::helping(false);
        let builder = EventBus::builder("main").runtime(runtime.clone()).parallel_handlers();
        let (bus, mut driver) = driven(builder.spawn_parallel());
        (0..2).for_each(|_| drop(bus.on(|_: EventHandle<First>| pending::<()>())));
        let first = bus.dispatch(First).unwrap();
        assert!(drive(std::slice::from_mut(&mut driver)));
        let mut tasks = runtime.spawned();
        assert_eq!(tasks.len(), 2);
        if driver_first {
            drop(driver);
            drop(tasks);
        } else {
            drop(tasks.remove(0));
            assert!(bus.is_stopped(), "nobody polls its handlers any more");
            drop(tasks);
            drop(driver);
        }
        assert_eq!((first.status(), first.cause()), (EventStatus::Completed, Some(Cause::Stopped)));
    }
}

/// A scope polled outside of the handler is not inside of it: it waits for a place.
#[test]
fn r6_a_scope_in_a_task_waits_for_a_place() {
    let hub = Manual::helping(false).hub();
    let (bus, driver) = driven(hub.bus("main"));
    let (full, other) = driven(hub.bus("full").max_pending(Some(1)));
    full.on(|_: EventHandle<Stuck>| pending::<()>());
    full.dispatch(Stuck).unwrap();
    let first = bus.dispatch(First).unwrap();
    let mut all = [driver, other];
    assert!(drive(&mut all));
    assert_eq!(first.status(), EventStatus::Completed);
    let plain = first.scope(full.dispatch_wait(Second));
    assert!(plain.now_or_never().is_none(), "the parent is done: it is as a root");
    let detached = first.scope(full.event(Second).detached().dispatch_wait());
    assert!(detached.now_or_never().is_none());
}

/// Dispatches when it is dropped.
struct Cleanup(EventBus, Arc<Mutex<Vec<EventHandle<Second>>>>);

impl Drop for Cleanup {
    fn drop(&mut self) {
        self.1.lock().unwrap().extend(self.0.dispatch(Second));
    }
}

/// A waiter that helps within a scope is not the parent of events that other handlers' drops dispatch.
#[test]
fn r12_what_a_drop_dispatches_is_nobodys_child() {
    let runtime = Manual::helping(true);
    let hub = runtime.hub();
    let (bus, driver) = driven(hub.bus("main").limit(Limit::After(MINUTE)));
    let other = hub.bus("other").build();
    let sent = Arc::default();
    let cleanup = Mutex::new(Some(Cleanup(other.clone(), Arc::clone(&sent))));
    bus.on(move |_: EventHandle<Stuck>| {
        let cleanup = cleanup.lock().unwrap().take();
        async move {
            let _cleanup = cleanup;
            pending::<()>().await;
        }
    });
    bus.dispatch(Stuck).unwrap();
    let first = other.dispatch(First).unwrap();
    let mut all = [driver];
    assert!(drive(&mut all));
    runtime.forget_timers();
    runtime.advance(2 * MINUTE);
    let run = first.scope(bus.event(First).detached().parallel().run());
    assert!(run.now_or_never().is_some(), "it ends the one that is over its limit, and is done");
    let sent = sent.lock().unwrap();
    assert_eq!((sent.len(), sent[0].parent_id()), (1, None));
}
