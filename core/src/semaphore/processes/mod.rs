//! The slots that all processes of a user share: locked files in a folder of theirs.
//!
//! A slot is a file with an exclusive lock on it (`flock`), which the system takes back when the
//! process ends, however it ends. Slot `i` of a semaphore is the file `NAME.i`. Processes compete
//! one at a time: whoever has the lock of `NAME.turnstile` takes the first slot that is free, and
//! only then lets go of the turnstile, so that nobody who came later is before him. Within a process
//! only the first in line competes. Who waits at the turnstile gets it in the order in which the
//! system grants locks, which is about that of arrival and not promised.
//!
//! What is free is taken at once. What is not is waited for by threads, because a file lock cannot
//! be waited for otherwise: one for each file, and no more than that for all waiters of the process.
//! A thread ends when its file is free; it then hands the lock over, or gives it back when nobody
//! waits any more. Nothing is polled in intervals.
//!
//! # Files that are deleted
//!
//! The lock of a deleted file is still held, but whoever makes the file anew could lock that too.
//! So a new file is a slot only once no process has a deleted file of its name open and locked: on
//! Linux that can be read in `/proc`. Until then its slot counts as taken, and is waited for by that
//! deleted file, which `/proc` lets us open. How far a file has come is told by its length: 0 when it
//! is new (or deleted and free), 1 while that is found out, 2 when it is a slot. A lock counts only
//! when the file under the name is the one that was locked. So neither deleting the files nor the
//! whole folder lets more in than the limit, nor takes a slot away. Elsewhere than on Linux, or where
//! `/proc` does not show the process (another container), the holder of a deleted file is not seen:
//! the limit may be passed until it ends.

#[cfg(all(feature = "std", unix))]
mod contest;
#[cfg(all(feature = "std", unix))]
mod deleted;
#[cfg(all(feature = "std", unix))]
mod files;
#[cfg(all(feature = "std", unix))]
mod folder;
#[cfg(all(feature = "std", unix, test))]
mod tests;
#[cfg(all(feature = "std", unix))]
mod watch;

#[cfg(all(feature = "std", unix))]
pub(crate) use self::{contest::Processes, files::Lock};

#[cfg(not(all(feature = "std", unix)))]
pub(crate) use nowhere::{Lock, Processes};

#[cfg(not(all(feature = "std", unix)))]
mod nowhere {
    use alloc::sync::Arc;

    use crate::semaphore::{Folder, Pool, SemaphoreError};

    /// There are none.
    #[derive(Debug)]
    pub(crate) enum Lock {}

    /// There are none that could be seen.
    #[derive(Debug)]
    pub(crate) struct Processes;

    impl Processes {
        pub(crate) fn new(_folder: &Option<Folder>, _name: &str) -> Self {
            Self
        }

        // As where there are some.
        #[allow(clippy::unused_async)]
        pub(crate) async fn compete(
            &self,
            _limit: usize,
            _pool: &Arc<Pool>,
        ) -> Result<Lock, SemaphoreError> {
            Err(SemaphoreError::Unsupported)
        }
    }
}
