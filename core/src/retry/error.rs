//! A call that did not come off.

use core::error::Error;
use core::time::Duration;

use crate::bus::BoxError;
use crate::runtime::NoRuntime;
use crate::semaphore::SemaphoreError;

/// A call that was given up, or not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError {
    /// The last try failed; the source is its own error. As with
    /// [`HandlerError::GaveUp`](crate::HandlerError::GaveUp), the text ends with that error's: what is
    /// written to a log without its sources still says what went wrong.
    #[error("failed after {} over {elapsed:?}: {source}", Tries(*tries))]
    Failed {
        /// Tries made.
        tries: u32,
        /// From the start of the first try to the end of the last.
        elapsed: Duration,
        /// The error of the last try; it downcasts.
        source: BoxError,
    },
    /// The last try was over its time.
    #[error("timed out after {} over {elapsed:?}, each of at most {limit:?}", Tries(*tries))]
    TimedOut {
        /// Tries made.
        tries: u32,
        /// From the start of the first try to the end of the last.
        elapsed: Duration,
        /// How long each try had.
        limit: Duration,
    },
    /// There was no slot for it; it was not tried.
    #[error(transparent)]
    Semaphore(SemaphoreError),
    /// There is no async runtime here that could measure the time; it was not tried.
    #[error(transparent)]
    NoRuntime(NoRuntime),
}

impl RetryError {
    /// How often it was tried.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        match self {
            Self::Failed { tries, .. } | Self::TimedOut { tries, .. } => *tries,
            Self::Semaphore(_) | Self::NoRuntime(_) => 0,
        }
    }

    /// Over what time it was tried.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        match self {
            Self::Failed { elapsed, .. } | Self::TimedOut { elapsed, .. } => *elapsed,
            Self::Semaphore(_) | Self::NoRuntime(_) => Duration::ZERO,
        }
    }

    /// The error of the last try, when it failed with one of this type.
    #[must_use]
    pub fn last<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Failed { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }
}

/// A number of tries, as text.
pub(crate) struct Tries(pub(crate) u32);

impl core::fmt::Display for Tries {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "try" } else { "tries" })
    }
}
