//! The settings of a journal.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::error::{OpenError, ReadError};
use crate::files::Files;
use crate::journal::Journal;
use crate::line::Line;
use crate::read::SegmentReader;
use crate::storage::{Segment, Storage, gaps};
use crate::unfinished::Ledger;
use crate::writer::{Opened, Policy};

/// Which lines an event gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// A line when the event completes: the journal tells what happened. If the journal fails, events
    /// go on.
    #[default]
    Completed,
    /// A line when the event is accepted, before its handlers start, and one when it completes. Events
    /// that were accepted and not completed can be [recovered](Journal::recover). If the journal fails,
    /// the bus refuses further events.
    WriteAhead,
}

/// When lines are synced to disk. A line that is written but not yet on disk survives a crash of the
/// process, but not one of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// At once. Lines written together are synced together, so many events share one sync. Handlers
    /// that wait for an acceptance wait for the disk. Nothing is lost.
    Always,
    /// This long after the first line written since the last sync. A crash of the machine loses the
    /// lines of that interval, and what was being written. Ten thousand written lines are synced sooner,
    /// since each keeps its event in memory until it is on disk. Awaiting
    /// [`durable`](busway_core::EventHandle::durable) does not hurry it. An interval that never passes,
    /// such as [`Duration::MAX`], is the same as [`OnClose`](Self::OnClose).
    Every(Duration),
    /// When the journal is closed, flushed or rotated, when
    /// [`durable`](busway_core::EventHandle::durable) is awaited, or after ten thousand lines. A crash
    /// of the machine loses the lines written since.
    OnClose,
}

const MAX_UNWRITTEN: usize = 256 << 20;

/// Settings of a journal, before it is opened. Made by [`Journal::builder`].
#[derive(Debug)]
#[must_use = "the journal is not open yet"]
pub struct JournalBuilder {
    path: PathBuf,
    mode: Mode,
    sync: Option<SyncPolicy>,
    rotate_at: Option<u64>,
    rotate_after: Option<Duration>,
    checksum: Option<bool>,
    max_unwritten: usize,
    storage: Option<Box<dyn Storage>>,
}

impl JournalBuilder {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            mode: Mode::Completed,
            sync: None,
            rotate_at: None,
            rotate_after: None,
            checksum: None,
            max_unwritten: MAX_UNWRITTEN,
            storage: None,
        }
    }

    /// Sets which lines an event gets. Defaults to [`Mode::Completed`].
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets when lines are synced to disk. A write-ahead journal defaults to [`SyncPolicy::Always`], which
    /// loses nothing. A journal of completed events defaults to [`SyncPolicy::Every`] second: a crash of the
    /// machine then loses the lines of the last second.
    pub const fn sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = Some(sync);
        self
    }

    /// Starts a new file before one would grow beyond this size, in bytes. A larger line gets a file of
    /// its own. By default, files grow without bound.
    pub const fn rotate_at(mut self, bytes: u64) -> Self {
        self.rotate_at = Some(bytes);
        self
    }

    /// Starts a new file with the first line that comes this long after the file's first one. By
    /// default, files do not age.
    pub const fn rotate_after(mut self, age: Duration) -> Self {
        self.rotate_after = Some(age);
        self
    }

    /// Sets whether each line ends with a checksum of its bytes, under the key `busway_crc`, so that
    /// damage within the line is found. By default, lines of a write-ahead journal do, and other lines
    /// are as bubus writes them.
    pub const fn checksum(mut self, on: bool) -> Self {
        self.checksum = Some(on);
        self
    }

    /// Sets how many bytes of lines may wait while others are being written. Once so many wait, a journal
    /// of completed events refuses lines with [`JournalError::Behind`](crate::JournalError::Behind):
    /// `on_warning` and the next flush report it, and the events go on. Defaults to 256 MiB. A
    /// write-ahead journal refuses none: its buses accept no more events than their `max_pending`.
    pub const fn max_unwritten(mut self, bytes: usize) -> Self {
        self.max_unwritten = bytes;
        self
    }

    /// Keeps the lines somewhere other than in files, such as on a failing disk in tests.
    pub fn storage(mut self, storage: impl Storage) -> Self {
        self.storage = Some(Box::new(storage));
        self
    }

    /// Opens the journal: makes the folders that are missing, takes the lock, cuts off a torn end, and
    /// reads the events that were accepted and not completed. It blocks while it reads, so call it before
    /// you build the bus.
    ///
    /// # Errors
    /// Another journal is open on the file, there is no access, or a line is damaged: in the last file,
    /// or for a write-ahead journal in any file. For a write-ahead journal, a rotated file is missing
    /// between others.
    pub fn open(self) -> Result<Journal, OpenError> {
        let (mut storage, path): (Box<dyn Storage>, _) = match self.storage {
            Some(storage) => (storage, self.path),
            None => {
                let absolute = std::path::absolute(&self.path);
                let path =
                    absolute.map_err(|source| OpenError::Io { path: self.path.clone(), source })?;
                (Box::new(Files::lock(&path)?), path)
            }
        };
        let is_ahead = self.mode == Mode::WriteAhead;
        let default_sync = match self.mode {
            Mode::Completed => SyncPolicy::Every(Duration::from_secs(1)),
            Mode::WriteAhead => SyncPolicy::Always,
        };
        let sync = match self.sync.unwrap_or(default_sync) {
            SyncPolicy::Every(interval) if Instant::now().checked_add(interval).is_none() => {
                SyncPolicy::OnClose
            }
            sync => sync,
        };
        let policy = Policy {
            sync,
            rotate_at: self.rotate_at.unwrap_or(u64::MAX),
            rotate_after: self.rotate_after.unwrap_or(Duration::MAX),
            is_ahead,
            max_unwritten: if is_ahead { usize::MAX } else { self.max_unwritten },
        };
        let mut ledger = Ledger::default();
        let opened = read(&mut *storage, is_ahead, |line| ledger.note(line))?;
        let checksum = self.checksum.unwrap_or(is_ahead);
        let unfinished = if is_ahead { ledger.into_unfinished() } else { Vec::new() };
        Ok(Journal::start(path, storage, policy, checksum, opened, unfinished))
    }
}

/// Reads the existing lines, and makes the end of the active segment ready for appending.
fn read(
    storage: &mut dyn Storage,
    all: bool,
    mut note: impl FnMut(Line),
) -> Result<Opened, OpenError> {
    let mut opened = Opened { len: 0, since: None, torn: None };
    let folder = storage.path(Segment::Active);
    let segments = storage.list().map_err(|error| io(&folder, error))?;
    if let Some(missing) = gaps(&segments).next().filter(|_| all) {
        return Err(ReadError::Missing { path: storage.path(missing) }.into());
    }
    for segment in segments {
        let is_active = segment == Segment::Active;
        if !is_active && !all {
            continue;
        }
        let path = storage.path(segment);
        let bytes = storage.read(segment).map_err(|error| io(&path, error))?;
        let mut reader = SegmentReader::new(path.clone(), bytes, is_active);
        for line in &mut reader {
            let line = line?;
            if is_active && opened.since.is_none() {
                opened.since = line.processed_at.or(line.created_at).map(SystemTime::from);
            }
            note(line);
        }
        if !is_active {
            continue;
        }
        opened.len = reader.offset();
        if let Some(torn) = reader.torn.take() {
            storage.truncate(segment, torn.offset).map_err(|error| io(&path, error))?;
            opened.torn = Some(torn);
        }
        if reader.lacks_line_feed {
            storage.append(b"\n").map_err(|error| io(&path, error))?;
            opened.len += 1;
        }
    }
    Ok(opened)
}

fn io(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::Read(ReadError::Io { path: path.into(), source })
}
