//! How much of a thread's stack handlers with large futures take.

use std::sync::Arc;

use busway::{Event, EventHandle, WeakEventBus};

use crate::manual::{Manual, Polled, drive, driven, yields};

#[derive(Event)]
#[event(output = u64)]
struct Large;

/// Polling the future leaves no copies of it on the stack.
#[test]
fn r8_a_future_of_an_eighth_of_the_stack() {
    async fn large(_: EventHandle<Large>) -> u64 {
        let mut bytes = [0u8; 256 * 1024];
        yields(1).await;
        bytes[bytes.len() / 2] = 1;
        std::hint::black_box(&bytes).iter().map(|byte| u64::from(*byte)).sum()
    }
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        for helps in [false, true] {
            let (bus, driver) = driven(Manual::helping(helps).hub().bus("main"));
            bus.on(large);
            let mut run = Polled::new(Box::pin(bus.run(Large)));
            run.step();
            assert!(drive(&mut [driver]));
            run.step();
            assert_eq!(run.output.expect("it is done").unwrap().result().unwrap(), 1);
        }
    });
    thread.unwrap().join().unwrap();
}

#[derive(Event)]
struct Small;

/// Each bus is held by a handler of the one before it. They end one after the other, not nested, whether
/// they have drivers or were never used.
#[test]
fn r33_a_chain_of_buses_takes_no_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        for is_driven in [true, false] {
            let hub = Manual::helping(true).hub();
            let mut drivers = Vec::new();
            let mut first = None;
            let link = Arc::new(());
            for _ in 0..2_000 {
                let (bus, driver) = if is_driven {
                    let (bus, driver) = driven(hub.bus("link"));
                    (bus, Some(driver))
                } else {
                    (hub.bus("link").build(), None)
                };
                let next = first.replace(bus.clone());
                let held = link.clone();
                bus.on(move |_: EventHandle<Small>| drop((next.clone(), held.clone())));
                drivers.extend(driver.map(|mut driver| {
                    driver.step();
                    driver
                }));
            }
            assert_eq!(Arc::strong_count(&link), 2_001);
            drop(first);
            assert_eq!(Arc::strong_count(&link), 1, "one of them has not ended");
            assert!(drive(&mut drivers));
        }
    });
    thread.unwrap().join().unwrap();
}

/// Its drop is told to the bus, which thereby forgets the next one.
#[derive(Event)]
struct Job(WeakEventBus);

#[derive(Event)]
struct Released;

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(bus) = self.0.upgrade() {
            bus.dispatch(Released).expect("the bus has room");
        }
    }
}

#[test]
fn r29_a_chain_of_events_that_are_forgotten_takes_no_stack() {
    const JOBS: usize = 5_000;
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let settings = Manual::helping(true).hub().bus("main").max_pending(None);
        let (bus, driver) = driven(settings.max_history(JOBS));
        let mut all = [driver];
        for _ in 0..JOBS {
            bus.dispatch(Job(bus.downgrade())).unwrap();
        }
        assert!(drive(&mut all));
        assert_eq!(bus.history().len(), JOBS);
        bus.dispatch(Released).unwrap();
        assert_eq!(bus.pending(), JOBS + 1, "one for each of them");
        assert!(drive(&mut all));
    });
    thread.unwrap().join().unwrap();
}
