//! The shell in the orders in which its threads can run: no wake-up is lost, every waiter learns the
//! outcome, and no thread is left at the end.
//!
//! Run it with `RUSTFLAGS="--cfg loom" cargo test -p busway-core --test loom --release`. It takes some
//! minutes, or with `LOOM_MAX_PREEMPTIONS=1` some seconds. Loom treats `SeqCst` as acquire and release,
//! so code that passes here needs nothing stronger.
#![cfg(loom)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use busway_core::{
    Event, EventBus, EventBusBuilder, EventHandle, HandlerError, HandlerOrder, Hub, Instant,
    Overflow, Reply, Retry, Runtime, Task, Timer,
};
use loom::model::Builder;
use loom::sync::{Mutex, Notify};
use loom::thread;

struct Add(u32);

impl Event for Add {
    type Output = u32;
    const NAME: &'static str = "Add";
}

struct Twice(u32);

impl Event for Twice {
    type Output = u32;
    const NAME: &'static str = "Twice";
}

impl Reply<Add> for u32 {}
impl Reply<Twice> for u32 {}

/// Runs each task on a thread of the model, with a clock that is set by hand.
#[derive(Clone, Debug)]
struct Threads {
    /// Whether a task that waits may work for the bus.
    helps: bool,
    clock: Arc<Mutex<Clock>>,
}

#[derive(Debug)]
struct Clock {
    now: Instant,
    set: Vec<Waker>,
}

impl Threads {
    fn new(helps: bool) -> Self {
        Self { helps, clock: Arc::new(Mutex::new(Clock { now: Instant::EPOCH, set: Vec::new() })) }
    }

    /// Lets time pass.
    fn pass(&self, time: Duration) {
        let set = {
            let mut clock = self.clock.lock().unwrap();
            clock.now = clock.now + time;
            std::mem::take(&mut clock.set)
        };
        set.into_iter().for_each(Waker::wake);
    }
}

impl Runtime for Threads {
    fn now(&self) -> Instant {
        self.clock.lock().unwrap().now
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(Alarm { clock: self.clock.clone(), at: Instant::FAR })
    }

    fn spawn(&self, task: Task) {
        thread::spawn(|| block_on(task));
    }

    fn is_current(&self) -> bool {
        self.helps
    }
}

#[derive(Debug)]
struct Alarm {
    clock: Arc<Mutex<Clock>>,
    at: Instant,
}

impl Timer for Alarm {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.at = at;
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut clock = self.clock.lock().unwrap();
        if clock.now >= self.at {
            return Poll::Ready(());
        }
        clock.set.push(cx.waker().clone());
        Poll::Pending
    }
}

struct Signal(Notify);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let signal = Arc::new(Signal(Notify::new()));
    let waker = Waker::from(signal.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => signal.0.wait(),
        }
    }
}

/// Tries the orders in which a thread is interrupted at most twice, unless the environment says
/// otherwise, and prints how many there were.
fn check(model: impl Fn() + Send + Sync + 'static) {
    check_to(Builder::new().preemption_bound.unwrap_or(2), model);
}

/// Does the same for this many interruptions, whatever the environment says, where fewer are not enough.
fn check_to(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let tried = Arc::new(AtomicUsize::new(0));
    let mut builder = Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.max_branches = 10_000;
    let count = tried.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} orders", tried.load(Ordering::Relaxed));
}

/// Does the same, once where tasks that wait leave the work to the driver, and once where they help.
fn check_both(model: impl Fn(bool) + Copy + Send + Sync + 'static) {
    for helps in [false, true] {
        check(move || model(helps));
    }
}

fn builder(helps: bool) -> EventBusBuilder {
    EventBus::builder("main").runtime(Threads::new(helps))
}

fn bus(helps: bool) -> EventBus {
    let bus = builder(helps).build();
    bus.on(|add: EventHandle<Add>| add.0 + 1);
    bus
}

fn value(add: &EventHandle<Add>) -> u32 {
    block_on(add.wait()).unwrap().result().unwrap()
}

#[test]
fn an_event_is_run_and_the_waiter_learns_of_its_end() {
    check_both(|helps| {
        let bus = bus(helps);
        let add = bus.dispatch(Add(1)).unwrap();
        assert_eq!(value(&add), 2);
    });
}

#[test]
fn two_threads_dispatch_and_wait() {
    check_both(|helps| {
        let bus = bus(helps);
        let other = {
            let bus = bus.clone();
            thread::spawn(move || value(&bus.dispatch(Add(1)).unwrap()))
        };
        let add = bus.dispatch(Add(2)).unwrap();
        assert_eq!(value(&add), 3);
        assert_eq!(other.join().unwrap(), 2);
    });
}

#[test]
fn two_threads_run_their_events_themselves() {
    check(|| {
        let bus = bus(true);
        let other = {
            let bus = bus.clone();
            thread::spawn(move || block_on(bus.run(Add(1))).unwrap().result().unwrap())
        };
        assert_eq!(block_on(bus.run(Add(2))).unwrap().result().unwrap(), 3);
        assert_eq!(other.join().unwrap(), 2);
    });
}

/// Handlers wait here until it is opened.
#[derive(Default)]
struct Door(Mutex<(bool, Option<Waker>)>);

impl Door {
    fn open(&self) {
        let waker = {
            let mut door = self.0.lock().unwrap();
            door.0 = true;
            door.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    async fn opened(&self) {
        poll_fn(|cx| {
            let mut door = self.0.lock().unwrap();
            door.1 = Some(cx.waker().clone());
            if door.0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

fn bus_behind(door: &Arc<Door>, builder: EventBusBuilder) -> EventBus {
    let bus = builder.build();
    let door = door.clone();
    bus.on(move |add: EventHandle<Add>| {
        let door = door.clone();
        async move {
            door.opened().await;
            add.0 + 1
        }
    });
    bus
}

#[test]
fn a_handler_is_woken_from_another_thread() {
    check_both(|helps| {
        let door = Arc::new(Door::default());
        let bus = bus_behind(&door, builder(helps));
        let add = bus.dispatch(Add(1)).unwrap();
        let other = thread::spawn(move || door.open());
        assert_eq!(value(&add), 2);
        other.join().unwrap();
    });
}

#[test]
fn two_handlers_are_woken_at_once() {
    check_both(|helps| {
        let (one, other) = (Arc::<Door>::default(), Arc::<Door>::default());
        let bus = bus_behind(&one, builder(helps));
        let behind = other.clone();
        bus.on(move |_: EventHandle<Add>| {
            let door = behind.clone();
            async move { door.opened().await }
        });
        let add = bus.event(Add(1)).handler_order(HandlerOrder::Parallel).dispatch().unwrap();
        let opens = thread::spawn(move || other.open());
        one.open();
        assert_eq!(value(&add), 2);
        opens.join().unwrap();
    });
}

#[test]
fn a_handler_is_woken_while_it_is_polled() {
    check_both(|helps| {
        let (one, other) = (Arc::<Door>::default(), Arc::<Door>::default());
        let bus = builder(helps).build();
        let doors = (one.clone(), other.clone());
        bus.on(move |add: EventHandle<Add>| {
            let (one, other) = doors.clone();
            async move {
                one.opened().await;
                other.opened().await;
                add.0 + 1
            }
        });
        let add = bus.dispatch(Add(1)).unwrap();
        let opens = thread::spawn(move || other.open());
        one.open();
        assert_eq!(value(&add), 2);
        opens.join().unwrap();
    });
}

#[test]
fn the_limit_of_a_handler_passes() {
    check_both(|helps| {
        let runtime = Threads::new(helps);
        let bus = EventBus::builder("main").runtime(runtime.clone()).build();
        let never = Arc::<Door>::default();
        bus.on(move |_: EventHandle<Add>| {
            let (clock, door) = (runtime.clone(), never.clone());
            thread::spawn(move || clock.pass(Duration::from_secs(60)));
            async move { door.opened().await }
        });
        let add = bus.dispatch(Add(1)).unwrap();
        let done = block_on(add.wait()).unwrap();
        assert!(matches!(done.results()[0].error(), Some(HandlerError::TimedOut { .. })));
    });
}

#[test]
fn three_events_take_more_than_one_turn() {
    check_both(|helps| {
        let bus = bus(helps);
        let adds = [1, 2, 3].map(|n| bus.dispatch(Add(n)).unwrap());
        assert_eq!(adds.map(|add| value(&add)), [2, 3, 4]);
    });
}

#[test]
fn a_stop_from_another_thread_ends_the_wait() {
    check_both(|helps| {
        let bus = bus_behind(&Arc::default(), builder(helps));
        let add = bus.dispatch(Add(1)).unwrap();
        let other = thread::spawn(move || bus.stop_now());
        let done = block_on(add.wait()).unwrap();
        // Cancelled before it started, or aborted.
        assert!(done.result().is_err(), "{:?}", done.result());
        other.join().unwrap();
    });
}

/// The driver ends with the last bus, and only when no future of a handler is left.
#[test]
fn an_event_is_cancelled_from_another_thread_while_its_handler_is_woken() {
    check_both(|helps| {
        let door = Arc::new(Door::default());
        let (bus, driver) = builder(helps).with_driver();
        let (behind, token) = (door.clone(), Arc::new(()));
        let held = Arc::downgrade(&token);
        bus.on(move |add: EventHandle<Add>| {
            let (door, token) = (behind.clone(), token.clone());
            async move {
                door.opened().await;
                drop(token);
                add.0 + 1
            }
        });
        let add = bus.dispatch(Add(1)).unwrap();
        let driver = thread::spawn(move || block_on(driver));
        let cancelled = add.clone();
        let other = thread::spawn(move || {
            door.open();
            cancelled.cancel()
        });
        let done = block_on(add.wait()).unwrap();
        let was_open = other.join().unwrap();
        assert_eq!(done.cause().is_some(), was_open);
        assert_eq!(done.result().is_err(), was_open);
        drop(bus);
        driver.join().unwrap();
        assert_eq!(held.strong_count(), 0, "the handler and its future are gone");
    });
}

#[test]
fn a_driver_that_is_dropped_ends_the_wait() {
    check_both(|helps| {
        let (bus, driver) = builder(helps).with_driver();
        bus.on(|add: EventHandle<Add>| add.0 + 1);
        let other = thread::spawn(move || drop(driver));
        let sent = bus.dispatch(Add(1));
        if let Ok(add) = sent {
            let _how = block_on(add.wait()).unwrap().result();
        }
        other.join().unwrap();
    });
}

#[test]
fn the_last_bus_is_dropped_while_its_event_runs() {
    check_both(|helps| {
        let bus = bus(helps);
        let add = bus.dispatch(Add(1)).unwrap();
        let other = thread::spawn(move || drop(bus));
        assert_eq!(value(&add), 2);
        other.join().unwrap();
    });
}

#[test]
fn a_place_that_becomes_free_goes_to_who_waits_for_it() {
    check_both(|helps| {
        let bus = builder(helps).max_pending(Some(1)).build();
        bus.on(|add: EventHandle<Add>| add.0 + 1);
        let first = bus.dispatch(Add(1)).unwrap();
        let other = {
            let bus = bus.clone();
            thread::spawn(move || value(&block_on(bus.dispatch_wait(Add(2))).unwrap()))
        };
        assert_eq!(value(&first), 2);
        assert_eq!(other.join().unwrap(), 3);
    });
}

#[test]
fn a_bus_is_found_idle() {
    check_both(|helps| {
        let bus = bus(helps);
        bus.dispatch(Add(1)).unwrap();
        assert!(block_on(bus.wait_until_idle(None)).unwrap());
    });
}

#[test]
fn a_handler_awaits_a_child_on_another_bus() {
    check_both(|helps| {
        let hub = Hub::builder().runtime(Threads::new(helps)).build();
        let (outer, inner) = (hub.bus("outer").build(), hub.bus("inner").build());
        inner.on(|add: EventHandle<Add>| add.0 + 1);
        outer.on(move |twice: EventHandle<Twice>| {
            let inner = inner.clone();
            async move { inner.run(Add(twice.0)).await.ok()?.result().ok() }
        });
        let twice = outer.dispatch(Twice(1)).unwrap();
        assert_eq!(block_on(twice.wait()).unwrap().result().unwrap(), 2);
    });
}

#[test]
fn a_handler_that_is_a_task_of_its_own_is_stopped() {
    check(|| {
        let door = Arc::<Door>::default();
        let bus = bus_behind(&door, builder(false).spawn_parallel());
        let add = bus.event(Add(1)).parallel().dispatch().unwrap();
        let opens = thread::spawn(move || door.open());
        bus.stop_now();
        let done = block_on(add.wait()).unwrap();
        assert!(done.result().is_err() || done.result().unwrap() == 2);
        opens.join().unwrap();
    });
}

#[test]
fn an_event_is_expected() {
    check_both(|helps| {
        let bus = bus(helps);
        let expected = bus.expect::<Add>();
        let other = thread::spawn(move || bus.dispatch(Add(1)).map(drop).unwrap());
        assert_eq!(block_on(expected).unwrap().0, 1);
        other.join().unwrap();
    });
}

#[test]
fn a_slow_reader_holds_the_bus_and_reads_everything() {
    check(|| {
        let bus = bus(false);
        let mut unread = bus.events_of::<Add>(1, Overflow::Wait);
        let adds = [1, 2].map(|n| bus.dispatch(Add(n)).unwrap());
        let reads = thread::spawn(move || {
            let mut next = || block_on(unread.next()).unwrap().0;
            [next(), next()]
        });
        assert_eq!(adds.map(|add| value(&add)), [2, 3]);
        assert_eq!(reads.join().unwrap(), [1, 2]);
    });
}

#[test]
fn a_slot_is_handed_on() {
    check(|| {
        let runtime = Threads::new(true);
        let once = Retry::new().retries(0).semaphore_limit(1).semaphore_timeout(None);
        let once = once.semaphore_name("slot").runtime(runtime);
        let inside = Arc::new(AtomicUsize::new(0));
        let call = move || {
            let alone = inside.fetch_add(1, Ordering::Relaxed) == 0;
            thread::yield_now();
            inside.fetch_sub(1, Ordering::Relaxed);
            std::future::ready(if alone { Ok(()) } else { Err("two at once") })
        };
        let (again, same) = (once.clone(), call.clone());
        let other = thread::spawn(move || block_on(again.run(same)).unwrap());
        block_on(once.run(call)).unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_driver_ends_though_its_closed_bus_was_opened_again() {
    check_to(3, || {
        let (bus, driver) = builder(true).with_driver();
        let kept = Arc::new(std::sync::Mutex::new(None));
        let keep = kept.clone();
        bus.on(move |add: EventHandle<Add>| {
            *keep.lock().unwrap() = Some(add);
            1
        });
        block_on(bus.run(Add(1))).unwrap();
        let add = kept.lock().unwrap().take().unwrap();
        let drives = thread::spawn(move || block_on(driver));
        let other = thread::spawn(move || drop(add.bus()));
        drop(bus);
        other.join().unwrap();
        drives.join().unwrap();
    });
}

#[test]
fn a_driver_ends_though_a_weak_bus_is_dispatched_on_as_it_closes() {
    for helps in [false, true] {
        check_to(3, move || {
            let (bus, driver) = builder(helps).with_driver();
            bus.on(|add: EventHandle<Add>| add.0 + 1);
            let weak = bus.downgrade();
            let drives = thread::spawn(move || block_on(driver));
            let other = thread::spawn(move || {
                let Some(bus) = weak.upgrade() else { return };
                let add = bus.dispatch(Add(1)).unwrap();
                drop(bus);
                assert_eq!(value(&add), 2);
            });
            drop(bus);
            other.join().unwrap();
            drives.join().unwrap();
        });
    }
}

#[test]
fn a_weak_bus_gives_one_that_takes_events() {
    check_to(2, || {
        let bus = bus(true);
        assert_eq!(value(&bus.dispatch(Add(1)).unwrap()), 2);
        let weak = bus.downgrade();
        let other = thread::spawn(move || drop(bus));
        if let Some(bus) = weak.upgrade() {
            assert_eq!(value(&bus.dispatch(Add(2)).unwrap()), 3);
        }
        other.join().unwrap();
    });
}

/// Waits for two things, and once its waker is known only looks: it takes no lock that would order its
/// look after the wake-up that it does not get any more.
#[derive(Default)]
struct Flag {
    is_set: loom::sync::atomic::AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Flag {
    fn wake(&self) {
        let waker = self.waker.lock().unwrap().clone();
        waker.into_iter().for_each(Waker::wake);
    }

    async fn set(&self) {
        let mut is_known = false;
        poll_fn(|cx| {
            if !std::mem::replace(&mut is_known, true) {
                *self.waker.lock().unwrap() = Some(cx.waker().clone());
            }
            match self.is_set.load(Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

#[test]
fn a_handler_sees_what_the_second_of_two_wake_ups_is_about() {
    check(|| {
        let flag = Arc::new(Flag::default());
        let bus = builder(false).build();
        let of_handler = flag.clone();
        bus.on(move |add: EventHandle<Add>| {
            let flag = of_handler.clone();
            async move {
                flag.set().await;
                add.0 + 1
            }
        });
        let add = bus.dispatch(Add(1)).unwrap();
        let other = flag.clone();
        let sets = thread::spawn(move || {
            other.wake();
            other.is_set.store(true, Ordering::Release);
            other.wake();
        });
        assert_eq!(value(&add), 2);
        sets.join().unwrap();
    });
}
