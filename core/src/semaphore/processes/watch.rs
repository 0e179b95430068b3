//! Threads that wait for a file to become free, and how they report it.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::task::Waker;
use std::io;
use std::thread;

use super::files::{FileId, Lock, Unlocked};
use crate::sync::Mutex;

/// The files that are waited for. There is at most one waiter: the first in line.
pub(super) struct Watches {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A thread waits for each of them.
    files: BTreeSet<FileId>,
    /// The waker of the waiter, if there is one.
    waker: Option<Waker>,
    /// Files that were locked for the waiter.
    locked: Vec<Lock>,
    /// A thread has ended since the waiter looked.
    changed: bool,
}

impl Watches {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::default()) })
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.state.lock().files.len()
    }

    /// Sets the `waker` to be woken when any of the watched files is locked.
    pub(super) fn tell(&self, waker: Waker) {
        let _replaced = self.state.lock().waker.replace(waker);
    }

    /// Returns whether a thread has ended since the last call, and what was locked meanwhile.
    pub(super) fn take(&self) -> (bool, Vec<Lock>) {
        let mut state = self.state.lock();
        (core::mem::take(&mut state.changed), core::mem::take(&mut state.locked))
    }

    /// Ends the waiting: files locked from now on are given back at once.
    pub(super) fn forget(&self) {
        let (_waker, _locked) = {
            let mut state = self.state.lock();
            (state.waker.take(), core::mem::take(&mut state.locked))
        };
    }

    /// Waits for a file on a thread, unless one already does. `keep` lives as long.
    pub(super) fn wait_for(
        self: &Arc<Self>,
        file: Unlocked,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> io::Result<()> {
        let id = file.id;
        if !self.state.lock().files.insert(id) {
            return Ok(());
        }
        let watches = self.clone();
        let wait = move || {
            let locked = file.lock().and_then(|lock| lock.retire_if_deleted().map(|()| lock));
            watches.ended(id, locked);
            drop(keep);
        };
        let name = String::from("busway-file-lock");
        let started = thread::Builder::new().name(name).stack_size(64 * 1024).spawn(wait);
        if started.is_err() {
            self.state.lock().files.remove(&id);
        }
        started.map(drop)
    }

    fn ended(&self, id: FileId, locked: io::Result<Lock>) {
        // Outside the lock: an unwanted file is unlocked, and the waiter is woken. If a file could not
        // be locked, the waiter looks again and finds out why.
        let (waker, _unwanted) = {
            let mut state = self.state.lock();
            state.files.remove(&id);
            state.changed = true;
            match (state.waker.take(), locked) {
                (Some(waker), Ok(lock)) => {
                    state.locked.push(lock);
                    (Some(waker), None)
                }
                (waker, locked) => (waker, Some(locked)),
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
