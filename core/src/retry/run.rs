//! Carries out what [`Tries`] decides: the tries and the rests between them, while holding the slot.

use core::pin::pin;
use core::time::Duration;

use super::clock::{Clock, Elapsed};
use super::policy::Numbers;
use super::tries::{Report, Step, Tries};
use crate::bus::inside_of;
use crate::semaphore::Slot;

/// A call to be retried: a user's function, or a handler.
pub(crate) trait Call {
    type Value;
    type Error;
    type Output;
    type Future: Future<Output = Self::Output>;

    /// Makes the call; `number` counts from 1.
    fn try_once(&mut self, number: u32) -> Self::Future;

    /// Returns whether the call failed.
    fn sort(&self, output: Self::Output) -> Result<Self::Value, Self::Error>;

    /// Returns whether it may be retried after this error.
    fn may_retry(&self, error: &Self::Error) -> bool;

    /// A try has exceeded its time, and is about to be dropped.
    fn over_time(&mut self) {}
}

/// A call that was given up, and how its last try ended.
pub(crate) enum GivenUp<E> {
    Failed(E, Report),
    /// It exceeded its time limit, which is given here.
    TimedOut(Duration, Report),
}

/// Makes a call until it succeeds or is given up. Holds a slot throughout.
pub(crate) async fn run<C: Call>(
    numbers: &Numbers,
    slot: Option<Slot>,
    clock: &mut Clock,
    call: C,
) -> Result<C::Value, GivenUp<C::Error>> {
    match &slot {
        None => tries(numbers, clock, call).await,
        Some(slot) => inside_of(slot.lease(), tries(numbers, clock, call)).await,
    }
}

async fn tries<C: Call>(
    numbers: &Numbers,
    clock: &mut Clock,
    mut call: C,
) -> Result<C::Value, GivenUp<C::Error>> {
    let mut tries = Tries::new(numbers.rules);
    loop {
        let begun = tries.begin(clock.now());
        let output = {
            let mut future = pin!(call.try_once(begun.number));
            let output = clock.until(begun.deadline, future.as_mut()).await;
            if output.is_err() {
                call.over_time();
            }
            output
        };
        let error = match output.map(|output| call.sort(output)) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Some(error),
            Err(Elapsed) => None,
        };
        let may_retry =
            error.as_ref().map_or(numbers.retry_on_timeout, |error| call.may_retry(error));
        let now = clock.now();
        match tries.failed(may_retry, now, numbers.random(now)) {
            Step::Rest(until) => {
                // Before the rest: the error's contents are no longer needed.
                drop(error);
                clock.rest(until).await;
            }
            Step::GiveUp(report) => {
                let limit = numbers.rules.timeout.unwrap_or_default();
                return Err(match error {
                    Some(error) => GivenUp::Failed(error, report),
                    None => GivenUp::TimedOut(limit, report),
                });
            }
        }
    }
}
