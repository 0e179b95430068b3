//! The slots that all processes of a user share: locked files in one folder.
//!
//! A slot is a file with an exclusive lock on it (`flock`), which the system releases when the process
//! ends, however it ends. Slot `i` of a semaphore is the file `NAME.i`. Processes compete one at a
//! time: the holder of the lock of `NAME.turnstile` takes the first slot that is free, and only then
//! lets go of the turnstile, so that no later process overtakes it. Within a process only the first in
//! line competes. The turnstile passes in the order in which the system grants locks, which is about
//! that of arrival and not promised.
//!
//! A free slot is taken at once. Busy ones are waited for by threads, because there is no other way to
//! wait for a file lock: one thread for each file, and no more than that for all waiters of the
//! process. A thread ends when its file is free; it then hands the lock over, or gives it back when
//! nobody waits any more. Nothing is polled at intervals.
//!
//! # Files that are deleted
//!
//! The lock of a deleted file is still held, but a process that makes the file anew could lock the new
//! one too. So a new file is a slot only once no process has a deleted file of its name open and
//! locked: on Linux, `/proc` shows that. Until then its slot counts as taken, and waiters wait for that
//! deleted file, which `/proc` lets us open. The length of a file tells its state: 0 when it is new (or
//! deleted and free), 1 while that is being found out, 2 when it is a slot. A lock counts only when the
//! file under the name is the one that was locked. So deleting the files or the whole folder neither
//! lets in more than the limit nor takes a slot away. On other systems, or where `/proc` does not show
//! the process (another container), the holder of a deleted file is not seen: the limit may be exceeded
//! until it ends.

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

    /// There are none here.
    #[derive(Debug)]
    pub(crate) enum Lock {}

    /// No other processes can be seen here.
    #[derive(Debug)]
    pub(crate) struct Processes;

    impl Processes {
        pub(crate) fn new(_folder: &Option<Folder>, _name: &str) -> Self {
            Self
        }

        // Has the same signature as the real one.
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
