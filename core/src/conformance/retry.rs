//! Rests, timeouts and slots, measured by the runtime's timer.

use alloc::string::String;
use core::future::pending;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::future::{join, poll_immediate};

use super::tools::{Job, Rt, bus, ms, sleep, took};
use crate::{BoxError, EventHandle, Retry, RetryError, SemaphoreError};

pub(super) async fn a_call_rests_and_comes_off(rt: Rt) {
    let (start, calls) = (rt.now(), AtomicU32::new(0));
    let policy = Retry::new().wait(ms(10)).backoff_factor(2.0).runtime_source(|| Ok(rt.clone()));
    let call = async || {
        let made = calls.fetch_add(1, Ordering::SeqCst) + 1;
        if made < 3 { Err("not yet") } else { Ok(made) }
    };
    assert_eq!(policy.run(call).await.unwrap(), 3);
    took(&rt, start, ms(30));
}

pub(super) async fn a_call_is_over_its_time(rt: Rt) {
    let start = rt.now();
    let policy =
        Retry::new().retries(1).wait(ms(10)).timeout(ms(20)).runtime_source(|| Ok(rt.clone()));
    let error = policy.run(pending::<Result<(), BoxError>>).await.unwrap_err();
    assert!(matches!(error, RetryError::TimedOut { tries: 2, .. }), "{error}");
    took(&rt, start, ms(50));
}

pub(super) async fn a_handler_rests_and_is_tried_again(rt: Rt) {
    let bus = bus(&rt);
    let (time, start) = (rt.clone(), rt.now());
    let was_called = AtomicBool::new(false);
    let flaky = move |job: EventHandle<Job>| {
        let (time, is_first) = (time.clone(), !was_called.swap(true, Ordering::SeqCst));
        async move {
            sleep(&time, ms(2)).await;
            let is_early = is_first || time.now().since(start) < ms(30);
            if is_early { Err("not yet") } else { Ok(job.0) }
        }
    };
    bus.handler(flaky).retry(Retry::new().wait(ms(15)).retries(9)).register();
    let job = bus.run(Job(7)).await.unwrap();
    assert_eq!(job.result().unwrap(), 7);
    assert!(job.results()[0].tries() > 1);
    took(&rt, start, ms(30));
}

pub(super) async fn a_slot_is_waited_for(rt: Rt) {
    let name = String::from(core::any::type_name_of_val(&rt)) + &alloc::format!("{rt:p}");
    let policy = Retry::new()
        .retries(0)
        .timeout(ms(30))
        .semaphore_limit(1)
        .semaphore_name(name)
        .semaphore_lax(false)
        .runtime_source(|| Ok(rt.clone()));
    let hurried = policy.clone().semaphore_timeout(ms(10));
    let patient = policy.clone().semaphore_timeout(None);
    let start = rt.now();
    // It holds the slot from its first poll, and cannot be over its time before it is polled again.
    let mut held = pin!(policy.run(pending::<Result<(), BoxError>>));
    assert!(poll_immediate(held.as_mut()).await.is_none());
    let refused = hurried.run(async || Ok::<(), BoxError>(())).await;
    assert!(matches!(refused, Err(RetryError::Semaphore(SemaphoreError::TimedOut { .. }))));
    let (held, came) = join(held, patient.run(async || Ok::<(), BoxError>(()))).await;
    assert!(matches!(held, Err(RetryError::TimedOut { .. })));
    came.unwrap();
    took(&rt, start, ms(30));
}
