//! A time limit around a future, by the hub's own runtime.

use alloc::boxed::Box;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;

use super::shared::HubShared;
use crate::runtime::Timer;

/// The time was over first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed;

/// Runs `future`, for `limit` at most. A hub that nothing was dispatched in takes its runtime now;
/// where there is none, there is no time to measure.
pub(crate) async fn with_timeout<F: Future>(
    hub: &HubShared,
    limit: Option<Duration>,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let (Some(limit), Ok(latched)) = (limit, hub.runtime()) else {
        return Ok(future.await);
    };
    let runtime = &latched.runtime;
    let deadline = runtime.now() + limit;
    let mut timer: Option<Pin<Box<dyn Timer>>> = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // The clock before the timer, which may be late.
        if runtime.now() >= deadline {
            return Poll::Ready(Err(Elapsed));
        }
        let timer = timer.get_or_insert_with(|| {
            let mut timer = runtime.timer();
            timer.as_mut().reset(deadline);
            timer
        });
        timer.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
