//! A time limit around a future, by the hub's own runtime.

use core::time::Duration;

use super::shared::HubShared;
use crate::retry::Clock;
pub(crate) use crate::retry::Elapsed;

/// Runs `future`, for `limit` at most. Where nothing was dispatched yet, a runtime that is there now
/// measures the time, and is not the hub's for that; where there is none, there is no time to measure.
pub(crate) async fn with_timeout<F: Future>(
    hub: &HubShared,
    limit: Option<Duration>,
    future: F,
) -> Result<F::Output, Elapsed> {
    match limit.and_then(|_| hub.timekeeper()) {
        Some(runtime) => Clock::new(runtime).within(limit, future).await,
        None => Ok(future.await),
    }
}
