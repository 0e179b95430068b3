//! Retries around an async function.

use super::clock::Clock;
use super::error::RetryError;
use super::policy::{FindRuntime, RetryPolicy};
use super::run::{self, Call, GivenUp};
use super::when::RetryOn;
use crate::bus::{BoxError, Caller, Lender};
use crate::semaphore::SemaphoreError;

impl<On, R> RetryPolicy<On, R> {
    /// Calls an async function until it succeeds: once, and again after each failure, as the policy
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
    /// The error of the last try, with the number of tries and their time; or there was no slot, or no
    /// runtime.
    ///
    /// # Panics
    /// Panics when the function does. The slot is given back.
    ///
    /// # Cancel safety
    /// Nothing happens before the first poll. Dropping the future drops the try under way, and gives
    /// back the slot, or the place in the line, at once.
    pub async fn run<F, Fut>(
        &self,
        function: F,
    ) -> Result<<Fut::Output as Attempt>::Value, RetryError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output: Attempt<Error: Into<BoxError>>>,
        On: RetryOn<<Fut::Output as Attempt>::Error>,
        R: FindRuntime,
    {
        let runtime = self.runtime.find_runtime().map_err(RetryError::NoRuntime)?;
        let mut clock = Clock::new(runtime);
        let name = core::any::type_name::<F>().trim_end_matches("::{{closure}}");
        let named = (name, self.numbers.rules.timeout);
        let slot = self.slots.acquire(named, Caller::here, Lender::here, &mut clock, warn);
        let slot = slot.await.map_err(RetryError::Semaphore)?;
        let call = Function { function, on: &self.on };
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

/// The return type of a function that may fail: a [`Result`].
///
/// It stands for `Result<T, E>` in the bounds of [`RetryPolicy::run`], so that the compiler need not
/// match the lifetimes in `E` when such a call is spawned.
#[diagnostic::on_unimplemented(
    message = "a function that is tried again returns a `Result`, not `{Self}`",
    label = "how is one to know whether it failed?"
)]
pub trait Attempt: sealed::Sealed {
    /// The value on success.
    type Value;
    /// The error on failure.
    type Error;

    /// Returns the result itself.
    ///
    /// # Errors
    /// The call failed.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> Attempt for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T, E> Sealed for Result<T, E> {}
}

struct Function<'a, F, On> {
    function: F,
    on: &'a On,
}

impl<F, Fut, On> Call for Function<'_, F, On>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Attempt>,
    On: RetryOn<<Fut::Output as Attempt>::Error>,
{
    type Value = <Fut::Output as Attempt>::Value;
    type Error = <Fut::Output as Attempt>::Error;
    type Output = Fut::Output;
    type Future = Fut;

    fn try_once(&mut self, _number: u32) -> Fut {
        (self.function)()
    }

    fn sort(&self, output: Fut::Output) -> Result<Self::Value, Self::Error> {
        output.into_result()
    }

    fn may_retry(&self, error: &Self::Error) -> bool {
        self.on.may_retry(error)
    }
}

#[cfg(feature = "tracing")]
fn warn(error: &SemaphoreError) {
    tracing::warn!(target: "busway", "{error}; the call goes on without one");
}

#[cfg(not(feature = "tracing"))]
const fn warn(_error: &SemaphoreError) {}
