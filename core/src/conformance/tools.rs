//! Tools for the cases: events, a bus, sleeping, tasks, gates.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Mutex;

use crate::runtime::{Runtime, Timer};
use crate::time::Instant;
use crate::{Event, EventBus, EventBusBuilder, Hub, Reply};

pub(super) type Rt = Arc<dyn Runtime>;

/// The events of all cases; handlers answer with a number.
pub(super) struct Job(pub(super) u32);
pub(super) struct Child(pub(super) u32);

impl Event for Job {
    type Output = u32;
    const NAME: &'static str = "Job";
}

impl Event for Child {
    type Output = u32;
    const NAME: &'static str = "Child";
}

impl Reply<Job> for u32 {}
impl Reply<Child> for u32 {}

pub(super) fn builder(rt: &Rt, name: &str) -> EventBusBuilder {
    let rt = rt.clone();
    EventBus::builder(name).max_pending(None).runtime_source(move || Ok(rt.clone()))
}

pub(super) fn bus(rt: &Rt) -> EventBus {
    builder(rt, "main").build()
}

pub(super) fn hub(rt: &Rt) -> Hub {
    let rt = rt.clone();
    Hub::builder().runtime_source(move || Ok(rt.clone())).build()
}

pub(super) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

pub(super) async fn sleep(rt: &Rt, duration: Duration) {
    let mut timer = rt.timer();
    timer.as_mut().reset(rt.now() + duration);
    fired(&mut timer).await;
}

pub(super) async fn fired(timer: &mut Pin<Box<dyn Timer>>) {
    poll_fn(|cx| timer.as_mut().poll(cx)).await;
}

/// Polls a timer once, with a waker that does nothing.
pub(super) fn touch(timer: &mut Pin<Box<dyn Timer>>) -> Poll<()> {
    timer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets time pass until a condition holds.
pub(super) async fn until(rt: &Rt, is_so: impl Fn() -> bool) {
    while !is_so() {
        sleep(rt, ms(1)).await;
    }
}

/// Asserts that at least this much time has passed.
#[track_caller]
pub(super) fn took(rt: &Rt, since: Instant, at_least: Duration) {
    let elapsed = rt.now().since(since);
    assert!(elapsed >= at_least, "{elapsed:?} is less than {at_least:?}");
}

/// Returns pending once, and is woken at once.
pub(super) async fn give_way() {
    let mut is_first = true;
    poll_fn(|cx| {
        if core::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Holds its waiters back until it is opened.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(AtomicBool, Mutex<Vec<Waker>>)>);

impl Gate {
    pub(super) fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        let waiting = core::mem::take(&mut *self.0.1.lock().unwrap());
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(super) async fn pass(&self) {
        poll_fn(|cx| {
            if !self.is_open() {
                self.0.1.lock().unwrap().push(cx.waker().clone());
            }
            // It may have been opened meanwhile.
            if self.is_open() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Runs a task on the runtime, and returns its result.
pub(super) fn task<T: Send + 'static>(
    rt: &Rt,
    future: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    let (output, has_ended) = (Arc::new(Mutex::new(None)), Gate::default());
    let (put, ends) = (output.clone(), has_ended.clone());
    rt.spawn(Box::pin(async move {
        let output = future.await;
        *put.lock().unwrap() = Some(output);
        ends.open();
    }));
    async move {
        has_ended.pass().await;
        let output = output.lock().unwrap().take();
        output.expect("the task has ended")
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u32>>>);

impl Log {
    pub(super) fn push(&self, item: u32) {
        self.0.lock().unwrap().push(item);
    }

    pub(super) fn items(&self) -> Vec<u32> {
        self.0.lock().unwrap().clone()
    }
}

/// Counts live holders: each has a clone.
#[derive(Clone, Default)]
pub(super) struct Alive(Arc<()>);

impl Alive {
    /// Returns the number of other holders.
    pub(super) fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}
