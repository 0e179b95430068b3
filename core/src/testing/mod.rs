//! A runtime for tests: virtual time, and a seeded order of what is ready (feature `test-util`).
//!
//! Time stands still while anything can run, and jumps to the next timer when nothing can, so a handler
//! that sleeps for an hour is tested in no time. A seed decides which of several ready tasks is polled
//! first, so one test can be run in many orders, and a failing order can be run again.
//!
//! ```
//! use busway_core::testing::{TestHandle, run_seeds};
//! use busway_core::{BoxError, Event, EventBus, EventHandle, Limit};
//! use std::time::Duration;
//!
//! struct Fetch(Duration);
//! impl Event for Fetch {
//!     type Output = ();
//!     const NAME: &'static str = "Fetch";
//! }
//!
//! run_seeds(0..20, |runtime: TestHandle| async move {
//!     let bus = EventBus::builder("main").runtime(runtime.clone()).build();
//!     let time = runtime.clone();
//!     bus.handler(move |fetch: EventHandle<Fetch>| {
//!         let time = time.clone();
//!         async move { time.sleep(fetch.0).await }
//!     })
//!     .limit(Limit::After(Duration::from_secs(60)))
//!     .register();
//!
//!     let fetched = bus.run(Fetch(Duration::from_secs(59))).await?;
//!     assert!(fetched.result_opt().is_ok());
//!     let late = bus.run(Fetch(Duration::from_secs(3_600))).await?;
//!     assert!(late.result_opt().is_err(), "it was over its limit");
//!     assert_eq!(runtime.elapsed(), Duration::from_secs(59 + 60));
//!     Ok::<(), BoxError>(())
//! });
//! ```
//!
//! Handlers need not know that they are tested: `busway::sleep` sleeps by the time of the bus whose
//! handler calls it. Ids and times of day differ from run to run, unless the hub is given an `id_seed`
//! and a `wall_time_of_epoch`.
//!
//! The slots of a [semaphore](crate::Retry) are shared by the calls that run on one
//! test runtime, and by no others of the process: tests run beside each other, each in a time of its own.
//! Those over [processes](crate::SemaphoreScope::Multiprocess) are not virtual.
//!
//! [`TestRuntime`] does the same, with every step under your control.

mod executor;
mod timer;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt::{self, Debug};
use core::ops::Range;
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Mutex;

pub(crate) use self::executor::here;
use self::executor::{Shared, Step};
use self::timer::TestTimer;
use crate::runtime::{Runtime, Sleep, Task, Timer};
use crate::time::Instant;

/// Runs a test once, with seed 0. See [`run_seeds`].
///
/// # Panics
/// Panics if the test does, if it returns an error, or if it gets to a point where nothing can happen
/// any more.
pub fn run<F, X>(test: impl Fn(TestHandle) -> F)
where
    F: Future<Output = Result<(), X>>,
    X: Debug,
{
    run_seeds(0..1, test);
}

/// Runs a test with each of these seeds, on a runtime of its own, and names the seed that fails.
///
/// # Panics
/// Panics if the test does, if it returns an error, or if it gets to a point where nothing can happen
/// any more.
pub fn run_seeds<F, X>(seeds: Range<u64>, test: impl Fn(TestHandle) -> F)
where
    F: Future<Output = Result<(), X>>,
    X: Debug,
{
    for seed in seeds {
        let runtime = TestRuntime::new(seed);
        let played = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(test(runtime.handle())).expect("the test fails");
        }));
        if let Err(panic) = played {
            std::eprintln!("this was seed {seed}; to play it again: run_seeds({seed}..{seed} + 1)");
            resume_unwind(panic);
        }
    }
}

/// A single-threaded runtime with virtual time. Dropping it drops its tasks, which stops the buses on
/// it.
///
/// ```
/// use busway_core::testing::TestRuntime;
/// use std::time::Duration;
///
/// let runtime = TestRuntime::new(7).manual_time();
/// let time = runtime.handle();
/// let asleep = time.spawn({
///     let time = time.clone();
///     async move { time.sleep(Duration::from_secs(5)).await }
/// });
/// runtime.block_on(time.advance(Duration::from_secs(4)));
/// assert!(!asleep.is_done());
/// runtime.block_on(time.advance(Duration::from_secs(1)));
/// assert!(asleep.is_done());
/// ```
#[derive(Debug)]
pub struct TestRuntime {
    shared: Arc<Shared>,
}

impl TestRuntime {
    /// Creates a runtime at time zero, with an order drawn from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { shared: Shared::new(seed) }
    }

    /// Moves time only by [`TestHandle::advance`], not when nothing else can happen.
    #[must_use]
    pub fn manual_time(self) -> Self {
        self.shared.state().moves_by_itself = false;
        self
    }

    /// Lets other threads wake its tasks: when nothing can happen here, it waits for them instead of
    /// giving up. The order then no longer depends on the seed alone.
    ///
    /// It does not know what other threads are at. While one of them writes a line of a journal, say, the
    /// time jumps to the next timer, which may be the limit of the handler that waits for the line. So
    /// move it by hand, with [`manual_time`](Self::manual_time), where both matter.
    #[must_use]
    pub fn with_threads(self) -> Self {
        self.shared.state().has_threads = true;
        self
    }

    /// Returns a handle for a bus, a handler or a test.
    #[must_use]
    pub fn handle(&self) -> TestHandle {
        TestHandle(self.shared.clone())
    }

    /// Runs a future to its end, and meanwhile the tasks. Remaining tasks go on at the next call.
    ///
    /// # Panics
    /// Panics if a task does, if nothing can happen any more and the future has not ended, or if it is
    /// called inside another call.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _here = self.shared.enter();
        let mut future = pin!(future);
        let waker = self.shared.root_waker();
        waker.wake_by_ref();
        loop {
            match self.shared.next() {
                Step::Root => {
                    let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                    if let Poll::Ready(output) = polled {
                        return output;
                    }
                }
                Step::Task(job) => self.shared.poll(job),
                Step::Stalled if self.shared.move_time() => {}
                Step::Stalled => self.shared.wait_for_threads(),
            }
        }
    }

    /// Runs the tasks until none is ready. Time does not move.
    ///
    /// # Panics
    /// Panics if a task does, or if it is called inside [`block_on`](Self::block_on).
    pub fn run_until_stalled(&self) {
        let _here = self.shared.enter();
        loop {
            match self.shared.next() {
                Step::Root => {}
                Step::Task(job) => self.shared.poll(job),
                Step::Stalled => return,
            }
        }
    }
}

impl Drop for TestRuntime {
    fn drop(&mut self) {
        self.shared.shut_down();
    }
}

/// A handle to a [`TestRuntime`] for a bus, a handler or a test. It does not keep tasks alive.
#[derive(Clone, Debug)]
pub struct TestHandle(Arc<Shared>);

impl TestHandle {
    /// Sleeps in virtual time.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let runtime: &dyn Runtime = self;
        runtime.sleep(duration)
    }

    /// Returns the virtual time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now().since(Instant::EPOCH)
    }

    /// Advances the time, timer by timer: anything that falls due on the way runs at its own time.
    ///
    /// # Cancel safety
    /// The time still advances when the future is dropped.
    pub async fn advance(&self, by: Duration) {
        let goal = self.now() + by;
        self.0.let_time_reach(goal);
        self.sleep(by).await;
    }

    /// Runs a future as a task.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> TestTask<T> {
        let slot = Arc::new(Mutex::new(Slot { output: None, is_done: false, waker: None }));
        let task = TestTask(slot.clone());
        self.0.spawn(Box::pin(async move {
            let output = future.await;
            let waker = {
                let mut slot = slot.lock().expect(NOT_POISONED);
                slot.output = Some(output);
                slot.is_done = true;
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }));
        task
    }
}

const NOT_POISONED: &str = "no code panics under the lock";

impl Runtime for TestHandle {
    fn now(&self) -> Instant {
        self.0.state().now
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(TestTimer::new(self.0.clone()))
    }

    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn is_current(&self) -> bool {
        self.0.is_entered()
    }
}

/// A task of a [`TestRuntime`]: a future of the task's result. Dropping it cancels nothing.
pub struct TestTask<T>(Arc<Mutex<Slot<T>>>);

struct Slot<T> {
    output: Option<T>,
    is_done: bool,
    waker: Option<Waker>,
}

impl<T> TestTask<T> {
    /// Returns whether the task has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.lock().expect(NOT_POISONED).is_done
    }
}

impl<T> Future for TestTask<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.0.lock().expect(NOT_POISONED);
        if let Some(output) = slot.output.take() {
            return Poll::Ready(output);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Debug for TestTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTask").field("is_done", &self.is_done()).finish()
    }
}
