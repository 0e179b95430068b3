//! Why a call got no slot.

use alloc::string::String;
use core::time::Duration;
#[cfg(feature = "std")]
use std::path::PathBuf;

/// A call got no slot of a semaphore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SemaphoreError {
    /// No slot was free in time.
    #[error("no slot of the semaphore {name} within {waited:?}, with a limit of {limit}")]
    TimedOut {
        /// The semaphore's name.
        name: String,
        /// How many calls may hold a slot at a time.
        limit: usize,
        /// How long the call waited: `semaphore_timeout`.
        waited: Duration,
    },
    /// The folder for the locked files is not safe: others may enter it, or it belongs to another user.
    #[cfg(feature = "std")]
    #[error("the folder {} is not safe for locks: {reason}", folder.display())]
    UnsafeFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A locked file could not be created, opened or locked, or the thread that waits for it could not
    /// be started.
    #[cfg(feature = "std")]
    #[error("{} cannot be locked", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// This system has no semaphores across processes: they need Unix and the feature `std`.
    #[error("there are no semaphores over several processes on this system")]
    Unsupported,
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::string::ToString;
    use core::error::Error;

    use super::*;

    #[test]
    fn a_source_is_not_said_twice() {
        let source = std::io::Error::other("no space left");
        let error = SemaphoreError::Io { path: "/here".into(), source };
        assert_eq!(error.to_string(), "/here cannot be locked");
        assert_eq!(error.source().unwrap().to_string(), "no space left");
    }
}
