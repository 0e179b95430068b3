//! Panics in every phase: the bus goes on, the others are served, and where a handler is to blame its
//! result says so (R20).

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use busway::{
    Driver, Event, EventBus, EventHandle, EventStatus, ExpectError, HandlerError, Instant, Limit,
    Message, Overflow, ResultStatus, Retry, Runtime, Task, Timer,
};
use futures_util::StreamExt;

use crate::manual::{Counter, Manual, Polled, drive, driven, yields};

/// Panics when it is dropped, unless the thread is already panicking.
#[derive(Clone)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("the bomb went off");
        }
    }
}

/// A future with a bomb.
pub(crate) struct Mined<F, B>(pub(crate) Pin<Box<F>>, pub(crate) B);

impl<F: Future, B: Unpin> Future for Mined<F, B> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().poll(cx)
    }
}

fn mined<F: Future>(future: F) -> Mined<F, Bomb> {
    Mined(Box::pin(future), Bomb)
}

/// A waker that panics when it is woken.
struct MinedWaker;

impl Wake for MinedWaker {
    fn wake(self: Arc<Self>) {
        panic!("the waker went off");
    }
}

#[derive(Event)]
struct Work;

#[derive(Event)]
struct Probe;

#[derive(Event)]
struct Carries(Option<Bomb>);

#[derive(Event)]
struct Mine(#[allow(dead_code)] Bomb);

#[derive(Event)]
#[event(output = Vec<Bomb>)]
struct Answered;

const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    runtime: Manual,
    bus: EventBus,
    all: [Polled<Driver>; 1],
}

impl Rig {
    fn new(history: Option<usize>) -> Self {
        let runtime = Manual::helping(true);
        let settings = runtime.hub().bus("main").max_history(history).max_pending(None);
        let (bus, driver) = driven(settings.limit(Limit::After(SECOND)));
        bus.on(|_: EventHandle<Probe>| async { yields(1).await });
        Self { runtime, bus, all: [driver] }
    }

    fn drive(&mut self) {
        assert!(drive(&mut self.all));
    }

    /// Asserts that the bus still works, by its driver and by a helper.
    fn assert_alive(&mut self) {
        let probe = self.bus.dispatch(Probe).unwrap();
        self.drive();
        assert_eq!(probe.status(), EventStatus::Completed, "the driver does nothing any more");
        let run = Counter::new().poll(pin!(self.bus.run(Probe)));
        assert!(run.is_ready(), "the turn was not given back");
        assert_eq!(self.bus.pending(), 0);
    }
}

fn panic_of(event: &EventHandle<Work>) -> String {
    match event.results()[0].error() {
        Some(HandlerError::Panicked { message }) => message.to_string(),
        other => panic!("{other:?}"),
    }
}

fn fail(message: &'static str) {
    panic!("{message}");
}

fn fail_with(value: impl Send + 'static) {
    panic_any(value);
}

/// Where a handler of `Work` panics, and what its result says.
#[test]
fn r20_handlers_that_panic() {
    type Register = fn(&EventBus);
    let phases: [(&str, Register); 6] = [
        ("made", |bus| {
            bus.on(|_: EventHandle<Work>| -> std::future::Ready<()> { panic!("made") });
        }),
        ("first", |bus| {
            bus.on(|_: EventHandle<Work>| async { fail("first") });
        }),
        ("second", |bus| {
            bus.on(|_: EventHandle<Work>| async {
                yields(1).await;
                fail("second");
            });
        }),
        ("the bomb went off", |bus| {
            bus.on(|_: EventHandle<Work>| mined(async {}));
        }),
        ("a panic without a message", |bus| {
            bus.on(|_: EventHandle<Work>| async { fail_with(Bomb) });
        }),
        ("a text of its own", |bus| {
            bus.on(|_: EventHandle<Work>| mined(async { fail("a text of its own") }));
        }),
    ];
    for (message, register) in phases {
        for spawned in [false, true] {
            let runtime = Manual::helping(true);
            let settings = runtime.hub().bus("main");
            let settings = if spawned { settings.spawn_parallel() } else { settings };
            let (bus, driver) = driven(settings.parallel_handlers());
            register(&bus);
            bus.on(|_: EventHandle<Work>| {});
            bus.on(|_: EventHandle<Probe>| async { yields(1).await });
            let work = bus.dispatch(Work).unwrap();
            let mut all = [driver];
            for _ in 0..4 {
                assert!(drive(&mut all));
                let mut tasks: Vec<_> = runtime.spawned().into_iter().map(Polled::new).collect();
                assert!(drive(&mut tasks));
            }
            assert_eq!(work.status(), EventStatus::Completed, "{message}, {spawned}");
            assert_eq!(panic_of(&work), message);
            assert!(work.results()[1].error().is_none());
        }
    }
}

#[test]
fn a_future_that_panics_when_it_is_ended() {
    for ends_by_limit in [true, false] {
        let mut rig = Rig::new(None);
        rig.bus.on(|_: EventHandle<Work>| mined(pending::<()>()));
        let work = rig.bus.dispatch(Work).unwrap();
        rig.drive();
        if ends_by_limit {
            rig.runtime.advance(SECOND);
            rig.drive();
            assert!(matches!(work.results()[0].error(), Some(HandlerError::TimedOut { .. })));
            rig.assert_alive();
        } else {
            rig.bus.stop_now();
            rig.drive();
            assert_eq!(work.status(), EventStatus::Completed);
        }
    }
}

#[test]
fn a_driver_that_is_dropped_with_futures_that_panic() {
    let rig = Rig::new(None);
    let Rig { bus, mut all, .. } = rig;
    for _ in 0..3 {
        bus.on(|_: EventHandle<Work>| mined(pending::<()>()));
    }
    let work = bus.event(Work).handler_order(busway::HandlerOrder::Parallel).dispatch().unwrap();
    assert!(drive(&mut all));
    drop(all);
    assert_eq!(work.status(), EventStatus::Completed);
}

/// A payload that no history keeps is dropped in the turn.
#[test]
fn a_payload_that_panics_when_it_is_dropped() {
    for history in [Some(0), Some(1)] {
        let mut rig = Rig::new(history);
        for _ in 0..3 {
            drop(rig.bus.dispatch(Mine(Bomb)).unwrap());
        }
        rig.drive();
        rig.assert_alive();
    }
}

/// Unclaimed values: of another type, of an ended event, of a future that panics at its end.
#[test]
fn an_output_that_panics_when_it_is_dropped() {
    let mut rig = Rig::new(Some(0));
    rig.bus.on_any(|event: busway::AnyEvent| event.downcast::<Work>().map(|_| vec![Bomb]));
    rig.bus.on(|_: EventHandle<Answered>| vec![Bomb]);
    rig.bus.on(|_: EventHandle<Answered>| mined(async { vec![Bomb] }));
    rig.bus.on_name("Answered", |_: busway::AnyEvent| busway::AnyValue::new(Bomb));
    for _ in 0..2 {
        drop(rig.bus.dispatch(Work).unwrap());
        drop(rig.bus.dispatch(Answered).unwrap());
        rig.drive();
    }
    rig.assert_alive();
    let bus = rig.bus.clone();
    rig.bus.on(move |_: EventHandle<Answered>| {
        bus.stop_now();
        vec![Bomb]
    });
    let last = rig.bus.dispatch(Answered).unwrap();
    rig.drive();
    assert_eq!(last.status(), EventStatus::Completed);
    let _ = catch_unwind(AssertUnwindSafe(|| drop(last)));
}

/// A handler whose registration ended while it ran is dropped in the turn.
#[test]
fn a_handler_that_panics_when_it_is_dropped() {
    let mut rig = Rig::new(None);
    let bomb = Bomb;
    let weak = rig.bus.downgrade();
    let slot: Arc<Mutex<Option<busway::Subscription>>> = Arc::default();
    let own = slot.clone();
    let on = rig.bus.on(move |_: EventHandle<Work>| {
        let _ = (&bomb, &weak);
        own.lock().unwrap().take().unwrap().off();
    });
    *slot.lock().unwrap() = Some(on);
    let work = rig.bus.dispatch(Work).unwrap();
    rig.drive();
    assert_eq!(work.status(), EventStatus::Completed);
    rig.assert_alive();
}

#[test]
fn a_predicate_that_panics_fails_its_waiter_alone() {
    let mut rig = Rig::new(None);
    let mut expected = Box::pin(rig.bus.expect_where::<Work>(|_| panic!("asked")));
    let mut other = Box::pin(rig.bus.expect::<Work>());
    let mut stream = rig.bus.events(4, Overflow::DropNewest);
    drop(rig.bus.dispatch(Work).unwrap());
    rig.drive();
    let waker = Counter::new();
    let failed = ExpectError::PredicatePanicked { message: "asked".into() };
    let Poll::Ready(Err(answer)) = waker.poll(expected.as_mut()) else { panic!() };
    assert_eq!(answer, failed);
    assert!(matches!(waker.poll(other.as_mut()), Poll::Ready(Ok(_))));
    assert!(matches!(waker.poll(pin!(stream.next())), Poll::Ready(Some(_))));
    rig.assert_alive();
}

/// A waker that panics keeps no other from being woken, whatever the wait.
#[test]
fn a_waker_that_panics_when_it_is_woken() {
    let mut rig = Rig::new(None);
    let bus = rig.bus.clone();
    let mine = Waker::from(Arc::new(MinedWaker));
    let mut context = Context::from_waker(&mine);
    rig.bus.on(|_: EventHandle<Work>| async { yields(1).await });
    let held = rig.bus.on(|_: EventHandle<Answered>| pending::<Vec<Bomb>>());
    let stuck = rig.bus.event(Answered).parallel().dispatch().unwrap();
    rig.drive();
    let work = rig.bus.dispatch(Work).unwrap();
    let (mut first, mut second) = (Box::pin(stuck.wait()), Box::pin(stuck.wait()));
    let mut expected = Box::pin(rig.bus.expect::<Probe>());
    let mut expected_too = Box::pin(rig.bus.expect::<Probe>());
    let mut stream = rig.bus.events(4, Overflow::DropNewest);
    let mut idle = Box::pin(bus.wait_until_idle(None));
    let mut idle_too = Box::pin(bus.wait_until_idle(None));
    let waker = Counter::new();
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(expected.as_mut().poll(&mut context).is_pending());
    assert!(stream.poll_next_unpin(&mut context).is_pending());
    assert!(idle.as_mut().poll(&mut context).is_pending());
    assert!(waker.poll(second.as_mut()).is_pending());
    assert!(waker.poll(expected_too.as_mut()).is_pending());
    assert!(waker.poll(idle_too.as_mut()).is_pending());
    rig.runtime.advance(SECOND);
    rig.drive();
    assert_eq!(work.status(), EventStatus::Completed);
    assert!(waker.poll(second.as_mut()).is_ready());
    assert!(waker.poll(idle_too.as_mut()).is_ready());
    assert_eq!(waker.wakes(), 2, "one of those who waited was not woken");
    drop(rig.bus.dispatch(Probe).unwrap());
    assert!(waker.poll(expected_too.as_mut()).is_ready());
    assert_eq!(waker.wakes(), 3);
    rig.drive();
    drop((idle, idle_too));
    held.off();
    rig.assert_alive();
}

/// Another task's waker panics while the event is run by the task that dispatches it.
#[test]
fn a_run_past_a_waker_that_panics() {
    let mut rig = Rig::new(None);
    let mine = Waker::from(Arc::new(MinedWaker));
    let mut expected = Box::pin(rig.bus.expect::<Probe>());
    assert!(expected.as_mut().poll(&mut Context::from_waker(&mine)).is_pending());
    let run = catch_unwind(AssertUnwindSafe(|| {
        let _ = Counter::new().poll(pin!(rig.bus.run(Probe)));
    }));
    assert!(run.is_ok(), "somebody else's waker is not the dispatcher's affair");
    rig.drive();
    rig.assert_alive();
}

#[test]
fn a_warning_hook_that_panics() {
    let runtime = Manual::helping(true);
    let settings = EventBus::builder("main")
        .runtime(runtime.clone())
        .on_warning(|_| panic!("warned"))
        .slow_after(Some(SECOND))
        .limit(Limit::After(2 * SECOND));
    let (bus, driver) = driven(settings);
    bus.on(|_: EventHandle<Work>| poll_fn(|_| Poll::<()>::Pending));
    let work = bus.dispatch(Work).unwrap();
    let mut all = [driver];
    for _ in 0..2 {
        assert!(drive(&mut all));
        runtime.advance(SECOND);
    }
    assert!(drive(&mut all));
    assert_eq!(work.status(), EventStatus::Completed);
}

/// The waker belongs to a handler's own task.
#[test]
fn r20_a_waker_of_a_handlers_own_task_that_panics() {
    let runtime = Manual::helping(true);
    let settings = runtime.hub().bus("main").spawn_parallel().limit(Limit::After(SECOND));
    let (bus, driver) = driven(settings);
    bus.on(|_: EventHandle<Work>| pending::<()>());
    bus.on(|_: EventHandle<Probe>| {});
    let stuck = bus.event(Work).parallel().dispatch().unwrap();
    let mut rig = Rig { runtime: runtime.clone(), bus, all: [driver] };
    rig.drive();
    let mut task = runtime.spawned().pop().expect("a task of its own");
    let waker = Waker::from(Arc::new(MinedWaker));
    assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    runtime.forget_timers();
    runtime.advance(2 * SECOND);
    let helped = Counter::new().poll(pin!(rig.bus.event(Probe).parallel().run()));
    assert!(helped.is_ready(), "who helps wakes the task, and does not panic");
    assert!(matches!(stuck.results()[0].error(), Some(HandlerError::TimedOut { .. })));
    rig.assert_alive();
}

/// A runtime whose clock panics on request.
#[derive(Clone, Debug)]
struct MinedClock(Manual, Arc<AtomicBool>);

impl Runtime for MinedClock {
    fn now(&self) -> Instant {
        assert!(!self.1.swap(false, Ordering::SeqCst), "the clock went off");
        self.0.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.0.timer()
    }

    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn is_current(&self) -> bool {
        self.0.is_current()
    }
}

/// The helper gets the panic, and the bus its turn back. The outcome of the handler that had just ended
/// is reported all the same.
#[test]
fn r20_a_clock_that_panics() {
    let runtime = Manual::helping(true);
    let clock = Arc::<AtomicBool>::default();
    let settings = EventBus::builder("main").runtime(MinedClock(runtime.clone(), clock.clone()));
    let (bus, driver) = driven(settings.limit(Limit::After(SECOND)));
    bus.on(move |_: EventHandle<Work>| clock.store(true, Ordering::SeqCst));
    bus.on(|_: EventHandle<Probe>| async { yields(3).await });
    // Woken again and again, so that it is polled before the machine is asked for more.
    let beside = bus.event(Probe).parallel().dispatch().unwrap();
    let work = bus.dispatch(Work).unwrap();
    let helped = catch_unwind(AssertUnwindSafe(|| Counter::new().poll(pin!(work.wait()))));
    assert!(helped.is_err(), "{helped:?}");
    let mut rig = Rig { runtime, bus, all: [driver] };
    rig.drive();
    assert_eq!(work.results()[0].status(), ResultStatus::Completed);
    assert_eq!(beside.results()[0].status(), ResultStatus::Completed);
    rig.assert_alive();
}

/// Panics when it is polled, and again when it is dropped.
struct Twice;

impl Future for Twice {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        panic!("polled")
    }
}

impl Drop for Twice {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[test]
fn r20_a_future_that_panics_twice_has_panicked_once() {
    let (bus, driver) = driven(Manual::helping(false).hub().bus("main"));
    bus.on(|_: EventHandle<Work>| Twice);
    bus.handler(|_: EventHandle<Work>| Twice).retry(Retry::new()).register();
    bus.on(|_: EventHandle<Work>| {
        let (mut twice, mut is_late) = (Box::pin(Twice), false);
        poll_fn(move |cx| {
            if std::mem::replace(&mut is_late, true) {
                return twice.as_mut().poll(cx);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    });
    let work = bus.dispatch(Work).unwrap();
    assert!(drive(&mut [driver]));
    let messages = work.results().into_iter().map(|row| match row.error() {
        Some(HandlerError::Panicked { message }) => message.to_string(),
        other => panic!("it did not panic: {other:?}"),
    });
    assert_eq!(messages.collect::<Vec<_>>(), ["polled"; 3]);
}

#[test]
fn a_closed_bus_ends_though_its_drivers_waker_panics() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("woken")
        }
    }
    let hub = Manual::helping(true).hub();
    let (bus, driver) = hub.bus("main").with_driver();
    let mut driver = pin!(driver);
    let waker = Waker::from(Arc::new(Bad));
    assert!(driver.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(bus);
    assert_eq!(hub.bus("main").build().name(), "main", "the name is free");
}

/// A match that comes too late is dropped, and that panics: the expectation has its answer all the same.
#[test]
fn r26_a_late_match_whose_drop_panics() {
    let hub = Manual::helping(false).hub();
    let (bus, driver) = driven(hub.bus("main").max_history(Some(0)));
    let (weak, driver) = (bus.downgrade(), Mutex::new(driver));
    let mut expected = Box::pin(bus.expect_where(move |event: &EventHandle<Carries>| {
        if event.0.is_none() {
            // While this one is looked at, the next one matches, completes and is forgotten.
            let next = weak.upgrade().unwrap().dispatch(Carries(Some(Bomb))).unwrap();
            assert!(drive(std::slice::from_mut(&mut *driver.lock().unwrap())));
            assert_eq!(next.status(), EventStatus::Completed);
        }
        true
    }));
    let waker = Counter::new();
    assert!(waker.poll(expected.as_mut()).is_pending());
    bus.dispatch(Carries(None)).unwrap();
    assert_eq!(waker.wakes(), 1);
    assert_eq!(bus.hub().held().watches, 0);
    let Poll::Ready(Ok(event)) = waker.poll(expected.as_mut()) else { panic!("the first matches") };
    assert!(event.0.is_none());
}

/// Handlers and consumers are dropped where they are removed, and that may panic.
#[test]
fn what_is_removed_and_panics_when_it_is_dropped() {
    let (bus, _driver) = driven(Manual::helping(false).hub().bus("main"));
    let bomb = Bomb;
    let handler = bus.on(move |_: EventHandle<Work>| {
        let _held = &bomb;
    });
    handler.off();
    let bomb = Bomb;
    let consumer = move |_: Message<u32>| {
        let _held = &bomb;
        async { busway::ok(1u32) }
    };
    bus.consumer("address", consumer).unwrap();
    assert!(bus.unregister("address") && !bus.unregister("address"));
    assert_eq!((bus.handler_count(), bus.consumers().len()), (0, 0));
}

#[derive(Event)]
#[event(output = Arc<()>)]
struct Yields(Bomb);

/// A handler's value is dropped with its event, also where the handler has the last reference to that
/// and its payload panics.
#[tokio::test]
async fn the_value_of_a_handler_whose_event_panics_in_its_drop() {
    for retried in [false, true] {
        let value = Arc::new(());
        let bus = busway::builder("main").max_history(0).build();
        let yields = value.clone();
        let handler = move |event: EventHandle<Yields>| {
            let value = yields.clone();
            async move {
                event.cancel();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(event)));
                value
            }
        };
        match retried {
            true => bus.handler(handler).retry(Retry::new()).register(),
            false => bus.on(handler),
        };
        for _ in 0..3 {
            drop(bus.dispatch(Yields(Bomb)));
            bus.wait_until_idle(None).await.unwrap();
        }
        bus.stop(None, true).await;
        drop(bus);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&value), 1, "retried: {retried}");
    }
}
