//! Competes for a slot with the other processes.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::io;
use std::path::{Path, PathBuf};

use super::files::{self, Lock, Stage, Unlocked, safe_name};
use super::watch::Watches;
use super::{deleted, folder};
use crate::semaphore::{Folder, Pool, SemaphoreError};

/// The part of a semaphore that is shared with other processes.
pub(crate) struct Processes {
    folder: Option<PathBuf>,
    name: String,
    watches: Arc<Watches>,
}

impl Processes {
    pub(crate) fn new(folder: &Option<Folder>, name: &str) -> Self {
        Self { folder: folder.clone(), name: safe_name(name), watches: Watches::new() }
    }

    /// Waits for a slot. Only one call in this process does at a time.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the turnstile, and what was locked for it.
    pub(crate) async fn compete(
        &self,
        limit: usize,
        pool: &Arc<Pool>,
    ) -> Result<Lock, SemaphoreError> {
        let mut contest = Contest { of: self, pool, limit, turnstile: None, looks: true };
        poll_fn(|cx| contest.poll(cx)).await
    }

    /// Returns how many files its threads wait for.
    #[cfg(test)]
    pub(super) fn watched(&self) -> usize {
        self.watches.count()
    }

    fn path(&self, folder: &Path, part: impl core::fmt::Display) -> PathBuf {
        folder.join(format!("{}.{part}", self.name))
    }
}

/// One competitor: first for the turnstile, then for the slots.
struct Contest<'a> {
    of: &'a Processes,
    pool: &'a Arc<Pool>,
    limit: usize,
    turnstile: Option<Lock>,
    /// Whether it has yet to look since something may have changed.
    looks: bool,
}

impl Contest<'_> {
    // The shape of `Future::poll`.
    #[allow(clippy::needless_pass_by_ref_mut)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Lock, SemaphoreError>> {
        // Before looking, so that no later change is missed.
        self.of.watches.tell(cx.waker().clone());
        let (changed, mut given) = self.of.watches.take();
        if !core::mem::take(&mut self.looks) && !changed {
            return Poll::Pending;
        }
        let mut looks = 0;
        loop {
            looks += 1;
            match self.look(&mut given) {
                Ok(Some(slot)) => return Poll::Ready(Ok(slot)),
                Ok(None) => return Poll::Pending,
                // The folder was deleted meanwhile, and is created again.
                Err(error) if is_not_found(&error) && looks < LOOKS => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Takes a free slot, or starts to wait for the busy ones.
    fn look(&mut self, given: &mut Vec<Lock>) -> Result<Option<Lock>, SemaphoreError> {
        let folder = folder::ensure(self.of.folder.as_deref())?;
        let turnstile = self.of.path(&folder, "turnstile");
        if self.turnstile.is_none() {
            match take(&turnstile, given)? {
                Ok(lock) => self.turnstile = Some(lock),
                Err(busy) => return self.wait_for(&turnstile, busy).map(|()| None),
            }
        }
        let mut busy = Vec::new();
        for slot in 0..self.limit {
            let path = self.of.path(&folder, slot);
            match take_slot(&path, given)? {
                Ok(lock) => return Ok(Some(lock)),
                Err(taken) => busy.extend(taken.into_iter().map(|file| (path.clone(), file))),
            }
        }
        busy.into_iter().try_for_each(|(path, file)| self.wait_for(&path, file))?;
        Ok(None)
    }

    fn wait_for(&self, path: &Path, file: Unlocked) -> Result<(), SemaphoreError> {
        // The thread keeps the semaphore alive, so that the next caller finds the thread.
        let waits = self.of.watches.wait_for(file, self.pool.clone());
        waits.map_err(|source| folder::failed(path, source))
    }
}

impl Drop for Contest<'_> {
    fn drop(&mut self) {
        self.of.watches.forget();
    }
}

/// How often in a row the folder may be deleted while files are made in it.
const LOOKS: u32 = 1_000;

fn is_not_found(error: &SemaphoreError) -> bool {
    matches!(error, SemaphoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Locks the file of a name, or returns the one in the way.
fn take(path: &Path, given: &mut Vec<Lock>) -> Result<Result<Lock, Unlocked>, SemaphoreError> {
    let failed = |source| folder::failed(path, source);
    loop {
        let file = files::open(path).map_err(failed)?;
        if let Some(taken) = take_opened(path, file, given).map_err(failed)? {
            return Ok(taken);
        }
    }
}

/// Does the same for an opened file; `None` when it has been deleted since, and so counts for nothing.
pub(super) fn take_opened(
    path: &Path,
    file: Unlocked,
    given: &mut Vec<Lock>,
) -> io::Result<Option<Result<Lock, Unlocked>>> {
    let taken = match given.iter().position(|lock| lock.id == file.id) {
        Some(place) => Ok(given.swap_remove(place)),
        None => file.try_lock()?,
    };
    Ok(Some(taken).filter(|taken| taken.as_ref().map_or(true, |lock| lock.is_at(path))))
}

/// Does the same for a slot. A file that was made anew is not a slot while a deleted one still is.
///
/// To make it one, a process first claims it, then checks that it is still there, then looks for
/// deleted files that are claimed or held. If two processes do so with a file each, of which at least
/// one was deleted, one of them finds its own gone, or finds the other's.
fn take_slot(
    path: &Path,
    given: &mut Vec<Lock>,
) -> Result<Result<Lock, Vec<Unlocked>>, SemaphoreError> {
    let failed = |source| folder::failed(path, source);
    loop {
        let lock = match take(path, given)? {
            Ok(lock) => lock,
            Err(busy) => return Ok(Err(Vec::from([busy]))),
        };
        if lock.stage().map_err(failed)? == Stage::Slot {
            return Ok(Ok(lock));
        }
        lock.set_stage(Stage::Claimed).map_err(failed)?;
        if lock.is_at(path) {
            // A file that was locked for us must not count as another holder's.
            given.clear();
            let before = deleted::held(path);
            if before.is_empty() {
                lock.set_stage(Stage::Slot).map_err(failed)?;
                return Ok(Ok(lock));
            }
            lock.set_stage(Stage::Nobodys).map_err(failed)?;
            return Ok(Err(before));
        }
        lock.set_stage(Stage::Nobodys).map_err(failed)?;
    }
}
