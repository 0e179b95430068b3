//! Which errors are retried.

use core::fmt;

/// Decides whether a call is retried after an error. Made by
/// [`RetryPolicy::retry_on`](crate::RetryPolicy::retry_on).
pub trait RetryOn<E> {
    /// Returns whether to retry.
    fn may_retry(&self, error: &E) -> bool;
}

/// After every error.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Always;

impl Always {
    pub(crate) const fn new() -> Self {
        Self
    }
}

impl<E> RetryOn<E> for Always {
    fn may_retry(&self, _error: &E) -> bool {
        true
    }
}

/// After the errors that satisfy a predicate.
#[derive(Clone, Copy)]
pub struct OnlyIf<F>(F);

impl<F> OnlyIf<F> {
    pub(crate) const fn new(test: F) -> Self {
        Self(test)
    }
}

impl<E, F: Fn(&E) -> bool> RetryOn<E> for OnlyIf<F> {
    fn may_retry(&self, error: &E) -> bool {
        (self.0)(error)
    }
}

impl<F> fmt::Debug for OnlyIf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnlyIf")
    }
}
