//! A runtime without threads: time stands still until it is moved, and nothing is polled unasked.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use busway::{Driver, EventBus, EventBusBuilder, Hub, Instant, IntoHub, Runtime, Task, Timer};

/// The runtime; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manual(Arc<State>);

#[derive(Default)]
struct State {
    now: AtomicU64,
    is_current: AtomicBool,
    timers: Mutex<Vec<(Instant, Waker)>>,
    tasks: Mutex<Vec<Task>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Manual {
    /// Creates a runtime that may be current everywhere, so that any waiter may help.
    pub(crate) fn helping(helps: bool) -> Self {
        let this = Self::default();
        this.0.is_current.store(helps, Ordering::SeqCst);
        this
    }

    pub(crate) fn hub(&self) -> Hub {
        Hub::builder().runtime(self.clone()).build()
    }

    /// Moves the time, and wakes the timers that are due.
    pub(crate) fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap();
        let now = self.0.now.fetch_add(nanos, Ordering::SeqCst) + nanos;
        let due: Vec<_> = {
            let mut timers = self.0.timers.lock().unwrap();
            let (due, rest) = timers.drain(..).partition(|(at, _)| at.as_nanos() <= now);
            *timers = rest;
            due
        };
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Takes the tasks that were spawned and not taken yet.
    pub(crate) fn spawned(&self) -> Vec<Task> {
        std::mem::take(&mut *self.0.tasks.lock().unwrap())
    }

    /// Forgets the waiting timers, so that their wakers are not counted.
    pub(crate) fn forget_timers(&self) {
        let timers = std::mem::take(&mut *self.0.timers.lock().unwrap());
        drop(timers);
    }
}

impl Runtime for Manual {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.now.load(Ordering::SeqCst))
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(ManualTimer { runtime: self.clone(), at: Instant::FAR })
    }

    fn spawn(&self, task: Task) {
        self.0.tasks.lock().unwrap().push(task);
    }

    fn is_current(&self) -> bool {
        self.0.is_current.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct ManualTimer {
    runtime: Manual,
    at: Instant,
}

impl Timer for ManualTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.at = at;
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut timers = self.runtime.0.timers.lock().unwrap();
        if self.runtime.now() >= self.at {
            return Poll::Ready(());
        }
        timers.push((self.at, waker));
        Poll::Pending
    }
}

/// Counts its wake-ups.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Polls with this waker.
    pub(crate) fn poll<F: Future + ?Sized>(
        self: &Arc<Self>,
        future: Pin<&mut F>,
    ) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(self.clone())))
    }
}

impl Counter {
    /// Has a [`Polled`] poll at its next step, woken or not.
    pub(crate) fn wake_now(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future with a waker of its own, polled only when that waker was woken.
pub(crate) struct Polled<F: ?Sized + Future> {
    seen: usize,
    pub(crate) waker: Arc<Counter>,
    pub(crate) output: Option<F::Output>,
    future: Pin<Box<F>>,
}

impl<F: Future + ?Sized> Polled<F> {
    pub(crate) fn new(future: Pin<Box<F>>) -> Self {
        let waker = Counter::new();
        waker.wake_by_ref();
        Self { seen: 0, waker, output: None, future }
    }

    /// Polls the future if it was woken. Returns whether it did.
    pub(crate) fn step(&mut self) -> bool {
        let wakes = self.waker.wakes();
        if self.output.is_some() || self.seen == wakes {
            return false;
        }
        self.seen = wakes;
        if let Poll::Ready(output) = self.waker.poll(self.future.as_mut()) {
            self.output = Some(output);
        }
        true
    }

    pub(crate) fn is_done(&self) -> bool {
        self.output.is_some()
    }
}

/// Polls all of them until none is woken. Returns false when that does not end.
pub(crate) fn drive<F: Future + ?Sized>(all: &mut [Polled<F>]) -> bool {
    for _ in 0..10_000 {
        let polled = all.iter_mut().map(Polled::step).filter(|polled| *polled).count();
        if polled == 0 {
            return true;
        }
    }
    false
}

/// A bus and its driver.
pub(crate) fn driven(builder: EventBusBuilder<impl IntoHub>) -> (EventBus, Polled<Driver>) {
    let (bus, driver) = builder.with_driver();
    (bus, Polled::new(Box::pin(driver)))
}

/// Returns pending `times` times, waking itself.
pub(crate) async fn yields(times: u32) {
    for _ in 0..times {
        let mut is_first = true;
        std::future::poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}
