//! A time limit around a future, by the hub's own runtime.

use core::time::Duration;

use super::shared::HubShared;
use crate::retry::Clock;
pub(crate) use crate::retry::Elapsed;

/// Runs `future`, for `limit` at most. A hub that nothing was dispatched in takes its runtime now;
/// where there is none, there is no time to measure.
pub(crate) async fn with_timeout<F: Future>(
    hub: &HubShared,
    limit: Option<Duration>,
    future: F,
) -> Result<F::Output, Elapsed> {
    match (limit, hub.runtime()) {
        (Some(_), Ok(latched)) => Clock::new(latched.runtime.clone()).within(limit, future).await,
        _ => Ok(future.await),
    }
}
