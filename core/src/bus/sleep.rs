//! A time limit around a future, by the hub's own runtime.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use super::error::WaitError;
use super::share;
use super::shared::HubShared;
use crate::retry::Clock;
pub(crate) use crate::retry::Elapsed;
use crate::runtime::Runtime;

/// Runs `future` for at most `limit`. If nothing was dispatched yet, a runtime that is available now
/// measures the time, without becoming the hub's. If there is none, no time is measured.
pub(crate) async fn with_timeout<F: Future>(
    hub: &HubShared,
    limit: Option<Duration>,
    future: F,
) -> Result<F::Output, Elapsed> {
    match limit.zip(limit.and_then(|_| hub.timekeeper().ok())) {
        Some((limit, runtime)) => within(runtime, limit, future).await,
        None => Ok(future.await),
    }
}

/// The same, by this runtime.
pub(crate) async fn within<F: Future>(
    runtime: Arc<dyn Runtime>,
    limit: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut clock = Clock::new(runtime);
    let (deadline, mut future) = (clock.now() + limit, pin!(future));
    // Before the future is polled: once the time is up, it may not yield.
    share::give_way().await;
    match clock.until(Some(deadline), future.as_mut()).await {
        // Unless it was only yielding.
        Err(Elapsed) => poll_fn(|cx| Poll::Ready(last_look(future.as_mut(), cx))).await,
        done => done,
    }
}

fn last_look<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Result<F::Output, Elapsed> {
    match share::uncounted(|| future.poll(cx)) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(Elapsed),
    }
}

/// The same for a wait, whose errors include the waiter's own timeout (R24).
pub(crate) async fn wait_for<T>(
    hub: &HubShared,
    limit: Duration,
    wait: impl Future<Output = Result<T, WaitError>>,
) -> Result<T, WaitError> {
    match with_timeout(hub, Some(limit), wait).await {
        Ok(done) => done,
        Err(Elapsed) => Err(WaitError::TimedOut { limit }),
    }
}
