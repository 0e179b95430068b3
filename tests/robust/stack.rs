//! How much of a thread's stack is taken by handlers whose futures are large.

use busway::{Event, EventHandle};

use crate::manual::{Manual, Polled, drive, driven, yields};

#[derive(Event)]
#[event(output = u64)]
struct Large;

/// Where it is polled no copies of it are left on the stack.
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

/// Each bus is held by a handler of the one before it: they end one after the other, not within each
/// other.
#[test]
fn r33_a_chain_of_buses_takes_no_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let hub = Manual::helping(true).hub();
        let mut drivers = Vec::new();
        let mut first = None;
        for _ in 0..2_000 {
            let (bus, mut driver) = driven(hub.bus("link"));
            let next = first.replace(bus.clone());
            bus.on(move |_: EventHandle<Small>| drop(next.clone()));
            driver.step();
            drivers.push(driver);
        }
        drop(first);
        assert!(drive(&mut drivers));
    });
    thread.unwrap().join().unwrap();
}
