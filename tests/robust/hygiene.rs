//! User code that calls back into the bus while it is cloned, woken, shown or dropped.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use busway::{
    Event, EventBus, EventHandle, EventStatus, Limit, Overflow, Subscription, WeakEventBus,
};
use futures_util::future::BoxFuture;

use crate::manual::{Counter, Manual, Polled, drive, driven};

/// Runs a test on a thread of its own. A test that hangs fails.
pub(crate) fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel();
    let thread = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    if is_done.recv_timeout(Duration::from_secs(20))
        == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        panic!(
            "nothing moves for 20 seconds: is a lock held, or a wake-up kept back, while user code runs?"
        );
    }
    thread.join().unwrap();
}

/// Calls everything a user might call.
#[derive(Clone, Default)]
struct Meddler(Arc<Reach>);

#[derive(Default)]
struct Reach {
    bus: OnceLock<WeakEventBus>,
    handler: Mutex<Option<Subscription>>,
    calls: Mutex<usize>,
}

#[derive(Event)]
struct Noise;

impl Meddler {
    fn of(bus: &EventBus) -> Self {
        let this = Self::default();
        this.aim(bus);
        this
    }

    fn aim(&self, bus: &EventBus) {
        let _ = self.0.bus.set(bus.downgrade());
    }

    fn calls(&self) -> usize {
        *self.0.calls.lock().unwrap()
    }

    /// The calls may come back here, but not without end.
    fn call(&self) {
        thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
        *self.0.calls.lock().unwrap() += 1;
        if DEPTH.get() < 3 {
            DEPTH.set(DEPTH.get() + 1);
            self.call_everything();
            DEPTH.set(DEPTH.get() - 1);
        }
    }

    fn call_everything(&self) {
        let Some(bus) = self.0.bus.get().and_then(WeakEventBus::upgrade) else { return };
        if let Ok(event) = bus.event(Noise).detached().dispatch() {
            let _ = (event.status(), event.results(), event.path(), event.children());
            if self.calls().is_multiple_of(2) {
                event.cancel();
            }
        }
        for event in bus.history() {
            let _ = (event.status(), event.results());
        }
        let _ = (bus.pending(), bus.name(), bus.is_stopped(), bus.handler_count());
        let _ = (bus.hub().memory(), bus.log_tree().to_string(), bus.consumers());
        let _ = (bus.find::<Noise>().newest(), bus.find_name("*").all(3));
        drop(bus.expect::<Noise>());
        drop(bus.events(1, Overflow::DropOldest));
        let mut idle = pin!(bus.wait_until_idle(None));
        let _ = Counter::new().poll(idle.as_mut());
        let mut place = Box::pin(bus.reserve());
        let _ = Counter::new().poll(place.as_mut());
        drop(place);
        if let Some(handler) = self.0.handler.lock().unwrap().take() {
            handler.off();
        }
        let on = bus.on(|_: EventHandle<Noise>| {});
        *self.0.handler.lock().unwrap() = Some(on);
    }
}

/// A value that calls back when it is cloned, shown or dropped.
struct Restless(Meddler);

impl Clone for Restless {
    fn clone(&self) -> Self {
        self.0.call();
        Self(self.0.clone())
    }
}

impl fmt::Debug for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.call();
        f.write_str("Restless")
    }
}

impl fmt::Display for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Restless {}

impl Drop for Restless {
    fn drop(&mut self) {
        self.0.call();
    }
}

#[derive(Event)]
#[event(output = Restless)]
struct Work(Restless);

#[derive(Event)]
struct Endless(#[allow(dead_code)] Restless);

/// A future that holds a restless value and calls back when it is polled.
struct RestlessFuture(Restless, Option<BoxFuture<'static, ()>>);

impl Future for RestlessFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.0.call();
        match &mut self.1 {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

/// A waker that calls back in all its methods.
struct RestlessWaker(Restless);

impl Wake for RestlessWaker {
    fn wake(self: Arc<Self>) {
        self.0.0.call();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.0.call();
    }
}

fn restless_waker(meddler: &Meddler) -> Waker {
    Waker::from(Arc::new(RestlessWaker(Restless(meddler.clone()))))
}

fn drive_with<F: Future + ?Sized>(waker: &Waker, future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn payloads_outputs_errors_handlers_and_futures_call_back() {
    watched(|| {
        for history in [Some(0), Some(2), None] {
            let runtime = Manual::helping(true);
            let settings = runtime.hub().bus("main").max_history(history).max_pending(None);
            let (bus, driver) = driven(settings);
            let meddler = Meddler::of(&bus);
            let kept = Restless(meddler.clone());
            bus.on(move |work: EventHandle<Work>| {
                let (kept, future) = (kept.clone(), RestlessFuture(work.0.clone(), None));
                async move {
                    future.await;
                    kept
                }
            });
            let failing = Restless(meddler.clone());
            bus.on(move |_: EventHandle<Work>| Err::<Restless, _>(failing.clone()));
            let endless = Restless(meddler.clone());
            let endless = bus
                .handler(move |_: EventHandle<Endless>| {
                    RestlessFuture(endless.clone(), Some(Box::pin(pending())))
                })
                .limit(Limit::After(Duration::from_secs(1)))
                .register();
            let mut all = [driver];
            for _ in 0..4 {
                let work = bus.dispatch(Work(Restless(meddler.clone()))).unwrap();
                let _ = work.result();
                drop(bus.dispatch(Endless(Restless(meddler.clone()))).unwrap());
                assert!(drive(&mut all));
                runtime.advance(Duration::from_secs(1));
                assert!(drive(&mut all));
                let _ = (work.results_list(), work.result(), work.log_tree().to_string());
                assert_eq!(work.status(), EventStatus::Completed);
            }
            // One event runs, one is queued; the handlers go first.
            drop(bus.dispatch(Endless(Restless(meddler.clone()))).unwrap());
            drop(bus.dispatch(Work(Restless(meddler.clone()))).unwrap());
            assert!(drive(&mut all));
            endless.off();
            let mut stop = Polled::new(Box::pin(bus.stop(None, true)));
            assert!(stop.step());
            assert!(drive(&mut all));
            assert_eq!(bus.pending(), 0);
            assert!(meddler.calls() > 20);
        }
    });
}

#[test]
fn refused_payloads_and_handlers_call_back() {
    watched(|| {
        let (bus, driver) = driven(Manual::helping(true).hub().bus("main").max_pending(Some(0)));
        let meddler = Meddler::of(&bus);
        assert!(bus.dispatch(Work(Restless(meddler.clone()))).is_err());
        let mut run = Polled::new(Box::pin(bus.run(Work(Restless(meddler.clone())))));
        run.step();
        assert!(run.output.take().is_some_and(|output| output.is_err()));
        drop(run);
        bus.stop_now();
        drop(driver);
        let kept = Restless(meddler.clone());
        bus.on(move |_: EventHandle<Noise>| drop(kept.clone()));
        drop(bus);
        assert!(meddler.calls() > 2);
    });
}

#[test]
fn predicates_and_the_warning_hook_call_back() {
    watched(|| {
        let meddler = Meddler::default();
        let told = meddler.clone();
        let runtime = Manual::helping(true);
        let hub = busway::Hub::builder()
            .runtime(runtime.clone())
            .memory_warning(Some(1))
            .on_warning(move |_| told.call())
            .build();
        let (bus, driver) =
            driven(hub.bus("main").max_pending(None).slow_after(Some(Duration::from_secs(1))));
        meddler.aim(&bus);
        let asked = meddler.clone();
        let mut expected = Polled::new(Box::pin(bus.expect_where::<Endless>(move |_| {
            asked.call();
            true
        })));
        bus.on(|_: EventHandle<Endless>| pending::<()>());
        let twin = hub.bus("main").build();
        assert_ne!(twin.name(), bus.name());
        let mut all = [driver];
        drop(bus.dispatch(Endless(Restless(meddler.clone()))).unwrap());
        assert!(drive(&mut all));
        expected.step();
        assert!(expected.is_done());
        let before = meddler.calls();
        runtime.advance(Duration::from_secs(1));
        assert!(drive(&mut all));
        assert!(meddler.calls() > before, "no warning of the slow handler");
        bus.stop_now();
    });
}

/// Every kind of wait, with wakers that call back.
#[test]
fn wakers_call_back() {
    watched(|| {
        let runtime = Manual::helping(false);
        let (bus, driver) = driven(runtime.hub().bus("main").max_pending(Some(1)));
        let meddler = Meddler::of(&bus);
        bus.on(|_: EventHandle<Endless>| async { crate::manual::yields(1).await });
        let waker = || restless_waker(&meddler);
        let work = bus.dispatch(Endless(Restless(meddler.clone()))).unwrap();
        let mut waits: Vec<_> = (0..3).map(|_| Box::pin(work.wait())).collect();
        let mut stream = bus.events(1, Overflow::DropOldest);
        let mut expected = Box::pin(bus.expect::<Noise>());
        let mut idle: Vec<_> = (0..3).map(|_| Box::pin(bus.wait_until_idle(None))).collect();
        let mut places: Vec<_> = (0..2).map(|_| Box::pin(bus.reserve())).collect();
        for _ in 0..2 {
            // The second time, another waker replaces the first.
            let own = waker();
            waits.iter_mut().for_each(|wait| drop(drive_with(&own, wait.as_mut())));
            let _ = drive_with(&waker(), pin!(stream.next()));
            let _ = drive_with(&waker(), expected.as_mut());
            idle.iter_mut().for_each(|wait| drop(drive_with(&waker(), wait.as_mut())));
            places.iter_mut().for_each(|place| drop(drive_with(&waker(), place.as_mut())));
        }
        drop(waits.pop());
        // Completion, idle, the free place; then the end of the bus.
        let mut all = [driver];
        assert!(drive(&mut all));
        let before = meddler.calls();
        drop(all);
        assert!(meddler.calls() > before);
        assert!(meddler.calls() > 5);
        assert!(bus.is_stopped());
        for wait in &mut idle {
            let _ = drive_with(&waker(), wait.as_mut());
        }
    });
}

/// The driver's own waker, and those of handlers: each is woken while the other is registered.
#[test]
fn the_drivers_waker_calls_back() {
    watched(|| {
        let (bus, driver) = Manual::helping(true).hub().bus("main").max_pending(None).with_driver();
        let meddler = Meddler::of(&bus);
        let mut driver = Box::pin(driver);
        bus.on(|_: EventHandle<Endless>| async { crate::manual::yields(3).await });
        for _ in 0..4 {
            let work = bus.dispatch(Endless(Restless(meddler.clone()))).unwrap();
            while work.status() != EventStatus::Completed {
                let _ = drive_with(&restless_waker(&meddler), driver.as_mut());
            }
        }
        drop(driver);
    });
}

/// A waker that polls its task at once, inside the wake-up, even for a wait for idle.
#[test]
fn a_waker_that_polls_where_it_is_woken() {
    struct Inline(Mutex<Option<BoxFuture<'static, ()>>>);
    impl Wake for Inline {
        fn wake(self: Arc<Self>) {
            let task = self.0.lock().unwrap().take();
            if let Some(mut task) = task
                && drive_with(&Waker::from(self.clone()), task.as_mut()).is_pending()
            {
                *self.0.lock().unwrap() = Some(task);
            }
        }
    }
    watched(|| {
        let (bus, driver) = driven(Manual::helping(false).hub().bus("main"));
        let ended: Arc<Mutex<usize>> = Arc::default();
        for _ in 0..3 {
            let (bus, ended) = (bus.clone(), ended.clone());
            let task: BoxFuture<'static, ()> = Box::pin(async move {
                for _ in 0..3 {
                    bus.wait_until_idle(None).await.unwrap();
                    drop(bus.dispatch(Noise).unwrap());
                }
                *ended.lock().unwrap() += 1;
            });
            Arc::new(Inline(Mutex::new(Some(task)))).wake();
        }
        let mut all = [driver];
        assert!(drive(&mut all));
        assert_eq!(*ended.lock().unwrap(), 3);
    });
}
