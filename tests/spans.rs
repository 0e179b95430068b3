//! Handlers run in the span of their bus, whichever task polls them (design, "Who polls").
//!
//! These tests have a process of their own, and each has a subscriber on its thread. As long as a process
//! has one subscriber, `tracing` asks the thread that reaches a span first whether anyone wants it, and
//! keeps the answer: a test without a subscriber beside these would switch the bus's span off for all.
#![cfg(all(feature = "macros", feature = "tokio", feature = "tracing"))]
#![allow(missing_docs)]

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use busway::{Event, EventHandle};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument, Metadata, Subscriber, info, info_span};

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

/// The log: a line for each event, with the spans it was in.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The line with `message`, without the parts that every line has.
    fn of(&self, message: &str) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let line =
            text.lines().find(|line| line.ends_with(message)).unwrap_or_else(|| panic!("{text}"));
        line.trim().trim_end_matches(message).trim().to_owned()
    }

    /// Runs a future in a span of its own, and collects everything it logs.
    fn logged<F: Future>(&self, future: F) -> F::Output {
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || lines.clone())
            .without_time()
            .with_ansi(false)
            .with_level(false)
            .with_target(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(future.instrument(info_span!("helper")))
        })
    }
}

#[test]
fn a_helped_handler_runs_in_the_span_of_its_bus() {
    let lines = Lines::default();
    lines.logged(async {
        let bus = busway::bus("main");
        bus.on(|work: EventHandle<Work>| async move {
            info!("first poll");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            info!("later poll");
            work.0
        });
        bus.on_name("Work", |_| info!("plain"));
        bus.run(Work(1)).await.unwrap();
        info!("helper again");
    });
    for message in ["first poll", "later poll", "plain"] {
        assert_eq!(lines.of(message), "bus{name=main}:");
    }
    assert_eq!(lines.of("helper again"), "helper:");
}

#[test]
fn a_spawned_handler_runs_in_it_too_and_one_of_another_bus_in_that_ones() {
    let lines = Lines::default();
    lines.logged(async {
        let one = busway::builder("one").parallel_handlers().spawn_parallel().build();
        let other = one.hub().bus("other").build();
        one.on(|work: EventHandle<Work>| async move {
            info!("before");
            tokio::task::yield_now().await;
            info!("spawned");
            work.0
        });
        one.forward("*", &other).unwrap();
        other.on(|work: EventHandle<Work>| {
            info!("forwarded");
            work.0
        });
        one.run(Work(1)).await.unwrap();
    });
    for message in ["before", "spawned"] {
        assert_eq!(lines.of(message), "bus{name=one}:");
    }
    assert_eq!(lines.of("forwarded"), "bus{name=other}:");
}

#[test]
fn the_future_of_an_aborted_handler_is_dropped_in_it() {
    struct Says(&'static str);
    impl Drop for Says {
        fn drop(&mut self) {
            info!("{}", self.0);
        }
    }
    let lines = Lines::default();
    lines.logged(async {
        let bus = busway::bus("main");
        bus.on(|_: EventHandle<Work>| async {
            let _said = Says("dropped");
            std::future::pending::<()>().await;
        });
        let event = bus.dispatch(Work(1)).unwrap();
        tokio::task::yield_now().await;
        bus.stop(None, false).await;
        event.await.unwrap();
        bus.wait_until_idle(None).await.unwrap();
        tokio::task::yield_now().await;
    });
    assert_eq!(lines.of("dropped"), "bus{name=main}:");
}

/// A subscriber that panics the first time a span is entered.
#[derive(Default)]
struct PanicsOnce(AtomicBool);

impl Subscriber for PanicsOnce {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &Id) {
        assert!(self.0.swap(true, Ordering::SeqCst), "the first time");
    }

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_bus_outlives_a_subscriber_that_panics() {
    tracing::subscriber::with_default(PanicsOnce::default(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(async {
            let bus = busway::bus("main");
            bus.on(|work: EventHandle<Work>| async move { work.0 });
            let first = bus.run(Work(1)).await.unwrap();
            assert!(first.result().is_err(), "its handler could not be called");
            assert_eq!(bus.run(Work(2)).await.unwrap().result().unwrap(), 2);
        });
    });
}

#[test]
fn handlers_that_fail_are_told_of_and_those_that_are_ended_are_not() {
    let lines = Lines::default();
    lines.logged(async {
        let bus = busway::bus("main");
        let fails = |_: EventHandle<Work>| async { Err::<u32, _>("no stock") };
        bus.handler(fails).named("sells").register();
        bus.on_name("Work", |_| std::future::pending::<()>());
        let work = bus.dispatch(Work(1)).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        bus.stop_now();
        assert!(work.await.unwrap().result().is_err());
    });
    let told = lines.of("bus=\"main\" handler=\"sells\" event=\"Work\"");
    assert!(told.starts_with("a handler failed: no stock id="), "{told}");
}
