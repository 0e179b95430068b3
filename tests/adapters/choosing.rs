//! The runtime latched at the first dispatch, and several runtimes in one process.

use std::future::pending;
#[cfg(feature = "tokio")]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use busway::testing::TestRuntime;
use busway::{
    BoxError, Event, EventBus, EventHandle, EventStatus, ExpectError, NoRuntime, RetryError,
    Runtime,
};
use busway_async_std::AsyncStd;
use busway_smol::Smol;
use busway_tokio::Tokio;
use tokio::runtime::{Handle, Id};

#[derive(Debug, Event)]
#[event(output = bool)]
struct Ask;

/// The runtime available outside of tokio, if any.
const ANYWHERE: Option<&str> = if cfg!(feature = "smol") {
    Some("Smol")
} else if cfg!(feature = "async-std") {
    Some("AsyncStd")
} else {
    None
};

fn latched() -> Result<String, NoRuntime> {
    busway::latch().map(|runtime| format!("{runtime:?}"))
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn outside_of_tokio_smol_comes_before_async_std() {
    match ANYWHERE {
        Some(name) => assert!(latched().unwrap().starts_with(name)),
        None => assert_eq!(latched().unwrap_err(), NoRuntime::new()),
    }
}

#[test]
fn inside_of_tokio_it_is_tokio() {
    let name = if cfg!(feature = "tokio") { Some("Tokio") } else { ANYWHERE };
    let inside = tokio_runtime().block_on(async { latched() });
    match name {
        Some(name) => assert!(inside.unwrap().starts_with(name)),
        None => assert_eq!(inside.unwrap_err(), NoRuntime::new()),
    }
}

#[test]
fn the_first_dispatch_latches_and_never_panics() {
    let hub = busway::hub();
    let buses = [busway::bus("alone"), hub.bus("of_hub").build()];
    for bus in &buses {
        bus.on(|_: EventHandle<Ask>| true);
        let early = bus.dispatch(Ask);
        assert_eq!(early.is_ok(), ANYWHERE.is_some());
        if let Err(refused) = early {
            assert!(refused.to_string().starts_with("no async runtime"), "{refused}");
        }
    }
    let runtime = tokio_runtime();
    if cfg!(feature = "tokio") || ANYWHERE.is_some() {
        for bus in &buses {
            // The runtime of the first dispatch is kept, so later dispatches may come from outside.
            let asked = runtime.block_on(async { bus.run(Ask).await.unwrap() });
            assert!(asked.result().unwrap());
            let outside = bus.dispatch(Ask).unwrap();
            assert!(runtime.block_on(outside.into_future()).unwrap().result().unwrap());
        }
    }
}

#[test]
fn without_a_runtime_the_advice_is_good_for_buses_and_for_retries() {
    let policy = busway::Retry::new();
    let call = pin!(policy.run(async || busway::ok(())));
    let Poll::Ready(called) = call.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing is waited for")
    };
    assert_eq!(called.is_ok(), ANYWHERE.is_some());
    if let Err(error) = called {
        assert!(matches!(error, RetryError::NoRuntime(_)), "{error}");
        assert!(!error.to_string().contains("dispatch"), "{error}");
        // The method it names exists for both.
        assert!(error.to_string().contains("`.runtime(..)`"), "{error}");
    }
}

#[cfg(feature = "tokio")]
#[test]
fn on_tokio_without_its_timers_a_retry_panics_where_it_would_wait() {
    let tokio = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let policy = busway::Retry::new().retries(0);
    tokio.block_on(policy.run(async || busway::ok(()))).expect("nothing is waited for");
    let hangs = || tokio.block_on(policy.run(pending::<Result<(), BoxError>>));
    let panic = catch_unwind(AssertUnwindSafe(hangs)).unwrap_err();
    let text = panic.downcast_ref::<&str>().copied().map(String::from);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).expect("a text");
    assert!(text.contains("enable_time"), "{text}");
}

#[test]
fn a_runtime_that_is_given_always_wins() {
    let test = TestRuntime::new(0);
    tokio_runtime().block_on(async {
        let buses = [
            busway::builder("alone").runtime(test.handle()).build(),
            busway::Hub::builder().runtime(test.handle()).build().bus("of_hub").build(),
        ];
        for bus in buses {
            bus.on(|_: EventHandle<Ask>| true);
            let asked = bus.dispatch(Ask).unwrap();
            tokio::task::yield_now().await;
            assert_eq!(asked.status(), EventStatus::Pending, "nobody has run the test runtime");
            test.run_until_stalled();
            assert!(asked.result().unwrap());
        }
    });
}

/// A bus whose handler reports whether it is polled in this tokio runtime.
fn asks_where(runtime: impl Runtime, home: Option<Id>) -> EventBus {
    let bus = EventBus::builder("main").runtime(runtime).build();
    bus.on(move |_: EventHandle<Ask>| async move {
        tokio::task::yield_now().await;
        Handle::try_current().ok().map(|here| here.id()) == home
    });
    bus
}

#[test]
fn two_runtimes_each_with_its_bus() {
    let tokio = tokio_runtime();
    let executor = Arc::new(smol::Executor::new());
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let runs = executor.clone();
    let smol_thread = thread::spawn(move || smol::block_on(runs.run(stopped.recv())));

    let home = tokio.handle().id();
    let on_tokio = asks_where(Tokio::new(tokio.handle().clone()), Some(home));
    let on_smol = asks_where(Smol::on(&executor), None);
    for _ in 0..50 {
        // From inside one runtime, from inside the other, and from neither.
        let (a, b) = (on_tokio.clone(), on_smol.clone());
        let both = async move { Ok((a.run(Ask).await?.result()?, b.run(Ask).await?.result()?)) };
        let answer: Result<_, BoxError> = tokio.block_on(tokio.spawn(both)).unwrap();
        assert_eq!(answer.unwrap(), (true, true));
        let (a, b) = (on_tokio.clone(), on_smol.clone());
        let both = async move { Ok((a.run(Ask).await?.result()?, b.run(Ask).await?.result()?)) };
        let answer: Result<_, BoxError> = smol::block_on(executor.spawn(both));
        assert_eq!(answer.unwrap(), (true, true));
        assert!(smol::block_on(on_tokio.run(Ask)).unwrap().result().unwrap());
        assert!(smol::block_on(on_smol.run(Ask)).unwrap().result().unwrap());
    }
    stop.close();
    assert!(smol_thread.join().unwrap().is_err());
}

#[test]
fn a_handler_of_one_runtime_awaits_a_bus_of_another() {
    let runtimes = [tokio_runtime(), tokio_runtime()];
    let handle = |n: usize| runtimes[n].handle().clone();
    let back = asks_where(Tokio::new(handle(1)), Some(handle(1).id()));
    let front = EventBus::builder("front").runtime(Tokio::new(handle(0))).build();
    front.on(move |_: EventHandle<Ask>| {
        let back = back.clone();
        async move { back.run(Ask).await.unwrap().result().unwrap() }
    });
    for runtime in &runtimes {
        assert!(runtime.block_on(front.run(Ask)).unwrap().result().unwrap());
    }
}

#[test]
fn all_runtimes_in_one_process() {
    let tokio = tokio_runtime();
    let test = TestRuntime::new(0);
    let buses = [
        asks_where(Tokio::new(tokio.handle().clone()), Some(tokio.handle().id())),
        asks_where(Smol::global(), None),
        asks_where(AsyncStd::new(), None),
        asks_where(super::custom::runtime(), None),
    ];
    for bus in &buses {
        assert!(smol::block_on(bus.run(Ask)).unwrap().result().unwrap());
    }
    let tested = asks_where(test.handle(), None);
    assert!(test.block_on(tested.run(Ask)).unwrap().result().unwrap());
}

#[test]
fn an_executor_that_is_dropped_stops_its_buses() {
    let executor = Arc::new(smol::Executor::new());
    let bus = EventBus::builder("main").runtime(Smol::on(&executor)).build();
    bus.on(|_: EventHandle<Ask>| pending::<()>());
    let asked = bus.dispatch(Ask).unwrap();
    drop(executor);
    let asked = smol::block_on(asked.into_future()).unwrap();
    assert!(asked.cause().is_some());
    assert!(bus.is_stopped());
}

#[cfg(all(feature = "tokio", not(any(feature = "smol", feature = "async-std"))))]
#[test]
fn a_bus_made_inside_tokio_goes_back_there_where_there_is_no_runtime() {
    let runtime = tokio_runtime();
    let buses =
        runtime.block_on(async { [busway::bus("alone"), busway::hub().bus("of_hub").build()] });
    let home = runtime.handle().id();
    for bus in buses {
        bus.on(move |_: EventHandle<Ask>| async move {
            tokio::task::yield_now().await;
            Handle::try_current().ok().map(|here| here.id()) == Some(home)
        });
        let asked = bus.dispatch(Ask).unwrap();
        assert!(runtime.block_on(asked.into_future()).unwrap().result().unwrap());
    }
    let [made, used] = [runtime, tokio_runtime()];
    let bus = made.block_on(async { busway::bus("moved") });
    let home = used.handle().id();
    bus.on(move |_: EventHandle<Ask>| Handle::current().id() == home);
    assert!(used.block_on(bus.run(Ask)).unwrap().result().unwrap(), "where it is used comes first");
    let bus = made.block_on(async { busway::bus("orphan") });
    drop(made);
    assert!(
        matches!(bus.dispatch(Ask), Err(busway::DispatchError::NoRuntime { .. })),
        "it was shut down"
    );
    assert!(!bus.is_stopped());
}

#[test]
fn without_a_runtime_an_expectation_has_no_limit_and_says_so() {
    let bus = EventBus::builder("main").build();
    let expected = bus.expect::<Ask>().within(Duration::from_secs(1));
    let Poll::Ready(answer) = pin!(expected).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it would wait for ever")
    };
    assert_eq!(answer.unwrap_err(), ExpectError::NoRuntime(NoRuntime::new()));
}
