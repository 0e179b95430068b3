//! Errors of calls that failed.

use core::error::Error;
use core::time::Duration;

use crate::bus::BoxError;
use crate::runtime::NoRuntime;
use crate::semaphore::SemaphoreError;

/// A call was given up, or was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError {
    /// The last try failed. The source is its own error. As with
    /// [`HandlerError::GaveUp`](crate::HandlerError::GaveUp), the text ends with that error's, so that
    /// a log without sources still says what went wrong.
    #[error("failed after {} over {elapsed:?}: {source}", TriesText(*tries))]
    Failed {
        /// Tries made.
        tries: u32,
        /// From the start of the first try to the end of the last.
        elapsed: Duration,
        /// The error of the last try, which can be downcast.
        source: BoxError,
    },
    /// The last try exceeded its time limit.
    #[error("timed out after {} over {elapsed:?}, each of at most {limit:?}", TriesText(*tries))]
    TimedOut {
        /// Tries made.
        tries: u32,
        /// From the start of the first try to the end of the last.
        elapsed: Duration,
        /// The time limit of each try.
        limit: Duration,
    },
    /// The call got no slot, and was not tried.
    #[error(transparent)]
    Semaphore(SemaphoreError),
    /// There is no async runtime here to measure the time; the call was not tried.
    #[error(transparent)]
    NoRuntime(NoRuntime),
}

impl RetryError {
    /// Returns how many tries were made.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        match self {
            Self::Failed { tries, .. } | Self::TimedOut { tries, .. } => *tries,
            Self::Semaphore(_) | Self::NoRuntime(_) => 0,
        }
    }

    /// Returns the time over which it was tried.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        match self {
            Self::Failed { elapsed, .. } | Self::TimedOut { elapsed, .. } => *elapsed,
            Self::Semaphore(_) | Self::NoRuntime(_) => Duration::ZERO,
        }
    }

    /// Returns the error of the last try, if it failed with one of this type.
    #[must_use]
    pub fn last<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Failed { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }
}

/// A number of tries, as text.
pub(crate) struct TriesText(pub(crate) u32);

impl core::fmt::Display for TriesText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "try" } else { "tries" })
    }
}
