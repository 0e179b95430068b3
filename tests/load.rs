//! "Load". It has a process of its own: other tests use memory too, above all those that print panics.
#![cfg(all(feature = "macros", feature = "tokio"))]
#![allow(missing_docs)]

#[macro_use]
#[path = "scenarios/runtimes.rs"]
#[allow(dead_code)]
mod runtimes;
#[path = "scenarios/support.rs"]
#[allow(dead_code)]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use busway::{DispatchError, Event, EventHandle};

use crate::runtimes::{Env, Outcome};
use crate::support::Gate;

scenarios!(s82_twenty_thousand_events_with_refusal_and_drain);

#[derive(Event)]
struct Tick {
    number: usize,
    _weight: [u64; 16],
}

/// Twenty thousand events go through a bus that takes a hundred at a time. The time limit of 120 s is
/// that of every test here.
async fn s82_twenty_thousand_events_with_refusal_and_drain<E: Env>(env: E) -> Outcome {
    const EVENTS: usize = 20_000;
    let bus = env.bus("main");
    let sum = Arc::new(AtomicUsize::new(0));
    // Another thread might be as fast as this one: the first event is held until the bus is full.
    let was_full = Gate::closed();
    let (counted, gate) = (sum.clone(), was_full.clone());
    bus.on(move |tick: EventHandle<Tick>| {
        let (counted, gate) = (counted.clone(), gate.clone());
        async move {
            if tick.number == 0 {
                gate.pass().await;
            }
            counted.fetch_add(tick.number + 1, Ordering::Relaxed);
        }
    });
    let before = resident_bytes();
    let mut refusals = 0;
    for number in 0..EVENTS {
        let mut event = Tick { number, _weight: [0; 16] };
        while let Err(refused) = bus.dispatch(event) {
            assert!(matches!(refused, DispatchError::Full { limit: 100, .. }), "{refused:?}");
            event = refused.into_event();
            refusals += 1;
            was_full.open();
            assert!(bus.wait_until_idle(None).await?);
        }
    }
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(sum.load(Ordering::Relaxed), EVENTS * (EVENTS + 1) / 2);
    assert!(refusals > 0);
    if !E::HAS_PAUSED_CLOCK {
        assert!(refusals <= EVENTS / 100, "{refusals}");
    } else {
        // On one thread nothing completes while this one dispatches.
        assert_eq!(refusals, EVENTS / 100 - 1);
    }
    assert_eq!((bus.history().len(), bus.pending()), (50, 0));
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        assert!(after.saturating_sub(before) < 100_000_000, "{before} bytes have become {after}");
    }
    Ok(())
}

/// The memory of this process, where Linux reports it.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_bytes()?)
}

fn page_bytes() -> Option<u64> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let line = smaps.lines().find_map(|line| line.strip_prefix("KernelPageSize:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
