//! The journal as seen by its user and its buses.

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use busway_core::journal::{Entry, Feed, Receipt, Sink, SinkError, hands_on_here};
use busway_core::{BoxError, Timestamp};

use crate::error::{DiscardError, JournalError, OpenError, ReadError};
use crate::queue::{Queue, Told};
use crate::read::Torn;
use crate::recover::Recovered;
use crate::replay::Replay;
use crate::settings::{JournalBuilder, Mode, SyncPolicy};
use crate::storage::Storage;
use crate::text;
use crate::unfinished::Unfinished;
use crate::writer::{Opened, Policy};

/// Events on disk. Give it to buses with `EventBusBuilder::journal(&journal)`; several may share it.
///
/// It is cheap to clone. The buses keep it open: it closes when the last of them and the last clone are
/// gone. Dropping the last clone blocks the thread until everything noted so far is on disk, so do not
/// drop it on an executor's thread. Lines that buses note later are written too, unless the process
/// ends first. [`close`](Self::close) does both without blocking, and reports errors.
#[derive(Clone)]
pub struct Journal {
    owner: Arc<Owner>,
    /// Dropped with the last clone, after its `owner`.
    _handle: Arc<Handle>,
    found: Arc<Found>,
}

/// The state found when it was opened.
struct Found {
    path: PathBuf,
    mode: Mode,
    torn: Option<Torn>,
    unfinished: Mutex<Vec<Unfinished>>,
}

/// Shared with the buses. The thread ends with the last of them.
struct Owner {
    queue: Arc<Queue>,
    is_ahead: bool,
    checksum: bool,
    /// Only demand brings lines to disk while it is open.
    syncs_on_demand: bool,
    /// The sources of lines.
    feeds: Mutex<Vec<Feed>>,
}

struct Handle(Arc<Owner>);

impl Journal {
    /// Returns settings for the journal at `path`.
    pub fn builder(path: impl Into<PathBuf>) -> JournalBuilder {
        JournalBuilder::new(path.into())
    }

    /// Opens a journal of completed events with the default settings: one line for each event, synced
    /// every second.
    ///
    /// # Errors
    /// As [`JournalBuilder::open`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::builder(path).open()
    }

    /// Opens a write-ahead journal with the default settings: nothing starts before its acceptance is
    /// on disk.
    ///
    /// # Errors
    /// As [`JournalBuilder::open`].
    pub fn write_ahead(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::builder(path).mode(Mode::WriteAhead).open()
    }

    /// Reads the journal at `path` from its beginning, even while another journal writes it.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn replay(path: impl AsRef<Path>) -> Result<Replay, ReadError> {
        Replay::open(path)
    }

    pub(crate) fn start(
        path: PathBuf,
        storage: Box<dyn Storage>,
        policy: Policy,
        checksum: bool,
        mut opened: Opened,
        unfinished: Vec<Unfinished>,
    ) -> Self {
        let mode = if policy.is_ahead { Mode::WriteAhead } else { Mode::Completed };
        let unfinished = Mutex::new(unfinished);
        let found = Arc::new(Found { path, mode, torn: opened.torn.take(), unfinished });
        let queue = Arc::new(Queue::new(storage, policy, opened));
        let syncs_on_demand = policy.sync == SyncPolicy::OnClose;
        let is_ahead = policy.is_ahead;
        let feeds = Mutex::default();
        let owner = Arc::new(Owner { queue, is_ahead, checksum, syncs_on_demand, feeds });
        Self { _handle: Arc::new(Handle(owner.clone())), owner, found }
    }

    /// Returns the path of the journal's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.found.path
    }

    /// Returns what is noted of an event.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.found.mode
    }

    /// Returns the torn end that a crash left and that was cut off when the journal was opened.
    #[must_use]
    pub fn torn(&self) -> Option<&Torn> {
        self.found.torn.as_ref()
    }

    /// Returns the events that were accepted and not completed when the journal was opened.
    ///
    /// Dispatch them again (R42) once the handlers are registered: events that nobody handles complete
    /// at once. They are given once. A journal of completed events has none to give.
    pub fn recover(&self) -> Recovered {
        let mut unfinished = self.found.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        Recovered::new(std::mem::take(&mut *unfinished))
    }

    /// Gives up an event that is unfinished, and waits until that is on disk: it will not be given back
    /// any more. Use it for events that no version of the program can handle. Children of it that had
    /// been accepted are given back by themselves when the journal is next opened.
    ///
    /// # Errors
    /// The line is not on disk, or it is a journal of completed events. What became of other lines is
    /// told to others.
    ///
    /// # Cancel safety
    /// Nothing is noted before the first poll. After that, dropping the future ends the wait only.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use busway_journal::RecoverError;
    /// # use busway_journal::{Journal, Types};
    /// # async fn example(journal: &Journal, bus: &busway_core::EventBus, types: &Types) -> Result<(), Box<dyn std::error::Error>> {
    /// let again = journal.recover().dispatch(bus, types).await;
    /// for (event, error) in &again.failed {
    ///     match error {
    ///         // The next opening would find the same. A good place to keep what is given up.
    ///         RecoverError::UnknownType { .. } | RecoverError::Decode(_) => {
    ///             eprintln!("given up: {error}: {}", event.line.payload());
    ///             journal.discard(event).await?;
    ///         }
    ///         // A bus that is stopped, or has the name of another, says nothing against the event.
    ///         _ => eprintln!("stays in the journal: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn discard(&self, event: &Unfinished) -> Result<(), DiscardError> {
        if !self.owner.is_ahead {
            return Err(DiscardError::NotWriteAhead);
        }
        self.note_discarded(event).await.map_err(DiscardError::Journal)
    }

    async fn note_discarded(&self, event: &Unfinished) -> Result<(), Arc<JournalError>> {
        let queue = &self.owner.queue;
        if queue.is_writing_thread() {
            return Err(Arc::new(JournalError::OwnThread));
        }
        let now = Timestamp::from(SystemTime::now());
        let told = queue.push_and_sync(&text::discarded(&event.line, now, self.owner.checksum));
        // Nobody tells it if the thread panicked.
        let lost = |_| Err(self.failure().unwrap_or_else(|| Arc::new(JournalError::Closed)));
        told.recv().await.unwrap_or_else(lost)
    }

    /// Returns the error after which the journal writes nothing more.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<JournalError>> {
        self.owner.queue.error()
    }

    /// Waits until everything noted before the call is on disk. Events noted later are not waited for.
    /// If the journal is being closed, this waits for the close and returns its result.
    ///
    /// # Errors
    /// The first error since the last flush.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait, not the writing.
    pub async fn flush(&self) -> Result<(), Arc<JournalError>> {
        self.owner.quiet().await;
        match self.owner.queue.flush() {
            // The thread ended before it reached this flush: with an error, or because it was closed.
            Some(told) => told.recv().await.unwrap_or_else(|_| self.ended()),
            None => self.ended(),
        }
    }

    /// Does the same, blocking the thread. Do not call it on an executor's thread.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn flush_blocking(&self) -> Result<(), Arc<JournalError>> {
        pollster::block_on(self.flush())
    }

    /// Closes the journal for everyone who shares it: waits until everything noted so far is on disk,
    /// and releases the file. Buses that go on find it closed; a write-ahead bus then refuses events.
    /// Concurrent calls to close or flush wait for the same end, and get the same error.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// Dropping the future leaves a journal that is still open, or is being closed.
    pub async fn close(self) -> Result<(), Arc<JournalError>> {
        self.owner.quiet().await;
        let closed = match self.owner.queue.close() {
            Some(told) => told.recv().await.unwrap_or_else(|_| self.ended()),
            None => self.ended(),
        };
        // Nothing is left to write: the thread only has to end.
        self.owner.queue.join();
        closed
    }

    fn ended(&self) -> Result<(), Arc<JournalError>> {
        match self.failure() {
            Some(error) => Err(error),
            None if self.owner.queue.is_writing_thread() => Err(Arc::new(JournalError::OwnThread)),
            None => Ok(()),
        }
    }
}

impl Sink for Owner {
    fn is_write_ahead(&self) -> bool {
        self.is_ahead
    }

    fn failure(&self) -> Option<SinkError> {
        self.queue.failure()
    }

    fn check(&self, payload: &str) -> Result<(), BoxError> {
        text::check_payload(payload)
    }

    fn text(&self, entry: &Entry<'_>) -> String {
        text::line(entry, self.checksum)
    }

    fn write(&self, text: String, receipt: Receipt) {
        self.queue.push(&text, Told::Event(receipt));
    }

    fn hurry(&self) {
        if self.syncs_on_demand {
            self.queue.hurry();
        }
    }

    fn joined(&self, feed: Feed) {
        let mut feeds = self.feeds();
        feeds.retain(|other| !other.is_over() && !other.is_of_same_hub(&feed));
        feeds.push(feed);
    }
}

impl Owner {
    /// Waits until other threads have handed on everything completed by now.
    async fn quiet(&self) {
        if hands_on_here() {
            // It would wait for itself.
            return;
        }
        // Not under the lock: looking at a hub may drop it, and all that it holds.
        let feeds = self.feeds().clone();
        for feed in feeds {
            let until = feed.noted();
            poll_fn(|cx| feed.poll_handed_on(until, cx)).await;
        }
    }

    fn feeds(&self) -> MutexGuard<'_, Vec<Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Journal> for Arc<dyn Sink> {
    fn from(journal: Journal) -> Self {
        journal.owner.clone()
    }
}

impl From<&Journal> for Arc<dyn Sink> {
    fn from(journal: &Journal) -> Self {
        journal.owner.clone()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        pollster::block_on(self.0.quiet());
        if let Some(told) = self.0.queue.flush() {
            // Callers who want errors call `close`.
            let _ = told.recv_blocking();
        }
        // The clones are gone: only buses can still hold it.
        if Arc::strong_count(&self.0) == 1 {
            self.0.queue.close();
            self.0.queue.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { path, mode, .. } = &*self.found;
        f.debug_struct("Journal").field("path", path).field("mode", mode).finish_non_exhaustive()
    }
}
