//! A time limit around a future, by the hub's own runtime.

use core::time::Duration;

use super::error::WaitError;
use super::share;
use super::shared::HubShared;
use crate::retry::Clock;
pub(crate) use crate::retry::Elapsed;

/// Runs `future` for at most `limit`. If nothing was dispatched yet, a runtime that is available now
/// measures the time, without becoming the hub's. If there is none, no time is measured.
pub(crate) async fn with_timeout<F: Future>(
    hub: &HubShared,
    limit: Option<Duration>,
    future: F,
) -> Result<F::Output, Elapsed> {
    match limit.and_then(|_| hub.timekeeper().ok()) {
        Some(runtime) => {
            // Before the future is polled: it cannot yield once the time is up.
            share::give_way().await;
            Clock::new(runtime).within(limit, future).await
        }
        None => Ok(future.await),
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
