//! Around an async function.

use core::marker::PhantomData;

use super::clock::Clock;
use super::error::RetryError;
use super::policy::{FindRuntime, RetryPolicy};
use super::run::{self, Call, GivenUp};
use super::when::RetryOn;
use crate::bus::{BoxError, Caller};
use crate::semaphore::SemaphoreError;

impl<On, R> RetryPolicy<On, R> {
    /// Calls an async function until it comes off: once, and again after each failure, as the policy
    /// says.
    ///
    /// ```
    /// use busway_core::{Retry, RetryError, Runtime};
    /// use std::num::ParseIntError;
    ///
    /// async fn fetch() -> Result<u32, ParseIntError> {
    ///     "7".parse()
    /// }
    ///
    /// async fn example(runtime: impl Runtime) -> Result<u32, RetryError> {
    ///     Retry::new().retries(2).runtime(runtime).run(fetch).await
    /// }
    /// ```
    ///
    /// A policy without a runtime cannot measure time, and the compiler says so:
    ///
    /// ```compile_fail,E0277
    /// # async fn fetch() -> Result<u32, std::num::ParseIntError> { "7".parse() }
    /// # async fn example() {
    /// let seven = busway_core::Retry::new().run(fetch).await;
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of the last try, with their number and time; there was no slot, or no runtime.
    ///
    /// # Panics
    /// When the function does. The slot is given back.
    ///
    /// # Cancel safety
    /// Nothing happens before the first poll. Dropping it drops the try under way, and gives the
    /// slot, or the place in the line, back at once.
    pub async fn run<F, Fut, T, E>(&self, function: F) -> Result<T, RetryError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
        On: RetryOn<E>,
        R: FindRuntime,
    {
        let runtime = self.runtime.find_runtime().map_err(RetryError::NoRuntime)?;
        let mut clock = Clock::new(runtime);
        let name = core::any::type_name::<F>().trim_end_matches("::{{closure}}");
        let named = (name, self.numbers.rules.timeout);
        let slot = self.slots.acquire(named, Caller::here, &mut clock, warn).await;
        let slot = slot.map_err(RetryError::Semaphore)?;
        let call = Function { function, on: &self.on, error: PhantomData };
        let done = run::run(&self.numbers, slot, &mut clock, call).await;
        done.map_err(|given_up| match given_up {
            GivenUp::Failed(error, at) => {
                RetryError::Failed { tries: at.tries, elapsed: at.elapsed, source: error.into() }
            }
            GivenUp::TimedOut(limit, at) => {
                RetryError::TimedOut { tries: at.tries, elapsed: at.elapsed, limit }
            }
        })
    }
}

struct Function<'a, F, On, E> {
    function: F,
    on: &'a On,
    error: PhantomData<fn() -> E>,
}

impl<F, Fut, T, E, On> Call for Function<'_, F, On, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    On: RetryOn<E>,
{
    type Value = T;
    type Error = E;
    type Output = Result<T, E>;
    type Future = Fut;

    fn try_once(&mut self, _number: u32) -> Fut {
        (self.function)()
    }

    fn sort(&self, output: Self::Output) -> Result<T, E> {
        output
    }

    fn may_retry(&self, error: &E) -> bool {
        self.on.may_retry(error)
    }
}

#[cfg(feature = "tracing")]
fn warn(error: &SemaphoreError) {
    tracing::warn!(target: "busway", "{error}; the call goes on without one");
}

#[cfg(not(feature = "tracing"))]
const fn warn(_error: &SemaphoreError) {}
