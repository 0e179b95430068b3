//! The thread of a journal: writes, syncs, rotates, and notifies waiters.

use std::io;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::error::JournalError;
use crate::queue::{Batch, Flushed, Queue, Queued, Told, answer};
use crate::read::Torn;
use crate::settings::SyncPolicy;
use crate::storage::{Segment, Storage};

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) sync: SyncPolicy,
    /// In bytes.
    pub(crate) rotate_at: u64,
    pub(crate) rotate_after: Duration,
    pub(crate) is_ahead: bool,
    /// In bytes.
    pub(crate) max_unwritten: usize,
}

/// The state found when the journal was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The length of the active segment, in bytes.
    pub(crate) len: u64,
    /// When its first line was written.
    pub(crate) since: Option<SystemTime>,
    pub(crate) torn: Option<Torn>,
}

/// This many lines force a sync under any policy: each keeps its event in memory until it is on disk.
const MANY: usize = 10_000;

pub(crate) struct Writer {
    queue: Arc<Queue>,
    storage: Box<dyn Storage>,
    policy: Policy,
    /// The length of the active segment, up to the last whole write.
    len: u64,
    /// Half a line may follow after that length, or the segment may be gone.
    must_cut: bool,
    since: Option<SystemTime>,
    /// Written and not on disk.
    unsynced: Vec<Told>,
    is_dirty: bool,
    sync_due: Option<Instant>,
    /// The first error since the last flush.
    error: Flushed,
}

impl Writer {
    pub(crate) fn new(
        queue: Arc<Queue>,
        storage: Box<dyn Storage>,
        policy: Policy,
        opened: Opened,
    ) -> Self {
        let Opened { len, since, .. } = opened;
        let (unsynced, error) = (Vec::new(), Ok(()));
        let (is_dirty, sync_due) = (false, None);
        let must_cut = false;
        Self { queue, storage, policy, len, must_cut, since, unsynced, is_dirty, sync_due, error }
    }

    pub(crate) fn run(mut self) {
        loop {
            let Batch { text, lines, refused, hurries, flushes, is_last } =
                self.queue.next(self.sync_due);
            self.write(text.as_bytes(), lines);
            if let Some(error) = refused {
                self.note(error);
            }
            let is_due = self.sync_due.is_some_and(|due| due <= Instant::now());
            if hurries || is_last || is_due || !flushes.is_empty() {
                self.sync();
            }
            if is_last {
                let outcome = self.outcome();
                // The caller that closed it may open it again as soon as it is told.
                let queue = self.queue.clone();
                let _ = guarded(|| {
                    drop(self);
                    Ok(())
                });
                answer(flushes, &outcome);
                return queue.end(&outcome);
            }
            if !flushes.is_empty() {
                answer(flushes, &self.outcome());
            }
        }
    }

    /// Keeps the first error for the next flush.
    fn note(&mut self, error: Arc<JournalError>) {
        if self.error.is_ok() {
            self.error = Err(error);
        }
    }

    /// Returns the error since the last call.
    fn outcome(&mut self) -> Flushed {
        let failure = self.queue.error().map_or(Ok(()), Err);
        std::mem::replace(&mut self.error, Ok(())).and(failure)
    }

    /// Writes lines, into as many segments as they need.
    fn write(&mut self, text: &[u8], lines: Vec<Queued>) {
        let mut lines = lines.into_iter().peekable();
        let mut start = 0;
        while let Some(first) = lines.next() {
            if let Some(error) = self.queue.error() {
                first.told.failed(error.clone());
                lines.for_each(|line| line.told.failed(error.clone()));
                return;
            }
            let mut end = first.end;
            let mut told = vec![first.told];
            let ready = self.make_ready((end - start) as u64);
            while let Some(next) = lines.next_if(|next| self.has_room((next.end - start) as u64)) {
                end = next.end;
                told.push(next.told);
            }
            match ready.and_then(|()| self.append(&text[start..end])) {
                Ok(()) => self.written(told),
                Err(error) => self.failed(error, told),
            }
            start = end;
        }
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.len.saturating_add(bytes) <= self.policy.rotate_at
    }

    fn must_rotate(&self, bytes: u64) -> bool {
        let age = self.since.and_then(|since| since.elapsed().ok());
        let is_old = age.is_some_and(|age| age >= self.policy.rotate_after);
        self.len > 0 && (is_old || !self.has_room(bytes))
    }

    /// Makes the active segment ready for this many bytes.
    fn make_ready(&mut self, bytes: u64) -> Result<(), Arc<JournalError>> {
        if self.must_cut {
            let path = self.storage.path(Segment::Active);
            self.cut().map_err(|source| JournalError::Write { path, source })?;
        }
        if self.must_rotate(bytes) { self.rotate() } else { Ok(()) }
    }

    fn rotate(&mut self) -> Result<(), Arc<JournalError>> {
        self.sync();
        if let Some(error) = self.queue.error() {
            return Err(error);
        }
        let path = self.storage.path(Segment::Active);
        if let Err(source) = guarded(|| self.storage.rotate()) {
            self.must_cut = true;
            return Err(Arc::new(JournalError::Rotate { path, source }));
        }
        (self.len, self.since) = (0, None);
        Ok(())
    }

    /// A partial line would be damage in the middle once more is written.
    fn cut(&mut self) -> io::Result<()> {
        match guarded(|| self.storage.truncate(Segment::Active, self.len)) {
            // The file does not exist: there is nothing to cut, and what was in it is lost.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (self.len, self.since) = (0, None);
                if self.is_dirty {
                    self.lost(error);
                }
            }
            cut => cut?,
        }
        self.must_cut = false;
        Ok(())
    }

    fn append(&mut self, text: &[u8]) -> Result<(), Arc<JournalError>> {
        if let Err(source) = guarded(|| self.storage.append(text)) {
            let path = self.storage.path(Segment::Active);
            // If it cannot be cut off now, it is cut before the next line.
            self.must_cut = true;
            let _ = self.cut();
            return Err(Arc::new(JournalError::Write { path, source }));
        }
        self.len += text.len() as u64;
        self.since.get_or_insert_with(SystemTime::now);
        self.is_dirty = true;
        Ok(())
    }

    fn written(&mut self, told: Vec<Told>) {
        let before = self.unsynced.len();
        self.unsynced.extend(told);
        match self.policy.sync {
            SyncPolicy::Always => return self.sync(),
            _ if self.unsynced.len() >= MANY => return self.sync(),
            SyncPolicy::Every(interval) => {
                self.sync_due = self.sync_due.or_else(|| Instant::now().checked_add(interval));
            }
            SyncPolicy::OnClose => {}
        }
        self.unsynced[before..].iter_mut().for_each(Told::written);
    }

    fn sync(&mut self) {
        self.sync_due = None;
        if !take(&mut self.is_dirty) {
            return;
        }
        match guarded(|| self.storage.sync()) {
            Ok(()) => take(&mut self.unsynced).into_iter().for_each(Told::durable),
            Err(source) => {
                self.must_cut = true;
                self.lost(source);
            }
        }
    }

    /// What was written and not synced may not be on disk.
    fn lost(&mut self, source: io::Error) {
        self.is_dirty = false;
        let told = take(&mut self.unsynced);
        let path = self.storage.path(Segment::Active);
        self.failed(Arc::new(JournalError::Sync { path, source }), told);
    }

    /// A write-ahead journal has failed for good; a journal of completed events goes on with the next
    /// line.
    fn failed(&mut self, error: Arc<JournalError>, told: Vec<Told>) {
        self.note(error.clone());
        if self.policy.is_ahead {
            self.queue.fail(error.clone());
        }
        for told in told {
            told.failed(error.clone());
        }
        if self.policy.is_ahead {
            for told in take(&mut self.unsynced) {
                told.failed(error.clone());
            }
        }
    }
}

/// A storage that panics has failed.
fn guarded<T>(call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let called = catch_unwind(AssertUnwindSafe(call));
    called.unwrap_or_else(|_| Err(io::Error::other("the storage panicked")))
}

impl Drop for Writer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.queue.abandon(Arc::new(JournalError::Closed));
        }
    }
}
