//! The time of a runtime, read on its threads and elsewhere.

use std::time::Duration;

use busway_core::{Instant, Runtime};
use busway_tokio::Tokio;
use tokio::runtime::Builder;

fn asked_elsewhere(tokio: &Tokio) -> Instant {
    std::thread::scope(|scope| scope.spawn(|| tokio.now()).join().expect("no panic"))
}

#[test]
fn a_paused_clock_is_read_from_every_thread() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let tokio = Tokio::current().unwrap();
        let hour = Duration::from_secs(3_600);
        tokio::time::advance(hour).await;
        assert_eq!(tokio.now(), Instant::EPOCH + hour);
        assert_eq!(asked_elsewhere(&tokio), Instant::EPOCH + hour);
    });
}

#[test]
fn the_clock_of_a_multi_thread_runtime_is_one_for_all_threads() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let tokio = Tokio::new(runtime.handle().clone());
    let before = runtime.block_on(async { tokio.now() });
    let elsewhere = asked_elsewhere(&tokio);
    let after = runtime.block_on(async { tokio.now() });
    assert!(before <= elsewhere && elsewhere <= after);
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { assert!(tokio.now() >= after, "also on those of another runtime") });
}
