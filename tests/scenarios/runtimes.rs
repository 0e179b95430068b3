//! The runtimes of the scenarios. A body is written once, generic over its [`Env`], and named in
//! `scenarios!`, which makes a test of it for each line of `on_each_runtime!`.

use std::fmt::Display;
use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use busway::tokio::Tokio;
use busway::{BoxError, Event, EventBus, EventBusBuilder, EventHandle, Hub, Instant, Runtime};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// The result of a body.
pub(crate) type Outcome = Result<(), BoxError>;

/// A runtime, and the tools that a test needs from it.
pub(crate) trait Env: Copy + Default + Send + Sync + 'static {
    /// Whether time passes only while everything sleeps, so that a test may assert durations.
    const HAS_PAUSED_CLOCK: bool;

    fn block_on<F: Future>(future: F) -> F::Output;

    /// The current runtime, as the bus takes it.
    fn runtime(self) -> impl Runtime;

    fn sleep_for(self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    fn spawn(self, task: impl Future<Output = ()> + Send + 'static);

    /// The bodies' unit of time: short on a real clock.
    fn ticks(self, count: u32) -> Duration {
        let tick = if Self::HAS_PAUSED_CLOCK { 1_000 } else { 10 };
        Duration::from_millis(tick) * count
    }

    fn sleep(self, ticks: u32) -> impl Future<Output = ()> + Send + 'static {
        self.sleep_for(self.ticks(ticks))
    }

    fn builder(self, name: &str) -> EventBusBuilder {
        busway::builder(name).runtime(self.runtime())
    }

    fn bus(self, name: &str) -> EventBus {
        self.builder(name).build()
    }

    fn hub(self) -> Hub {
        Hub::builder().runtime(self.runtime()).build()
    }

    /// Runs a task, and returns its result. Boxed, as Rust 1.89 does not see that it is `Send`.
    fn task<T: Send + 'static>(
        self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            // The test may have ended meanwhile.
            let _ = tell.send(task.await);
        });
        Box::pin(async { told.await.expect("the task ended") })
    }

    /// Sleeps until a condition holds.
    async fn until(self, is_so: impl Fn() -> bool) {
        for _ in 0..2_000 {
            if is_so() {
                return;
            }
            self.sleep(1).await;
        }
        panic!("it never came to be");
    }

    fn watch(self) -> Stopwatch {
        let clock = Box::new(self.runtime());
        let start = clock.now();
        Stopwatch { clock, start, is_exact: Self::HAS_PAUSED_CLOCK }
    }
}

/// Measures time by the runtime's clock.
pub(crate) struct Stopwatch {
    clock: Box<dyn Runtime>,
    start: Instant,
    is_exact: bool,
}

impl Stopwatch {
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().since(self.start)
    }

    /// Asserts how long it took: exactly on a paused clock, at least that long on a real one.
    #[track_caller]
    pub(crate) fn took(&self, wanted: Duration) {
        let elapsed = self.elapsed();
        match self.is_exact {
            true => assert_eq!(elapsed, wanted),
            false => assert!(elapsed >= wanted, "{elapsed:?} is less than {wanted:?}"),
        }
    }
}

/// Dispatches and waits, for tests that do not distinguish the two kinds of error.
pub(crate) async fn run<E: Event>(bus: &EventBus, event: E) -> Result<EventHandle<E>, BoxError> {
    bus.run(event).await.map_err(|error| text(&error))
}

fn text(error: &impl Display) -> BoxError {
    error.to_string().into()
}

/// Runs one body on one runtime. A body that hangs fails.
pub(crate) fn test_on<E: Env, F: Future<Output = Outcome> + 'static>(body: fn(E) -> F) {
    let (tell, told) = channel();
    let thread = std::thread::spawn(move || {
        let outcome = E::block_on(async { body(E::default()).await.map_err(|e| e.to_string()) });
        let _ = tell.send(());
        outcome
    });
    if told.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
        panic!("it hangs");
    }
    match thread.join() {
        Ok(outcome) => outcome.unwrap(),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// One line for each runtime: the module of its tests, its [`Env`], then whether its clock is
/// paused, the runtime as a value, and its own block-on, sleep and spawn.
macro_rules! on_each_runtime {
    ($make:ident! $args:tt) => {
        $make! { on_tokio TokioPaused (true, tokio_now, tokio_paused, tokio::time::sleep, tokio_spawn) $args }
        $make! { on_tokio_threads TokioThreads (false, tokio_now, tokio_threads, tokio::time::sleep, tokio_spawn) $args }
    };
}

macro_rules! define_env {
    ($module:ident $env:ident
        ($is_paused:literal, $runtime:expr, $block_on:path, $sleep:expr, $spawn:expr) ()) => {
        #[derive(Clone, Copy, Default)]
        pub(crate) struct $env;

        impl Env for $env {
            const HAS_PAUSED_CLOCK: bool = $is_paused;

            fn block_on<F: Future>(future: F) -> F::Output {
                $block_on(future)
            }

            fn runtime(self) -> impl Runtime {
                ($runtime)()
            }

            fn sleep_for(self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
                async move {
                    let _ = ($sleep)(duration).await;
                }
            }

            fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
                ($spawn)(task);
            }
        }
    };
}

macro_rules! tests {
    ($module:ident $env:ident $how:tt ($($body:ident)*)) => {
        mod $module {
            $(
                #[test]
                fn $body() {
                    crate::runtimes::test_on(super::$body::<crate::runtimes::$env>);
                }
            )*
        }
    };
}

/// Makes a test of each body, on each runtime.
macro_rules! scenarios {
    ($($body:ident),* $(,)?) => {
        on_each_runtime! { tests! ($($body)*) }
    };
}

on_each_runtime! { define_env! () }

fn tokio_now() -> Tokio {
    Tokio::current().expect("in a runtime")
}

fn tokio_paused<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().expect("a runtime").block_on(future)
}

fn tokio_threads<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime").block_on(future)
}

fn tokio_spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
